/* xapid-host as xapid sees it: real PAM modules on accounts of the test's own. */
#include "config.h"

#include "tests/unit/host-harness.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "xapid/host/service.h"

#define AT_ONCE 64   /* checks that xapid-host runs at once */
#define GROUPS_MAX 8 /* of a test account */

static void
test_right_password(void)
{
    struct host host;
    const struct answer *answer;
    gsize count = 0;
    const guint32 *groups;

    host_start(&host, NULL);
    host_begin(&host, 7, "alice", PASSWORD);
    host_wait(&host, 1, CHECK_SECONDS);
    answer = host_answer(&host, 7);
    g_test_message("%s: %s", answer->outcome, answer->message);
    g_assert_cmpstr(answer->outcome, ==, "ok");
    g_assert_cmpstr(answer->user, ==, "alice");
    g_assert_cmpuint(answer->uid, ==, 5001);
    groups = g_variant_get_fixed_array(answer->groups, &count, sizeof *groups);
    g_assert_cmpuint(count, ==, 2);
    g_assert_true((groups[0] == 5001 && groups[1] == 5100) ||
                  (groups[0] == 5100 && groups[1] == 5001));

    g_assert_cmpstr(host_authenticate(&host, "root", PASSWORD), ==, "ok");
    host_stop(&host);
}

static void
test_refusals(void)
{
    static const struct {
        const char *user, *password, *outcome;
    } cases[] = {
        {"alice", "wrong", "denied"},   {"alice", PASSWORD "x", "denied"},
        {"alice", "", "denied"},        {"alice", "Secret", "denied"},
        {"root", "wrong", "denied"},    {"nobody-such", PASSWORD, "denied"},
        {"empty", "", "denied"},        {"empty", "anything", "denied"},
        {"locked", PASSWORD, "denied"}, {"locked", "!", "denied"},
        {"gone", PASSWORD, "expired"},  {"gone", "wrong", "denied"},
        {"stale", PASSWORD, "expired"}, {"Alice", PASSWORD, "denied"},
        {"staff", PASSWORD, "denied"},
    };
    struct host host;

    host_start(&host, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *outcome = host_authenticate(&host, cases[i].user, cases[i].password);
        const struct answer *answer = &host.answers[host.n_answers - 1];

        g_test_message("%s with \"%s\": %s", cases[i].user, cases[i].password, outcome);
        g_assert_cmpstr(outcome, ==, cases[i].outcome);
        /* Nothing to mistake for an identity: uid 0 is not enough of one without "ok". */
        g_assert_cmpstr(answer->user, ==, "");
        g_assert_cmpuint(g_variant_n_children(answer->groups), ==, 0);
    }
    host_stop(&host);
}

static void
test_hostile_names(void)
{
    static const char *const names[] = {"",
                                        "-x",
                                        "--authenticate",
                                        "../x",
                                        "../../etc/shadow",
                                        "alice\n",
                                        "a\nb",
                                        "alice ",
                                        " alice",
                                        "alice:x",
                                        "ali\tce",
                                        "/",
                                        ".",
                                        "..",
                                        "%s%n",
                                        "$(reboot)",
                                        "alice;reboot",
                                        "\x01",
                                        "\xc3\xa9",
                                        "a$b",
                                        "@alice",
                                        "+",
                                        "+:::::"};
    struct host host;
    g_autofree char *long_name = g_strnfill(10 * 1024, 'a');
    g_autofree char *long_password = g_strnfill(10 * 1024, 'p');
    g_autofree char *longest_password = g_strnfill(511, 'p');
    gboolean found = TRUE;
    g_autoptr(GError) error = NULL;

    host_start(&host, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *kind = NULL;

        g_assert_cmpstr(host_authenticate(&host, names[i], PASSWORD), ==, "denied");
        peer_host1_call_lookup_name_sync(host.proxy, names[i], &found, &kind, NULL, NULL, &error);
        g_assert_no_error(error);
        g_assert_false(found);
    }
    g_assert_cmpstr(host_authenticate(&host, long_name, PASSWORD), ==, "denied");
    g_assert_cmpstr(host_authenticate(&host, "alice", long_password), ==, "denied");
    g_assert_cmpstr(host_authenticate(&host, "alice", longest_password), ==, "denied");
    g_assert_cmpstr(host_authenticate(&host, "alice", "a\nb"), ==, "denied");
    g_assert_cmpstr(host_authenticate(&host, "alice", PASSWORD), ==, "ok");
    host_stop(&host);
}

