/* Memory images as libxl writes and reads them.
 *
 * An image is a header (struct image_header), the domain's configuration as libxl's JSON, and
 * libxl's stream.  libxl's stream does not carry the configuration, and ours may have changed since
 * (VCPUs, memory). */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/domains/libxl-internal.h"

#define IMAGE_MAGIC "xapid-image-1\n\0\0"
#define IMAGE_CONFIG_MAX (1024 * 1024) /* bytes of JSON */

struct image_header {
    char magic[16];
    uint64_t config_length;
};
G_STATIC_ASSERT(sizeof IMAGE_MAGIC == 17);

static bool
write_all(int fd, const void *bytes, size_t length, GError **error)
{
    for (const char *p = bytes; length > 0;) {
        ssize_t n = write(fd, p, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            api_error_set(error, "INTERNAL_ERROR", "image", g_strerror(errno), NULL);
            return false;
        }
        p += n;
        length -= (size_t)n;
    }
    return true;
}

static bool
read_all(int fd, void *bytes, size_t length)
{
    for (char *p = bytes; length > 0;) {
        ssize_t n = read(fd, p, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        length -= (size_t)n;
    }
    return true;
}

static bool
write_header(struct backend_ctx *ctx, int domid, int fd, GError **error)
{
    struct image_header header = {0};
    libxl_domain_config config;
    char *json = NULL;
    bool ok;

    libxl_domain_config_init(&config);
    int rc = libxl_retrieve_domain_configuration(ctx->ctx, (uint32_t)domid, &config, NULL);
    if (rc == 0)
        json = libxl_domain_config_to_json(ctx->ctx, &config);
    libxl_domain_config_dispose(&config);
    if (!json)
        return libxl_failed(ctx, rc ? rc : ERROR_NOMEM, "libxl_retrieve_domain_configuration",
                            error);
    memcpy(header.magic, IMAGE_MAGIC, sizeof header.magic);
    header.config_length = strlen(json);
    ok = write_all(fd, &header, sizeof header, error) &&
         write_all(fd, json, header.config_length, error);
    free(json);
    return ok;
}

bool
libxl_backend_save(struct backend_ctx *ctx, const struct domain_info *info, int fd, GError **error)
{
    int rc;

    if (!write_header(ctx, info->domid, fd, error))
        return false;
    rc = libxl_domain_suspend(ctx->ctx, (uint32_t)info->domid, fd, /* flags= */ 0, NULL);
    if (rc == ERROR_GUEST_TIMEDOUT) {
        api_error_set(error, "VM_FAILED_SUSPEND_ACKNOWLEDGMENT", info->uuid, NULL);
        return false;
    }
    return rc ? libxl_failed(ctx, rc, "libxl_domain_suspend", error) : true;
}

bool
libxl_backend_resume(struct backend_ctx *ctx, int domid, GError **error)
{
    int rc = libxl_domain_resume(ctx->ctx, (uint32_t)domid, /* suspend_cancel= */ 1, NULL);

    return rc ? libxl_failed(ctx, rc, "libxl_domain_resume", error) : true;
}

bool
libxl_backend_dump(struct backend_ctx *ctx, int domid, int fd, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    int rc = libxl_domain_core_dump(ctx->ctx, (uint32_t)domid, path, NULL);

    return rc ? libxl_failed(ctx, rc, "libxl_domain_core_dump", error) : true;
}

/* NULL when it is no image of ours. */
static char *
read_config(int image)
{
    struct image_header header;
    g_autofree char *json = NULL;

    if (!read_all(image, &header, sizeof header) ||
        memcmp(header.magic, IMAGE_MAGIC, sizeof header.magic) != 0 ||
        header.config_length > IMAGE_CONFIG_MAX)
        return NULL;
    json = g_malloc0(header.config_length + 1);
    return read_all(image, json, header.config_length) ? g_steal_pointer(&json) : NULL;
}

bool
libxl_restore(struct backend_ctx *ctx, const char *uuid, const struct guest_config *guest,
              int image, int *ret_domid, GError **error)
{
    g_autofree char *json = read_config(image);
    libxl_domain_config config;
    libxl_uuid wanted;
    bool ok = false;

    libxl_domain_config_init(&config);
    if (libxl_uuid_from_string(&wanted, uuid) < 0 || !json ||
        libxl_domain_config_from_json(ctx->ctx, &config, json) != 0 ||
        libxl_uuid_compare(&config.c_info.uuid, &wanted) != 0)
        api_error_set(error, "SUSPEND_IMAGE_NOT_ACCESSIBLE", uuid, NULL);
    else
        ok = libxl_create(ctx, uuid, guest, &config, image, ret_domid, error);
    libxl_domain_config_dispose(&config);
    return ok;
}
