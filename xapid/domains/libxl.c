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
#include "xapid/domains/libxl-internal.h"
#include "xapid/domains/libxl-record.h"

bool
libxl_failed(struct backend_ctx *ctx, int rc, const char *call, GError **error)
{
    g_autofree char *code = g_strdup_printf("%d", rc);

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
    int rc;

    libxl_log_init(&ctx->log);
    ctx->kernels_dir = options->kernels_dir;
    rc = libxl_ctx_alloc(&ctx->ctx, LIBXL_VERSION, 0, &ctx->log.logger);
    if (rc) {
        libxl_failed(ctx, rc, "libxl_ctx_alloc", error);
        libxl_backend_close(ctx);
        return NULL;
    }
    ctx->xs = xs_open(0);
    if (!ctx->xs) {
        api_error_set(error, "INTERNAL_ERROR", "xenstore", g_strerror(errno), NULL);
        libxl_backend_close(ctx);
        return NULL;
    }
    libxl_event_register_callbacks(ctx->ctx, &event_hooks, NULL);
    return ctx;
}

bool
libxl_memory_is_free(struct backend_ctx *ctx, uint64_t need_kb, GError **error)
{
    uint64_t free_kb = 0;
    int rc = libxl_get_free_memory(ctx->ctx, &free_kb);

    if (rc)
        return libxl_failed(ctx, rc, "libxl_get_free_memory", error);
    if (need_kb <= free_kb)
        return true;
    g_autofree char *needed = g_strdup_printf("%" G_GUINT64_FORMAT, need_kb * 1024);
    g_autofree char *available = g_strdup_printf("%" G_GUINT64_FORMAT, free_kb * 1024);
    api_error_set(error, "HOST_NOT_ENOUGH_FREE_MEMORY", needed, available, NULL);
    return false;
}

bool
libxl_create(struct backend_ctx *ctx, libxl_domain_config *config, int image, int *ret_domid,
             GError **error)
{
    uint32_t domid = INVALID_DOMID;
    uint64_t need_kb = 0;
    libxl_domain_restore_params params;
    int rc;

    rc = libxl_domain_need_memory(ctx->ctx, config, INVALID_DOMID, &need_kb);
    if (rc)
        return libxl_failed(ctx, rc, "libxl_domain_need_memory", error);
    if (!libxl_memory_is_free(ctx, need_kb, error))
        return false;
    if (image < 0) {
        rc = libxl_domain_create_new(ctx->ctx, config, &domid, NULL, NULL);
    } else {
        libxl_domain_restore_params_init(&params);
        params.stream_version = 2;
        rc = libxl_domain_create_restore(ctx->ctx, config, &domid, image, -1, &params, NULL, NULL);
        libxl_domain_restore_params_dispose(&params);
    }
    if (rc == 0) {
        *ret_domid = (int)domid;
        return true;
    }
    /* Another build may have taken the memory since: then that is the reason. */
    return (rc == ERROR_ABORTED || libxl_memory_is_free(ctx, need_kb, error)) &&
           libxl_failed(ctx, rc,
                        image < 0 ? "libxl_domain_create_new" : "libxl_domain_create_restore",
                        error);
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
    kernel = kernel_file_open(ctx->kernels_dir, "kernel", guest->kernel, error);
    if (kernel < 0)
        goto out;
    kernel_path = g_strdup_printf("/proc/self/fd/%d", kernel);
    if (*guest->ramdisk) {
        ramdisk = kernel_file_open(ctx->kernels_dir, "ramdisk", guest->ramdisk, error);
        if (ramdisk < 0)
            goto out;
        ramdisk_path = g_strdup_printf("/proc/self/fd/%d", ramdisk);
    }
    libxl_config_fill(ctx->ctx, uuid, guest, kernel_path, ramdisk_path, &config);
    char *json = libxl_domain_config_to_json(ctx->ctx, &config);
    log_debug("building %s", json ? json : "");
    free(json);
    ok = libxl_create(ctx, &config, -1, ret_domid, error);
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
                     : libxl_restore(ctx, uuid, image, ret_domid, error);
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
acknowledged(libxl_ctx *ctx, int rc, void *for_callback)
{
    (void)ctx;
    (void)for_callback;
    log_debug("a guest that was asked to shut down: %d", rc);
}

/* libxl would wait up to a minute until the guest has taken the request.  That says nothing about
 * its shutting down, so the wait is left to run whenever this context is next used. */
static bool
libxl_backend_shutdown(struct backend_ctx *ctx, int domid, const char *uuid, bool reboot,
                       GError **error)
{
    const libxl_asyncop_how how = {.callback = acknowledged};
    int rc = reboot ? libxl_domain_reboot(ctx->ctx, (uint32_t)domid, &how)
                    : libxl_domain_shutdown(ctx->ctx, (uint32_t)domid, &how);

    if (rc == ERROR_NOPARAVIRT) {
        api_error_set(error, "VM_LACKS_FEATURE", uuid, NULL);
        return false;
    }
    return rc ? libxl_failed(ctx, rc, "libxl_domain_shutdown", error) : true;
}

static bool
libxl_backend_destroy(struct backend_ctx *ctx, int domid, GError **error)
{
    int rc = libxl_domain_destroy(ctx->ctx, (uint32_t)domid, NULL);

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
    .host_info = libxl_backend_host_info,
    .list = libxl_backend_list,
    .build = libxl_backend_build,
    .complete = libxl_backend_complete,
    .unpause = libxl_backend_unpause,
    .pause = libxl_backend_pause,
    .shutdown = libxl_backend_shutdown,
    .adjust = libxl_backend_adjust,
    .signal = libxl_backend_signal,
    .save = libxl_backend_save,
    .resume = libxl_backend_resume,
    .destroy = libxl_backend_destroy,
    .abort = libxl_backend_abort,
    .watch = libxl_backend_watch,
};
