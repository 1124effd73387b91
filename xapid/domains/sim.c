/* The simulator as a backend: guests of a world (sim-world.h) instead of a hypervisor's. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "xapid/domains/backend.h"
#include "xapid/domains/sim-console.h"
#include "xapid/domains/sim-disks.h"
#include "xapid/domains/sim-guest.h"
#include "xapid/domains/sim-host.h"
#include "xapid/domains/sim-nics.h"
#include "xapid/domains/sim-world.h"

struct backend_ctx {
    struct world *world;
    int abort_fd; /* eventfd: ends a delay */
};

struct world *
sim_world(struct backend_ctx *ctx)
{
    return ctx->world;
}

static void
sim_close(struct backend_ctx *ctx)
{
    if (!ctx)
        return;
    world_free(ctx->world);
    if (ctx->abort_fd >= 0)
        close(ctx->abort_fd);
    g_free(ctx);
}

static struct backend_ctx *
sim_open(const struct backend_options *options, GError **error)
{
    struct backend_ctx *ctx = g_new0(struct backend_ctx, 1);

    ctx->abort_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ctx->world = world_open(options->sim_dir, error);
    if (!ctx->world) {
        sim_close(ctx);
        return NULL;
    }
    return ctx;
}

static bool
no_domain(int domid, GError **error)
{
    g_autofree char *text = g_strdup_printf("there is no domain %d", domid);

    api_error_set(error, "INTERNAL_ERROR", "simulator", text, NULL);
    return false;
}

static bool
no_memory(int64_t needed, int64_t available, GError **error)
{
    g_autofree char *needed_text = g_strdup_printf("%" G_GINT64_FORMAT, needed);
    g_autofree char *available_text = g_strdup_printf("%" G_GINT64_FORMAT, available);

    api_error_set(error, "HOST_NOT_ENOUGH_FREE_MEMORY", needed_text, available_text, NULL);
    return false;
}

/* False when an abort ended it early. */
static bool
delay(struct backend_ctx *ctx, int ms, GError **error)
{
    struct pollfd fd = {.fd = ctx->abort_fd, .events = POLLIN};
    uint64_t count;

    if (ms <= 0)
        return true;
    if (poll(&fd, 1, ms) <= 0)
        return true;
    (void)!read(ctx->abort_fd, &count, sizeof count);
    api_error_set(error, "TASK_CANCELLED", NULL);
    return false;
}

static void
sim_abort(struct backend_ctx *ctx)
{
    uint64_t one = 1;

    (void)!write(ctx->abort_fd, &one, sizeof one);
}

static void
list_add(const struct world_domain *domain, void *data)
{
    struct domain_info *info = g_new0(struct domain_info, 1);
    int64_t ran_us = domain->ran_us, now_us = world_now();

    if (domain->state == DOMAIN_RUNNING)
        ran_us += now_us - domain->since_us;
    info->domid = domain->domid;
    memcpy(info->uuid, domain->uuid, sizeof info->uuid);
    info->name = g_strdup(domain->name);
    info->ours = domain->recorded;
    info->op_id = g_strdup(domain->op_id);
    info->nameless = !domain->recorded && g_str_equal(domain->name, domain->uuid);
    info->type = domain->type;
    info->state = domain->state;
    info->reason = domain->reason;
    info->memory = domain->memory;
    info->memory_max = domain->memory_max;
    info->vcpus = domain->vcpus;
    info->vcpus_max = domain->vcpus_max;
    info->cpu_time = ran_us * 1000;
    info->cpu_time_at = now_us;
    g_ptr_array_add(data, info);
}

static bool
sim_list(struct backend_ctx *ctx, const char *uuid, GPtrArray **ret_domains, GError **error)
{
    GPtrArray *domains = g_ptr_array_new_with_free_func((GDestroyNotify)domain_info_free);
    const struct world_host *host = world_host(ctx->world);
    const struct world_domain dom0 = {
        .state = DOMAIN_RUNNING,
        .type = GUEST_PV,
        .uuid = "00000000-0000-0000-0000-000000000000",
        .name = "Domain-0",
        .memory = host->dom0_memory,
        .memory_max = host->dom0_memory,
        .vcpus = host->cpus,
        .vcpus_max = host->cpus,
    };

    if (!uuid && !delay(ctx, host->list_ms, error)) {
        g_ptr_array_unref(domains);
        return false;
    }
    if (!uuid)
        list_add(&dom0, domains);
    world_lock(ctx->world);
    world_each(ctx->world, uuid, list_add, domains);
    world_unlock(ctx->world);
    *ret_domains = domains;
    return true;
}

