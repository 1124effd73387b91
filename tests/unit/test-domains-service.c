/* xapid-domains as xapid meets it: the program itself on a simulated host, over D-Bus. */
#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/error.h"
#include "tests/sim/domains-client.h"
#include "tests/unit/remove-tree.h"
#include "xapid/domains/domains.h"
#include "xapid/domains/sim-world.h"

#define UUID_A "aaaaaaaa-0000-4000-8000-000000000001"
#define UUID_B "aaaaaaaa-0000-4000-8000-000000000002"
#define MEMORY ((gint64)128 << 20)

static const char *program = "./xapid-domains";

struct fixture {
    char *dir;
    struct domains_client *client;
    int op;
};

static void
start_with(struct fixture *f, const char *fault, const char *timeout)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--sim",     f->dir, "--log-level", "error",
                          "--workers", "3",    "--timeout",   timeout ? timeout : "30",
                          NULL};

    f->client = client_start(program, args, fault, &error);
    g_assert_no_error(error);
}

static void
restart_with(struct fixture *f, const char *fault, const char *timeout)
{
    client_kill(g_steal_pointer(&f->client));
    start_with(f, fault, timeout);
}

static void
set_up(struct fixture *f, gconstpointer data)
{
    (void)data;
    f->dir = g_dir_make_tmp("xapid-sim-XXXXXX", NULL);
    start_with(f, NULL, NULL);
}

static void
tear_down(struct fixture *f, gconstpointer data)
{
    g_autofree char *violations = g_build_filename(f->dir, "violations", NULL);

    (void)data;
    if (f->client)
        g_assert_true(client_stop(f->client));
    g_assert_false(g_file_test(violations, G_FILE_TEST_EXISTS));
    remove_tree(f->dir);
    g_free(f->dir);
}

static void
conf(struct fixture *f, const char *text)
{
    g_autofree char *path = g_build_filename(f->dir, "host.conf", NULL);
    g_autofree char *whole = g_strdup_printf("[host]\n%s\n", text);

    g_assert_true(g_file_set_contents(path, whole, -1, NULL));
}

/* The same through DIR/control, as scripts do. */
static void
send_command(struct fixture *f, const char *command)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_snprintf(address.sun_path, sizeof address.sun_path, "%s/control", f->dir);
    g_assert_cmpint(
        sendto(fd, command, strlen(command), 0, (struct sockaddr *)&address, sizeof address), ==,
        (gssize)strlen(command));
    close(fd);
}

/* As a guest or another toolstack would, with or without xapid-domains. */
static void
tell(struct fixture *f, const char *command)
{
    g_autoptr(GError) error = NULL;
    struct world *world = world_open(f->dir, &error);

    g_assert_no_error(error);
    g_assert_true(world_command(world, command));
    world_free(world);
}

static char *
next_op(struct fixture *f)
{
    return g_strdup_printf("op-%d", ++f->op);
}

static GVariant *
guest_args(void)
{
    return client_guest_args("pvh", "vmlinux", "initrd", "console=hvc0", MEMORY);
}

/* Runs a verb that must succeed. */
static GVariant *
run(struct fixture *f, const char *verb, const char *uuid, GVariant *args)
{
    g_autofree char *op = next_op(f);
    g_autoptr(GError) error = NULL;
    GVariant *result = NULL;

    client_run(f->client, op, verb, uuid, args, &result, &error);
    g_assert_no_error(error);
    return result;
}

static int
create(struct fixture *f, const char *uuid)
{
    g_autoptr(GVariant) result = run(f, "create", uuid, guest_args());
    int domid = -1;

    g_assert_true(g_variant_lookup(result, "domid", "i", &domid));
    return domid;
}

static void
act(struct fixture *f, const char *verb, const char *uuid)
{
    g_variant_unref(run(f, verb, uuid, NULL));
}

/* Runs a verb that must fail: "CODE [param, param]". */
static void
refused(struct fixture *f, const char *verb, const char *uuid, GVariant *args, const char *expected)
{
    g_autofree char *op = next_op(f);
    g_autoptr(GError) error = NULL;

    g_assert_false(client_run(f->client, op, verb, uuid, args, NULL, &error));
    g_assert_cmpstr(error->message, ==, expected);
}

static void
assert_state(struct fixture *f, const char *uuid, const char *expected)
{
    g_autofree char *state = client_state(f->client, uuid);

    g_assert_cmpstr(state, ==, expected);
}

