/* Sessions with targets: how one begins, who uses it, and how it ends. */
#include "config.h"

#include "storage-repos/iscsi/iscsi.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/faults.h"
#include "lib/log.h"
#include "storage-repos/common/scsi.h"

#define KERNEL_SESSIONS "/sys/class/iscsi_session"
#define KERNEL_CONNECTIONS "/sys/class/iscsi_connection"
#define LOCK "lock" /* held while a session begins or ends */
#define OURS "ours" /* a driver began it */
#define LOCK_SECONDS 60
#define DISK_SECONDS 10 /* until the kernel has a disk of what it found */
#define STEP_USEC (G_USEC_PER_SEC / 20)

/* ---- what the kernel has ---- */

static bool
says(const char *folder, const char *name, const char *file, const char *expected)
{
    g_autofree char *path = g_build_filename(folder, name, file, NULL);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) && g_str_equal(g_strstrip(text), expected);
}

/* name: "session3", whose first connection is "connection3:0". */
static bool
is_at(const char *name, const struct target *target)
{
    g_autofree char *connection = g_strdup_printf("connection%s:0", name + strlen("session"));
    g_autofree char *port = g_strdup_printf("%u", target->port);

    return says(KERNEL_CONNECTIONS, connection, "persistent_address", target->address) &&
           says(KERNEL_CONNECTIONS, connection, "persistent_port", port);
}

/* Their names; target: NULL: at any portal. */
static GPtrArray *
sessions_with(const char *iqn, const struct target *target)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(KERNEL_SESSIONS, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_prefix(name, "session") && says(KERNEL_SESSIONS, name, "targetname", iqn) &&
            (!target || is_at(name, target)))
            g_ptr_array_add(names, g_strdup(name));
    return names;
}

static bool
has_disk(GPtrArray *disks, const char *id)
{
    g_autofree char *device = id ? scsi_find(disks, id) : NULL;

    return id ? device != NULL : disks->len > 0;
}

GPtrArray *
session_disks(const char *iqn, const char *id)
{
    g_autoptr(GPtrArray) sessions = sessions_with(iqn, NULL);
    gint64 end = g_get_monotonic_time() + DISK_SECONDS * G_USEC_PER_SEC;
    g_autoptr(GPtrArray) disks = NULL;
    bool whole;

    for (;;) {
        g_clear_pointer(&disks, g_ptr_array_unref);
        disks = scsi_disks_new();
        whole = true;
        for (guint i = 0; i < sessions->len; i++)
            whole = scsi_add_disks(disks, sessions->pdata[i]) && whole;
        if (sessions->len == 0 || (whole && has_disk(disks, id)) || g_get_monotonic_time() >= end)
            return g_steal_pointer(&disks);
        g_usleep(STEP_USEC);
    }
}

/* ---- who uses it ---- */

/* The folder of a target in SESSIONS, with its lock held. */
struct place {
    char *path;
    int lock;
};

typedef struct place place_t;

static void
place_clear(struct place *place)
{
    if (place->path && place->lock >= 0)
        close(place->lock);
    g_free(place->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(place_t, place_clear)

static bool
fail_place(const struct place *place, GError **error)
{
    if (error && !*error)
        driver_fail(error, FAILURE_ISCSI_LOGIN, "%s: %s", place->path, g_strerror(errno));
    return false;
}

static bool
take_lock(const struct place *place, int seconds)
{
    gint64 end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;

    while (flock(place->lock, LOCK_EX | LOCK_NB)) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || g_get_monotonic_time() >= end)
            return false;
        g_usleep(STEP_USEC);
    }
    return true;
}

