/* What a worker needs of a hypervisor: libxl, or the simulator.
 *
 * A context belongs to one process and its main thread; only `abort` may be called from another
 * thread.  Calls block.  Errors are API_ERRORs, made in the backend. */
#ifndef XAPID_DOMAINS_BACKEND_H
#define XAPID_DOMAINS_BACKEND_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "xapid/domains/domains.h"
#include "xapid/domains/guest-config.h"
#include "xapid/domains/verb-args.h"

enum domain_state {
    DOMAIN_RUNNING,
    DOMAIN_PAUSED,
    DOMAIN_SHUTDOWN,
    DOMAIN_DYING,
    DOMAIN_SUSPENDED, /* an image alone; no backend tells it */
};
enum shutdown_reason {
    REASON_NONE,
    REASON_POWEROFF,
    REASON_REBOOT,
    REASON_SUSPEND,
    REASON_CRASH,
};

struct domain_info {
    int domid;
    char uuid[UUID_LENGTH + 1];
    char *name;    /* the label of ours, else what the hypervisor's tools show; "" when none */
    bool ours;     /* carries a record of ours, so its build was completed */
    char *op_id;   /* of the record, else "" */
    bool nameless; /* no record, and no name but its uuid: what a broken build leaves */
    enum guest_type type;
    enum domain_state state;
    enum shutdown_reason reason;
    int64_t memory, memory_max; /* bytes */
    int vcpus, vcpus_max;
    int64_t cpu_time;    /* ns, of all VCPUs */
    int64_t cpu_time_at; /* when it was so: µs of a clock that began with the machine */
};

struct host_info {
    char *xen_version, *xen_caps, *virt_caps;
    /* Features of its CPUs, words of 32 as "12345678-…": what they say, what Xen makes of that, and
     * what guests may have; "" = there are no such guests. */
    char *features_raw, *features_host, *features_pv, *features_hvm;
    int cpu_count, cpu_khz, cores_per_socket, threads_per_core, sockets, nodes;
    int64_t memory_total, memory_free, dom0_memory; /* bytes */
    int64_t memory_overhead;                        /* that no domain has, and none can be given */
    int dom0_vcpus;
};

/* Where dom0's root reaches a guest; "" for what is not there. */
struct guest_consoles {
    char *screen; /* unix socket on which its QEMU shows it by VNC */
    char *text;   /* terminal device of its text console */
};

struct backend_options {
    const char *sim_dir; /* the simulator's world */
    int reserves;        /* of reserves_open () */
    int kernels_dir;     /* descriptor of the guest-kernel folder; -1: kernels are not looked at */
};

struct backend_ctx;
struct guest_store;

#define BACKEND_VERSION 1

struct backend {
    int version;
    const char *name;

    struct backend_ctx *(*open)(const struct backend_options *options, GError **error);
    void (*close)(struct backend_ctx *ctx);
    /* Between two requests: makes the next one find a context as new.  NULL: it does anyway. */
    bool (*renew)(struct backend_ctx *ctx, GError **error);

    /* Has, since it was last asked, a call failed because something did not come in time?  The same
     * call may succeed next. */
    bool (*timed_out)(struct backend_ctx *ctx);

    /* Nothing but an answer of what all other calls need. */
    bool (*probe)(struct backend_ctx *ctx, GError **error);
    bool (*host_info)(struct backend_ctx *ctx, struct host_info *ret_info, GError **error);
    /* Adds what the hypervisor printed and has kept, bytes of any kind, CONSOLE_MAX or a little
     * more; clear: and forgets it. */
    bool (*console)(struct backend_ctx *ctx, bool clear, GByteArray *ret_text, GError **error);
    /* Of a domain that is there. */
    bool (*consoles)(struct backend_ctx *ctx, const struct domain_info *info,
                     struct guest_consoles *ret_consoles, GError **error);
    /* Every domain, or those of `uuid` (dying ones too): struct domain_info. */
    bool (*list)(struct backend_ctx *ctx, const char *uuid, GPtrArray **ret_domains,
                 GError **error);

