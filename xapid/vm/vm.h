/* What a VM does: which operations its state allows, the plans of its lifecycle, their steps, what
 * becomes of its rows, and how records follow what the hypervisor has.
 *
 * Plans and allowed operations are pure functions of the model. Main loop only. */
#ifndef XAPID_VM_VM_H
#define XAPID_VM_VM_H

#include "xapid/model/model.h"
#include "xapid/net/net.h"
#include "xapid/ops/ops.h"
#include "xapid/storage/storage.h"
#include "xapid/vm/domains.h"

#define VM_SHUTDOWN_TIMEOUT_SECONDS 1200 /* clean shutdown and reboot; as XAPI has it */
#define VM_MAX_VCPUS 64
#define VM_MIN_MEMORY (4 * 1024 * 1024ll) /* bytes; less builds no guest */
#define VM_MAX_CPUS 4096                  /* physical ones that a mask may name */
#define VM_MAX_WEIGHT 65535

/* What the steps need of the process; owned by main. */
struct vm_world {
    struct model *model;
    struct ops *ops;
    struct domains *domains;
    const char *host;          /* reference of this host's row */
    const char *guest_kernels; /* the guest-kernel folder */
    const char *address;       /* what the console locations name */
    GHashTable *look;          /* uuids of VMs that need a look; "" = all of them */
    guint look_source;
    bool has_looked;            /* at all VMs, at least once */
    guint autostart_source;     /* waits for storage; autostart.c */
    struct look *looking;       /* List has been asked for; reconcile.c */
    GHashTable *following;      /* uuid -> looks at a guest on its way to a target; reconcile.c */
    struct vm_guests *guests;   /* guest-metrics.c */
    GHashTable *usage;          /* uuid -> what its domain had used; usage.c */
    guint ready_max;            /* domains that are built ahead, at most */
    GHashTable *ready;          /* uuid -> what is built ahead for it; ready.c */
    guint yields;               /* of their memory, that are under way; ready.c */
    GHashTable *appliance_runs; /* struct op -> how far it is; appliance-run.c */
    guint max_tasks;
    /* Asks xapid-host for a bridge: EnsureBridge of org.xapid.Host1.  Its first argument is hostd.
     */
    void (*ensure_bridge)(void *hostd, GVariant *network, domains_done_fn done, void *data);
    void *hostd;
};

const struct dm_class *vm_class(void);

/* --- allowed.c --- */

/* Recomputes allowed_operations within txn, and those of its appliance; to be called after anything
 * they depend on changed. */
void vm_refresh_allowed(struct txn *txn, const char *vm);
/* The same for all, at start-up: what is volatile is not in the database. */
bool vm_refresh_all(struct model *model, GError **error);
/* Is it an operation that this version can do? */
bool vm_knows(const char *operation);
/* May `operation` (one that vm_knows) begin?  VM_BAD_POWER_STATE [vm, expected, actual],
 * OTHER_OPERATION_IN_PROGRESS, VM_IS_TEMPLATE, VM_IS_SNAPSHOT, OPERATION_BLOCKED,
 * OPERATION_NOT_ALLOWED. */
bool vm_may(const struct model *model, const char *vm, const char *operation, GError **error);

/* --- new.c: VM.create's record, of which a client may leave out any field --- */

/* MEMORY_CONSTRAINT_VIOLATION, INVALID_VALUE. */
bool vm_check_new(GVariant *fields, GError **error);
/* With what it leaves out, and what no client decides: a{sv}, floating.  metrics: a reference. */
GVariant *vm_complete_new(GVariant *fields, const char *metrics);

/* --- agile.c --- */

/* Could any host of the pool run it?  HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED [SR],
 * HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED [network], VM_HAS_VGPU, VM_HAS_VUSBS. */
bool vm_is_agile(const struct model *model, const char *vm, GError **error);

/* --- foreign.c: domains that another tool made --- */

/* Is it the row of one? */
bool vm_is_foreign(const struct model *model, const char *vm);
/* OPERATION_NOT_ALLOWED if it is. */
bool vm_is_not_foreign(const struct model *model, const char *vm, GError **error);
/* Neither such a row nor the control domain's?  OPERATION_NOT_ALLOWED. */
bool vm_is_ours(const struct model *model, const char *vm, GError **error);
/* Brings such rows in line: those of `uuids` ("" = all), by List's `domains` (vm_domains_by_uuid).
 */
