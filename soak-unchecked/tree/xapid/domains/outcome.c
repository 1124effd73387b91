/* Reading results off the domains; see outcome.h. */
#include "config.h"

#include "xapid/domains/outcome.h"

#include "lib/member.h"
#include "xapid/domains/backend.h"

GVariant *
outcome_domains(GPtrArray *parts)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < parts->len; i++) {
        g_autoptr(GVariant) domains =
            g_variant_lookup_value(parts->pdata[i], "domains", G_VARIANT_TYPE("aa{sv}"));
        GVariantIter iter;
        GVariant *domain;

        if (!domains)
            continue;
        g_variant_iter_init(&iter, domains);
        while ((domain = g_variant_iter_next_value(&iter))) {
            g_variant_builder_add_value(&builder, domain);
            g_variant_unref(domain);
        }
    }
    return g_variant_builder_end(&builder);
}

GVariant *
outcome_text(GPtrArray *parts)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < parts->len; i++)
        g_string_append(text, member_text(parts->pdata[i], "text"));
    return g_variant_new_string(text->str);
}

static bool
has_string(GVariant *domain, const char *key, const char *value)
{
    const char *text;

    return domain && g_variant_lookup(domain, key, "&s", &text) && g_str_equal(text, value);
}

/* The domain that is there and not dying, of `domid` unless that is -1. */
static GVariant *
find(GPtrArray *parts, int domid)
{
    g_autoptr(GVariant) domains = g_variant_ref_sink(outcome_domains(parts));
    GVariantIter iter;
    GVariant *domain;

    g_variant_iter_init(&iter, domains);
    while ((domain = g_variant_iter_next_value(&iter))) {
        int id = -1;

        g_variant_lookup(domain, "domid", "i", &id);
        if (!has_string(domain, "state", "dying") && !has_string(domain, "state", "suspended") &&
            (domid < 0 || id == domid))
            return domain;
        g_variant_unref(domain);
    }
    return NULL;
}

bool
outcome_domain_ended(int domid, GPtrArray *parts)
{
    g_autoptr(GVariant) domain = find(parts, domid);

    return !domain || has_string(domain, "state", "shutdown");
}

bool
outcome_of(const char *verb, const char *op_id, GPtrArray *parts, GVariant **ret_result)
{
    g_autoptr(GVariant) domain = find(parts, -1);
    gboolean complete = false;
    int domid = -1;

    if (domain) {
        g_variant_lookup(domain, "complete", "b", &complete);
        g_variant_lookup(domain, "domid", "i", &domid);
    }
    if (g_str_equal(verb, "create") || g_str_equal(verb, "restore")) {
        GVariantDict dict;

        if (!complete || !has_string(domain, "op_id", op_id))
            return false;
        g_variant_dict_init(&dict, NULL);
        g_variant_dict_insert(&dict, "domid", "i", domid);
        *ret_result = g_variant_dict_end(&dict);
        return true;
    }
    *ret_result = NULL;
    if (g_str_equal(verb, "destroy"))
        return !domain;
    if (g_str_equal(verb, "shutdown"))
        return !domain || has_string(domain, "state", "shutdown");
    /* One that did not end was undone by the recovery: then the guest runs. */
    if (g_str_equal(verb, "save"))
        return has_string(domain, "state", "shutdown") && has_string(domain, "reason", "suspend");
    if (g_str_equal(verb, "continue"))
        return !has_string(domain, "state", "shutdown");
    if (g_str_equal(verb, "pause"))
        return domain && has_string(domain, "state", "paused");
    /* It may have run and ended since. */
    if (g_str_equal(verb, "unpause"))
        return domain && !has_string(domain, "state", "paused");
    return false; /* of the others nothing can be read off the domains */
}
