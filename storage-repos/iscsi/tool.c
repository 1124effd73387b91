/* open-iscsi's tool, and the settings that it reads. */
#include "config.h"

#include "storage-repos/iscsi/iscsi.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/faults.h"
#include "storage-repos/common/mount.h"
#include "storage-repos/common/tool.h"

#define ISCSIADM "/usr/sbin/iscsiadm"
#define SETTINGS "/etc/iscsi/iscsid.conf"
/* What a target that is gone may cost, in seconds: a login is tried twice; what is read or written
 * fails when its session has been gone for a minute, of which nobody knows for up to ten more. */
#define BOUNDS                                                                                     \
    "node.startup = manual\n"                                                                      \
    "node.conn[0].timeo.login_timeout = 10\n"                                                      \
    "node.conn[0].timeo.logout_timeout = 10\n"                                                     \
    "node.session.initial_login_retry_max = 2\n"                                                   \
    "node.conn[0].timeo.noop_out_interval = 5\n"                                                   \
    "node.conn[0].timeo.noop_out_timeout = 5\n"                                                    \
    "node.session.timeo.replacement_timeout = 60\n"                                                \
    "discovery.sendtargets.timeo.login_timeout = 10\n"                                             \
    "discovery.sendtargets.reopen_max = 1\n"

/* ---- settings ---- */

static void
append_chap(GString *text, const char *prefix, const struct target *target)
{
    if (!*target->user)
        return;
    g_string_append_printf(text, "%s.authmethod = CHAP\n%s.username = %s\n%s.password = %s\n",
                           prefix, prefix, target->user, prefix, target->password);
    if (*target->in_user)
        g_string_append_printf(text, "%s.username_in = %s\n%s.password_in = %s\n", prefix,
                               target->in_user, prefix, target->in_password);
}

/* A later line is what holds.  NULL with an error: open-iscsi is not there. */
static char *
settings_of(const struct target *target, GError **error)
{
    g_autofree char *administrators = NULL;
    g_autoptr(GError) failed = NULL;
    GString *text;

    if (!g_file_get_contents(SETTINGS, &administrators, NULL, &failed)) {
        driver_fail(error, FAILURE_ISCSI_DAEMON, "%s; is open-iscsi installed?", failed->message);
        return NULL;
    }
    text = g_string_new(administrators);
    g_string_append(text, "\n" BOUNDS);
    append_chap(text, "node.session.auth", target);
    append_chap(text, "discovery.sendtargets.auth", target);
    return g_string_free(text, FALSE);
}

/* In memory, over the folder of our mounts, for this process has no use of those. */
static bool
put_settings(const char *text)
{
    static const char path[] = MOUNTS "/iscsid.conf";

    return mount("xapid-iscsi", MOUNTS, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") ==
               0 &&
           g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL) &&
           mount(path, SETTINGS, NULL, MS_BIND, NULL) == 0;
}

bool
iscsi_configure(const struct target *target, GError **error)
{
    g_autofree char *text = settings_of(target, error);

    if (!text || !mount_make_folder(MOUNTS, error) || !mount_go_aside(error))
        return false;
    if (FAULT_AROUND("iscsi.settings", error, put_settings(text)))
        return true;
    if (error && !*error)
        driver_fail(error, FAILURE_ISCSI_DAEMON, "settings of open-iscsi: %s", g_strerror(errno));
    return false;
}

/* ---- the tool ---- */

char *
iscsi_ask(const char *const *words, enum driver_failure number, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *said = NULL;
    char *output = NULL;

    g_ptr_array_add(argv, (char *)ISCSIADM);
    for (; *words; words++)
        g_ptr_array_add(argv, (char *)*words);
    g_ptr_array_add(argv, NULL);
    if (tool_ask((const char *const *)argv->pdata, &output, &said))
        return output;
    bool alone = strstr(said, "iSCSI daemon") != NULL;
    driver_fail(error, alone ? FAILURE_ISCSI_DAEMON : number, "%s", said);
    return NULL;
}
