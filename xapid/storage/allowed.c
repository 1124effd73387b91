/* Which operations the state of an SR or a VDI allows: a table each, two readers
 * (allowed_operations, and sr_may or vdi_may). */
#include "config.h"

#include "lib/error.h"
#include "xapid/storage/storage.h"

#define ATTACHED 1u
#define DETACHED 2u
#define SHARED 4u /* runs beside others of its kind */
#define ROWS 8u   /* asks no driver */
#define INNER 16u /* no message is called so: it is not told as allowed */

/* Only what this version can do. */
static const struct {
    const char *operation;
    unsigned when;
    const char *capability; /* that the driver must have; NULL: none */
} sr_operations[] = {
    {"scan", ATTACHED, NULL},
    {"update", ATTACHED, NULL},
    {"unplug", ATTACHED, NULL},
    {"plug", DETACHED, NULL},
    {"destroy", DETACHED, "SR_DELETE"},
    {"forget", DETACHED | ROWS, NULL},
    {"pbd_create", DETACHED | SHARED | ROWS, NULL},
    {"pbd_destroy", DETACHED | ROWS, NULL},
    {"vdi_create", ATTACHED | SHARED, "VDI_CREATE"},
    {"vdi_destroy", ATTACHED | SHARED, "VDI_DELETE"},
    {"vdi_resize", ATTACHED | SHARED, "VDI_RESIZE"},
    {"vdi_copy", ATTACHED | SHARED, "VDI_ATTACH"},
    {"vdi_clone", ATTACHED | SHARED, "VDI_COPY"},
    {"vdi_snapshot", ATTACHED | SHARED, "VDI_COPY"},
    {"vdi_revert", ATTACHED | SHARED | INNER, "VDI_EXCHANGE"},
    {"vdi_mirror", ATTACHED | SHARED | INNER, "VDI_ATTACH"},
};

static const struct {
    const char *operation;
    const char *of_sr; /* what it is to the SR */
    bool reads;        /* others may read meanwhile */
} vdi_operations[] = {
    {"destroy", "vdi_destroy", false},  {"resize", "vdi_resize", false},
    {"copy", "vdi_copy", true},         {"clone", "vdi_clone", true},
    {"snapshot", "vdi_snapshot", true}, {"revert_from", "vdi_revert", true},
    {"revert_to", "vdi_revert", false}, {"mirror", "vdi_mirror", false},
};

static unsigned
sr_operation_find(const char *operation)
{
    unsigned i = 0;

    while (i < G_N_ELEMENTS(sr_operations) && !g_str_equal(sr_operations[i].operation, operation))
        i++;
    return i;
}

bool
sr_shows(const char *operation)
{
    return sr_operation_find(operation) < G_N_ELEMENTS(sr_operations);
}

bool
sr_is_under(const struct model *model, const char *sr, const char *operation)
{
    g_autoptr(GVariant) current =
        model_get(model, sr, dm_field_find(sr_class(), "current_operations"));
    GVariantIter iter;
    const char *shown;

    g_variant_iter_init(&iter, current);
    while (g_variant_iter_next(&iter, "{&s&s}", NULL, &shown))
        if (g_str_equal(shown, operation))
            return true;
    return false;
}

static unsigned
vdi_operation_find(const char *operation)
{
    unsigned i = 0;

    while (i < G_N_ELEMENTS(vdi_operations) && !g_str_equal(vdi_operations[i].operation, operation))
        i++;
    return i;
}

const char *
vdi_operation_of_sr(const char *operation)
{
    unsigned i = vdi_operation_find(operation);

    return i < G_N_ELEMENTS(vdi_operations) ? vdi_operations[i].of_sr : NULL;
}

static bool
only_reads(const char *operation)
{
    unsigned i = vdi_operation_find(operation);

    return i < G_N_ELEMENTS(vdi_operations) && vdi_operations[i].reads;
}

/* May it begin beside what is under way? */
static bool
sr_is_free(GVariant *current, const char *operation, const char **ret_other, const char **ret_key)
{
    bool shared = sr_operations[sr_operation_find(operation)].when & SHARED;
    GVariantIter iter;

    g_variant_iter_init(&iter, current);
    while (g_variant_iter_next(&iter, "{&s&s}", ret_key, ret_other)) {
        unsigned i = sr_operation_find(*ret_other);
        if (!shared || i == G_N_ELEMENTS(sr_operations) || !(sr_operations[i].when & SHARED))
            return false;
    }
    return true;
}

