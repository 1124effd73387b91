#include "config.h"

#include "xapid/vm/domains.h"

#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/peer/bulk.h"
#include "lib/peer/peer.h"

struct domains {
    struct peer_client *client;
    GCancellable *connecting;
    domains_changed_fn changed;
    void *changed_data;
    domains_hanging_fn hanging; /* may be NULL */
    void *hanging_data;
    domains_guests_changed_fn guests_changed; /* may be NULL */
    void *guests_changed_data;
};

/* ---- what is asked ---- */

void
domains_start(struct domains *domains, const char *op_id, const char *verb, const char *uuid,
              GVariant *args, domains_done_fn done, void *data)
{
    GVariant *given = args ? args : g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0);

    peer_client_start(domains->client, op_id,
                      g_variant_new("(sss@a{sv})", op_id, verb, uuid, given), done, data);
}

void
domains_abort(struct domains *domains, const char *op_id)
{
    peer_client_abort(domains->client, op_id);
}

void
domains_list(struct domains *domains, const char *uuid, domains_done_fn done, void *data)
{
    peer_client_ask(domains->client, "List", g_variant_new("(s)", uuid), "aa{sv}", done, data);
}

void
domains_host_info(struct domains *domains, domains_done_fn done, void *data)
{
    peer_client_ask(domains->client, "HostInfo", NULL, "a{sv}", done, data);
}

void
domains_guest_memory(struct domains *domains, const char *uuid, GVariant *guest,
                     domains_done_fn done, void *data)
{
    peer_client_ask(domains->client, "GuestMemory", g_variant_new("(s@a{sv})", uuid, guest),
                    "a{sv}", done, data);
}

void
domains_dmesg(struct domains *domains, bool clear, domains_done_fn done, void *data)
{
    peer_client_ask(domains->client, clear ? "DmesgClear" : "Dmesg", NULL, "s", done, data);
}

/* ---- answers with descriptors ---- */

/* Waits for no connection: NULL with an error without one. */
static GDBusProxy *
proxy_now(struct domains *domains, GError **error)
{
    GDBusProxy *proxy = peer_client_proxy(domains->client);

    if (!proxy)
        api_error_set(error, "INTERNAL_ERROR", "xapid-domains", "is not connected", NULL);
    return proxy;
}

/* NULL with an error: of the call, or that the answer is not of that form. */
static GVariant *
answer_of(GObject *source, GAsyncResult *result, const char *method, const char *form,
          GUnixFDList **ret_fds, GError **error)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_proxy_call_with_unix_fd_list_finish(G_DBUS_PROXY(source), &fds, result, error);

    if (!answer)
        return NULL;
    if (!fds || !g_variant_is_of_type(answer, G_VARIANT_TYPE(form))) {
        api_error_set(error, "INTERNAL_ERROR", "an answer of an unknown form", method, NULL);
        return NULL;
    }
    *ret_fds = g_steal_pointer(&fds);
    return g_steal_pointer(&answer);
}

/* ---- consoles ---- */

struct console_call {
    domains_console_fn done;
    void *data;
};

static void
console_answered(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree struct console_call *call = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) answer = answer_of(source, result, "Console", "(h)", &fds, &error);
    gint32 index;
    int fd = -1;

    if (answer) {
        g_variant_get(answer, "(h)", &index);
        fd = g_unix_fd_list_get(fds, index, &error);
    } else {
        g_dbus_error_strip_remote_error(error);
    }
    if (!error && !FAULT_POINT("console.ask.after", &error)) {
        close(fd);
        fd = -1;
    }
    call->done(error, fd, call->data);
}

void
domains_console(struct domains *domains, const char *uuid, const char *kind,
                domains_console_fn done, void *data)
{
    g_autoptr(GError) error = NULL;
    GDBusProxy *proxy = proxy_now(domains, &error);
    struct console_call *call;

    if (!proxy || !FAULT_POINT("console.ask.before", &error)) {
        done(error, -1, data);
        return;
    }
    call = g_new(struct console_call, 1);
    call->done = done;
    call->data = data;
    g_dbus_proxy_call_with_unix_fd_list(proxy, "Console", g_variant_new("(ss)", uuid, kind),
                                        G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, console_answered,
                                        call);
}

