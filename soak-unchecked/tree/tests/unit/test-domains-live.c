/* Domains that run: adjusting them, events sent to them, and suspending them into images. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "tests/unit/verbs-fixture.h"
#include "xapid/domains/image.h"
#include "xapid/domains/mark.h"

static struct world_domain
domain(struct verbs_fixture *f)
{
    struct world_domain *found, copy = {0};

    world_lock(f->world);
    found = world_find_uuid(f->world, UUID);
    if (found)
        copy = *found;
    world_unlock(f->world);
    return copy;
}

static void
start(struct verbs_fixture *f)
{
    g_autofree char *failure = verbs_run_text(
        f, "create", UUID, "op-1",
        "{'type': <'pvh'>, 'memory_static_max': <int64 67108864>, 'memory_target': "
        "<int64 33554432>, 'vcpus_max': <4>, 'vcpus': <1>, 'kernel': <'k'>, 'weight': <512>}");

    g_assert_cmpstr(failure, ==, NULL);
    g_assert_cmpint(domain(f).weight, ==, 512);
    verbs_assert_runs(f, "unpause", UUID, "op-1");
}

static void
test_adjust(struct verbs_fixture *f, gconstpointer data)
{
    g_autofree char *failure = NULL, *too_many = NULL, *too_much = NULL, *halted = NULL;

    (void)data;
    start(f);
    failure = verbs_run_text(f, "adjust", UUID, "op-2",
                             "{'vcpus': <3>, 'memory_target': <int64 67108864>, 'weight': <100>, "
                             "'cap': <50>, 'cpus': <[0, 1]>}");
    g_assert_cmpstr(failure, ==, NULL);
    struct world_domain now = domain(f);
    g_assert_cmpint(now.vcpus, ==, 3);
    g_assert_cmpint(now.memory, ==, 64 << 20);
    g_assert_cmpint(now.weight, ==, 100);
    g_assert_cmpint(now.cap, ==, 50);
    too_many = verbs_run_text(f, "adjust", UUID, "op-3", "{'vcpus': <5>}");
    g_assert_cmpstr(too_many, ==, "INVALID_VALUE [vcpus, 5]");
    too_much =
        verbs_run_text(f, "adjust", UUID, "op-4", "{'memory_target': <int64 70368744177664>}");
    g_assert_true(g_str_has_prefix(too_much, "INVALID_VALUE") ||
                  g_str_has_prefix(too_much, "HOST_NOT_ENOUGH_FREE_MEMORY"));
    g_assert_cmpint(domain(f).memory, ==, 64 << 20);
    verbs_assert_runs(f, "destroy", UUID, "op-5");
    halted = verbs_run_text(f, "adjust", UUID, "op-6", "{'vcpus': <1>}");
    g_assert_cmpstr(halted, ==, "VM_BAD_POWER_STATE [" UUID ", running, halted]");
}

static void
test_signal(struct verbs_fixture *f, gconstpointer data)
{
    g_autofree char *sysrq = NULL, *nmi = NULL, *paused = NULL;

    (void)data;
    start(f);
    sysrq = verbs_run_text(f, "signal", UUID, "op-2", "{'sysrq': <'h'>}");
    g_assert_cmpstr(sysrq, ==, NULL);
    g_assert_cmpint(domain(f).sysrq, ==, 'h');
    nmi = verbs_run_text(f, "signal", UUID, "op-3", "{'trigger': <'nmi'>}");
    g_assert_cmpstr(nmi, ==, NULL);
    g_assert_cmpint(domain(f).signal, ==, TRIGGER_NMI + 1);
    verbs_assert_runs(f, "pause", UUID, "op-4");
    paused = verbs_run_text(f, "signal", UUID, "op-5", "{'trigger': <'nmi'>}");
    g_assert_cmpstr(paused, ==, "VM_BAD_POWER_STATE [" UUID ", running, paused]");
}

static void
test_refused_arguments(struct verbs_fixture *f, gconstpointer data)
{
    static const struct {
        const char *verb, *args, *error;
    } bad[] = {
        {"adjust", "@a{sv} {}", "INVALID_VALUE [args, adjust]"},
        {"adjust", "{'vcpus': <0>}", "INVALID_VALUE [vcpus, 0]"},
        {"adjust", "{'vcpus': <65>}", "INVALID_VALUE [vcpus, 65]"},
        {"adjust", "{'vcpus': <'1'>}", "INVALID_VALUE [vcpus, s]"},
        {"adjust", "{'weight': <0>}", "INVALID_VALUE [weight, 0]"},
        {"adjust", "{'weight': <65536>}", "INVALID_VALUE [weight, 65536]"},
        {"adjust", "{'cap': <-1>}", "INVALID_VALUE [cap, -1]"},
        {"adjust", "{'cpus': <@ai []>}", "INVALID_VALUE [cpus, 0]"},
        {"adjust", "{'cpus': <[-1]>}", "INVALID_VALUE [cpus, -1]"},
        {"adjust", "{'cpus': <[4096]>}", "INVALID_VALUE [cpus, 4096]"},
        {"adjust", "{'memory_target': <int64 1>}", "INVALID_VALUE [memory_target, 1]"},
        {"adjust", "{'shares': <1>}", "INVALID_VALUE [args, shares]"},
        {"signal", "@a{sv} {}", "INVALID_VALUE [args, signal]"},
        {"signal", "{'sysrq': <''>}", "INVALID_VALUE [sysrq, ]"},
        {"signal", "{'sysrq': <'hh'>}", "INVALID_VALUE [sysrq, hh]"},
        {"signal", "{'sysrq': <'/'>}", "INVALID_VALUE [sysrq, /]"},
        {"signal", "{'trigger': <'boom'>}", "INVALID_VALUE [trigger, boom]"},
        {"signal", "{'sysrq': <'h'>, 'trigger': <'nmi'>}", "INVALID_VALUE [args, signal]"},
        {"save", "{'file': <'/etc/shadow'>}", "INVALID_VALUE [args, too many keys]"},
        {"discard", "{'file': <'/etc/shadow'>}", "INVALID_VALUE [args, too many keys]"},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *failure = verbs_run_text(f, bad[i].verb, UUID, "op", bad[i].args);
        g_assert_cmpstr(failure, ==, bad[i].error);
    }
}

/* Suspended, destroyed, restored, and continued once. */
static void
test_suspend_and_resume(struct verbs_fixture *f, gconstpointer data)
{
    g_autofree char *gone = NULL;

    (void)data;
    start(f);
    int first = verbs_domid_of(f, UUID);
    verbs_assert_runs(f, "save", UUID, "op-2");
    g_assert_cmpint(domain(f).state, ==, DOMAIN_SHUTDOWN);
    g_assert_cmpint(domain(f).reason, ==, REASON_SUSPEND);
    verbs_assert_runs(f, "save", UUID, "op-2"); /* again is no-op */
    verbs_assert_runs(f, "recover", UUID, "op-2");
    g_assert_cmpint(domain(f).state, ==, DOMAIN_SHUTDOWN);
    verbs_assert_runs(f, "destroy", UUID, "op-3");
    verbs_assert_runs(f, "save", UUID, "op-2");
    verbs_assert_runs(f, "restore", UUID, "op-4");
    g_assert_cmpint(verbs_domid_of(f, UUID), >, first);
    g_assert_cmpint(domain(f).state, ==, DOMAIN_PAUSED);
    verbs_assert_runs(f, "restore", UUID, "op-4"); /* again is no-op */
    verbs_assert_runs(f, "discard", UUID, "op-5");
    verbs_assert_runs(f, "discard", UUID, "op-5");
    g_assert_cmpint(domain(f).state, ==, DOMAIN_PAUSED);
    verbs_assert_runs(f, "continue", UUID, "op-5"); /* nothing to take back */
    verbs_assert_runs(f, "unpause", UUID, "op-6");
    verbs_assert_runs(f, "destroy", UUID, "op-7");
    gone = verbs_run_text(f, "restore", UUID, "op-8", NULL);
    g_assert_cmpstr(gone, ==, "SUSPEND_IMAGE_NOT_ACCESSIBLE [" UUID "]");
    g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
    g_assert_null(mark_get(f->verbs.marks, UUID));
}

