/* Fair: one guest is copied at a time, the one that has waited longest, and writes are taken in
 * between; so what a guest costs is bounded, whatever it does, and others wait for one copy of it
 * at most. */
#include "config.h"

#include "xapid/domains/guest-watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/domains/backend.h"
#include "xapid/domains/guest-keys.h"
#include "xapid/domains/message.h"

#define LOOKS_MAX 8       /* at single domains, before all are looked at at once */
#define MS ((gint64)1000) /* in µs, which all times here are */

struct guest {
    char uuid[UUID_LENGTH + 1];
    int domid;
    bool ours;
    bool listening;  /* its writes are told */
    bool alerted;    /* its floods and excesses were logged */
    unsigned writes; /* since the last copy */
    gint64 copied_at, interval;
    gint64 copy_at; /* 0: nothing to copy */
    gint64 look_at; /* not ours, so far: 0 = never again */
    gint64 look_delay;
    char *sum;      /* of what was sent last */
    unsigned round; /* in which it was last listed */
};

struct watch {
    const struct backend *backend;
    const struct guest_store *store;
    struct backend_ctx *ctx;
    GHashTable *by_uuid;  /* → struct guest, owned */
    GHashTable *by_domid; /* the same */
    unsigned round;
    gint64 now;
};

static void
guest_free(void *data)
{
    struct guest *guest = data;

    g_free(guest->sum);
    g_free(guest);
}

static bool
failed(GError **error, const char *what)
{
    api_error_set(error, "INTERNAL_ERROR", "xapid-domains", what, g_strerror(errno), NULL);
    return false;
}

/* --- which guests there are --- */

static void
forget_domain(struct watch *w, struct guest *guest)
{
    if (guest->listening)
        w->store->unwatch(w->ctx, guest->domid);
    guest->listening = false;
    if (g_hash_table_lookup(w->by_domid, GINT_TO_POINTER(guest->domid)) == guest)
        g_hash_table_remove(w->by_domid, GINT_TO_POINTER(guest->domid));
}

static void
heed(struct watch *w, struct guest *guest)
{
    guest->writes = 0;
    guest->listening = w->store->watch(w->ctx, guest->domid);
}

static struct guest *
new_domain(struct watch *w, struct guest *guest, const struct domain_info *info)
{
    if (guest) {
        forget_domain(w, guest);
    } else {
        guest = g_new0(struct guest, 1);
        memcpy(guest->uuid, info->uuid, sizeof guest->uuid);
        g_hash_table_insert(w->by_uuid, guest->uuid, guest);
    }
    guest->domid = info->domid;
    guest->ours = guest->alerted = false;
    guest->interval = GUEST_INTERVAL_MS * MS;
    guest->look_delay = GUEST_BUILD_LOOK_MS * MS;
    guest->look_at = guest->copy_at = 0;
    g_clear_pointer(&guest->sum, g_free);
    g_hash_table_insert(w->by_domid, GINT_TO_POINTER(guest->domid), guest);
    return guest;
}

static void
see(struct watch *w, const struct domain_info *info)
{
    struct guest *guest = g_hash_table_lookup(w->by_uuid, info->uuid);

    if (info->domid <= 0 || info->state == DOMAIN_DYING)
        return;
    if (!guest || guest->domid != info->domid)
        guest = new_domain(w, guest, info);
    guest->round = w->round;
    if (guest->ours)
        return;
    guest->ours = info->ours;
    guest->look_at = 0;
    if (guest->ours) {
        heed(w, guest);
        guest->copy_at = w->now;
    } else if (guest->look_delay <= TIMEOUT_CREATE_S * G_USEC_PER_SEC) {
        guest->look_at = w->now + guest->look_delay;
        guest->look_delay *= 2;
    }
}

static bool
send_keys(const struct guest *guest, int domid, GVariant *keys, GError **error)
{
    return message_send(GUESTS_KEYS_FD, g_variant_new("(si@a(ayay))", guest->uuid, domid, keys),
                        error);
}

static bool
gone(struct watch *w, struct guest *guest, GError **error)
{
    bool told = !guest->sum || send_keys(guest, -1, g_variant_new("a(ayay)", NULL), error);

    forget_domain(w, guest);
    g_hash_table_remove(w->by_uuid, guest->uuid);
    return told;
}

/* All domains, or those of one uuid. */
static bool
look(struct watch *w, const char *uuid, GError **error)
{
    bool all = *uuid == '\0';
    g_autoptr(GPtrArray) domains = NULL;

    w->round++;
    if (!w->backend->list(w->ctx, all ? NULL : uuid, &domains, error))
        return false;
    for (guint i = 0; i < domains->len; i++)
        see(w, domains->pdata[i]);
    g_autoptr(GList) guests = all ? g_hash_table_get_values(w->by_uuid) : NULL;
    struct guest *one = all ? NULL : g_hash_table_lookup(w->by_uuid, uuid);
    if (one)
        guests = g_list_prepend(NULL, one);
    for (GList *at = guests; at; at = at->next) {
        struct guest *guest = at->data;
        if (guest->round != w->round && !gone(w, guest, error))
            return false;
    }
    return true;
}

/* --- what they write --- */

static void
alert(struct guest *guest, const char *what)
{
    if (!guest->alerted)
        log_warning(
            "the guest of %s writes %s xenstore keys than are looked at; no more is said of it",
            guest->uuid, what);
    guest->alerted = true;
}

