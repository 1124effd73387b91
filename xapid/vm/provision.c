/* A template becomes a VM: the disks that its other_config:disks asks for are made, all or none,
 * by one plan whose object is the VM.  Their rows are there from the beginning, not managed. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/vm/copies.h"

#define DISKS_KEY "other_config:disks"
#define DISKS_MAX 65536 /* bytes of it */

/* ---- <provision><disk …/>…</provision> ---- */

struct asked {
    char *device, *size, *sr, *bootable, *type;
};

static void
asked_free(void *data)
{
    struct asked *asked = data;

    g_free(asked->device);
    g_free(asked->size);
    g_free(asked->sr);
    g_free(asked->bootable);
    g_free(asked->type);
    g_free(asked);
}

/* What nobody knows means nothing. */
static struct asked *
asked_new(const char **names, const char **values)
{
    struct asked *asked = g_new0(struct asked, 1);
    const struct {
        const char *name;
        char **value;
    } known[] = {{"device", &asked->device},
                 {"size", &asked->size},
                 {"sr", &asked->sr},
                 {"bootable", &asked->bootable},
                 {"type", &asked->type}};

    for (; *names; names++, values++)
        for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
            if (g_str_equal(*names, known[i].name) && !*known[i].value)
                *known[i].value = g_strdup(*values);
    return asked;
}

static void
take_element(GMarkupParseContext *context, const char *element, const char **names,
             const char **values, void *data, GError **error)
{
    const GSList *open = g_markup_parse_context_get_element_stack(context);
    GPtrArray *disks = data;

    if (!open->next && g_str_equal(element, "provision"))
        return;
    if (open->next && !open->next->next && g_str_equal(element, "disk"))
        g_ptr_array_add(disks, asked_new(names, values));
    else
        g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_UNKNOWN_ELEMENT, "<%s>", element);
}

/* Of struct asked, the caller's; NULL: it is something else. */
static GPtrArray *
disks_parse(const char *value)
{
    static const GMarkupParser parser = {.start_element = take_element};
    g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(asked_free);

    if (strlen(value) > DISKS_MAX)
        return NULL;
    GMarkupParseContext *context =
        g_markup_parse_context_new(&parser, G_MARKUP_DEFAULT_FLAGS, disks, NULL);
    bool ok = g_markup_parse_context_parse(context, value, -1, NULL) &&
              g_markup_parse_context_end_parse(context, NULL);
    g_markup_parse_context_free(context);
    return ok ? g_steal_pointer(&disks) : NULL;
}

bool
vm_disks_are_valid(const char *value)
{
    g_autoptr(GPtrArray) disks = disks_parse(value);

    return disks != NULL;
}

/* ---- what they mean here ---- */

struct disk {
    int position;
    gint64 size;
    char *sr; /* a reference */
    const char *type;
    bool bootable;
};

static void
disk_free(void *data)
{
    struct disk *disk = data;

    g_free(disk->sr);
    g_free(disk);
}

static bool
refuse(GError **error, const char *attribute, const char *value)
{
    g_autofree char *name = g_strdup_printf(DISKS_KEY ":%s", attribute);

    api_error_set(error, "INVALID_VALUE", name, value ? value : "missing", NULL);
    return false;
}

/* By its uuid; the pool's own when none is named. */
static char *
find_sr(const struct model *model, const char *uuid, GError **error)
{
    if (!uuid || !*uuid)
        return sr_default(model, error);
    const char *sr = model_by_uuid(model, sr_class(), uuid);
    if (!sr)
        api_error_set(error, "UUID_INVALID", "SR", uuid, NULL);
    return g_strdup(sr);
}

static bool
read_disk(const struct storage_world *storage, const char *vm, const struct asked *asked,
          guint32 *taken, struct disk *disk, GError **error)
{
    static const char *const types[] = {"system", "user", "ephemeral", NULL};

    disk->position = asked->device ? vbd_position(asked->device) : -1;
    if (disk->position < 0 || *taken & 1u << disk->position ||
        !vbd_position_is_free(storage->model, vm, disk->position))
        return refuse(error, "device", asked->device);
    *taken |= 1u << disk->position;
    if (!asked->size ||
        !g_ascii_string_to_signed(asked->size, 10, 1, VDI_SIZE_MAX, &disk->size, NULL))
        return refuse(error, "size", asked->size);
    disk->type = asked->type ? asked->type : "user";
    if (!g_strv_contains(types, disk->type))
        return refuse(error, "type", disk->type);
    disk->bootable = g_strcmp0(asked->bootable, "true") == 0;
    disk->sr = find_sr(storage->model, asked->sr, error);
    return disk->sr && sr_may(storage, disk->sr, "vdi_create", error);
}

/* Of struct disk; `asked` owns their words.  NULL with an error. */
static GPtrArray *
read_disks(const struct storage_world *storage, const char *vm, GPtrArray *asked, GError **error)
{
    g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(disk_free);
    guint32 taken = 0;

    for (guint i = 0; i < asked->len; i++) {
        struct disk *disk = g_new0(struct disk, 1);
        g_ptr_array_add(disks, disk);
        if (!read_disk(storage, vm, asked->pdata[i], &taken, disk, error))
            return NULL;
    }
    return g_steal_pointer(&disks);
}

