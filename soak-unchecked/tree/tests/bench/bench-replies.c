/* What replies of many rows cost everybody else: the main loop's longest turn, memory, and cheap
 * calls a second, while some clients read all VMs.
 *
 *     make tests/bench/bench-replies && tests/bench/bench-replies [VMS]
 *
 * The whole way from socket to socket, on a model that is filled directly; clients are threads. */
#include "config.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/settings.h"
#include "xapid/calls/texts.h"
#include "xapid/http/rpc.h"
#include "xapid/model/roles.h"

#define SECRET "OpaqueRef:00000000-0000-4000-8000-000000000000"
#define QUIET_SECONDS 2 /* of the run without readers */

/* ---- the model ---- */

static const char *
create(struct txn *txn, const char *name, const char *ref, const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *fields = text ? g_variant_new_parsed(text) : g_variant_new("a{sv}", NULL);
    const char *made = txn_create(txn, dm_class_find(name, false), ref, fields, &error);

    if (!made)
        g_error("%s: %s", name, error->message);
    return made;
}

static void
fill(struct model *model, int vms)
{
    for (int i = 0; i < vms; i++) {
        struct txn *txn = model_begin(model, NULL);
        g_autofree char *text = g_strdup_printf(
            "{'name_label': <'guest-%05d'>, 'name_description': <'A guest like many others'>,"
            " 'PV_kernel': <'vmlinuz'>, 'PV_args': <'root=/dev/xvda1 console=hvc0'>,"
            " 'memory_static_max': <int64 2147483648>, 'VCPUs_max': <int64 2>,"
            " 'other_config': <{'folder': '/racks/%d', 'auto_poweron': 'true'}>,"
            " 'platform': <{'acpi': '1', 'apic': 'true', 'nx': 'true', 'pae': 'true'}>}",
            i, i % 40);
        const char *vm = create(txn, "VM", NULL, text);
        for (int n = 0; n < 3; n++)
            txn_set_string(txn, create(txn, n < 2 ? "VBD" : "VIF", NULL, NULL), "VM", vm);
        if (!txn_commit(txn, NULL))
            g_error("a VM could not be created");
    }
}

static void
create_session(struct model *model)
{
    struct txn *txn = model_begin(model, NULL);
    g_autofree char *ref = session_public_ref(SECRET);
    g_autofree char *text = g_strdup_printf(
        "{'is_local_superuser': <true>, 'last_active': <int64 %" G_GINT64_FORMAT ">}",
        g_get_real_time());

    create(txn, "session", ref, text);
    txn_commit(txn, NULL);
}

/* ---- what is measured ---- */

static gint64 turn_began, longest_turn;
static glong resident_before, resident_most;

static glong
resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        g_error("no /proc");
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Of the processor, so that what else the machine does is not counted. */
static gint64
time_used(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (gint64)used.tv_sec * G_USEC_PER_SEC + used.tv_nsec / 1000;
}

/* The loop waits here; what it does otherwise keeps everybody waiting. */
static gint
timed_poll(GPollFD *fds, guint n, gint timeout)
{
    gint64 now = time_used();

    if (turn_began)
        longest_turn = MAX(longest_turn, now - turn_began);
    resident_most = MAX(resident_most, resident_kib());
    gint ready = g_poll(fds, n, timeout);
    turn_began = time_used();
    return ready;
}

/* ---- clients ---- */

static int port;
static gint readers_left;
static gint quiet; /* the pinger ends */
static GMainLoop *loop;

