/* Class host. */
#include "config.h"

#include <time.h>

#include "lib/error.h"
#include "lib/iscsi-name.h"
#include "lib/log-destination.h"
#include "xapid/calls/call.h"
#include "xapid/pool/boot.h"

/* ---- enabling ---- */

static void
set_enabled(struct call *call, enum host_enabling enabling)
{
    struct vm_world *vm = call->api->vm;
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    boot_set_enabled(call->api->model, txn, call_ref(call, 0), enabling);
    call_commit(call, txn, NULL);
    vm_look(vm, ""); /* a host that is disabled has no domains that were built ahead */
}

static void
enable(struct call *call)
{
    GError *error = NULL;

    if (!boot_may_enable(call->api->model, call_ref(call, 0), &error))
        call_fail(call, error);
    else
        set_enabled(call, HOST_ENABLED);
}

static void
disable(struct call *call)
{
    set_enabled(call, call_bool(call, 1) ? HOST_DISABLED : HOST_DISABLED_FOR_GOOD);
}

/* ---- power ---- */

/* Neither has a domain here nor is about to have one, or to lose it. */
static bool
is_at_rest(const struct model *model, const char *vm, const char *host, GError **error)
{
    g_autofree char *resident_on = model_get_string(model, vm, "resident_on");

    if (!g_str_equal(resident_on, host))
        return ops_none_shown(model, vm, error);
    api_error_set(error, "HOST_HAS_RESIDENT_VMS", host, NULL);
    return false;
}

static bool
may_end(struct call *call, GError **error)
{
    const struct model *model = call->api->model;
    const char *host = call_ref(call, 0);
    g_autoptr(GPtrArray) vms = model_all(model, vm_class());

    if (model_get_bool(model, host, "enabled")) {
        api_error_set(error, "HOST_NOT_DISABLED", NULL);
        return false;
    }
    for (guint i = 0; i < vms->len; i++)
        if (!model_get_bool(model, vms->pdata[i], "is_control_domain") &&
            !is_at_rest(model, vms->pdata[i], host, error))
            return false;
    return call_may_wait(call, error);
}

