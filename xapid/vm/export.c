/* The plan of an export: every disk of the VM is attached to be read, all are sent, and let go. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/vm/copies.h"
#include "xapid/vm/export.h"

/* Those of its drives, each once, in the order of their names in the stream; references, borrowed
 * from records. */
static GPtrArray *
disks_of(const struct vm_records *records, const char *vm)
{
    const struct model *model = records->model;
    g_autoptr(GPtrArray) drives = model_referrers(model, vm, dm_field_find(vbd_class(), "VM"));
    g_autoptr(GHashTable) own = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GPtrArray *disks = g_ptr_array_new();

    for (guint i = 0; i < drives->len; i++)
        if (vbd_has_own_disk(model, drives->pdata[i]))
            g_hash_table_add(own, model_get_string(model, drives->pdata[i], "VDI"));
    for (guint i = 0; i < records->rows->len; i++)
        if (g_hash_table_contains(own, records->rows->pdata[i]))
            g_ptr_array_add(disks, records->rows->pdata[i]);
    return disks;
}

bool
vm_may_export(const struct storage_world *storage, const char *vm, GError **error)
{
    const struct model *model = storage->model;
    g_autoptr(GPtrArray) drives = model_referrers(model, vm, dm_field_find(vbd_class(), "VM"));

    if (!vm_may(model, vm, "export", error))
        return false;
    for (guint i = 0; i < drives->len; i++) {
        if (!vbd_has_own_disk(model, drives->pdata[i]))
            continue;
        g_autofree char *vdi = model_get_string(model, drives->pdata[i], "VDI");
        if (!model_has(model, vdi_class(), vdi)) {
            api_error_set(error, "VBD_MISSING", NULL);
            return false;
        }
        if (!vdi_may_transfer(storage, vdi, "copy", error))
            return false;
    }
    return true;
}

/* In the order in which XAPI's own archives have them. */
static int
compare_names(const void *a, const void *b, void *data)
{
    GHashTable *names = data;

    return strcmp(g_hash_table_lookup(names, *(char *const *)a),
                  g_hash_table_lookup(names, *(char *const *)b));
}

struct plan *
vm_plan_export(const char *vm, const struct vm_records *records, const char *handle,
               const char *packing)
{
    g_autoptr(GPtrArray) disks = disks_of(records, vm);
    struct plan *plan = plan_new("export", vm);
    g_autoptr(GPtrArray) handles = g_ptr_array_new_with_free_func(g_free);
    GVariantBuilder sent;

    g_ptr_array_sort_with_data(disks, compare_names, records->names);
    g_variant_builder_init(&sent, G_VARIANT_TYPE("a(sss)"));
    for (guint i = 0; i < disks->len; i++) {
        const char *vdi = disks->pdata[i];
        char *its = g_uuid_string_random();
        g_ptr_array_add(handles, its);
        g_variant_builder_add(&sent, "(sss)", vdi, its,
                              (const char *)g_hash_table_lookup(records->names, vdi));
        plan_show_also(plan, vdi);
        vdi_plan_add_use(plan, "vdi.attach", vdi, its, /* read_only= */ true);
    }
    vm_plan_add_export(plan, handle, g_variant_builder_end(&sent), packing);
    for (guint i = 0; i < disks->len; i++)
        vdi_plan_add_use(plan, "vdi.detach", disks->pdata[i], handles->pdata[i], true);
    return plan;
}
