/* Whether a VM could run on any host of the pool: what high availability and clients that evacuate
 * a host ask.  Pure. */
#include "config.h"

#include "lib/error.h"
#include "xapid/vm/vm.h"

static const struct dm_class *
class_of(const char *name)
{
    return dm_class_find(name, false);
}

/* Has each host of the pool a row of that class for `ref`, in which `flag` is set? */
static bool
is_on_every_host(const struct model *model, const char *ref, const char *cls, const char *field,
                 const char *flag)
{
    g_autoptr(GPtrArray) hosts = model_all(model, class_of("host"));
    g_autoptr(GPtrArray) rows = model_referrers(model, ref, dm_field_find(class_of(cls), field));

    for (guint i = 0; i < hosts->len; i++) {
        bool found = false;
        for (guint j = 0; j < rows->len && !found; j++) {
            g_autofree char *host = model_get_string(model, rows->pdata[j], "host");
            found =
                g_str_equal(host, hosts->pdata[i]) && model_get_bool(model, rows->pdata[j], flag);
        }
        if (!found)
            return false;
    }
    return true;
}

static bool
disks_are_shared(const struct model *model, const char *vm, GError **error)
{
    g_autoptr(GPtrArray) drives = model_referrers(model, vm, dm_field_find(vbd_class(), "VM"));

    for (guint i = 0; i < drives->len; i++) {
        g_autofree char *vdi = model_get_string(model, drives->pdata[i], "VDI");
        if (model_get_bool(model, drives->pdata[i], "empty") || !model_has(model, vdi_class(), vdi))
            continue;
        g_autofree char *sr = model_get_string(model, vdi, "SR");
        if (model_get_bool(model, sr, "shared") &&
            is_on_every_host(model, sr, "PBD", "SR", "currently_attached"))
            continue;
        api_error_set(error, "HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", sr, NULL);
        return false;
    }
    return true;
}

static bool
networks_are_shared(const struct model *model, const char *vm, GError **error)
{
    g_autoptr(GPtrArray) cards = model_referrers(model, vm, dm_field_find(vif_class(), "VM"));

    for (guint i = 0; i < cards->len; i++) {
        g_autofree char *network = model_get_string(model, cards->pdata[i], "network");
        if (is_on_every_host(model, network, "PIF", "network", "currently_attached"))
            continue;
        api_error_set(error, "HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED", network, NULL);
        return false;
    }
    return true;
}

/* A device of the host is on no other one. */
static bool
has_none(const struct model *model, const char *vm, const char *cls, const char *code,
         GError **error)
{
    g_autoptr(GPtrArray) devices = model_referrers(model, vm, dm_field_find(class_of(cls), "VM"));

    if (devices->len)
        api_error_set(error, code, vm, NULL);
    return devices->len == 0;
}

bool
vm_is_agile(const struct model *model, const char *vm, GError **error)
{
    return has_none(model, vm, "VGPU", "VM_HAS_VGPU", error) &&
           has_none(model, vm, "VUSB", "VM_HAS_VUSBS", error) &&
           disks_are_shared(model, vm, error) && networks_are_shared(model, vm, error);
}
