/* The plans of a VM's lifecycle: pure functions of the model; see vm.h. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/vm/vm.h"

/* A domain for the VM, by domain.create or domain.restore, with its disks and bridges.  The
 * configuration is fixed in the plan, so that a restart in mid-way builds the same domain. */
static bool
add_build(struct plan *plan, const char *step, const struct vm_world *world, const char *vm,
          GError **error)
{
    g_autoptr(GVariant) config = vm_domain_config(world, vm, error);

    if (!config || !vm_plan_attach(plan, world, vm, error))
        return false;
    vm_plan_bridges(plan, world->model, vm);
    plan_add(plan, step, config);
    return true;
}

/* No domain any more, and its disks let go. */
static void
add_end(struct plan *plan, const struct vm_world *world, const char *vm)
{
    plan_add(plan, "domain.end", NULL);
    vm_plan_detach(plan, world, vm);
}

/* The domain and what is left of it. */
static struct plan *
plan_end(const struct vm_world *world, const char *vm)
{
    struct plan *plan = plan_new("hard_shutdown", vm);

    add_end(plan, world, vm);
    return plan;
}

void
vm_plan_add_halt(struct plan *plan, const struct vm_world *world, const char *vm)
{
    g_autofree char *power_state = model_get_string(world->model, vm, "power_state");

    if (g_str_equal(power_state, "Suspended"))
        plan_add(plan, "image.discard", NULL);
    if (vm_state_has_domain(power_state))
        add_end(plan, world, vm);
    else
        vm_plan_detach(plan, world, vm);
}

static bool
host_is_enabled(const struct vm_world *world, GError **error)
{
    if (model_get_bool(world->model, world->host, "enabled"))
        return true;
    api_error_set(error, "HOST_DISABLED", world->host, NULL);
    return false;
}

static void
add_shutdown(struct plan *plan, const char *how)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "how", "s", how);
    g_variant_dict_insert(&args, "timeout", "i", VM_SHUTDOWN_TIMEOUT_SECONDS);
    plan_add(plan, "domain.shutdown", g_variant_dict_end(&args));
}

/* What the build needs beyond the guest's own memory is for the hypervisor to say, and all of it as
 * long as it has not told what there is. */
static bool
host_has_memory(const struct vm_world *world, const char *vm, GError **error)
{
    g_autofree char *metrics = model_get_string(world->model, world->host, "metrics");
    gint64 needed = model_get_int(world->model, vm, "memory_dynamic_max");
    gint64 available = model_get_int(world->model, metrics, "memory_free") + vm_ready_memory(world);

    if (needed <= available || !model_get_int(world->model, metrics, "memory_total"))
        return true;
    g_autofree char *needed_text = g_strdup_printf("%" G_GINT64_FORMAT, needed);
    g_autofree char *available_text = g_strdup_printf("%" G_GINT64_FORMAT, available);
    api_error_set(error, "HOST_NOT_ENOUGH_FREE_MEMORY", needed_text, available_text, NULL);
    return false;
}

bool
vm_can_boot_here(const struct vm_world *world, const char *vm, GError **error)
{
    g_autofree char *state = model_get_string(world->model, vm, "power_state");
    g_autoptr(GVariant) config = vm_domain_config(world, vm, error);

    return config && host_is_enabled(world, error) &&
           (vm_state_has_domain(state) ||
            (host_has_memory(world, vm, error) && vm_plan_attach(NULL, world, vm, error)));
}

struct plan *
vm_plan_start(const struct vm_world *world, const char *vm, const char *operation, bool paused,
              GError **error)
{
    if (!vm_may(world->model, vm, operation, error))
        return NULL;
    if (!host_is_enabled(world, error))
        return NULL;
    struct plan *plan = plan_new(operation, vm);
    if (!add_build(plan, "domain.create", world, vm, error)) {
        plan_free(plan);
        return NULL;
    }
    if (!paused)
        plan_add(plan, "domain.unpause", NULL);
    return plan;
}

struct plan *
vm_plan_pause(const struct vm_world *world, const char *vm, GError **error)
{
    if (!vm_may(world->model, vm, "pause", error))
        return NULL;
    struct plan *plan = plan_new("pause", vm);
    plan_add(plan, "domain.pause", NULL);
    return plan;
}

