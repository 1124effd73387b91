#include "config.h"

#include "xapid/host/power.h"

#include "xapid/host/command.h"

const char *const *
power_command(const char *action)
{
    static const char *const reboot[] = {SYSTEMCTL, "reboot", NULL};
    static const char *const shutdown[] = {SYSTEMCTL, "poweroff", NULL};

    if (g_str_equal(action, "reboot"))
        return reboot;
    return g_str_equal(action, "shutdown") ? shutdown : NULL;
}

bool
power_simulate(const char *sim_dir, const char *action, GError **error)
{
    g_autofree char *path = g_build_filename(sim_dir, POWER_SIM_FILE, NULL);

    return g_file_set_contents(path, action, -1, error);
}
