/* The verbs over a simulated host: broken builds of ours go, what is not ours stays; and the world
 * file itself. */
#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/domains/mark.h"
#include "xapid/domains/sim-world.h"
#include "xapid/domains/verbs.h"

#define UUID "aaaaaaaa-0000-4000-8000-000000000001"
#define OTHER "aaaaaaaa-0000-4000-8000-000000000002"

struct fixture {
    char *dir;
    struct verbs verbs;
    struct world *world;
    atomic_bool aborted;
};

static void
set_up(struct fixture *f, gconstpointer data)
{
    struct backend_options options = {.kernels_dir = -1};
    g_autoptr(GError) error = NULL;

    (void)data;
    f->dir = g_dir_make_tmp("xapid-verbs-XXXXXX", NULL);
    options.sim_dir = f->dir;
    f->verbs.backend = &backend_sim;
    f->verbs.ctx = backend_sim.open(&options, &error);
    g_assert_no_error(error);
    f->verbs.marks = marks_open(f->dir, &error);
    g_assert_no_error(error);
    f->verbs.aborted = &f->aborted;
    f->world = world_open(f->dir, &error);
    g_assert_no_error(error);
}

static void
tear_down(struct fixture *f, gconstpointer data)
{
    static const char *const files[] = {"world", "violations", "control", "building"};

    (void)data;
    backend_sim.close(f->verbs.ctx);
    mark_clear(f->verbs.marks, UUID);
    close(f->verbs.marks);
    world_free(f->world);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(f->dir, files[i], NULL);
        g_remove(path);
    }
    g_rmdir(f->dir);
    g_free(f->dir);
}

static bool
no_part(GVariant *part, void *data, GError **error)
{
    (void)part;
    (void)data;
    (void)error;
    g_assert_not_reached();
}

static GVariant *
guest(void)
{
    return g_variant_ref_sink(g_variant_new_parsed(
        "@a{sv} {'type': <'pv'>, 'memory_static_max': <int64 33554432>, 'memory_target': "
        "<int64 33554432>, 'vcpus_max': <1>, 'vcpus': <1>, 'kernel': <'k'>}"));
}

/* NULL on success, else the error as text. */
static char *
run(struct fixture *f, const char *verb, const char *uuid, const char *op_id)
{
    g_autoptr(GVariant) args =
        g_str_equal(verb, "create") ? guest() : g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    g_autoptr(GError) error = NULL;
    GVariant *result = NULL;

    if (!verbs_run(&f->verbs, verb, uuid, op_id, args, no_part, NULL, &result, &error))
        return g_strdup(error->message);
    g_variant_unref(g_variant_ref_sink(result));
    return NULL;
}

static void
assert_runs(struct fixture *f, const char *verb, const char *uuid, const char *op_id)
{
    g_autofree char *failure = run(f, verb, uuid, op_id);

    g_assert_cmpstr(failure, ==, NULL);
}

static int
domid_of(struct fixture *f, const char *uuid)
{
    struct world_domain *domain;
    int domid;

    world_lock(f->world);
    domain = world_find_uuid(f->world, uuid);
    domid = domain ? domain->domid : -1;
    world_unlock(f->world);
    return domid;
}

/* What a worker leaves that was killed in mid-build. */
static void
break_build(struct fixture *f)
{
    g_autoptr(GVariant) args = guest();
    g_auto(guest_config) config = {0};
    g_autoptr(GError) error = NULL;
    int domid;

    g_assert_true(guest_config_parse(args, &config, &error));
    g_assert_true(mark_set(f->verbs.marks, UUID, "op-broken", &error));
    g_assert_true(backend_sim.build(f->verbs.ctx, UUID, &config, &domid, &error));
}

static void
test_broken_build_is_listed(struct fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) args = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    g_autoptr(GError) error = NULL;
    GVariant *result = NULL;

    (void)data;
    break_build(f);
    g_assert_true(verbs_run(&f->verbs, "state", UUID, "", args, no_part, NULL, &result, &error));
    g_variant_ref_sink(result);
    g_autofree char *text = g_variant_print(result, FALSE);
    g_variant_unref(result);
    g_assert_nonnull(strstr(text, "'complete': <false>"));
    g_assert_nonnull(strstr(text, "'ours': <true>"));
    g_assert_nonnull(strstr(text, "'op_id': <'op-broken'>"));
}

static void
test_broken_build_goes(struct fixture *f, gconstpointer data)
{
    (void)data;
    break_build(f);
    assert_runs(f, "recover", UUID, "x");
    g_assert_cmpint(domid_of(f, UUID), ==, -1);
    break_build(f);
    assert_runs(f, "recover", "", "");
    g_assert_cmpint(domid_of(f, UUID), ==, -1);
    g_assert_null(mark_get(f->verbs.marks, UUID));

    /* The next create does the same, and then its own. */
    break_build(f);
    int broken = domid_of(f, UUID);
    assert_runs(f, "create", UUID, "op-next");
    g_assert_cmpint(domid_of(f, UUID), >, broken);
    g_assert_null(mark_get(f->verbs.marks, UUID));

    g_autofree char *unpause = NULL;
    assert_runs(f, "destroy", UUID, "op");
    break_build(f);
    unpause = run(f, "unpause", UUID, "op");
    g_assert_cmpstr(unpause, ==, "VM_BAD_POWER_STATE [" UUID ", paused, halted]");
}