void vm_foreign_look(struct vm_world *world, GHashTable *domains, GHashTable *uuids);

/* --- limits.c --- */

struct vm_memory {
    gint64 static_min, dynamic_min, dynamic_max, static_max; /* bytes */
};

/* INVALID_VALUE, MEMORY_CONSTRAINT_VIOLATION. */
bool vm_check_memory(const struct vm_memory *memory, GError **error);
bool vm_check_vcpus(gint64 at_startup, gint64 max, GError **error);
/* VM_BAD_POWER_STATE [vm, halted, actual]. */
bool vm_must_be_halted(const struct model *model, const char *vm, GError **error);
/* Of the keys of VCPUs_params: does the hypervisor know it (weight, cap, mask)?  Other keys are
 * kept and mean nothing. */
bool vm_sched_key(const char *key);
/* Adds one of those, or all of the record, to arguments of the verbs create and adjust: weight,
 * cap, cpus.  INVALID_VALUE [VCPUs_params:key, value]. */
bool vm_sched_add(GVariantDict *args, const char *key, const char *value, GError **error);
bool vm_sched_args(const struct model *model, const char *vm, GVariantDict *args, GError **error);
/* An a{ss} with one key set, or (value NULL) without it; floating. */
GVariant *vm_map_with(GVariant *map, const char *key, const char *value);

/* --- config.c --- */

/* As what it is built: "pv", "pvh" or "hvm"; NULL with NOT_IMPLEMENTED. */
const char *vm_domain_type(const struct model *model, const char *vm, GError **error);
/* Does its platform let it? */
bool vm_nests_hypervisors(const struct model *model, const char *vm);

/* The configuration of org.xapid.Domains1's create, from the record and the host's: a{sv}.
 * INVALID_VALUE for what cannot be started, NOT_IMPLEMENTED for what is not there yet. */
GVariant *vm_domain_config(const struct vm_world *world, const char *vm, GError **error);
/* What domains_guest_memory () asks about: the VM as it is, but for its VCPUs, or (within not 0)
 * with the most memory that fits into so many bytes; a{sv}, floating.  NULL with NOT_IMPLEMENTED or
 * INVALID_VALUE for what cannot be started. */
GVariant *vm_memory_config(const struct model *model, const char *vm, gint64 vcpus_max,
                           gint64 within, GError **error);

/* --- disks.c --- */

#define VBD_POSITION_MAX 15 /* xvdp */
#define VBD_CD_POSITION 3

/* Where a drive is, as userdevice names it ("0", "xvda", "hda"): 0..VBD_POSITION_MAX; -1: no such
 * place. */
int vbd_position(const char *userdevice);
bool vbd_position_is_free(const struct model *model, const char *vm, int position);
/* -1: none is free. */
int vbd_free_position(const struct model *model, const char *vm, bool cd);
const struct dm_class *vbd_class(void);
void vbd_refresh_allowed(struct txn *txn, const char *vbd);
/* Does the guest, which runs or is paused, have it to write to? */
bool vbd_is_written(const struct model *model, const char *vbd);
bool vbd_refresh_all(struct model *model, GError **error);
/* Adds the steps that attach every disk, before the domain is built; plan NULL: only looks whether
 * they could.  VBD_MISSING, VDI_NOT_AVAILABLE, VDI_READONLY, VDI_IN_USE, SR_NOT_ATTACHED; of what
 * QEMU does not emulate INVALID_DEVICE, DISK_VBD_MUST_BE_READWRITE_FOR_HVM. */
bool vm_plan_attach(struct plan *plan, const struct vm_world *world, const char *vm,
                    GError **error);
/* Adds those that detach what is attached, after its domain is gone.  Is there anything? */
bool vm_plan_detach(struct plan *plan, const struct vm_world *world, const char *vm);
/* Is it built as a whole machine? */
bool vm_is_machine(const struct model *model, const char *vm);
/* disks of xapid-domains' create: aa{sv}, floating. */
GVariant *vm_disks_config(const struct model *model, const char *vm);
/* One of them, by itself; `full`: with its medium. */
GVariant *vbd_config(const struct model *model, const char *vbd, bool full);
/* Could the drive, as its row is, have that disk now?  As vm_plan_attach. */
bool vbd_check_disk(const struct vm_world *world, const char *vbd, const char *vdi, GError **error);
/* Adds vdi.attach or vdi.detach; `optional`: its failure ends nothing. */
void vbd_add_disk_step(struct plan *plan, const char *kind, const struct model *model,
                       const char *vbd, const char *vdi, bool optional);
