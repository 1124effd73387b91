#include "config.h"

#include "storage-repos/common/tool.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- in the child ---- */

static void
hear_of_parent(pid_t parent, int how)
{
    prctl(PR_SET_PDEATHSIG, how, 0, 0, 0);
    if (getppid() != parent)
        raise(how);
}

/* What outlived its driver would write where another call has begun anew. */
static void
die_with_parent(gpointer parent)
{
    hear_of_parent(GPOINTER_TO_INT(parent), SIGKILL);
}

static void
finish_after_parent(gpointer parent)
{
    setsid();
    hear_of_parent(GPOINTER_TO_INT(parent), SIGINT);
}

/* ---- in the parent ---- */

/* Takes the launcher. */
static GSubprocess *
spawn(GSubprocessLauncher *launcher, GSpawnChildSetupFunc in_child, const char *const *argv,
      GError **error)
{
    static const char *const environment[] = {"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                              NULL};

    g_subprocess_launcher_set_environ(launcher, (char **)environment);
    g_subprocess_launcher_set_child_setup(launcher, in_child, GINT_TO_POINTER(getpid()), NULL);
    GSubprocess *process = g_subprocess_launcher_spawnv(launcher, argv, error);
    g_object_unref(launcher);
    return process;
}

/* words: what it said to people, from now on *ret_words' or nobody's. */
static bool
judge(GSubprocess *process, char *words, char **ret_words)
{
    if (g_subprocess_get_successful(process)) {
        g_free(words);
        return true;
    }
    *ret_words = g_strstrip(words);
    return false;
}

/* Passes on what it says until it ends. */
static void
tell_progress(GInputStream *out)
{
    char text[64];
    gsize length = 0;
    int told = 0;
    gssize n;

    while ((n = g_input_stream_read(out, text + length, sizeof text - 1 - length, NULL, NULL)) >
           0) {
        length += (gsize)n;
        text[length] = '\0';
        const char *percent = strrchr(text, '(');
        bool whole = percent && strchr(percent, '/');
        int now = whole ? (int)g_ascii_strtod(percent + 1, NULL) : told;
        if (now > told && now <= 100) {
            printf("{\"progress\":%d.%02d}\n", now / 100, now % 100);
            fflush(stdout);
            told = now;
        }
        if (whole || length == sizeof text - 1)
            length = 0;
    }
}

/* Who waits for the end of this program's answer waits for the end of its tool, too: killed, that
 * may be busy with a disk for some time yet. */
static void
hold_answer(GSubprocessLauncher *launcher)
{
    int held = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    if (held >= 0)
        g_subprocess_launcher_take_fd(launcher, held, held);
}

static bool
run(int folder, const char *const *argv, bool tells, char **ret_words)
{
    GSubprocessLauncher *launcher = g_subprocess_launcher_new(
        (tells ? G_SUBPROCESS_FLAGS_STDOUT_PIPE : G_SUBPROCESS_FLAGS_STDOUT_SILENCE) |
        G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) process = NULL;
    char *words = NULL;

    if (folder >= 0)
        g_subprocess_launcher_take_fd(launcher, dup(folder), folder);
    if (tells)
        hold_answer(launcher);
    process = spawn(launcher, die_with_parent, argv, &error);
    if (process && tells)
        tell_progress(g_subprocess_get_stdout_pipe(process));
    if (process && g_subprocess_communicate_utf8(process, NULL, NULL, NULL, &words, &error))
        return judge(process, words, ret_words);
    *ret_words = g_strdup(error->message);
    return false;
}

bool
tool_run(int folder, const char *const *argv, char **ret_words)
{
    return run(folder, argv, false, ret_words);
}

bool
tool_run_long(int folder, const char *const *argv, char **ret_words)
{
    return run(folder, argv, true, ret_words);
}

struct asking {
    GMainLoop *loop;
    GSubprocess *process;
    char *output, *words; /* NULL: it has not ended */
    GError *error;
};

static void
ended(GObject *source, GAsyncResult *result, gpointer data)
{
    struct asking *asking = data;

    g_subprocess_communicate_utf8_finish(G_SUBPROCESS(source), result, &asking->output,
                                         &asking->words, &asking->error);
    g_main_loop_quit(asking->loop);
}

static gboolean
late(gpointer data)
{
    struct asking *asking = data;

    g_subprocess_send_signal(asking->process, SIGINT);
    g_main_loop_quit(asking->loop);
    return G_SOURCE_CONTINUE;
}

bool
tool_ask(const char *const *argv, char **ret_output, char **ret_words)
{
    GSubprocessLauncher *launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    struct asking asking = {0};

    asking.process = spawn(launcher, finish_after_parent, argv, &asking.error);
    if (asking.process) {
        asking.loop = g_main_loop_new(NULL, FALSE);
        guint timer = g_timeout_add_seconds(TOOL_SECONDS, late, &asking);
        g_autoptr(GCancellable) giving_up = g_cancellable_new();
        g_subprocess_communicate_utf8_async(asking.process, NULL, giving_up, ended, &asking);
        g_main_loop_run(asking.loop);
        g_source_remove(timer);
        if (!asking.words && !asking.error) { /* `asking` must not be written to any more */
            g_cancellable_cancel(giving_up);
            g_main_loop_run(asking.loop);
            g_clear_error(&asking.error);
            asking.error = g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                       "%s: no end of it within %d s", argv[0], TOOL_SECONDS);
        }
        g_main_loop_unref(asking.loop);
    }
    g_autoptr(GSubprocess) process = asking.process;
    g_autoptr(GError) error = asking.error;
    if (!error && judge(process, asking.words, ret_words)) {
        *ret_output = asking.output;
        return true;
    }
    if (error)
        *ret_words = g_strdup(error->message);
    g_free(asking.output);
    return false;
}
