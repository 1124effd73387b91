/* libxl as a backend: one context, synchronous calls.  Runs in workers and in the events process,
 * which spawn nothing themselves and leave SIGCHLD to libxl. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/domains/kernel-file.h"
#include "xapid/domains/libxl-disks.h"
#include "xapid/domains/libxl-internal.h"
#include "xapid/domains/libxl-nics.h"
#include "xapid/domains/libxl-record.h"
#include "xapid/domains/reserve.h"

bool
libxl_failed(struct backend_ctx *ctx, int rc, const char *call, GError **error)
{
    g_autofree char *code = g_strdup_printf("%d", rc);

    ctx->timed_out = ctx->timed_out || rc == ERROR_TIMEDOUT;
    switch (rc) {
    case ERROR_ABORTED:
        api_error_set(error, "TASK_CANCELLED", NULL);
        break;
    default:
        api_error_set(error, "INTERNAL_ERROR", "libxl", call, code, ctx->log.last, NULL);
        break;
    }
    ctx->log.last[0] = '\0';
    return false;
}

/* libxl can no longer tell what happens: end, and let a fresh process look. */
static void
disaster(void *user, libxl_event_type type, const char *msg, int errnoval)
{
    (void)user;
    log_error("libxl gave up (event %d): %s: %s", (int)type, msg, g_strerror(errnoval));
    _exit(EXIT_FAILURE);
}

static const libxl_event_hooks event_hooks = {.disaster = disaster};

/* The libxl context, alone or anew. */
static bool
open_libxl(struct backend_ctx *ctx, GError **error)
{
    int rc = libxl_ctx_alloc(&ctx->ctx, LIBXL_VERSION, 0, &ctx->log.logger);

    if (rc)
        return libxl_failed(ctx, rc, "libxl_ctx_alloc", error);
    libxl_event_register_callbacks(ctx->ctx, &event_hooks, NULL);
    return true;
}

static void
libxl_backend_close(struct backend_ctx *ctx)
{
    if (!ctx)
        return;
    if (ctx->xs)
        xs_close(ctx->xs);
    libxl_ctx_free(ctx->ctx);
    g_free(ctx);
}

static struct backend_ctx *
libxl_backend_open(const struct backend_options *options, GError **error)
{
    struct backend_ctx *ctx = g_new0(struct backend_ctx, 1);

    libxl_log_init(&ctx->log);
    ctx->kernels_dir = options->kernels_dir;
    ctx->reserves = options->reserves;
    if (!open_libxl(ctx, error)) {
        libxl_backend_close(ctx);
        return NULL;
    }
    ctx->xs = xs_open(0);
    if (!ctx->xs) {
        api_error_set(error, "INTERNAL_ERROR", "xenstore", g_strerror(errno), NULL);
        libxl_backend_close(ctx);
        return NULL;
    }
    return ctx;
}

/* With the first watch, a connection to xenstored gets a thread that reads, and from then on each
 * of the hundreds of requests of a start changes threads twice.  Most operations end with watches,
 * and none begins with them. */
static bool
libxl_backend_renew(struct backend_ctx *ctx, GError **error)
{
    if (ctx->unanswered > 0)
        return true;
    libxl_ctx_free(ctx->ctx);
    ctx->ctx = NULL;
    return open_libxl(ctx, error);
}

static bool
libxl_backend_timed_out(struct backend_ctx *ctx)
{
    bool timed_out = ctx->timed_out;

    ctx->timed_out = false;
    return timed_out;
}

static bool
free_kb(uint64_t *ret_kb, void *data, GError **error)
{
    struct backend_ctx *ctx = data;
    int rc = libxl_get_free_memory(ctx->ctx, ret_kb);

    return rc ? libxl_failed(ctx, rc, "libxl_get_free_memory", error) : true;
}

static bool
allocated_kb(const char *uuid, uint64_t *ret_kb, void *data, GError **error)
{
    g_autoptr(GPtrArray) domains = NULL;

    if (!libxl_backend_list(data, uuid, &domains, error))
        return false;
    *ret_kb = 0;
    for (guint i = 0; i < domains->len; i++) {
        const struct domain_info *info = domains->pdata[i];
        if (info->state != DOMAIN_DYING)
            *ret_kb = MAX(*ret_kb, (uint64_t)info->memory / 1024);
    }
    return true;
}

int
libxl_reserve(struct backend_ctx *ctx, const char *uuid, uint64_t need_kb, GError **error)
{
    const struct memory_view view = {allocated_kb, free_kb, ctx};

    return reserve_take(ctx->reserves, uuid, need_kb, &view, error);
}

static int
create(struct backend_ctx *ctx, libxl_domain_config *config, int image, uint32_t *ret_domid)
{
    libxl_domain_restore_params params;
    int rc;

    if (image < 0)
        return libxl_domain_create_new(ctx->ctx, config, ret_domid, NULL, NULL);
    libxl_domain_restore_params_init(&params);
    params.stream_version = 2;
    rc = libxl_domain_create_restore(ctx->ctx, config, ret_domid, image, -1, &params, NULL, NULL);
    libxl_domain_restore_params_dispose(&params);
    return rc;
}

