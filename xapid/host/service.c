/* Answers xapid: checks each argument, then leaves the work to a child or to facts.c. */
#include "config.h"

#include "xapid/host/service.h"

#include "lib/faults.h"
#include "lib/log.h"
#include "lib/peer/host1.h"
#include "xapid/host/accounts.h"
#include "xapid/host/addresses.h"
#include "xapid/host/child.h"
#include "xapid/host/command.h"
#include "xapid/host/facts.h"
#include "xapid/host/initiator.h"
#include "xapid/host/network.h"
#include "xapid/host/password.h"
#include "xapid/host/power.h"
#include "xapid/host/syslog.h"

#include <string.h>

#define HOST_PATH "/org/xapid/Host1"

struct service {
    const char *pam_service;
    const char *sim_dir;      /* NULL: real hardware */
    const char *sim_networks; /* the same of its networks */
    struct network *network;
    GDBusConnection *connection;
    PeerHost1 *skeleton; /* exported on the connection; each peer has one of its own */
    guint checks, lookups;
};

/* --- passwords --- */

struct check {
    struct service *service;
    PeerHost1 *skeleton; /* of the peer that asked */
    guint64 id;
};

static void
answer_check(PeerHost1 *skeleton, guint64 id, const char *outcome, const char *message)
{
    peer_host1_emit_authenticated(skeleton, id, outcome, message, "", 0,
                                  g_variant_new_array(G_VARIANT_TYPE_UINT32, NULL, 0));
}

static void
check_done(GVariant *answer, const GError *error, gpointer data)
{
    struct check *check = data;
    const char *outcome, *message, *user;
    guint32 uid;
    g_autoptr(GVariant) groups = NULL;

    check->service->checks--;
    if (answer) {
        g_variant_get(answer, "(&s&s&su@au)", &outcome, &message, &user, &uid, &groups);
        log_debug("password check: %s", outcome);
        peer_host1_emit_authenticated(check->skeleton, check->id, outcome, message, user, uid,
                                      groups);
    } else {
        log_warning("password check: %s", error->message);
        answer_check(check->skeleton, check->id, "error", error->message);
    }
    g_object_unref(check->skeleton);
    g_free(check);
}

/* Takes the answer path of both methods: whatever happens, one Authenticated follows. */
static void
check_start(struct service *service, PeerHost1 *skeleton, guint64 id, const char *mode,
            const char *user, const char *password)
{
    const struct child_request request = {.mode = mode,
                                          .fields = {service->pam_service, user, password},
                                          .answer_type = PASSWORD_ANSWER_TYPE,
                                          .seconds = CHECK_SECONDS};
    g_autoptr(GError) error = NULL;
    struct check *check;

    if (!account_name_is_valid(user) || !*password || strlen(password) > PASSWORD_MAX) {
        answer_check(skeleton, id, "denied", "");
        return;
    }
    if (service->checks >= CHECKS_MAX) {
        answer_check(skeleton, id, "busy", "");
        return;
    }
    check = g_new0(struct check, 1);
    *check = (struct check){service, g_object_ref(skeleton), id};
    service->checks++;
    if (!child_run(&request, check_done, check, &error))
        check_done(NULL, error, check);
}

/* The copies of a password that a method call leaves with us. GDBus's own buffers are not ours. */
static void
wipe(GDBusMethodInvocation *invocation, const char *password)
{
    GVariant *parameters = g_dbus_method_invocation_get_parameters(invocation);
    const char *copy = NULL;

    explicit_bzero((char *)password, strlen(password));
    g_variant_get_child(parameters, 2, "&s", &copy);
    explicit_bzero((char *)copy, strlen(copy));
}

static gboolean
handle_authenticate(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, guint64 id,
                    const char *user, const char *password, gpointer data)
{
    check_start(data, skeleton, id, "--authenticate", user, password);
    wipe(invocation, password);
    peer_host1_complete_authenticate(skeleton, invocation);
    return TRUE;
}

