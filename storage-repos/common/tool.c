#include "config.h"

#include "storage-repos/common/tool.h"

#include <gio/gio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* In the child.  What outlived its driver would write where another call has begun anew. */
static void
die_with_parent(gpointer parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != GPOINTER_TO_INT(parent))
        raise(SIGKILL);
}

bool
tool_run(int folder, const char *const *argv, char **ret_words)
{
    static const char *const environment[] = {"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                              NULL};
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) process = NULL;
    g_autofree char *words = NULL;

    g_subprocess_launcher_set_environ(launcher, (char **)environment);
    g_subprocess_launcher_set_child_setup(launcher, die_with_parent, GINT_TO_POINTER(getpid()),
                                          NULL);
    g_subprocess_launcher_take_fd(launcher, dup(folder), folder);
    process = g_subprocess_launcher_spawnv(launcher, argv, &error);
    if (!process || !g_subprocess_communicate_utf8(process, NULL, NULL, NULL, &words, &error)) {
        *ret_words = g_strdup(error->message);
        return false;
    }
    if (g_subprocess_get_successful(process))
        return true;
    *ret_words = g_strdup(g_strstrip(words));
    return false;
}
