#include "config.h"

#include "tests/sim/domains-client.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/passed-fd.h"
#include "lib/peer/bulk.h"
#include "lib/peer/peer.h"

#define DOMAINS_PATH "/org/xapid/Domains1"

static gboolean
set_flag(gpointer data)
{
    *(bool *)data = true;
    return G_SOURCE_REMOVE;
}

/* Iterates until *flag, at most CLIENT_WAIT_MS. */
static bool
wait_flag(const bool *flag, int timeout_ms)
{
    bool late = false;
    guint timer = g_timeout_add((guint)timeout_ms, set_flag, &late);

    while (!*flag && !late)
        g_main_context_iteration(NULL, TRUE);
    if (!late)
        g_source_remove(timer);
    return *flag;
}

void
client_settle(int ms)
{
    bool never = false;

    wait_flag(&never, ms);
}

static void
on_done(PeerDomains1 *proxy, const char *op_id, const char *const *error, GVariant *result,
        struct domains_client *client)
{
    (void)proxy;
    client->done_count++;
    g_hash_table_insert(client->done, g_strdup(op_id),
                        g_variant_ref_sink(g_variant_new("(^as@a{sv})", error, result)));
}

static void
on_changed(PeerDomains1 *proxy, const char *uuid, struct domains_client *client)
{
    (void)proxy;
    g_ptr_array_add(client->changed, g_strdup(uuid));
}

struct connecting {
    bool done;
    GDBusConnection *connection;
    GError *error;
};

static void
connected(GObject *source, GAsyncResult *result, gpointer data)
{
    struct connecting *connecting = data;

    (void)source;
    connecting->connection = peer_connect_finish(result, &connecting->error);
    connecting->done = true;
}

static void
disconnect(struct domains_client *client)
{
    if (client->proxy)
        g_signal_handlers_disconnect_by_data(client->proxy, client);
    g_clear_object(&client->proxy);
    if (client->connection)
        g_dbus_connection_close_sync(client->connection, NULL, NULL);
    g_clear_object(&client->connection);
}

bool
client_reconnect(struct domains_client *client, GError **error)
{
    struct connecting connecting = {0};
    int ends[2];

    disconnect(client);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
        !passed_fd_send(client->control, "peer xapid", strlen("peer xapid"), ends[1])) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, g_strerror(errno));
        return false;
    }
    close(ends[1]);
    peer_connect(ends[0], /* server= */ false, NULL, connected, &connecting);
    if (!wait_flag(&connecting.done, CLIENT_WAIT_MS)) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no connection");
        return false;
    }
    if (!connecting.connection) {
        g_propagate_error(error, connecting.error);
        return false;
    }
    client->connection = connecting.connection;
    g_dbus_connection_set_exit_on_close(client->connection, FALSE);
    client->proxy =
        peer_domains1_proxy_new_sync(client->connection, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES,
                                     NULL, DOMAINS_PATH, NULL, error);
    if (!client->proxy)
        return false;
    g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(client->proxy), CLIENT_WAIT_MS);
    g_signal_connect(client->proxy, "done", G_CALLBACK(on_done), client);
    g_signal_connect(client->proxy, "changed", G_CALLBACK(on_changed), client);
    return true;
}

static bool
wait_ready(struct domains_client *client, GError **error)
{
    struct timeval limit = {.tv_sec = CLIENT_WAIT_MS / 1000};
    char text[CONTROL_NAME_MAX] = "";

    setsockopt(client->control, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (recv(client->control, text, sizeof text - 1, 0) > 0 && g_str_equal(text, "ready"))
        return true;
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the program did not become ready");
    return false;
}

struct domains_client *
client_start(const char *program, const char *const *args, const char *fault, GError **error)
{
    struct domains_client *client = g_new0(struct domains_client, 1);
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    int ends[2];

    client->done =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
    client->changed = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(argv, (char *)program);
    for (; *args; args++)
        g_ptr_array_add(argv, (char *)*args);
    g_ptr_array_add(argv, NULL);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        g_error("socketpair: %s", g_strerror(errno));
    client->control = ends[0];
    if (fault)
        g_subprocess_launcher_setenv(launcher, "XAPID_FAULT", fault, TRUE);
    g_subprocess_launcher_take_fd(launcher, ends[1], CONTROL_FD);
    client->process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, error);
    g_clear_object(&launcher); /* with our copy of the program's end */
    if (client->process && wait_ready(client, error) && client_reconnect(client, error))
        return client;
    client_kill(client);
    return NULL;
}

static void
client_free(struct domains_client *client)
{
    disconnect(client);
    if (client->control >= 0)
        close(client->control);
    g_clear_object(&client->process);
    g_hash_table_unref(client->done);
    g_ptr_array_unref(client->changed);
    g_free(client);
}

bool
client_stop(struct domains_client *client)
{
    bool ok;

    close(client->control);
    client->control = -1;
    ok = g_subprocess_wait(client->process, NULL, NULL) &&
         g_subprocess_get_successful(client->process);
    client_free(client);
    return ok;
}

void
client_kill(struct domains_client *client)
{
    if (client->process) {
        g_subprocess_force_exit(client->process);
        g_subprocess_wait(client->process, NULL, NULL);
    }
    client_free(client);
}

