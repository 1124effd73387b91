/* Domains that are built ahead; see ready.h. */
#include "config.h"

#include "xapid/domains/ready.h"

#include <sys/stat.h>
#include <unistd.h>

#include "xapid/domains/argument.h"
#include "xapid/domains/kernel-file.h"

#define DIGEST_LENGTH 40 /* hexadecimal digits of it; an op_id has room for so many */

/* A file is another one when it was replaced, or written to. */
static bool
add_file(GChecksum *sum, int kernels_dir, const char *argument, const char *name, GError **error)
{
    struct stat st;

    if (kernels_dir < 0 || !*name)
        return true;
    int fd = kernel_file_open(kernels_dir, argument, name, error);
    if (fd < 0)
        return false;
    bool ok = fstat(fd, &st) == 0;
    close(fd);
    if (!ok)
        return argument_refuse(error, argument, name);
    const gint64 identity[] = {(gint64)st.st_dev, (gint64)st.st_ino,  st.st_size,
                               st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ctim.tv_sec,
                               st.st_ctim.tv_nsec};
    g_checksum_update(sum, (const guchar *)identity, sizeof identity);
    return true;
}

char *
ready_op_id(GVariant *args, const struct guest_config *config, int kernels_dir, GError **error)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree char *text = g_variant_print(args, TRUE);

    g_checksum_update(sum, (const guchar *)text, -1);
    if (!add_file(sum, kernels_dir, "kernel", config->kernel, error) ||
        !add_file(sum, kernels_dir, "ramdisk", config->ramdisk, error))
        return NULL;
    return g_strdup_printf(READY_PREFIX "%.*s", DIGEST_LENGTH, g_checksum_get_string(sum));
}

bool
ready_is(const struct domain_info *info)
{
    return info->ours && info->state == DOMAIN_PAUSED && info->cpu_time == 0 &&
           g_str_has_prefix(info->op_id, READY_PREFIX);
}

bool
ready_check(const struct guest_config *config, GError **error)
{
    if (config->disks->len)
        return argument_refuse(error, "disks", "built ahead");
    if (config->nics->len)
        return argument_refuse(error, "nics", "built ahead");
    return config->type != GUEST_HVM || argument_refuse(error, "type", "hvm");
}
