/* What becomes of a VM's rows: the one writer, once a VM exists, of power_state, domid,
 * resident_on, VM_metrics and consoles. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/vm/appliance.h"
#include "xapid/vm/copies.h"
#include "xapid/vm/import.h"

static const struct dm_class *
class_of(const char *name)
{
    return dm_class_find(name, false);
}

static void
add_console(const struct vm_world *world, struct txn *txn, const char *vm, const char *protocol)
{
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *location = g_strdup_printf("https://%s/console?uuid=%s", world->address, uuid);
    g_autoptr(GError) error = NULL;
    GVariantBuilder fields;

    g_variant_builder_init(&fields, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&fields, "{sv}", "uuid", g_variant_new_string(uuid));
    g_variant_builder_add(&fields, "{sv}", "protocol", g_variant_new_string(protocol));
    g_variant_builder_add(&fields, "{sv}", "location", g_variant_new_string(location));
    g_variant_builder_add(&fields, "{sv}", "VM", g_variant_new_string(vm));
    if (!txn_create(txn, class_of("console"), NULL, g_variant_builder_end(&fields), &error))
        log_error("console of %s: %s", vm, error->message);
}

/* The screen, which clients take the first one for, and the text of a serial or Xen's own console.
 */
static void
add_consoles(const struct vm_world *world, struct txn *txn, const char *vm)
{
    add_console(world, txn, vm, "rfb");
    add_console(world, txn, vm, "vt100");
}

static void
remove_consoles(const struct vm_world *world, struct txn *txn, const char *vm)
{
    const struct dm_field *console_vm = dm_field_find(class_of("console"), "VM");
    g_autoptr(GPtrArray) consoles = model_referrers(world->model, vm, console_vm);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < consoles->len; i++)
        if (!txn_destroy(txn, consoles->pdata[i], &error)) {
            log_error("console of %s: %s", vm, error->message);
            g_clear_error(&error);
        }
}

/* The CPU that the guest has seen, which it may expect wherever it runs. */
static void
record_cpu_flags(const struct vm_world *world, struct txn *txn, const char *vm, const char *type)
{
    const char *set = g_str_equal(type, "pv") ? "features_pv" : "features_hvm";
    g_autofree char *vendor = model_get_map_value(world->model, world->host, "cpu_info", "vendor");
    g_autofree char *features = model_get_map_value(world->model, world->host, "cpu_info", set);

    txn_set_map_value(txn, vm, "last_boot_CPU_flags", "vendor", vendor);
    txn_set_map_value(txn, vm, "last_boot_CPU_flags", "features", features);
}

/* What a domain of this VM started with, for the life of that domain. */
static void
record_started(const struct vm_world *world, struct txn *txn, const char *vm)
{
    g_autofree char *metrics = model_get_string(world->model, vm, "metrics");
    const char *type = vm_domain_type(world->model, vm, NULL);
    gint64 memory = model_get_int(world->model, vm, "memory_dynamic_max");

    txn_set_value(txn, vm, "memory_target", g_variant_new_int64(memory));
    record_cpu_flags(world, txn, vm, type ? type : "pv");
    if (!model_has(world->model, class_of("VM_metrics"), metrics))
        return;
    txn_set_value(txn, metrics, "start_time", g_variant_new_int64(g_get_real_time()));
    txn_set_value(txn, metrics, "VCPUs_number",
                  g_variant_new_int64(model_get_int(world->model, vm, "VCPUs_at_startup")));
    txn_set_value(txn, metrics, "memory_actual", g_variant_new_int64(memory));
    txn_set_value(txn, metrics, "VCPUs_utilisation", g_variant_new("a{xd}", NULL));
    txn_set_string(txn, metrics, "current_domain_type", type ? type : "unspecified");
    txn_set_value(txn, metrics, "nested_virt",
                  g_variant_new_boolean(vm_nests_hypervisors(world->model, vm)));
    txn_set_value(txn, metrics, "last_updated", g_variant_new_int64(g_get_real_time()));
}

