/* The verbs of Start and the arguments that each takes, checked as lib/peer/org.xapid.Domains1.xml
 * says.  Pure functions, any thread. */
#ifndef XAPID_DOMAINS_VERB_ARGS_H
#define XAPID_DOMAINS_VERB_ARGS_H

#include <glib.h>
#include <stdbool.h>

#include "xapid/domains/guest-config.h"

/* That a verb is known, and its uuid and arguments hold. */
bool verb_check(const char *verb, const char *uuid, GVariant *args, GError **error);
/* Seconds that a worker has for it before it is killed; also of the verbs that are no operation. */
int verb_timeout_s(const char *verb);
/* May it take long without anything being wrong? */
bool verb_is_slow(const char *verb);
/* Whether it may run again where it may have run already. */
bool verb_again(const char *verb);

/* shutdown: how "poweroff" or "reboot", timeout in seconds. */
bool shutdown_args_parse(GVariant *args, bool *ret_reboot, int *ret_timeout, GError **error);

/* adjust: what changes of a domain that runs; what is not given stays as it is. */
struct adjustment {
    int vcpus;             /* that are online; 0: not given */
    int64_t memory_target; /* bytes, whole KiB; 0: not given */
    struct guest_sched sched;
};
bool adjust_args_parse(GVariant *args, struct adjustment *ret_adjustment, GError **error);
void adjustment_clear(struct adjustment *wanted);
typedef struct adjustment adjustment;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(adjustment, adjustment_clear)

/* unplug: the drive that is there (as in `args`), and whether the guest is not asked. */
bool unplug_args_parse(GVariant *args, const char **ret_vdev, bool *ret_force, GError **error);

/* hold (without) and release: drives that are there (struct guest_disk), the caller's, and whether
 * the guest stays paused.  NULL with INVALID_VALUE. */
GPtrArray *hold_args_parse(GVariant *args, GError **error);
GPtrArray *release_args_parse(GVariant *args, bool *ret_paused, GError **error);

/* unplug_nic: the place of the card, and whether the guest is not asked. */
bool unplug_nic_args_parse(GVariant *args, int *ret_device, bool *ret_force, GError **error);

/* signal: one key of Linux's magic SysRq, or a hardware event. */
enum guest_trigger {
    TRIGGER_SYSRQ,
    TRIGGER_NMI,
    TRIGGER_RESET,
    TRIGGER_INIT,
    TRIGGER_POWER,
    TRIGGER_SLEEP,
    TRIGGER_S3RESUME,
};
/* *ret_key: of TRIGGER_SYSRQ. */
bool signal_args_parse(GVariant *args, enum guest_trigger *ret_trigger, char *ret_key,
                       GError **error);

#endif
