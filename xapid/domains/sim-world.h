/* The simulator's host: domains in a file, DIR/world, that every process of it maps.
 *
 * It outlives them all, as a hypervisor outlives its toolstack: a process that is killed at any
 * instruction leaves the file whole.  Guests are timers in it: what is due happens when anyone
 * looks, so guests go on without a process.  Changes are kept in a ring, and DIR/control (a
 * datagram socket of the events process) is sent "wake" for each.
 *
 * Two domains of one uuid, or that write one disk, and are not dying, and a guest that is to go on
 * with an image that does not stand on its own: "VIOLATION ..." in DIR/violations.
 * DIR/bridges: a file for each bridge of the host (xapid/host/bridge.h), which a card must find.
 * DIR/dmesg: what the hypervisor printed, when a test wrote it or it was cleared.
 * DIR/screen-UUID, DIR/text-UUID: a VNC server's socket and a link to a terminal device, which are
 * the guest's consoles.
 * DIR/host.conf (key file, group [host], read again when it changes): memory, dom0_memory,
 * overhead (what the hypervisor keeps for itself), vcpu_overhead (the same for each VCPU of a
 * domain; bytes), cpus, and how long things take in milliseconds: create_ms, destroy_ms, pause_ms,
 * unpause_ms, shutdown_ms (until a guest that was asked has shut down), save_ms (an image or a
 * core), boot_ms (until a guest obeys),
 * list_ms.
 *
 * One thread of a process uses a world. */
#ifndef XAPID_DOMAINS_SIM_WORLD_H
#define XAPID_DOMAINS_SIM_WORLD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "xapid/domains/backend.h"

#define WORLD_DOMAINS_MAX 16384
#define WORLD_COMMAND_MAX 512 /* bytes of a datagram to DIR/control */

struct world;

struct world_host {
    int64_t memory, dom0_memory;
    int64_t overhead, vcpu_overhead;
    int cpus;
    int create_ms, destroy_ms, pause_ms, unpause_ms, shutdown_ms, save_ms, boot_ms, list_ms;
};

/* A drive of a domain; all of it empty: none. */
struct world_disk {
    char vdev[8];
    char handle[UUID_LENGTH + 1]; /* "": no medium */
    char writes[UUID_LENGTH + 1]; /* the disk, if it is its alone */
    uint32_t path;                /* g_str_hash () of that of its device or file; 0: no medium */
};

/* A network card of a domain, at its place; all of it empty: none. */
struct world_nic {
    char mac[18];
    char bridge[BRIDGE_NAME_MAX + 1];
    char lock[64]; /* what of it fits in */
    int32_t mtu, kbps;
};

/* What the world knows of a domain; strings are NUL terminated. */
struct world_domain {
    int32_t domid;
    uint8_t state;  /* enum domain_state */
    uint8_t reason; /* enum shutdown_reason */
    uint8_t type;   /* enum guest_type */
    uint8_t recorded;
    uint8_t refuses_shutdown;
    uint8_t due_reason; /* what happens at due_at */
    char uuid[UUID_LENGTH + 1];
    char op_id[OP_ID_MAX + 1];
    char name[CONFIG_NAME_MAX + 1];
    int64_t memory, memory_max;
    int32_t vcpus, vcpus_max;
    int64_t ran_us, since_us; /* CPU time up to since_us, when it last began to run */
    int64_t boots_at_us;
    int64_t due_at_us; /* 0 = nothing */
    int32_t weight, cap;
    uint8_t signal; /* last enum guest_trigger that was sent, plus one */
    char sysrq;     /* last key */
    uint8_t refuses_unplug;
    struct world_disk disks[CONFIG_DISKS_MAX];
    struct world_nic nics[CONFIG_NICS_MAX];
};

struct world *world_open(const char *dir, GError **error);
void world_free(struct world *world);
const struct world_host *world_host(struct world *world);
/* Descriptor of DIR. */
int world_dir(struct world *world);
/* The world of a context of backend_sim. */
struct world *sim_world(struct backend_ctx *ctx);

/* Between these the world stands still.  Nothing in between may block. */
void world_lock(struct world *world);
void world_unlock(struct world *world);

/* The rest is called with the lock held.  Pointers are good until unlock. */
struct world_domain *world_find(struct world *world, int domid);
/* The domain of that uuid that is not dying; NULL when there is none. */
struct world_domain *world_find_uuid(struct world *world, const char *uuid);
/* Calls `each` for every domain, or those of `uuid`. */
void world_each(struct world *world, const char *uuid,
                void (*each)(const struct world_domain *domain, void *data), void *data);
int64_t world_memory_free(struct world *world);
/* What a domain with so much memory takes of it. */
static inline int64_t
world_memory_need(const struct world_host *host, int64_t memory, int vcpus_max)
{
    return memory + vcpus_max * host->vcpu_overhead;
}
/* Adds a paused domain of the next domid; `template` gives the rest.  NULL when the world is full.
 */
struct world_domain *world_introduce(struct world *world, const struct world_domain *template);
void world_remove(struct world *world, struct world_domain *domain);
/* A guest's balloon reaches its target at once. */
void world_set_memory(struct world *world, struct world_domain *domain, int64_t memory);
/* Notes, in DIR/violations, what must never be. */
void world_violation(struct world *world, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Moves a domain to another state, now. */
void world_set_state(struct world *world, struct world_domain *domain, enum domain_state state,
                     enum shutdown_reason reason);
/* Has a guest shut down after shutdown_ms. */
void world_schedule(struct world *world, struct world_domain *domain, enum shutdown_reason reason);
int64_t world_now(void);

/* The events process: milliseconds until something is due (-1: nothing); and the uuids that
 * changed since *cursor ("" = look at all), which moves on.  Both take the lock themselves. */
int world_next_due(struct world *world);
GPtrArray *world_changes(struct world *world, uint64_t *cursor);
uint64_t world_cursor(struct world *world);

/* The descriptor of DIR/control, bound by this call. */
int world_control_bind(struct world *world, GError **error);
/* One command of a test: "halt UUID", "reboot UUID", "crash UUID", "refuse-shutdown UUID",
 * "obey-shutdown UUID", "refuse-unplug UUID", "obey-unplug UUID", "xl-destroy UUID",
 * "xl-create UUID NAME", "xl-pause UUID", "xl-unpause UUID",
 * "write UUID PATH VALUE" (a key below /local/domain/N).  False when it is none or there is no such
 * domain. */
bool world_command(struct world *world, const char *command);

#endif