static void
record_without_domain(const struct vm_world *world, struct txn *txn, const char *vm)
{
    g_autofree char *metrics = model_get_string(world->model, vm, "metrics");

    txn_set_string(txn, vm, "resident_on", REF_NULL);
    txn_set_value(txn, vm, "domid", g_variant_new_int64(-1));
    txn_set_value(txn, vm, "memory_target", g_variant_new_int64(0));
    remove_consoles(world, txn, vm);
    if (!model_has(world->model, class_of("VM_metrics"), metrics))
        return;
    txn_set_value(txn, metrics, "VCPUs_number", g_variant_new_int64(0));
    txn_set_value(txn, metrics, "memory_actual", g_variant_new_int64(0));
    txn_set_string(txn, metrics, "current_domain_type", "unspecified");
    txn_set_value(txn, metrics, "nested_virt", g_variant_new_boolean(FALSE));
    txn_set_value(txn, metrics, "VCPUs_utilisation", g_variant_new("a{xd}", NULL));
    txn_set_value(txn, metrics, "last_updated", g_variant_new_int64(g_get_real_time()));
}

/* VM_metrics.state: the running domain's, empty when there is none. */
static void
record_metrics_state(const struct vm_world *world, struct txn *txn, const char *vm,
                     const char *power_state)
{
    g_autofree char *metrics = model_get_string(world->model, vm, "metrics");
    g_autofree char *state = g_ascii_strdown(power_state, -1);
    const char *const states[] = {state};

    if (model_has(world->model, class_of("VM_metrics"), metrics))
        txn_set_value(txn, metrics, "state",
                      g_variant_new_strv(states, vm_state_has_domain(power_state) ? 1 : 0));
}

void
vm_record_state(const struct vm_world *world, struct txn *txn, const char *vm,
                const char *power_state, gint64 domid, bool started)
{
    g_autofree char *before = model_get_string(world->model, vm, "power_state");
    bool had = vm_state_has_domain(before), has = vm_state_has_domain(power_state);

    txn_set_string(txn, vm, "power_state", power_state);
    if (had && !has)
        record_without_domain(world, txn, vm);
    if (!has) {
        vm_restart_forget(world, txn, vm);
        vm_guests_ended(world, txn, vm, power_state);
    }
    if (has) {
        txn_set_string(txn, vm, "resident_on", world->host);
        if (domid >= 0)
            txn_set_value(txn, vm, "domid", g_variant_new_int64(domid));
        if (!had)
            add_consoles(world, txn, vm);
        if (started || !had)
            record_started(world, txn, vm);
    }
    record_metrics_state(world, txn, vm, power_state);
    vm_record_nics(world, txn, vm, /* op= */ NULL);
    vm_refresh_allowed(txn, vm);
}

bool
vm_record_facts(const struct vm_world *world, const char *vm, GVariant *domain, GError **error)
{
    static const struct {
        const char *fact, *field;
    } facts[] = {{"memory", "memory_actual"}, {"vcpus", "VCPUs_number"}};
    g_autofree char *metrics = model_get_string(world->model, vm, "metrics");
    g_autofree char *power_state = model_get_string(world->model, vm, "power_state");
    bool changed = false;

    if (!model_has(world->model, class_of("VM_metrics"), metrics))
        return true;
    struct txn *txn = model_begin(world->model, error);
    if (!txn)
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(facts); i++) {
        gint64 value = vm_domain_int(domain, facts[i].fact);
        if (value < 0 || value == model_get_int(world->model, metrics, facts[i].field))
            continue;
        txn_set_value(txn, metrics, facts[i].field, g_variant_new_int64(value));
        changed = true;
    }
    record_metrics_state(world, txn, vm, power_state);
    if (changed)
        txn_set_value(txn, metrics, "last_updated", g_variant_new_int64(g_get_real_time()));
    return txn_commit(txn, error) != 0;
}

void
vm_record_installed(struct txn *txn, const char *vm)
{
    g_autofree char *metrics = model_get_string(txn_model(txn), vm, "metrics");

    if (txn_has(txn, class_of("VM_metrics"), metrics))
        txn_set_value(txn, metrics, "install_time", g_variant_new_int64(g_get_real_time()));
}

/* Rows that live and die with their VM: (class, field that names the VM). */
static const struct {
    const char *cls, *field;
} parts[] = {{"VBD", "VM"},  {"VIF", "VM"},  {"console", "VM"},  {"VGPU", "VM"},
             {"VUSB", "VM"}, {"VTPM", "VM"}, {"crashdump", "VM"}};