/* Is it one of those that QEMU emulates? */
bool vbd_is_emulated(const struct model *model, const char *vbd);
/* What `op` attached and detached; currently_attached is what xapid-host has, not what the power
 * state says. */
void vm_record_drives(const struct vm_world *world, struct txn *txn, const char *vm, struct op *op);
/* The host was rebooted: no drive has its disk any more. */
void vbd_detach_all(const struct vm_world *world, struct txn *txn);
/* Something is attached for a guest that, as the record is now, is not there. */
bool vm_has_stray_disks(const struct vm_world *world, struct txn *txn, const char *vm);

/* --- nics.c: network cards --- */

#define VIF_POSITION_MAX 6   /* seven cards, as XAPI has them */
#define VIF_ADDRESSES_MAX 32 /* of each kind, of a locked card; as lib/nic-lock.h has it */

const struct dm_class *vif_class(void);
/* Where a card is, as device names it ("0" .. "6"); -1: no such place. */
int vif_position(const char *device);
bool vif_position_is_free(const struct model *model, const char *vm, int position);
/* xx:xx:xx:xx:xx:xx of one station. */
bool vif_mac_is_valid(const char *mac);
/* An address for a card there, always the same one of a seed: locally administered. */
char *vif_mac_from(const char *seed, int position);
/* The same of the VM's other_config:mac_seed, else of its uuid. */
char *vif_make_mac(const struct model *model, const char *vm, int position);
void vif_refresh_allowed(struct txn *txn, const char *vif);
bool vif_refresh_all(struct model *model, GError **error);
/* nics of xapid-domains' create: aa{sv}, floating. */
GVariant *vm_nics_config(const struct model *model, const char *vm);
/* Adds the steps that see to the bridges of its cards, before the domain is built:
 * BRIDGE_NOT_AVAILABLE [bridge], REQUIRED_PIF_IS_UNPLUGGED, PIF_UNMANAGED [PIF]. */
void vm_plan_bridges(struct plan *plan, const struct model *model, const char *vm);
/* The same of one card, which is to be on that network. */
void vif_plan_bridge(struct plan *plan, const char *vif, const char *network);
/* One of vm_nics_config, as it is with `changes` of its fields: a{sv}, or NULL. */
GVariant *vif_config(const struct model *model, const char *vif, GVariant *changes);
/* A field of a card: of `changes`, else of its row. */
GVariant *vif_field(const struct model *model, const char *vif, const char *name,
                    GVariant *changes);
extern const struct step_kind vif_bridge_kind;
/* Brings currently_attached in line with the power state in txn: a domain that `op` (may be NULL)
 * built has the cards whose bridges it saw to; without a domain none is attached. */
void vm_record_nics(const struct vm_world *world, struct txn *txn, const char *vm,
                    const struct op *op);

/* --- devices.c: drives and cards of VMs that run --- */

/* Is nothing under way with one of the VM?  OTHER_OPERATION_IN_PROGRESS. */
bool vm_devices_are_idle(const struct model *model, const char *vm, GError **error);
/* Is nothing done to the device, a row of VBD or VIF, or to its VM?  OTHER_OPERATION_IN_PROGRESS.
 */
bool vm_device_is_idle(const struct model *model, const char *device, GError **error);
/* The same, and the VM has a domain: VM_BAD_POWER_STATE.  *ret_vm is the caller's. */
bool vm_device_may_begin(const struct model *model, const char *device, bool may_be_paused,
                         char **ret_vm, GError **error);
/* A plan without steps, which the device shows. */
struct plan *vm_device_plan(const char *operation, const char *vm, const char *device);

/* --- cards.c: network cards of VMs that run --- */

/* Each pure; a new plan or NULL with VM_BAD_POWER_STATE, OTHER_OPERATION_IN_PROGRESS,
 * DEVICE_ALREADY_ATTACHED, DEVICE_ALREADY_DETACHED. */