/* An image is what the world knew of its domain. */
static bool
image_read(int image, const char *uuid, struct world_domain *ret_domain, GError **error)
{
    struct world_domain saved;

    if (read(image, &saved, sizeof saved) != (ssize_t)sizeof saved ||
        !g_str_equal(saved.uuid, uuid)) {
        api_error_set(error, "SUSPEND_IMAGE_NOT_ACCESSIBLE", uuid, NULL);
        return false;
    }
    ret_domain->memory = saved.memory;
    ret_domain->vcpus = saved.vcpus;
    ret_domain->boots_at_us = 0;
    return true;
}

static bool
sim_build(struct backend_ctx *ctx, const char *uuid, const struct guest_config *config, int image,
          int *ret_domid, GError **error)
{
    const struct world_host *host = world_host(ctx->world);
    struct world_domain template = {
        .type = (uint8_t)config->type,
        .memory = config->memory_target,
        .memory_max = config->memory_static_max,
        .vcpus = config->vcpus,
        .vcpus_max = config->vcpus_max,
        .weight = config->sched.weight,
        .cap = MAX(config->sched.cap, 0),
        .since_us = world_now(),
        .boots_at_us = -1,
    };
    struct world_domain *domain = NULL;
    int64_t available, need;
    int domid = -1;

    sim_disks_fill(config, &template);
    if (!sim_nics_fill(ctx->world, config, &template, error))
        return false;
    memcpy(template.uuid, uuid, UUID_LENGTH + 1);
    memcpy(template.name, uuid, UUID_LENGTH + 1);
    if (image >= 0 && !image_read(image, uuid, &template, error))
        return false;
    need = world_memory_need(host, template.memory, template.vcpus_max);
    world_lock(ctx->world);
    available = world_memory_free(ctx->world);
    sim_disks_check(ctx->world, &template);
    if (available >= need)
        domain = world_introduce(ctx->world, &template);
    if (domain)
        domid = domain->domid;
    world_unlock(ctx->world);
    if (available < need)
        return no_memory(need, available, error);
    if (domid < 0) {
        api_error_set(error, "INTERNAL_ERROR", "simulator", "the world is full", NULL);
        return false;
    }
    if (!delay(ctx, host->create_ms, error))
        return false;
    *ret_domid = domid;
    return true;
}

static bool
sim_complete(struct backend_ctx *ctx, int domid, const char *uuid, const char *op_id,
             const struct guest_config *config, GError **error)
{
    struct world_domain *domain;

    (void)uuid;
    world_lock(ctx->world);
    domain = world_find(ctx->world, domid);
    if (domain) {
        g_strlcpy(domain->op_id, op_id, sizeof domain->op_id);
        g_strlcpy(domain->name, config->name_label, sizeof domain->name);
        domain->recorded = true;
    }
    world_unlock(ctx->world);
    return domain ? true : no_domain(domid, error);
}

static bool
move(struct backend_ctx *ctx, int domid, int ms, enum domain_state from, enum domain_state to,
     GError **error)
{
    struct world_domain *domain;

    if (!delay(ctx, ms, error))
        return false;
    world_lock(ctx->world);
    domain = world_find(ctx->world, domid);
    if (domain && domain->state == from) {
        if (domain->boots_at_us < 0)
            domain->boots_at_us = world_now() + world_host(ctx->world)->boot_ms * 1000ll;
        world_set_state(ctx->world, domain, to, REASON_NONE);
    }
    world_unlock(ctx->world);
    return domain ? true : no_domain(domid, error);
}

static bool
sim_unpause(struct backend_ctx *ctx, int domid, GError **error)
{
    return move(ctx, domid, world_host(ctx->world)->unpause_ms, DOMAIN_PAUSED, DOMAIN_RUNNING,
                error);
}