bool
vm_destroy_rows(const struct model *model, struct txn *txn, const char *vm, GError **error)
{
    vm_leave_tree(model, txn, vm);
    appliance_set(txn, vm, REF_NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        const struct dm_class *cls = class_of(parts[i].cls);
        g_autoptr(GPtrArray) rows = model_referrers(model, vm, dm_field_find(cls, parts[i].field));
        for (guint j = 0; j < rows->len; j++)
            if (!txn_destroy(txn, rows->pdata[j], error))
                return false;
    }
    static const char *const owned[] = {"metrics", "guest_metrics"};
    for (unsigned i = 0; i < G_N_ELEMENTS(owned); i++) {
        g_autofree char *ref = model_get_string(model, vm, owned[i]);
        if (model_class(model, ref) && !txn_destroy(txn, ref, error))
            return false;
    }
    return txn_destroy(txn, vm, error);
}

/* What a revert is called by a snapshot, and by what it becomes; and an export by a disk. */
static const char *
shown_as(struct txn *txn, const struct dm_class *cls, const char *row, const char *operation)
{
    if (g_str_equal(operation, "export") && cls == vdi_class())
        return "copy";
    if (!g_str_equal(operation, "revert"))
        return operation;
    g_autoptr(GVariant) snapshot = txn_get(txn, row, dm_field_find(cls, "is_a_snapshot"));
    bool of_snapshot = g_variant_get_boolean(snapshot);

    if (cls == vdi_class())
        return of_snapshot ? "revert_from" : "revert_to";
    return of_snapshot ? "revert" : "reverting";
}

void
vm_mark(struct txn *txn, const char *row, const char *operation, const char *key, bool running,
        void *data)
{
    void (*refresh)(struct txn * txn, const char *row) =
        txn_has(txn, vm_class(), row)    ? vm_refresh_allowed
        : txn_has(txn, vbd_class(), row) ? vbd_refresh_allowed
        : txn_has(txn, vif_class(), row) ? vif_refresh_allowed
                                         : NULL;

    if (txn_has(txn, vdi_class(), row)) {
        vdi_mark(txn, row, shown_as(txn, vdi_class(), row, operation), key, running, data);
        return;
    }
    if (!refresh)
        return; /* destroyed meanwhile */
    const char *shown =
        txn_has(txn, vm_class(), row) ? shown_as(txn, vm_class(), row, operation) : operation;
    txn_set_map_value(txn, row, "current_operations", key, running ? shown : NULL);
    refresh(txn, row);
}

static void
record_fields(struct txn *txn, const char *vm, GVariant *fields)
{
    GVariantIter iter;
    const char *field;
    GVariant *value;

    g_variant_iter_init(&iter, fields);
    while (g_variant_iter_next(&iter, "{&sv}", &field, &value)) {
        txn_set_value(txn, vm, field, value);
        g_variant_unref(value);
    }
}

void
vm_finish(struct op *op, struct txn *txn, const GError *error)
{
    struct vm_world *world = op_room_data(op);
    const char *vm = op_object(op);
    GVariant *state = op_result(op, "power_state");
    GVariant *domid = op_result(op, "domid");
    bool started = op_result(op, "started") != NULL;

    if (!model_has(world->model, vm_class(), vm))
        return;
    if (vm_is_copy_operation(op_operation(op))) {
        vm_record_copy(op, txn, error);
        g_autofree char *its = model_get_string(world->model, vm, "uuid");
        if (error)
            vm_look(world, its); /* of a snapshot: the guest may stand still */
        return;
    }
    if (g_str_equal(op_operation(op), "import")) {
        vm_record_import(op, txn, vm, error);
        return;
    }
    if (g_str_equal(op_operation(op), "provision")) {
        vm_record_provision(op, txn, vm, error);
        return;
    }
    if (state)
        vm_record_state(world, txn, vm, g_variant_get_string(state, NULL),
                        domid ? g_variant_get_int64(domid) : -1, started);
    vm_record_drives(world, txn, vm, op);
    vm_record_nics(world, txn, vm, op);
    if (!error && op_result(op, "record"))
        record_fields(txn, vm, op_result(op, "record"));
    /* A failure may have left what no step could note: look at what really is. */
    g_autofree char *uuid = model_get_string(world->model, vm, "uuid");
    if (error)
        vm_look(world, uuid);
    else if (vm_has_stray_disks(world, txn, vm))
        vm_look_again(world, uuid);
    else if (op_result(op, "record"))
        vm_follow(world, uuid);
    if (!g_str_equal(op_operation(op), "revert"))
        return;
    /* What ended its domain was done before a restart. */
    if (op_is_settled(op) && !state)
        vm_record_state(world, txn, vm, "Halted", -1, false);
    vm_record_revert(op, txn, vm, error);
}
