/* xapid's side of org.xapid.Domains1: each operation has exactly one end and each question an
 * answer, however often the other side dies. */
#include "config.h"

#include <string.h>
#include <sys/socket.h>

#include "lib/error.h"
#include "lib/peer/bulk.h"
#include "lib/peer/domains1.h"
#include "lib/peer/peer.h"
#include "xapid/vm/domains.h"

#define UUID "a7d12e1a-7d5b-4a30-bd24-0b8d4d9a4c5e"
#define PATH "/org/xapid/Domains1"

/* A fake xapid-domains. */
struct server {
    PeerDomains1 *object;
    GDBusConnection *connection;
    GString *seen; /* "start op", "forget op", "abort op", "list" */
    bool answers;  /* questions are answered; else kept waiting */
    bool garbles;  /* with what is no list */
};

struct bed {
    struct domains *domains;
    struct server server;
    GString *told; /* what the callers heard: "op ok", "op CODE", "list", "changed UUID" */
};

static void
say(GString *log, const char *what, const char *id)
{
    g_string_append_printf(log, "%s%s%s%s", log->len ? ", " : "", what, *id ? " " : "", id);
}

static gboolean
on_start(PeerDomains1 *object, GDBusMethodInvocation *invocation, const char *op_id,
         const char *verb, const char *uuid, GVariant *args, void *data)
{
    (void)verb;
    (void)uuid;
    (void)args;
    say(((struct server *)data)->seen, "start", op_id);
    peer_domains1_complete_start(object, invocation);
    return TRUE;
}

static gboolean
on_abort(PeerDomains1 *object, GDBusMethodInvocation *invocation, const char *op_id, void *data)
{
    say(((struct server *)data)->seen, "abort", op_id);
    peer_domains1_complete_abort(object, invocation);
    return TRUE;
}

static gboolean
on_forget(PeerDomains1 *object, GDBusMethodInvocation *invocation, const char *op_id, void *data)
{
    say(((struct server *)data)->seen, "forget", op_id);
    peer_domains1_complete_forget(object, invocation);
    return TRUE;
}

static gboolean
on_operations(PeerDomains1 *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
              void *data)
{
    g_autoptr(GUnixFDList) fds = NULL;
    GVariantBuilder known;

    (void)none;
    (void)data;
    g_variant_builder_init(&known, G_VARIANT_TYPE("a(ssss)"));
    g_variant_builder_add(&known, "(ssss)", "left.0", "uuid", "create", "done");
    g_variant_builder_add(&known, "(ssss)", "busy.0", "uuid", "create", "running");
    GVariant *handle = bulk_pack(g_variant_builder_end(&known), &fds, NULL);
    peer_domains1_complete_operations(object, invocation, fds, handle);
    return TRUE;
}

static gboolean
on_list(PeerDomains1 *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
        const char *uuid, void *data)
{
    struct server *server = data;
    g_autoptr(GUnixFDList) fds = NULL;

    (void)none;
    say(server->seen, "list", uuid);
    if (server->answers) {
        /* The worst: of another type than was asked for. */
        GVariant *value = server->garbles ? g_variant_new_string("garbled")
                                          : g_variant_new_array(G_VARIANT_TYPE("a{sv}"), NULL, 0);
        GVariant *handle = bulk_pack(value, &fds, NULL);
        peer_domains1_complete_list(object, invocation, fds, handle);
    }
    return TRUE;
}

static void
server_connected(GObject *source, GAsyncResult *result, void *data)
{
    struct server *server = data;

    (void)source;
    server->connection = peer_connect_finish(result, NULL);
    g_assert_nonnull(server->connection);
    g_assert_true(g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(server->object),
                                                   server->connection, PATH, NULL));
}

/* The connection goes without a word, as when the process is killed. */
static void
server_die(struct server *server)
{
    if (!server->connection)
        return;
    g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(server->object));
    g_dbus_connection_close_sync(server->connection, NULL, NULL);
    g_clear_object(&server->connection);
    g_string_truncate(server->seen, 0);
}