struct plan *vif_plan_plug(const struct vm_world *world, const char *vif, GError **error);
struct plan *vif_plan_unplug(const struct vm_world *world, const char *vif, bool force,
                             GError **error);
/* One that is attached gets other values of these fields, a{sv}: network, locking_mode, allowed
 * addresses.  The record follows when they are so. */
struct plan *vif_plan_change(const struct vm_world *world, const char *vif, GVariant *changes,
                             GError **error);
/* Is a card on its way to the network?  OTHER_OPERATION_IN_PROGRESS. */
bool network_awaits_none(const struct model *model, GError **error);
/* What `op` did to the card, within txn: NULL or its result (a boolean: whether it is attached; an
 * a{sv}: fields that have changed). */
GVariant *vif_result(const struct op *op, const char *vif);
extern const struct step_kind vif_plug_kind, vif_unplug_kind, vif_set_kind;

/* --- nic-limits.c: what a guest may send by a card --- */

/* As xapid-domains takes it (lib/nic-lock.h), on that network and with these changes. */
char *vif_lock(const struct model *model, const char *vif, const char *network, GVariant *changes);
#define VIF_KBPS_MAX 10000000 /* as xapid-domains has it */
/* KiB a second; 0: no limit. */
int vif_kbps(const struct model *model, const char *vif);
/* May a field, of a card or another class, become `value`?  Of a limit of rate INVALID_VALUE
 * [field, value]. */
bool vif_check_value(const struct dm_field *field, GVariant *value, GError **error);
/* Addresses for ipv4_allowed or ipv6_allowed as they are kept: in their shortest writing, each
 * once. NULL with INVALID_IP_ADDRESS_SPECIFIED [field], or INVALID_VALUE when there are too many.
 */
GVariant *vif_addresses(const char *field, GVariant *addresses, GError **error);
/* vif_check_value () of all that a new card's row is given (a{sv}). */
bool vif_check_new(GVariant *given, GError **error);
/* Puts the addresses that it is given into the fields (NULL: only checks them) as they are kept. */
bool vif_take_addresses(GVariant *given, GVariantDict *fields, GError **error);

/* --- drives.c: drives of VMs that run --- */

/* Each pure; a new plan or NULL with VM_BAD_POWER_STATE, OTHER_OPERATION_IN_PROGRESS,
 * DEVICE_ALREADY_ATTACHED, DEVICE_ALREADY_DETACHED, VBD_IS_EMPTY, VBD_NOT_UNPLUGGABLE,
 * DEVICE_DETACH_REJECTED, OPERATION_NOT_ALLOWED, and what keeps the drive from having the disk. */
struct plan *vbd_plan_plug(const struct vm_world *world, const char *vbd, GError **error);
struct plan *vbd_plan_unplug(const struct vm_world *world, const char *vbd, bool force,
                             GError **error);
/* Of a CD drive, checked, whose VM runs. */
struct plan *vbd_plan_insert(const struct vm_world *world, const char *vbd, const char *vdi,
                             GError **error);
struct plan *vbd_plan_eject(const struct vm_world *world, const char *vbd, GError **error);

/* --- known-keys.c: the only keys of a VM's free-form maps that do anything --- */

/* May the map field become `value` (`old`: what it is)?  INVALID_VALUE [field:key, value] for a
 * known key with a new value that it cannot have.  Fields that are no such map pass. */
bool vm_check_map(const struct dm_field *field, GVariant *old, GVariant *value, GError **error);
/* Calls `each` for the maps of a new row's fields (a{sv}), none being an empty one of that type, as
 * long as it returns true; does it always? */
typedef bool (*vm_map_fn)(const struct dm_field *field, GVariant *none, GVariant *value, void *data,
                          GError **error);
bool vm_each_map(const struct dm_class *cls, GVariant *fields, vm_map_fn each, void *data,
                 GError **error);
/* The entries of a map<string,string> field that are known: a{ss}, the caller's.  INVALID_VALUE
 * [field:key, value] when one is stored, from elsewhere or from of old, that may not be so. */
GVariant *vm_known_entries(const struct model *model, const char *vm, const char *field,
                           GError **error);

