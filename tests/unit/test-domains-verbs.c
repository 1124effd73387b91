/* The verbs over a simulated host: broken builds of ours go, what is not ours stays; and the world
 * file itself. */
#include "config.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"
#include "tests/unit/verbs-fixture.h"
#include "xapid/domains/mark.h"

static bool
no_part(GVariant *part, void *data, GError **error)
{
    (void)part;
    (void)data;
    (void)error;
    g_assert_not_reached();
}

/* What a worker leaves that was killed in mid-build. */
static void
break_build(struct verbs_fixture *f)
{
    g_autoptr(GVariant) args = verbs_guest();
    g_auto(guest_config) config = {0};
    g_autoptr(GError) error = NULL;
    int domid;

    g_assert_true(guest_config_parse(args, &config, &error));
    g_assert_true(mark_set(f->verbs.marks, UUID, "op-broken", &error));
    g_assert_true(backend_sim.build(f->verbs.ctx, UUID, &config, -1, &domid, &error));
}

static void
test_broken_build_is_listed(struct verbs_fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) args = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    g_autoptr(GError) error = NULL;
    GVariant *result = NULL;

    (void)data;
    break_build(f);
    g_assert_true(verbs_run(&f->verbs, "list", UUID, "", args, no_part, NULL, &result, &error));
    g_variant_ref_sink(result);
    g_autofree char *text = g_variant_print(result, FALSE);
    g_variant_unref(result);
    g_assert_nonnull(strstr(text, "'complete': <false>"));
    g_assert_nonnull(strstr(text, "'ours': <true>"));
    g_assert_nonnull(strstr(text, "'op_id': <'op-broken'>"));
}

static void
test_broken_build_goes(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    break_build(f);
    verbs_assert_runs(f, "recover", UUID, "x");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
    break_build(f);
    verbs_assert_runs(f, "recover", "", "");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
    g_assert_null(mark_get(f->verbs.marks, UUID));

    /* The next create does the same, and then its own. */
    break_build(f);
    int broken = verbs_domid_of(f, UUID);
    verbs_assert_runs(f, "create", UUID, "op-next");
    g_assert_cmpint(verbs_domid_of(f, UUID), >, broken);
    g_assert_null(mark_get(f->verbs.marks, UUID));

    g_autofree char *unpause = NULL;
    verbs_assert_runs(f, "destroy", UUID, "op");
    break_build(f);
    unpause = verbs_run_text(f, "unpause", UUID, "op", NULL);
    g_assert_cmpstr(unpause, ==, "VM_BAD_POWER_STATE [" UUID ", paused, halted]");
}

/* A mark is not enough: a whole domain of ours, and a foreign one, stay. */
static void
undo_of(struct verbs_fixture *f, const char *built_by)
{
    g_autofree char *text = g_strdup_printf("@a{sv} {'built_by': <'%s'>}", built_by);
    g_autoptr(GVariant) args = g_variant_ref_sink(g_variant_new_parsed(text));
    g_autoptr(GError) error = NULL;
    GVariant *result = NULL;

    g_assert_true(
        verbs_run(&f->verbs, "destroy", UUID, "op-undo", args, no_part, NULL, &result, &error));
    g_variant_unref(g_variant_ref_sink(result));
}

/* The undo of a build ends what that build made, whole or half, and nothing else. */
static void
test_built_by(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    undo_of(f, "op-other"); /* nothing there */
    verbs_assert_runs(f, "create", UUID, "op-mine");
    int mine = verbs_domid_of(f, UUID);
    undo_of(f, "op-other");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, mine);
    undo_of(f, "op-mine");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
    break_build(f);
    undo_of(f, "op-other");
    g_assert_cmpint(verbs_domid_of(f, UUID), >, mine);
    undo_of(f, "op-broken");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
    g_assert_null(mark_get(f->verbs.marks, UUID));
    g_assert_true(world_command(f->world, "xl-create " UUID " foreign"));
    undo_of(f, "op-mine");
    g_assert_cmpint(verbs_domid_of(f, UUID), !=, -1); /* another toolstack's */
}

/* A worker that was killed in mid-destroy leaves a domain that is dying. */
static void
test_dying_goes(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    for (int half = 0; half < 2; half++) {
        if (half)
            break_build(f);
        else
            verbs_assert_runs(f, "create", UUID, "op");
        int domid = verbs_domid_of(f, UUID);
        world_lock(f->world);
        world_set_state(f->world, world_find(f->world, domid), DOMAIN_DYING, REASON_NONE);
        world_unlock(f->world);
        verbs_assert_runs(f, "recover", half ? "" : UUID, half ? "" : "x");
        world_lock(f->world);
        g_assert_null(world_find(f->world, domid));
        world_unlock(f->world);
    }
}