static gboolean
wake(void *data)
{
    (void)data;
    return G_SOURCE_CONTINUE;
}

/* Runs the loop until `log` says `expected`. */
static void
wait_for(GString *log, const char *expected)
{
    guint source = g_timeout_add(10, wake, NULL);
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (strcmp(log->str, expected) && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(source);
    g_assert_cmpstr(log->str, ==, expected);
}

/* Runs the loop for what no log tells of. */
static void
settle(void)
{
    for (int i = 0; i < 20; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
}

static void
connect_both(struct bed *bed)
{
    int ends[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    peer_connect(ends[0], true, NULL, server_connected, &bed->server);
    domains_attach(bed->domains, ends[1]);
}

static void
on_changed(const char *uuid, void *data)
{
    say(((struct bed *)data)->told, "changed", uuid);
}

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    memset(bed, 0, sizeof *bed);
    bed->told = g_string_new(NULL);
    bed->domains = domains_new(on_changed, bed);
    bed->server.object = peer_domains1_skeleton_new();
    bed->server.seen = g_string_new(NULL);
    bed->server.answers = true;
    g_signal_connect(bed->server.object, "handle-start", G_CALLBACK(on_start), &bed->server);
    g_signal_connect(bed->server.object, "handle-abort", G_CALLBACK(on_abort), &bed->server);
    g_signal_connect(bed->server.object, "handle-forget", G_CALLBACK(on_forget), &bed->server);
    g_signal_connect(bed->server.object, "handle-operations", G_CALLBACK(on_operations), NULL);
    g_signal_connect(bed->server.object, "handle-list", G_CALLBACK(on_list), &bed->server);
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    server_die(&bed->server);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    domains_free(bed->domains);
    g_object_unref(bed->server.object);
    g_string_free(bed->server.seen, TRUE);
    g_string_free(bed->told, TRUE);
}

static struct bed *bed_of_callbacks; /* callbacks carry the name of the operation instead */

static void
on_done(const GError *error, GVariant *result, void *data)
{
    g_assert_true(!error == !!result);
    say(bed_of_callbacks->told, data, error ? api_error_code(error) : "ok");
}

static void
on_listed(const GError *error, GVariant *result, void *data)
{
    (void)data;
    g_assert_true(!error == !!result);
    say(bed_of_callbacks->told, "listed", error ? api_error_code(error) : "");
}

static void
start(struct bed *bed, const char *op_id)
{
    bed_of_callbacks = bed;
    domains_start(bed->domains, op_id, "pause", "uuid", NULL, on_done, (void *)op_id);
}

static void
tell_done(struct bed *bed, const char *op_id, const char *code)
{
    const char *const error[] = {code, NULL};

    peer_domains1_emit_done(bed->server.object, op_id, error,
                            g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
}

/* What ended unheard is forgotten; what still runs is not. */
static void
test_connects(struct bed *bed, const void *data)
{
    (void)data;
    connect_both(bed);
    wait_for(bed->server.seen, "forget left.0");
    wait_for(bed->told, "changed"); /* look at all */
}

static void
test_operation(struct bed *bed, const void *data)
{
    (void)data;
    start(bed, "a.0"); /* before there is anyone */
    connect_both(bed);
    wait_for(bed->server.seen, "start a.0, forget left.0");
    start(bed, "b.0");
    domains_abort(bed->domains, "b.0");
    wait_for(bed->server.seen, "start a.0, forget left.0, start b.0, abort b.0");
    tell_done(bed, "a.0", NULL);
    tell_done(bed, "b.0", "TASK_CANCELLED");
    tell_done(bed, "a.0", NULL); /* said again */
    wait_for(bed->told, "changed, a.0 ok, b.0 TASK_CANCELLED");
    wait_for(bed->server.seen,
             "start a.0, forget left.0, start b.0, abort b.0, forget a.0, forget b.0");
}

static void
test_other_side_dies(struct bed *bed, const void *data)
{
    (void)data;
    connect_both(bed);
    wait_for(bed->server.seen, "forget left.0");
    start(bed, "a.0");
    wait_for(bed->server.seen, "forget left.0, start a.0");
    server_die(&bed->server);
    connect_both(bed);
    wait_for(bed->server.seen, "start a.0, forget left.0"); /* again */
    tell_done(bed, "a.0", NULL);
    wait_for(bed->told, "changed, changed, a.0 ok");
}

/* An end that was never told is asked for again. */
static void
test_end_is_lost(struct bed *bed, const void *data)
{
    (void)data;
    connect_both(bed);
    wait_for(bed->server.seen, "forget left.0");
    start(bed, "a.0");
    wait_for(bed->server.seen, "forget left.0, start a.0");
    wait_for(bed->server.seen, "forget left.0, start a.0, start a.0");
}

/* Whether the loss is heard before or after the new connection is there. */
static void
test_question_is_lost(struct bed *bed, const void *data)
{
    bool new_first = GPOINTER_TO_INT(data);

    bed_of_callbacks = bed;
    connect_both(bed);
    wait_for(bed->server.seen, "forget left.0");
    bed->server.answers = false;
    domains_list(bed->domains, UUID, on_listed, NULL);
    wait_for(bed->server.seen, "forget left.0, list " UUID);
    bed->server.answers = true;
    if (new_first) {
        g_autoptr(GDBusConnection) old = g_steal_pointer(&bed->server.connection);
        g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(bed->server.object));
        g_string_truncate(bed->server.seen, 0);
        connect_both(bed);
        wait_for(bed->told, "changed, changed");
        g_dbus_connection_close_sync(old, NULL, NULL);
    } else {
        server_die(&bed->server);
        settle();
        connect_both(bed);
    }
    wait_for(bed->told, "changed, changed, listed");
}

/* With a question and an operation under way, which end when the connection does. */
static void
test_freed(struct bed *bed, const void *data)
{
    (void)data;
    bed_of_callbacks = bed;
    connect_both(bed);
    wait_for(bed->server.seen, "forget left.0");
    bed->server.answers = false;
    start(bed, "a.0");
    domains_list(bed->domains, UUID, on_listed, NULL);
    wait_for(bed->server.seen, "forget left.0, start a.0, list " UUID);
    g_clear_pointer(&bed->domains, domains_free);
    server_die(&bed->server);
    settle();
    g_assert_cmpstr(bed->told->str, ==, "changed");
}

static void
test_garbled_list(struct bed *bed, const void *data)
{
    (void)data;
    bed_of_callbacks = bed;
    connect_both(bed);
    wait_for(bed->server.seen, "forget left.0");
    bed->server.garbles = true;
    domains_list(bed->domains, UUID, on_listed, NULL);
    wait_for(bed->told, "changed, listed INTERNAL_ERROR");
    bed->server.garbles = false;
    domains_list(bed->domains, UUID, on_listed, NULL);
    wait_for(bed->told, "changed, listed INTERNAL_ERROR, listed");
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct bed *bed, const void *data);
        gconstpointer data;
    } tests[] = {
        {"connects", test_connects, NULL},
        {"operation", test_operation, NULL},
        {"other-side-dies", test_other_side_dies, NULL},
        {"end-is-lost", test_end_is_lost, NULL},
        {"freed", test_freed, NULL},
        {"question/garbled", test_garbled_list, NULL},
        {"question/loss-first", test_question_is_lost, GINT_TO_POINTER(false)},
        {"question/connection-first", test_question_is_lost, GINT_TO_POINTER(true)},
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strconcat("/vm-domains/", tests[i].name, NULL);
        g_test_add(path, struct bed, tests[i].data, bed_setup, tests[i].run, bed_teardown);
    }
    return g_test_run();
}
