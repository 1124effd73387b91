/* org.xapid.Domains1; see service.h and lib/peer/org.xapid.Domains1.xml. */
#include "config.h"

#include "xapid/domains/service.h"

#include <gio/gio.h>
#include <stdbool.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/peer/bulk.h"
#include "lib/peer/domains1.h"
#include "lib/peer/peer.h"
#include "xapid/domains/changes.h"
#include "xapid/domains/consoles.h"
#include "xapid/domains/domains.h"
#include "xapid/domains/guests.h"
#include "xapid/domains/operation.h"
#include "xapid/domains/outcome.h"
#include "xapid/domains/question.h"

enum { LIST, HOST_INFO, DMESG, DMESG_CLEAR, QUESTIONS };

struct service {
    struct pool *pool;
    struct operations *operations;
    struct guests *guests; /* NULL: none are watched */
    bool guests_told;      /* GuestsChanged went out, and Guests has not been called since */
    PeerDomains1 *object;
    GDBusConnection *connection; /* NULL between peers */
    GCancellable *connecting;
    guint probe; /* source, until the next one */
    struct question *questions[QUESTIONS];
    struct consoles *consoles;
    struct changes *changes;
    void (*served)(void *data);
    void (*failed)(const char *why, void *data);
    void *data;
};

static void
pool_changed(const char *uuid, void *data)
{
    struct service *service = data;

    if (service->operations)
        operations_changed(service->operations, uuid);
    if (service->guests)
        guests_look(service->guests, uuid);
    changes_add(service->changes, uuid);
}

/* --- what hangs --- */

static void
hanging_changed(void *data)
{
    struct service *service = data;
    g_auto(GStrv) work = pool_hanging(service->pool);

    if (service->connection)
        peer_domains1_emit_hanging(service->object, (const char *const *)work);
}

static gboolean probe(gpointer data);

/* What it says is of no interest, for others ask, too: that it answers is. */
static void
probed(bool lost, GVariant *error, GPtrArray *parts, void *data)
{
    struct service *service = data;

    (void)lost;
    (void)error;
    (void)parts;
    service->probe = g_timeout_add_seconds(WORKER_PROBE_S, probe, service);
}

static gboolean
probe(gpointer data)
{
    struct service *service = data;

    service->probe = 0;
    pool_submit(service->pool, REQUEST_QUESTION, "probe", "", "", NULL, probed, service);
    return G_SOURCE_REMOVE;
}

/* --- guests --- */

static void
guests_changed(void *data)
{
    struct service *service = data;

    if (!service->connection || service->guests_told)
        return;
    service->guests_told = true;
    peer_domains1_emit_guests_changed(service->object);
}

static gboolean
handle_guests(PeerDomains1 *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
              guint64 since, gpointer data)
{
    struct service *service = data;
    guint64 now = 0;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) error = NULL;
    GVariant *guests = service->guests ? guests_since(service->guests, since, &now)
                                       : g_variant_new("a(sia{sv})", NULL);
    GVariant *handle = bulk_pack(guests, &fds, &error);

    (void)none;
    service->guests_told = false;
    if (handle)
        peer_domains1_complete_guests(object, invocation, fds, handle, now);
    else
        g_dbus_method_invocation_return_error_literal(invocation, G_IO_ERROR, G_IO_ERROR_FAILED,
                                                      error->message);
    return TRUE;
}

/* --- methods --- */

static gboolean
handle_start(PeerDomains1 *object, GDBusMethodInvocation *invocation, const char *op_id,
             const char *verb, const char *uuid, GVariant *args, gpointer data)
{
    struct service *service = data;
    g_autoptr(GError) error = NULL;

    if (!operations_start(service->operations, op_id, verb, uuid, args, &error)) {
        log_warning("operation %s refused: %s", op_id, error->message);
        g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR,
                                                      G_DBUS_ERROR_LIMITS_EXCEEDED, error->message);
        return TRUE;
    }
    peer_domains1_complete_start(object, invocation);
    return TRUE;
}

static gboolean
handle_abort(PeerDomains1 *object, GDBusMethodInvocation *invocation, const char *op_id,
             gpointer data)
{
    struct service *service = data;

    operations_abort(service->operations, op_id);
    peer_domains1_complete_abort(object, invocation);
    return TRUE;
}

