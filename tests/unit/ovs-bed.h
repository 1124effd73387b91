/* An Open vSwitch of a test's own, with its datapath in user space, in the network namespace that
 * the test is in; whatever fails ends the test. */
#ifndef TESTS_UNIT_OVS_BED_H
#define TESTS_UNIT_OVS_BED_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "xapid/host/ovs.h"

#define OVS_BED_DATAPATH "netdev"
#define OVS_BED_SECONDS 60 /* for what must come */

struct ovs_bed {
    char *dir, *socket;
    pid_t database, daemon; /* 0: it does not run */
    struct ovs ovs;
};

/* Are its programs installed? */
bool ovs_bed_is_possible(void);
/* Both run, with an empty database. */
void ovs_bed_init(struct ovs_bed *bed);
void ovs_bed_clear(struct ovs_bed *bed);
void ovs_bed_start_database(struct ovs_bed *bed);
void ovs_bed_start_daemon(struct ovs_bed *bed);
/* By SIGKILL. */
void ovs_bed_kill_database(struct ovs_bed *bed);
void ovs_bed_kill_daemon(struct ovs_bed *bed);
/* ovs-vsctl with these words, as the administrator; its output without the last line's end, the
 * caller frees. */
char *ovs_bed_vsctl(struct ovs_bed *bed, const char *words);

#endif