static bool
sim_pause(struct backend_ctx *ctx, int domid, GError **error)
{
    return move(ctx, domid, world_host(ctx->world)->pause_ms, DOMAIN_RUNNING, DOMAIN_PAUSED, error);
}

static bool
sim_shutdown(struct backend_ctx *ctx, int domid, const char *uuid, bool reboot, GError **error)
{
    struct world_domain *domain;
    bool boots = false;

    world_host(ctx->world);
    world_lock(ctx->world);
    domain = world_find(ctx->world, domid);
    if (domain && domain->boots_at_us > world_now())
        boots = true;
    else if (domain && domain->state == DOMAIN_RUNNING && !domain->refuses_shutdown)
        world_schedule(ctx->world, domain, reboot ? REASON_REBOOT : REASON_POWEROFF);
    world_unlock(ctx->world);
    if (boots) {
        api_error_set(error, "VM_LACKS_FEATURE", uuid, NULL);
        return false;
    }
    return domain ? true : no_domain(domid, error);
}

static bool
sim_adjust(struct backend_ctx *ctx, const struct domain_info *info, const struct adjustment *wanted,
           GError **error)
{
    struct world_domain *domain;
    int64_t more = 0, available;

    world_host(ctx->world);
    world_lock(ctx->world);
    domain = world_find(ctx->world, info->domid);
    available = world_memory_free(ctx->world);
    if (domain && wanted->memory_target)
        more = wanted->memory_target - domain->memory;
    if (domain && more <= available) {
        if (wanted->memory_target)
            world_set_memory(ctx->world, domain, wanted->memory_target);
        if (wanted->vcpus)
            domain->vcpus = wanted->vcpus;
        if (wanted->sched.weight)
            domain->weight = wanted->sched.weight;
        if (wanted->sched.cap >= 0)
            domain->cap = wanted->sched.cap;
    }
    world_unlock(ctx->world);
    if (!domain)
        return no_domain(info->domid, error);
    return more <= available || no_memory(more, available, error);
}

static bool
sim_signal(struct backend_ctx *ctx, int domid, enum guest_trigger trigger, char key, GError **error)
{
    struct world_domain *domain;

    world_host(ctx->world);
    world_lock(ctx->world);
    domain = world_find(ctx->world, domid);
    if (domain) {
        domain->signal = (uint8_t)(trigger + 1);
        domain->sysrq = trigger == TRIGGER_SYSRQ ? key : '\0';
    }
    if (domain && domain->state == DOMAIN_RUNNING && trigger == TRIGGER_RESET)
        world_set_state(ctx->world, domain, DOMAIN_SHUTDOWN, REASON_REBOOT);
    else if (domain && domain->state == DOMAIN_RUNNING && trigger == TRIGGER_POWER &&
             !domain->refuses_shutdown)
        world_schedule(ctx->world, domain, REASON_POWEROFF);
    world_unlock(ctx->world);
    return domain ? true : no_domain(domid, error);
}

static bool
sim_save(struct backend_ctx *ctx, const struct domain_info *info, int fd, GError **error)
{
    struct world_domain *domain, saved;
    bool suspends = false;

    world_host(ctx->world);
    world_lock(ctx->world);
    domain = world_find(ctx->world, info->domid);
    if (domain && domain->state == DOMAIN_RUNNING && !domain->refuses_shutdown &&
        domain->boots_at_us <= world_now()) {
        world_set_state(ctx->world, domain, DOMAIN_SHUTDOWN, REASON_SUSPEND);
        saved = *domain;
        suspends = true;
    }
    world_unlock(ctx->world);
    if (!suspends) {
        api_error_set(error, "VM_FAILED_SUSPEND_ACKNOWLEDGMENT", info->uuid, NULL);
        return false;
    }
    if (!delay(ctx, world_host(ctx->world)->save_ms, error))
        return false;
    if (write(fd, &saved, sizeof saved) == (ssize_t)sizeof saved)
        return true;
    api_error_set(error, "INTERNAL_ERROR", "simulator", "image", g_strerror(errno), NULL);
    return false;
}

