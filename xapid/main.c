/* xapid, the API daemon: puts the rooms together and runs the main loop.  Started by xapid-launch,
 * which hands it the listening sockets and its connections to the root programs. */
#include "config.h"

#include <getopt.h>
#include <glib-unix.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"
#include "lib/peer/peer.h"
#include "lib/settings.h"
#include "xapid/calls/call.h"
#include "xapid/calls/login-turns.h"
#include "xapid/calls/safe-change.h"
#include "xapid/calls/texts.h"
#include "xapid/http/services.h"
#include "xapid/limits.h"
#include "xapid/model/roles.h"
#include "xapid/ops/task.h"
#include "xapid/pool/boot.h"
#include "xapid/pool/self.h"
#include "xapid/pool/templates.h"
#include "xapid/store/store.h"
#include "xapid/vm/appliance.h"

/* How often finished tasks and idle sessions are looked for, at least. */
#define COLLECT_SECONDS 60
#define HOST_RETRY_SECONDS 1 /* when what it is cannot be recorded */
#define MEMORY_LOOK_MS 500   /* after a domain changed */

struct app {
    GMainLoop *loop;
    struct settings *settings;
    char *address, *certificate;
    char *host, *pool; /* references of our rows */
    struct control *control;
    struct model *model;
    struct store *store;
    struct domains *domains;
    struct hostd *hostd;
    guint asking_host;       /* a source that asks it again */
    guint asking_hypervisor; /* a source that will ask it */
    struct vm_world vm;
    struct storage_world storage;
    struct ops_room rooms[6];
    struct ops *ops;
    struct api api;
    struct http_server *http;
    struct http_services *services;
};

/* ---- what arrives from xapid-launch ---- */

static void
control_received(const char *name, int fd, void *data)
{
    static const struct {
        const char *name;
        enum http_transport transport;
    } listeners[] = {
        {"listen http", HTTP_CLEAR}, {"listen https", HTTP_TLS}, {"listen unix", HTTP_UNIX}};
    struct app *app = data;
    g_autoptr(GError) error = NULL;

    if (g_str_equal(name, "peer domains")) {
        domains_attach(app->domains, fd);
        return;
    }
    if (g_str_equal(name, "peer host")) {
        hostd_attach(app->hostd, fd);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(listeners); i++) {
        if (!g_str_equal(name, listeners[i].name))
            continue;
        if (!http_server_listen(app->http, fd, listeners[i].transport, &error))
            log_error("%s: %s", name, error->message);
        return;
    }
    log_warning("xapid-launch sent \"%s\", which is not known", name);
    close(fd);
}

static void
control_gone(void *data)
{
    struct app *app = data;

    log_info("xapid-launch has gone");
    g_main_loop_quit(app->loop);
}

/* ---- what the root programs tell ---- */

static void
facts_known(const GError *error, GVariant *result, void *data)
{
    struct app *app = data;

    if (error) {
        log_error("asking for the machine: %s", error->message);
        return;
    }
    g_autoptr(GVariant) facts = g_variant_get_child_value(result, 0);
    self_set_facts(app->model, app->host, facts);
}

static void
hypervisor_known(const GError *error, GVariant *info, void *data)
{
    struct app *app = data;

    if (error)
        log_error("asking for the hypervisor: %s", error->message);
    else if (self_set_hypervisor(app->model, app->host, info))
        hostd_facts(app->hostd, facts_known, app);
}

static void host_attached(void *data);

static gboolean
ask_host_again(void *data)
{
    struct app *app = data;

    app->asking_host = 0;
    host_attached(app);
    return G_SOURCE_REMOVE;
}

/* The drivers are asked nothing before it is on record whether the host was rebooted: what they
 * attach is of this boot. */
static void
boot_recorded(const GError *error, void *data)
{
    struct app *app = data;
    GDBusConnection *connection = hostd_connection(app->hostd);

    if (error) {
        log_warning("recording the boot, again soon: %s", error->message);
        g_clear_handle_id(&app->asking_host, g_source_remove);
        app->asking_host = g_timeout_add_seconds(HOST_RETRY_SECONDS, ask_host_again, app);
    } else if (connection) {
        uplinks_look(&app->api);
        peer_client_set_connection(app->storage.drivers, connection);
        sm_refresh(&app->storage);
    }
}

static void
host_known(const GError *error, GVariant *result, void *data)
{
    struct app *app = data;
    g_autoptr(GError) failed = error ? g_error_copy(error) : NULL;
    g_autoptr(GVariant) facts = error ? NULL : g_variant_get_child_value(result, 0);
    guint64 generation = 0;

    facts_known(error, result, app);
    if (facts)
        generation = boot_known(&app->vm, &app->storage, member_text(facts, "boot_id"), &failed);
    if (generation)
        model_when_durable(app->model, generation, boot_recorded, app);
    else
        boot_recorded(failed, app);
}

/* Whenever xapid-host was started, it is asked: an earlier answer may be missing. */
static void
host_attached(void *data)
{
    struct app *app = data;

    if (hostd_connection(app->hostd))
        hostd_facts(app->hostd, host_known, app);
}

