/* Addresses and default routes of this machine, as the kernel has them now. */
#include "config.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "lib/link-internal.h"
#include "lib/link.h"

#define MESSAGE_MAX 128 /* bytes; ours are shorter */

typedef void (*each_fn)(const struct link_address *address, void *data);

static void
read_bytes(const struct nlattr *attribute, struct link_address *address)
{
    uint16_t length = mnl_attr_get_payload_len(attribute);

    if (length <= LINK_ADDRESS_MAX)
        memcpy(address->bytes, mnl_attr_get_payload(attribute), length);
}

/* about: bytes of the request's header, which asks for all families when they are nought. */
static int
tell_all(uint16_t type, size_t about, mnl_cb_t read, each_fn each, void *data)
{
    char bytes[MESSAGE_MAX];
    struct nlmsghdr *header = mnl_nlmsg_put_header(bytes);
    struct link_items addresses = {.size = sizeof(struct link_address)};
    int rc;

    header->nlmsg_type = type;
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    header->nlmsg_seq = LINK_SEQUENCE;
    mnl_nlmsg_put_extra_header(header, about);
    rc = link_dump(header, read, &addresses);
    for (size_t i = 0; rc == 0 && i < addresses.n; i++)
        each((const struct link_address *)addresses.all + i, data);
    free(addresses.all);
    return rc;
}

/* ---- addresses ---- */

struct found_address {
    struct link_address address;
    bool has_local;
};

/* IFA_LOCAL is this end's, where IFA_ADDRESS is the other one's. */
static int
read_address(const struct nlattr *attribute, void *data)
{
    struct found_address *found = data;
    uint16_t type = mnl_attr_get_type(attribute);

    if (type == IFA_LOCAL)
        found->has_local = true;
    if (type == IFA_LOCAL || (type == IFA_ADDRESS && !found->has_local))
        read_bytes(attribute, &found->address);
    return MNL_CB_OK;
}

static int
note_address(const struct nlmsghdr *header, void *data)
{
    const struct ifaddrmsg *about = mnl_nlmsg_get_payload(header);
    struct found_address found = {.address = {.index = (int)about->ifa_index,
                                              .family = about->ifa_family,
                                              .prefix = about->ifa_prefixlen,
                                              .is_permanent = about->ifa_flags & IFA_F_PERMANENT,
                                              .is_local = about->ifa_family == AF_INET6 &&
                                                          about->ifa_scope == RT_SCOPE_LINK}};

    mnl_attr_parse(header, sizeof *about, read_address, &found);
    return link_items_add(data, &found.address);
}

int
link_addresses(each_fn each, void *data)
{
    return tell_all(RTM_GETADDR, sizeof(struct ifaddrmsg), note_address, each, data);
}

/* ---- gateways ---- */

struct found_route {
    struct link_address gateway;
    bool has_gateway;
};

static int
read_route(const struct nlattr *attribute, void *data)
{
    struct found_route *found = data;

    if (mnl_attr_get_type(attribute) == RTA_OIF) {
        found->gateway.index = (int)mnl_attr_get_u32(attribute);
    } else if (mnl_attr_get_type(attribute) == RTA_GATEWAY) {
        found->has_gateway = true;
        read_bytes(attribute, &found->gateway);
    }
    return MNL_CB_OK;
}

static int
note_gateway(const struct nlmsghdr *header, void *data)
{
    const struct rtmsg *about = mnl_nlmsg_get_payload(header);
    struct found_route found = {.gateway = {.family = about->rtm_family,
                                            .is_ours = about->rtm_protocol == LINK_ROUTE_OURS}};

    if (about->rtm_dst_len > 0 || about->rtm_table != RT_TABLE_MAIN ||
        about->rtm_type != RTN_UNICAST)
        return MNL_CB_OK;
    mnl_attr_parse(header, sizeof *about, read_route, &found);
    return found.has_gateway ? link_items_add(data, &found.gateway) : MNL_CB_OK;
}

int
link_gateways(each_fn each, void *data)
{
    return tell_all(RTM_GETROUTE, sizeof(struct rtmsg), note_gateway, each, data);
}