static void
assert_reason(struct fixture *f, const char *uuid, const char *expected)
{
    g_autoptr(GVariant) domain = client_domain(f->client, uuid);
    const char *reason;

    g_assert_nonnull(domain);
    g_variant_lookup(domain, "reason", "&s", &reason);
    g_assert_cmpstr(reason, ==, expected);
}

static void
test_lifecycle(struct fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) domain = NULL;
    int first, second;

    (void)data;
    first = create(f, UUID_A);
    assert_state(f, UUID_A, "paused");
    domain = client_domain(f->client, UUID_A);
    g_autofree char *text = g_variant_print(domain, FALSE);
    g_assert_nonnull(strstr(text, "'name': <'a guest'>"));
    g_assert_nonnull(strstr(text, "'complete': <true>"));
    g_assert_nonnull(strstr(text, "'ours': <true>"));
    g_assert_nonnull(strstr(text, "'op_id': <'op-1'>"));
    g_assert_nonnull(strstr(text, "'type': <'pvh'>"));
    g_assert_nonnull(strstr(text, "'memory_max': <int64 134217728>"));

    act(f, "unpause", UUID_A);
    assert_state(f, UUID_A, "running");
    act(f, "unpause", UUID_A);
    act(f, "pause", UUID_A);
    assert_state(f, UUID_A, "paused");
    refused(f, "shutdown", UUID_A, client_shutdown_args("poweroff", 5),
            "VM_BAD_POWER_STATE [" UUID_A ", running, paused]");
    act(f, "unpause", UUID_A);
    g_variant_unref(run(f, "shutdown", UUID_A, client_shutdown_args("poweroff", 5)));
    assert_state(f, UUID_A, "shutdown");
    assert_reason(f, UUID_A, "poweroff");
    act(f, "destroy", UUID_A);
    assert_state(f, UUID_A, "absent");
    act(f, "destroy", UUID_A);

    second = create(f, UUID_A);
    g_assert_cmpint(second, >, first);
    act(f, "unpause", UUID_A);
    g_variant_unref(run(f, "shutdown", UUID_A, client_shutdown_args("reboot", 5)));
    assert_reason(f, UUID_A, "reboot");
    act(f, "destroy", UUID_A);
}

static void
test_wrong_state(struct fixture *f, gconstpointer data)
{
    (void)data;
    refused(f, "unpause", UUID_A, NULL, "VM_BAD_POWER_STATE [" UUID_A ", paused, halted]");
    refused(f, "pause", UUID_A, NULL, "VM_BAD_POWER_STATE [" UUID_A ", running, halted]");
    refused(f, "shutdown", UUID_A, client_shutdown_args("poweroff", 1),
            "VM_BAD_POWER_STATE [" UUID_A ", running, halted]");
    create(f, UUID_A);
    refused(f, "create", UUID_A, guest_args(), "VM_BAD_POWER_STATE [" UUID_A ", halted, paused]");
    tell(f, "xl-create " UUID_B " foreign");
    refused(f, "create", UUID_B, guest_args(), "VM_BAD_POWER_STATE [" UUID_B ", halted, running]");
}

static void
test_repeats(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) result = NULL;
    int domid = -1, count;

    (void)data;
    g_assert_true(client_run(f->client, "same", "create", UUID_A, guest_args(), &result, &error));
    /* Its Done is sent again; nothing is done again. */
    count = f->client->done_count;
    g_assert_true(client_begin(f->client, "same", "create", UUID_A, guest_args(), &error));
    client_settle(50);
    g_assert_cmpint(f->client->done_count, ==, count + 1);

    /* xapid starts again and asks for what it finds in its journal. */
    g_hash_table_remove_all(f->client->done);
    g_assert_true(client_reconnect(f->client, &error));
    g_assert_true(client_run(f->client, "same", "create", UUID_A, guest_args(), NULL, &error));

    /* xapid-domains starts again: the operation is unknown, but the domain tells who built it. */
    restart_with(f, NULL, NULL);
    g_clear_pointer(&result, g_variant_unref);
    g_assert_true(client_run(f->client, "same", "create", UUID_A, guest_args(), &result, &error));
    g_variant_lookup(result, "domid", "i", &domid);
    g_assert_cmpint(domid, ==, 1);
    refused(f, "create", UUID_A, guest_args(), "VM_BAD_POWER_STATE [" UUID_A ", halted, paused]");
}