static void
hanging(GVariant *work, void *data)
{
    const struct app *app = data;

    self_set_hanging(app->model, app->host, work);
}

static gboolean
ask_hypervisor(void *data)
{
    struct app *app = data;

    app->asking_hypervisor = 0;
    domains_host_info(app->domains, hypervisor_known, app);
    return G_SOURCE_REMOVE;
}

static void
domains_changed(const char *uuid, void *data)
{
    struct app *app = data;

    vm_look(&app->vm, uuid);
    /* Memory comes and goes with domains: asked for when what happens to one is over. */
    if (!app->asking_hypervisor)
        app->asking_hypervisor = g_timeout_add(*uuid ? MEMORY_LOOK_MS : 0, ask_hypervisor, app);
}

/* Xen tells of domains that come, end and go, not of what else another toolstack does to them; the
 * kernel tells xapid-host of interfaces when it is asked. */
static gboolean
resync(void *data)
{
    struct app *app = data;

    domains_changed("", app);
    if (hostd_connection(app->hostd))
        uplinks_look(&app->api);
    return G_SOURCE_CONTINUE;
}

/* ---- the life of the process ---- */

static gboolean
collect(void *data)
{
    struct app *app = data;
    gint64 now = g_get_real_time();

    task_collect(app->model, app->ops, now);
    session_collect(&app->api, now);
    return G_SOURCE_CONTINUE;
}

static void
quit(void *data)
{
    struct app *app = data;

    g_main_loop_quit(app->loop);
}

static gboolean
on_signal(void *data)
{
    quit(data);
    return G_SOURCE_CONTINUE;
}

static const struct call_impl *const call_tables[] = {
    calls_addresses,    calls_bond,       calls_appliance, calls_evacuate,     calls_external_auth,
    calls_pif,          calls_vlan,       calls_network,   calls_vif,          calls_vif_lock,
    calls_auth,         calls_licence,    calls_plugins,   calls_recovery,     calls_event,
    calls_pbd,          calls_sr,         calls_vbd,       calls_vdi,          calls_host,
    calls_message,      calls_pool,       calls_login,     calls_role,         calls_session,
    calls_subject,      calls_task,       calls_vm,        calls_vm_lifecycle, calls_vm_memory,
    calls_vm_resources, calls_vm_settings};

static void
start_api(struct app *app)
{
    app->api.model = app->model;
    app->api.ops = app->ops;
    app->api.vm = &app->vm;
    app->api.storage = &app->storage;
    app->api.hostd = app->hostd;
    app->api.limits = &app->settings->limits;
    app->api.host = app->host;
    app->api.pool = app->pool;
    app->api.shutdown = quit;
    app->api.shutdown_data = app;
    api_init(&app->api);
    for (unsigned i = 0; i < G_N_ELEMENTS(call_tables); i++)
        api_register(&app->api, call_tables[i]);
    app->api.events = events_new(&app->api);
    app->api.texts = texts_new();
    app->api.logins = login_turns_new();
    app->api.address = app->address;
    app->api.change = safe_change_new(&app->api, app->settings->confirm_seconds);
    session_begin_all(&app->api, g_get_real_time());
}

static void
ensure_bridge(void *hostd, GVariant *network, domains_done_fn done, void *data)
{
    hostd_ensure_bridge(hostd, network, done, data);
}

static void
start_operations(struct app *app)
{
    static const struct step_kind *const no_kinds[] = {NULL}; /* they are with those of SR */

    app->rooms[0] = (struct ops_room){.cls = "VM",
                                      .kinds = vm_step_kinds,
                                      .survey = vm_survey,
                                      .finish = vm_finish,
                                      .mark = vm_mark,
                                      .idle = vm_idle,
                                      .data = &app->vm};
    app->rooms[1] = (struct ops_room){.cls = "SR",
                                      .kinds = storage_step_kinds,
                                      .finish = sr_finish,
                                      .mark = sr_mark,
                                      .data = &app->storage};
    app->rooms[2] = (struct ops_room){.cls = "VDI",
                                      .kinds = no_kinds,
                                      .finish = vdi_finish,
                                      .mark = vdi_mark,
                                      .data = &app->storage};
    app->rooms[3] = (struct ops_room){.cls = "VM_appliance",
                                      .kinds = appliance_step_kinds,
                                      .finish = appliance_finish,
                                      .mark = appliance_mark,
                                      .data = &app->vm};
    app->rooms[4] = (struct ops_room){.cls = "PBD",
                                      .kinds = no_kinds,
                                      .finish = pbd_finish,
                                      .mark = pbd_mark,
                                      .data = &app->storage};
    app->storage.model = app->model;
    app->storage.drivers = peer_client_new("/org/xapid/Storage1", "org.xapid.Storage1");
    app->storage.host = app->host;
    transfers_begin(&app->storage);
    chains_begin(&app->storage);
    app->vm.model = app->model;
    app->vm.domains = app->domains;
    app->vm.host = app->host;
    app->vm.guest_kernels = app->settings->guest_kernels;
    app->vm.ready_max = app->settings->ready_domains;
    app->vm.address = app->address;
    app->vm.look = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    app->vm.appliance_runs = g_hash_table_new(NULL, NULL);
    app->vm.max_tasks = app->settings->limits.max_tasks;
    app->ops = ops_new(app->model, app->rooms);
    app->vm.ops = app->ops;
    app->storage.ops = app->ops;
    app->vm.ensure_bridge = ensure_bridge;
    app->vm.hostd = app->hostd;
    vm_guests_follow(&app->vm);
}

