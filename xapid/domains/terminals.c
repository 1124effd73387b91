#include "config.h"

#include "xapid/domains/terminals.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/helper.h"
#include "lib/log.h"
#include "lib/passed-fd.h"
#include "xapid/terminal/terminal.h"

#define PROGRAM "xapid-terminal"
#define DEVICES "/dev/pts/" /* where Xen's console daemon and QEMU have them */

struct terminals {
    char *program, *run_dir;
    GHashTable *of_guests; /* uuid → struct terminal */
    guint running;         /* those of ended guests too */
    bool closing;
};

struct terminal {
    struct terminals *terminals;
    char *device;
    int viewers; /* where they are sent */
    GSubprocess *process;
};

/* It ends by itself then. */
static void
terminal_let_go(gpointer data)
{
    struct terminal *terminal = data;

    close(terminal->viewers);
    terminal->viewers = -1;
}

static void
ended(GObject *source, GAsyncResult *result, gpointer data)
{
    struct terminal *terminal = data;
    struct terminals *terminals = terminal->terminals;
    GHashTableIter iter;
    gpointer other;

    g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL);
    if (!g_subprocess_get_successful(terminal->process) && !terminals->closing)
        log_warning(PROGRAM " of %s ended abnormally", terminal->device);
    g_hash_table_iter_init(&iter, terminals->of_guests);
    while (g_hash_table_iter_next(&iter, NULL, &other))
        if (other == terminal)
            g_hash_table_iter_remove(&iter);
    terminals->running--;
    g_object_unref(terminal->process);
    g_free(terminal->device);
    g_free(terminal);
}

static int
failed(GError **error, const char *what)
{
    api_error_set(error, "INTERNAL_ERROR", "the guest's text console", what, g_strerror(errno),
                  NULL);
    return -1;
}

static int
open_device(const char *device, GError **error)
{
    const char *name = g_str_has_prefix(device, DEVICES) ? device + strlen(DEVICES) : "";
    struct stat status;

    errno = ENODEV;
    if (!*name || name[strspn(name, "0123456789")])
        return failed(error, "it is not there");
    int fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISCHR(status.st_mode))
        return fd;
    failed(error, device);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Takes both descriptors. */
static GSubprocess *
spawn(const struct terminals *terminals, int device, int viewers, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    const char *const argv[] = {terminals->program, NULL};

    g_subprocess_launcher_set_cwd(launcher, terminals->run_dir);
    g_subprocess_launcher_take_fd(launcher, device, TERMINAL_DEVICE_FD);
    g_subprocess_launcher_take_fd(launcher, viewers, TERMINAL_VIEWERS_FD);
    return g_subprocess_launcher_spawnv(launcher, argv, error);
}

static struct terminal *
terminal_start(struct terminals *terminals, const char *uuid, const char *device, GError **error)
{
    g_autoptr(GError) cause = NULL;
    GSubprocess *process = NULL;
    int ends[2], fd = -1;

    if (terminals->running >= TERMINALS_MAX) {
        api_error_set(error, "INTERNAL_ERROR", "too many text consoles", NULL);
        return NULL;
    }
    if ((fd = open_device(device, error)) < 0)
        return NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        failed(error, "socketpair");
        close(fd);
        return NULL;
    }
    if (FAULT_POINT("terminal.start.before", &cause))
        process = spawn(terminals, fd, ends[1], &cause);
    if (!process) {
        api_error_set(error, "INTERNAL_ERROR", PROGRAM, cause->message, NULL);
        close(ends[0]);
        return NULL;
    }
    struct terminal *terminal = g_new0(struct terminal, 1);
    terminal->terminals = terminals;
    terminal->device = g_strdup(device);
    terminal->viewers = ends[0];
    terminal->process = process;
    terminals->running++;
    fcntl(terminal->viewers, F_SETFL, O_NONBLOCK);
    g_hash_table_replace(terminals->of_guests, g_strdup(uuid), terminal);
    g_subprocess_wait_async(process, NULL, ended, terminal);
    return terminal;
}

static bool
send_viewer(const struct terminal *terminal, char kind, int fd)
{
    return passed_fd_send(terminal->viewers, &kind, 1, fd);
}

int
terminals_look(struct terminals *terminals, const char *uuid, const char *device, bool text,
               GError **error)
{
    struct terminal *terminal = g_hash_table_lookup(terminals->of_guests, uuid);
    char kind = text ? TERMINAL_TEXT : TERMINAL_SCREEN;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return failed(error, "socketpair");
    bool there = terminal && g_str_equal(terminal->device, device);
    /* One that has just ended takes no more. */
    if (!there || !send_viewer(terminal, kind, ends[1])) {
        terminal = terminal_start(terminals, uuid, device, error);
        there = terminal && (send_viewer(terminal, kind, ends[1]) || failed(error, PROGRAM) == 0);
    }
    close(ends[1]);
    if (there && FAULT_POINT("terminal.start.after", error))
        return ends[0];
    close(ends[0]);
    return -1;
}

struct terminals *
terminals_new(const char *run_dir)
{
    struct terminals *terminals = g_new0(struct terminals, 1);

    terminals->program = helper_path(PROGRAM);
    terminals->run_dir = g_strdup(run_dir);
    terminals->of_guests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, terminal_let_go);
    return terminals;
}

void
terminals_free(struct terminals *terminals)
{
    if (!terminals)
        return;
    terminals->closing = true;
    g_hash_table_remove_all(terminals->of_guests);
    /* Each ends with the socket of its viewers; ended () must not run after us. */
    while (terminals->running)
        g_main_context_iteration(NULL, TRUE);
    g_hash_table_unref(terminals->of_guests);
    g_free(terminals->program);
    g_free(terminals->run_dir);
    g_free(terminals);
}