/* Some host has it attached. */
static bool
sr_attached_within(struct txn *txn, const char *sr)
{
    const struct dm_field *attached =
        dm_field_find(dm_class_find("PBD", false), "currently_attached");
    g_autoptr(GVariant) pbds = txn_get(txn, sr, dm_field_find(sr_class(), "PBDs"));
    GVariantIter iter;
    const char *pbd;

    g_variant_iter_init(&iter, pbds);
    while (g_variant_iter_next(&iter, "&s", &pbd)) {
        g_autoptr(GVariant) value = txn_get(txn, pbd, attached);
        if (g_variant_get_boolean(value))
            return true;
    }
    return false;
}

void
sr_refresh_allowed(struct txn *txn, const struct model *model, const char *sr)
{
    g_autoptr(GVariant) current = txn_get(txn, sr, dm_field_find(sr_class(), "current_operations"));
    g_autoptr(GVariant) type = txn_get(txn, sr, dm_field_find(sr_class(), "type"));
    unsigned state = sr_attached_within(txn, sr) ? ATTACHED : DETACHED;
    GVariantBuilder allowed;
    const char *other, *key;

    g_variant_builder_init(&allowed, G_VARIANT_TYPE("as"));
    for (unsigned i = 0; i < G_N_ELEMENTS(sr_operations); i++)
        if (sr_operations[i].when & state && !(sr_operations[i].when & INNER) &&
            (!sr_operations[i].capability ||
             sm_can(model, g_variant_get_string(type, NULL), sr_operations[i].capability)) &&
            sr_is_free(current, sr_operations[i].operation, &other, &key))
            g_variant_builder_add(&allowed, "s", sr_operations[i].operation);
    txn_set_value(txn, sr, "allowed_operations", g_variant_builder_end(&allowed));
}

bool
sr_may(const struct storage_world *world, const char *sr, const char *operation, GError **error)
{
    unsigned i = sr_operation_find(operation);
    g_autofree char *type = model_get_string(world->model, sr, "type");
    g_autoptr(GVariant) current =
        model_get(world->model, sr, dm_field_find(sr_class(), "current_operations"));
    bool attached = sr_is_attached(world->model, sr, world->host);
    const char *other, *key;

    if (!(sr_operations[i].when & ROWS) && !sm_find(world->model, type, error))
        return false;
    if (sr_operations[i].capability && !sm_can(world->model, type, sr_operations[i].capability)) {
        api_error_set(error, "SR_OPERATION_NOT_SUPPORTED", sr, NULL);
        return false;
    }
    if (!sr_is_free(current, operation, &other, &key)) {
        api_error_set(error, "OTHER_OPERATION_IN_PROGRESS", "SR", sr, other, key, NULL);
        return false;
    }
    if (sr_operations[i].when & ATTACHED)
        return sr_must_be_attached(world->model, sr, world->host, error);
    if (attached) {
        api_error_set(error, "SR_HAS_PBD", sr, NULL);
        return false;
    }
    return true;
}

/* ---- disks ---- */

static bool
vdi_in_use_within(struct txn *txn, const char *vdi, bool only_to_write)
{
    const struct dm_field *attached =
        dm_field_find(dm_class_find("VBD", false), "currently_attached");
    g_autoptr(GVariant) vbds = txn_get(txn, vdi, dm_field_find(vdi_class(), "VBDs"));
    GVariantIter iter;
    const char *vbd;

    g_variant_iter_init(&iter, vbds);
    while (g_variant_iter_next(&iter, "&s", &vbd)) {
        g_autoptr(GVariant) value = txn_get(txn, vbd, attached);
        g_autoptr(GVariant) mode = txn_get(txn, vbd, dm_field_find(attached->cls, "mode"));
        if (g_variant_get_boolean(value) &&
            !(only_to_write && g_str_equal(g_variant_get_string(mode, NULL), "RO")))
            return true;
    }
    return false;
}

/* May it begin beside what is under way?  What only reads goes beside its like. */
static bool
vdi_is_idle(GVariant *current, const char *operation, const char **ret_other, const char **ret_key)
{
    GVariantIter iter;

    g_variant_iter_init(&iter, current);
    while (g_variant_iter_next(&iter, "{&s&s}", ret_key, ret_other))
        if (!only_reads(operation) || !only_reads(*ret_other))
            return false;
    return true;
}