/* Refused before anything is looked for. */
static void
test_hostile_bridges(void)
{
    static const struct {
        const char *name;
        guint mtu;
        const char *uplink;
        int tag;
    } cases[] = {{"lan", 1500, "../eth0", -1},
                 {"lan", 1500, "eth0;reboot", 10},
                 {"lan", 1500, "vif1.0", -1},
                 {"lan", 1500, "eth0", -2},
                 {"lan", 1500, "eth0", 4095},
                 {"", 1500, "", -1},
                 {"all", 1500, "", -1},
                 {"../x", 1500, "", -1},
                 {"a b", 1500, "", -1},
                 {"x;reboot", 1500, "", -1},
                 {"vif1.0", 1500, "", -1},
                 {"-x", 1500, "", -1},
                 {"xapi0123456789x", 1500 + (1u << 31), "", -1},
                 {"xapi0", 0, "", -1},
                 {"xapi0", 67, "", -1},
                 {"xapi0", 65518, "", -1},
                 {"xapi0", G_MAXUINT32, "", -1},
                 {"xapi0123456789xy", 1500, "", -1}};
    struct host host;

    host_start(&host, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GVariant) network = g_variant_ref_sink(
            g_variant_new("(sbusi@(asssa{ss}))", cases[i].name, TRUE, cases[i].mtu, cases[i].uplink,
                          cases[i].tag, g_variant_new_parsed("(@as [], '', '', @a{ss} {})")));
        g_autoptr(GError) error = NULL, all = NULL, again = NULL;
        g_autofree char *outcome = NULL;
        g_auto(GStrv) outcomes = NULL;
        gboolean removed;

        g_assert_false(
            peer_host1_call_ensure_bridge_sync(host.proxy, network, &outcome, NULL, &error));
        g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
        g_assert_false(peer_host1_call_apply_networks_sync(
            host.proxy, g_variant_new_array(NULL, &network, 1), &outcomes, NULL, &all));
        g_assert_error(all, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
        if (*cases[i].uplink ||
            (g_str_has_prefix(cases[i].name, "xapi0") && strlen(cases[i].name) < 16))
            continue;
        g_assert_false(
            peer_host1_call_remove_bridge_sync(host.proxy, cases[i].name, &removed, NULL, &again));
        g_assert_error(again, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
    }
    host_stop(&host);
}

/* Bytes that D-Bus could not have brought: NULs, too few and too many fields. */
static void
test_child_refuses_nonsense(void)
{
    static const struct {
        const char *mode;
        const char *bytes;
        gsize length;
    } cases[] = {
        {"--authenticate", "", 0},
        {"--authenticate", "xapid", 5},
        {"--authenticate", "xapid\0alice\0secret", 18},
        {"--authenticate", "xapid\0alice\0secret\0more\0", 24},
        {"--authenticate", "\0\0\0\0", 4},
        {"--lookup", "name\0", 5},
        {"--lookup", "name\0a\0b\0", 9},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) input = g_bytes_new_static(cases[i].bytes, cases[i].length);
        g_autoptr(GBytes) output = NULL;
        g_autoptr(GSubprocess) child =
            g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                             HOST_PROGRAM, cases[i].mode, NULL);

        g_assert_no_error(error);
        g_subprocess_communicate(child, input, NULL, &output, NULL, NULL);
        g_assert_true(g_subprocess_get_if_exited(child));
        g_assert_cmpint(g_subprocess_get_exit_status(child), !=, 0);
        g_assert_cmpuint(g_bytes_get_size(output), ==, 0);
    }
}

