/* xapid-domains: all that touches the hypervisor's domains.  The parent (started by xapid-launch)
 * serves org.xapid.Domains1 and makes no hypervisor call; it starts this program again as workers
 * and as the events and guests processes, which do; and xs-guestd, which can do nothing. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/peer/peer.h"
#include "xapid/domains/backend.h"
#include "xapid/domains/domains.h"
#include "xapid/domains/guest-watch.h"
#include "xapid/domains/service.h"
#include "xapid/domains/worker.h"

static struct app {
    char *sim_dir, *kernels, *disks, *log_level;
    int workers, timeout_s;
    gboolean worker, events, guests, fault_points, version;
    GMainLoop *loop;
    struct control *control;
    struct service *service;
    int status;
} app = {.workers = WORKERS_DEFAULT};

static const GOptionEntry entries[] = {
    {"sim", 0, 0, G_OPTION_ARG_FILENAME, &app.sim_dir, "Simulate a host that is kept in DIR",
     "DIR"},
    {"kernels", 0, 0, G_OPTION_ARG_FILENAME, &app.kernels,
     "Folder of guest kernels and ramdisks (default " DOMAINS_KERNELS_DIR ")", "DIR"},
    {"disks", 0, 0, G_OPTION_ARG_FILENAME, &app.disks,
     "Folder of the handles of attached disks (default " DOMAINS_DISKS_DIR ")", "DIR"},
    {"workers", 0, 0, G_OPTION_ARG_INT, &app.workers, "Operations that run at once (default 4)",
     "N"},
    {"timeout", 0, 0, G_OPTION_ARG_INT, &app.timeout_s,
     "Seconds a worker has for any request, instead of each verb's own", "SECONDS"},
    {"log-level", 0, 0, G_OPTION_ARG_STRING, &app.log_level, "error, warning, info or debug",
     "LEVEL"},
    {"fault-points", 0, 0, G_OPTION_ARG_NONE, &app.fault_points,
     "List the places where tests can make it fail (XAPID_FAULT)", NULL},
    {"version", 0, 0, G_OPTION_ARG_NONE, &app.version, "Print the version", NULL},
    {"worker", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &app.worker, NULL, NULL},
    {"events", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &app.events, NULL, NULL},
    {"guests", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &app.guests, NULL, NULL},
    G_OPTION_ENTRY_NULL,
};

static const char *
run_dir(void)
{
    return app.sim_dir ? app.sim_dir : DOMAINS_RUN_DIR;
}

static const char *
state_dir(void)
{
    return app.sim_dir ? app.sim_dir : DOMAINS_STATE_DIR;
}

static const struct backend *
backend(void)
{
    if (app.sim_dir)
        return &backend_sim;
#ifdef HAVE_XEN
    return &backend_libxl;
#else
    return NULL;
#endif
}

static int
child_main(void)
{
    struct child_options options = {
        .backend = backend(),
        .backend_options = {.sim_dir = app.sim_dir, .kernels_dir = -1, .reserves = -1},
        .run_dir = run_dir(),
        .state_dir = state_dir(),
        .disks = app.disks ? app.disks : DOMAINS_DISKS_DIR,
    };
    const char *kernels = app.kernels ? app.kernels : app.sim_dir ? NULL : DOMAINS_KERNELS_DIR;

    child_prepare(app.guests ? "domains-guests" : app.events ? "domains-events" : "domains-worker");
    if (app.guests)
        return guests_main(&options);
    /* A folder that is missing is told with the first kernel that is looked for. */
    if (kernels)
        options.backend_options.kernels_dir = open(kernels, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return app.events ? events_main(&options) : worker_main(&options);
}

/* One parent at a time: the lock is held until the last child of a predecessor is gone, so that
 * nobody takes for a broken build what is still being built. */
static int
lock_take(GError **error)
{
    g_autofree char *path = g_build_filename(run_dir(), "lock", NULL);
    int fd, tries = TIMEOUT_LOCK_S * 20;

    if (g_mkdir_with_parents(run_dir(), 0700) < 0 ||
        (fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0) {
        g_autofree char *text = g_strdup_printf("%s: %s", path, g_strerror(errno));
        api_error_set(error, "INTERNAL_ERROR", text, NULL);
        return -1;
    }
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (--tries == 0) {
            g_autofree char *text =
                g_strdup_printf("%s is held: another xapid-domains, or a worker of one that ended, "
                                "still runs",
                                path);
            api_error_set(error, "INTERNAL_ERROR", text, NULL);
            close(fd);
            return -1;
        }
        g_usleep(50 * 1000);
    }
    return fd;
}

