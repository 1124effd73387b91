/* Class VLAN, and the other messages that make and end VLANs. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"

enum answer { ANSWER_VLAN, ANSWER_PIF, ANSWER_PIFS };

static GVariant *
value_of(enum answer answer, const char *vlan, const char *pif)
{
    return answer == ANSWER_PIFS ? g_variant_new_strv(&pif, 1)
                                 : g_variant_new_string(answer == ANSWER_VLAN ? vlan : pif);
}

/* The rows first, so that no other call takes the tag or the network; on a PIF that is not attached
 * the VLAN is not, either. */
static void
make(struct call *call, const char *below, gint64 tag, const char *network, enum answer answer)
{
    struct model *model = call->api->model;
    bool attached = model_get_bool(model, below, "currently_attached");
    const char *vlan, *pif;
    GError *error = NULL;
    struct txn *txn;

    if (!vlan_check(model, below, tag, network, &error) || !call_may_wait(call, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!(vlan = vlan_create(txn, below, tag, network, &pif, &error))) {
        call_abort(call, txn, error);
        return;
    }
    g_autoptr(GVariant) value = g_variant_ref_sink(value_of(answer, vlan, pif));
    g_autofree char *above = g_strdup(pif);
    if (!attached)
        call_commit(call, txn, value);
    else if (txn_commit(txn, &error))
        pif_plug(call, above, value, true);
    else
        call_fail(call, error);
}

static void
create(struct call *call)
{
    const char *pif = call_ref(call, 0), *network = call_ref(call, 2);

    if (call_has_row(call, pif_class(), pif) && call_has_row(call, network_class(), network))
        make(call, pif, call_int(call, 1), network, ANSWER_VLAN);
}

static void
destroy(struct call *call)
{
    g_autofree char *pif = model_get_string(call->api->model, call_ref(call, 0), "untagged_PIF");

    pif_remove_vlan(call, pif);
}

/* Of pool: on every host, of which there is one. */
static void
create_on_device(struct call *call, const char *device, const char *network, gint64 tag,
                 enum answer answer)
{
    g_autofree char *pif = pif_of_device(call->api->model, call->api->host, device);

    if (!call_has_row(call, network_class(), network))
        return;
    if (pif)
        make(call, pif, tag, network, answer);
    else
        call_fail_code(call, "PIF_DEVICE_NOT_FOUND", NULL);
}

static void
pool_create(struct call *call)
{
    create_on_device(call, call_string(call, 0), call_ref(call, 1), call_int(call, 2), ANSWER_PIFS);
}

static void
pool_create_from_pif(struct call *call)
{
    const char *pif = call_ref(call, 0), *network = call_ref(call, 1);

    if (call_has_row(call, pif_class(), pif) && call_has_row(call, network_class(), network))
        make(call, pif, call_int(call, 2), network, ANSWER_PIFS);
}

/* ---- of PIF, from before there was a class VLAN ---- */

static void
pif_create(struct call *call)
{
    if (call_is_here(call, 2))
        create_on_device(call, call_string(call, 0), call_ref(call, 1), call_int(call, 3),
                         ANSWER_PIF);
}

static void
pif_end(struct call *call)
{
    const char *pif = call_ref(call, 0);

    if (pif_is_vlan(call->api->model, pif))
        pif_remove_vlan(call, pif);
    else
        call_fail_code(call, "PIF_IS_PHYSICAL", pif, NULL);
}

const struct call_impl calls_vlan[] = {
    {"VLAN.create", create},
    {"VLAN.destroy", destroy},
    {"pool.create_VLAN", pool_create},
    {"pool.create_VLAN_from_PIF", pool_create_from_pif},
    {"PIF.create_VLAN", pif_create},
    {"PIF.destroy", pif_end},
    {NULL, NULL},
};
