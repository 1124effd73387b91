/* xapid-domains as xapid meets it: the program itself on a simulated host, over D-Bus. */
#include "config.h"

#include <glib/gstdio.h>

#include "tests/unit/service-bed.h"

static void
test_lifecycle(struct service_bed *bed, gconstpointer data)
{
    g_autoptr(GVariant) domain = NULL;
    int first, second;

    (void)data;
    first = service_create(bed, UUID_A);
    assert_state(bed, UUID_A, "paused");
    domain = client_domain(bed->client, UUID_A);
    g_autofree char *text = g_variant_print(domain, FALSE);
    g_assert_nonnull(strstr(text, "'name': <'a guest'>"));
    g_assert_nonnull(strstr(text, "'complete': <true>"));
    g_assert_nonnull(strstr(text, "'ours': <true>"));
    g_assert_nonnull(strstr(text, "'op_id': <'op-1'>"));
    g_assert_nonnull(strstr(text, "'type': <'pvh'>"));
    g_assert_nonnull(strstr(text, "'memory_max': <int64 134217728>"));

    service_act(bed, "unpause", UUID_A);
    assert_state(bed, UUID_A, "running");
    service_act(bed, "unpause", UUID_A);
    service_act(bed, "pause", UUID_A);
    assert_state(bed, UUID_A, "paused");
    service_refused(bed, "shutdown", UUID_A, client_shutdown_args("poweroff", 5),
                    "VM_BAD_POWER_STATE [" UUID_A ", running, paused]");
    service_act(bed, "unpause", UUID_A);
    g_variant_unref(service_run(bed, "shutdown", UUID_A, client_shutdown_args("poweroff", 5)));
    assert_state(bed, UUID_A, "shutdown");
    assert_reason(bed, UUID_A, "poweroff");
    service_act(bed, "destroy", UUID_A);
    assert_state(bed, UUID_A, "absent");
    service_act(bed, "destroy", UUID_A);

    second = service_create(bed, UUID_A);
    g_assert_cmpint(second, >, first);
    service_act(bed, "unpause", UUID_A);
    g_variant_unref(service_run(bed, "shutdown", UUID_A, client_shutdown_args("reboot", 5)));
    assert_reason(bed, UUID_A, "reboot");
    service_act(bed, "destroy", UUID_A);
}

static void
test_wrong_state(struct service_bed *bed, gconstpointer data)
{
    (void)data;
    service_refused(bed, "unpause", UUID_A, NULL,
                    "VM_BAD_POWER_STATE [" UUID_A ", paused, halted]");
    service_refused(bed, "pause", UUID_A, NULL, "VM_BAD_POWER_STATE [" UUID_A ", running, halted]");
    service_refused(bed, "shutdown", UUID_A, client_shutdown_args("poweroff", 1),
                    "VM_BAD_POWER_STATE [" UUID_A ", running, halted]");
    service_create(bed, UUID_A);
    service_refused(bed, "create", UUID_A, service_guest_args(),
                    "VM_BAD_POWER_STATE [" UUID_A ", halted, paused]");
    service_tell(bed, "xl-create " UUID_B " foreign");
    service_refused(bed, "create", UUID_B, service_guest_args(),
                    "VM_BAD_POWER_STATE [" UUID_B ", halted, running]");
}

static void
test_repeats(struct service_bed *bed, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) result = NULL;
    int domid = -1, count;

    (void)data;
    g_assert_true(
        client_run(bed->client, "same", "create", UUID_A, service_guest_args(), &result, &error));
    /* Its Done is sent again; nothing is done again. */
    count = bed->client->done_count;
    g_assert_true(
        client_begin(bed->client, "same", "create", UUID_A, service_guest_args(), &error));
    client_settle(50);
    g_assert_cmpint(bed->client->done_count, ==, count + 1);

    /* xapid starts again and asks for what it finds in its journal. */
    g_hash_table_remove_all(bed->client->done);
    g_assert_true(client_reconnect(bed->client, &error));
    g_assert_true(
        client_run(bed->client, "same", "create", UUID_A, service_guest_args(), NULL, &error));

    /* xapid-domains starts again: the operation is unknown, but the domain tells who built it. */
    service_restart(bed, NULL, NULL);
    g_clear_pointer(&result, g_variant_unref);
    g_assert_true(
        client_run(bed->client, "same", "create", UUID_A, service_guest_args(), &result, &error));
    g_variant_lookup(result, "domid", "i", &domid);
    g_assert_cmpint(domid, ==, 1);
    service_refused(bed, "create", UUID_A, service_guest_args(),
                    "VM_BAD_POWER_STATE [" UUID_A ", halted, paused]");
}

