/* What an interface of ours has when this machine is reached by it: addresses, and the default
 * route. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/link-internal.h"
#include "lib/link.h"

#define MESSAGE_MAX 256 /* bytes; ours are shorter */

static struct nlmsghdr *
message_begin(char bytes[MESSAGE_MAX], uint16_t type, uint16_t flags)
{
    struct nlmsghdr *header = mnl_nlmsg_put_header(bytes);

    header->nlmsg_type = type;
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    header->nlmsg_seq = LINK_SEQUENCE;
    return header;
}

/* ---- the interface ---- */

static int
set_flags(const struct link *link, unsigned flags, const char *alias)
{
    char bytes[MESSAGE_MAX];
    struct nlmsghdr *header = message_begin(bytes, RTM_NEWLINK, 0);
    struct ifinfomsg *about = mnl_nlmsg_put_extra_header(header, sizeof *about);

    about->ifi_family = AF_UNSPEC;
    about->ifi_index = link->index;
    about->ifi_flags = flags;
    about->ifi_change = IFF_UP | IFF_NOARP;
    mnl_attr_put_str(header, IFLA_IFALIAS, alias);
    return link_talk(header, NULL, NULL);
}

/* What routers say counts although this machine may pass packets on (2). */
static int
set_routers(const struct link *link, enum link_ipv6 ipv6)
{
    char heard = ipv6 == LINK_IPV6_BY_ROUTERS ? '2' : '0';
    int rc = link_set_ipv6(link->name, "accept_ra", heard);

    if (rc == 0)
        rc = link_set_ipv6(link->name, "autoconf", heard == '2' ? '1' : '0');
    return rc;
}

int
link_carry_addresses(const struct link *link, enum link_ipv6 ipv6)
{
    int rc = set_routers(link, ipv6);

    if (rc == 0)
        rc = link_set_ipv6(link->name, LINK_IPV6_OFF, ipv6 == LINK_IPV6_NONE ? '1' : '0');
    if (rc < 0 || (link->is_addressed && link->is_up && !link->has_no_arp))
        return rc;
    return set_flags(link, IFF_UP, LINK_ALIAS_ADDRESSED);
}

int
link_carry_none(const struct link *link)
{
    int rc = link_set_ipv6(link->name, LINK_IPV6_OFF, '1');

    return rc < 0 ? rc : set_flags(link, IFF_UP | IFF_NOARP, "");
}

/* ---- addresses ---- */

static size_t
bytes_of(int family)
{
    return family == AF_INET6 ? LINK_ADDRESS_MAX : sizeof(uint32_t);
}

static int
change_address(const struct link_address *address, uint16_t type, uint16_t flags)
{
    const struct ifa_cacheinfo good_for = {.ifa_prefered = address->seconds,
                                           .ifa_valid = address->seconds};
    char bytes[MESSAGE_MAX];
    struct nlmsghdr *header = message_begin(bytes, type, flags);
    struct ifaddrmsg *about = mnl_nlmsg_put_extra_header(header, sizeof *about);

    about->ifa_family = (uint8_t)address->family;
    about->ifa_prefixlen = (uint8_t)address->prefix;
    about->ifa_index = (uint32_t)address->index;
    mnl_attr_put(header, IFA_LOCAL, bytes_of(address->family), address->bytes);
    mnl_attr_put(header, IFA_ADDRESS, bytes_of(address->family), address->bytes);
    if (type == RTM_NEWADDR && address->family == AF_INET && address->prefix < 31) {
        uint8_t last[sizeof(uint32_t)];

        for (unsigned i = 0; i < sizeof last; i++) {
            unsigned bits = address->prefix > i * 8 ? address->prefix - i * 8 : 0;
            last[i] = (uint8_t)(address->bytes[i] | (bits >= 8 ? 0 : 0xff >> bits));
        }
        mnl_attr_put(header, IFA_BROADCAST, sizeof last, last);
    }
    if (address->seconds)
        mnl_attr_put(header, IFA_CACHEINFO, sizeof good_for, &good_for);
    return link_talk(header, NULL, NULL);
}

int
link_put_address(const struct link_address *address)
{
    return change_address(address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
}

int
link_drop_address(const struct link_address *address)
{
    int rc = change_address(address, RTM_DELADDR, 0);

    return rc == -EADDRNOTAVAIL ? 0 : rc;
}

/* ---- the default route ---- */

static int
change_gateway(const struct link_address *gateway, uint16_t type, uint16_t flags, bool of_ours)
{
    char bytes[MESSAGE_MAX];
    struct nlmsghdr *header = message_begin(bytes, type, flags);
    struct rtmsg *about = mnl_nlmsg_put_extra_header(header, sizeof *about);

    about->rtm_family = (uint8_t)gateway->family;
    about->rtm_table = RT_TABLE_MAIN;
    about->rtm_type = RTN_UNICAST;
    about->rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE;
    if (type == RTM_NEWROUTE)
        about->rtm_protocol = of_ours ? LINK_ROUTE_OURS : RTPROT_BOOT;
    mnl_attr_put(header, RTA_GATEWAY, bytes_of(gateway->family), gateway->bytes);
    mnl_attr_put_u32(header, RTA_OIF, (uint32_t)gateway->index);
    if (of_ours)
        mnl_attr_put_u32(header, RTA_PRIORITY, LINK_ROUTE_METRIC);
    return link_talk(header, NULL, NULL);
}

int
link_put_gateway(const struct link_address *gateway, bool of_ours)
{
    int rc = change_gateway(gateway, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, of_ours);

    return rc == -EEXIST ? 0 : rc;
}

int
link_drop_gateway(const struct link_address *gateway)
{
    int rc = change_gateway(gateway, RTM_DELROUTE, 0, gateway->is_ours);

    return rc == -ESRCH ? 0 : rc;
}