void
vdi_refresh_allowed(struct txn *txn, const struct model *model, const char *vdi)
{
    g_autoptr(GVariant) current =
        txn_get(txn, vdi, dm_field_find(vdi_class(), "current_operations"));
    g_autoptr(GVariant) sr = txn_get(txn, vdi, dm_field_find(vdi_class(), "SR"));
    bool has_sr = txn_has(txn, sr_class(), g_variant_get_string(sr, NULL));
    g_autoptr(GVariant) type =
        has_sr ? txn_get(txn, g_variant_get_string(sr, NULL), dm_field_find(sr_class(), "type"))
               : NULL;
    GVariantBuilder allowed;
    const char *other, *key;

    g_variant_builder_init(&allowed, G_VARIANT_TYPE("as"));
    for (unsigned i = 0; type && i < G_N_ELEMENTS(vdi_operations); i++) {
        const char *operation = vdi_operations[i].operation;
        unsigned of_sr = sr_operation_find(vdi_operations[i].of_sr);
        const char *capability = sr_operations[of_sr].capability;
        if (!(sr_operations[of_sr].when & INNER) &&
            sm_can(model, g_variant_get_string(type, NULL), capability) &&
            vdi_is_idle(current, operation, &other, &key) &&
            !vdi_in_use_within(txn, vdi, vdi_operations[i].reads))
            g_variant_builder_add(&allowed, "s", operation);
    }
    txn_set_value(txn, vdi, "allowed_operations", g_variant_builder_end(&allowed));
}

/* The drive through which a guest (other than that of the VM `but`) has it (writes to it), or will
 * when it is resumed; NULL: none. */
static const char *
vdi_user(const struct model *model, const char *vdi, bool only_to_write, const char *but)
{
    g_autoptr(GPtrArray) vbds =
        model_referrers(model, vdi, dm_field_find(dm_class_find("VBD", false), "VDI"));

    for (guint i = 0; i < vbds->len; i++) {
        g_autofree char *vm = model_get_string(model, vbds->pdata[i], "VM");
        g_autofree char *state = model_has(model, dm_class_find("VM", false), vm)
                                     ? model_get_string(model, vm, "power_state")
                                     : g_strdup("Halted");
        g_autofree char *mode = model_get_string(model, vbds->pdata[i], "mode");
        if ((only_to_write && g_str_equal(mode, "RO")) || g_strcmp0(vm, but) == 0)
            continue;
        if (model_get_bool(model, vbds->pdata[i], "currently_attached") ||
            g_str_equal(state, "Suspended"))
            return vbds->pdata[i];
    }
    return NULL;
}

/* but: the VM that may have it, or NULL. */
static bool
is_free_but_for(const struct storage_world *world, const char *vdi, const char *operation,
                const char *but, GError **error)
{
    g_autoptr(GVariant) current =
        model_get(world->model, vdi, dm_field_find(vdi_class(), "current_operations"));
    const char *other, *key;

    /* One that is being made is not managed yet. */
    if (!model_get_bool(world->model, vdi, "managed")) {
        api_error_set(error, "VDI_NOT_MANAGED", vdi, NULL);
        return false;
    }
    if (!vdi_is_idle(current, operation, &other, &key)) {
        api_error_set(error, "OTHER_OPERATION_IN_PROGRESS", "VDI", vdi, other, key, NULL);
        return false;
    }
    if (!vdi_user(world->model, vdi, only_reads(operation), but))
        return true;
    api_error_set(error, "VDI_IN_USE", vdi, operation, NULL);
    return false;
}

bool
vdi_is_free(const struct storage_world *world, const char *vdi, const char *operation,
            GError **error)
{
    return is_free_but_for(world, vdi, operation, NULL, error);
}

bool
vdi_may_but_for(const struct storage_world *world, const char *vdi, const char *operation,
                const char *but, GError **error)
{
    g_autofree char *sr = model_get_string(world->model, vdi, "SR");

    if (!is_free_but_for(world, vdi, operation, but, error))
        return false;
    if (!model_has(world->model, sr_class(), sr)) {
        api_error_set(error, "VDI_NOT_AVAILABLE", vdi, NULL);
        return false;
    }
    return sr_may(world, sr, vdi_operation_of_sr(operation), error);
}

bool
vdi_may(const struct storage_world *world, const char *vdi, const char *operation, GError **error)
{
    return vdi_may_but_for(world, vdi, operation, NULL, error);
}

bool
vdi_may_revert(const struct storage_world *world, const char *vdi, const char *snapshot,
               const char *vm, GError **error)
{
    return vdi_may_but_for(world, snapshot, "revert_from", NULL, error) &&
           vdi_may_but_for(world, vdi, "revert_to", vm, error);
}

bool
storage_refresh_all(struct model *model, GError **error)
{
    g_autoptr(GPtrArray) srs = model_all(model, sr_class());
    g_autoptr(GPtrArray) vdis = model_all(model, vdi_class());
    struct txn *txn = model_begin(model, error);

    if (!txn)
        return false;
    for (guint i = 0; i < srs->len; i++)
        sr_refresh_allowed(txn, model, srs->pdata[i]);
    for (guint i = 0; i < vdis->len; i++)
        vdi_refresh_allowed(txn, model, vdis->pdata[i]);
    return txn_commit(txn, error) != 0;
}