static void
log_config(struct backend_ctx *ctx, libxl_domain_config *config)
{
    char *json;

    if (!log_is_on(LOG_LEVEL_DEBUG))
        return;
    json = libxl_domain_config_to_json(ctx->ctx, config);
    log_debug("building %s", json ? json : "");
    free(json);
}

static bool
need_kb(struct backend_ctx *ctx, libxl_domain_config *config, uint64_t *ret_kb, GError **error)
{
    int rc = libxl_domain_need_memory(ctx->ctx, config, INVALID_DOMID, ret_kb);

    return rc ? libxl_failed(ctx, rc, "libxl_domain_need_memory", error) : true;
}

static bool
libxl_backend_need_memory(struct backend_ctx *ctx, const char *uuid,
                          const struct guest_config *guest, int64_t *ret_bytes, GError **error)
{
    libxl_domain_config config;
    uint64_t kb = 0;
    bool ok;

    libxl_domain_config_init(&config);
    libxl_config_fill(ctx->ctx, uuid, guest, guest->kernel, guest->ramdisk, &config);
    ok = need_kb(ctx, &config, &kb, error);
    libxl_domain_config_dispose(&config);
    if (ok)
        *ret_bytes = (int64_t)kb * 1024;
    return ok;
}

bool
libxl_create(struct backend_ctx *ctx, const char *uuid, const struct guest_config *guest,
             libxl_domain_config *config, int image, int *ret_domid, GError **error)
{
    g_autoptr(GArray) fds = NULL;
    uint32_t domid = INVALID_DOMID;
    uint64_t need = 0;
    int rc, reserved;

    if ((guest->sched.cpus && !libxl_check_cpus(ctx, guest->sched.cpus, error)) ||
        !libxl_disks_open(guest, config, &fds, error))
        return false;
    libxl_nics_fill(guest, config);
    if (!need_kb(ctx, config, &need, error))
        return false;
    reserved = libxl_reserve(ctx, uuid, need, error);
    if (reserved < 0)
        return false;
    log_config(ctx, config);
    rc = create(ctx, config, image, &domid);
    reserve_end(ctx->reserves, uuid, reserved);
    if (rc)
        return libxl_failed(
            ctx, rc, image < 0 ? "libxl_domain_create_new" : "libxl_domain_create_restore", error);
    /* A QEMU keeps what it was given. */
    if (guest->type == GUEST_HVM
            ? libxl_disks_grow(config) && !libxl_let_model_write(ctx, (int)domid, error)
            : !libxl_disks_wait_open(config, (int)domid, error))
        return false;
    *ret_domid = (int)domid;
    return true;
}

/* Opens a file of the kernels' folder; the path stands for the descriptor, which the caller closes.
 */
static int
open_kernel(struct backend_ctx *ctx, const char *argument, const char *name, char **ret_path,
            GError **error)
{
    int fd = kernel_file_open(ctx->kernels_dir, argument, name, error);

    if (fd >= 0)
        *ret_path = g_strdup_printf("/proc/self/fd/%d", fd);
    return fd;
}

static bool
build_new(struct backend_ctx *ctx, const char *uuid, const struct guest_config *guest,
          int *ret_domid, GError **error)
{
    g_autofree char *kernel_path = NULL, *ramdisk_path = NULL;
    int kernel = -1, ramdisk = -1;
    libxl_domain_config config;
    bool ok = false;

    libxl_domain_config_init(&config);
    if (*guest->kernel &&
        (kernel = open_kernel(ctx, "kernel", guest->kernel, &kernel_path, error)) < 0)
        goto out;
    if (*guest->ramdisk &&
        (ramdisk = open_kernel(ctx, "ramdisk", guest->ramdisk, &ramdisk_path, error)) < 0)
        goto out;
    libxl_config_fill(ctx->ctx, uuid, guest, kernel_path, ramdisk_path, &config);
    ok = libxl_create(ctx, uuid, guest, &config, -1, ret_domid, error);
out:
    libxl_domain_config_dispose(&config);
    if (kernel >= 0)
        close(kernel);
    if (ramdisk >= 0)
        close(ramdisk);
    return ok;
}

static bool
libxl_backend_build(struct backend_ctx *ctx, const char *uuid, const struct guest_config *guest,
                    int image, int *ret_domid, GError **error)
{
    return image < 0 ? build_new(ctx, uuid, guest, ret_domid, error)
                     : libxl_restore(ctx, uuid, guest, image, ret_domid, error);
}

static bool
libxl_backend_complete(struct backend_ctx *ctx, int domid, const char *uuid, const char *op_id,
                       const struct guest_config *guest, GError **error)
{
    g_autofree char *record = record_format(uuid, op_id, guest->name_label, guest->type);
    int rc = libxl_userdata_store(ctx->ctx, (uint32_t)domid, RECORD_USERID, (const uint8_t *)record,
                                  (int)strlen(record));

    return rc ? libxl_failed(ctx, rc, "libxl_userdata_store", error) : true;
}