/* Without them nothing can be served; xapid-launch starts us again, later and later. */
static void
own_rows_durable(const GError *error, void *data)
{
    const struct app *app = data;

    malloc_trim(0); /* what the loading took, and the rows have not kept */
    if (!error || model_has(app->model, dm_class_find("host", false), app->host))
        return;
    log_error("this host's own rows could not be written: %s", error->message);
    exit(1); /* before anybody looks for them */
}

static bool
start(struct app *app, GError **error)
{
    g_autofree char *database = g_build_filename(app->settings->state_dir, "xapid.db", NULL);
    g_autofree char *pem = g_build_filename(app->settings->state_dir, "xapid-ssl.pem", NULL);
    const struct http_limits limits = limits_of(&app->settings->limits);

    app->address = settings_address(app->settings);
    app->model = model_new();
    if (!roles_load(app->model, error) || !(app->store = store_open(database, app->model, error)) ||
        !self_ensure(app->model, app->address, &app->host, &app->pool, error) ||
        !templates_ensure(app->model, error) || !vm_refresh_all(app->model, error) ||
        !vbd_refresh_all(app->model, error) || !vif_refresh_all(app->model, error) ||
        !storage_refresh_all(app->model, error))
        return false;
    model_when_durable(app->model, model_head(app->model), own_rows_durable, app);
    app->domains = domains_new(domains_changed, app);
    domains_on_hanging(app->domains, hanging, app);
    app->hostd = hostd_new(host_attached, app);
    start_operations(app);
    start_api(app);

    const char *const addresses[] = {app->address, NULL};
    g_autoptr(GTlsCertificate) certificate =
        certificate_load_or_make(pem, g_get_host_name(), addresses, error);
    if (!certificate)
        return false;
    g_object_get(certificate, "certificate-pem", &app->certificate, NULL);
    app->api.certificate = app->certificate;
    app->http = http_server_new(&limits, certificate);
    app->services = http_services_start(app->http, &app->api, app->settings, database);

    ops_recover(app->ops);
    uplinks_begin(&app->api);
    safe_change_resume(app->api.change);
    if (!(app->control = control_new(control_received, control_gone, app, error)))
        return false;
    g_timeout_add_seconds(MIN(COLLECT_SECONDS, app->settings->limits.session_idle_seconds), collect,
                          app);
    g_timeout_add_seconds(app->settings->resync_seconds, resync, app);
    g_unix_signal_add(SIGTERM, on_signal, app);
    g_unix_signal_add(SIGINT, on_signal, app);
    control_ready(app->control);
    return true;
}

static G_NORETURN void
usage(int status)
{
    fprintf(status ? stderr : stdout,
            "usage: xapid [--config FILE]\n"
            "Serves the XenAPI; xapid-launch starts it.\n"
            "  --config FILE    configuration (default: %s)\n"
            "  --fault-points   list the fault points of this program\n"
            "  --implemented    list the messages that have code of their own\n"
            "  --help, --version\n",
            SETTINGS_FILE);
    exit(status);
}

static void
list_implemented(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(call_tables); i++)
        for (const struct call_impl *impl = call_tables[i]; impl->name; impl++)
            puts(impl->name);
}

static const char *
parse_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"config", required_argument, NULL, 'c'}, {"fault-points", no_argument, NULL, 'f'},
        {"implemented", no_argument, NULL, 'i'},  {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0}};
    const char *config = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (c) {
        case 'c':
            config = optarg;
            break;
        case 'f':
            faults_list();
            exit(0);
        case 'i':
            list_implemented();
            exit(0);
        case 'v':
            puts(PACKAGE_STRING);
            exit(0);
        case 'h':
            usage(0);
        default:
            usage(2);
        }
    }
    if (optind < argc)
        usage(2);
    return config;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    static struct app app; /* lives as long as the process */
    const char *config = parse_options(argc, argv);

    log_init("xapid", LOG_LEVEL_INFO);
    app.settings = settings_load(config, &error);
    if (app.settings)
        log_init("xapid", app.settings->log_level);
    app.loop = g_main_loop_new(NULL, FALSE);
    if (!app.settings || !faults_init(&error) || !start(&app, &error)) {
        log_error("cannot start: %s", error->message);
        return 1;
    }
    g_main_loop_run(app.loop);
    /* What is acknowledged is on disk; the rest of memory goes with the process. */
    http_services_free(app.services);
    store_close(app.store);
    return 0;
}
