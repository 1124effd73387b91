/* What the CPUs can do, as Xen sees them and lets guests see them.  By libxc: libxl tells eight
 * words of the host's alone. */
#include "config.h"

#include <errno.h>
#include <xenctrl.h>
#include <xenguest.h>

#include "lib/error.h"
#include "xapid/domains/libxl-internal.h"

#define WORDS_MAX 64 /* of a feature set; Xen 4.17 has 13 */

/* "12345678-…", a word of 32 features each; "" when Xen has no such guests. */
static bool
read_set(xc_interface *xc, uint32_t index, char **ret_text, GError **error)
{
    uint32_t words[WORDS_MAX] = {0}, n = WORDS_MAX;
    int r = xc_get_cpu_featureset(xc, index, &n, words);
    GString *text;

    if (r < 0 && errno != EOPNOTSUPP) {
        api_error_set(error, "INTERNAL_ERROR", "libxc", "xc_get_cpu_featureset", g_strerror(errno),
                      NULL);
        return false;
    }
    text = g_string_new("");
    for (uint32_t i = 0; r == 0 && i < MIN(n, WORDS_MAX); i++)
        g_string_append_printf(text, "%s%08x", i ? "-" : "", words[i]);
    *ret_text = g_string_free(text, FALSE);
    return true;
}

bool
libxl_read_features(struct backend_ctx *ctx, struct host_info *info, GError **error)
{
    const struct {
        uint32_t index;
        char **ret_text;
    } sets[] = {{XEN_SYSCTL_cpu_featureset_raw, &info->features_raw},
                {XEN_SYSCTL_cpu_featureset_host, &info->features_host},
                {XEN_SYSCTL_cpu_featureset_pv, &info->features_pv},
                {XEN_SYSCTL_cpu_featureset_hvm, &info->features_hvm}};
    xc_interface *xc = xc_interface_open(&ctx->log.logger, NULL, 0);
    bool ok = true;

    if (!xc) {
        api_error_set(error, "INTERNAL_ERROR", "libxc", "xc_interface_open", g_strerror(errno),
                      NULL);
        return false;
    }
    for (size_t i = 0; ok && i < G_N_ELEMENTS(sets); i++)
        ok = read_set(xc, sets[i].index, sets[i].ret_text, error);
    xc_interface_close(xc);
    return ok;
}
