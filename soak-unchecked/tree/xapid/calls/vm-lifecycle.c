/* Class VM: the lifecycle.  Each message is a plan (xapid/vm/plans.c). */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"

static bool
is_this_host(const struct call *call, const char *host, GError **error)
{
    if (g_str_equal(host, call->api->host))
        return true;
    api_error_set(error, "HANDLE_INVALID", "host", host, NULL);
    return false;
}

static void
start(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = vm_plan_start(call->api->vm, call_ref(call, 0), call->message->name,
                                      call_bool(call, 1), &error);

    call_run_plan(call, plan, error);
}

static void
start_on(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = NULL;

    if (is_this_host(call, call_ref(call, 1), &error))
        plan = vm_plan_start(call->api->vm, call_ref(call, 0), call->message->name,
                             call_bool(call, 2), &error);
    call_run_plan(call, plan, error);
}

static void
run_plan(struct call *call,
         struct plan *(*make)(const struct vm_world *world, const char *vm, GError **error))
{
    GError *error = NULL;
    struct plan *plan = make(call->api->vm, call_ref(call, 0), &error);

    call_run_plan(call, plan, error);
}

static void
pause_vm(struct call *call)
{
    run_plan(call, vm_plan_pause);
}

static void
unpause_vm(struct call *call)
{
    run_plan(call, vm_plan_unpause);
}

/* A clean shutdown or reboot that is under way gives way to it: the plan interrupts. */
static void
hard(struct call *call,
     struct plan *(*make)(const struct vm_world *world, const char *vm, bool clean, GError **error))
{
    GError *error = NULL;
    struct plan *plan = make(call->api->vm, call_ref(call, 0), false, &error);

    call_run_plan(call, plan, error);
}

static void
hard_shutdown(struct call *call)
{
    hard(call, vm_plan_shutdown);
}

static void
hard_reboot(struct call *call)
{
    hard(call, vm_plan_reboot);
}

static void
clean_shutdown(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = vm_plan_shutdown(call->api->vm, call_ref(call, 0), true, &error);

    call_run_plan(call, plan, error);
}

static void
clean_reboot(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = vm_plan_reboot(call->api->vm, call_ref(call, 0), true, &error);

    call_run_plan(call, plan, error);
}

static void
suspend(struct call *call)
{
    run_plan(call, vm_plan_suspend);
}

static void
resume(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = vm_plan_resume(call->api->vm, call_ref(call, 0), call->message->name,
                                       call_bool(call, 1), &error);

    call_run_plan(call, plan, error);
}

static void
resume_on(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = NULL;

    if (is_this_host(call, call_ref(call, 1), &error))
        plan = vm_plan_resume(call->api->vm, call_ref(call, 0), call->message->name,
                              call_bool(call, 2), &error);
    call_run_plan(call, plan, error);
}

/* Declares a VM halted whose domain is gone; one that is there is not forgotten. */
static void
reset_looked(const GError *failed, GVariant *domains, void *data)
{
    struct call *call = data;
    GError *error = failed ? g_error_copy(failed) : NULL;
    struct plan *plan = NULL;

    if (!error && !model_has(call->api->model, vm_class(), call_ref(call, 0)))
        api_error_set(&error, "HANDLE_INVALID", "VM", call_ref(call, 0), NULL);
    if (!error)
        plan = vm_plan_power_state_reset(call->api->vm, call_ref(call, 0), domains, &error);
    call_run_plan(call, plan, error);
}

static void
power_state_reset(struct call *call)
{
    vm_list_domain(call->api->vm, call_ref(call, 0), reset_looked, call);
}

static void
send_signal(struct call *call, const char *operation, const char *key)
{
    GError *error = NULL;
    struct plan *plan = vm_plan_signal(call->api->vm, call_ref(call, 0), operation, key,
                                       call_string(call, 1), &error);

    call_run_plan(call, plan, error);
}

static void
send_sysrq(struct call *call)
{
    send_signal(call, "send_sysrq", "sysrq");
}

static void
send_trigger(struct call *call)
{
    send_signal(call, "send_trigger", "trigger");
}

const struct call_impl calls_vm_lifecycle[] = {
    {"VM.start", start},
    {"VM.start_on", start_on},
    {"VM.pause", pause_vm},
    {"VM.unpause", unpause_vm},
    {"VM.clean_shutdown", clean_shutdown},
    {"VM.clean_reboot", clean_reboot},
    {"VM.hard_shutdown", hard_shutdown},
    {"VM.hard_reboot", hard_reboot},
    {"VM.suspend", suspend},
    {"VM.resume", resume},
    {"VM.resume_on", resume_on},
    {"VM.power_state_reset", power_state_reset},
    {"VM.send_sysrq", send_sysrq},
    {"VM.send_trigger", send_trigger},
    {NULL, NULL},
};