static void
end_ordered(const GError *error, GVariant *result, void *data)
{
    struct call *call = data;
    struct txn *txn;

    (void)result;
    if (error) {
        call_fail(call, g_error_copy(error));
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    boot_ends(call->api->model, txn, call_ref(call, 0));
    call_commit(call, txn, NULL);
}

static void
end_boot(struct call *call, const char *action)
{
    GError *error = NULL;

    if (may_end(call, &error))
        hostd_power(call->api->hostd, action, end_ordered, call);
    else
        call_fail(call, error);
}

static void
reboot_host(struct call *call)
{
    end_boot(call, "reboot");
}

static void
shutdown_host(struct call *call)
{
    end_boot(call, "shutdown");
}

/* ---- clocks ---- */

static void
get_servertime(struct call *call)
{
    call_return(call, g_variant_new_int64(g_get_real_time()));
}

/* Local wall-clock time, in a field that has no zone. */
static void
get_server_localtime(struct call *call)
{
    time_t now = g_get_real_time() / G_USEC_PER_SEC;
    struct tm local;

    localtime_r(&now, &local);
    call_return(call, g_variant_new_int64((now + local.tm_gmtoff) * G_USEC_PER_SEC));
}

/* ---- the agent ---- */

static void
list_methods(struct call *call)
{
    GVariantBuilder names;

    g_variant_builder_init(&names, G_VARIANT_TYPE("as"));
    for (unsigned i = 0; i < dm_n_messages; i++)
        g_variant_builder_add(&names, "s", dm_messages[i].full_name);
    call_return(call, g_variant_builder_end(&names));
}

static gboolean
shutdown_now(void *data)
{
    struct api *api = data;

    api->shutdown(api->shutdown_data);
    return G_SOURCE_REMOVE;
}

/* xapid-launch starts us again at once; guests do not notice. */
static void
restart_agent(struct call *call)
{
    struct api *api = call->api;

    call_return(call, NULL);
    g_timeout_add(200, shutdown_now, api); /* the answer leaves first */
}

static void
get_server_certificate(struct call *call)
{
    call_return_string(call, call->api->certificate);
}

/* (host, value): as http/tls.h says. */
static void
set_ssl_legacy(struct call *call)
{
    if (call_bool(call, 1))
        call_fail_code(call, "VALUE_NOT_SUPPORTED", "value", "true",
                       "versions of TLS older than 1.2 are not spoken", NULL);
    else
        call_return(call, NULL);
}

/* ---- the log ---- */

static void
forwarded(const GError *error, GVariant *result, void *data)
{
    struct call *call = data;

    (void)result;
    if (error)
        call_fail(call, g_error_copy(error));
    else
        call_return(call, NULL);
}

static void
syslog_reconfigure(struct call *call)
{
    g_autofree char *destination =
        model_get_map_value(call->api->model, call_ref(call, 0), "logging", "syslog_destination");
    const char *to = destination ? destination : "";
    GError *error = NULL;

    if (*to && !log_destination_parse(to, NULL, NULL))
        call_fail_code(call, "INVALID_VALUE", "logging:syslog_destination", to, NULL);
    else if (!call_may_wait(call, &error))
        call_fail(call, error);
    else
        hostd_forward_log(call->api->hostd, to, forwarded, call);
}

/* ---- who the host is to iSCSI targets ---- */

static void
iscsi_name_set(const GError *error, GVariant *result, void *data)
{
    struct call *call = data;
    struct txn *txn;

    (void)result;
    if (error) {
        call_fail(call, g_error_copy(error));
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    txn_set_string(txn, call_ref(call, 0), "iscsi_iqn", call_string(call, 1));
    call_commit(call, txn, NULL);
}

static void
set_iscsi_iqn(struct call *call)
{
    const char *name = call_string(call, 1);
    GError *error = NULL;

    if (!iscsi_name_is_valid(name))
        call_fail_code(call, "INVALID_VALUE", "value", name, NULL);
    else if (!call_may_wait(call, &error))
        call_fail(call, error);
    else
        hostd_set_iscsi_name(call->api->hostd, name, iscsi_name_set, call);
}

/* ---- NUMA ---- */

/* For guests that start from now on. */
static void
set_numa_affinity_policy(struct call *call)
{
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    txn_set_string(txn, call_ref(call, 0), "numa_affinity_policy", call_string(call, 1));
    call_commit(call, txn, NULL);
}

/* ---- memory ---- */

static void
answer_memory(struct call *call, const GError *error, GVariant *info, const char *key, gint64 more)
{
    gint64 bytes = 0;

    if (error) {
        call_fail(call, g_error_copy(error));
        return;
    }
    g_variant_lookup(info, key, "x", &bytes);
    call_return(call, g_variant_new_int64(bytes + more));
}

static void
free_known(const GError *error, GVariant *info, void *data)
{
    struct call *call = data;

    answer_memory(call, error, info, "memory_free", vm_ready_memory(call->api->vm));
}

static void
compute_free_memory(struct call *call)
{
    domains_host_info(call->api->vm->domains, free_known, call);
}

static void
overhead_known(const GError *error, GVariant *info, void *data)
{
    answer_memory(data, error, info, "memory_overhead", 0);
}

static void
compute_memory_overhead(struct call *call)
{
    domains_host_info(call->api->vm->domains, overhead_known, call);
}

/* ---- the hypervisor's console ---- */

static void
dmesg_known(const GError *error, GVariant *text, void *data)
{
    struct call *call = data;

    if (error)
        call_fail(call, g_error_copy(error));
    else
        call_return(call, text);
}

static void
read_dmesg(struct call *call, bool clear)
{
    GError *error = NULL;

    if (call_may_wait(call, &error))
        domains_dmesg(call->api->vm->domains, clear, dmesg_known, call);
    else
        call_fail(call, error);
}

static void
dmesg(struct call *call)
{
    read_dmesg(call, false);
}

static void
dmesg_clear(struct call *call)
{
    read_dmesg(call, true);
}

const struct call_impl calls_host[] = {
    {"host.enable", enable},
    {"host.disable", disable},
    {"host.reboot", reboot_host},
    {"host.shutdown", shutdown_host},
    {"host.set_iscsi_iqn", set_iscsi_iqn},
    {"host.set_numa_affinity_policy", set_numa_affinity_policy},
    {"host.get_servertime", get_servertime},
    {"host.get_server_localtime", get_server_localtime},
    {"host.list_methods", list_methods},
    {"host.get_server_certificate", get_server_certificate},
    {"host.set_ssl_legacy", set_ssl_legacy},
    {"host.restart_agent", restart_agent},
    {"host.syslog_reconfigure", syslog_reconfigure},
    {"host.compute_free_memory", compute_free_memory},
    {"host.compute_memory_overhead", compute_memory_overhead},
    {"host.dmesg", dmesg},
    {"host.dmesg_clear", dmesg_clear},
    {NULL, NULL},
};