static void
test_forget(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    create(f, UUID_A);
    g_autoptr(GVariant) operations = client_operations(f->client, &error);
    g_assert_no_error(error);
    g_autofree char *text = g_variant_print(operations, FALSE);
    g_assert_cmpstr(text, ==, "[('op-1', '" UUID_A "', 'create', 'done')]");
    g_assert_true(peer_domains1_call_forget_sync(f->client->proxy, "op-1", NULL, &error));
    g_autoptr(GVariant) none = client_operations(f->client, &error);
    g_assert_cmpint(g_variant_n_children(none), ==, 0);
}

static void
test_hostile(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    refused(f, "destroy", "../../etc/passwd", NULL, "INVALID_VALUE [uuid, ../../etc/passwd]");
    refused(f, "destroy", "00000000-0000-0000-0000-000000000000", NULL,
            "INVALID_VALUE [uuid, 00000000-0000-0000-0000-000000000000]");
    refused(f, "format", UUID_A, NULL, "INVALID_VALUE [verb, format]");
    refused(f, "recover", UUID_A, NULL, "INVALID_VALUE [verb, recover]");
    refused(f, "create", UUID_A, client_guest_args("pvh", "../vmlinux", "", "", MEMORY),
            "INVALID_VALUE [kernel, ../vmlinux]");
    refused(f, "create", UUID_A, client_guest_args("hvm", "vmlinux", "", "", MEMORY),
            "INVALID_VALUE [kernel, vmlinux]");
    refused(f, "shutdown", UUID_A, client_shutdown_args("explode", 5),
            "INVALID_VALUE [how, explode]");
    refused(f, "shutdown", UUID_A, client_shutdown_args("reboot", -5),
            "INVALID_VALUE [timeout, -5]");
    g_assert_false(client_run(f->client, "op id", "destroy", UUID_A, NULL, NULL, &error));
    g_assert_cmpstr(error->message, ==, "INVALID_VALUE [op_id, op id]");
}

static void
test_memory(struct fixture *f, gconstpointer data)
{
    (void)data;
    conf(f, "memory=1342177280\ndom0_memory=1073741824");
    create(f, UUID_A);
    refused(f, "create", UUID_B, client_guest_args("pv", "vmlinux", "", "", 2 * MEMORY),
            "HOST_NOT_ENOUGH_FREE_MEMORY [268435456, 134217728]");
    assert_state(f, UUID_B, "absent");
    create(f, UUID_B);
}

static void
test_shutdown_timeout(struct fixture *f, gconstpointer data)
{
    (void)data;
    create(f, UUID_A);
    act(f, "unpause", UUID_A);
    tell(f, "refuse-shutdown " UUID_A);
    refused(f, "shutdown", UUID_A, client_shutdown_args("poweroff", 1),
            "VM_SHUTDOWN_TIMEOUT [" UUID_A ", 1]");
    assert_state(f, UUID_A, "running");

    /* One that waits for a guest is ended by a destroy. */
    g_autoptr(GError) error = NULL;
    g_assert_true(client_begin(f->client, "clean", "shutdown", UUID_A,
                               client_shutdown_args("poweroff", 600), &error));
    act(f, "destroy", UUID_A);
    g_assert_true(client_wait(f->client, "clean", NULL, &error));

    conf(f, "boot_ms=60000");
    create(f, UUID_B);
    act(f, "unpause", UUID_B);
    refused(f, "shutdown", UUID_B, client_shutdown_args("poweroff", 5),
            "VM_LACKS_FEATURE [" UUID_B "]");
}

static void
test_slow_shutdown(struct fixture *f, gconstpointer data)
{
    gint64 from;

    (void)data;
    conf(f, "shutdown_ms=300");
    create(f, UUID_A);
    act(f, "unpause", UUID_A);
    from = g_get_monotonic_time();
    g_variant_unref(run(f, "shutdown", UUID_A, client_shutdown_args("poweroff", 30)));
    /* Neither before the guest has ended, nor at the time-out. */
    g_assert_cmpint(g_get_monotonic_time() - from, >=, 300 * 1000);
    g_assert_cmpint(g_get_monotonic_time() - from, <, 10 * G_USEC_PER_SEC);
    assert_state(f, UUID_A, "shutdown");
}

