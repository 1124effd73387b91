#include "config.h"

#include "lib/link.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_vlan.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/link-internal.h"

#define ANSWER_MAX 32768           /* bytes at once; the kernel tells no more */
#define DUMP_TRIES 8               /* each of them found a change meanwhile */
#define OPEN_VSWITCH "openvswitch" /* a kind of interfaces */

void
link_message_init(struct link_message *message, uint16_t type, uint16_t flags, int index)
{
    message->header = mnl_nlmsg_put_header(message->bytes);
    message->header->nlmsg_type = type;
    message->header->nlmsg_flags = NLM_F_REQUEST | flags;
    message->header->nlmsg_seq = LINK_SEQUENCE;
    message->about = mnl_nlmsg_put_extra_header(message->header, sizeof *message->about);
    message->about->ifi_family = AF_UNSPEC;
    message->about->ifi_index = index;
}

static int
exchange(struct mnl_socket *socket, const struct nlmsghdr *message, mnl_cb_t each, void *data)
{
    char answer[ANSWER_MAX];
    int r = 1;

    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
        return -errno;
    while (r > 0) {
        ssize_t n = mnl_socket_recvfrom(socket, answer, sizeof answer);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EPIPE;
        r = mnl_cb_run(answer, (size_t)n, LINK_SEQUENCE, mnl_socket_get_portid(socket), each, data);
    }
    return r < 0 ? -errno : 0;
}

int
link_talk(const struct nlmsghdr *message, mnl_cb_t each, void *data)
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    int rc;

    if (!socket)
        return -errno;
    rc = exchange(socket, message, each, data);
    mnl_socket_close(socket);
    return rc;
}

int
link_items_add(struct link_items *items, const void *item)
{
    char *all = reallocarray(items->all, items->n + 1, items->size);

    if (!all) {
        errno = ENOMEM;
        return MNL_CB_ERROR;
    }
    items->all = all;
    memcpy(all + items->n++ * items->size, item, items->size);
    return MNL_CB_OK;
}

int
link_dump(const struct nlmsghdr *message, mnl_cb_t each, struct link_items *items)
{
    int rc = -EINTR;

    for (int tries = 0; tries < DUMP_TRIES && rc == -EINTR; tries++) {
        items->n = 0;
        rc = link_talk(message, each, items);
    }
    return rc;
}

/* Calls `each` for every interface in the answer. */
static int
talk(const struct link_message *message, mnl_cb_t each, void *data)
{
    return link_talk(message->header, each, data);
}

struct info {
    const char *kind, *master_kind;
    const struct nlattr *data, *master_data;
};

static int
read_info(const struct nlattr *attribute, void *data)
{
    struct info *info = data;

    if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
        info->kind = mnl_attr_get_str(attribute);
    else if (mnl_attr_get_type(attribute) == IFLA_INFO_SLAVE_KIND)
        info->master_kind = mnl_attr_get_str(attribute);
    else if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA)
        info->data = attribute;
    else if (mnl_attr_get_type(attribute) == IFLA_INFO_SLAVE_DATA)
        info->master_data = attribute;
    return MNL_CB_OK;
}

static int
read_tag(const struct nlattr *attribute, void *data)
{
    if (mnl_attr_get_type(attribute) == IFLA_VLAN_ID)
        *(int *)data = mnl_attr_get_u16(attribute);
    return MNL_CB_OK;
}

static void
read_text(const struct nlattr *attribute, char text[LINK_TEXT_MAX])
{
    snprintf(text, LINK_TEXT_MAX, "%s", mnl_attr_get_str(attribute));
}

static void
read_mac(const struct nlattr *attribute, struct link *link)
{
    if (mnl_attr_get_payload_len(attribute) == NIC_MAC_LENGTH)
        memcpy(link->mac, mnl_attr_get_payload(attribute), NIC_MAC_LENGTH);
}

/* The bond has given it another one for as long as it is in it. */
static int
read_own_mac(const struct nlattr *attribute, void *data)
{
    if (mnl_attr_get_type(attribute) == IFLA_BOND_SLAVE_PERM_HWADDR)
        read_mac(attribute, data);
    return MNL_CB_OK;
}

static int
read_kind(const struct nlattr *attribute, struct link *link)
{
    struct info info = {.kind = "", .master_kind = ""};
    int r = mnl_attr_parse_nested(attribute, read_info, &info);

    link->is_bridge = strcmp(info.kind, "bridge") == 0;
    link->is_bond = strcmp(info.kind, LINK_BOND) == 0;
    link->is_switch = strcmp(info.kind, OPEN_VSWITCH) == 0;
    link->is_switched = strcmp(info.master_kind, OPEN_VSWITCH) == 0;
    if (r > 0 && info.data && strcmp(info.kind, "vlan") == 0)
        r = mnl_attr_parse_nested(info.data, read_tag, &link->tag);
    if (r > 0 && info.data && link->is_bond)
        r = mnl_attr_parse_nested(info.data, link_read_bond, &link->bond);
    if (r > 0 && info.master_data && strcmp(info.master_kind, LINK_BOND) == 0)
        r = mnl_attr_parse_nested(info.master_data, read_own_mac, link);
    return r;
}

