#include "config.h"

#include "xapid/host/command.h"

struct order {
    command_done_fn done;
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
command_run(const char *const *command, command_done_fn done, void *data, GError **error)
{
    const struct order order = {done, data};
    GSubprocess *process = g_subprocess_newv(command, G_SUBPROCESS_FLAGS_NONE, error);

    if (!process)
        return false;
    g_subprocess_wait_check_async(process, NULL, ended, g_memdup2(&order, sizeof order));
    return true;
}
