#include "config.h"

#include "xapid/domains/changes.h"

#include <stdbool.h>

#include "xapid/domains/domains.h"

struct changes {
    PeerDomains1 *object;
    GDBusConnection *connection; /* NULL between peers */
    GCancellable *flushing;      /* NULL: the peer has taken all that was sent */
    GHashTable *uuids;
    bool all, open;
    guint source; /* sends soon */
};

static void send(struct changes *changes);

static void
flushed(GObject *source, GAsyncResult *result, gpointer data)
{
    struct changes *changes = data;
    g_autoptr(GError) error = NULL;

    g_dbus_connection_flush_finish(G_DBUS_CONNECTION(source), result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    /* An error is the end of the connection, which is told by itself. */
    g_clear_object(&changes->flushing);
    send(changes);
}

static void
send(struct changes *changes)
{
    GHashTableIter iter;
    gpointer uuid;
    int sent = 0;

    if (!changes->connection || !changes->open || changes->flushing ||
        (!changes->all && g_hash_table_size(changes->uuids) == 0))
        return;
    if (changes->all) {
        changes->all = false;
        g_hash_table_remove_all(changes->uuids);
        peer_domains1_emit_changed(changes->object, "");
    }
    g_hash_table_iter_init(&iter, changes->uuids);
    while (sent++ < CHANGED_BATCH_MAX && g_hash_table_iter_next(&iter, &uuid, NULL)) {
        peer_domains1_emit_changed(changes->object, uuid);
        g_hash_table_iter_remove(&iter);
    }
    changes->flushing = g_cancellable_new();
    g_dbus_connection_flush(changes->connection, changes->flushing, flushed, changes);
}

static gboolean
send_later(gpointer data)
{
    struct changes *changes = data;

    changes->source = 0;
    send(changes);
    return G_SOURCE_REMOVE;
}

void
changes_add(struct changes *changes, const char *uuid)
{
    if (!*uuid || g_hash_table_size(changes->uuids) >= CHANGED_PENDING_MAX)
        changes->all = true;
    if (changes->all)
        g_hash_table_remove_all(changes->uuids);
    else
        g_hash_table_add(changes->uuids, g_strdup(uuid));
    /* After the events that are there already, so that several of one domain become one. */
    if (!changes->source && !changes->flushing)
        changes->source = g_idle_add(send_later, changes);
}

static void
stop_flushing(struct changes *changes)
{
    g_cancellable_cancel(changes->flushing);
    g_clear_object(&changes->flushing);
}

void
changes_connect(struct changes *changes, GDBusConnection *connection)
{
    stop_flushing(changes);
    g_set_object(&changes->connection, connection);
    changes->all = true;
    send(changes);
}

void
changes_open(struct changes *changes)
{
    changes->open = true;
    changes->all = true;
    send(changes);
}

struct changes *
changes_new(PeerDomains1 *object)
{
    struct changes *changes = g_new0(struct changes, 1);

    changes->object = g_object_ref(object);
    changes->uuids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return changes;
}

void
changes_free(struct changes *changes)
{
    stop_flushing(changes);
    g_clear_handle_id(&changes->source, g_source_remove);
    g_hash_table_unref(changes->uuids);
    g_clear_object(&changes->connection);
    g_object_unref(changes->object);
    g_free(changes);
}