static void
test_accounts(void)
{
    struct host host;
    gboolean found;
    guint32 id;
    g_autoptr(GError) error = NULL;

    host_start(&host, NULL);
    {
        g_autofree char *kind = NULL;
        peer_host1_call_lookup_name_sync(host.proxy, "alice", &found, &kind, &id, NULL, &error);
        g_assert_no_error(error);
        g_assert_true(found);
        g_assert_cmpstr(kind, ==, "user");
        g_assert_cmpuint(id, ==, 5001);
    }
    {
        g_autofree char *kind = NULL;
        peer_host1_call_lookup_name_sync(host.proxy, "staff", &found, &kind, &id, NULL, &error);
        g_assert_no_error(error);
        g_assert_true(found);
        g_assert_cmpstr(kind, ==, "group");
        g_assert_cmpuint(id, ==, 5100);
    }
    {
        g_autofree char *kind = NULL;
        peer_host1_call_lookup_name_sync(host.proxy, "bob", &found, &kind, &id, NULL, &error);
        g_assert_no_error(error);
        g_assert_false(found);
    }
    {
        g_autofree char *name = NULL, *full_name = NULL;
        g_autoptr(GVariant) groups = NULL;
        peer_host1_call_lookup_id_sync(host.proxy, "user", 5001, &found, &name, &full_name, &groups,
                                       NULL, &error);
        g_assert_no_error(error);
        g_assert_true(found);
        g_assert_cmpstr(name, ==, "alice");
        g_assert_cmpstr(full_name, ==, "Alice Example");
        g_assert_cmpuint(g_variant_n_children(groups), ==, 2);
    }
    {
        g_autofree char *name = NULL, *full_name = NULL;
        g_autoptr(GVariant) groups = NULL;
        peer_host1_call_lookup_id_sync(host.proxy, "group", 5100, &found, &name, &full_name,
                                       &groups, NULL, &error);
        g_assert_no_error(error);
        g_assert_true(found);
        g_assert_cmpstr(name, ==, "staff");
        g_assert_cmpuint(g_variant_n_children(groups), ==, 0);
    }
    for (int i = 0; i < 2; i++) {
        g_autofree char *name = NULL, *full_name = NULL;
        g_autoptr(GVariant) groups = NULL;
        peer_host1_call_lookup_id_sync(host.proxy, "user", i ? G_MAXUINT32 : 4242, &found, &name,
                                       &full_name, &groups, NULL, &error);
        g_assert_no_error(error);
        g_assert_false(found);
    }
    peer_host1_call_lookup_id_sync(host.proxy, "machine", 1, &found, NULL, NULL, NULL, NULL,
                                   &error);
    g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
    host_stop(&host);
}

static guint
count_outcome(const struct host *host, const char *outcome)
{
    guint count = 0;

    for (guint i = 0; i < host->n_answers; i++)
        count += g_str_equal(host->answers[i].outcome, outcome);
    return count;
}

/* Starts checks until one is refused; all that were not refused end as they should. */
static void
test_many_at_once(void)
{
    struct host host;
    guint sent = 0, busy;

    host_start_unwrapped(&host, "host.authenticate.before=delay:8000");
    while (count_outcome(&host, "busy") == 0) {
        /* More than 64 only if this machine is so slow that the first ones have ended. */
        g_assert_cmpuint(sent, <, ANSWERS_MAX - 8);
        host_begin(&host, sent, "alice", sent % 2 ? PASSWORD : "wrong");
        sent++;
        turn(1);
    }
    /* Answers come in order: what ended before the refusal has been counted. */
    for (busy = 0; !g_str_equal(host.answers[busy].outcome, "busy"); busy++)
        ;
    g_assert_cmpuint(host.answers[busy].id, ==, AT_ONCE + busy);
    host_wait(&host, sent, CHECK_SECONDS + 5);
    for (guint i = 0; i < sent; i++) {
        const char *outcome = host_answer(&host, i)->outcome;

        if (!g_str_equal(outcome, "busy"))
            g_assert_cmpstr(outcome, ==, i % 2 ? "ok" : "denied");
    }
    /* and there is room again */
    g_assert_cmpstr(host_authenticate(&host, "alice", PASSWORD), ==, "ok");
    host_stop(&host);
}

static pid_t
wait_for_child(struct host *host)
{
    pid_t pid = 0;

    for (int i = 0; i < 2000 && host_children(host, &pid, 1) == 0; i++)
        turn(1);
    g_assert_cmpint(pid, >, 0);
    return pid;
}

static void
assert_no_secret(pid_t pid, const char *file)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, file), *text = NULL;
    gsize length = 0;

    g_assert_true(g_file_get_contents(path, &text, &length, NULL));
    g_assert_cmpuint(length, >, 0);
    g_assert_null(memmem(text, length, PASSWORD, strlen(PASSWORD)));
}

static void
test_child_killed(void)
{
    struct host host;
    pid_t child;

    host_start(&host, "host.authenticate.before=delay:8000@1");
    host_begin(&host, 1, "alice", PASSWORD);
    child = wait_for_child(&host);
    turn(100); /* past its exec */
    assert_no_secret(child, "cmdline");
    assert_no_secret(child, "environ");
    g_assert_cmpint(kill(child, SIGKILL), ==, 0);
    host_wait(&host, 1, 3);
    g_assert_cmpstr(host_answer(&host, 1)->outcome, ==, "error");
    g_assert_cmpstr(host_answer(&host, 1)->user, ==, "");
    host_stop(&host);
}

static void
test_child_hangs(void)
{
    struct host host;
    gint64 start;
    pid_t child;
    gboolean found = FALSE;

    host_start(&host, "host.authenticate.before=delay:60000");
    start = g_get_monotonic_time();
    host_begin(&host, 1, "alice", PASSWORD);
    child = wait_for_child(&host);
    /* Nobody else waits meanwhile. */
    g_assert_true(
        peer_host1_call_lookup_name_sync(host.proxy, "alice", &found, NULL, NULL, NULL, NULL));
    g_assert_true(found);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
    host_wait(&host, 1, CHECK_SECONDS + 3);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, (CHECK_SECONDS - 1) * G_USEC_PER_SEC);
    g_assert_cmpstr(host_answer(&host, 1)->outcome, ==, "error");
    g_assert_cmpint(kill(child, 0), ==, -1);
    g_assert_cmpint(errno, ==, ESRCH);
    host_stop(&host);
}