static void
test_forget(struct service_bed *bed, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    service_create(bed, UUID_A);
    g_autoptr(GVariant) operations = client_operations(bed->client, &error);
    g_assert_no_error(error);
    g_autofree char *text = g_variant_print(operations, FALSE);
    g_assert_cmpstr(text, ==, "[('op-1', '" UUID_A "', 'create', 'done')]");
    g_assert_true(peer_domains1_call_forget_sync(bed->client->proxy, "op-1", NULL, &error));
    g_autoptr(GVariant) none = client_operations(bed->client, &error);
    g_assert_cmpint(g_variant_n_children(none), ==, 0);
}

static void
test_hostile(struct service_bed *bed, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    service_refused(bed, "destroy", "../../etc/passwd", NULL,
                    "INVALID_VALUE [uuid, ../../etc/passwd]");
    service_refused(bed, "destroy", "00000000-0000-0000-0000-000000000000", NULL,
                    "INVALID_VALUE [uuid, 00000000-0000-0000-0000-000000000000]");
    service_refused(bed, "format", UUID_A, NULL, "INVALID_VALUE [verb, format]");
    service_refused(bed, "recover", UUID_A, NULL, "INVALID_VALUE [verb, recover]");
    service_refused(bed, "create", UUID_A, client_guest_args("pvh", "../vmlinux", "", "", MEMORY),
                    "INVALID_VALUE [kernel, ../vmlinux]");
    service_refused(bed, "create", UUID_A, client_guest_args("hvm", "vmlinux", "", "", MEMORY),
                    "INVALID_VALUE [kernel, vmlinux]");
    service_refused(bed, "shutdown", UUID_A, client_shutdown_args("explode", 5),
                    "INVALID_VALUE [how, explode]");
    service_refused(bed, "shutdown", UUID_A, client_shutdown_args("reboot", -5),
                    "INVALID_VALUE [timeout, -5]");
    g_assert_false(client_run(bed->client, "op id", "destroy", UUID_A, NULL, NULL, &error));
    g_assert_cmpstr(error->message, ==, "INVALID_VALUE [op_id, op id]");
}

static void
test_memory(struct service_bed *bed, gconstpointer data)
{
    (void)data;
    service_conf(bed, "memory=1342177280\ndom0_memory=1073741824");
    service_create(bed, UUID_A);
    service_refused(bed, "create", UUID_B, client_guest_args("pv", "vmlinux", "", "", 2 * MEMORY),
                    "HOST_NOT_ENOUGH_FREE_MEMORY [268435456, 134217728]");
    assert_state(bed, UUID_B, "absent");
    service_create(bed, UUID_B);
}

static void
test_shutdown_timeout(struct service_bed *bed, gconstpointer data)
{
    (void)data;
    service_create(bed, UUID_A);
    service_act(bed, "unpause", UUID_A);
    service_tell(bed, "refuse-shutdown " UUID_A);
    service_refused(bed, "shutdown", UUID_A, client_shutdown_args("poweroff", 1),
                    "VM_SHUTDOWN_TIMEOUT [" UUID_A ", 1]");
    assert_state(bed, UUID_A, "running");

    /* One that waits for a guest is ended by a destroy. */
    g_autoptr(GError) error = NULL;
    g_assert_true(client_begin(bed->client, "clean", "shutdown", UUID_A,
                               client_shutdown_args("poweroff", 600), &error));
    service_act(bed, "destroy", UUID_A);
    g_assert_true(client_wait(bed->client, "clean", NULL, &error));

    service_conf(bed, "boot_ms=60000");
    service_create(bed, UUID_B);
    service_act(bed, "unpause", UUID_B);
    service_refused(bed, "shutdown", UUID_B, client_shutdown_args("poweroff", 5),
                    "VM_LACKS_FEATURE [" UUID_B "]");
}

static void
test_slow_shutdown(struct service_bed *bed, gconstpointer data)
{
    gint64 from;

    (void)data;
    service_conf(bed, "shutdown_ms=300");
    service_create(bed, UUID_A);
    service_act(bed, "unpause", UUID_A);
    from = g_get_monotonic_time();
    g_variant_unref(service_run(bed, "shutdown", UUID_A, client_shutdown_args("poweroff", 30)));
    /* Neither before the guest has ended, nor at the time-out. */
    g_assert_cmpint(g_get_monotonic_time() - from, >=, 300 * 1000);
    g_assert_cmpint(g_get_monotonic_time() - from, <, 10 * G_USEC_PER_SEC);
    assert_state(bed, UUID_A, "shutdown");
}