static gboolean
handle_forget(PeerDomains1 *object, GDBusMethodInvocation *invocation, const char *op_id,
              gpointer data)
{
    struct service *service = data;

    operations_forget(service->operations, op_id);
    peer_domains1_complete_forget(object, invocation);
    return TRUE;
}

static gboolean
handle_operations(PeerDomains1 *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
                  gpointer data)
{
    struct service *service = data;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) error = NULL;
    GVariant *handle = bulk_pack(operations_list(service->operations), &fds, &error);

    (void)none;
    if (handle)
        peer_domains1_complete_operations(object, invocation, fds, handle);
    else
        g_dbus_method_invocation_return_error_literal(invocation, G_IO_ERROR, G_IO_ERROR_FAILED,
                                                      error->message);
    return TRUE;
}

static gboolean
handle_bulk_question(PeerDomains1 *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
                     gpointer data)
{
    (void)object;
    (void)none;
    question_add(data, invocation, "");
    return TRUE;
}

static gboolean
handle_list(PeerDomains1 *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
            const char *uuid, gpointer data)
{
    struct service *service = data;

    (void)object;
    (void)none;
    question_add(service->questions[LIST], invocation, uuid);
    return TRUE;
}

static gboolean
handle_host_info(PeerDomains1 *object, GDBusMethodInvocation *invocation, gpointer data)
{
    struct service *service = data;

    (void)object;
    question_add(service->questions[HOST_INFO], invocation, "");
    return TRUE;
}

/* Each is about another guest, so each is asked by itself. */
static void
guest_memory_known(bool lost, GVariant *error, GPtrArray *parts, void *data)
{
    g_autoptr(GError) failure = NULL;

    if (lost)
        api_error_set(&failure, "INTERNAL_ERROR", "xapid-domains", "the worker was lost", NULL);
    else if (g_variant_n_children(error) > 0)
        failure = api_error_from_variant(error);
    if (failure)
        g_dbus_method_invocation_return_error_literal(data, G_IO_ERROR, G_IO_ERROR_FAILED,
                                                      failure->message);
    else
        g_dbus_method_invocation_return_value(
            data, g_variant_new_tuple((GVariant **)&parts->pdata[0], 1));
}

static gboolean
handle_guest_memory(PeerDomains1 *object, GDBusMethodInvocation *invocation, const char *uuid,
                    GVariant *guest, gpointer data)
{
    struct service *service = data;

    (void)object;
    pool_submit(service->pool, REQUEST_QUESTION, "guest_memory", uuid, "", guest,
                guest_memory_known, invocation);
    return TRUE;
}

static gboolean
handle_console(PeerDomains1 *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
               const char *uuid, const char *kind, gpointer data)
{
    struct service *service = data;

    (void)object;
    (void)none;
    consoles_open(service->consoles, invocation, uuid, kind);
    return TRUE;
}

static void
operation_done(const char *op_id, GVariant *error, GVariant *result, void *data)
{
    struct service *service = data;

    if (!FAULT_POINT("done.before", NULL))
        return;
    if (!service->connection)
        return;
    g_autofree const char **words = g_variant_get_strv(error, NULL);
    peer_domains1_emit_done(service->object, op_id, words, result);
}

/* --- the peer --- */

static void
drop_peer(struct service *service)
{
    if (!service->connection)
        return;
    g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(service->object));
    g_dbus_connection_close(service->connection, NULL, NULL, NULL);
    changes_connect(service->changes, NULL);
    g_clear_object(&service->connection);
}

static void
peer_closed(GDBusConnection *connection, gboolean remote_vanished, GError *error, gpointer data)
{
    struct service *service = data;

    (void)remote_vanished;
    (void)error;
    if (connection != service->connection)
        return;
    log_info("the peer has gone");
    drop_peer(service);
}

static void
peer_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    struct service *service = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection = peer_connect_finish(result, &error);

    (void)source;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    if (!connection) {
        log_warning("the peer did not connect: %s", error->message);
        return;
    }
    drop_peer(service);
    if (!g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(service->object), connection,
                                          DOMAINS_PATH, &error)) {
        log_error("export: %s", error->message);
        return;
    }
    service->connection = g_steal_pointer(&connection);
    g_signal_connect(service->connection, "closed", G_CALLBACK(peer_closed), service);
    changes_connect(service->changes, service->connection);
    hanging_changed(service);
    service->guests_told = false;
    guests_changed(service);
}