/* A new xapid numbers its checks from the start: an old answer must not look like its own. */
static void
test_answers_stay_with_their_peer(void)
{
    struct host host;

    host_start(&host, "host.authenticate.before=delay:1000");
    host_begin(&host, 1, "alice", PASSWORD);
    wait_for_child(&host);
    host_connect(&host);
    turn(2500);
    g_assert_cmpuint(host.n_answers, ==, 0);
    host_begin(&host, 1, "alice", "wrong");
    host_wait(&host, 1, CHECK_SECONDS);
    g_assert_cmpstr(host_answer(&host, 1)->outcome, ==, "denied");
    turn(200);
    g_assert_cmpuint(host.n_answers, ==, 1);
    host_stop(&host);
}

static void
change(struct host *host, guint64 id, const char *user, const char *password, const char *outcome)
{
    g_autoptr(GError) error = NULL;

    peer_host1_call_change_password_sync(host->proxy, id, user, password, NULL, &error);
    g_assert_no_error(error);
    host_wait(host, host->n_answers + 1, CHECK_SECONDS);
    g_assert_cmpstr(host_answer(host, id)->outcome, ==, outcome);
}

static void
test_change_password(void)
{
    struct host host;
    g_autofree char *path = NULL, *text = NULL;

    host_start(&host, NULL);
    path = g_build_filename(host.dir, "new-password", NULL);
    change(&host, 1, "alice", "new", "denied");
    change(&host, 2, "root", "", "denied");
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    change(&host, 3, "root", "quite-new", "ok");
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "quite-new");
    host_stop(&host);
}

static void
test_facts(void)
{
    struct host host;
    g_autoptr(GVariant) facts = NULL;
    g_autoptr(GError) error = NULL;
    char name[256];
    const char *hostname;
    gint64 boot_time = 0;

    host_start(&host, NULL);
    peer_host1_call_facts_sync(host.proxy, &facts, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(gethostname(name, sizeof name), ==, 0);
    g_assert_true(g_variant_lookup(facts, "hostname", "&s", &hostname));
    g_assert_cmpstr(hostname, ==, name);
    g_assert_true(g_variant_lookup(facts, "boot_time", "x", &boot_time));
    g_assert_cmpint(boot_time, >, 0);
    host_stop(&host);
}

/* Only words of which none is a command, a destination or a name: this host is no simulated one. */
static void
test_other_words(void)
{
    static const char *const words[] = {"", "halt", "poweroff", "REBOOT", "reboot now", "--help"};
    struct host host;

    host_start(&host, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autoptr(GError) error = NULL;

        peer_host1_call_power_sync(host.proxy, words[i], NULL, &error);
        g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
        g_clear_error(&error);
        g_autofree char *destination = g_strconcat(words[i], "\"", NULL);
        peer_host1_call_forward_log_sync(host.proxy, destination, NULL, &error);
        g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
        g_clear_error(&error);
        g_autofree char *name = g_strconcat("iqn.a ", words[i], NULL);
        peer_host1_call_set_iscsi_name_sync(host.proxy, name, NULL, &error);
        g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
    }
    host_stop(&host);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (getuid() != 0) {
        /* unix_chkpwd would be asked, which knows nothing of the wrappers. */
        g_print("1..0 # SKIP needs root, as xapid-host does\n");
        return 0;
    }
    g_test_add_func("/host/right-password", test_right_password);
    g_test_add_func("/host/refusals", test_refusals);
    g_test_add_func("/host/hostile-names", test_hostile_names);
    g_test_add_func("/host/hostile-bridges", test_hostile_bridges);
    g_test_add_func("/host/child-refuses-nonsense", test_child_refuses_nonsense);
    g_test_add_func("/host/accounts", test_accounts);
    g_test_add_func("/host/many-at-once", test_many_at_once);
    g_test_add_func("/host/child-killed", test_child_killed);
    g_test_add_func("/host/child-hangs", test_child_hangs);
    g_test_add_func("/host/answers-stay-with-their-peer", test_answers_stay_with_their_peer);
    g_test_add_func("/host/change-password", test_change_password);
    g_test_add_func("/host/facts", test_facts);
    g_test_add_func("/host/other-words", test_other_words);
    return g_test_run();
}
