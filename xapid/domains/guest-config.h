/* What a guest is built from, checked as lib/peer/org.xapid.Domains1.xml says.  Every refusal is
 * INVALID_VALUE [argument, value], but for what is known and not built: NOT_IMPLEMENTED.  Pure
 * functions, any thread. */
#ifndef XAPID_DOMAINS_GUEST_CONFIG_H
#define XAPID_DOMAINS_GUEST_CONFIG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "xapid/domains/guest-disks.h"
#include "xapid/domains/guest-nics.h"

#define CONFIG_VCPUS_MAX 64
#define CONFIG_MEMORY_MIN ((int64_t)4 << 20)  /* bytes */
#define CONFIG_MEMORY_MAX ((int64_t)16 << 40) /* bytes */
#define CONFIG_CMDLINE_MAX 1023               /* bytes */
#define CONFIG_FILE_NAME_MAX 255              /* bytes of a kernel's or ramdisk's name */
#define CONFIG_NAME_MAX 255                   /* bytes of a label that are kept */
#define CONFIG_MAP_MAX 64                     /* pairs of xenstore or platform */
#define CONFIG_KEY_MAX 128                    /* bytes */
#define CONFIG_VALUE_MAX 1024                 /* bytes */

#define CONFIG_WEIGHT_MAX 65535
#define CONFIG_CPU_MAX 4095 /* the highest number of a physical CPU */

enum guest_type { GUEST_PV, GUEST_PVH, GUEST_HVM };

/* Whether a guest's memory and VCPUs are to be on as few NUMA nodes as there is room. */
enum guest_numa { NUMA_DEFAULT, NUMA_ANYWHERE, NUMA_PLACED };

/* How the hypervisor schedules a guest. */
struct guest_sched {
    int weight;     /* relative to other guests; 0: not given */
    int cap;        /* percent of one physical CPU, 0: as much as there is; -1: not given */
    GVariant *cpus; /* ai: the physical CPUs it may run on; NULL: not given */
};

struct guest_config {
    enum guest_type type;
    int64_t memory_static_max, memory_target; /* bytes, whole KiB */
    int vcpus_max, vcpus;
    struct guest_sched sched;
    enum guest_numa numa;
    char *kernel, *ramdisk; /* plain file names; ramdisk "" = none; both "" of HVM */
    char *cmdline;
    char *name_label;   /* cleaned and cut to CONFIG_NAME_MAX */
    GVariant *xenstore; /* a{ss}: keys below its own, those for its firmware, too */
    GVariant *platform; /* a{ss}, as lib/platform.h has it */
    char *boot;         /* HVM: from what, in this order: letters of "cdn" */
    GPtrArray *disks;   /* of struct guest_disk */
    GArray *nics;       /* of struct guest_nic */
};

/* `args` is the a{sv} of create. */
bool guest_config_parse(GVariant *args, struct guest_config *ret_config, GError **error);
/* What of it the host's memory depends on, for a guest that is asked about and not built: the a{sv}
 * of GuestMemory.  *ret_within: bytes that it may need in all, 0: its sizes are given; else they
 * are CONFIG_MEMORY_MIN. */
bool guest_size_parse(GVariant *args, struct guest_config *ret_config, int64_t *ret_within,
                      GError **error);
void guest_config_clear(struct guest_config *config);
typedef struct guest_config guest_config;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(guest_config, guest_config_clear)

/* The keys weight i, cap i and cpus ai of an a{sv}. */
bool guest_sched_parse(GVariant *args, struct guest_sched *ret_sched, GError **error);
void guest_sched_clear(struct guest_sched *sched);

const char *guest_type_name(enum guest_type type);

#endif
