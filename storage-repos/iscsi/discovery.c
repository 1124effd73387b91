/* What targets and disks there are, in the documents that clients of the XenAPI read when they have
 * not said yet which one they mean. */
#include "config.h"

#include "storage-repos/iscsi/iscsi.h"

#include <string.h>

#include "lib/faults.h"
#include "lib/iscsi-name.h"
#include "storage-repos/common/document.h"
#include "storage-repos/common/scsi.h"

#define TARGETS_MAX 1024 /* that are told */

/* A line of iscsiadm: "127.0.0.1:3260,1 iqn.…", "[::1]:3260,1 iqn.…".  A name that nobody could
 * write in a device_config is left out. */
static bool
add_target(GString *text, unsigned index, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 2);
    const char *iqn = words[0] ? words[1] : NULL;
    char *comma = iqn && iscsi_name_is_valid(iqn) ? strrchr(words[0], ',') : NULL;

    if (!comma)
        return false;
    *comma = '\0';
    char *colon = strrchr(words[0], ':');
    if (!colon)
        return false;
    *colon = '\0';
    bool v6 = *words[0] == '[' && colon[-1] == ']';
    if (v6)
        colon[-1] = '\0';
    g_string_append(text, "<TGT>\n");
    document_add_number(text, "Index", index);
    document_add(text, "IPAddress", words[0] + (v6 ? 1 : 0));
    document_add(text, "Port", colon + 1);
    document_add(text, "TargetIQN", iqn);
    g_string_append(text, "</TGT>\n");
    return true;
}

bool
tell_targets(const struct target *target, GError **error)
{
    const char *const words[] = {"-m", "discovery",     "-t", "sendtargets", "-p", target->portal,
                                 "-o", "nonpersistent", NULL};
    g_autofree char *said = NULL;
    g_autoptr(GString) text = g_string_new("<?xml version=\"1.0\"?>\n<iscsi-target-iqns>\n");
    unsigned n = 0;

    if (!iscsi_configure(target, error) ||
        !FAULT_AROUND("iscsi.discovery", error,
                      (said = iscsi_ask(words, FAILURE_ISCSI_TARGET, error)) != NULL))
        return false;
    g_auto(GStrv) lines = g_strsplit(said, "\n", -1);
    for (char **line = lines; *line && n < TARGETS_MAX; line++)
        n += add_target(text, n, *line);
    g_string_append(text, "</iscsi-target-iqns>\n");
    driver_fail_telling(error, FAILURE_CONFIG_IQN,
                        "device_config lacks targetIQN, which says which of these targets",
                        text->str);
    return false;
}

bool
tell_disks(GPtrArray *disks, GError **error)
{
    g_autoptr(GString) text = g_string_new("<?xml version=\"1.0\"?>\n<iscsi-target>\n");

    for (guint i = 0; i < disks->len; i++) {
        const struct scsi_disk *disk = disks->pdata[i];
        g_string_append(text, "<LUN>\n");
        document_add(text, "vendor", disk->vendor);
        document_add(text, "serial", disk->serial);
        document_add_number(text, "LUNid", disk->lun);
        document_add_number(text, "size", (guint64)disk->size);
        document_add(text, "SCSIid", disk->id);
        g_string_append(text, "</LUN>\n");
    }
    g_string_append(text, "</iscsi-target>\n");
    driver_fail_telling(error, FAILURE_CONFIG_SCSI_ID,
                        "device_config lacks SCSIid, which says which of these disks", text->str);
    return false;
}
