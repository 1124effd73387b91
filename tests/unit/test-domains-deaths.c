/* xapid-domains, its workers and what they do are broken off: what is answered is what is true, and
 * nothing half done is left. */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "tests/unit/service-bed.h"

static void
test_guests_outlive(struct service_bed *bed, gconstpointer data)
{
    (void)data;
    service_create(bed, UUID_A);
    service_create(bed, UUID_B);
    service_act(bed, "unpause", UUID_A);
    service_act(bed, "unpause", UUID_B);
    client_kill(g_steal_pointer(&bed->client));
    service_tell(bed, "halt " UUID_B);
    service_start(bed, NULL, NULL);
    g_assert_true(client_wait_state(bed->client, UUID_B, "shutdown", 20000));
    assert_state(bed, UUID_A, "running");
}

/* The whole program is killed while a domain is being built. */
static void
test_killed_in_create(struct service_bed *bed, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    service_conf(bed, "create_ms=2000");
    for (int ms = 0; ms < 100; ms += 20) {
        g_assert_true(
            client_begin(bed->client, "build", "create", UUID_A, service_guest_args(), &error));
        client_settle(ms);
        service_restart(bed, NULL, NULL);
        assert_state(bed, UUID_A, "absent");
    }
    service_conf(bed, "create_ms=0");
    g_assert_true(
        client_run(bed->client, "build", "create", UUID_A, service_guest_args(), NULL, &error));
    assert_state(bed, UUID_A, "paused");
}

/* Each worker dies at a point of an operation; what is answered is what is true. */
static void
test_workers_die(struct service_bed *bed, gconstpointer data)
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
        g_autofree char *op = service_next_op(bed);
        g_autoptr(GError) error = NULL;
        GVariant *args = NULL;
        bool ok;

        service_act(bed, "destroy", UUID_A);
        if (needs_domain)
            service_create(bed, UUID_A);
        if (needs_running)
            service_act(bed, "unpause", UUID_A);
        if (g_str_equal(verb, "create"))
            args = service_guest_args();
        if (g_str_equal(verb, "shutdown"))
            args = client_shutdown_args("poweroff", 5);
        service_restart(bed, cases[i].fault, NULL);
        ok = client_run(bed->client, op, verb, UUID_A, args, NULL, &error);
        g_test_message("%s: %s", cases[i].fault, ok ? "ok" : error->message);
        g_assert_cmpint(ok, ==, cases[i].succeeds);
        if (!ok)
            g_assert_true(g_str_has_prefix(error->message, "INTERNAL_ERROR ["));
        assert_state(bed, UUID_A, cases[i].state);
        service_restart(bed, NULL, NULL);
    }
}

/* One worker dies: what may be done again is. */
static void
test_worker_dies(struct service_bed *bed, gconstpointer data)
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
    g_assert_true(g_setenv("XAPID_TEST_FAULT_DIR", bed->dir, TRUE));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *verb = cases[i].verb;
        g_autofree char *op = service_next_op(bed);
        g_autoptr(GError) error = NULL;
        GVariant *args = g_str_equal(verb, "create") ? service_guest_args() : NULL;
        bool ok;

        if (g_str_equal(verb, "create"))
            service_act(bed, "destroy", UUID_A);
        if (g_str_equal(verb, "shutdown")) {
            service_create(bed, UUID_A);
            service_act(bed, "unpause", UUID_A);
            args = client_shutdown_args("poweroff", 5);
        }
        service_restart(bed, cases[i].fault, NULL);
        ok = client_run(bed->client, op, verb, UUID_A, args, NULL, &error);
        g_test_message("%s: %s", cases[i].fault, ok ? "ok" : error->message);
        g_assert_cmpint(ok, ==, cases[i].state != NULL);
        assert_state(bed, UUID_A, ok ? cases[i].state : "running");
    }
    g_unsetenv("XAPID_TEST_FAULT_DIR");
}

static void
test_worker_hangs(struct service_bed *bed, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gint64 from = g_get_monotonic_time();

    (void)data;
    service_restart(bed, "create.after-build=delay:30000", "1");
    g_assert_true(
        client_begin(bed->client, "hangs", "create", UUID_A, service_guest_args(), &error));
    /* The others go on meanwhile. */
    service_act(bed, "destroy", UUID_B);
    assert_state(bed, UUID_B, "absent");
    g_assert_false(client_wait(bed->client, "hangs", NULL, &error));
    g_assert_true(api_error_is(error, "INTERNAL_ERROR"));
    g_assert_cmpint(g_get_monotonic_time() - from, <, 20 * G_USEC_PER_SEC);
    assert_state(bed, UUID_A, "absent");
}

static void
test_abort(struct service_bed *bed, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) second = NULL;

    (void)data;
    service_conf(bed, "create_ms=20000");
    g_assert_true(
        client_begin(bed->client, "long", "create", UUID_A, service_guest_args(), &error));
    g_assert_true(client_begin(bed->client, "next", "destroy", UUID_A, NULL, &error));
    client_settle(100);
    g_assert_true(peer_domains1_call_abort_sync(bed->client->proxy, "next", NULL, &error));
    g_assert_false(client_wait(bed->client, "next", NULL, &error));
    g_assert_cmpstr(error->message, ==, "TASK_CANCELLED [next]");
    g_assert_true(peer_domains1_call_abort_sync(bed->client->proxy, "long", NULL, &second));
    g_assert_false(client_wait(bed->client, "long", NULL, &second));
    g_assert_cmpstr(second->message, ==, "TASK_CANCELLED [long]");
    assert_state(bed, UUID_A, "absent");
}

/* Every child is killed: guests, questions and events go on. */
static void
test_children_die(struct service_bed *bed, gconstpointer data)
{
    g_autofree char *path = g_strdup_printf(
        "/proc/%d/task/%d/children", (int)client_pid(bed->client), (int)client_pid(bed->client));
    g_autofree char *text = NULL;

    (void)data;
    service_create(bed, UUID_A);
    service_act(bed, "unpause", UUID_A);
    client_settle(100);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) pids = g_strsplit(g_strstrip(text), " ", -1);
    g_assert_cmpint(g_strv_length(pids), ==, 7);
    for (char **pid = pids; *pid; pid++)
        kill(atoi(*pid), SIGKILL);
    g_assert_true(client_wait_changed(bed->client, "", 10000));
    assert_state(bed, UUID_A, "running");
    service_send(bed, "halt " UUID_A);
    g_assert_true(client_wait_changed(bed->client, UUID_A, 10000));
    service_act(bed, "destroy", UUID_A);
    assert_state(bed, UUID_A, "absent");
}

int
main(int argc, char **argv)
{
    static const struct service_test tests[] = {
        {"guests-outlive", test_guests_outlive}, {"killed-in-create", test_killed_in_create},
        {"workers-die", test_workers_die},       {"worker-dies", test_worker_dies},
        {"worker-hangs", test_worker_hangs},     {"abort", test_abort},
        {"children-die", test_children_die},
    };

    return service_run_tests(argc, argv, "deaths", tests, G_N_ELEMENTS(tests));
}
