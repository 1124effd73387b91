/* What VMs lack to be recovered in the pool of a session, and whether guests do as they are asked.
 */
#include "config.h"

#include "xapid/calls/call.h"

/* Adds the repositories of the VM's disks that no host has attached, each once. */
static void
add_lacking(struct api *api, const char *vm, GHashTable *srs)
{
    g_autoptr(GPtrArray) drives = model_referrers(api->model, vm, dm_field_find(vbd_class(), "VM"));

    for (guint i = 0; i < drives->len; i++) {
        g_autofree char *type = model_get_string(api->model, drives->pdata[i], "type");
        g_autofree char *vdi = model_get_string(api->model, drives->pdata[i], "VDI");
        if (g_str_equal(type, "CD") || !model_has(api->model, vdi_class(), vdi))
            continue;
        g_autofree char *sr = model_get_string(api->model, vdi, "SR");
        if (!sr_is_attached(api->model, sr, api->host))
            g_hash_table_add(srs, g_steal_pointer(&sr));
    }
}

/* (self, session_to): of one host there is one pool, which is that of each session. */
static void
answer_lacking(struct call *call, GPtrArray *vms)
{
    g_autoptr(GHashTable) srs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    if (!call_has_row(call, dm_class_find("session", false), call_ref(call, 1)))
        return;
    for (guint i = 0; i < vms->len; i++)
        add_lacking(call->api, vms->pdata[i], srs);
    guint n = 0;
    g_autofree const char **refs = (const char **)g_hash_table_get_keys_as_array(srs, &n);
    call_return(call, g_variant_new_strv(refs, n));
}

static void
of_vm(struct call *call)
{
    g_autoptr(GPtrArray) vms = g_ptr_array_new();

    g_ptr_array_add(vms, (char *)call_ref(call, 0));
    answer_lacking(call, vms);
}

static void
of_appliance(struct call *call)
{
    g_autoptr(GPtrArray) vms = model_referrers(call->api->model, call_ref(call, 0),
                                               dm_field_find(vm_class(), "appliance"));

    answer_lacking(call, vms);
}

/* Both as XAPI has had them since a guest that keeps its memory no longer stands in anybody's way:
 * a start takes memory that is free, and asks no guest for its own. */
static void
get_cooperative(struct call *call)
{
    call_return_bool(call, true);
}

static void
get_uncooperative(struct call *call)
{
    call_return(call, g_variant_new_strv(NULL, 0));
}

const struct call_impl calls_recovery[] = {
    {"VM.get_SRs_required_for_recovery", of_vm},
    {"VM_appliance.get_SRs_required_for_recovery", of_appliance},
    {"VM.get_cooperative", get_cooperative},
    {"host.get_uncooperative_resident_VMs", get_uncooperative},
    {NULL, NULL},
};
