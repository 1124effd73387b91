#include "config.h"

#include "xapid/domains/guests.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/faults.h"
#include "lib/guest-record.h"
#include "lib/helper.h"
#include "lib/log.h"
#include "xapid/domains/argument.h"
#include "xapid/domains/domains.h"
#include "xapid/domains/guest-watch.h"
#include "xapid/domains/message.h"

#define LOOK_AGAIN_MS 200

struct record {
    int domid;
    guint64 changed;
    GVariant *record;
};

struct guests {
    char *program, *run_dir, *guestd;
    char **flags;
    GSubprocess *watcher, *parser;
    int look_fd, record_fd;
    guint source, respawn, look_again;
    guint delay_ms;
    gint64 started_us;
    bool closing;
    GHashTable *records; /* uuid → struct record */
    gsize total;
    guint64 clock;
    void (*changed)(void *data);
    void *data;
};

static void start(struct guests *guests);

static void
record_free(void *data)
{
    struct record *record = data;

    g_variant_unref(record->record);
    g_free(record);
}

/* --- records --- */

static void
forget(struct guests *guests, const char *uuid)
{
    struct record *old = g_hash_table_lookup(guests->records, uuid);

    if (!old)
        return;
    guests->total -= g_variant_get_size(old->record);
    g_hash_table_remove(guests->records, uuid);
}

static void
keep(struct guests *guests, const char *uuid, int domid, GVariant *record)
{
    struct record *old = g_hash_table_lookup(guests->records, uuid);
    struct record *new;
    gsize size = g_variant_get_size(record);

    if (old && old->domid == domid && g_variant_equal(old->record, record))
        return;
    if (guests->total + size > GUESTS_TOTAL_MAX) {
        log_warning("no room for what the guest of %s says", uuid);
        return;
    }
    forget(guests, uuid);
    new = g_new(struct record, 1);
    new->domid = domid;
    new->changed = ++guests->clock;
    /* The message that it came in goes. */
    g_autoptr(GBytes) bytes = g_bytes_new(g_variant_get_data(record), size);
    new->record = g_variant_ref_sink(
        g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, bytes, /* trusted= */ TRUE));
    guests->total += size;
    g_hash_table_insert(guests->records, g_strdup(uuid), new);
    guests->changed(guests->data);
}

/* False: xs-guestd, which reads what guests wrote, says what it must not. */
static bool
take(struct guests *guests, GVariant *message)
{
    g_autoptr(GVariant) record = NULL;
    const char *uuid;
    gint32 domid;

    g_variant_get(message, "(&si@a{sv})", &uuid, &domid, &record);
    if (!uuid_check(uuid, NULL) || domid < -1 || domid == 0 || !guest_record_check(record))
        return false;
    if (domid == -1)
        forget(guests, uuid);
    else
        keep(guests, uuid, domid, record);
    return true;
}

GVariant *
guests_since(struct guests *guests, guint64 since, guint64 *ret_now)
{
    GVariantBuilder builder;
    GHashTableIter iter;
    const char *uuid;
    struct record *record;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sia{sv})"));
    g_hash_table_iter_init(&iter, guests->records);
    while (g_hash_table_iter_next(&iter, (void **)&uuid, (void **)&record))
        if (record->changed > since)
            g_variant_builder_add(&builder, "(si@a{sv})", uuid, record->domid, record->record);
    *ret_now = guests->clock;
    return g_variant_builder_end(&builder);
}

/* --- processes --- */

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void
kill_both(struct guests *guests)
{
    g_clear_handle_id(&guests->source, g_source_remove);
    if (guests->watcher)
        g_subprocess_force_exit(guests->watcher);
    if (guests->parser)
        g_subprocess_force_exit(guests->parser);
}

static gboolean
readable(int fd, GIOCondition condition, gpointer data)
{
    struct guests *guests = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) message = message_receive(fd, MESSAGE_GUEST_RECORD, &error);

    (void)condition;
    if (message && take(guests, message))
        return G_SOURCE_CONTINUE;
    if (message || error)
        log_error("xs-guestd: %s", error ? error->message : "a record that it must not send");
    guests->source = 0;
    kill_both(guests);
    return G_SOURCE_REMOVE;
}

static gboolean
respawn(gpointer data)
{
    struct guests *guests = data;

    guests->respawn = 0;
    start(guests);
    return G_SOURCE_REMOVE;
}

static void
start_later(struct guests *guests)
{
    close_fd(&guests->look_fd);
    close_fd(&guests->record_fd);
    if (guests->closing || guests->respawn)
        return;
    if (g_get_monotonic_time() - guests->started_us > 10 * G_USEC_PER_SEC)
        guests->delay_ms = RESPAWN_DELAY_MS;
    guests->respawn = g_timeout_add(guests->delay_ms, respawn, guests);
    guests->delay_ms = MIN(guests->delay_ms * 2, RESPAWN_DELAY_MAX_MS);
}