static int
read_attribute(const struct nlattr *attribute, void *data)
{
    static const uint8_t none[NIC_MAC_LENGTH];
    struct link *link = data;

    switch (mnl_attr_get_type(attribute)) {
    case IFLA_GROUP:
        link->group = mnl_attr_get_u32(attribute);
        break;
    case IFLA_MTU:
        link->mtu = mnl_attr_get_u32(attribute);
        break;
    case IFLA_MASTER:
        link->master = (int)mnl_attr_get_u32(attribute);
        break;
    case IFLA_LINK:
        link->parent = (int)mnl_attr_get_u32(attribute);
        break;
    case IFLA_LINKINFO:
        return read_kind(attribute, link);
    case IFLA_IFNAME:
        read_text(attribute, link->name);
        break;
    case IFLA_IFALIAS:
        link->is_uplink = strcmp(mnl_attr_get_str(attribute), LINK_ALIAS_UPLINK) == 0;
        link->is_addressed = strcmp(mnl_attr_get_str(attribute), LINK_ALIAS_ADDRESSED) == 0;
        break;
    case IFLA_PERM_ADDRESS:
        read_mac(attribute, link);
        break;
    case IFLA_ADDRESS:
        if (memcmp(link->mac, none, sizeof none) == 0)
            read_mac(attribute, link);
        break;
    case IFLA_CARRIER:
        link->has_carrier = mnl_attr_get_u8(attribute) != 0;
        break;
    case IFLA_PARENT_DEV_BUS_NAME:
        read_text(attribute, link->bus);
        break;
    case IFLA_PARENT_DEV_NAME:
        read_text(attribute, link->bus_path);
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

static struct link
read_link(const struct nlmsghdr *header)
{
    const struct ifinfomsg *about = mnl_nlmsg_get_payload(header);
    struct link link = {.index = about->ifi_index,
                        .tag = -1,
                        .is_ethernet =
                            about->ifi_type == ARPHRD_ETHER && !(about->ifi_flags & IFF_LOOPBACK),
                        .is_up = about->ifi_flags & IFF_UP,
                        .has_no_arp = about->ifi_flags & IFF_NOARP};

    mnl_attr_parse(header, sizeof *about, read_attribute, &link);
    return link;
}

static int
found(const struct nlmsghdr *header, void *data)
{
    *(struct link *)data = read_link(header);
    return MNL_CB_OK;
}

int
link_find(const char *name, struct link *ret_link)
{
    struct link_message message;
    struct link link = {0};
    int rc;

    link_message_init(&message, RTM_GETLINK, NLM_F_ACK, 0);
    mnl_attr_put_strz(message.header, IFLA_IFNAME, name);
    mnl_attr_put_u32(message.header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    rc = talk(&message, found, &link);
    if (rc == 0)
        *ret_link = link;
    return rc;
}

static int
note_link(const struct nlmsghdr *header, void *data)
{
    const struct link link = read_link(header);

    return link_items_add(data, &link);
}

int
link_each(void (*each)(const struct link *link, void *data), void *data)
{
    struct link_items links = {.size = sizeof(struct link)};
    struct link_message message;
    int rc;

    link_message_init(&message, RTM_GETLINK, NLM_F_DUMP, 0);
    mnl_attr_put_u32(message.header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    rc = link_dump(message.header, note_link, &links);
    for (size_t i = 0; rc == 0 && i < links.n; i++)
        each((const struct link *)links.all + i, data);
    free(links.all);
    return rc;
}

void
link_make_init(struct link_message *message, const char *name, uint32_t mtu)
{
    link_message_init(message, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 0);
    mnl_attr_put_strz(message->header, IFLA_IFNAME, name);
    mnl_attr_put_u32(message->header, IFLA_GROUP, LINK_GROUP_OURS);
    mnl_attr_put_u32(message->header, IFLA_MTU, mtu);
}

int
link_make_bridge(const char *name, uint32_t mtu)
{
    struct link_message message;
    struct nlattr *info;

    link_make_init(&message, name, mtu);
    info = mnl_attr_nest_start(message.header, IFLA_LINKINFO);
    mnl_attr_put_strz(message.header, IFLA_INFO_KIND, "bridge");
    mnl_attr_nest_end(message.header, info);
    return talk(&message, NULL, NULL);
}

int
link_make_vlan(const char *name, const struct link *parent, int tag, uint32_t mtu)
{
    const struct ifla_vlan_flags flags = {VLAN_FLAG_LOOSE_BINDING, VLAN_FLAG_LOOSE_BINDING};
    struct link_message message;
    struct nlattr *info, *data;

    link_make_init(&message, name, mtu);
    mnl_attr_put_u32(message.header, IFLA_LINK, (uint32_t)parent->index);
    info = mnl_attr_nest_start(message.header, IFLA_LINKINFO);
    mnl_attr_put_strz(message.header, IFLA_INFO_KIND, "vlan");
    data = mnl_attr_nest_start(message.header, IFLA_INFO_DATA);
    mnl_attr_put_u16(message.header, IFLA_VLAN_ID, (uint16_t)tag);
    mnl_attr_put(message.header, IFLA_VLAN_FLAGS, sizeof flags, &flags);
    mnl_attr_nest_end(message.header, data);
    mnl_attr_nest_end(message.header, info);
    return talk(&message, NULL, NULL);
}

int
link_set_up(const char *name, const struct link *link, uint32_t mtu)
{
    struct link_message message;
    int rc;

    if (link->is_up && (link->has_no_arp || link->is_addressed) && link->mtu == mtu)
        return 0;
    rc = link->is_addressed ? 0 : link_set_ipv6(name, LINK_IPV6_OFF, '1');
    if (rc < 0)
        return rc;
    link_message_init(&message, RTM_NEWLINK, NLM_F_ACK, link->index);
    message.about->ifi_flags = message.about->ifi_change =
        IFF_UP | (link->is_addressed ? 0 : IFF_NOARP);
    mnl_attr_put_u32(message.header, IFLA_MTU, mtu);
    return talk(&message, NULL, NULL);
}

static int
set_master(const struct link *link, int master)
{
    struct link_message message;

    link_message_init(&message, RTM_NEWLINK, NLM_F_ACK, link->index);
    mnl_attr_put_u32(message.header, IFLA_MASTER, (uint32_t)master);
    return talk(&message, NULL, NULL);
}

int
link_join(const struct link *link, const struct link *bridge)
{
    return set_master(link, bridge->index);
}

int
link_leave(const struct link *link)
{
    return set_master(link, 0);
}

int
link_set_down(const struct link *link)
{
    struct link_message message;

    link_message_init(&message, RTM_NEWLINK, NLM_F_ACK, link->index);
    message.about->ifi_change = IFF_UP;
    return talk(&message, NULL, NULL);
}

/* One message: there is no moment in which it is in the bridge without its mark. */
int
link_join_uplink(const struct link *link, const struct link *bridge)
{
    struct link_message message;

    link_message_init(&message, RTM_NEWLINK, NLM_F_ACK, link->index);
    mnl_attr_put_str(message.header, IFLA_IFALIAS, LINK_ALIAS_UPLINK);
    mnl_attr_put_u32(message.header, IFLA_MASTER, (uint32_t)bridge->index);
    return talk(&message, NULL, NULL);
}

int
link_mark_uplink(const struct link *link)
{
    struct link_message message;

    link_message_init(&message, RTM_NEWLINK, NLM_F_ACK, link->index);
    mnl_attr_put_str(message.header, IFLA_IFALIAS, LINK_ALIAS_UPLINK);
    return talk(&message, NULL, NULL);
}

int
link_release_uplink(const struct link *link)
{
    struct link_message message;
    int rc = link->master ? link_leave(link) : 0;

    if (rc == 0)
        rc = link_reset_ipv6(link->name);
    if (rc < 0)
        return rc;
    link_message_init(&message, RTM_NEWLINK, NLM_F_ACK, link->index);
    message.about->ifi_flags = IFF_UP;
    message.about->ifi_change = IFF_UP | IFF_NOARP;
    mnl_attr_put_str(message.header, IFLA_IFALIAS, "");
    return talk(&message, NULL, NULL);
}

struct ports {
    int bridge;
    bool any;
};

static void
note_port(const struct link *link, void *data)
{
    struct ports *ports = data;

    if (link->master == ports->bridge)
        ports->any = true;
}

int
link_has_ports(const struct link *bridge)
{
    struct ports ports = {.bridge = bridge->index};
    int rc = link_each(note_port, &ports);

    return rc < 0 ? rc : ports.any;
}

int
link_remove(const struct link *link)
{
    struct link_message message;

    link_message_init(&message, RTM_DELLINK, NLM_F_ACK, link->index);
    return talk(&message, NULL, NULL);
}