static void
test_guests_act(struct fixture *f, gconstpointer data)
{
    static const struct {
        const char *command, *reason;
    } acts[] = {{"halt", "poweroff"}, {"reboot", "reboot"}, {"crash", "crash"}};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(acts); i++) {
        g_autofree char *command = g_strdup_printf("%s %s", acts[i].command, UUID_A);

        create(f, UUID_A);
        act(f, "unpause", UUID_A);
        client_settle(50);
        tell(f, command);
        g_assert_true(client_wait_changed(f->client, UUID_A, 5000));
        assert_state(f, UUID_A, "shutdown");
        assert_reason(f, UUID_A, acts[i].reason);
        act(f, "destroy", UUID_A);
    }
    client_settle(50);
    send_command(f, "xl-create " UUID_B " foreign");
    g_assert_true(client_wait_changed(f->client, UUID_B, 5000));
    g_autoptr(GVariant) domain = client_domain(f->client, UUID_B);
    gboolean ours = TRUE;
    g_variant_lookup(domain, "ours", "b", &ours);
    g_assert_false(ours);
    send_command(f, "xl-destroy " UUID_B);
    g_assert_true(client_wait_changed(f->client, UUID_B, 5000));
    assert_state(f, UUID_B, "absent");
}

static void
test_guests_outlive(struct fixture *f, gconstpointer data)
{
    (void)data;
    create(f, UUID_A);
    create(f, UUID_B);
    act(f, "unpause", UUID_A);
    act(f, "unpause", UUID_B);
    client_kill(g_steal_pointer(&f->client));
    tell(f, "halt " UUID_B);
    start_with(f, NULL, NULL);
    g_assert_true(client_wait_state(f->client, UUID_B, "shutdown", 20000));
    assert_state(f, UUID_A, "running");
}

/* The whole program is killed while a domain is being built. */
static void
test_killed_in_create(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    conf(f, "create_ms=2000");
    for (int ms = 0; ms < 100; ms += 20) {
        g_assert_true(client_begin(f->client, "build", "create", UUID_A, guest_args(), &error));
        client_settle(ms);
        restart_with(f, NULL, NULL);
        assert_state(f, UUID_A, "absent");
    }
    conf(f, "create_ms=0");
    g_assert_true(client_run(f->client, "build", "create", UUID_A, guest_args(), NULL, &error));
    assert_state(f, UUID_A, "paused");
}

/* Each worker dies at a point of an operation; what is answered is what is true. */
static void
test_workers_die(struct fixture *f, gconstpointer data)
{
    static const struct {
        const char *fault, *verb;
        bool succeeds;
        const char *state;
    } cases[] = {
        {"create.before=kill", "create", false, "absent"},
        {"create.after-mark=kill", "create", false, "absent"},
        {"create.after-build=kill", "create", false, "absent"},
        {"create.after-record=kill", "create", true, "paused"},
        {"unpause.before=kill", "unpause", false, "paused"},
        {"unpause.after=kill", "unpause", true, "running"},
        {"pause.before=kill", "pause", false, "running"},
        {"pause.after=kill", "pause", true, "paused"},
        {"shutdown.before=kill", "shutdown", false, "running"},
        {"shutdown.after=kill", "shutdown", true, "shutdown"},
        {"destroy.before=kill", "destroy", false, "running"},
        {"destroy.after=kill", "destroy", true, "absent"},
        {"create.after-build=error", "create", false, "absent"},
        {"destroy.before=error", "destroy", false, "running"},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *verb = cases[i].verb;
        bool needs_domain = !g_str_equal(verb, "create");
        bool needs_running = needs_domain && !g_str_equal(verb, "unpause");
        g_autofree char *op = next_op(f);
        g_autoptr(GError) error = NULL;
        GVariant *args = NULL;
        bool ok;

        act(f, "destroy", UUID_A);
        if (needs_domain)
            create(f, UUID_A);
        if (needs_running)
            act(f, "unpause", UUID_A);
        if (g_str_equal(verb, "create"))
            args = guest_args();
        if (g_str_equal(verb, "shutdown"))
            args = client_shutdown_args("poweroff", 5);
        restart_with(f, cases[i].fault, NULL);
        ok = client_run(f->client, op, verb, UUID_A, args, NULL, &error);
        g_test_message("%s: %s", cases[i].fault, ok ? "ok" : error->message);
        g_assert_cmpint(ok, ==, cases[i].succeeds);
        if (!ok)
            g_assert_true(g_str_has_prefix(error->message, "INTERNAL_ERROR ["));
        assert_state(f, UUID_A, cases[i].state);
        restart_with(f, NULL, NULL);
    }
}

