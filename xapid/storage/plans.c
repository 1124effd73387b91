/* The plans of storage: pure functions of the model; see storage.h. */
#include "config.h"

#include "lib/error.h"
#include "xapid/storage/storage.h"

/* A step about the row `ref`, which is the argument `name`. */
static void
add(struct plan *plan, const char *kind, const char *name, const char *ref)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, name, "s", ref);
    plan_add(plan, kind, g_variant_dict_end(&args));
}

static void
add_with_size(struct plan *plan, const char *kind, const char *name, const char *ref, gint64 size)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, name, "s", ref);
    g_variant_dict_insert(&args, "size", "x", size);
    plan_add(plan, kind, g_variant_dict_end(&args));
}

struct plan *
sr_plan_create(const char *sr, gint64 physical_size)
{
    struct plan *plan = plan_new("create", sr);

    add_with_size(plan, "sr.create", "sr", sr, physical_size);
    add(plan, "sr.attach", "sr", sr);
    add(plan, "sr.scan", "sr", sr);
    return plan;
}

struct plan *
sr_plan_plug(const struct storage_world *world, const char *sr, GError **error)
{
    return sr_may(world, sr, "plug", error) ? sr_plan_replug(sr) : NULL;
}

struct plan *
sr_plan_replug(const char *sr)
{
    struct plan *plan = plan_new("plug", sr);

    add(plan, "sr.attach", "sr", sr);
    add(plan, "sr.scan", "sr", sr);
    return plan;
}

/* A disk of it that a running VM has; NULL: none. */
static char *
disk_in_use(const struct model *model, const char *sr)
{
    const struct dm_field *vbd_vdi = dm_field_find(dm_class_find("VBD", false), "VDI");
    g_autoptr(GPtrArray) vdis = model_referrers(model, sr, dm_field_find(vdi_class(), "SR"));

    for (guint i = 0; i < vdis->len; i++) {
        g_autoptr(GPtrArray) vbds = model_referrers(model, vdis->pdata[i], vbd_vdi);
        for (guint j = 0; j < vbds->len; j++)
            if (model_get_bool(model, vbds->pdata[j], "currently_attached"))
                return g_strdup(vdis->pdata[i]);
    }
    return NULL;
}

struct plan *
sr_plan_unplug(const struct storage_world *world, const char *sr, GError **error)
{
    if (!sr_may(world, sr, "unplug", error))
        return NULL;
    g_autofree char *vdi = disk_in_use(world->model, sr);
    if (vdi) {
        api_error_set(error, "VDI_IN_USE", vdi, "unplug", NULL);
        return NULL;
    }
    struct plan *plan = plan_new("unplug", sr);
    add(plan, "sr.detach", "sr", sr);
    return plan;
}

struct plan *
sr_plan_scan(const struct storage_world *world, const char *sr, const char *operation,
             GError **error)
{
    if (!sr_may(world, sr, operation, error))
        return NULL;
    struct plan *plan = plan_new(operation, sr);
    add(plan, "sr.scan", "sr", sr);
    return plan;
}

struct plan *
sr_plan_coalesce(const char *pbd, const char *sr, GVariant *disks)
{
    struct plan *plan = plan_new("coalesce", pbd);
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "sr", "s", sr);
    g_variant_dict_insert(&args, "rate", "x", COALESCE_RATE);
    g_variant_dict_insert_value(&args, "disks", disks);
    plan_add(plan, "sr.coalesce", g_variant_dict_end(&args));
    sr_plan_add_stat(plan, sr);
    return plan;
}

struct plan *
sr_plan_destroy(const struct storage_world *world, const char *sr, GError **error)
{
    if (!sr_may(world, sr, "destroy", error))
        return NULL;
    if (!sr_pbd(world->model, sr, world->host)) {
        api_error_set(error, "SR_HAS_NO_PBDS", sr, NULL);
        return NULL;
    }
    struct plan *plan = plan_new("destroy", sr);
    add(plan, "sr.destroy", "sr", sr);
    return plan;
}

/* What the disk changed of its SR's figures. */
void
sr_plan_add_stat(struct plan *plan, const char *sr)
{
    add(plan, "sr.stat", "sr", sr);
}

void
vdi_plan_add_create(struct plan *plan, const char *vdi)
{
    add(plan, "vdi.create", "vdi", vdi);
}

struct plan *
vdi_plan_create(const char *vdi, const char *sr)
{
    struct plan *plan = plan_new("create", vdi);

    vdi_plan_add_create(plan, vdi);
    sr_plan_add_stat(plan, sr);
    return plan;
}

bool
vdi_may_copy(const struct storage_world *world, const char *source, const char *operation,
             const char *sr, const char *vm, GError **error)
{
    if (!vdi_may_but_for(world, source, operation, vm, error) ||
        !sr_may(world, sr, "vdi_create", error))
        return false;
    g_autofree char *type = model_get_string(world->model, sr, "type");
    if (model_get_bool(world->model, source, "missing")) {
        api_error_set(error, "VDI_NOT_AVAILABLE", source, NULL);
        return false;
    }
    if (!sm_can(world->model, type, "VDI_COPY")) {
        api_error_set(error, "SR_OPERATION_NOT_SUPPORTED", sr, NULL);
        return false;
    }
    return true;
}

