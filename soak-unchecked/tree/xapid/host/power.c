#include "config.h"

#include "xapid/host/power.h"

#define SYSTEMCTL "/usr/bin/systemctl"

const char *const *
power_command(const char *action)
{
    static const char *const reboot[] = {SYSTEMCTL, "reboot", NULL};
    static const char *const shutdown[] = {SYSTEMCTL, "poweroff", NULL};

    if (g_str_equal(action, "reboot"))
        return reboot;
    return g_str_equal(action, "shutdown") ? shutdown : NULL;
}

struct order {
    power_done_fn done;
    void *data;
};

static void
ended(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree struct order *order = data;
    g_autoptr(GError) error = NULL;

    g_subprocess_wait_check_finish(G_SUBPROCESS(source), result, &error);
    order->done(error, order->data);
    g_object_unref(source);
}

bool
power_run(const char *const *command, power_done_fn done, void *data, GError **error)
{
    const struct order order = {done, data};
    GSubprocess *process = g_subprocess_newv(command, G_SUBPROCESS_FLAGS_NONE, error);

    if (!process)
        return false;
    g_subprocess_wait_check_async(process, NULL, ended, g_memdup2(&order, sizeof order));
    return true;
}

bool
power_simulate(const char *sim_dir, const char *action, GError **error)
{
    g_autofree char *path = g_build_filename(sim_dir, POWER_SIM_FILE, NULL);

    return g_file_set_contents(path, action, -1, error);
}
