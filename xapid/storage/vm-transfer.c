/* A VM to a client in one stream: its disks are attached, and xapid-stream sends all of them. */
#include "config.h"

#include "lib/error.h"
#include "lib/member.h"
#include "xapid/storage/steps.h"

static void
add(struct plan *plan, const char *kind, const char *handle, GVariant *disks, const char *packing)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "handle", "s", handle);
    g_variant_dict_insert_value(&args, "disks", disks);
    g_variant_dict_insert(&args, "packing", "s", packing);
    plan_add(plan, kind, g_variant_dict_end(&args));
}

void
vm_plan_add_export(struct plan *plan, const char *handle, GVariant *disks, const char *packing)
{
    add(plan, "vm.export", handle, disks, packing);
}

void
vm_plan_add_import(struct plan *plan, const char *handle, GVariant *disks)
{
    add(plan, "vm.import", handle, disks, "");
}

GVariant *
vm_transfer_disks(const struct model *model, GVariant *args)
{
    g_autoptr(GVariant) disks = g_variant_lookup_value(args, "disks", G_VARIANT_TYPE("a(sss)"));
    const char *vdi, *handle, *name;
    GVariantBuilder out;
    GVariantIter iter;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a(sssx)"));
    g_variant_iter_init(&iter, disks);
    while (g_variant_iter_next(&iter, "(&s&s&s)", &vdi, &handle, &name)) {
        if (!model_has(model, vdi_class(), vdi)) {
            g_variant_builder_clear(&out);
            return NULL;
        }
        g_autofree char *uuid = model_get_string(model, vdi, "uuid");
        g_variant_builder_add(&out, "(sssx)", handle, uuid, name,
                              model_get_int(model, vdi, "virtual_size"));
    }
    return g_variant_ref_sink(g_variant_builder_end(&out));
}

static void
export_run(struct op *op, GVariant *args)
{
    struct storage_world *world = op_room_data(op);
    g_autoptr(GVariant) disks = vm_transfer_disks(world->model, args);
    GVariantDict call;

    if (!disks) {
        op_step_done(op, api_error_new("VBD_MISSING", NULL));
        return;
    }
    const struct transfer *transfer = steps_lend(op, member_text(args, "handle"));
    if (!transfer)
        return;
    g_variant_dict_init(&call, NULL);
    g_variant_dict_insert_value(&call, "disks", disks);
    g_variant_dict_insert(&call, "packing", "s", member_text(args, "packing"));
    g_variant_dict_insert(&call, "silent", "u", transfer->silent);
    steps_start_call("vm.export", "", &call, &(struct driver_call){.op = op, .args = args});
}

const struct step_kind vm_export_kind = {
    .name = "vm.export", .weight = 100, .run = export_run, .cancel = steps_cancel};