/* ---- rows ---- */

static const char *
add_vdi(struct txn *txn, const char *vm, const struct disk *disk, GError **error)
{
    g_autofree char *name = model_get_string(txn_model(txn), vm, "name_label");
    g_autofree char *label = g_strdup_printf("%s disk %d", name, disk->position);
    GVariantDict row;

    g_variant_dict_init(&row, NULL);
    g_variant_dict_insert(&row, "name_label", "s", label);
    g_variant_dict_insert(&row, "SR", "s", disk->sr);
    g_variant_dict_insert(&row, "virtual_size", "x", disk->size);
    g_variant_dict_insert(&row, "type", "s", disk->type);
    g_variant_dict_insert(&row, "managed", "b", FALSE);
    return txn_create(txn, vdi_class(), NULL, g_variant_dict_end(&row), error);
}

static bool
add_vbd(struct txn *txn, const char *vm, const char *vdi, const struct disk *disk, GError **error)
{
    g_autofree char *position = g_strdup_printf("%d", disk->position);
    g_autoptr(GVariant) none =
        g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
    const char *metrics = txn_create(txn, dm_class_find("VBD_metrics", false), NULL, none, error);
    GVariantDict row;

    if (!metrics)
        return false;
    g_autoptr(GVariant) no_entries = g_variant_ref_sink(g_variant_new("a{ss}", NULL));
    g_variant_dict_init(&row, NULL);
    g_variant_dict_insert(&row, "VM", "s", vm);
    g_variant_dict_insert(&row, "VDI", "s", vdi);
    g_variant_dict_insert(&row, "userdevice", "s", position);
    g_variant_dict_insert(&row, "bootable", "b", disk->bootable);
    g_variant_dict_insert(&row, "type", "s", "Disk");
    g_variant_dict_insert(&row, "mode", "s", "RW");
    g_variant_dict_insert(&row, "unpluggable", "b", TRUE);
    g_variant_dict_insert(&row, "metrics", "s", metrics);
    /* It goes with the VM. */
    g_variant_dict_insert_value(&row, "other_config", vm_map_with(no_entries, "owner", ""));
    const char *vbd = txn_create(txn, vbd_class(), NULL, g_variant_dict_end(&row), error);
    if (vbd)
        vbd_refresh_allowed(txn, vbd);
    return vbd != NULL;
}

/* ---- the plan ---- */

/* What the template asks for, of struct asked; NULL with an error. */
static GPtrArray *
asked_of(const struct model *model, const char *vm, GError **error)
{
    g_autofree char *value = model_get_map_value(model, vm, "other_config", "disks");

    if (!value)
        return g_ptr_array_new();
    GPtrArray *asked = disks_parse(value);
    if (!asked)
        api_error_set(error, "INVALID_VALUE", DISKS_KEY, value, NULL);
    return asked;
}

bool
vm_may_provision(const struct storage_world *storage, const char *vm, GError **error)
{
    if (!vm_may(storage->model, vm, "provision", error))
        return false;
    g_autoptr(GPtrArray) asked = asked_of(storage->model, vm, error);
    g_autoptr(GPtrArray) disks = asked ? read_disks(storage, vm, asked, error) : NULL;
    return disks != NULL;
}

static bool
add_disks(struct txn *txn, struct plan *plan, const char *vm, GPtrArray *disks, GError **error)
{
    for (guint i = 0; i < disks->len; i++) {
        const struct disk *disk = disks->pdata[i];
        const char *vdi = add_vdi(txn, vm, disk, error);
        if (!vdi || !add_vbd(txn, vm, vdi, disk, error))
            return false;
        plan_show_also(plan, vdi);
        vdi_plan_add_create(plan, vdi);
    }
    for (guint i = 0; i < disks->len; i++) {
        const struct disk *disk = disks->pdata[i];
        bool again = false;
        for (guint j = 0; j < i; j++)
            again |= g_str_equal(((const struct disk *)disks->pdata[j])->sr, disk->sr);
        if (!again)
            sr_plan_add_stat(plan, disk->sr);
    }
    return true;
}

struct plan *
vm_begin_provision(const struct storage_world *storage, struct txn *txn, const char *vm,
                   GError **error)
{
    g_autoptr(GPtrArray) asked = asked_of(storage->model, vm, error);
    g_autoptr(GPtrArray) disks = asked ? read_disks(storage, vm, asked, error) : NULL;

    if (!disks)
        return NULL;
    struct plan *plan = plan_new("provision", vm);
    if (!add_disks(txn, plan, vm, disks, error))
        g_clear_pointer(&plan, plan_free);
    return plan;
}

void
vm_record_provision(struct op *op, struct txn *txn, const char *vm, const GError *error)
{
    vm_record_new_disks(op, txn, vm, error);
    if (error)
        return;
    vm_record_installed(txn, vm);
    txn_set_value(txn, vm, "is_a_template", g_variant_new_boolean(FALSE));
    txn_set_value(txn, vm, "is_default_template", g_variant_new_boolean(FALSE));
    txn_set_map_value(txn, vm, "other_config", "disks", NULL);
    vm_refresh_allowed(txn, vm);
}
