#include "config.h"

#include "xapid/host/restart.h"

#include "lib/faults.h"
#include "xapid/host/command.h"

static void
answer(const GError *error, void *data)
{
    GDBusMethodInvocation *invocation = data;
    g_autoptr(GError) failed = error ? g_error_copy(error) : NULL;

    if (failed || !FAULT_POINT("host.restart.after", &failed))
        g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR, G_DBUS_ERROR_FAILED,
                                                      failed->message);
    else
        g_dbus_method_invocation_return_value(invocation, NULL);
}

void
restart_and_answer(GDBusMethodInvocation *invocation, const char *const *command, GError *failed)
{
    g_autoptr(GError) error = failed;

    if (error || !FAULT_POINT("host.restart.before", &error))
        answer(error, invocation);
    else if (!command)
        answer(NULL, invocation);
    else if (!command_run(command, answer, invocation, &error))
        answer(error, invocation);
}
