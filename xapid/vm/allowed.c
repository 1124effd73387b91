/* Which operations a VM's state allows: one table, two readers (allowed_operations and vm_may). */
#include "config.h"

#include "lib/error.h"
#include "xapid/vm/appliance.h"
#include "xapid/vm/copies.h"

enum {
    HALTED = 1,
    PAUSED = 2,
    RUNNING = 4,
    SUSPENDED = 8,
    TEMPLATE = 16, /* templates may do it too */
    SNAPSHOT = 32, /* snapshots, too */
    ALONE = 64,    /* of those: nobody else */
    WITHIN = 128,  /* a part of another VM's: nobody asks for it */
};

/* Only what this version can do: a client greys the rest out. */
static const struct {
    const char *operation;
    unsigned states;
    const char *expected; /* for VM_BAD_POWER_STATE */
} operations[] = {
    {"start", HALTED, "halted"},
    {"start_on", HALTED, "halted"},
    {"provision", HALTED | TEMPLATE, "halted"},
    {"destroy", HALTED | TEMPLATE | SNAPSHOT, "halted"},
    {"clone", HALTED | TEMPLATE | SNAPSHOT, "halted"},
    {"copy", HALTED | TEMPLATE | SNAPSHOT, "halted"},
    {"snapshot", HALTED | PAUSED | RUNNING | SUSPENDED, "running"},
    {"export", HALTED | TEMPLATE | SNAPSHOT, "halted"},
    {"revert", HALTED | SNAPSHOT | ALONE, "halted"},
    {"reverting", HALTED | PAUSED | RUNNING | SUSPENDED | WITHIN, "halted"},
    {"pause", RUNNING, "running"},
    {"unpause", PAUSED, "paused"},
    {"clean_shutdown", RUNNING, "running"},
    {"hard_shutdown", RUNNING | PAUSED | SUSPENDED, "running"},
    {"clean_reboot", RUNNING, "running"},
    {"hard_reboot", RUNNING | PAUSED, "running"},
    {"suspend", RUNNING, "running"},
    {"resume", SUSPENDED, "suspended"},
    {"resume_on", SUSPENDED, "suspended"},
    {"power_state_reset", HALTED | RUNNING | PAUSED | SUSPENDED, "running"},
    {"changing_memory_live", RUNNING | PAUSED, "running"},
    {"changing_VCPUs_live", RUNNING, "running"},
    {"changing_dynamic_range", HALTED | RUNNING | PAUSED, "running"},
    {"send_sysrq", RUNNING, "running"},
    {"send_trigger", RUNNING, "running"},
};

const struct dm_class *
vm_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("VM", false);
    return cls;
}

static unsigned
state_bit(const char *power_state)
{
    static const char *const names[] = {"Halted", "Paused", "Running", "Suspended"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_str_equal(names[i], power_state))
            return 1u << i;
    return 0;
}

static GVariant *
txn_field(struct txn *txn, const char *vm, const char *field)
{
    return txn_get(txn, vm, dm_field_find(vm_class(), field));
}

/* A clean shutdown can take as long as the guest likes, a core or an image as long as the disk: the
 * hard forms end it. */
static bool
may_interrupt(const char *operation, GVariant *current)
{
    static const char *const slow[] = {"clean_shutdown", "clean_reboot", "hard_reboot", "suspend"};
    unsigned n = g_str_equal(operation, "hard_shutdown") ? 4
                 : g_str_equal(operation, "hard_reboot") ? 2
                                                         : 0;
    GVariantIter iter;
    const char *other;

    g_variant_iter_init(&iter, current);
    while (g_variant_iter_next(&iter, "{&s&s}", NULL, &other)) {
        unsigned i = 0;
        while (i < n && !g_str_equal(slow[i], other))
            i++;
        if (i == n)
            return false;
    }
    return n > 0;
}

/* One is copied many times at once: a template. */
static bool
goes_beside(const char *operation, GVariant *current)
{
    GVariantIter iter;
    const char *other;

    if (!vm_is_copy_operation(operation))
        return false;
    g_variant_iter_init(&iter, current);
    while (g_variant_iter_next(&iter, "{&s&s}", NULL, &other))
        if (!vm_is_copy_operation(other))
            return false;
    return true;
}

/* Is it for such a row? */
static bool
fits(unsigned states, bool is_template, bool is_snapshot)
{
    if (is_snapshot)
        return states & SNAPSHOT;
    return !(states & ALONE) && (!is_template || states & TEMPLATE);
}

/* One that came with xapid stays until somebody says that it is none. */
static bool
is_kept(const char *operation, bool is_template, bool is_default)
{
    return is_template && is_default && g_str_equal(operation, "destroy");
}