/* A save is taken back while the domain is there; without it the image stays. */
static void
test_continue(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    start(f);
    verbs_assert_runs(f, "save", UUID, "op-2");
    verbs_assert_runs(f, "continue", UUID, "op-3");
    g_assert_cmpint(domain(f).state, ==, DOMAIN_RUNNING);
    g_assert_false(image_exists(f->verbs.images, UUID));
    verbs_assert_runs(f, "save", UUID, "op-4");
    verbs_assert_runs(f, "destroy", UUID, "op-5");
    verbs_assert_runs(f, "continue", UUID, "op-6");
    g_assert_true(image_exists(f->verbs.images, UUID));
    /* Whoever lets a restored guest run, its image goes first. */
    verbs_assert_runs(f, "restore", UUID, "op-7");
    g_assert_true(image_exists(f->verbs.images, UUID));
    verbs_assert_runs(f, "unpause", UUID, "op-8");
    g_assert_false(image_exists(f->verbs.images, UUID));
}

/* A guest that does not answer goes on, and there is no image. */
static void
test_refused_suspend(struct verbs_fixture *f, gconstpointer data)
{
    g_autofree char *failure = NULL, *paused = NULL;

    (void)data;
    start(f);
    g_assert_true(world_command(f->world, "refuse-shutdown " UUID));
    failure = verbs_run_text(f, "save", UUID, "op-2", NULL);
    g_assert_cmpstr(failure, ==, "VM_FAILED_SUSPEND_ACKNOWLEDGMENT [" UUID "]");
    g_assert_cmpint(domain(f).state, ==, DOMAIN_RUNNING);
    g_assert_false(image_exists(f->verbs.images, UUID));
    g_assert_false(image_is_partial(f->verbs.images, UUID));
    verbs_assert_runs(f, "pause", UUID, "op-3");
    paused = verbs_run_text(f, "save", UUID, "op-4", NULL);
    g_assert_cmpstr(paused, ==, "VM_BAD_POWER_STATE [" UUID ", running, paused]");
}

