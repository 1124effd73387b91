#include "config.h"

#include "xapid/domains/pictures.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/helper.h"
#include "xapid/picture/picture.h"

#define PROGRAM "xapid-picture"

struct pictures {
    char *program, *run_dir;
    guint running;
};

static void
ended(GObject *source, GAsyncResult *result, gpointer data)
{
    struct pictures *pictures = data;

    g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL);
    pictures->running--;
}

/* Takes both descriptors. */
static GSubprocess *
spawn(const struct pictures *pictures, int screen, int out, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    const char *const argv[] = {pictures->program, NULL};

    g_subprocess_launcher_set_cwd(launcher, pictures->run_dir);
    g_subprocess_launcher_take_fd(launcher, screen, PICTURE_SCREEN_FD);
    g_subprocess_launcher_take_fd(launcher, out, PICTURE_OUT_FD);
    if (!FAULT_POINT("picture.start.before", error))
        return NULL;
    return g_subprocess_launcher_spawnv(launcher, argv, error);
}

int
pictures_take(struct pictures *pictures, int screen, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GSubprocess) process = NULL;
    int ends[2];

    if (pictures->running >= PICTURES_MAX) {
        api_error_set(error, "INTERNAL_ERROR", "too many pictures at once", NULL);
        close(screen);
        return -1;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        api_error_set(error, "INTERNAL_ERROR", "socketpair", g_strerror(errno), NULL);
        close(screen);
        return -1;
    }
    process = spawn(pictures, screen, ends[1], &cause);
    if (!process) {
        api_error_set(error, "INTERNAL_ERROR", PROGRAM, cause->message, NULL);
        close(ends[0]);
        return -1;
    }
    pictures->running++;
    g_subprocess_wait_async(process, NULL, ended, pictures);
    if (FAULT_POINT("picture.start.after", error))
        return ends[0];
    close(ends[0]);
    return -1;
}

struct pictures *
pictures_new(const char *run_dir)
{
    struct pictures *pictures = g_new0(struct pictures, 1);

    pictures->program = helper_path(PROGRAM);
    pictures->run_dir = g_strdup(run_dir);
    return pictures;
}

void
pictures_free(struct pictures *pictures)
{
    if (!pictures)
        return;
    /* Each ends within PICTURE_SECONDS; ended () must not run after us. */
    while (pictures->running)
        g_main_context_iteration(NULL, TRUE);
    g_free(pictures->program);
    g_free(pictures->run_dir);
    g_free(pictures);
}
