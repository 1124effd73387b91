#include "config.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/confine.h"
#include "lib/error.h"
#include "lib/faults.h"

static bool
step_one(GError **error)
{
    return FAULT_POINT("test.one", error);
}

static bool
step_two(GError **error)
{
    return FAULT_POINT("test.two", error);
}

static bool
step_around(int *calls, GError **error)
{
    return FAULT_AROUND("test.around", error, ++*calls);
}

/* Arms the points as the environment would. */
static void
arm(const char *spec)
{
    g_autoptr(GError) error = NULL;

    g_setenv("XAPID_FAULT", spec, TRUE);
    faults_init(&error);
    g_assert_no_error(error);
}

static void
test_unarmed(void)
{
    g_autoptr(GError) error = NULL;

    g_unsetenv("XAPID_FAULT");
    g_assert_true(faults_init(&error));
    g_assert_false(faults_armed);
    g_assert_true(step_one(&error) && step_two(&error));
    g_assert_no_error(error);
}

static void
test_trace(void)
{
    g_autoptr(GError) error = NULL;

    arm("trace");
    g_assert_true(faults_armed);
    g_assert_true(step_one(&error) && step_two(&error));
    g_assert_no_error(error);
}

static void
test_around(void)
{
    g_autoptr(GError) error = NULL;
    int calls = 0;

    arm("test.around.before=error");
    g_assert_false(step_around(&calls, &error));
    g_assert_cmpstr(error->message, ==, "INTERNAL_ERROR [fault, test.around.before]");
    g_assert_cmpint(calls, ==, 0);
    g_clear_error(&error);
    arm("test.around.after=error");
    g_assert_false(step_around(&calls, &error));
    g_assert_cmpstr(error->message, ==, "INTERNAL_ERROR [fault, test.around.after]");
    g_assert_cmpint(calls, ==, 1);
}

static void
test_error(void)
{
    g_autoptr(GError) error = NULL;

    arm("test.one=error@2");
    g_assert_true(step_one(&error));
    g_assert_true(step_two(&error));
    g_assert_false(step_one(&error));
    g_assert_cmpstr(error->message, ==, "INTERNAL_ERROR [fault, test.one]");
    g_clear_error(&error);
    g_assert_true(step_one(&error));

    arm("test.one=error,test.two=error");
    g_assert_false(step_one(NULL));
    g_assert_false(step_one(NULL));
    g_assert_false(step_two(NULL));
}

static void
test_delay(void)
{
    arm("test.one=delay:50");
    gint64 start = g_get_monotonic_time();
    g_assert_true(step_one(NULL));
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 50000);
}

static void
test_kill(void)
{
    int status;
    pid_t child = fork();

    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        arm("test.two=kill");
        step_one(NULL);
        step_two(NULL);
        _exit(0);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGKILL);
}

/* What a program in a jail does that meets each of the faults of `spec` twice. */
static int
status_in_jail(const char *spec)
{
    const int calls[] = {-1};
    int status;
    pid_t child = fork();

    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        arm(spec);
        if (!confine("nobody", STDERR_FILENO + 1, 0, (guint64)1 << 30, calls, NULL))
            _exit(100);
        unsigned met = 0;
        gint64 start = g_get_monotonic_time();
        for (unsigned i = 0; i < 2; i++)
            met += !step_one(NULL) + (!step_two(NULL) ? 10 : 0);
        _exit((int)met + (g_get_monotonic_time() - start >= 50000 ? 20 : 0));
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    return status;
}

/* Once for all processes that are given the folder, whatever they have given up. */
static void
test_once(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("xapid-test-XXXXXX", &error);
    g_autofree char *one = g_build_filename(folder, "test.one", NULL);
    g_autofree char *two = g_build_filename(folder, "test.two", NULL);

    g_assert_no_error(error);
    g_setenv("XAPID_TEST_FAULT_DIR", folder, TRUE);
    int status = status_in_jail("test.one=error,test.two=delay:50");
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1 + 20);
    arm("test.one=error,test.two=error");
    g_assert_true(step_one(NULL) && step_two(NULL));
    g_unlink(two);
    status = status_in_jail("test.two=kill");
    g_assert_true(WIFSIGNALED(status));
    status = status_in_jail("test.two=kill");
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    g_unlink(one);
    g_unlink(two);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_setenv("XAPID_FAULT", "test.one=error", TRUE);
    g_assert_false(faults_init(&error));
    g_assert_true(api_error_is(error, "INTERNAL_ERROR"));
    g_unsetenv("XAPID_TEST_FAULT_DIR");
    g_unsetenv("XAPID_FAULT");
}

/* What is handed on to a program with an environment of its own. */
static void
test_environ(void)
{
    const char *const own[] = {"LC_ALL=C", NULL};

    g_setenv("XAPID_FAULT", "test.one=error", TRUE);
    g_auto(GStrv) with = faults_environ(own);
    g_unsetenv("XAPID_FAULT");
    g_auto(GStrv) without = faults_environ(own);
    g_assert_cmpuint(g_strv_length(with), ==, 2);
    g_assert_cmpstr(g_environ_getenv(with, "XAPID_FAULT"), ==, "test.one=error");
    g_assert_true(g_strv_equal(own, (const char *const *)without));
}

static void
test_other_programs(void)
{
    arm("of.another.program=kill,test.two=error");
    g_assert_true(step_one(NULL));
    g_assert_false(step_two(NULL));
    arm("of.another.program=kill");
    g_assert_false(faults_armed);
}

static void
test_malformed(void)
{
    static const char *const specs[] = {
        "test.one",         "test.one=",
        "test.one=explode", "test.one=error@0",
        "test.one=error@x", "test.one=delay:",
        "test.one=delay:x", "test.one=delay:600001",
        "test.one=kill,",   ",",
        "test.one=error@",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(specs); i++) {
        g_autoptr(GError) error = NULL;
        g_setenv("XAPID_FAULT", specs[i], TRUE);
        g_assert_false(faults_init(&error));
        g_assert_true(api_error_is(error, "INTERNAL_ERROR"));
    }
}

static void
test_list(void)
{
    if (g_test_subprocess()) {
        faults_list();
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stdout("*test.one *test-faults.c:*\ntest.two *test-faults.c:*");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/faults/unarmed", test_unarmed);
    g_test_add_func("/faults/trace", test_trace);
    g_test_add_func("/faults/around", test_around);
    g_test_add_func("/faults/error", test_error);
    g_test_add_func("/faults/delay", test_delay);
    g_test_add_func("/faults/kill", test_kill);
    g_test_add_func("/faults/once", test_once);
    g_test_add_func("/faults/environ", test_environ);
    g_test_add_func("/faults/other-programs", test_other_programs);
    g_test_add_func("/faults/malformed", test_malformed);
    g_test_add_func("/faults/list", test_list);
    return g_test_run();
}