/* A worker that dies in mid-save leaves a part: its guest goes on, whoever looks first. */
static void
test_broken_save(struct verbs_fixture *f, gconstpointer data)
{
    static const char *const lookers[] = {UUID, ""};

    (void)data;
    start(f);
    for (size_t i = 0; i < G_N_ELEMENTS(lookers); i++) {
        struct domain_info info = {.domid = verbs_domid_of(f, UUID), .uuid = UUID};
        g_autoptr(GError) error = NULL;
        int fd = image_create(f->verbs.images, UUID, &error);
        g_assert_true(backend_sim.save(f->verbs.ctx, &info, fd, &error));
        close(fd);
        g_assert_cmpint(domain(f).state, ==, DOMAIN_SHUTDOWN);
        verbs_assert_runs(f, "recover", lookers[i], *lookers[i] ? "op-2" : "");
        g_assert_cmpint(domain(f).state, ==, DOMAIN_RUNNING);
        g_assert_false(image_is_partial(f->verbs.images, UUID));
    }
}

/* What another one wrote there, and an image cut short, are no images. */
static void
test_bad_image(struct verbs_fixture *f, gconstpointer data)
{
    (void)data;
    start(f);
    verbs_assert_runs(f, "save", UUID, "op-2");
    verbs_assert_runs(f, "destroy", UUID, "op-3");
    for (int length = 64; length >= 0; length -= 64) {
        g_autofree char *path = g_build_filename(f->dir, "images", UUID, NULL);
        g_autofree char *failure = NULL;
        g_assert_cmpint(truncate(path, length), ==, 0);
        failure = verbs_run_text(f, "restore", UUID, "op-4", NULL);
        g_assert_cmpstr(failure, ==, "SUSPEND_IMAGE_NOT_ACCESSIBLE [" UUID "]");
        g_assert_cmpint(verbs_domid_of(f, UUID), ==, -1);
    }
}

static void
test_dump(struct verbs_fixture *f, gconstpointer data)
{
    g_autofree char *running = NULL, *gone = NULL;

    (void)data;
    start(f);
    running = verbs_run_text(f, "dump", UUID, "op-2", NULL);
    g_assert_cmpstr(running, ==, "VM_BAD_POWER_STATE [" UUID ", crashed, running]");
    g_assert_true(world_command(f->world, "crash " UUID));
    verbs_assert_runs(f, "dump", UUID, "op-3");
    verbs_assert_runs(f, "dump", UUID, "op-4"); /* in place of the older one */
    g_assert_true(image_exists(f->verbs.cores, UUID));
    g_assert_false(image_is_partial(f->verbs.cores, UUID));
    verbs_assert_runs(f, "destroy", UUID, "op-5");
    gone = verbs_run_text(f, "dump", UUID, "op-6", NULL);
    g_assert_cmpstr(gone, ==, "VM_BAD_POWER_STATE [" UUID ", crashed, halted]");
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(struct verbs_fixture *, gconstpointer);
    } tests[] = {
        {"adjust", test_adjust},
        {"signal", test_signal},
        {"refused-arguments", test_refused_arguments},
        {"suspend-and-resume", test_suspend_and_resume},
        {"continue", test_continue},
        {"refused-suspend", test_refused_suspend},
        {"broken-save", test_broken_save},
        {"bad-image", test_bad_image},
        {"dump", test_dump},
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/domains/live/%s", tests[i].name);
        g_test_add(path, struct verbs_fixture, NULL, verbs_set_up, tests[i].test, verbs_tear_down);
    }
    return g_test_run();
}
