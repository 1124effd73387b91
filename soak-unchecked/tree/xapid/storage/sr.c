/* What is true of a storage repository. */
#include "config.h"

#include "lib/error.h"
#include "xapid/storage/storage.h"

const struct dm_class *
sr_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("SR", false);
    return cls;
}

const struct dm_class *
vdi_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("VDI", false);
    return cls;
}

GPtrArray *
sr_pbds(const struct model *model, const char *sr)
{
    return model_referrers(model, sr, dm_field_find(dm_class_find("PBD", false), "SR"));
}

const char *
sr_pbd(const struct model *model, const char *sr, const char *host)
{
    g_autoptr(GPtrArray) pbds = sr_pbds(model, sr);

    for (guint i = 0; i < pbds->len; i++) {
        g_autofree char *its = model_get_string(model, pbds->pdata[i], "host");
        if (g_str_equal(its, host))
            return pbds->pdata[i];
    }
    return NULL;
}

bool
sr_is_attached(const struct model *model, const char *sr, const char *host)
{
    const char *pbd = sr_pbd(model, sr, host);

    return pbd && model_get_bool(model, pbd, "currently_attached");
}

bool
sr_must_be_attached(const struct model *model, const char *sr, const char *host, GError **error)
{
    if (sr_is_attached(model, sr, host))
        return true;
    api_error_set(error, sr_pbd(model, sr, host) ? "SR_NOT_ATTACHED" : "SR_HAS_NO_PBDS", sr, NULL);
    return false;
}

char *
sr_default(const struct model *model, GError **error)
{
    g_autoptr(GPtrArray) pools = model_all(model, dm_class_find("pool", false));
    g_autofree char *sr =
        pools->len ? model_get_string(model, pools->pdata[0], "default_SR") : g_strdup(REF_NULL);

    if (model_has(model, sr_class(), sr))
        return g_steal_pointer(&sr);
    api_error_set(error, "DEFAULT_SR_NOT_FOUND", sr, NULL);
    return NULL;
}