/* One worker dies: what may be done again is. */
static void
test_worker_dies(struct fixture *f, gconstpointer data)
{
    static const struct {
        const char *fault, *verb, *state;
    } cases[] = {
        {"create.after-mark=kill", "create", "paused"},
        {"create.after-build=kill", "create", "paused"},
        {"unpause.before=kill", "unpause", "running"},
        {"pause.before=kill", "pause", "paused"},
        {"destroy.before=kill", "destroy", "absent"},
        {"shutdown.before=kill", "shutdown", NULL},
    };

    (void)data;
    g_assert_true(g_setenv("XAPID_TEST_FAULT_DIR", f->dir, TRUE));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *verb = cases[i].verb;
        g_autofree char *op = next_op(f);
        g_autoptr(GError) error = NULL;
        GVariant *args = g_str_equal(verb, "create") ? guest_args() : NULL;
        bool ok;

        if (g_str_equal(verb, "create"))
            act(f, "destroy", UUID_A);
        if (g_str_equal(verb, "shutdown")) {
            create(f, UUID_A);
            act(f, "unpause", UUID_A);
            args = client_shutdown_args("poweroff", 5);
        }
        restart_with(f, cases[i].fault, NULL);
        ok = client_run(f->client, op, verb, UUID_A, args, NULL, &error);
        g_test_message("%s: %s", cases[i].fault, ok ? "ok" : error->message);
        g_assert_cmpint(ok, ==, cases[i].state != NULL);
        assert_state(f, UUID_A, ok ? cases[i].state : "running");
    }
    g_unsetenv("XAPID_TEST_FAULT_DIR");
}

static void
test_worker_hangs(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gint64 from = g_get_monotonic_time();

    (void)data;
    restart_with(f, "create.after-build=delay:30000", "1");
    g_assert_true(client_begin(f->client, "hangs", "create", UUID_A, guest_args(), &error));
    /* The others go on meanwhile. */
    act(f, "destroy", UUID_B);
    assert_state(f, UUID_B, "absent");
    g_assert_false(client_wait(f->client, "hangs", NULL, &error));
    g_assert_true(api_error_is(error, "INTERNAL_ERROR"));
    g_assert_cmpint(g_get_monotonic_time() - from, <, 20 * G_USEC_PER_SEC);
    assert_state(f, UUID_A, "absent");
}

static void
test_abort(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) second = NULL;

    (void)data;
    conf(f, "create_ms=20000");
    g_assert_true(client_begin(f->client, "long", "create", UUID_A, guest_args(), &error));
    g_assert_true(client_begin(f->client, "next", "destroy", UUID_A, NULL, &error));
    client_settle(100);
    g_assert_true(peer_domains1_call_abort_sync(f->client->proxy, "next", NULL, &error));
    g_assert_false(client_wait(f->client, "next", NULL, &error));
    g_assert_cmpstr(error->message, ==, "TASK_CANCELLED [next]");
    g_assert_true(peer_domains1_call_abort_sync(f->client->proxy, "long", NULL, &second));
    g_assert_false(client_wait(f->client, "long", NULL, &second));
    g_assert_cmpstr(second->message, ==, "TASK_CANCELLED [long]");
    assert_state(f, UUID_A, "absent");
}

/* Builds of different domains run side by side, operations of one domain in order. */
static void
test_parallel(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gint64 from = g_get_monotonic_time();

    (void)data;
    conf(f, "create_ms=1500");
    g_assert_true(client_begin(f->client, "c1", "create", UUID_A, guest_args(), &error));
    g_assert_true(client_begin(f->client, "u1", "unpause", UUID_A, NULL, &error));
    g_assert_true(client_begin(f->client, "c2", "create", UUID_B, guest_args(), &error));
    g_assert_true(client_begin(f->client, "u2", "unpause", UUID_B, NULL, &error));
    g_assert_true(client_wait(f->client, "u1", NULL, &error));
    g_assert_true(client_wait(f->client, "u2", NULL, &error));
    g_assert_cmpint(g_get_monotonic_time() - from, <, 2 * 1500 * 1000); /* one after the other */
    assert_state(f, UUID_A, "running");
    assert_state(f, UUID_B, "running");
}

#define MANY 300