    /* Bytes of the host's memory that `build` reserves for such a guest: its target, and what the
     * hypervisor keeps for it.  Of the config only what guest_size_parse () gives is looked at. */
    bool (*need_memory)(struct backend_ctx *ctx, const char *uuid,
                        const struct guest_config *config, int64_t *ret_bytes, GError **error);
    /* A paused domain without a record, from what `save` wrote when `image` is not -1.  On failure
     * nothing is left, or something nameless. */
    bool (*build)(struct backend_ctx *ctx, const char *uuid, const struct guest_config *config,
                  int image, int *ret_domid, GError **error);
    /* Puts the record on it, at once or not at all. */
    bool (*complete)(struct backend_ctx *ctx, int domid, const char *uuid, const char *op_id,
                     const struct guest_config *config, GError **error);
    bool (*unpause)(struct backend_ctx *ctx, int domid, GError **error);
    bool (*pause)(struct backend_ctx *ctx, int domid, GError **error);
    /* Asks the guest; VM_LACKS_FEATURE [uuid] when it does not listen. */
    bool (*shutdown)(struct backend_ctx *ctx, int domid, const char *uuid, bool reboot,
                     GError **error);
    /* Online VCPUs, memory and scheduling of a domain that runs or is paused.
     * HOST_NOT_ENOUGH_FREE_MEMORY [needed, available]; more VCPUs or memory than it was built for:
     * INVALID_VALUE. */
    bool (*adjust)(struct backend_ctx *ctx, const struct domain_info *info,
                   const struct adjustment *wanted, GError **error);
    bool (*signal)(struct backend_ctx *ctx, int domid, enum guest_trigger trigger, char key,
                   GError **error);
    /* Gives a domain that runs or is paused a drive.  One that is there already and that the guest
     * uses is that one.  NOT_IMPLEMENTED for a disk that nobody could serve there. */
    bool (*plug)(struct backend_ctx *ctx, const struct domain_info *info,
                 const struct guest_disk *disk, GError **error);
    /* Takes it away: `force` at once, else when the guest lets go of it, DEVICE_DETACH_TIMEOUT
     * ["VBD", vdev].  One that is not there is a success. */
    bool (*unplug)(struct backend_ctx *ctx, const struct domain_info *info, const char *vdev,
                   bool force, GError **error);
    /* Changes what a CD drive holds; an empty handle: nothing. */
    bool (*set_medium)(struct backend_ctx *ctx, const struct domain_info *info,
                       const struct guest_disk *disk, GError **error);
    /* Has a domain that is there go on with its drives (struct guest_disk) where their handles say
     * they are now, all of them from one moment on: an image that stands on the one that it had,
     * and has nothing of its own yet.  only_check: can it?  OPERATION_NOT_ALLOWED [why]. */
    bool (*follow)(struct backend_ctx *ctx, const struct domain_info *info, const GPtrArray *disks,
                   bool only_check, GError **error);
    /* Gives a domain that runs or is paused a network card, which nothing emulates.  One that is
     * there already, and in its bridge, is that one. */
    bool (*plug_nic)(struct backend_ctx *ctx, const struct domain_info *info,
                     const struct guest_nic *nic, GError **error);
    /* Takes it away: `force` at once, else when the guest lets go of it, and after ten seconds
     * anyway.  One that is not there is a success.  DEVICE_DETACH_REJECTED ["VIF", device, why]
     * when the guest uses an emulated one in its place. */
    bool (*unplug_nic)(struct backend_ctx *ctx, int domid, int device, bool force, GError **error);
    /* Puts a card into the bridge, with the MTU and the lock, that it is to have now; the guest
     * does not see it. */
    bool (*set_nic)(struct backend_ctx *ctx, int domid, const struct guest_nic *nic,
                    GError **error);
    /* Suspends the guest and writes its memory; the domain is then shut down, reason "suspend".  On
     * failure it runs, or is so too.  VM_FAILED_SUSPEND_ACKNOWLEDGMENT [uuid]. */
    bool (*save)(struct backend_ctx *ctx, const struct domain_info *info, int fd, GError **error);
    /* Lets a guest go on that was suspended and not destroyed. */
    bool (*resume)(struct backend_ctx *ctx, int domid, GError **error);
    /* Writes the memory of a domain that runs no longer. */
    bool (*dump)(struct backend_ctx *ctx, int domid, int fd, GError **error);
    bool (*destroy)(struct backend_ctx *ctx, int domid, GError **error);
    /* Any thread: makes a running call return early with TASK_CANCELLED, if it can. */
    void (*abort)(struct backend_ctx *ctx);

    /* Calls `changed` for each domain that appears, goes or shuts down, until `stop_fd` hangs up
     * (true) or the hypervisor's side breaks (false). */
    bool (*watch)(struct backend_ctx *ctx, int stop_fd, void (*changed)(const char *uuid, void *),
                  void *data, GError **error);

    /* What guests write; used by the guests process alone (guest-keys.h). */
    const struct guest_store *guests;
};

extern const struct backend backend_sim;
#ifdef HAVE_XEN
extern const struct backend backend_libxl;
#endif

void domain_info_free(struct domain_info *info);
typedef struct domain_info domain_info;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(domain_info, domain_info_free)
const char *domain_state_name(enum domain_state state);
const char *shutdown_reason_name(enum shutdown_reason reason);
/* XenAPI's word for it in errors: "running", "paused" or "halted". */
const char *domain_power_state(const struct domain_info *info);
/* As List has it, floating; `half_built` makes it ours and not complete. */
GVariant *domain_info_to_variant(const struct domain_info *info, bool half_built,
                                 const char *op_id);
void host_info_clear(struct host_info *info);
void guest_consoles_clear(struct guest_consoles *consoles);
typedef struct guest_consoles guest_consoles;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(guest_consoles, guest_consoles_clear)
GVariant *host_info_to_variant(const struct host_info *info, const char *backend);

#endif
