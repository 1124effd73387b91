/* What Xen printed since it booted (by libxc: up to 4.17 libxl does not end the lines that it reads
 * when they fill its buffer), and where guests' consoles are. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <xenctrl.h>

#include "lib/error.h"
#include "xapid/domains/libxl-config.h"
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

bool
libxl_backend_consoles(struct backend_ctx *ctx, const struct domain_info *info,
                       struct guest_consoles *ret_consoles, GError **error)
{
    /* What a whole machine says comes from its serial port. */
    libxl_console_type type =
        info->type == GUEST_HVM ? LIBXL_CONSOLE_TYPE_SERIAL : LIBXL_CONSOLE_TYPE_PV;
    g_autofree char *screen = g_strdup_printf(LIBXL_SCREEN_SOCKET, info->uuid);
    char *text = NULL;

    (void)error;
    /* Not there: the machine has no such port. */
    if (libxl_console_get_tty(ctx->ctx, (uint32_t)info->domid, 0, type, &text))
        text = NULL;
    ret_consoles->text = g_strdup(text ? text : "");
    free(text);
    ret_consoles->screen = info->type == GUEST_HVM && access(screen, F_OK) == 0
                               ? g_steal_pointer(&screen)
                               : g_strdup("");
    return true;
}