static void
test_many(struct fixture *f, gconstpointer data)
{
    static const char *const verbs[] = {"create", "unpause", "destroy"};
    g_autoptr(GError) error = NULL;

    (void)data;
    for (size_t v = 0; v < G_N_ELEMENTS(verbs); v++) {
        for (int i = 0; i < MANY; i++) {
            g_autofree char *uuid = g_strdup_printf("bbbbbbbb-0000-4000-8000-%012d", i);
            g_autofree char *op = g_strdup_printf("%s-%d", verbs[v], i);
            GVariant *args = v == 0 ? guest_args() : NULL;

            g_assert_true(client_begin(f->client, op, verbs[v], uuid, args, &error));
        }
        for (int i = 0; i < MANY; i++) {
            g_autofree char *op = g_strdup_printf("%s-%d", verbs[v], i);

            client_wait(f->client, op, NULL, &error);
            g_assert_no_error(error);
        }
        g_autoptr(GVariant) domains = client_list(f->client, "", &error);
        g_assert_no_error(error);
        g_assert_cmpint(g_variant_n_children(domains), ==, v == 2 ? 1 : MANY + 1);
    }
}

static void
test_host_info(struct fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) info = NULL;
    g_autoptr(GError) error = NULL;
    gint64 memory = 0;
    const char *backend;

    (void)data;
    conf(f, "memory=8589934592\ndom0_memory=1073741824\ncpus=4");
    create(f, UUID_A);
    g_assert_true(peer_domains1_call_host_info_sync(f->client->proxy, &info, NULL, &error));
    g_assert_true(g_variant_lookup(info, "memory_free", "x", &memory));
    g_assert_cmpint(memory, ==, (gint64)7 * 1024 * 1024 * 1024 - MEMORY);
    g_assert_true(g_variant_lookup(info, "backend", "&s", &backend));
    g_assert_cmpstr(backend, ==, "sim");
}

/* Every child is killed: guests, questions and events go on. */
static void
test_children_die(struct fixture *f, gconstpointer data)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", (int)client_pid(f->client),
                                            (int)client_pid(f->client));
    g_autofree char *text = NULL;

    (void)data;
    create(f, UUID_A);
    act(f, "unpause", UUID_A);
    client_settle(100);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) pids = g_strsplit(g_strstrip(text), " ", -1);
    g_assert_cmpint(g_strv_length(pids), ==, 7);
    for (char **pid = pids; *pid; pid++)
        kill(atoi(*pid), SIGKILL);
    g_assert_true(client_wait_changed(f->client, "", 10000));
    assert_state(f, UUID_A, "running");
    send_command(f, "halt " UUID_A);
    g_assert_true(client_wait_changed(f->client, UUID_A, 10000));
    act(f, "destroy", UUID_A);
    assert_state(f, UUID_A, "absent");
}

/* The detector itself: two domains of one uuid cannot go unseen. */
static void
test_violation(struct fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, "violations", NULL);
    g_autofree char *text = NULL;

    (void)data;
    create(f, UUID_A);
    tell(f, "xl-create " UUID_A " twin");
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_true(g_str_has_prefix(text, "VIOLATION domain 2 made while domain 1"));
    g_unlink(path);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(struct fixture *, gconstpointer);
    } tests[] = {
        {"lifecycle", test_lifecycle},
        {"wrong-state", test_wrong_state},
        {"repeats", test_repeats},
        {"forget", test_forget},
        {"hostile", test_hostile},
        {"memory", test_memory},
        {"shutdown-timeout", test_shutdown_timeout},
        {"slow-shutdown", test_slow_shutdown},
        {"guests-act", test_guests_act},
        {"guests-outlive", test_guests_outlive},
        {"killed-in-create", test_killed_in_create},
        {"workers-die", test_workers_die},
        {"worker-dies", test_worker_dies},
        {"worker-hangs", test_worker_hangs},
        {"abort", test_abort},
        {"parallel", test_parallel},
        {"many", test_many},
        {"host-info", test_host_info},
        {"children-die", test_children_die},
        {"violation", test_violation},
    };

    g_test_init(&argc, &argv, NULL);
    if (g_getenv("XAPID_DOMAINS"))
        program = g_getenv("XAPID_DOMAINS");
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/domains/service/%s", tests[i].name);
        g_test_add(path, struct fixture, NULL, set_up, tests[i].test, tear_down);
    }
    return g_test_run();
}
