/* The driver of volume groups on a disk of an iSCSI target.  Whatever of them is there comes by a
 * session with the target, which lasts while the repository is attached, or for one call. */
#include "config.h"

#include <string.h>

#include "lib/log.h"
#include "lib/member.h"
#include "storage-repos/common/scsi.h"
#include "storage-repos/iscsi/iscsi.h"
#include "storage-repos/lvm/lvm.h"

char **
repository_devices(GVariant *args, GError **error)
{
    const char *iqn = target_iqn(args, error), *id = driver_key(args, "SCSIid");

    if (!iqn || !scsi_id_is_valid(id, error))
        return NULL;
    g_autoptr(GPtrArray) disks = session_disks(iqn, id);
    g_autofree char *device = scsi_find(disks, id);
    if (!device) {
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s has no disk %s, or does not answer", iqn,
                    id);
        return NULL;
    }
    return g_strsplit(device, ",", 1);
}

/* Which target, and then which disk, must be said; who does not say it is told what there is. */
static bool
read_whole(GVariant *args, target_t *ret_target, GError **error)
{
    if (!target_read(args, ret_target, error))
        return false;
    return *ret_target->iqn || tell_targets(ret_target, error);
}

/* Its failure is the call's, unless that has one already. */
static bool
leave(const struct target *target, const struct session_hold *hold, bool ok, GError **error)
{
    g_autoptr(GError) failed = NULL;

    if (session_leave(target, hold, &failed))
        return ok;
    if (ok)
        g_propagate_error(error, g_steal_pointer(&failed));
    else
        log_warning("%s", failed->message);
    return false;
}

/* Always false, with the disks. */
static bool
tell(const char *iqn, GError **error)
{
    g_autoptr(GPtrArray) disks = session_disks(iqn, /* id: any */ NULL);

    return tell_disks(disks, error);
}

/* With a session for its own length. */
static bool
run_once(GVariant *args, GVariantDict *result,
         bool (*call)(GVariant *args, GVariantDict *result, GError **error), GError **error)
{
    g_auto(target_t) target = {0};
    struct session_hold hold;

    if (!read_whole(args, &target, error) ||
        !session_enter(&target, /* sr: none */ NULL, &hold, error))
        return false;
    bool ok = *driver_key(args, "SCSIid") ? call(args, result, error) : tell(target.iqn, error);
    return leave(&target, &hold, ok, error);
}

static bool
probe(GVariant *args, GVariantDict *result, GError **error)
{
    return run_once(args, result, sr_probe, error);
}

static bool
create(GVariant *args, GVariantDict *result, GError **error)
{
    return run_once(args, result, sr_create, error);
}

static bool
destroy(GVariant *args, GVariantDict *result, GError **error)
{
    return run_once(args, result, sr_destroy, error);
}

static bool
detach(GVariant *args, GVariantDict *result, GError **error)
{
    return sr_detach(args, result, error) && session_forget(member_text(args, "sr"), error);
}

static bool
attach(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(target_t) target = {0};
    g_autoptr(GError) failed = NULL;
    struct session_hold hold;

    if (!read_whole(args, &target, error) ||
        !session_enter(&target, member_text(args, "sr"), &hold, error))
        return false;
    bool ok = sr_attach(args, result, error);
    if (!ok && !hold.was_there && !detach(args, result, &failed))
        log_warning("%s", failed->message);
    return leave(&target, &hold, ok, error);
}

int
main(int argc, char **argv)
{
    static const struct driver_key keys[] = {
        {"target", "name or address of an iSCSI server", true},
        {"port", "3260 unless it is said", false},
        {"targetIQN", "which of its targets", false},
        {"SCSIid", "which of the target's disks, empty or of this repository", false},
        {"chapuser", "who this host is to the target (CHAP)", false},
        {"chappassword", "its password; chappassword_secret: uuid of a secret that has it", false},
        {"incoming_chapuser", "who the target has to be", false},
        {"incoming_chappassword", "its password, or incoming_chappassword_secret", false},
        {NULL, NULL, false}};
    static const struct driver_call calls[] = {{"sr.probe", probe},     {"sr.create", create},
                                               {"sr.attach", attach},   {"sr.detach", detach},
                                               {"sr.destroy", destroy}, {NULL, NULL}};
    static const struct driver driver = {"lvmoiscsi",
                                         "LVM over iSCSI",
                                         "Disks as logical volumes on a disk of an iSCSI target",
                                         volume_capabilities,
                                         keys,
                                         calls,
                                         volume_calls,
                                         NULL};

    return driver_main(&driver, argc, argv);
}