void
service_connect(struct service *service, int fd)
{
    peer_connect(fd, /* server= */ true, &service->connecting, peer_connected, service);
}

/* --- start --- */

static void
predecessor_recovered(bool lost, GVariant *error, GPtrArray *parts, void *data)
{
    struct service *service = data;

    (void)parts;
    if (lost || g_variant_n_children(error) > 0) {
        service->failed("what an earlier process left half done cannot be looked at",
                        service->data);
        return;
    }
    operations_open(service->operations);
    for (int i = 0; i < QUESTIONS; i++)
        question_open(service->questions[i], service->pool);
    probe(service);
    consoles_attend(service->consoles, service->pool);
    changes_open(service->changes);
    service->served(service->data);
}

static void
pool_ready(void *data)
{
    struct service *service = data;

    pool_submit(service->pool, REQUEST_RECOVERY, "recover", "", "", NULL, predecessor_recovered,
                service);
}

static void
pool_failed(const char *why, void *data)
{
    struct service *service = data;

    service->failed(why, service->data);
}

static void
questions_init(struct service *service)
{
    static const struct {
        const char *verb, *signal; /* of those without arguments that a descriptor answers */
        GVariant *(*value)(GPtrArray *parts);
    } kinds[] = {[LIST] = {"list", NULL, outcome_domains},
                 [HOST_INFO] = {"host_info", NULL, NULL},
                 [DMESG] = {"dmesg", "handle-dmesg", outcome_text},
                 [DMESG_CLEAR] = {"dmesg_clear", "handle-dmesg-clear", outcome_text}};

    for (int i = 0; i < QUESTIONS; i++) {
        service->questions[i] = question_new(kinds[i].verb, kinds[i].value);
        if (kinds[i].signal)
            g_signal_connect(service->object, kinds[i].signal, G_CALLBACK(handle_bulk_question),
                             service->questions[i]);
    }
}

struct service *
service_new(const struct pool_options *options, void (*served)(void *data),
            void (*failed)(const char *why, void *data), void *data)
{
    const struct {
        const char *signal;
        GCallback handler;
    } handlers[] = {
        {"handle-start", G_CALLBACK(handle_start)},
        {"handle-abort", G_CALLBACK(handle_abort)},
        {"handle-forget", G_CALLBACK(handle_forget)},
        {"handle-operations", G_CALLBACK(handle_operations)},
        {"handle-list", G_CALLBACK(handle_list)},
        {"handle-host-info", G_CALLBACK(handle_host_info)},
        {"handle-guest-memory", G_CALLBACK(handle_guest_memory)},
        {"handle-guests", G_CALLBACK(handle_guests)},
        {"handle-console", G_CALLBACK(handle_console)},
    };
    struct service *service = g_new0(struct service, 1);

    service->served = served;
    service->failed = failed;
    service->data = data;
    service->object = peer_domains1_skeleton_new();
    service->changes = changes_new(service->object);
    questions_init(service);
    service->consoles = consoles_new(options->run_dir ? options->run_dir : "/");
    for (size_t i = 0; i < G_N_ELEMENTS(handlers); i++)
        g_signal_connect(service->object, handlers[i].signal, handlers[i].handler, service);
    service->pool =
        pool_new(options, pool_ready, pool_changed, hanging_changed, pool_failed, service);
    service->operations = operations_new(service->pool, operation_done, service);
    if (options->run_dir)
        service->guests =
            guests_new(options->program, options->flags, options->run_dir, guests_changed, service);
    return service;
}

void
service_free(struct service *service)
{
    if (!service)
        return;
    peer_connect_cancel(&service->connecting);
    drop_peer(service);
    g_clear_pointer(&service->guests, guests_free);
    g_clear_handle_id(&service->probe, g_source_remove);
    pool_free(service->pool);
    operations_free(service->operations);
    changes_free(service->changes);
    for (int i = 0; i < QUESTIONS; i++)
        question_free(service->questions[i]);
    consoles_free(service->consoles);
    g_object_unref(service->object);
    g_free(service);
}
