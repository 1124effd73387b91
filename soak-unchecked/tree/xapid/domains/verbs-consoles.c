/* What the hypervisor printed, and where guests' consoles are. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/text.h"
#include "xapid/domains/message.h"
#include "xapid/domains/verbs-internal.h"

bool
verb_dmesg(struct verbs *v, bool clear, verbs_part_fn part, void *data, GVariant **ret_result,
           GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    if (!v->backend->console(v->ctx, clear, bytes, error))
        return false;
    g_autofree char *text = text_clean(bytes->len ? (const char *)bytes->data : "", bytes->len);
    for (const char *at = text, *end; *at; at = end) {
        end = at + strnlen(at, MESSAGE_TEXT_MAX);
        while (*end && end > at && ((guchar)*end & 0xc0) == 0x80)
            end--;
        g_autofree char *piece = g_strndup(at, (gsize)(end - at));
        GVariantDict dict;
        g_variant_dict_init(&dict, NULL);
        g_variant_dict_insert(&dict, "text", "s", piece);
        if (!part(g_variant_dict_end(&dict), data, error))
            return false;
    }
    *ret_result = verbs_no_result();
    return true;
}

bool
verb_consoles(struct verbs *v, const char *uuid, GVariant **ret_result, GError **error)
{
    g_auto(guest_consoles) consoles = {0};
    struct domain_info *info = verbs_find_live(v, uuid, /* may_be_paused= */ true, error);
    GVariantDict dict;
    bool ok = info && info->ours;

    if (info && !ok)
        api_error_set(error, "OPERATION_NOT_ALLOWED", "The domain is another tool's", NULL);
    ok = ok && v->backend->consoles(v->ctx, info, &consoles, error);
    if (info)
        domain_info_free(info);
    if (!ok)
        return false;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "screen", "s", consoles.screen);
    g_variant_dict_insert(&dict, "text", "s", consoles.text);
    *ret_result = g_variant_dict_end(&dict);
    return true;
}