struct plan *
vm_plan_unpause(const struct vm_world *world, const char *vm, GError **error)
{
    if (!vm_may(world->model, vm, "unpause", error))
        return NULL;
    struct plan *plan = plan_new("unpause", vm);
    plan_add(plan, "domain.unpause", NULL);
    return plan;
}

struct plan *
vm_plan_shutdown(const struct vm_world *world, const char *vm, bool clean, GError **error)
{
    const char *operation = clean ? "clean_shutdown" : "hard_shutdown";

    if (!vm_may(world->model, vm, operation, error))
        return NULL;
    g_autofree char *power_state = model_get_string(world->model, vm, "power_state");
    struct plan *plan = plan_new(operation, vm);
    plan->interrupts = !clean;
    if (clean)
        add_shutdown(plan, "poweroff");
    if (g_str_equal(power_state, "Suspended")) {
        plan_add(plan, "image.discard", NULL);
        return plan;
    }
    add_end(plan, world, vm);
    return plan;
}

struct plan *
vm_plan_suspend(const struct vm_world *world, const char *vm, GError **error)
{
    GVariantDict args;

    if (!vm_may(world->model, vm, "suspend", error))
        return NULL;
    struct plan *plan = plan_new("suspend", vm);
    plan_add(plan, "domain.save", NULL);
    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "power_state", "s", "Suspended");
    plan_add(plan, "domain.end", g_variant_dict_end(&args));
    vm_plan_detach(plan, world, vm);
    return plan;
}

struct plan *
vm_plan_resume(const struct vm_world *world, const char *vm, const char *operation, bool paused,
               GError **error)
{
    if (!vm_may(world->model, vm, operation, error) || !host_is_enabled(world, error))
        return NULL;
    struct plan *plan = plan_new(operation, vm);
    if (!add_build(plan, "domain.restore", world, vm, error)) {
        plan_free(plan);
        return NULL;
    }
    plan_add(plan, "image.discard", NULL);
    if (!paused)
        plan_add(plan, "domain.unpause", NULL);
    return plan;
}

struct plan *
vm_plan_adjust(const struct vm_world *world, const char *vm, const char *operation,
               GVariant *change, GVariant *record, GError **error)
{
    g_autoptr(GVariant) change_owned = g_variant_ref_sink(change);
    g_autoptr(GVariant) record_owned = g_variant_ref_sink(record);

    if (!vm_may(world->model, vm, operation, error))
        return NULL;
    struct plan *plan = plan_new(operation, vm);
    plan_add(plan, "domain.adjust", change_owned);
    plan_add(plan, "record", record_owned);
    return plan;
}

struct plan *
vm_plan_balloon(const struct vm_world *world, const char *vm, const char *operation,
                const struct vm_memory *memory, GError **error)
{
    GVariantDict change, record;

    g_variant_dict_init(&change, NULL);
    g_variant_dict_insert(&change, "memory_target", "x", memory->dynamic_max);
    g_variant_dict_init(&record, NULL);
    g_variant_dict_insert(&record, "memory_dynamic_min", "x", memory->dynamic_min);
    g_variant_dict_insert(&record, "memory_dynamic_max", "x", memory->dynamic_max);
    g_variant_dict_insert(&record, "memory_target", "x", memory->dynamic_max);
    return vm_plan_adjust(world, vm, operation, g_variant_dict_end(&change),
                          g_variant_dict_end(&record), error);
}

struct plan *
vm_plan_power_state_reset(const struct vm_world *world, const char *vm, GVariant *domains,
                          GError **error)
{
    g_autofree char *uuid = model_get_string(world->model, vm, "uuid");
    g_autoptr(GVariant) domain = vm_find_domain(domains, uuid);
    const char *state = vm_observed_state(domain);

    if (!vm_may(world->model, vm, "power_state_reset", error))
        return NULL;
    if (!state || vm_state_has_domain(state)) {
        g_autofree char *actual = g_ascii_strdown(state ? state : "running", -1);
        api_error_set(error, "VM_BAD_POWER_STATE", vm, "halted", actual, NULL);
        return NULL;
    }
    struct plan *plan = plan_new("power_state_reset", vm);
    plan_add(plan, "image.discard", NULL);
    return plan;
}

