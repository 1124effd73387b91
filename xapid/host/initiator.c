#include "config.h"

#include "xapid/host/initiator.h"

#include <string.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/iscsi-name.h"
#include "lib/log.h"
#include "xapid/host/command.h"
#include "xapid/host/restart.h"

#define KEY "InitiatorName="

char *
initiator_find(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        const char *words = g_strstrip(*line);
        if (g_str_has_prefix(words, KEY) && iscsi_name_is_valid(words + strlen(KEY)))
            return g_strdup(words + strlen(KEY));
    }
    return g_strdup("");
}

bool
initiator_write(const char *folder, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(folder, INITIATOR_FILE, NULL);
    g_autofree char *text =
        g_strconcat("# Made by xapid, of host.set_iscsi_iqn.\n" KEY, name, "\n", NULL);

    return g_file_set_contents_full(
        path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error);
}

static bool
write_name(const char *folder, const char *name, GError **error)
{
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        api_error_set(error, "INTERNAL_ERROR", folder, "open-iscsi is not installed", NULL);
        return false;
    }
    return FAULT_AROUND("host.initiator.write", error, initiator_write(folder, name, error));
}

/* Sessions that are there go on, under the name that they began with. */
static gboolean
handle_set_iscsi_name(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, const char *name,
                      gpointer sim_dir)
{
    /* One that does not run reads the file when it starts. */
    static const char *const restart[] = {SYSTEMCTL, "try-restart", "iscsid.service", NULL};
    GError *error = NULL;

    (void)skeleton;
    if (!iscsi_name_is_valid(name)) {
        g_dbus_method_invocation_return_error_literal(
            invocation, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "name is one of iSCSI's");
        return TRUE;
    }
    log_info("to iSCSI targets this host is %s", name);
    write_name(sim_dir ? sim_dir : INITIATOR_FOLDER, name, &error);
    restart_and_answer(invocation, sim_dir ? NULL : restart, error);
    return TRUE;
}

void
initiator_serve(PeerHost1 *skeleton, const char *sim_dir)
{
    g_signal_connect(skeleton, "handle-set-iscsi-name", G_CALLBACK(handle_set_iscsi_name),
                     (gpointer)sim_dir);
}