/* A mark is not enough: a whole domain of ours, and a foreign one, stay. */
static void
undo_of(struct fixture *f, const char *built_by)
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
test_built_by(struct fixture *f, gconstpointer data)
{
    (void)data;
    undo_of(f, "op-other"); /* nothing there */
    assert_runs(f, "create", UUID, "op-mine");
    int mine = domid_of(f, UUID);
    undo_of(f, "op-other");
    g_assert_cmpint(domid_of(f, UUID), ==, mine);
    undo_of(f, "op-mine");
    g_assert_cmpint(domid_of(f, UUID), ==, -1);
    break_build(f);
    undo_of(f, "op-other");
    g_assert_cmpint(domid_of(f, UUID), >, mine);
    undo_of(f, "op-broken");
    g_assert_cmpint(domid_of(f, UUID), ==, -1);
    g_assert_null(mark_get(f->verbs.marks, UUID));
    g_assert_true(world_command(f->world, "xl-create " UUID " foreign"));
    undo_of(f, "op-mine");
    g_assert_cmpint(domid_of(f, UUID), !=, -1); /* another toolstack's */
}

/* A worker that was killed in mid-destroy leaves a domain that is dying. */
static void
test_dying_goes(struct fixture *f, gconstpointer data)
{
    (void)data;
    for (int half = 0; half < 2; half++) {
        if (half)
            break_build(f);
        else
            assert_runs(f, "create", UUID, "op");
        int domid = domid_of(f, UUID);
        world_lock(f->world);
        world_set_state(f->world, world_find(f->world, domid), DOMAIN_DYING, REASON_NONE);
        world_unlock(f->world);
        assert_runs(f, "recover", half ? "" : UUID, half ? "" : "x");
        world_lock(f->world);
        g_assert_null(world_find(f->world, domid));
        world_unlock(f->world);
    }
}

static void
test_whole_stays(struct fixture *f, gconstpointer data)
{
    (void)data;
    assert_runs(f, "create", UUID, "op-1");
    g_assert_true(mark_set(f->verbs.marks, UUID, "op-1", NULL));
    assert_runs(f, "recover", "", "");
    g_assert_cmpint(domid_of(f, UUID), ==, 1);
    g_assert_null(mark_get(f->verbs.marks, UUID));
    assert_runs(f, "create", UUID, "op-1");
    g_assert_cmpint(domid_of(f, UUID), ==, 1);

    g_assert_true(world_command(f->world, "xl-create " OTHER " web server"));
    g_assert_true(mark_set(f->verbs.marks, OTHER, "op-2", NULL));
    assert_runs(f, "recover", "", "");
    g_assert_cmpint(domid_of(f, OTHER), ==, 2);
}

static void
test_aborted(struct fixture *f, gconstpointer data)
{
    g_autofree char *failure = NULL;

    (void)data;
    atomic_store(&f->aborted, true);
    failure = run(f, "create", UUID, "op-1");
    g_assert_cmpstr(failure, ==, "TASK_CANCELLED []");
    g_assert_cmpint(domid_of(f, UUID), ==, -1);
    g_assert_null(mark_get(f->verbs.marks, UUID));
}

static void
test_domids_rise(struct fixture *f, gconstpointer data)
{
    int last = 0;

    (void)data;
    for (int i = 0; i < 50; i++) {
        assert_runs(f, "create", UUID, "op-1");
        g_assert_cmpint(domid_of(f, UUID), >, last);
        last = domid_of(f, UUID);
        assert_runs(f, "destroy", UUID, "op-2");
    }
}

static void
test_changes(struct fixture *f, gconstpointer data)
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
test_commands_refused(struct fixture *f, gconstpointer data)
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
test_killed_processes(struct fixture *f, gconstpointer data)
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

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(struct fixture *, gconstpointer);
    } tests[] = {
        {"broken-build-is-listed", test_broken_build_is_listed},
        {"broken-build-goes", test_broken_build_goes},
        {"built-by", test_built_by},
        {"dying-goes", test_dying_goes},
        {"whole-stays", test_whole_stays},
        {"aborted", test_aborted},
        {"domids-rise", test_domids_rise},
        {"changes", test_changes},
        {"commands-refused", test_commands_refused},
        {"killed-processes", test_killed_processes},
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/domains/verbs/%s", tests[i].name);
        g_test_add(path, struct fixture, NULL, set_up, tests[i].test, tear_down);
    }
    return g_test_run();
}