static void
control_received(const char *name, int fd, void *data)
{
    (void)data;
    if (g_str_equal(name, "peer xapid")) {
        service_connect(app.service, fd);
        return;
    }
    log_warning("a descriptor with an unknown name came: %s", name);
    close(fd);
}

static void
control_gone(void *data)
{
    (void)data;
    log_info("xapid-launch has gone: ending, guests go on");
    g_main_loop_quit(app.loop);
}

static void
served(void *data)
{
    (void)data;
    log_info("serving");
    control_ready(app.control);
}

static void
failed(const char *why, void *data)
{
    (void)data;
    log_error("cannot serve: %s", why);
    app.status = EXIT_FAILURE;
    g_main_loop_quit(app.loop);
}

static gboolean
terminated(gpointer data)
{
    (void)data;
    g_main_loop_quit(app.loop);
    return G_SOURCE_REMOVE;
}

/* What the children get of our command line. */
static char **
child_flags(void)
{
    GPtrArray *flags = g_ptr_array_new();
    const struct {
        const char *flag, *value;
    } pairs[] = {{"--sim", app.sim_dir},
                 {"--kernels", app.kernels},
                 {"--disks", app.disks},
                 {"--log-level", app.log_level}};

    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++)
        if (pairs[i].value) {
            g_ptr_array_add(flags, g_strdup(pairs[i].flag));
            g_ptr_array_add(flags, g_strdup(pairs[i].value));
        }
    g_ptr_array_add(flags, NULL);
    return (char **)g_ptr_array_free(flags, FALSE);
}

static int
parent_main(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) flags = child_flags();
    struct pool_options options = {
        .program = "/proc/self/exe",
        .flags = (const char *const *)flags,
        .run_dir = run_dir(),
        .workers = app.workers,
        .timeout_s = app.timeout_s,
    };

    if (!backend()) {
        log_error("built without Xen: --sim DIR is needed");
        return EXIT_FAILURE;
    }
    app.loop = g_main_loop_new(NULL, FALSE);
    app.control = control_new(control_received, control_gone, NULL, &error);
    options.lock_fd = app.control ? lock_take(&error) : -1;
    if (options.lock_fd < 0) {
        log_error("%s", error->message);
        control_free(app.control);
        return EXIT_FAILURE;
    }
    g_unix_signal_add(SIGTERM, terminated, NULL);
    g_unix_signal_add(SIGINT, terminated, NULL);
    app.service = service_new(&options, served, failed, NULL);
    g_main_loop_run(app.loop);
    service_free(app.service);
    control_free(app.control);
    g_main_loop_unref(app.loop);
    return app.status;
}

static bool
options_check(GError **error)
{
    if (app.log_level && log_level_parse(app.log_level) < 0)
        api_error_set(error, "INVALID_VALUE", "--log-level", app.log_level, NULL);
    else if (app.workers < 1 || app.workers > WORKERS_MAX)
        api_error_set(error, "INVALID_VALUE", "--workers", "1 to 64", NULL);
    else if (app.timeout_s < 0)
        api_error_set(error, "INVALID_VALUE", "--timeout", "0 or more", NULL);
    else
        return true;
    return false;
}

int
main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("- domains for xapid");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || !options_check(&error) ||
        !faults_init(&error)) {
        fprintf(stderr, "xapid-domains: %s\n", error->message);
        return EXIT_FAILURE;
    }
    if (argc > 1) {
        fprintf(stderr, "xapid-domains: unknown argument %s\n", argv[1]);
        return EXIT_FAILURE;
    }
    if (app.version) {
        printf("xapid-domains %s\n", PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    if (app.fault_points) {
        faults_list();
        return EXIT_SUCCESS;
    }
    log_init("xapid-domains",
             app.log_level ? (enum log_level)log_level_parse(app.log_level) : LOG_LEVEL_INFO);
    return app.worker || app.events || app.guests ? child_main() : parent_main();
}
