#include "config.h"

#include "xapid/domains/guest-nics.h"

#include <string.h>

#include "xapid/domains/argument.h"

static const struct argument_key nic_keys[] = {{"device", "i", true}, {"mac", "s", true},
                                               {"bridge", "s", true}, {"mtu", "i", true},
                                               {"lock", "s", false},  {"kbps", "i", false}};

/* Six bytes in hexadecimal with colons between them, of one station: not of a group, not zero. */
static bool
mac_parse(const char *text, guint8 ret_mac[NIC_MAC_LENGTH])
{
    static const guint8 zero[NIC_MAC_LENGTH];

    for (int i = 0; i < NIC_MAC_LENGTH; i++, text += 3) {
        int high = g_ascii_xdigit_value(text[0]);
        int low = high < 0 ? -1 : g_ascii_xdigit_value(text[1]);

        if (low < 0 || text[2] != (i < NIC_MAC_LENGTH - 1 ? ':' : '\0'))
            return false;
        ret_mac[i] = (guint8)(high << 4 | low);
    }
    return ret_mac[0] % 2 == 0 && memcmp(ret_mac, zero, NIC_MAC_LENGTH) != 0;
}

bool
guest_nic_parse(GVariant *args, struct guest_nic *ret_nic, GError **error)
{
    struct guest_nic nic = {0};
    const char *mac, *bridge, *lock_text = "";
    struct nic_lock lock;

    if (!argument_keys_check("nics", args, nic_keys, G_N_ELEMENTS(nic_keys), error))
        return false;
    g_variant_lookup(args, "device", "i", &nic.device);
    g_variant_lookup(args, "mac", "&s", &mac);
    g_variant_lookup(args, "bridge", "&s", &bridge);
    g_variant_lookup(args, "mtu", "i", &nic.mtu);
    if (nic.device < 0 || nic.device >= CONFIG_NICS_MAX)
        return argument_refuse_int(error, "device", nic.device);
    if (!mac_parse(mac, nic.mac))
        return argument_refuse(error, "mac", mac);
    if (!bridge_name_is_valid(bridge))
        return argument_refuse(error, "bridge", bridge);
    if (nic.mtu < BRIDGE_MTU_MIN || nic.mtu > BRIDGE_MTU_MAX)
        return argument_refuse_int(error, "mtu", nic.mtu);
    g_variant_lookup(args, "lock", "&s", &lock_text);
    if (!nic_lock_parse(lock_text, &lock))
        return argument_refuse(error, "lock", lock_text);
    g_variant_lookup(args, "kbps", "i", &nic.kbps);
    if (nic.kbps < 0 || nic.kbps > CONFIG_KBPS_MAX)
        return argument_refuse_int(error, "kbps", nic.kbps);
    g_strlcpy(nic.bridge, bridge, sizeof nic.bridge);
    g_strlcpy(nic.lock, lock_text, sizeof nic.lock);
    *ret_nic = nic;
    return true;
}

GArray *
guest_nics_parse(GVariant *nics, GError **error)
{
    g_autoptr(GArray) out = g_array_new(FALSE, FALSE, sizeof(struct guest_nic));
    gsize n = nics ? g_variant_n_children(nics) : 0;
    unsigned taken = 0;

    if (n > CONFIG_NICS_MAX) {
        argument_refuse_int(error, "nics", (int64_t)n);
        return NULL;
    }
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) args = g_variant_get_child_value(nics, i);
        struct guest_nic nic;

        if (!guest_nic_parse(args, &nic, error))
            return NULL;
        if (taken & 1u << nic.device) {
            argument_refuse_int(error, "device", nic.device);
            return NULL;
        }
        taken |= 1u << nic.device;
        g_array_append_val(out, nic);
    }
    return g_steal_pointer(&out);
}