static void
wrote(int domid, void *data)
{
    struct watch *w = data;
    struct guest *guest = g_hash_table_lookup(w->by_domid, GINT_TO_POINTER(domid));

    if (!guest || !guest->listening)
        return;
    if (!guest->copy_at)
        guest->copy_at = MAX(w->now + GUEST_SETTLE_MS * MS, guest->copied_at + guest->interval);
    if (++guest->writes < GUEST_WRITES_MAX)
        return;
    alert(guest, "more often");
    w->store->unwatch(w->ctx, guest->domid);
    guest->listening = false;
    guest->interval = MIN(guest->interval * 2, GUEST_INTERVAL_MAX_MS * MS);
    guest->copy_at = guest->copied_at + guest->interval;
}

static bool
copy(struct watch *w, struct guest *guest, GError **error)
{
    g_autoptr(GVariant) keys = NULL;
    g_autofree char *sum = NULL;
    bool cut;

    guest->copy_at = 0;
    guest->copied_at = w->now;
    if (guest->writes < GUEST_WRITES_MAX)
        guest->interval = GUEST_INTERVAL_MS * MS;
    guest->writes = 0;
    if (!guest->listening)
        heed(w, guest);
    keys = g_variant_ref_sink(guest_keys_copy(w->store, w->ctx, guest->domid, &cut));
    if (cut)
        alert(guest, "more or longer");
    sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, g_variant_get_data(keys),
                                      g_variant_get_size(keys));
    if (g_strcmp0(sum, guest->sum) == 0)
        return true;
    g_free(guest->sum);
    guest->sum = g_steal_pointer(&sum);
    return send_keys(guest, guest->domid, keys, error);
}

/* --- the loop --- */

/* The guest whose copy, or whose look, has been due longest; *ret_at: when the first is due. */
static struct guest *
first_due(struct watch *w, gint64 *ret_at)
{
    struct guest *first = NULL, *guest;
    GHashTableIter iter;

    *ret_at = G_MAXINT64;
    g_hash_table_iter_init(&iter, w->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&guest)) {
        gint64 at = guest->ours ? guest->copy_at : guest->look_at;
        if (at && at < *ret_at) {
            *ret_at = at;
            first = guest;
        }
    }
    return *ret_at <= w->now ? first : NULL;
}

/* Takes what the parent says, as long as there is any, and looks once.  False without an error: it
 * has gone. */
static bool
take_looks(struct watch *w, GError **error)
{
    g_autoptr(GHashTable) uuids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct pollfd fd = {.fd = GUESTS_LOOK_FD, .events = POLLIN};
    GHashTableIter iter;
    const char *uuid;

    while (poll(&fd, 1, 0) > 0) {
        g_autoptr(GVariant) message = message_receive(GUESTS_LOOK_FD, MESSAGE_EVENT, error);

        if (!message)
            return false;
        g_variant_get(message, MESSAGE_EVENT, &uuid);
        g_hash_table_add(uuids, (char *)uuid);
    }
    if (g_hash_table_contains(uuids, "") || g_hash_table_size(uuids) > LOOKS_MAX)
        return look(w, "", error);
    g_hash_table_iter_init(&iter, uuids);
    while (g_hash_table_iter_next(&iter, (void **)&uuid, NULL))
        if (!look(w, uuid, error))
            return false;
    return true;
}

/* Serves the guest that is due, or waits.  False: no more, with an error or because the parent has
 * gone. */
static bool
turn(struct watch *w, GError **error)
{
    struct pollfd fds[2] = {{.fd = GUESTS_LOOK_FD, .events = POLLIN},
                            {.fd = w->store->fd(w->ctx), .events = POLLIN}};
    gint64 at;
    struct guest *due;

    w->now = g_get_monotonic_time();
    due = first_due(w, &at);
    if (due && !(due->ours ? copy(w, due, error) : look(w, due->uuid, error)))
        return false;
    int timeout = due ? 0 : at == G_MAXINT64 ? -1 : (int)MIN((at - w->now) / MS + 1, G_MAXINT);
    if (poll(fds, 2, timeout) < 0 && errno != EINTR)
        return failed(error, "poll");
    w->now = g_get_monotonic_time();
    if (fds[1].revents && !w->store->drain(w->ctx, wrote, w, error))
        return false;
    return !fds[0].revents || take_looks(w, error);
}

int
guests_main(const struct child_options *options)
{
    const struct timeval patience = {.tv_sec = GUEST_SEND_S};
    struct watch w = {.backend = options->backend, .store = options->backend->guests};
    g_autoptr(GError) error = NULL;

    setsockopt(GUESTS_KEYS_FD, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    w.ctx = w.backend->open(&options->backend_options, &error);
    if (!w.ctx) {
        log_error("guests: %s", error->message);
        return EXIT_FAILURE;
    }
    w.now = g_get_monotonic_time();
    w.by_uuid = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, guest_free);
    w.by_domid = g_hash_table_new(g_direct_hash, g_direct_equal);
    if (look(&w, "", &error))
        while (turn(&w, &error))
            ;
    if (error)
        log_error("guests: %s", error->message);
    g_hash_table_unref(w.by_domid);
    g_hash_table_unref(w.by_uuid);
    w.backend->close(w.ctx);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