/* Waits so many seconds for the lock.  To be cleared either way. */
static bool
place_open(const struct target *target, int seconds, place_t *ret_place, GError **error)
{
    g_autofree char *name = g_strdup_printf("%s,%s,%u", target->iqn, target->address, target->port);
    g_autofree char *path = g_build_filename(SESSIONS, name, NULL);
    g_autofree char *lock = g_build_filename(path, LOCK, NULL);

    *ret_place = (place_t){g_steal_pointer(&path), -1};
    if (!FAULT_AROUND("iscsi.place", error, g_mkdir_with_parents(ret_place->path, 0700) == 0))
        return fail_place(ret_place, error);
    ret_place->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return (ret_place->lock >= 0 && take_lock(ret_place, seconds)) || fail_place(ret_place, error);
}

static bool
put_mark(const struct place *place, const char *name)
{
    g_autofree char *path = g_build_filename(place->path, name, NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    return fd >= 0 && close(fd) == 0;
}

static bool
has_mark(const struct place *place, const char *name)
{
    g_autofree char *path = g_build_filename(place->path, name, NULL);

    return access(path, F_OK) == 0;
}

static bool
remove_mark(const struct place *place, const char *name)
{
    g_autofree char *path = g_build_filename(place->path, name, NULL);

    return g_unlink(path) == 0 || errno == ENOENT;
}

static bool
has_repository(const struct place *place)
{
    g_autoptr(GDir) dir = g_dir_open(place->path, 0, NULL);
    const char *name;
    bool found = false;

    while (dir && !found && (name = g_dir_read_name(dir)))
        found = g_uuid_string_is_valid(name);
    return found;
}

/* No repository, and no process: the lock of one that died is gone with it. */
static bool
is_unused(const struct place *place)
{
    bool unused = !has_repository(place);
    int fd = unused ? open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    unused = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0)
        close(fd);
    return unused;
}

/* ---- the beginning ---- */

static bool
login(const struct target *target, GError **error)
{
    const char *const record[] = {"-m",           "node", "-T",  target->iqn, "-p",
                                  target->portal, "-o",   "new", NULL};
    const char *const words[] = {"-m", "node",         "-T",      target->iqn,
                                 "-p", target->portal, "--login", NULL};
    g_autofree char *said = iscsi_ask(record, FAILURE_ISCSI_LOGIN, error);
    g_autofree char *again = said ? iscsi_ask(words, FAILURE_ISCSI_LOGIN, error) : NULL;

    return again != NULL;
}

/* It may offer more than when the session began. */
static bool
look_again(const char *session, GError **error)
{
    const char *const words[] = {"-m",       "session", "-r", session + strlen("session"),
                                 "--rescan", NULL};

    if (!says(KERNEL_SESSIONS, session, "state", "LOGGED_IN")) {
        driver_fail(error, FAILURE_ISCSI_LOGIN, "the target does not answer (%s)", session);
        return false;
    }
    g_autofree char *said = iscsi_ask(words, FAILURE_ISCSI_LOGIN, error);
    return said != NULL;
}

static bool
logout(const struct target *target, GError **error)
{
    const char *const words[] = {"-m", "node",         "-T",       target->iqn,
                                 "-p", target->portal, "--logout", NULL};
    const char *const record[] = {"-m",           "node", "-T",     target->iqn, "-p",
                                  target->portal, "-o",   "delete", NULL};
    g_autoptr(GPtrArray) sessions = sessions_with(target->iqn, target);
    g_autofree char *said =
        sessions->len > 0 ? iscsi_ask(words, FAILURE_ISCSI_LOGOUT, error) : NULL;

    if (sessions->len > 0 && !said)
        return false;
    g_free(iscsi_ask(record, FAILURE_ISCSI_LOGOUT, NULL)); /* there need be none */
    return true;
}

/* With the lock held. */
static bool
end_unused(const struct target *target, const struct place *place, GError **error)
{
    if (!has_mark(place, OURS) || !is_unused(place))
        return true;
    return FAULT_AROUND("iscsi.logout", error, logout(target, error)) &&
           (FAULT_AROUND("iscsi.ours.gone", error, remove_mark(place, OURS)) ||
            fail_place(place, error));
}

