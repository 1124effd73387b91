#include "config.h"

#include "xapid/host/syslog.h"

#include <errno.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log-destination.h"
#include "lib/log.h"
#include "xapid/host/command.h"
#include "xapid/host/restart.h"

/* The host's name needs no quoting: log_destination_parse () has seen each of its characters. */
static char *
rules(const char *destination)
{
    g_autofree char *host = NULL;
    guint16 port;

    if (!log_destination_parse(destination, &host, &port))
        g_error("a checked destination is none: %s", destination);
    return g_strdup_printf(
        "# Made by xapid, of host.logging:syslog_destination; what is changed here is lost.\n"
        "*.* action(type=\"omfwd\" target=\"%s\" port=\"%u\" protocol=\"udp\")\n",
        host, port);
}

bool
syslog_write(const char *folder, const char *destination, GError **error)
{
    g_autofree char *path = g_build_filename(folder, SYSLOG_FILE, NULL);

    if (*destination) {
        g_autofree char *text = rules(destination);
        return g_file_set_contents_full(
            path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644,
            error);
    }
    if (unlink(path) == 0 || errno == ENOENT)
        return true;
    api_error_set(error, "INTERNAL_ERROR", path, g_strerror(errno), NULL);
    return false;
}

/* ---- ForwardLog ---- */

/* Whoever turns it off may have removed rsyslog before. */
static bool
write_rules(const char *folder, const char *destination, bool *ret_is_there, GError **error)
{
    *ret_is_there = g_file_test(folder, G_FILE_TEST_IS_DIR);
    if (*ret_is_there)
        return FAULT_AROUND("host.syslog.write", error, syslog_write(folder, destination, error));
    if (*destination)
        api_error_set(error, "INTERNAL_ERROR", folder, "rsyslog is not installed", NULL);
    return !*destination;
}

static gboolean
handle_forward_log(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, const char *destination,
                   gpointer sim_dir)
{
    static const char *const restart[] = {SYSTEMCTL, "restart", "rsyslog.service", NULL};
    GError *error = NULL;
    bool is_there;

    (void)skeleton;
    if (*destination && !log_destination_parse(destination, NULL, NULL)) {
        g_dbus_method_invocation_return_error_literal(
            invocation, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "destination is a host");
        return TRUE;
    }
    log_info("the log goes to %s", *destination ? destination : "no other host");
    write_rules(sim_dir ? sim_dir : SYSLOG_FOLDER, destination, &is_there, &error);
    restart_and_answer(invocation, sim_dir || !is_there ? NULL : restart, error);
    return TRUE;
}

void
syslog_serve(PeerHost1 *skeleton, const char *sim_dir)
{
    g_signal_connect(skeleton, "handle-forward-log", G_CALLBACK(handle_forward_log),
                     (gpointer)sim_dir);
}