static bool
sim_resume(struct backend_ctx *ctx, int domid, GError **error)
{
    struct world_domain *domain;

    world_lock(ctx->world);
    domain = world_find(ctx->world, domid);
    if (domain && domain->state == DOMAIN_SHUTDOWN && domain->reason == REASON_SUSPEND)
        world_set_state(ctx->world, domain, DOMAIN_RUNNING, REASON_NONE);
    world_unlock(ctx->world);
    return domain ? true : no_domain(domid, error);
}

static bool
sim_dump(struct backend_ctx *ctx, int domid, int fd, GError **error)
{
    struct world_domain *domain, dumped = {0};

    world_lock(ctx->world);
    domain = world_find(ctx->world, domid);
    if (domain)
        dumped = *domain;
    world_unlock(ctx->world);
    if (!domain)
        return no_domain(domid, error);
    if (!delay(ctx, world_host(ctx->world)->save_ms, error))
        return false;
    if (write(fd, &dumped, sizeof dumped) == (ssize_t)sizeof dumped)
        return true;
    api_error_set(error, "INTERNAL_ERROR", "simulator", "core", g_strerror(errno), NULL);
    return false;
}

static bool
sim_destroy(struct backend_ctx *ctx, int domid, GError **error)
{
    const struct world_host *host = world_host(ctx->world);
    struct world_domain *domain;

    (void)error;
    world_lock(ctx->world);
    domain = world_find(ctx->world, domid);
    if (domain)
        world_set_state(ctx->world, domain, DOMAIN_DYING, domain->reason);
    world_unlock(ctx->world);
    (void)FAULT_POINT("sim.destroy.dying", NULL);
    /* Past the point where an abort could undo it. */
    if (domain && host->destroy_ms)
        g_usleep((gulong)host->destroy_ms * 1000);
    world_lock(ctx->world);
    domain = world_find(ctx->world, domid);
    if (domain)
        world_remove(ctx->world, domain);
    world_unlock(ctx->world);
    return true;
}

static bool
sim_watch(struct backend_ctx *ctx, int stop_fd, void (*changed)(const char *uuid, void *),
          void *data, GError **error)
{
    struct pollfd fds[2] = {{.fd = stop_fd, .events = POLLIN}, {.events = POLLIN}};
    uint64_t cursor = world_cursor(ctx->world);
    int control = world_control_bind(ctx->world, error);

    if (control < 0)
        return false;
    fds[1].fd = control;
    changed("", data);
    for (;;) {
        char command[WORLD_COMMAND_MAX + 1];
        ssize_t n;

        if (poll(fds, 2, world_next_due(ctx->world)) < 0 && errno != EINTR)
            break;
        if (fds[0].revents)
            break;
        while ((n = recv(control, command, WORLD_COMMAND_MAX, MSG_DONTWAIT)) > 0) {
            command[n] = '\0';
            if (!g_str_equal(command, "wake"))
                world_command(ctx->world, command);
        }
        g_autoptr(GPtrArray) uuids = world_changes(ctx->world, &cursor);
        for (guint i = 0; i < uuids->len; i++)
            changed(uuids->pdata[i], data);
    }
    close(control);
    return true;
}

/* It takes what time a test says, and no call ends for that. */
static bool
sim_timed_out(struct backend_ctx *ctx)
{
    (void)ctx;
    return false;
}

const struct backend backend_sim = {
    .version = BACKEND_VERSION,
    .name = "sim",
    .open = sim_open,
    .close = sim_close,
    .timed_out = sim_timed_out,
    .probe = sim_probe,
    .host_info = sim_host_info,
    .console = sim_console,
    .consoles = sim_consoles,
    .list = sim_list,
    .need_memory = sim_need_memory,
    .build = sim_build,
    .complete = sim_complete,
    .unpause = sim_unpause,
    .pause = sim_pause,
    .shutdown = sim_shutdown,
    .adjust = sim_adjust,
    .signal = sim_signal,
    .plug = sim_plug,
    .unplug = sim_unplug,
    .set_medium = sim_set_medium,
    .follow = sim_follow,
    .plug_nic = sim_plug_nic,
    .unplug_nic = sim_unplug_nic,
    .set_nic = sim_set_nic,
    .save = sim_save,
    .resume = sim_resume,
    .dump = sim_dump,
    .destroy = sim_destroy,
    .abort = sim_abort,
    .watch = sim_watch,
    .guests = &sim_guest_store,
};
