/* What Xen printed since it booted.  By libxc: up to 4.17 libxl does not end the lines that it
 * reads when they fill its buffer. */
#include "config.h"

#include <errno.h>
#include <xenctrl.h>

#include "lib/error.h"
#include "xapid/domains/libxl-internal.h"

#define PIECE 65536 /* bytes asked for at once */

bool
libxl_backend_console(struct backend_ctx *ctx, bool clear, GByteArray *ret_text, GError **error)
{
    xc_interface *xc = xc_interface_open(&ctx->log.logger, NULL, 0);
    g_autofree char *piece = g_malloc(PIECE);
    bool at_end = false, done = false;
    uint32_t index = 0;
    int r = xc ? 0 : -1;

    /* Cleared with the last piece alone, which has what Xen printed meanwhile: a piece of a ring
     * that was cleared may begin behind what is not read yet. */
    while (r == 0 && !done) {
        unsigned count = PIECE;
        done = at_end;
        r = xc_readconsolering(xc, piece, &count, clear && at_end, /* incremental= */ 1, &index);
        if (r == 0)
            g_byte_array_append(ret_text, (const guint8 *)piece, count);
        at_end = count < PIECE || ret_text->len >= CONSOLE_MAX;
    }
    if (r)
        api_error_set(error, "INTERNAL_ERROR", "libxc", "xc_readconsolering", g_strerror(errno),
                      NULL);
    if (xc)
        xc_interface_close(xc);
    return r == 0;
}
