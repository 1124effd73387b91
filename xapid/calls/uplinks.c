/* Keeps this host's networks as the model has them, and the model's PIFs as the host has them.
 *
 * When xapid-host is there: what it tells of interfaces comes into the rows, then all networks that
 * are desired go to it, and a PIF that could not be plugged is not attached.  So a program of ours
 * that ended anywhere in between leaves nothing that the next one does not put right. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/calls/call.h"

#define READY "ready"

/* ---- what is becomes what is desired ---- */

/* An effort of this connection's; what changes meanwhile asks by itself. */
struct applying {
    struct api *api;
    GPtrArray *networks; /* references, owned */
};

static bool
detach(struct api *api, const char *network, const char *outcome, GError **error)
{
    g_autofree char *pif = network_pif(api->model, network, api->host);
    struct txn *txn;

    if (!pif || !model_get_bool(api->model, pif, "managed") ||
        !model_get_bool(api->model, pif, "currently_attached"))
        return true;
    g_autofree char *device = model_get_string(api->model, pif, "device");
    log_warning("%s (%s) is not plugged any more: %s", device, pif, outcome);
    if (!(txn = model_begin(api->model, error)))
        return false;
    txn_set_value(txn, pif, "currently_attached", g_variant_new_boolean(FALSE));
    return txn_commit(txn, error) != 0;
}

static void
applied(const GError *error, GVariant *result, void *data)
{
    struct applying *applying = data;
    g_autoptr(GError) failed = NULL;
    g_auto(GStrv) outcomes = NULL;

    if (error)
        log_warning("networks: %s", error->message);
    else
        g_variant_get(result, "(^as)", &outcomes);
    for (guint i = 0; outcomes && outcomes[i] && i < applying->networks->len; i++)
        if (!g_str_equal(outcomes[i], READY) &&
            model_has(applying->api->model, network_class(), applying->networks->pdata[i]) &&
            !detach(applying->api, applying->networks->pdata[i], outcomes[i], &failed))
            break;
    if (failed)
        log_warning("networks: %s", failed->message);
    g_ptr_array_unref(applying->networks);
    g_free(applying);
}

static void
apply(struct api *api)
{
    g_autoptr(GPtrArray) networks = NULL;
    GVariant *desired = networks_desired(api->model, api->host, &networks);
    struct applying *applying = g_new0(struct applying, 1);

    applying->api = api;
    applying->networks = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < networks->len; i++)
        g_ptr_array_add(applying->networks, g_strdup(networks->pdata[i]));
    hostd_apply_networks(api->hostd, desired, applied, applying);
}

/* ---- the rows become what is ---- */

static void
seen(struct api *api, const GError *error, GVariant *result)
{
    g_autoptr(GError) failed = error ? g_error_copy(error) : NULL;

    if (!failed) {
        g_autoptr(GVariant) interfaces = g_variant_get_child_value(result, 0);
        pifs_scan(api->model, api->host, api->vm->address, interfaces, false, &failed);
    }
    if (failed)
        log_warning("looking at interfaces: %s", failed->message);
}

static void
seen_first(const GError *error, GVariant *result, void *data)
{
    seen(data, error, result);
    apply(data);
}

static void
seen_again(const GError *error, GVariant *result, void *data)
{
    seen(data, error, result);
}

void
uplinks_begin(struct api *api)
{
    hostd_interfaces(api->hostd, seen_first, api);
}

void
uplinks_look(struct api *api)
{
    hostd_interfaces(api->hostd, seen_again, api);
}