/* A step about the handle of a copy's source. */
static void
add_source(struct plan *plan, const char *kind, const char *source, const char *handle,
           bool read_only)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "vdi", "s", source);
    g_variant_dict_insert(&args, "handle", "s", handle);
    g_variant_dict_insert(&args, "read_only", "b", read_only);
    plan_add(plan, kind, g_variant_dict_end(&args));
}

static void
add_filling(struct plan *plan, const char *kind, const char *vdi, const char *handle)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "vdi", "s", vdi);
    g_variant_dict_insert(&args, "source", "s", handle);
    plan_add(plan, kind, g_variant_dict_end(&args));
}

/* May the new disk share what it has in common with its source?  Not with one that several write
 * to: they would go on beside the copy that only one of them knows. */
static bool
may_share(const struct model *model, const char *operation, const char *sr, const char *source)
{
    g_autofree char *its = model_get_string(model, source, "SR");
    g_autofree char *type = model_get_string(model, sr, "type");

    return !g_str_equal(operation, "copy") && g_str_equal(its, sr) &&
           !model_get_bool(model, source, "sharable") && sm_can(model, type, "VDI_CLONE");
}

/* The source is attached to be read, under the new disk's uuid, so that nobody writes meanwhile. */
void
vdi_plan_add_copy(const struct model *model, struct plan *plan, const char *vdi, const char *uuid,
                  const char *sr, const char *source)
{
    add_source(plan, "vdi.attach", source, uuid, /* read_only= */ true);
    if (may_share(model, plan->operation, sr, source))
        add_filling(plan, "vdi.clone", vdi, uuid);
    add_filling(plan, "vdi.copy", vdi, uuid);
    add_source(plan, "vdi.detach", source, uuid, /* read_only= */ true);
}

bool
vdi_may_share(const struct storage_world *world, const char *vdi, GError **error)
{
    g_autofree char *sr = model_get_string(world->model, vdi, "SR");
    g_autofree char *type = model_get_string(world->model, sr, "type");

    if (!sm_can(world->model, type, "VDI_CLONE"))
        api_error_set(error, "SR_OPERATION_NOT_SUPPORTED", sr, NULL);
    else if (!may_share(world->model, "snapshot", sr, vdi))
        api_error_set(error, "VDI_IN_USE", vdi, "snapshot", NULL);
    else
        return true;
    return false;
}

void
vdi_plan_add_shared(struct plan *plan, const char *vdi, const char *source, const char *handle)
{
    GVariantDict args;

    add_source(plan, "vdi.renew_back", source, handle, /* read_only= */ false);
    add_filling(plan, "vdi.clone", vdi, handle);
    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "vdi", "s", vdi);
    g_variant_dict_insert(&args, "of", "s", source);
    plan_add(plan, "vdi.shared", g_variant_dict_end(&args));
    add_source(plan, "vdi.renew", source, handle, /* read_only= */ false);
}

void
vdi_plan_add_exchange(struct plan *plan, const char *vdi, const char *copy)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "vdi", "s", vdi);
    g_variant_dict_insert(&args, "with", "s", copy);
    plan_add(plan, "vdi.exchange", g_variant_dict_end(&args));
}

void
vdi_plan_add_discard(struct plan *plan, const char *copy)
{
    add(plan, "vdi.discard", "vdi", copy);
}

struct plan *
vdi_plan_copy(const struct model *model, const char *operation, const char *vdi, const char *uuid,
              const char *sr, const char *source)
{
    struct plan *plan = plan_new(operation, vdi);

    plan_show_also(plan, source);
    vdi_plan_add_copy(model, plan, vdi, uuid, sr, source);
    sr_plan_add_stat(plan, sr);
    return plan;
}

struct plan *
vdi_plan_destroy(const struct storage_world *world, const char *vdi, GError **error)
{
    g_autofree char *sr = model_get_string(world->model, vdi, "SR");

    if (!vdi_may(world, vdi, "destroy", error))
        return NULL;
    struct plan *plan = plan_new("destroy", vdi);
    add(plan, "vdi.destroy", "vdi", vdi);
    sr_plan_add_stat(plan, sr);
    return plan;
}

struct plan *
vdi_plan_resize(const struct storage_world *world, const char *vdi, gint64 size, GError **error)
{
    g_autofree char *sr = model_get_string(world->model, vdi, "SR");
    gint64 now = model_get_int(world->model, vdi, "virtual_size");

    if (!vdi_may(world, vdi, "resize", error))
        return NULL;
    if (model_get_bool(world->model, vdi, "read_only")) {
        api_error_set(error, "VDI_READONLY", vdi, NULL);
        return NULL;
    }
    if (size < now) {
        g_autofree char *minimum = g_strdup_printf("%" G_GINT64_FORMAT, now);
        api_error_set(error, "VDI_TOO_SMALL", vdi, minimum, NULL);
        return NULL;
    }
    struct plan *plan = plan_new("resize", vdi);
    add_with_size(plan, "vdi.resize", "vdi", vdi, size);
    sr_plan_add_stat(plan, sr);
    return plan;
}
