/* The plans of a VM's lifecycle: pure functions of the model; see vm.h. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/vm/vm.h"

/* The configuration is fixed in the plan, so that a restart in mid-way builds the same domain. */
static bool
add_create(struct plan *plan, const struct vm_world *world, const char *vm, GError **error)
{
    GVariant *config = vm_domain_config(world->model, vm, world->guest_kernels, error);

    if (!config)
        return false;
    plan_add(plan, "domain.create", config);
    return true;
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

struct plan *
vm_plan_start(const struct vm_world *world, const char *vm, bool paused, GError **error)
{
    if (!vm_may(world->model, vm, "start", error))
        return NULL;
    if (!model_get_bool(world->model, world->host, "enabled")) {
        api_error_set(error, "HOST_DISABLED", world->host, NULL);
        return NULL;
    }
    struct plan *plan = plan_new("start", vm);
    if (!add_create(plan, world, vm, error)) {
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
    struct plan *plan = plan_new(operation, vm);
    plan->interrupts = !clean;
    if (clean)
        add_shutdown(plan, "poweroff");
    plan_add(plan, "domain.destroy", NULL);
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
    if (!add_create(plan, world, vm, error)) {
        plan_free(plan);
        return NULL;
    }
    plan_add(plan, "domain.unpause", NULL);
    return plan;
}

/* What the VM's record wants after its domain shut down by itself. */
static struct plan *
plan_after_shutdown(const struct vm_world *world, const char *vm, const char *reason)
{
    const char *field = g_str_equal(reason, "reboot")  ? "actions_after_reboot"
                        : g_str_equal(reason, "crash") ? "actions_after_crash"
                                                       : "actions_after_shutdown";
    g_autofree char *action = model_get_string(world->model, vm, field);
    /* restart, and as it: coredump_and_restart, rename_restart.  The rest is as destroy. */
    bool restart = g_str_has_suffix(action, "restart");

    if (g_str_equal(reason, "suspend") || g_str_equal(action, "preserve"))
        return NULL;
    struct plan *plan = plan_new(restart ? "hard_reboot" : "hard_shutdown", vm);
    plan_add(plan, "domain.destroy", NULL);
    if (restart) {
        g_autoptr(GError) error = NULL;
        if (add_create(plan, world, vm, &error))
            plan_add(plan, "domain.unpause", NULL);
        else
            log_warning("%s ends instead of being started again: %s", vm, error->message);
    }
    return plan;
}

const char *
vm_observed_state(GVariant *domain)
{
    const char *state;
    gboolean complete;

    if (!domain)
        return "Halted";
    if (!g_variant_lookup(domain, "state", "&s", &state) ||
        !g_variant_lookup(domain, "complete", "b", &complete) || !complete)
        return NULL;
    return g_str_equal(state, "paused")    ? "Paused"
           : g_str_equal(state, "running") ? "Running"
                                           : NULL;
}

struct plan *
vm_plan_reconcile(const struct vm_world *world, const char *vm, GVariant *domain,
                  const char **ret_power_state)
{
    g_autofree char *recorded = model_get_string(world->model, vm, "power_state");
    const char *state, *reason;
    gboolean complete;

    *ret_power_state = NULL;
    if (!domain) {
        if (g_str_equal(recorded, "Running") || g_str_equal(recorded, "Paused"))
            *ret_power_state = "Halted";
        return NULL;
    }
    if (!g_variant_lookup(domain, "state", "&s", &state) ||
        !g_variant_lookup(domain, "reason", "&s", &reason) ||
        !g_variant_lookup(domain, "complete", "b", &complete))
        return NULL;
    if (g_str_equal(state, "dying"))
        return NULL; /* a change will be told once it is gone */
    if (!complete) {
        struct plan *plan = plan_new("hard_shutdown", vm);
        plan_add(plan, "domain.destroy", NULL);
        return plan;
    }
    if (g_str_equal(state, "shutdown"))
        return plan_after_shutdown(world, vm, reason);
    *ret_power_state = vm_observed_state(domain);
    return NULL;
}
