#include "config.h"

#include "lib/link.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/link-internal.h"

#define MESSAGE_MAX 512  /* bytes; ours are shorter */
#define ANSWER_MAX 32768 /* bytes at once; the kernel tells no more */
#define IPV6_SWITCH "/proc/sys/net/ipv6/conf/%s/disable_ipv6"

struct message {
    char bytes[MESSAGE_MAX];
    struct nlmsghdr *header;
    struct ifinfomsg *about;
};

static void
message_init(struct message *message, uint16_t type, uint16_t flags, int index)
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

/* Calls `each` for every interface in the answer. */
static int
talk(const struct message *message, mnl_cb_t each, void *data)
{
    return link_talk(message->header, each, data);
}

static int
read_kind(const struct nlattr *attribute, void *data)
{
    struct link *link = data;

    if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
        link->is_bridge = strcmp(mnl_attr_get_str(attribute), "bridge") == 0;
    return MNL_CB_OK;
}

static int
read_attribute(const struct nlattr *attribute, void *data)
{
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
    case IFLA_LINKINFO:
        return mnl_attr_parse_nested(attribute, read_kind, link);
    default:
        break;
    }
    return MNL_CB_OK;
}

static struct link
read_link(const struct nlmsghdr *header)
{
    const struct ifinfomsg *about = mnl_nlmsg_get_payload(header);
    struct link link = {.index = about->ifi_index};

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
    struct message message;
    struct link link = {0};
    int rc;

    message_init(&message, RTM_GETLINK, NLM_F_ACK, 0);
    mnl_attr_put_strz(message.header, IFLA_IFNAME, name);
    mnl_attr_put_u32(message.header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    rc = talk(&message, found, &link);
    if (rc == 0)
        *ret_link = link;
    return rc;
}

int
link_make_bridge(const char *name, uint32_t mtu)
{
    struct message message;
    struct nlattr *info;

    message_init(&message, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 0);
    mnl_attr_put_strz(message.header, IFLA_IFNAME, name);
    mnl_attr_put_u32(message.header, IFLA_GROUP, LINK_GROUP_OURS);
    mnl_attr_put_u32(message.header, IFLA_MTU, mtu);
    info = mnl_attr_nest_start(message.header, IFLA_LINKINFO);
    mnl_attr_put_strz(message.header, IFLA_INFO_KIND, "bridge");
    mnl_attr_nest_end(message.header, info);
    return talk(&message, NULL, NULL);
}

/* A kernel without IPv6 has no such switch. */
static int
switch_ipv6_off(const char *name)
{
    char path[sizeof IPV6_SWITCH + IFNAMSIZ];
    int fd, rc;

    snprintf(path, sizeof path, IPV6_SWITCH, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    rc = write(fd, "1", 1) == 1 ? 0 : -errno;
    close(fd);
    return rc;
}

int
link_set_up(const char *name, const struct link *link, uint32_t mtu)
{
    struct message message;
    int rc = switch_ipv6_off(name);

    if (rc < 0)
        return rc;
    message_init(&message, RTM_NEWLINK, NLM_F_ACK, link->index);
    message.about->ifi_flags = message.about->ifi_change = IFF_UP | IFF_NOARP;
    mnl_attr_put_u32(message.header, IFLA_MTU, mtu);
    return talk(&message, NULL, NULL);
}

static int
set_master(const struct link *link, int master)
{
    struct message message;

    message_init(&message, RTM_NEWLINK, NLM_F_ACK, link->index);
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

struct ports {
    int bridge;
    bool any;
};

static int
note_port(const struct nlmsghdr *header, void *data)
{
    struct ports *ports = data;

    if (read_link(header).master == ports->bridge)
        ports->any = true;
    return MNL_CB_OK;
}

int
link_has_ports(const struct link *bridge)
{
    struct ports ports = {.bridge = bridge->index};
    struct message message;
    int rc;

    message_init(&message, RTM_GETLINK, NLM_F_DUMP, 0);
    mnl_attr_put_u32(message.header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    rc = talk(&message, note_port, &ports);
    return rc < 0 ? rc : ports.any;
}

int
link_remove(const struct link *link)
{
    struct message message;

    message_init(&message, RTM_DELLINK, NLM_F_ACK, link->index);
    return talk(&message, NULL, NULL);
}
