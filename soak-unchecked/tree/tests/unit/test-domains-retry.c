/* libxl's known hiccups, over a simulated host that has them: what comes late is asked for once
 * more, what dies slowly is waited for, and neither for ever. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "tests/unit/verbs-fixture.h"
#include "xapid/domains/retry.h"

/* What the backend does wrong next; counts down. */
static struct {
    int late_builds, late_destroys; /* libxl's time for them is over; a build leaves its half */
    int failed_builds;              /* they fail by themselves */
    int dying_lists;                /* a destroyed domain is still seen dying */
    int builds, destroys;           /* that were asked for */
    bool told;                      /* what timed_out () is to say */
    int destroyed;                  /* the last one's domid */
    struct verbs_fixture *aborts;   /* somebody aborts while the next build is late */
} now;

static bool
refuse(bool late, GError **error)
{
    now.told = late;
    api_error_set(error, "INTERNAL_ERROR", "test", late ? "late" : "failed", NULL);
    return false;
}

static bool
flaky_build(struct backend_ctx *ctx, const char *uuid, const struct guest_config *config, int image,
            int *ret_domid, GError **error)
{
    now.builds++;
    if (now.failed_builds > 0 && now.failed_builds--)
        return refuse(false, error);
    if (!backend_sim.build(ctx, uuid, config, image, ret_domid, error))
        return false;
    if (now.late_builds == 0)
        return true;
    now.late_builds--;
    if (now.aborts)
        atomic_store(&now.aborts->aborted, true);
    return refuse(true, error);
}

static bool
flaky_destroy(struct backend_ctx *ctx, int domid, GError **error)
{
    now.destroys++;
    if (now.late_destroys > 0 && now.late_destroys--)
        return refuse(true, error);
    now.destroyed = domid;
    return backend_sim.destroy(ctx, domid, error);
}

static bool
flaky_list(struct backend_ctx *ctx, const char *uuid, GPtrArray **ret_domains, GError **error)
{
    if (!backend_sim.list(ctx, uuid, ret_domains, error))
        return false;
    if (now.destroyed < 0 || now.dying_lists == 0)
        return true;
    struct domain_info *info = g_new0(struct domain_info, 1);
    now.dying_lists--;
    info->domid = now.destroyed;
    info->state = DOMAIN_DYING;
    info->name = g_strdup("");
    info->op_id = g_strdup("");
    g_strlcpy(info->uuid, uuid, sizeof info->uuid);
    g_ptr_array_add(*ret_domains, info);
    return true;
}

static bool
flaky_timed_out(struct backend_ctx *ctx)
{
    bool told = now.told;

    (void)ctx;
    now.told = false;
    return told;
}

static struct backend flaky;

static void
set_up(struct verbs_fixture *f, gconstpointer data)
{
    verbs_set_up(f, data);
    flaky = backend_sim;
    flaky.build = flaky_build;
    flaky.destroy = flaky_destroy;
    flaky.list = flaky_list;
    flaky.timed_out = flaky_timed_out;
    f->verbs.backend = &flaky;
    memset(&now, 0, sizeof now);
    now.destroyed = -1;
}

/* The next build comes in time; of the first nothing is left but one domain. */
static void
test_late_build(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    now.late_builds = 1;
    verbs_assert_runs(f, "create", UUID, "op.0");
    g_assert_cmpint(now.builds, ==, 2);
    g_assert_cmpint(now.destroys, ==, 1);
    verbs_assert_runs(f, "unpause", UUID, "op.1");
}

static void
test_builds_that_stay_late(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    now.late_builds = 100;
    g_autofree char *failure = verbs_run_text(f, "create", UUID, "op.0", NULL);
    g_assert_cmpstr(failure, ==, "INTERNAL_ERROR [test, late]");
    g_assert_cmpint(now.builds, ==, 1 + RETRY_BUILDS);
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
}

/* What fails for another reason would fail again. */
static void
test_failed_build(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    now.failed_builds = 1;
    now.told = true; /* of a verb before this one */
    g_autofree char *failure = verbs_run_text(f, "create", UUID, "op.0", NULL);
    g_assert_cmpstr(failure, ==, "INTERNAL_ERROR [test, failed]");
    g_assert_cmpint(now.builds, ==, 1);
}

static void
test_abort_between_builds(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    now.late_builds = 1;
    now.aborts = f;
    g_autofree char *failure = verbs_run_text(f, "create", UUID, "op.0", NULL);
    g_assert_nonnull(failure);
    g_assert_cmpint(now.builds, ==, 1);
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
}

/* Even what removes a late build's half may be late. */
static void
test_late_destroys(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    now.late_builds = 1;
    now.late_destroys = RETRY_DESTROYS;
    verbs_assert_runs(f, "create", UUID, "op.0");
    g_assert_cmpint(now.builds, ==, 2);
    g_assert_cmpint(now.destroys, ==, 1 + RETRY_DESTROYS);

    now.late_destroys = 100;
    now.destroys = 0;
    g_autofree char *failure = verbs_run_text(f, "destroy", UUID, "op.1", NULL);
    g_assert_cmpstr(failure, ==, "INTERNAL_ERROR [test, late]");
    g_assert_cmpint(now.destroys, ==, 1 + RETRY_DESTROYS);
    now.late_destroys = 0;
    verbs_assert_runs(f, "destroy", UUID, "op.2");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
}

/* Destroyed is what is gone. */
static void
test_slow_death(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    verbs_assert_runs(f, "create", UUID, "op.0");
    now.dying_lists = 5;
    verbs_assert_runs(f, "destroy", UUID, "op.1");
    g_assert_cmpint(now.dying_lists, ==, 0);
}

/* A domain whose pages somebody keeps is no reason not to start its VM anew. */
static void
test_zombie(struct verbs_fixture *f, gconstpointer data)
{
    gint64 began = g_get_monotonic_time();

    (void)data;
    verbs_assert_runs(f, "create", UUID, "op.0");
    now.dying_lists = G_MAXINT;
    verbs_assert_runs(f, "destroy", UUID, "op.1");
    g_assert_cmpint(g_get_monotonic_time() - began, >=, RETRY_DEATH_WAIT_MS * 1000);
    verbs_assert_runs(f, "create", UUID, "op.2");
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(struct verbs_fixture *, gconstpointer);
    } tests[] = {{"late-build", test_late_build},
                 {"builds-that-stay-late", test_builds_that_stay_late},
                 {"failed-build", test_failed_build},
                 {"abort-between-builds", test_abort_between_builds},
                 {"late-destroys", test_late_destroys},
                 {"slow-death", test_slow_death},
                 {"zombie", test_zombie}};

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/domains/retry/%s", tests[i].name);
        g_test_add(path, struct verbs_fixture, NULL, set_up, tests[i].test, verbs_tear_down);
    }
    return g_test_run();
}