struct plan *
vm_plan_signal(const struct vm_world *world, const char *vm, const char *operation, const char *key,
               const char *value, GError **error)
{
    GVariantDict args;

    if (!vm_may(world->model, vm, operation, error))
        return NULL;
    struct plan *plan = plan_new(operation, vm);
    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, key, "s", value);
    plan_add(plan, "domain.signal", g_variant_dict_end(&args));
    return plan;
}

struct plan *
vm_plan_reboot(const struct vm_world *world, const char *vm, bool clean, GError **error)
{
    const char *operation = clean ? "clean_reboot" : "hard_reboot";

    if (!vm_may(world->model, vm, operation, error))
        return NULL;
    struct plan *plan = plan_new(operation, vm);
    plan->interrupts = !clean;
    if (clean)
        add_shutdown(plan, "reboot");
    plan_add(plan, "domain.destroy", NULL);
    if (!add_build(plan, "domain.create", world, vm, error)) {
        plan_free(plan);
        return NULL;
    }
    plan_add(plan, "domain.unpause", NULL);
    return plan;
}

/* Its record gives a domain, and its disks can be had. */
static bool
vm_can_be_built(const struct vm_world *world, const char *vm, GError **error)
{
    g_autoptr(GVariant) config = vm_domain_config(world, vm, error);

    return config && vm_plan_attach(NULL, world, vm, error);
}

/* What the VM's record wants after its domain shut down by itself. */
static struct plan *
plan_after_shutdown(const struct vm_world *world, const char *vm, const char *reason)
{
    const char *field = g_str_equal(reason, "reboot")  ? "actions_after_reboot"
                        : g_str_equal(reason, "crash") ? "actions_after_crash"
                                                       : "actions_after_shutdown";
    g_autofree char *action = model_get_string(world->model, vm, field);
    /* coredump_and_ what follows; rename_restart is as restart; the rest is as destroy. */
    bool restart = g_str_has_suffix(action, "restart");

    if (g_str_equal(reason, "suspend") || g_str_equal(action, "preserve"))
        return NULL;
    g_autoptr(GError) error = NULL;
    if (restart && !vm_can_be_built(world, vm, &error)) {
        log_warning("%s ends instead of being started again: %s", vm, error->message);
        restart = false;
    }
    struct plan *plan = plan_new(restart ? "hard_reboot" : "hard_shutdown", vm);
    if (g_str_has_prefix(action, "coredump"))
        plan_add(plan, "domain.dump", NULL);
    if (restart) {
        plan_add(plan, "domain.destroy", NULL);
        add_build(plan, "domain.create", world, vm, NULL);
        plan_add(plan, "domain.unpause", NULL);
    } else {
        add_end(plan, world, vm);
    }
    return plan;
}

struct plan *
vm_plan_reconcile(const struct vm_world *world, const char *vm, GVariant *domain,
                  const char **ret_power_state)
{
    g_autofree char *recorded = model_get_string(world->model, vm, "power_state");
    const char *state, *reason;
    gboolean complete, ours;

    *ret_power_state = NULL;
    /* Somebody else ended it, or its disks could not be let go before. */
    if (!domain && vm_plan_detach(NULL, world, vm))
        return plan_end(world, vm);
    if (!domain) {
        if (!g_str_equal(recorded, "Halted"))
            *ret_power_state = "Halted";
        return NULL;
    }
    if (!g_variant_lookup(domain, "state", "&s", &state) ||
        !g_variant_lookup(domain, "reason", "&s", &reason) ||
        !g_variant_lookup(domain, "ours", "b", &ours) ||
        !g_variant_lookup(domain, "complete", "b", &complete))
        return NULL;
    if (g_str_equal(state, "dying"))
        return NULL; /* a change will be told once it is gone */
    if (!complete)
        return plan_end(world, vm);
    /* Another tool that made a domain of this uuid also decides what becomes of it. */
    if (g_str_equal(state, "shutdown") && !ours)
        return NULL;
    if (g_str_equal(state, "shutdown"))
        return plan_after_shutdown(world, vm, reason);
    *ret_power_state = vm_observed_state(domain);
    return NULL;
}