static void
test_whole_stays(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    verbs_assert_runs(f, "create", UUID, "op-1");
    g_assert_true(mark_set(f->verbs.marks, UUID, "op-1", NULL));
    verbs_assert_runs(f, "recover", "", "");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, 1);
    g_assert_null(mark_get(f->verbs.marks, UUID));
    verbs_assert_runs(f, "create", UUID, "op-1");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, 1);

    g_assert_true(world_command(f->world, "xl-create " OTHER " web server"));
    g_assert_true(mark_set(f->verbs.marks, OTHER, "op-2", NULL));
    verbs_assert_runs(f, "recover", "", "");
    g_assert_cmpint(verbs_domid_of(f, OTHER), ==, 2);
}

static void
test_aborted(struct verbs_fixture *f, gconstpointer data)
{
    g_autofree char *failure = NULL;

    (void)data;
    atomic_store(&f->aborted, true);
    failure = verbs_run_text(f, "create", UUID, "op-1", NULL);
    g_assert_cmpstr(failure, ==, "TASK_CANCELLED []");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
    g_assert_null(mark_get(f->verbs.marks, UUID));
}

/* What prepare built is there for create alone, and no operation may pass for it. */
static void
test_ready(struct verbs_fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) args = verbs_guest();
    g_autofree char *guest = g_variant_print(args, TRUE);
    g_autofree char *unpause = NULL, *forged = NULL, *other = NULL;

    (void)data;
    g_assert_null(verbs_run_text(f, "prepare", UUID, "op-a", guest));
    int domid = verbs_domid_of(f, UUID);
    g_assert_null(verbs_run_text(f, "prepare", UUID, "op-b", guest));
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, domid);
    unpause = verbs_run_text(f, "unpause", UUID, "op-c", NULL);
    g_assert_cmpstr(unpause, ==, "VM_BAD_POWER_STATE [" UUID ", paused, halted]");
    verbs_assert_runs(f, "create", UUID, "op-d");
    verbs_assert_runs(f, "create", UUID, "op-d");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, domid);
    undo_of(f, "op-d");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);

    forged = verbs_run_text(f, "create", UUID, "ready-forged", NULL);
    g_assert_cmpstr(forged, ==, "INVALID_VALUE [op_id, ready-forged]");
    verbs_assert_runs(f, "create", UUID, "op-e");
    other = verbs_run_text(f, "prepare", UUID, "op-f", guest);
    g_assert_cmpstr(other, ==, "VM_BAD_POWER_STATE [" UUID ", halted, paused]");
    verbs_assert_runs(f, "destroy", UUID, "op-g");
}

/* Whose devices would be held, and whole machines, are not built ahead. */
static void
test_ready_refused(struct verbs_fixture *f, gconstpointer data)
{
    static const char *const start = "@a{sv} {'memory_static_max': <int64 33554432>, "
                                     "'memory_target': <int64 33554432>, 'vcpus_max': <1>, "
                                     "'vcpus': <1>, ";
    static const char *const refused[] = {
        "'type': <'hvm'>, 'boot': <'c'>}",
        "'type': <'pv'>, 'kernel': <'k'>, 'disks': <[{'vdev': <'xvda'>, 'handle': "
        "<'cccccccc-0000-4000-8000-000000000001'>, 'read_only': <false>, 'cdrom': <false>}]>}",
        "'type': <'pv'>, 'kernel': <'k'>, 'nics': <[{'device': <0>, 'mac': "
        "<'02:aa:bb:cc:dd:0f'>, 'bridge': <'xapi0'>, 'mtu': <1500>}]>}"};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *args = g_strconcat(start, refused[i], NULL);
        g_autofree char *said = verbs_run_text(f, "prepare", UUID, "op", args);
        g_assert_nonnull(said);
        g_assert_true(g_str_has_prefix(said, "INVALID_VALUE"));
        g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
    }
}

static void
test_domids_rise(struct verbs_fixture *f, gconstpointer data)
{
    int last = 0;

    (void)data;
    for (int i = 0; i < 50; i++) {
        verbs_assert_runs(f, "create", UUID, "op-1");
        g_assert_cmpint(verbs_domid_of(f, UUID), >, last);
        last = verbs_domid_of(f, UUID);
        verbs_assert_runs(f, "destroy", UUID, "op-2");
    }
}

static void
test_changes(struct verbs_fixture *f, gconstpointer data)
{
    uint64_t cursor = world_cursor(f->world);
    g_autoptr(GPtrArray) some = NULL;
    g_autoptr(GPtrArray) none = NULL;
    g_autoptr(GPtrArray) all = NULL;

    (void)data;
    g_assert_true(world_command(f->world, "xl-create " OTHER " a"));
    g_assert_true(world_command(f->world, "halt " OTHER));
    some = world_changes(f->world, &cursor);
    g_assert_cmpint(some->len, ==, 1);
    g_assert_cmpstr(some->pdata[0], ==, OTHER);
    none = world_changes(f->world, &cursor);
    g_assert_cmpint(none->len, ==, 0);
    /* Who reads too late is told to look at all. */
    for (int i = 0; i < 5000; i++) {
        g_assert_true(world_command(f->world, "xl-destroy " OTHER));
        g_assert_true(world_command(f->world, "xl-create " OTHER " a"));
    }
    all = world_changes(f->world, &cursor);
    g_assert_cmpstr(all->pdata[0], ==, "");
}