pid_t
client_pid(struct domains_client *client)
{
    return (pid_t)g_ascii_strtoll(g_subprocess_get_identifier(client->process), NULL, 10);
}

bool
client_begin(struct domains_client *client, const char *op_id, const char *verb, const char *uuid,
             GVariant *args, GError **error)
{
    if (!args)
        args = g_variant_new("a{sv}", NULL);
    return peer_domains1_call_start_sync(client->proxy, op_id, verb, uuid, args, NULL, error);
}

bool
client_wait(struct domains_client *client, const char *op_id, GVariant **ret_result, GError **error)
{
    bool late = false;
    guint timer = g_timeout_add(CLIENT_WAIT_MS, set_flag, &late);
    g_autoptr(GVariant) words = NULL;
    g_autoptr(GVariant) result = NULL;
    GVariant *done;

    while (!(done = g_hash_table_lookup(client->done, op_id)) && !late &&
           !g_dbus_connection_is_closed(client->connection))
        g_main_context_iteration(NULL, TRUE);
    if (!late)
        g_source_remove(timer);
    if (!done) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no Done of %s", op_id);
        return false;
    }
    g_variant_get(done, "(@as@a{sv})", &words, &result);
    if (g_variant_n_children(words) > 0) {
        g_propagate_error(error, api_error_from_variant(words));
        return false;
    }
    if (ret_result)
        *ret_result = g_steal_pointer(&result);
    return true;
}

bool
client_run(struct domains_client *client, const char *op_id, const char *verb, const char *uuid,
           GVariant *args, GVariant **ret_result, GError **error)
{
    return client_begin(client, op_id, verb, uuid, args, error) &&
           client_wait(client, op_id, ret_result, error);
}

GVariant *
client_guest_args(const char *type, const char *kernel, const char *ramdisk, const char *cmdline,
                  gint64 memory)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "type", "s", type);
    g_variant_dict_insert(&dict, "memory_static_max", "x", memory);
    g_variant_dict_insert(&dict, "memory_target", "x", memory);
    g_variant_dict_insert(&dict, "vcpus_max", "i", 1);
    g_variant_dict_insert(&dict, "vcpus", "i", 1);
    g_variant_dict_insert(&dict, "kernel", "s", kernel);
    g_variant_dict_insert(&dict, "ramdisk", "s", ramdisk);
    g_variant_dict_insert(&dict, "cmdline", "s", cmdline);
    g_variant_dict_insert(&dict, "name_label", "s", "a guest");
    return g_variant_dict_end(&dict);
}

GVariant *
client_shutdown_args(const char *how, int timeout)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "how", "s", how);
    g_variant_dict_insert(&dict, "timeout", "i", timeout);
    return g_variant_dict_end(&dict);
}

GVariant *
client_list(struct domains_client *client, const char *uuid, GError **error)
{
    g_autoptr(GVariant) handle = NULL;
    g_autoptr(GUnixFDList) fds = NULL;

    if (!peer_domains1_call_list_sync(client->proxy, uuid, NULL, &handle, &fds, NULL, error))
        return NULL;
    return bulk_unpack(handle, fds, "aa{sv}", error);
}

GVariant *
client_operations(struct domains_client *client, GError **error)
{
    g_autoptr(GVariant) handle = NULL;
    g_autoptr(GUnixFDList) fds = NULL;

    if (!peer_domains1_call_operations_sync(client->proxy, NULL, &handle, &fds, NULL, error))
        return NULL;
    return bulk_unpack(handle, fds, "a(ssss)", error);
}

GVariant *
client_domain(struct domains_client *client, const char *uuid)
{
    g_autoptr(GVariant) domains = client_list(client, uuid, NULL);
    GVariantIter iter;
    GVariant *domain;

    if (!domains)
        return NULL;
    g_variant_iter_init(&iter, domains);
    while ((domain = g_variant_iter_next_value(&iter))) {
        const char *other;

        if (g_variant_lookup(domain, "uuid", "&s", &other) && g_str_equal(other, uuid))
            return domain;
        g_variant_unref(domain);
    }
    return NULL;
}

char *
client_state(struct domains_client *client, const char *uuid)
{
    g_autoptr(GVariant) domain = client_domain(client, uuid);
    char *state = NULL;

    if (domain)
        g_variant_lookup(domain, "state", "s", &state);
    return state ? state : g_strdup("absent");
}

bool
client_wait_changed(struct domains_client *client, const char *uuid, int timeout_ms)
{
    bool late = false, seen = false;
    guint from = client->changed->len;
    guint timer = g_timeout_add((guint)timeout_ms, set_flag, &late);

    while (!seen && !late) {
        g_main_context_iteration(NULL, TRUE);
        for (; from < client->changed->len; from++)
            seen |= g_str_equal(client->changed->pdata[from], uuid);
    }
    if (!late)
        g_source_remove(timer);
    return seen;
}

bool
client_wait_state(struct domains_client *client, const char *uuid, const char *state,
                  int timeout_ms)
{
    gint64 end = g_get_monotonic_time() + timeout_ms * 1000ll;

    for (;;) {
        g_autofree char *now = client_state(client, uuid);

        if (g_str_equal(now, state))
            return true;
        if (g_get_monotonic_time() > end)
            return false;
        client_wait_changed(client, uuid, 200);
    }
}