static int
ask(int fd, const char *call, const char *more, bool last)
{
    g_autofree char *body = g_strdup_printf(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[\"" SECRET "\"%s]}", call,
        more);
    g_autofree char *text =
        g_strdup_printf("POST /jsonrpc HTTP/1.1\r\nHost: x\r\n%s"
                        "Content-Length: %zu\r\n\r\n%s",
                        last ? "Connection: close\r\n" : "", strlen(body), body);

    if (fd < 0) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((guint16)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
            g_error("connect");
    }
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        g_error("send");
    return fd;
}

static gboolean
all_read(void *data)
{
    (void)data;
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static void *
reader(void *data)
{
    const char *const *call = data;
    int fd = ask(-1, call[0], call[1], true);
    g_autofree char *buffer = g_malloc(64 * 1024);
    gsize bytes = 0;
    ssize_t n;

    while ((n = recv(fd, buffer, 64 * 1024, 0)) > 0)
        bytes += (gsize)n;
    close(fd);
    if (g_atomic_int_dec_and_test(&readers_left))
        g_idle_add(all_read, NULL);
    return GSIZE_TO_POINTER(bytes);
}

struct pings {
    guint n;
    gint64 slowest;
};

static void *
pinger(void *data)
{
    struct pings *pings = data;
    char buffer[4096];
    int fd = -1;

    while (!g_atomic_int_get(&quiet)) {
        gint64 asked = g_get_monotonic_time();
        fd = ask(fd, "pool.get_all", "", false);
        if (recv(fd, buffer, sizeof buffer, 0) <= 0)
            g_error("no reply");
        pings->slowest = MAX(pings->slowest, g_get_monotonic_time() - asked);
        pings->n++;
    }
    close(fd);
    return NULL;
}

static void
run(const char *const *call, int readers)
{
    g_autoptr(GPtrArray) threads = g_ptr_array_new();
    struct pings pings = {0};
    gsize bytes = 0;

    malloc_trim(0);
    resident_before = resident_most = resident_kib();
    longest_turn = turn_began = 0;
    quiet = 0;
    readers_left = readers;
    gint64 began = g_get_monotonic_time();
    GThread *ping = g_thread_new("pinger", pinger, &pings);
    for (int i = 0; i < readers; i++)
        g_ptr_array_add(threads, g_thread_new("reader", reader, (void *)call));
    if (!readers)
        g_timeout_add_seconds(QUIET_SECONDS, all_read, NULL);
    g_main_loop_run(loop);
    double seconds = (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC;
    gint64 longest = longest_turn;
    g_atomic_int_set(&quiet, 1);
    for (guint i = 0; i < threads->len; i++)
        bytes += GPOINTER_TO_SIZE(g_thread_join(threads->pdata[i]));
    for (int i = 0; i < 100; i++) /* the pinger's last reply */
        g_main_context_iteration(NULL, FALSE), g_usleep(1000);
    g_thread_join(ping);
    printf("%-20s %2d readers  %7.1f MB in %5.2f s  longest turn %7.1f ms  memory +%4ld MiB  "
           "%6.0f calls/s  slowest %7.1f ms\n",
           call[0], readers, (double)bytes / 1e6, seconds, (double)longest / 1000,
           (resident_most - resident_before) / 1024, pings.n / seconds,
           (double)pings.slowest / 1000);
}

static int
listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        g_error("no socket");
    port = ntohs(address.sin_port);
    return fd;
}

int
main(int argc, char **argv)
{
    static const char *const calls[][2] = {{"VM.get_all_records", ""},
                                           {"event.from", ",[\"*\"],\"\",0.0"}};
    static const int readers[] = {0, 1, 8};
    int vms = argc > 1 ? atoi(argv[1]) : 10000;
    static const struct settings_limits limits = {.max_parked_calls = 1000};
    struct api api = {.model = model_new(), .limits = &limits};
    struct http_server *server = http_server_new(NULL, NULL);

    if (!roles_load(api.model, NULL) || !model_load_done(api.model, 1, NULL))
        g_error("no roles");
    create_session(api.model);
    fill(api.model, vms);
    api_init(&api);
    api_register(&api, calls_event);
    api.events = events_new(&api);
    api.texts = texts_new();
    rpc_serve(server, &api);
    http_server_listen(server, listen_on_loopback(), HTTP_CLEAR, NULL);
    g_main_context_set_poll_func(NULL, timed_poll);
    loop = g_main_loop_new(NULL, FALSE);
    printf("%d VMs with two VBDs and a VIF each; %ld MiB\n", vms, resident_kib() / 1024);
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++)
        for (guint j = 0; j < G_N_ELEMENTS(readers); j++)
            run(calls[i], readers[j]);
    return 0;
}
