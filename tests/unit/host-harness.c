/* Runs xapid-host for a test: a control socket, a peer, and accounts by libnss-wrapper and
 * libpam-wrapper. */
#include "config.h"

#include "tests/unit/host-harness.h"

#include "lib/passed-fd.h"
#include "lib/peer/peer.h"

#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_SECONDS 20
/* libcrypt because AddressSanitizer's crypt_r () finds none when a PAM module alone brings it. */
#define PRELOAD "libnss_wrapper.so libcrypt.so.1 " SHADOW_WRAPPER
#define HASH                                                                                       \
    "$6$rounds=1000$abcdefgh$"                                                                     \
    "nhYjN017qxiYztzyUpZtPnUQcnLy62KsunSLHNeLahp2EHPlAKmFFlrjEwSXGo2kgY5hR2.peKEg2VGUqIJJu1"

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* What libpam-wrapper leaves in /tmp when its process is killed; there is room for 62 of them. */
static void
remove_stale_wrappers(void)
{
    glob_t found;

    if (glob("/tmp/pam.?", 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        g_autofree char *path = g_build_filename(found.gl_pathv[i], "pid", NULL), *text = NULL;
        pid_t pid;

        if (!g_file_get_contents(path, &text, NULL, NULL))
            continue;
        pid = (pid_t)atoi(text);
        if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
            nftw(found.gl_pathv[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    globfree(&found);
}

static void
write_file(const struct host *host, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(host->dir, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Our own PAM file, but for the parts that would reach this machine's accounts. */
static void
write_service(const struct host *host)
{
    g_autofree char *ours = NULL, *pam = g_build_filename(host->dir, "pam", NULL), *recorder = NULL;
    g_autoptr(GString) text = NULL;

    g_assert_true(g_file_get_contents(PAM_FILE, &ours, NULL, NULL));
    g_assert_nonnull(strstr(ours, "\nauth "));
    text = g_string_new(ours);
    recorder = g_strdup_printf("password required %s %s/new-password", PAM_RECORDER, host->dir);
    g_assert_cmpuint(
        g_string_replace(text, "@include common-account", "account required pam_unix.so", 0), ==,
        1);
    g_assert_cmpuint(g_string_replace(text, "@include common-password", recorder, 0), ==, 1);
    g_assert_cmpint(g_mkdir_with_parents(pam, 0755), ==, 0);
    write_file(host, "pam/xapid", text->str);
    write_file(host, "pam/other", "auth required pam_deny.so\naccount required pam_deny.so\n");
}

static void
write_accounts(const struct host *host)
{
    write_file(host, "passwd",
               "root:x:0:0:root:/root:/bin/sh\n"
               "alice:x:5001:5001:Alice Example,room 1,,:/:/bin/sh\n"
               "empty:x:5002:5001::/:/bin/sh\n"
               "gone:x:5003:5001::/:/bin/sh\n"
               "stale:x:5004:5001::/:/bin/sh\n"
               "locked:x:5005:5001::/:/bin/sh\n");
    write_file(host, "group", "root:x:0:\nalice:x:5001:\nstaff:x:5100:alice,bob\n");
    write_file(host, "shadow",
               "root:" HASH ":19000:0:99999:7:::\n"
               "alice:" HASH ":19000:0:99999:7:::\n"
               "empty::19000:0:99999:7:::\n"
               "gone:" HASH ":19000:0:99999:7::1:\n"
               "stale:" HASH ":0:0:99999:7:::\n"
               "locked:!" HASH ":19000:0:99999:7:::\n");
    write_file(host, "xapid.conf", "[xapid]\npam_service=xapid\nlog_level=error\n");
    write_service(host);
}

static void
set_environment(const struct host *host, GSubprocessLauncher *launcher, const char *fault,
                bool wrap_pam)
{
    static const char *const files[][2] = {{"NSS_WRAPPER_PASSWD", "passwd"},
                                           {"NSS_WRAPPER_GROUP", "group"},
                                           {"NSS_WRAPPER_SHADOW", "shadow"},
                                           {"PAM_WRAPPER_SERVICE_DIR", "pam"}};

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(host->dir, files[i][1], NULL);

        g_subprocess_launcher_setenv(launcher, files[i][0], path, TRUE);
    }
    g_subprocess_launcher_setenv(launcher, "LD_PRELOAD",
                                 wrap_pam ? "libpam_wrapper.so " PRELOAD : PRELOAD, TRUE);
    if (wrap_pam)
        g_subprocess_launcher_setenv(launcher, "PAM_WRAPPER", "1", TRUE);
    /* For the build with sanitizers; the variable's name is libpam-wrapper's slip. */
    g_subprocess_launcher_setenv(launcher, "UID_WRAPPER_DISABLE_DEEPBIND", "1", TRUE);
    g_subprocess_launcher_setenv(launcher, "ASAN_OPTIONS",
                                 "verify_asan_link_order=0:detect_leaks=0", TRUE);
    if (fault)
        g_subprocess_launcher_setenv(launcher, "XAPID_FAULT", fault, TRUE);
}

static void
start(struct host *host, const char *fault, bool wrap_pam)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autofree char *config = NULL;
    g_autoptr(GError) error = NULL;
    char ready[16];
    int pair[2];

    remove_stale_wrappers();
    *host = (struct host){.dir = g_dir_make_tmp("host-XXXXXX", NULL)};
    write_accounts(host);
    set_environment(host, launcher, fault, wrap_pam);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_subprocess_launcher_take_fd(launcher, pair[1], CONTROL_FD);
    host->control = pair[0];
    config = g_build_filename(host->dir, "xapid.conf", NULL);
    host->process =
        g_subprocess_launcher_spawn(launcher, &error, HOST_PROGRAM, "--config", config, NULL);
    g_assert_no_error(error);
    g_subprocess_launcher_close(launcher);
    g_assert_cmpint(recv(host->control, ready, sizeof ready, 0), ==, 5);
    host_connect(host);
}

void
host_start(struct host *host, const char *fault)
{
    start(host, fault, true);
}

void
host_start_unwrapped(struct host *host, const char *fault)
{
    start(host, fault, false);
}

static void
authenticated(PeerHost1 *proxy, guint64 id, const char *outcome, const char *message,
              const char *user, guint32 uid, GVariant *groups, gpointer data)
{
    struct host *host = data;

    (void)proxy;
    g_assert_cmpuint(host->n_answers, <, ANSWERS_MAX);
    host->answers[host->n_answers++] = (struct answer){
        id, g_strdup(outcome), g_strdup(message), g_strdup(user), uid, g_variant_ref(groups)};
}

static void
connected(GObject *source, GAsyncResult *result, gpointer data)
{
    struct host *host = data;
    g_autoptr(GError) error = NULL;

    (void)source;
    host->connection = peer_connect_finish(result, &error);
    g_assert_no_error(error);
    host->connected = true;
}

static void
drop_peer(struct host *host)
{
    if (host->proxy)
        g_signal_handlers_disconnect_by_data(host->proxy, host);
    g_clear_object(&host->proxy);
    if (host->connection)
        g_dbus_connection_close_sync(host->connection, NULL, NULL);
    g_clear_object(&host->connection);
}

void
host_connect(struct host *host)
{
    g_autoptr(GError) error = NULL;
    int pair[2];

    drop_peer(host);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_true(passed_fd_send(host->control, "peer xapid", strlen("peer xapid"), pair[1]));
    close(pair[1]);
    host->connected = false;
    peer_connect(pair[0], /* server= */ false, NULL, connected, host);
    for (int i = 0; !host->connected && i < WAIT_SECONDS * 1000; i++)
        turn(1);
    g_assert_true(host->connected);
    host->proxy = peer_host1_proxy_new_sync(host->connection, G_DBUS_PROXY_FLAGS_NONE, NULL,
                                            "/org/xapid/Host1", NULL, &error);
    g_assert_no_error(error);
    g_signal_connect(host->proxy, "authenticated", G_CALLBACK(authenticated), host);
}

void
host_stop(struct host *host)
{
    drop_peer(host);
    close(host->control);
    /* It ends because its launcher has gone. */
    g_assert_true(g_subprocess_wait(host->process, NULL, NULL));
    g_assert_true(g_subprocess_get_if_exited(host->process));
    g_assert_cmpint(g_subprocess_get_exit_status(host->process), ==, 0);
    g_clear_object(&host->process);
    for (guint i = 0; i < host->n_answers; i++) {
        g_free(host->answers[i].outcome);
        g_free(host->answers[i].message);
        g_free(host->answers[i].user);
        g_variant_unref(host->answers[i].groups);
    }
    nftw(host->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    g_free(host->dir);
    remove_stale_wrappers();
}

void
turn(guint milliseconds)
{
    gint64 end = g_get_monotonic_time() + milliseconds * (gint64)1000;

    do {
        while (g_main_context_iteration(NULL, FALSE))
            ;
        g_usleep(500);
    } while (g_get_monotonic_time() < end);
}

void
host_wait(struct host *host, guint count, guint seconds)
{
    for (guint i = 0; host->n_answers < count && i < seconds * 1000; i++)
        turn(1);
    g_assert_cmpuint(host->n_answers, >=, count);
}

const struct answer *
host_answer(struct host *host, guint64 id)
{
    for (guint i = 0; i < host->n_answers; i++)
        if (host->answers[i].id == id)
            return &host->answers[i];
    g_error("check %" G_GUINT64_FORMAT " was not answered", id);
}

void
host_begin(struct host *host, guint64 id, const char *user, const char *password)
{
    g_autoptr(GError) error = NULL;

    peer_host1_call_authenticate_sync(host->proxy, id, user, password, NULL, &error);
    g_assert_no_error(error);
}

const char *
host_authenticate(struct host *host, const char *user, const char *password)
{
    guint64 id = 1000 + host->n_answers;

    host_begin(host, id, user, password);
    host_wait(host, host->n_answers + 1, WAIT_SECONDS);
    return host_answer(host, id)->outcome;
}

pid_t
host_pid(const struct host *host)
{
    return (pid_t)atoi(g_subprocess_get_identifier(host->process));
}

guint
host_children(const struct host *host, pid_t *ret_pids, guint max)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/task/%d/children", (int)host_pid(host), (int)host_pid(host));
    g_autofree char *text = NULL;
    g_auto(GStrv) pids = NULL;
    guint count = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    pids = g_strsplit(g_strstrip(text), " ", -1);
    for (char **pid = pids; *pid && **pid && count < max; pid++)
        ret_pids[count++] = (pid_t)atoi(*pid);
    return count;
}
