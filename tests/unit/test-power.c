/* xapid/host/power: which commands there are, how the end of one is told, and what a simulated host
 * does instead.  Nothing here runs a command of the table. */
#include "config.h"

#include "tests/unit/remove-tree.h"
#include "xapid/host/command.h"
#include "xapid/host/power.h"

static void
assert_command(const char *action, const char *verb)
{
    const char *const *command = power_command(action);

    g_assert_nonnull(command);
    g_assert_cmpstr(command[0], ==, "/usr/bin/systemctl");
    g_assert_cmpstr(command[1], ==, verb);
    g_assert_null(command[2]);
}

static void
test_commands(void)
{
    static const char *const others[] = {"", "poweroff", "Reboot", "reboot ", "reboot;halt"};

    assert_command("reboot", "reboot");
    assert_command("shutdown", "poweroff");
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        g_assert_null(power_command(others[i]));
}

struct end {
    bool told;
    char *why;
};

static void
told(const GError *error, void *data)
{
    struct end *end = data;

    end->told = true;
    end->why = error ? g_strdup(error->message) : NULL;
}

static char *
end_of(const char *program)
{
    const char *const command[] = {program, NULL};
    struct end end = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(command_run(command, told, &end, &error));
    g_assert_no_error(error);
    g_assert_false(end.told);
    while (!end.told)
        g_main_context_iteration(NULL, TRUE);
    return end.why;
}

static void
test_ends(void)
{
    static const char *const none[] = {"/nonexistent/systemctl", NULL};
    g_autofree char *well = end_of("/bin/true"), *ill = end_of("/bin/false");
    g_autoptr(GError) error = NULL;
    struct end end = {0};

    g_assert_null(well);
    g_assert_nonnull(strstr(ill, "code 1"));
    g_assert_false(command_run(none, told, &end, &error));
    g_assert_nonnull(error);
    g_assert_false(end.told);
}

static void
test_simulated(void)
{
    g_autofree char *dir = g_dir_make_tmp("power-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, POWER_SIM_FILE, NULL), *text = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(power_simulate(dir, "reboot", &error));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "reboot");
    remove_tree(dir);
    g_assert_false(power_simulate(dir, "reboot", &error));
    g_assert_nonnull(error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/power/commands", test_commands);
    g_test_add_func("/power/ends", test_ends);
    g_test_add_func("/power/simulated", test_simulated);
    return g_test_run();
}
