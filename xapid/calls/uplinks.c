/* Keeps this host's networks as the model has them, and the model's PIFs as the host has them.
 *
 * When xapid-host is there, and now and then: what it tells of interfaces comes into the rows, then
 * all networks that are desired go to it.  So what a program of ours that ended, or a call that
 * failed, left behind is put right, as is an interface that went and came again. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/calls/call.h"
#include "xapid/calls/safe-change.h"

/* ---- what is becomes what is desired ---- */

struct applying {
    struct api *api;
    GPtrArray *networks; /* references, owned */
    GPtrArray *waiting;  /* of struct waiting; NULL: nobody does */
};

struct waiting {
    char *network;
    uplinks_done_fn done;
    void *data;
};

static void
tell(const struct applying *applying, const struct waiting *waiting, const GError *error,
     char **outcomes)
{
    const char *outcome = "ready"; /* one that is not led out is made when it is needed */

    for (guint i = 0; !error && outcomes[i] && i < applying->networks->len; i++)
        if (g_str_equal(applying->networks->pdata[i], waiting->network))
            outcome = outcomes[i];
    waiting->done(error, outcome, waiting->data);
}

static void
applying_end(struct applying *applying, const GError *error, char **outcomes)
{
    for (guint i = 0; applying->waiting && i < applying->waiting->len; i++) {
        struct waiting *waiting = applying->waiting->pdata[i];
        tell(applying, waiting, error, outcomes);
        g_free(waiting->network);
        g_free(waiting);
    }
    if (applying->waiting)
        g_ptr_array_unref(applying->waiting);
    g_ptr_array_unref(applying->networks);
    g_free(applying);
}

/* Somebody else has what it needs: it is not plugged again when that ends, but by who asks.  An
 * interface that is not there is waited for. */
static bool
is_lost(const char *outcome)
{
    return g_str_equal(outcome, "uplink-used") || g_str_equal(outcome, "foreign");
}

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
        if (is_lost(outcomes[i]) &&
            model_has(applying->api->model, network_class(), applying->networks->pdata[i]) &&
            !detach(applying->api, applying->networks->pdata[i], outcomes[i], &failed))
            break;
    if (failed)
        log_warning("networks: %s", failed->message);
    uplinks_apply_addresses(applying->api, NULL, NULL);
    applying_end(applying, error, outcomes);
}

/* Not while a PIF is being plugged: its row does not say so yet. */
static void
apply(struct api *api)
{
    g_autoptr(GPtrArray) networks = NULL;
    struct applying *applying;

    api->networks_wait = api->plugging > 0;
    if (api->networks_wait)
        return;
    GVariant *desired = networks_desired(api->model, api->host, &networks);
    applying = g_new0(struct applying, 1);
    applying->api = api;
    applying->waiting = g_steal_pointer(&api->networks_waiting);
    applying->networks = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < networks->len; i++)
        g_ptr_array_add(applying->networks, g_strdup(networks->pdata[i]));
    hostd_apply_networks(api->hostd, desired, applied, applying);
}

void
uplinks_apply(struct api *api, const char *network, uplinks_done_fn done, void *data)
{
    const struct waiting waiting = {g_strdup(network), done, data};

    if (!api->networks_waiting)
        api->networks_waiting = g_ptr_array_new();
    g_ptr_array_add(api->networks_waiting, g_memdup2(&waiting, sizeof waiting));
    apply(api);
}

void
uplinks_hold(struct api *api)
{
    api->plugging++;
}

void
uplinks_release(struct api *api)
{
    if (--api->plugging == 0 && api->networks_wait)
        apply(api);
}

/* ---- addresses ---- */

struct addressing {
    struct api *api;
    GPtrArray *pifs; /* references, owned */
    guint number;    /* of the change that they are of */
    uplinks_addressed_fn done;
    void *data;
};

/* Who is told of the host is told of the address by which it is managed. */
static void
follow_management(struct api *api, struct txn *txn)
{
    g_autofree char *pif = pif_of_management(api->model, api->host);
    char *address = pif ? pif_address(api->model, pif) : NULL;

    g_free(api->managed_address);
    api->managed_address = address;
    api->vm->address = address ? address : api->address;
    txn_set_string(txn, api->host, "address", api->vm->address);
}

void
uplinks_begin(struct api *api)
{
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(api->model, &error);

    if (txn) {
        follow_management(api, txn);
        txn_commit(txn, &error);
    }
    if (error)
        log_warning("the address of the host: %s", error->message);
}

/* The one that could not be set is the error. */
static bool
note_addresses(const struct addressing *addressing, GVariant *there, GError **error)
{
    struct api *api = addressing->api;
    struct txn *txn = model_begin(api->model, error);
    GError *wrong = NULL;

    if (!txn)
        return false;
    for (guint i = 0; i < addressing->pifs->len && i < g_variant_n_children(there); i++) {
        const char *pif = addressing->pifs->pdata[i], *outcome;
        g_autofree const char **addresses = NULL;
        g_variant_get_child(there, i, "(&s^a&s)", &outcome, &addresses);
        if (!model_has(api->model, pif_class(), pif))
            continue;
        addresses_seen(txn, pif, addresses);
        if (!wrong && !g_str_equal(outcome, "ready") && pif_has_addresses(api->model, pif))
            wrong = api_error_new("PIF_CONFIGURATION_ERROR", pif, "its bridge is not there", NULL);
    }
    follow_management(api, txn);
    if (!txn_commit(txn, wrong ? NULL : error))
        return false;
    if (wrong)
        g_propagate_error(error, wrong);
    return !wrong;
}

static void
addressed(const GError *error, GVariant *result, void *data)
{
    struct addressing *addressing = data;
    g_autoptr(GError) failed = error ? g_error_copy(error) : NULL;

    if (!failed) {
        g_autoptr(GVariant) there = g_variant_get_child_value(result, 0);
        if (note_addresses(addressing, there, &failed))
            safe_change_applied(addressing->api->change, addressing->number);
    }
    if (failed)
        log_warning("addresses: %s", failed->message);
    if (addressing->done)
        addressing->done(failed, addressing->data);
    g_ptr_array_unref(addressing->pifs);
    g_free(addressing);
}

void
uplinks_apply_addresses(struct api *api, uplinks_addressed_fn done, void *data)
{
    g_autoptr(GPtrArray) pifs = NULL;
    g_autofree char *servers = NULL;
    GVariant *desired = addresses_desired(api->model, api->host, &pifs, &servers);
    struct addressing *addressing = g_new0(struct addressing, 1);

    addressing->api = api;
    addressing->number = safe_change_number(api->change);
    addressing->done = done;
    addressing->data = data;
    addressing->pifs = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < pifs->len; i++)
        g_ptr_array_add(addressing->pifs, g_strdup(pifs->pdata[i]));
    hostd_apply_addresses(api->hostd, desired, servers, addressed, addressing);
}

/* ---- the rows become what is ---- */

static void
seen(const GError *error, GVariant *result, void *data)
{
    struct api *api = data;
    g_autoptr(GError) failed = error ? g_error_copy(error) : NULL;

    if (!failed) {
        g_autoptr(GVariant) interfaces = g_variant_get_child_value(result, 0);
        pifs_scan(api->model, api->host, api->vm->address, interfaces, false, &failed);
    }
    if (failed)
        log_warning("looking at interfaces: %s", failed->message);
    apply(api);
}

void
uplinks_look(struct api *api)
{
    hostd_interfaces(api->hostd, seen, api);
}