/* ---- guests ---- */

struct guests_call {
    domains_guests_fn done;
    void *data;
};

static void
guests_answered(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree struct guests_call *call = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) guests = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) answer = answer_of(source, result, "Guests", "(ht)", &fds, &error);
    guint64 now = 0;

    if (answer) {
        g_autoptr(GVariant) handle = g_variant_get_child_value(answer, 0);
        g_variant_get_child(answer, 1, "t", &now);
        guests = bulk_unpack(handle, fds, "a(sia{sv})", &error);
    }
    if (!error && !FAULT_POINT("guests.ask.after", &error))
        g_clear_pointer(&guests, g_variant_unref);
    call->done(error, guests, now, call->data);
}

void
domains_guests(struct domains *domains, guint64 since, domains_guests_fn done, void *data)
{
    g_autoptr(GError) error = NULL;
    GDBusProxy *proxy = proxy_now(domains, &error);
    struct guests_call *call;

    if (!proxy || !FAULT_POINT("guests.ask.before", &error)) {
        done(error, NULL, 0, data);
        return;
    }
    call = g_new(struct guests_call, 1);
    call->done = done;
    call->data = data;
    g_dbus_proxy_call_with_unix_fd_list(proxy, "Guests", g_variant_new("(t)", since),
                                        G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, guests_answered,
                                        call);
}

void
domains_on_guests(struct domains *domains, domains_guests_changed_fn changed, void *data)
{
    domains->guests_changed = changed;
    domains->guests_changed_data = data;
}

static void
on_guests_changed(GVariant *parameters, void *data)
{
    struct domains *domains = data;

    (void)parameters;
    if (domains->guests_changed)
        domains->guests_changed(false, domains->guests_changed_data);
}

/* ---- connection ---- */

static void
on_changed(GVariant *parameters, void *data)
{
    struct domains *domains = data;
    const char *uuid;

    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(s)")))
        return;
    g_variant_get(parameters, "(&s)", &uuid);
    domains->changed(uuid, domains->changed_data);
}

static void
connected(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection = peer_connect_finish(result, &error);
    struct domains *domains = data;

    (void)source;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    if (!connection) {
        /* xapid-launch restarts it and sends the next descriptor. */
        log_warning("connecting to xapid-domains: %s", error->message);
        return;
    }
    log_debug("connected to xapid-domains");
    peer_client_set_connection(domains->client, connection);
    domains->changed("", domains->changed_data);
    if (domains->guests_changed)
        domains->guests_changed(true, domains->guests_changed_data);
}

void
domains_attach(struct domains *domains, int fd)
{
    peer_client_set_connection(domains->client, NULL);
    peer_connect(fd, false, &domains->connecting, connected, domains);
}

/* ---- life ---- */

static void
on_hanging(GVariant *parameters, void *data)
{
    struct domains *domains = data;

    if (!domains->hanging || !g_variant_is_of_type(parameters, G_VARIANT_TYPE("(as)")))
        return;
    g_autoptr(GVariant) work = g_variant_get_child_value(parameters, 0);
    domains->hanging(work, domains->hanging_data);
}

void
domains_on_hanging(struct domains *domains, domains_hanging_fn hanging, void *data)
{
    domains->hanging = hanging;
    domains->hanging_data = data;
}

struct domains *
domains_new(domains_changed_fn changed, void *data)
{
    struct domains *domains = g_new0(struct domains, 1);

    domains->client = peer_client_new("/org/xapid/Domains1", "org.xapid.Domains1");
    peer_client_on_signal(domains->client, "Changed", on_changed, domains);
    peer_client_on_signal(domains->client, "Hanging", on_hanging, domains);
    peer_client_on_signal(domains->client, "GuestsChanged", on_guests_changed, domains);
    domains->changed = changed;
    domains->changed_data = data;
    return domains;
}

void
domains_free(struct domains *domains)
{
    if (!domains)
        return;
    peer_connect_cancel(&domains->connecting);
    peer_client_free(domains->client);
    g_free(domains);
}