static bool
begin(const struct target *target, const struct place *place, GError **error)
{
    g_autoptr(GPtrArray) sessions = sessions_with(target->iqn, target);

    if (sessions->len > 0)
        return FAULT_AROUND("iscsi.rescan", error, look_again(sessions->pdata[0], error));
    if (!FAULT_AROUND("iscsi.ours", error, put_mark(place, OURS)))
        return fail_place(place, error);
    return FAULT_AROUND("iscsi.login", error, login(target, error));
}

/* The repository has its disks there no more. */
static bool
leave(const struct place *place, const char *sr, GError **error)
{
    return FAULT_AROUND("iscsi.user.gone", error, remove_mark(place, sr)) ||
           fail_place(place, error);
}

bool
session_enter(const struct target *target, const char *sr, struct session_hold *ret_hold,
              GError **error)
{
    g_auto(place_t) place = {.lock = -1};
    g_autoptr(GError) ended = NULL;

    if (!iscsi_configure(target, error) || !place_open(target, LOCK_SECONDS, &place, error))
        return false;
    bool was_there = sr && has_mark(&place, sr);
    int fd = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool noted = fd >= 0 && flock(fd, LOCK_SH) == 0 &&
                 (!sr || FAULT_AROUND("iscsi.user", error, put_mark(&place, sr)));
    if (!noted)
        fail_place(&place, error);
    if (noted && begin(target, &place, error)) {
        *ret_hold = (struct session_hold){fd, was_there};
        return true;
    }
    if (fd >= 0)
        close(fd);
    /* Of one that was there guests may use the disks, which come back with their target. */
    if ((sr && !was_there && !leave(&place, sr, &ended)) || !end_unused(target, &place, &ended))
        log_warning("%s", ended->message);
    return false;
}

/* ---- the end ---- */

bool
session_leave(const struct target *target, const struct session_hold *hold, GError **error)
{
    g_auto(place_t) place = {.lock = -1};
    bool ok = place_open(target, LOCK_SECONDS, &place, error);

    close(hold->fd);
    return ok && end_unused(target, &place, error);
}

/* The target of a folder in SESSIONS. */
static bool
read_place(const char *name, target_t *ret_target)
{
    g_auto(GStrv) parts = g_strsplit(name, ",", 3);

    if (g_strv_length(parts) != 3)
        return false;
    *ret_target = (target_t){.iqn = g_strdup(parts[0]),
                             .address = g_strdup(parts[1]),
                             .port = (unsigned)g_ascii_strtoull(parts[2], NULL, 10),
                             .user = "",
                             .password = "",
                             .in_user = "",
                             .in_password = ""};
    ret_target->portal =
        g_strdup_printf(strchr(parts[1], ':') ? "[%s]:%s" : "%s:%s", parts[1], parts[2]);
    return true;
}

static bool
forget_at(const struct target *target, const char *sr, int seconds, GError **error)
{
    g_auto(place_t) place = {.lock = -1};

    return place_open(target, seconds, &place, error) && leave(&place, sr, error) &&
           end_unused(target, &place, error);
}

/* A call that was broken off may have removed the mark, and left the session: that of a target
 * which nobody uses ends now, if it can; it is no matter of this repository's. */
bool
session_forget(const char *sr, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(SESSIONS, 0, NULL);
    const char *name;
    bool ok = true;

    while (ok && dir && (name = g_dir_read_name(dir))) {
        g_auto(place_t) place = {.path = g_build_filename(SESSIONS, name, NULL), .lock = -1};
        g_auto(target_t) target = {0};
        g_autoptr(GError) failed = NULL;
        if (!read_place(name, &target))
            continue;
        if (has_mark(&place, sr))
            ok = forget_at(&target, sr, LOCK_SECONDS, error);
        else if (has_mark(&place, OURS) && !has_repository(&place) &&
                 !forget_at(&target, sr, /* seconds: what it may cost */ 0, &failed))
            log_warning("%s", failed->message);
    }
    return ok;
}
