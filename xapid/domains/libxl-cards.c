/* Network cards of a domain that runs, by libxl; the bridges that they are in, by rtnetlink.
 *
 * A card that comes later is Xen's alone: nothing emulates it.  One that a whole machine began with
 * may go once the guest's driver has taken it over, which ended the emulated one. */
#include "config.h"

#include <errno.h>
#include <libxl_utils.h>
#include <net/if.h>
#include <string.h>

#include "lib/error.h"
#include "lib/link.h"
#include "lib/port.h"
#include "xapid/domains/libxl-internal.h"
#include "xapid/domains/libxl-nics.h"

#define CONNECTED 4 /* XenbusStateConnected: the guest's driver uses it */

struct interface {
    char name[IFNAMSIZ];
};

static struct interface
interface_of(int domid, int device, bool emulated)
{
    struct interface interface;

    g_snprintf(interface.name, sizeof interface.name, emulated ? "vif%d.%d-emu" : "vif%d.%d", domid,
               device);
    return interface;
}

/* why: what Open vSwitch says, or "". */
static bool
port_failed(const char *name, const char *what, int rc, const char *why, GError **error)
{
    g_autofree char *text = g_strdup_printf("%s: %s", what, *why ? why : g_strerror(-rc));

    api_error_set(error, "INTERNAL_ERROR", name, text, NULL);
    return false;
}

static bool
link_failed(const char *name, const char *what, int rc, GError **error)
{
    return port_failed(name, what, rc, "", error);
}

/* False: there is none at that place. */
static bool
find(struct backend_ctx *ctx, int domid, int device, libxl_device_nic *ret_nic)
{
    int n = 0;
    libxl_device_nic *nics = libxl_device_nic_list(ctx->ctx, (uint32_t)domid, &n);
    bool found = false;

    for (int i = 0; i < n && !found; i++) {
        if (nics[i].devid != device)
            continue;
        libxl_device_nic_copy(ctx->ctx, ret_nic, &nics[i]);
        found = true;
    }
    libxl_device_nic_list_free(nics, n);
    return found;
}

static bool
take_away(struct backend_ctx *ctx, int domid, libxl_device_nic *nic, GError **error)
{
    int rc = libxl_device_nic_destroy(ctx->ctx, (uint32_t)domid, nic, NULL);

    return rc ? libxl_failed(ctx, rc, "libxl_device_nic_destroy", error) : true;
}

/* The guest has ten seconds to let go of it; then it loses it. */
static bool
ask_for(struct backend_ctx *ctx, int domid, libxl_device_nic *nic, GError **error)
{
    int rc = libxl_device_nic_remove(ctx->ctx, (uint32_t)domid, nic, NULL);

    return rc ? libxl_failed(ctx, rc, "libxl_device_nic_remove", error) : true;
}

/* ---- plugging ---- */

/* nic-hotplug puts it there last of all. */
static bool
is_whole(int domid, const libxl_device_nic *nic, const struct guest_nic *card)
{
    struct interface interface = interface_of(domid, card->device, false);
    struct link link, bridge;

    return memcmp(nic->mac, card->mac, sizeof card->mac) == 0 &&
           link_find(card->bridge, &bridge) == 0 && link_find(interface.name, &link) == 0 &&
           link.master == bridge.index;
}

static bool
add(struct backend_ctx *ctx, int domid, const struct guest_nic *card, GError **error)
{
    libxl_device_nic nic;
    int rc;

    libxl_nic_fill(card, &nic);
    rc = libxl_device_nic_add(ctx->ctx, (uint32_t)domid, &nic, NULL);
    libxl_device_nic_dispose(&nic);
    return rc ? libxl_failed(ctx, rc, "libxl_device_nic_add", error) : true;
}

bool
libxl_backend_plug_nic(struct backend_ctx *ctx, const struct domain_info *info,
                       const struct guest_nic *card, GError **error)
{
    libxl_device_nic nic;
    bool there, whole, ok = true;

    libxl_device_nic_init(&nic);
    there = find(ctx, info->domid, card->device, &nic);
    whole = there && is_whole(info->domid, &nic, card);
    /* Half made, by a worker that was lost. */
    if (there && !whole)
        ok = take_away(ctx, info->domid, &nic, error);
    libxl_device_nic_dispose(&nic);
    return ok && (whole || add(ctx, info->domid, card, error));
}

/* ---- unplugging ---- */

/* The emulated card beside one that a whole machine began with.  1: it is in a bridge; else 0, or
 * an error that was set. */
static int
find_emulated(int domid, int device, struct link *ret_link, GError **error)
{
    struct interface emulated = interface_of(domid, device, true);
    int rc = link_find(emulated.name, ret_link);

    if (rc == 0 || rc == -ENODEV)
        return rc == 0 && ret_link->master != 0;
    link_failed(emulated.name, "looking for it", rc, error);
    return -1;
}