static void
ended(GObject *source, GAsyncResult *result, gpointer data)
{
    struct guests *guests = data;
    GSubprocess *process = G_SUBPROCESS(source);
    bool parser = process == guests->parser;

    g_subprocess_wait_finish(process, result, NULL);
    if (!guests->closing && (parser ? guests->watcher : guests->parser))
        log_warning("%s %s", parser ? "xs-guestd" : "the guests process",
                    g_subprocess_get_if_signaled(process) ? "was killed" : "ended");
    if (parser)
        g_clear_object(&guests->parser);
    else
        g_clear_object(&guests->watcher);
    g_object_unref(process);
    kill_both(guests);
    if (!guests->watcher && !guests->parser)
        start_later(guests);
}

/* Takes `in` (3 there) and `out` (4, unless it is -1). */
static GSubprocess *
spawn(struct guests *guests, const char *const *argv, int in, int out)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GError) error = NULL;
    GSubprocess *process;

    g_subprocess_launcher_set_cwd(launcher, guests->run_dir);
    g_subprocess_launcher_take_fd(launcher, in, 3);
    g_subprocess_launcher_take_fd(launcher, out, 4);
    process = g_subprocess_launcher_spawnv(launcher, argv, &error);
    if (!process) {
        log_error("cannot start %s: %s", argv[0], error->message);
        return NULL;
    }
    /* ended () drops this one, and the pointer's. */
    g_subprocess_wait_async(g_object_ref(process), NULL, ended, guests);
    return process;
}

static void
start(struct guests *guests)
{
    const char *const parser[] = {guests->guestd, NULL};
    g_autoptr(GPtrArray) watcher = g_ptr_array_new();
    int look[2] = {-1, -1}, keys[2] = {-1, -1}, records[2] = {-1, -1};

    guests->started_us = g_get_monotonic_time();
    /* Everything is told again, and what was there before is not known to be. */
    g_hash_table_remove_all(guests->records);
    guests->total = 0;
    if (!FAULT_POINT("guests.start.before", NULL) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, look) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, keys) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, records) < 0) {
        log_error("cannot start xs-guestd");
        int *const all[] = {look, keys, records};
        for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
            close_fd(&all[i][0]);
            close_fd(&all[i][1]);
        }
        start_later(guests);
        return;
    }
    guests->look_fd = look[0];
    guests->record_fd = records[0];
    fcntl(guests->look_fd, F_SETFL, O_NONBLOCK);
    g_ptr_array_add(watcher, guests->program);
    g_ptr_array_add(watcher, (char *)"--guests");
    for (char **flag = guests->flags; *flag; flag++)
        g_ptr_array_add(watcher, *flag);
    g_ptr_array_add(watcher, NULL);
    guests->watcher = spawn(guests, (const char *const *)watcher->pdata, look[1], keys[0]);
    guests->parser = spawn(guests, parser, keys[1], records[1]);
    if (!guests->watcher || !guests->parser || !FAULT_POINT("guests.start.after", NULL)) {
        kill_both(guests);
        if (!guests->watcher && !guests->parser)
            start_later(guests);
        return;
    }
    guests->source = g_unix_fd_add_full(G_PRIORITY_DEFAULT_IDLE, guests->record_fd,
                                        G_IO_IN | G_IO_HUP | G_IO_ERR, readable, guests, NULL);
}

/* --- life --- */

static gboolean
look_again(gpointer data)
{
    struct guests *guests = data;

    guests->look_again = 0;
    guests_look(guests, "");
    return G_SOURCE_REMOVE;
}

void
guests_look(struct guests *guests, const char *uuid)
{
    if (guests->look_fd < 0 || guests->look_again)
        return; /* a new process looks at all */
    /* It is busy when it does not take it: then it looks at all. */
    if (!message_send(guests->look_fd, g_variant_new(MESSAGE_EVENT, uuid), NULL))
        guests->look_again = g_timeout_add(LOOK_AGAIN_MS, look_again, guests);
}

struct guests *
guests_new(const char *program, const char *const *flags, const char *run_dir,
           void (*changed)(void *data), void *data)
{
    struct guests *guests = g_new0(struct guests, 1);

    guests->program = g_strdup(program);
    guests->flags = g_strdupv((char **)flags);
    guests->run_dir = g_strdup(run_dir);
    guests->guestd = helper_path("xs-guestd");
    guests->look_fd = guests->record_fd = -1;
    guests->delay_ms = RESPAWN_DELAY_MS;
    guests->records = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, record_free);
    guests->changed = changed;
    guests->data = data;
    start(guests);
    return guests;
}

void
guests_free(struct guests *guests)
{
    if (!guests)
        return;
    guests->closing = true;
    kill_both(guests);
    /* Killed, so this ends; ended () must not run after us. */
    while (guests->watcher || guests->parser)
        g_main_context_iteration(NULL, TRUE);
    g_clear_handle_id(&guests->respawn, g_source_remove);
    g_clear_handle_id(&guests->look_again, g_source_remove);
    close_fd(&guests->look_fd);
    close_fd(&guests->record_fd);
    g_hash_table_unref(guests->records);
    g_free(guests->program);
    g_free(guests->run_dir);
    g_free(guests->guestd);
    g_strfreev(guests->flags);
    g_free(guests);
}
