/* Bonds of Linux: several interfaces that are one. */
#include "config.h"

#include <linux/if_bonding.h>

#include "lib/link-internal.h"
#include "lib/link.h"

#define LOOK_MS 100 /* between looks at the links of a bond */

int
link_read_bond(const struct nlattr *attribute, void *data)
{
    struct link_bond *bond = data;

    switch (mnl_attr_get_type(attribute)) {
    case IFLA_BOND_MODE:
        bond->mode = mnl_attr_get_u8(attribute);
        break;
    case IFLA_BOND_XMIT_HASH_POLICY:
        bond->hash = mnl_attr_get_u8(attribute);
        break;
    case IFLA_BOND_AD_LACP_RATE:
        bond->lacp_rate = mnl_attr_get_u8(attribute);
        break;
    case IFLA_BOND_AD_USER_PORT_KEY:
        bond->key = mnl_attr_get_u16(attribute);
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

/* The kernel takes what is of LACP in that mode alone. */
static void
put_bond(struct nlmsghdr *header, const struct link_bond *bond)
{
    struct nlattr *info = mnl_attr_nest_start(header, IFLA_LINKINFO), *data;

    mnl_attr_put_strz(header, IFLA_INFO_KIND, LINK_BOND);
    data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
    mnl_attr_put_u8(header, IFLA_BOND_MODE, bond->mode);
    mnl_attr_put_u32(header, IFLA_BOND_MIIMON, LOOK_MS);
    mnl_attr_put_u8(header, IFLA_BOND_XMIT_HASH_POLICY, bond->hash);
    if (bond->mode == BOND_MODE_8023AD) {
        mnl_attr_put_u8(header, IFLA_BOND_AD_LACP_RATE, bond->lacp_rate);
        mnl_attr_put_u16(header, IFLA_BOND_AD_USER_PORT_KEY, bond->key);
    }
    mnl_attr_nest_end(header, data);
    mnl_attr_nest_end(header, info);
}

int
link_make_bond(const char *name, const struct link_bond *bond, const uint8_t mac[NIC_MAC_LENGTH],
               uint32_t mtu)
{
    struct link_message message;

    link_make_init(&message, name, mtu);
    mnl_attr_put(message.header, IFLA_ADDRESS, NIC_MAC_LENGTH, mac);
    put_bond(message.header, bond);
    return link_talk(message.header, NULL, NULL);
}

int
link_change_bond(const struct link *link, const struct link_bond *bond)
{
    struct link_message message;
    int rc = link_set_down(link);

    if (rc < 0)
        return rc;
    link_message_init(&message, RTM_NEWLINK, NLM_F_ACK, link->index);
    put_bond(message.header, bond);
    return link_talk(message.header, NULL, NULL);
}

int
link_join_bond(const struct link *link, const struct link *bond)
{
    int rc = link_mark_uplink(link);

    if (rc == 0)
        rc = link_set_down(link);
    return rc < 0 ? rc : link_join(link, bond);
}