static gboolean
handle_change_password(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, guint64 id,
                       const char *user, const char *password, gpointer data)
{
    if (g_str_equal(user, "root"))
        check_start(data, skeleton, id, "--change-password", user, password);
    else
        answer_check(skeleton, id, "denied", "only root's password can be set");
    wipe(invocation, password);
    peer_host1_complete_change_password(skeleton, invocation);
    return TRUE;
}

/* --- accounts --- */

struct lookup {
    struct service *service;
    PeerHost1 *skeleton;
    GDBusMethodInvocation *invocation;
    gboolean by_name;
};

static void
lookup_done(GVariant *answer, const GError *error, gpointer data)
{
    struct lookup *lookup = data;
    gboolean found;
    const char *kind, *name, *full_name;
    guint32 id;
    g_autoptr(GVariant) groups = NULL;

    lookup->service->lookups--;
    if (!answer) {
        log_warning("looking an account up: %s", error->message);
        g_dbus_method_invocation_return_error(lookup->invocation, G_DBUS_ERROR, G_DBUS_ERROR_FAILED,
                                              "looking the account up: %s", error->message);
    } else {
        g_variant_get(answer, "(b&s&su&s@au)", &found, &kind, &name, &id, &full_name, &groups);
        if (lookup->by_name)
            peer_host1_complete_lookup_name(lookup->skeleton, lookup->invocation, found, kind, id);
        else
            peer_host1_complete_lookup_id(lookup->skeleton, lookup->invocation, found, name,
                                          full_name, groups);
    }
    g_object_unref(lookup->skeleton);
    g_free(lookup);
}

static void
lookup_start(struct service *service, PeerHost1 *skeleton, GDBusMethodInvocation *invocation,
             const char *what, const char *key)
{
    const struct child_request request = {.mode = "--lookup",
                                          .fields = {what, key},
                                          .answer_type = LOOKUP_ANSWER_TYPE,
                                          .seconds = LOOKUP_SECONDS};
    g_autoptr(GError) error = NULL;
    struct lookup *lookup;

    if (service->lookups >= LOOKUPS_MAX) {
        g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR,
                                                      G_DBUS_ERROR_LIMITS_EXCEEDED,
                                                      "too many accounts are being looked up");
        return;
    }
    lookup = g_new0(struct lookup, 1);
    *lookup =
        (struct lookup){service, g_object_ref(skeleton), invocation, g_str_equal(what, "name")};
    service->lookups++;
    if (!child_run(&request, lookup_done, lookup, &error))
        lookup_done(NULL, error, lookup);
}

static gboolean
handle_lookup_name(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, const char *name,
                   gpointer data)
{
    if (account_name_is_valid(name))
        lookup_start(data, skeleton, invocation, "name", name);
    else
        peer_host1_complete_lookup_name(skeleton, invocation, FALSE, "", 0);
    return TRUE;
}

static gboolean
handle_lookup_id(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, const char *kind,
                 guint32 id, gpointer data)
{
    g_autofree char *key = g_strdup_printf("%u", id);

    if (g_str_equal(kind, "user") || g_str_equal(kind, "group"))
        lookup_start(data, skeleton, invocation, kind, key);
    else
        g_dbus_method_invocation_return_error_literal(
            invocation, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "kind is \"user\" or \"group\"");
    return TRUE;
}

/* --- power --- */

struct power_order {
    PeerHost1 *skeleton;
    GDBusMethodInvocation *invocation;
    const char *action;
};

static void
power_done(const GError *error, void *data)
{
    g_autofree struct power_order *order = data;
    g_autoptr(GError) failed = error ? g_error_copy(error) : NULL;

    if (failed || !FAULT_POINT("host.power.after", &failed))
        g_dbus_method_invocation_return_error(order->invocation, G_DBUS_ERROR, G_DBUS_ERROR_FAILED,
                                              "%s: %s", order->action, failed->message);
    else
        peer_host1_complete_power(order->skeleton, order->invocation);
    g_object_unref(order->skeleton);
}