static void
refresh_own(struct txn *txn, const char *vm)
{
    g_autoptr(GVariant) state = txn_field(txn, vm, "power_state");
    g_autoptr(GVariant) current = txn_field(txn, vm, "current_operations");
    g_autoptr(GVariant) blocked = txn_field(txn, vm, "blocked_operations");
    g_autoptr(GVariant) template = txn_field(txn, vm, "is_a_template");
    g_autoptr(GVariant) snapshot = txn_field(txn, vm, "is_a_snapshot");
    g_autoptr(GVariant) by_default = txn_field(txn, vm, "is_default_template");
    g_autoptr(GVariant) control = txn_field(txn, vm, "is_control_domain");
    bool ours = !g_variant_get_boolean(control) && !vm_is_foreign(txn_model(txn), vm);
    unsigned bit = state_bit(g_variant_get_string(state, NULL));
    bool is_template = g_variant_get_boolean(template);
    bool busy = g_variant_n_children(current) > 0;
    GVariantBuilder allowed;

    g_variant_builder_init(&allowed, G_VARIANT_TYPE("as"));
    for (unsigned i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_autofree char *reason = NULL;
        if (!(operations[i].states & bit) || operations[i].states & WITHIN ||
            !fits(operations[i].states, is_template, g_variant_get_boolean(snapshot)) || !ours ||
            is_kept(operations[i].operation, is_template, g_variant_get_boolean(by_default)) ||
            (busy && !may_interrupt(operations[i].operation, current) &&
             !goes_beside(operations[i].operation, current)) ||
            g_variant_lookup(blocked, operations[i].operation, "s", &reason))
            continue;
        g_variant_builder_add(&allowed, "s", operations[i].operation);
    }
    txn_set_value(txn, vm, "allowed_operations", g_variant_builder_end(&allowed));
}

void
vm_refresh_allowed(struct txn *txn, const char *vm)
{
    refresh_own(txn, vm);
    appliance_refresh_of(txn, vm);
}

bool
vm_refresh_all(struct model *model, GError **error)
{
    g_autoptr(GPtrArray) vms = model_all(model, vm_class());
    g_autoptr(GPtrArray) appliances = model_all(model, appliance_class());
    struct txn *txn = model_begin(model, error);

    if (!txn)
        return false;
    for (guint i = 0; i < vms->len; i++)
        refresh_own(txn, vms->pdata[i]);
    for (guint i = 0; i < appliances->len; i++)
        appliance_refresh_allowed(txn, appliances->pdata[i]);
    return txn_commit(txn, error) != 0;
}

/* Index in operations[], or their number when there is none. */
static unsigned
operation_find(const char *operation)
{
    unsigned i = 0;

    while (i < G_N_ELEMENTS(operations) && !g_str_equal(operations[i].operation, operation))
        i++;
    return i;
}

bool
vm_knows(const char *operation)
{
    return operation_find(operation) < G_N_ELEMENTS(operations);
}

bool
vm_may(const struct model *model, const char *vm, const char *operation, GError **error)
{
    g_autofree char *state = model_get_string(model, vm, "power_state");
    g_autoptr(GVariant) current =
        model_get(model, vm, dm_field_find(vm_class(), "current_operations"));
    g_autoptr(GVariant) blocked =
        model_get(model, vm, dm_field_find(vm_class(), "blocked_operations"));
    g_autofree char *reason = NULL;
    unsigned i = operation_find(operation);

    g_assert(i < G_N_ELEMENTS(operations));

    if (!vm_is_ours(model, vm, error))
        return false;
    if (g_variant_lookup(blocked, operation, "s", &reason)) {
        api_error_set(error, "OPERATION_BLOCKED", vm, reason, NULL);
        return false;
    }
    /* The hard forms do not wait for a guest that does not let go of a device. */
    if (!g_str_has_prefix(operation, "hard_") && !vm_devices_are_idle(model, vm, error))
        return false;
    if (!may_interrupt(operation, current) && !goes_beside(operation, current) &&
        !ops_none_shown(model, vm, error))
        return false;
    if (is_kept(operation, model_get_bool(model, vm, "is_a_template"),
                model_get_bool(model, vm, "is_default_template"))) {
        api_error_set(error, "VM_CANNOT_DELETE_DEFAULT_TEMPLATE", vm, NULL);
        return false;
    }
    bool is_snapshot = model_get_bool(model, vm, "is_a_snapshot");
    bool is_template = model_get_bool(model, vm, "is_a_template");
    if (!fits(operations[i].states, is_template, is_snapshot)) {
        if (is_snapshot)
            api_error_set(error, "VM_IS_SNAPSHOT", vm, operation, NULL);
        else if (operations[i].states & ALONE)
            api_error_set(error, "OPERATION_NOT_ALLOWED", "This is no snapshot.", NULL);
        else
            api_error_set(error, "VM_IS_TEMPLATE", vm, NULL);
        return false;
    }
    if (!(operations[i].states & state_bit(state))) {
        g_autofree char *actual = g_ascii_strdown(state, -1);
        api_error_set(error, "VM_BAD_POWER_STATE", vm, operations[i].expected, actual, NULL);
        return false;
    }
    return true;
}
