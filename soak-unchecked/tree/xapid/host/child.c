/* Runs short-lived children, and what every one of them does at its start and end. */
#include "config.h"

#include "xapid/host/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/faults.h"

/* --- in xapid-host --- */

struct child {
    GSubprocess *process;
    guint timer;
    gboolean late;
    guint seconds;
    const char *answer_type;
    child_done_fn done;
    gpointer data;
};

static void
child_free(struct child *child)
{
    g_clear_handle_id(&child->timer, g_source_remove);
    g_clear_object(&child->process);
    g_free(child);
}

static gboolean
child_late(gpointer data)
{
    struct child *child = data;
    const char *pid = g_subprocess_get_identifier(child->process);

    child->timer = 0;
    child->late = TRUE;
    /* With what its modules may have started, which shares its session. */
    if (pid)
        kill(-(pid_t)atoi(pid), SIGKILL);
    g_subprocess_force_exit(child->process);
    return G_SOURCE_REMOVE;
}

static void
child_ended(GObject *source, GAsyncResult *result, gpointer data)
{
    struct child *child = data;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GVariant) answer = NULL;
    g_autoptr(GError) error = NULL;

    if (!g_subprocess_communicate_finish(G_SUBPROCESS(source), result, &bytes, NULL, &error) ||
        !FAULT_POINT("host.child.after", &error)) {
        child->done(NULL, error, child->data);
        child_free(child);
        return;
    }
    if (child->late) {
        g_set_error(&error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer within %u s",
                    child->seconds);
    } else if (!g_subprocess_get_successful(child->process) || g_bytes_get_size(bytes) == 0 ||
               g_bytes_get_size(bytes) > CHILD_ANSWER_MAX) {
        g_set_error_literal(&error, G_IO_ERROR, G_IO_ERROR_FAILED, "the check ended abnormally");
    } else {
        answer = g_variant_ref_sink(
            g_variant_new_from_bytes(G_VARIANT_TYPE(child->answer_type), bytes, FALSE));
        if (!g_variant_is_normal_form(answer)) {
            g_clear_pointer(&answer, g_variant_unref);
            g_set_error_literal(&error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                                "the check's answer is malformed");
        }
    }
    child->done(answer, error, child->data);
    child_free(child);
}

/* A pipe that already holds the request; the writing end is closed. -1 with an error. */
static int
request_pipe(const struct child_request *request, GError **error)
{
    char buffer[CHILD_REQUEST_MAX];
    size_t length = 0;
    int fds[2], result = -1;

    for (const char *const *field = request->fields; *field; field++) {
        size_t size = strlen(*field) + 1;

        if (size > sizeof buffer - length) {
            g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "the request is too long");
            goto out;
        }
        memcpy(buffer + length, *field, size);
        length += size;
    }
    if (pipe2(fds, O_CLOEXEC) < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "pipe: %s", g_strerror(errno));
        goto out;
    }
    /* Never blocks: an empty pipe has room for PIPE_BUF (4096) bytes. */
    if (write(fds[1], buffer, length) == (ssize_t)length) {
        result = fds[0];
    } else {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "pipe: %s", g_strerror(errno));
        close(fds[0]);
    }
    close(fds[1]);
out:
    explicit_bzero(buffer, sizeof buffer);
    return result;
}

gboolean
child_run(const struct child_request *request, child_done_fn done, gpointer data, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = NULL;
    const char *argv[] = {"/proc/self/exe", request->mode, NULL};
    struct child *child;
    GSubprocess *process = NULL;
    int fd = request_pipe(request, error);

    if (fd < 0)
        return FALSE;
    launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_subprocess_launcher_take_stdin_fd(launcher, fd);
    if (FAULT_POINT("host.child.before", error))
        process = g_subprocess_launcher_spawnv(launcher, argv, error);
    if (!process)
        return FALSE;
    child = g_new0(struct child, 1);
    child->process = process;
    child->answer_type = request->answer_type;
    child->seconds = request->seconds;
    child->done = done;
    child->data = data;
    child->timer = g_timeout_add_seconds(request->seconds, child_late, child);
    g_subprocess_communicate_async(process, NULL, NULL, child_ended, child);
    return TRUE;
}

/* --- in the child --- */

int
child_begin(void)
{
    int fd;

    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core file with a password in it */
    fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        _exit(EXIT_FAILURE);
    return fd;
}

gboolean
child_read(char buffer[CHILD_REQUEST_MAX], const char *fields[], guint n)
{
    size_t length = 0;
    const char *at = buffer;
    ssize_t r;

    while (length < CHILD_REQUEST_MAX) {
        r = read(STDIN_FILENO, buffer + length, CHILD_REQUEST_MAX - length);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            break;
        length += (size_t)r;
    }
    for (guint i = 0; i < n; i++) {
        const char *end = memchr(at, '\0', (size_t)(buffer + length - at));

        if (!end)
            return FALSE;
        fields[i] = at;
        at = end + 1;
    }
    return at == buffer + length;
}

void
child_answer(int fd, GVariant *answer)
{
    g_autoptr(GVariant) held = g_variant_ref_sink(answer);
    const char *data = g_variant_get_data(held);
    size_t left = g_variant_get_size(held);

    while (left > 0) {
        ssize_t r = write(fd, data, left);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            _exit(EXIT_FAILURE);
        data += r;
        left -= (size_t)r;
    }
}
