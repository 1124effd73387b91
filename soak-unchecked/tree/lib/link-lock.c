/* What a guest may send, made so at its interface: one filter for what comes from the guest, one
 * for what goes to it.  They go with the interface. */
#include "config.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "lib/link-internal.h"
#include "lib/link.h"

#define FILTER_PRIORITY 1
#define FILTER_HANDLE 1 /* the same filter anew takes the place of the old one, at once */
#define MESSAGE_MAX (NIC_PROGRAM_MAX * sizeof(struct sock_filter) + 512) /* bytes */

struct message {
    char bytes[MESSAGE_MAX];
    struct nlmsghdr *header;
    struct tcmsg *about;
};

static void
message_init(struct message *message, uint16_t type, uint16_t flags, const struct link *link)
{
    message->header = mnl_nlmsg_put_header(message->bytes);
    message->header->nlmsg_type = type;
    message->header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message->header->nlmsg_seq = LINK_SEQUENCE;
    message->about = mnl_nlmsg_put_extra_header(message->header, sizeof *message->about);
    message->about->tcm_family = AF_UNSPEC;
    message->about->tcm_ifindex = link->index;
}

/* Where filters are put; without one there are none. */
static int
set_place(const struct link *link, bool there)
{
    struct message message;
    int rc;

    message_init(&message, there ? RTM_NEWQDISC : RTM_DELQDISC,
                 there ? NLM_F_CREATE | NLM_F_EXCL : 0, link);
    message.about->tcm_parent = TC_H_CLSACT;
    message.about->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    mnl_attr_put_strz(message.header, TCA_KIND, "clsact");
    rc = link_talk(message.header, NULL, NULL);
    if (there)
        return rc == -EEXIST ? 0 : rc;
    return rc == -ENOENT || rc == -EINVAL ? 0 : rc; /* there was none */
}

static int
set_filter(const struct link *link, uint32_t minor, const struct nic_lock *lock,
           const uint8_t mac[NIC_MAC_LENGTH])
{
    struct sock_filter program[NIC_PROGRAM_MAX];
    unsigned n = nic_lock_program(lock, mac, program);
    struct message message;
    struct nlattr *options;

    message_init(&message, RTM_NEWTFILTER, NLM_F_CREATE, link);
    message.about->tcm_parent = TC_H_MAKE(TC_H_CLSACT, minor);
    message.about->tcm_handle = FILTER_HANDLE;
    message.about->tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL));
    mnl_attr_put_strz(message.header, TCA_KIND, "bpf");
    options = mnl_attr_nest_start(message.header, TCA_OPTIONS);
    mnl_attr_put_u16(message.header, TCA_BPF_OPS_LEN, (uint16_t)n);
    mnl_attr_put(message.header, TCA_BPF_OPS, n * sizeof program[0], program);
    mnl_attr_put_u32(message.header, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    mnl_attr_nest_end(message.header, options);
    return link_talk(message.header, NULL, NULL);
}

int
link_lock(const struct link *link, const struct nic_lock *lock, const uint8_t mac[NIC_MAC_LENGTH])
{
    /* A locked guest hears all. */
    const struct nic_lock to_guest = {.mode = lock->mode == NIC_LOCKED ? NIC_UNLOCKED : lock->mode};
    int rc;

    if (lock->mode == NIC_UNLOCKED)
        return set_place(link, false);
    rc = set_place(link, true);
    if (rc == 0)
        rc = set_filter(link, TC_H_MIN_INGRESS, lock, mac);
    if (rc == 0)
        rc = set_filter(link, TC_H_MIN_EGRESS, &to_guest, mac);
    return rc;
}