static gboolean
handle_power(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, const char *action,
             gpointer data)
{
    const struct service *service = data;
    const char *const *command = power_command(action);
    struct power_order *order;
    g_autoptr(GError) error = NULL;

    if (!command) {
        g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR,
                                                      G_DBUS_ERROR_INVALID_ARGS,
                                                      "action is \"reboot\" or \"shutdown\"");
        return TRUE;
    }
    order = g_new0(struct power_order, 1);
    *order = (struct power_order){g_object_ref(skeleton), invocation, command[1]};
    log_info("%s of the host%s", action, service->sim_dir ? ", simulated" : "");
    if (!FAULT_POINT("host.power.before", &error))
        power_done(error, order);
    else if (service->sim_dir)
        power_done(power_simulate(service->sim_dir, action, &error) ? NULL : error, order);
    else if (!command_run(command, power_done, order, &error))
        power_done(error, order);
    return TRUE;
}

/* --- the rest --- */

static gboolean
handle_facts(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, gpointer data)
{
    const struct service *service = data;

    g_autoptr(GVariant) facts = g_variant_ref_sink(facts_read("", service->sim_dir));
    GVariantDict all;

    g_variant_dict_init(&all, facts);
    g_variant_dict_insert(&all, "network_backend", "s", network_backend(service->network));
    peer_host1_complete_facts(skeleton, invocation, g_variant_dict_end(&all));
    return TRUE;
}

static void
peer_closed(GDBusConnection *connection, gboolean vanished, GError *error, gpointer data)
{
    struct service *service = data;

    (void)connection;
    (void)vanished;
    (void)error;
    log_info("xapid has gone");
    service_set_peer(service, NULL);
}

void
service_set_peer(struct service *service, GDBusConnection *connection)
{
    static const struct {
        const char *signal;
        GCallback handler;
    } handlers[] = {{"handle-authenticate", G_CALLBACK(handle_authenticate)},
                    {"handle-change-password", G_CALLBACK(handle_change_password)},
                    {"handle-lookup-name", G_CALLBACK(handle_lookup_name)},
                    {"handle-lookup-id", G_CALLBACK(handle_lookup_id)},
                    {"handle-facts", G_CALLBACK(handle_facts)},
                    {"handle-power", G_CALLBACK(handle_power)}};
    g_autoptr(GError) error = NULL;

    if (service->connection) {
        g_signal_handlers_disconnect_by_data(service->connection, service);
        g_signal_handlers_disconnect_by_data(service->skeleton, service);
        g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(service->skeleton));
        g_dbus_connection_close(service->connection, NULL, NULL, NULL);
    }
    g_clear_object(&service->skeleton);
    g_clear_object(&service->connection);
    if (!connection)
        return;
    service->connection = g_object_ref(connection);
    service->skeleton = peer_host1_skeleton_new();
    for (gsize i = 0; i < G_N_ELEMENTS(handlers); i++)
        g_signal_connect(service->skeleton, handlers[i].signal, handlers[i].handler, service);
    network_serve(service->network, service->skeleton);
    syslog_serve(service->skeleton, service->sim_dir);
    addresses_serve(service->skeleton, service->sim_networks);
    initiator_serve(service->skeleton, service->sim_dir);
    g_signal_connect(connection, "closed", G_CALLBACK(peer_closed), service);
    if (!g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(service->skeleton), connection,
                                          HOST_PATH, &error))
        log_error("cannot serve xapid: %s", error->message);
}

struct service *
service_new(const char *pam_service, const char *sim_dir, const char *sim_networks,
            const char *backend)
{
    struct service *service = g_new0(struct service, 1);

    service->pam_service = pam_service;
    service->sim_dir = sim_dir;
    service->sim_networks = sim_networks;
    service->network = network_new(sim_networks, backend);
    return service;
}

void
service_free(struct service *service)
{
    if (!service)
        return;
    service_set_peer(service, NULL);
    network_free(service->network);
    g_free(service);
}