/* --- plans.c; each pure, checking what it can; a new plan or NULL with an error --- */

/* May it start on this host, as far as the model can tell?  HOST_DISABLED,
 * HOST_NOT_ENOUGH_FREE_MEMORY [needed, available], and what its record lacks. */
bool vm_can_boot_here(const struct vm_world *world, const char *vm, GError **error);
/* operation: "start" or "start_on"; "resume" or "resume_on". */
struct plan *vm_plan_start(const struct vm_world *world, const char *vm, const char *operation,
                           bool paused, GError **error);
struct plan *vm_plan_pause(const struct vm_world *world, const char *vm, GError **error);
struct plan *vm_plan_unpause(const struct vm_world *world, const char *vm, GError **error);
struct plan *vm_plan_shutdown(const struct vm_world *world, const char *vm, bool clean,
                              GError **error);
struct plan *vm_plan_reboot(const struct vm_world *world, const char *vm, bool clean,
                            GError **error);
/* Adds the steps after which it is halted, with its disks let go, whatever it is now. */
void vm_plan_add_halt(struct plan *plan, const struct vm_world *world, const char *vm);
struct plan *vm_plan_suspend(const struct vm_world *world, const char *vm, GError **error);
struct plan *vm_plan_resume(const struct vm_world *world, const char *vm, const char *operation,
                            bool paused, GError **error);
/* change: arguments of the verb adjust; record: the VM's fields once it is done.  Both a{sv}, sunk.
 */
struct plan *vm_plan_adjust(const struct vm_world *world, const char *vm, const char *operation,
                            GVariant *change, GVariant *record, GError **error);
/* Moves a guest's balloon to the range's upper end; the record follows. */
struct plan *vm_plan_balloon(const struct vm_world *world, const char *vm, const char *operation,
                             const struct vm_memory *memory, GError **error);
/* Halted, when `domains` (of List) has no domain of it: VM_BAD_POWER_STATE [vm, halted, actual]. */
struct plan *vm_plan_power_state_reset(const struct vm_world *world, const char *vm,
                                       GVariant *domains, GError **error);
/* key and value: the argument of the verb signal. */
struct plan *vm_plan_signal(const struct vm_world *world, const char *vm, const char *operation,
                            const char *key, const char *value, GError **error);

/* What to do about a domain as List has it (NULL: there is none); the power state to record when
 * nothing needs doing.  NULL and no error: leave everything. */
struct plan *vm_plan_reconcile(const struct vm_world *world, const char *vm, GVariant *domain,
                               const char **ret_power_state);

/* Was it built ahead of a start (ready.c)? */
bool vm_domain_is_ready(GVariant *domain);
/* List's domains by uuid, for each the entry that counts: uuid -> GVariant; keys live in the
 * values.  Those that were built ahead do not count. */
GHashTable *vm_domains_by_uuid(GVariant *domains);
/* A number that List tells of a domain; -1: it does not. */
gint64 vm_domain_int(GVariant *domain, const char *key);
/* One of them, the caller's; NULL: none. */
GVariant *vm_find_domain(GVariant *domains, const char *uuid);
/* The memory that a VM's domain has, of List's domains; VM_BAD_POWER_STATE when it has none. */
bool vm_memory_actual(const struct vm_world *world, const char *vm, GVariant *domains,
                      gint64 *ret_bytes, GError **error);
bool vm_state_has_domain(const char *power_state);

/* The power state of a domain as List has it (NULL: there is none); NULL while it is changing. */
const char *vm_observed_state(GVariant *domain);

/* --- steps.c --- */

extern const struct step_kind *const vm_step_kinds[];
/* Starts a verb for a step that is about a VM's domain; args may be NULL. */
void vm_start_verb(struct op *op, const char *verb, GVariant *args, domains_done_fn done,
                   void *data);

/* --- record.c --- */

/* ops_room's mark and finish for VMs. */
void vm_mark(struct txn *txn, const char *vm, const char *operation, const char *key, bool running,
             void *data);
void vm_finish(struct op *op, struct txn *txn, const GError *error);
/* Brings power_state, resident_on, domid, metrics and consoles in line within txn.  domid -1 when
 * there is none; start true: a new domain of this VM began. */
void vm_record_state(const struct vm_world *world, struct txn *txn, const char *vm,
                     const char *power_state, gint64 domid, bool started);