static bool
libxl_backend_unpause(struct backend_ctx *ctx, int domid, GError **error)
{
    int rc = libxl_domain_unpause(ctx->ctx, (uint32_t)domid, NULL);

    return rc ? libxl_failed(ctx, rc, "libxl_domain_unpause", error) : true;
}

static bool
libxl_backend_pause(struct backend_ctx *ctx, int domid, GError **error)
{
    int rc = libxl_domain_pause(ctx->ctx, (uint32_t)domid, NULL);

    return rc ? libxl_failed(ctx, rc, "libxl_domain_pause", error) : true;
}

/* The guest took the request, or let libxl's time for that pass. */
static void
acknowledged(libxl_ctx *libxl, int rc, void *for_callback)
{
    struct backend_ctx *ctx = for_callback;

    (void)libxl;
    ctx->unanswered--;
    log_debug("a guest that was asked to shut down: %d", rc);
}

/* What a whole machine without Xen's drivers has, if it has ACPI.  It asks to power off; whether to
 * start again is not the guest's to know. */
static bool
press_power_button(struct backend_ctx *ctx, int domid, const char *uuid, GError **error)
{
    g_autofree char *path = g_strdup_printf("/local/domain/%d/platform/acpi", domid);
    unsigned length;
    char *acpi = xs_read(ctx->xs, XBT_NULL, path, &length);
    bool has_none = acpi && (g_str_equal(acpi, "0") || g_str_equal(acpi, "false"));

    free(acpi);
    if (!has_none)
        return libxl_backend_signal(ctx, domid, TRIGGER_POWER, 0, error);
    api_error_set(error, "VM_LACKS_FEATURE", uuid, NULL);
    return false;
}

/* libxl would wait up to a minute until the guest has taken the request.  That says nothing about
 * its shutting down, so the wait is left to run whenever this context is next used. */
static bool
libxl_backend_shutdown(struct backend_ctx *ctx, int domid, const char *uuid, bool reboot,
                       GError **error)
{
    const libxl_asyncop_how how = {.callback = acknowledged, .u.for_callback = ctx};
    int rc;

    ctx->unanswered++;
    rc = reboot ? libxl_domain_reboot(ctx->ctx, (uint32_t)domid, &how)
                : libxl_domain_shutdown(ctx->ctx, (uint32_t)domid, &how);
    if (rc)
        ctx->unanswered--; /* libxl forgot it */
    if (rc == ERROR_NOPARAVIRT)
        return press_power_button(ctx, domid, uuid, error);
    return rc ? libxl_failed(ctx, rc, "libxl_domain_shutdown", error) : true;
}

static bool
libxl_backend_destroy(struct backend_ctx *ctx, int domid, GError **error)
{
    g_autofree char *screen = libxl_model_screen(ctx, domid);
    int rc = libxl_domain_destroy(ctx->ctx, (uint32_t)domid, NULL);

    libxl_end_device_models(ctx, domid, screen);
    if (rc == ERROR_DOMAIN_NOTFOUND)
        return true;
    return rc ? libxl_failed(ctx, rc, "libxl_domain_destroy", error) : true;
}

static void
libxl_backend_abort(struct backend_ctx *ctx)
{
    /* Waits for libxl's lock, so it returns late while a domain is being filled. */
    libxl_ao_abort(ctx->ctx, NULL);
}

const struct backend backend_libxl = {
    .version = BACKEND_VERSION,
    .name = "libxl",
    .open = libxl_backend_open,
    .close = libxl_backend_close,
    .renew = libxl_backend_renew,
    .timed_out = libxl_backend_timed_out,
    .probe = libxl_backend_probe,
    .host_info = libxl_backend_host_info,
    .console = libxl_backend_console,
    .consoles = libxl_backend_consoles,
    .list = libxl_backend_list,
    .need_memory = libxl_backend_need_memory,
    .build = libxl_backend_build,
    .complete = libxl_backend_complete,
    .unpause = libxl_backend_unpause,
    .pause = libxl_backend_pause,
    .shutdown = libxl_backend_shutdown,
    .adjust = libxl_backend_adjust,
    .signal = libxl_backend_signal,
    .plug = libxl_backend_plug,
    .unplug = libxl_backend_unplug,
    .set_medium = libxl_backend_set_medium,
    .follow = libxl_backend_follow,
    .plug_nic = libxl_backend_plug_nic,
    .unplug_nic = libxl_backend_unplug_nic,
    .set_nic = libxl_backend_set_nic,
    .save = libxl_backend_save,
    .resume = libxl_backend_resume,
    .dump = libxl_backend_dump,
    .destroy = libxl_backend_destroy,
    .abort = libxl_backend_abort,
    .watch = libxl_backend_watch,
    .guests = &libxl_guest_store,
};