static void
test_guests_act(struct service_bed *bed, gconstpointer data)
{
    static const struct {
        const char *command, *reason;
    } acts[] = {{"halt", "poweroff"}, {"reboot", "reboot"}, {"crash", "crash"}};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(acts); i++) {
        g_autofree char *command = g_strdup_printf("%s %s", acts[i].command, UUID_A);

        service_create(bed, UUID_A);
        service_act(bed, "unpause", UUID_A);
        client_settle(50);
        service_tell(bed, command);
        g_assert_true(client_wait_changed(bed->client, UUID_A, 5000));
        assert_state(bed, UUID_A, "shutdown");
        assert_reason(bed, UUID_A, acts[i].reason);
        service_act(bed, "destroy", UUID_A);
    }
    client_settle(50);
    service_send(bed, "xl-create " UUID_B " foreign");
    g_assert_true(client_wait_changed(bed->client, UUID_B, 5000));
    g_autoptr(GVariant) domain = client_domain(bed->client, UUID_B);
    gboolean ours = TRUE;
    g_variant_lookup(domain, "ours", "b", &ours);
    g_assert_false(ours);
    service_send(bed, "xl-destroy " UUID_B);
    g_assert_true(client_wait_changed(bed->client, UUID_B, 5000));
    assert_state(bed, UUID_B, "absent");
}

/* Builds of different domains run side by side, operations of one domain in order. */
static void
test_parallel(struct service_bed *bed, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gint64 from = g_get_monotonic_time();

    (void)data;
    service_conf(bed, "create_ms=1500");
    g_assert_true(client_begin(bed->client, "c1", "create", UUID_A, service_guest_args(), &error));
    g_assert_true(client_begin(bed->client, "u1", "unpause", UUID_A, NULL, &error));
    g_assert_true(client_begin(bed->client, "c2", "create", UUID_B, service_guest_args(), &error));
    g_assert_true(client_begin(bed->client, "u2", "unpause", UUID_B, NULL, &error));
    g_assert_true(client_wait(bed->client, "u1", NULL, &error));
    g_assert_true(client_wait(bed->client, "u2", NULL, &error));
    g_assert_cmpint(g_get_monotonic_time() - from, <, 2 * 1500 * 1000); /* one after the other */
    assert_state(bed, UUID_A, "running");
    assert_state(bed, UUID_B, "running");
}

#define MANY 300

static void
test_many(struct service_bed *bed, gconstpointer data)
{
    static const char *const verbs[] = {"create", "unpause", "destroy"};
    g_autoptr(GError) error = NULL;

    (void)data;
    for (size_t v = 0; v < G_N_ELEMENTS(verbs); v++) {
        for (int i = 0; i < MANY; i++) {
            g_autofree char *uuid = g_strdup_printf("bbbbbbbb-0000-4000-8000-%012d", i);
            g_autofree char *op = g_strdup_printf("%s-%d", verbs[v], i);
            GVariant *args = v == 0 ? service_guest_args() : NULL;

            g_assert_true(client_begin(bed->client, op, verbs[v], uuid, args, &error));
        }
        for (int i = 0; i < MANY; i++) {
            g_autofree char *op = g_strdup_printf("%s-%d", verbs[v], i);

            client_wait(bed->client, op, NULL, &error);
            g_assert_no_error(error);
        }
        g_autoptr(GVariant) domains = client_list(bed->client, "", &error);
        g_assert_no_error(error);
        g_assert_cmpint(g_variant_n_children(domains), ==, v == 2 ? 1 : MANY + 1);
    }
}

static void
test_host_info(struct service_bed *bed, gconstpointer data)
{
    g_autoptr(GVariant) info = NULL;
    g_autoptr(GError) error = NULL;
    gint64 memory = 0;
    const char *backend;

    (void)data;
    service_conf(bed, "memory=8589934592\ndom0_memory=1073741824\ncpus=4");
    service_create(bed, UUID_A);
    g_assert_true(peer_domains1_call_host_info_sync(bed->client->proxy, &info, NULL, &error));
    g_assert_true(g_variant_lookup(info, "memory_free", "x", &memory));
    g_assert_cmpint(memory, ==, (gint64)7 * 1024 * 1024 * 1024 - MEMORY);
    g_assert_true(g_variant_lookup(info, "backend", "&s", &backend));
    g_assert_cmpstr(backend, ==, "sim");
}

/* The detector itself: two domains of one uuid cannot go unseen. */
static void
test_violation(struct service_bed *bed, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bed->dir, "violations", NULL);
    g_autofree char *text = NULL;

    (void)data;
    service_create(bed, UUID_A);
    service_tell(bed, "xl-create " UUID_A " twin");
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_true(g_str_has_prefix(text, "VIOLATION domain 2 made while domain 1"));
    g_unlink(path);
}

int
main(int argc, char **argv)
{
    static const struct service_test tests[] = {
        {"lifecycle", test_lifecycle},
        {"wrong-state", test_wrong_state},
        {"repeats", test_repeats},
        {"forget", test_forget},
        {"hostile", test_hostile},
        {"memory", test_memory},
        {"shutdown-timeout", test_shutdown_timeout},
        {"slow-shutdown", test_slow_shutdown},
        {"guests-act", test_guests_act},
        {"parallel", test_parallel},
        {"many", test_many},
        {"host-info", test_host_info},
        {"violation", test_violation},
    };

    return service_run_tests(argc, argv, "service", tests, G_N_ELEMENTS(tests));
}