/* It becomes a VM: from now on VM_metrics says since when. */
void vm_record_installed(struct txn *txn, const char *vm);

/* Removes the VM's row and those that live and die with it, within txn. */
bool vm_destroy_rows(const struct model *model, struct txn *txn, const char *vm, GError **error);

/* Facts that List tells of a domain: memory, vCPUs, state. */
bool vm_record_facts(const struct vm_world *world, const char *vm, GVariant *domain,
                     GError **error);

/* --- guest-metrics.c: VM_guest_metrics, from what guests say of themselves --- */

/* Begins to follow it; a VM has a row from when its guest first says something. */
void vm_guests_follow(struct vm_world *world);
/* Before the model goes. */
void vm_guests_leave(struct vm_world *world);
/* Within txn: the VM has no domain any more.  The row goes when it is halted. */
void vm_guests_ended(const struct vm_world *world, struct txn *txn, const char *vm,
                     const char *power_state);

/* --- restart.c: a guest that ends by itself again and again is started ever more slowly --- */

#define VM_SHORT_LIFE_SECONDS 120 /* lived less long: counts */
/* How long the restart after that many short lives in a row waits. */
guint vm_restart_delay_seconds(guint short_lives);
/* µs that the restart of the VM, whose domain `domid` has ended by itself, must still wait (0:
 * none; -1: an error, the store takes no writes).  Remembers, over a restart of the daemon too. */
gint64 vm_restart_wait(const struct vm_world *world, const char *vm, gint64 domid, GError **error);
/* The VM is halted within txn: what its guests did does not count any more. */
void vm_restart_forget(const struct vm_world *world, struct txn *txn, const char *vm);

/* --- autostart.c: VMs that start with their host --- */

/* The host was rebooted: within txn, those that other_config says start with it are noted. */
void vm_autostart_note(const struct vm_world *world, struct txn *txn);
/* Starts those that are noted, once the storage is attached again: those of the lowest `order`
 * first, the others when these run or have failed.  Over a restart of the daemon too.  VMs must
 * have been looked at: one that does not seem to be halted is not started. */
void vm_autostart(struct vm_world *world);

/* --- ready.c: domains that are built ahead of their VMs' starts --- */

#define VM_READY_KEY "ready_domain" /* of other_config */

/* `domains`, of List, are all there are: builds for VMs that want it and have none, and removes
 * what is no longer wanted.  Cheap when there is nothing to do. */
void vm_ready_look(struct vm_world *world, GVariant *domains);
/* Bytes that such domains would give back. */
gint64 vm_ready_memory(const struct vm_world *world);
/* When a verb failed with HOST_NOT_ENOUGH_FREE_MEMORY and there are such domains: true, as many as
 * it takes are removed, and then `again` is called, once. */
bool vm_ready_yield(struct vm_world *world, const GError *error, void (*again)(void *data),
                    void *data);

/* --- usage.c: VM_metrics.VCPUs_utilisation --- */

/* Brings it in line with what List tells (vm_domains_by_uuid), as the mean of a domain's VCPUs
 * since the last look; `all`: of every domain there is. */
void vm_usage_look(struct vm_world *world, GHashTable *domains, bool all);

/* --- reconcile.c --- */

/* Work of our own: runs the plan (taken).  done as of op_start (), and only if this is true. */
bool vm_submit(struct vm_world *world, const char *vm, struct plan *plan, op_done_fn done,
               void *data, GError **error);

/* ops_room's survey: notes power_state and domid as List has them. */
void vm_survey(struct op *op);
/* What List says of a VM's domain, and perhaps of others; of all when the VM is gone. */
void vm_list_domain(const struct vm_world *world, const char *vm, domains_done_fn done, void *data);

/* xapid-domains says that `uuid` ("" = any) needs a look. */
void vm_look(struct vm_world *world, const char *uuid);
/* Something is left of it that could not be removed now. */
void vm_look_again(struct vm_world *world, const char *uuid);
/* A guest was given another target: look at it until it is there. */
void vm_follow(struct vm_world *world, const char *uuid);
/* ops_room's idle: a VM whose look had to wait for its operation is looked at now. */
void vm_idle(const char *vm, void *data);

#endif