static bool
is_connected(struct backend_ctx *ctx, int domid, const libxl_device_nic *nic)
{
    libxl_nicinfo info;
    bool connected;

    libxl_nicinfo_init(&info);
    connected = libxl_device_nic_getinfo(ctx->ctx, (uint32_t)domid, nic, &info) == 0 &&
                info.state == CONNECTED;
    libxl_nicinfo_dispose(&info);
    return connected;
}

static bool
unplug(struct backend_ctx *ctx, int domid, libxl_device_nic *nic, bool emulated, bool force,
       GError **error)
{
    g_autofree char *place = g_strdup_printf("%d", nic->devid);

    /* The guest's driver has ended the emulated one when it uses this. */
    if (!emulated || is_connected(ctx, domid, nic))
        return force ? take_away(ctx, domid, nic, error) : ask_for(ctx, domid, nic, error);
    api_error_set(error, "DEVICE_DETACH_REJECTED", "VIF", place,
                  "an emulated card stays while the VM runs", NULL);
    return false;
}

bool
libxl_backend_unplug_nic(struct backend_ctx *ctx, int domid, int device, bool force, GError **error)
{
    struct interface interface = interface_of(domid, device, true);
    libxl_device_nic nic;
    struct link link;
    int emulated = find_emulated(domid, device, &link, error), rc;
    char why[OVSDB_TEXT_MAX];
    bool ok = emulated >= 0;

    libxl_device_nic_init(&nic);
    if (ok && find(ctx, domid, device, &nic))
        ok = unplug(ctx, domid, &nic, emulated, force, error);
    libxl_device_nic_dispose(&nic);
    if (!ok || !emulated)
        return ok;
    rc = port_leave(interface.name, OVSDB_SOCKET, why);
    return rc < 0 ? port_failed(interface.name, "taking it out of its bridge", rc, why, error)
                  : true;
}

/* ---- changing ---- */

static bool
write_key(struct backend_ctx *ctx, const char *folder, const char *key, const char *value,
          GError **error)
{
    g_autofree char *path = g_strconcat(folder, "/", key, NULL);

    if (xs_write(ctx->xs, XBT_NULL, path, value, (unsigned)strlen(value)))
        return true;
    api_error_set(error, "INTERNAL_ERROR", path, g_strerror(errno), NULL);
    return false;
}

/* For who looks, and for libxl. */
static bool
write_keys(struct backend_ctx *ctx, int domid, const struct guest_nic *card, GError **error)
{
    g_autofree char *backend =
        g_strdup_printf("/local/domain/0/backend/vif/%d/%d", domid, card->device);
    g_autofree char *libxl = g_strdup_printf("/libxl/%d/device/vif/%d", domid, card->device);

    return write_key(ctx, backend, "bridge", card->bridge, error) &&
           write_key(ctx, libxl, "bridge", card->bridge, error) &&
           write_key(ctx, backend, "ip", card->lock, error) &&
           write_key(ctx, libxl, "ip", card->lock, error);
}

/* The lock first: nothing passes in a bridge that may not. */
static bool
put(const struct interface *interface, const struct link *link, const struct guest_nic *card,
    GError **error)
{
    const struct port_network network = {card->bridge, OVSDB_SOCKET};
    char why[OVSDB_TEXT_MAX] = "";
    struct nic_lock lock;
    int rc = nic_lock_parse(card->lock, &lock) ? 0 : -EINVAL;

    if (rc == 0)
        rc = link_lock(link, &lock, card->mac);
    if (rc == 0)
        rc = link_set_up(interface->name, link, (uint32_t)card->mtu);
    if (rc == 0)
        rc = port_join(link, &network, why);
    return rc < 0 ? port_failed(interface->name, card->bridge, rc, why, error) : true;
}

bool
libxl_backend_set_nic(struct backend_ctx *ctx, int domid, const struct guest_nic *card,
                      GError **error)
{
    struct interface interface = interface_of(domid, card->device, false);
    struct interface beside = interface_of(domid, card->device, true);
    const struct port_network network = {card->bridge, OVSDB_SOCKET};
    char why[OVSDB_TEXT_MAX];
    int rc = port_find_network(&network, why), emulated;
    struct link link;

    if (rc < 0)
        return port_failed(card->bridge, "looking for it", rc, why, error);
    rc = link_find(interface.name, &link);
    if (rc < 0)
        return link_failed(interface.name, "looking for it", rc, error);
    if (!put(&interface, &link, card, error))
        return false;
    emulated = find_emulated(domid, card->device, &link, error);
    return emulated >= 0 && (!emulated || put(&beside, &link, card, error)) &&
           write_keys(ctx, domid, card, error);
}
