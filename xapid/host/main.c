/* xapid-host: what xapid needs of the host and may not do itself.  Started by xapid-launch as root;
 * serves org.xapid.Host1 and org.xapid.Storage1.  With a mode option it is one of its own
 * short-lived children. */
#include "config.h"

#include "lib/faults.h"
#include "lib/log.h"
#include "lib/peer/peer.h"
#include "lib/settings.h"
#include "xapid/host/accounts.h"
#include "xapid/host/password.h"
#include "xapid/host/service.h"
#include "xapid/host/storage.h"

#include <getopt.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXIT_USAGE 2

struct app {
    GMainLoop *loop;
    struct control *control;
    struct service *service;
    struct storage *storage;
    GCancellable *connecting;
};

static void
peer_ready(GObject *source, GAsyncResult *result, gpointer data)
{
    struct app *app = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection = peer_connect_finish(result, &error);

    (void)source;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    if (!connection) {
        log_warning("xapid did not connect: %s", error->message);
        return;
    }
    storage_set_peer(app->storage, connection);
    service_set_peer(app->service, connection);
}

static void
received(const char *name, int fd, void *data)
{
    struct app *app = data;

    if (!g_str_equal(name, "peer xapid")) {
        log_warning("unexpected descriptor \"%s\"", name);
        close(fd);
        return;
    }
    peer_connect(fd, /* server= */ true, &app->connecting, peer_ready, app);
}

static void
launcher_gone(void *data)
{
    log_info("xapid-launch has gone: ending");
    g_main_loop_quit(((struct app *)data)->loop);
}

static gboolean
terminated(gpointer data)
{
    g_main_loop_quit(((struct app *)data)->loop);
    return G_SOURCE_CONTINUE;
}

static int
serve(const struct settings *settings, const char *sim_dir)
{
    struct app app = {.loop = g_main_loop_new(NULL, FALSE)};
    g_autoptr(GError) error = NULL;
    guint term = g_unix_signal_add(SIGTERM, terminated, &app);
    guint interrupt = g_unix_signal_add(SIGINT, terminated, &app);
    int status = EXIT_FAILURE;

    app.service =
        service_new(settings->pam_service, sim_dir, settings->sim_real_networks ? NULL : sim_dir,
                    settings->network_backend);
    app.storage =
        storage_new(*settings->storage_drivers ? settings->storage_drivers : STORAGE_DRIVERS_DIR,
                    settings->disk_handles, &error);
    if (app.storage)
        app.control = control_new(received, launcher_gone, &app, &error);
    if (!app.control) {
        log_error("%s", error->message);
    } else {
        control_ready(app.control);
        g_main_loop_run(app.loop);
        status = EXIT_SUCCESS;
    }
    g_source_remove(term);
    g_source_remove(interrupt);
    control_free(app.control);
    peer_connect_cancel(&app.connecting);
    storage_free(app.storage);
    service_free(app.service);
    g_main_loop_unref(app.loop);
    return status;
}

static void
usage(FILE *out)
{
    fprintf(out,
            "usage: xapid-host [--config FILE] [--sim DIR] [--fault-points] [--help] [--version]\n"
            "Part of xapid; started by xapid-launch.\n");
}

int
main(int argc, char **argv)
{
    static const struct option table[] = {{"config", required_argument, NULL, 'c'},
                                          {"sim", required_argument, NULL, 's'},
                                          {"authenticate", no_argument, NULL, 'a'},
                                          {"change-password", no_argument, NULL, 'p'},
                                          {"lookup", no_argument, NULL, 'l'},
                                          {"fault-points", no_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    const char *config = NULL, *sim = NULL;
    struct settings *settings;
    g_autoptr(GError) error = NULL;
    int c, status = EXIT_FAILURE;

    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (c) {
        case 'c':
            config = optarg;
            break;
        case 's':
            sim = optarg;
            break;
        case 'a':
            password_child(false);
        case 'p':
            password_child(true);
        case 'l':
            account_lookup_child();
        case 'f':
            faults_list();
            return EXIT_SUCCESS;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        case 'v':
            printf("xapid-host %s\n", PACKAGE_VERSION);
            return EXIT_SUCCESS;
        default:
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    /* A driver may end before it has read its call. */
    signal(SIGPIPE, SIG_IGN);
    settings = settings_load(config, &error);
    log_init("xapid-host", settings ? settings->log_level : LOG_LEVEL_INFO);
    if (settings && !sim && *settings->sim_dir)
        sim = settings->sim_dir;
    if (settings && faults_init(&error))
        status = serve(settings, sim);
    else
        log_error("%s", error->message);
    settings_free(settings);
    return status;
}
