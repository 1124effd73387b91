/* Class VM: how much of the host's memory a VM needs, as a build of it would reserve it. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"
#include "xapid/calls/rows.h"

static gint64
member_int(GVariant *dict, const char *key)
{
    gint64 value = 0;

    g_variant_lookup(dict, key, "x", &value);
    return value;
}

static void
overhead_known(const GError *error, GVariant *memory, void *data)
{
    struct call *call = data;

    if (error)
        call_fail(call, g_error_copy(error));
    else
        call_return(call,
                    g_variant_new_int64(member_int(memory, "need") - member_int(memory, "memory")));
}

static void
most_known(const GError *error, GVariant *memory, void *data)
{
    struct call *call = data;

    if (error)
        call_fail(call, g_error_copy(error));
    else
        call_return(call, g_variant_new_int64(member_int(memory, "memory")));
}

/* within: bytes that the VM may need in all; 0: its memory is as its record says. */
static void
ask(struct call *call, gint64 vcpus_max, gint64 within, domains_done_fn known)
{
    const struct model *model = call->api->model;
    const char *vm = call_ref(call, 0);
    GError *error = NULL;
    GVariant *guest = NULL;

    if (vm_is_ours(model, vm, &error) && call_may_wait(call, &error))
        guest = vm_memory_config(model, vm, vcpus_max, within, &error);
    if (!guest) {
        call_fail(call, error);
        return;
    }
    g_autofree char *uuid = model_get_string(model, vm, "uuid");
    domains_guest_memory(call->api->vm->domains, uuid, guest, known, call);
}

static void
compute_memory_overhead(struct call *call)
{
    ask(call, model_get_int(call->api->model, call_ref(call, 0), "VCPUs_max"), /* within= */ 0,
        overhead_known);
}

/* (vm, total, approximate): approximately is for as many VCPUs as any VM may have. */
static void
maximise_memory(struct call *call)
{
    gint64 total = call_int(call, 1);
    gint64 vcpus_max = call_bool(call, 2)
                           ? VM_MAX_VCPUS
                           : model_get_int(call->api->model, call_ref(call, 0), "VCPUs_max");

    if (total <= 0) {
        g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, total);
        call_fail_code(call, "INVALID_VALUE", "total", text, NULL);
        return;
    }
    ask(call, vcpus_max, total, most_known);
}

/* What a VM booted with is what its record says: fields of a VM that runs change with its domain.
 */
static void
get_boot_record(struct call *call)
{
    g_autoptr(GVariant) record = rows_record(call->api, call_ref(call, 0));

    call_return(call, record);
}

const struct call_impl calls_vm_memory[] = {
    {"VM.compute_memory_overhead", compute_memory_overhead},
    {"VM.maximise_memory", maximise_memory},
    {"VM.get_boot_record", get_boot_record},
    {NULL, NULL},
};