static void
test_commands_refused(struct verbs_fixture *f, gconstpointer data)
{
    static const char *const bad[] = {"",
                                      "halt",
                                      "halt " UUID,
                                      "halt x",
                                      "dance " UUID,
                                      "xl-create " UUID,
                                      "xl-create x y",
                                      "xl-destroy " UUID};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(world_command(f->world, bad[i]));
}

/* Processes that are killed while they change the world leave it whole and unlocked. */
static void
test_killed_processes(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    for (int round = 0; round < 20; round++) {
        pid_t pid = fork();

        if (pid == 0) {
            struct world *world = world_open(f->dir, NULL);
            for (;;) {
                world_command(world, "xl-create " UUID " a");
                world_command(world, "halt " UUID);
                world_command(world, "xl-destroy " UUID);
            }
        }
        g_usleep(5000 + (gulong)round * 300);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        world_command(f->world, "xl-destroy " UUID);
        world_lock(f->world);
        int64_t available = world_memory_free(f->world);
        world_unlock(f->world);
        g_assert_cmpint(available, ==,
                        world_host(f->world)->memory - world_host(f->world)->dom0_memory);
    }
    g_autofree char *violations = g_build_filename(f->dir, "violations", NULL);
    g_assert_false(g_file_test(violations, G_FILE_TEST_EXISTS));
}

/* Nobody's sizes are believed, and what is asked about is not built. */
static void
test_guest_memory_refused(struct verbs_fixture *f, gconstpointer data)
{
    static const struct {
        const char *args, *error;
    } bad[] = {
        {"{'vcpus_max': <1>}", "[type"},
        {"{'type': <'pv'>, 'vcpus_max': <1>, 'platform': <@a{ss} {}>}", "[memory_static_max, 0]"},
        {"{'type': <'pv'>, 'vcpus_max': <1>, 'platform': <@a{ss} {}>, 'within': <int64 0>}",
         "[within, 0]"},
        {"{'type': <'pv'>, 'vcpus_max': <65>, 'platform': <@a{ss} {}>, 'within': <int64 1>}",
         "[vcpus_max, 65]"},
        {"{'type': <'pw'>, 'vcpus_max': <1>, 'platform': <@a{ss} {}>, 'within': <int64 1>}",
         "[type, pw]"},
        {"{'type': <'pv'>, 'vcpus_max': <1>, 'platform': <{'x': 'y'}>, 'within': <int64 1>}",
         "[platform, x]"},
        {"{'type': <'pv'>, 'vcpus_max': <1>, 'platform': <@a{ss} {}>, 'kernel': <'x'>}",
         "[guest, kernel]"},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *error = verbs_run_text(f, "guest_memory", UUID, "", bad[i].args);
        g_assert_nonnull(error);
        g_assert_true(g_str_has_prefix(error, "INVALID_VALUE"));
        g_assert_nonnull(strstr(error, bad[i].error));
    }
    g_autofree char *no_uuid = verbs_run_text(
        f, "guest_memory", "../x", "",
        "{'type': <'pv'>, 'vcpus_max': <1>, 'platform': <@a{ss} {}>, 'within': <int64 1>}");
    g_assert_nonnull(no_uuid);
    g_autofree char *most = verbs_run_text(
        f, "guest_memory", UUID, "",
        "{'type': <'pv'>, 'vcpus_max': <1>, 'platform': <@a{ss} {}>, 'within': <int64 "
        "9223372036854775807>}");
    g_assert_null(most);
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(struct verbs_fixture *, gconstpointer);
    } tests[] = {
        {"broken-build-is-listed", test_broken_build_is_listed},
        {"broken-build-goes", test_broken_build_goes},
        {"built-by", test_built_by},
        {"dying-goes", test_dying_goes},
        {"whole-stays", test_whole_stays},
        {"aborted", test_aborted},
        {"ready", test_ready},
        {"ready-refused", test_ready_refused},
        {"domids-rise", test_domids_rise},
        {"changes", test_changes},
        {"commands-refused", test_commands_refused},
        {"killed-processes", test_killed_processes},
        {"guest-memory-refused", test_guest_memory_refused},
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/domains/verbs/%s", tests[i].name);
        g_test_add(path, struct verbs_fixture, NULL, verbs_set_up, tests[i].test, verbs_tear_down);
    }
    return g_test_run();
}
