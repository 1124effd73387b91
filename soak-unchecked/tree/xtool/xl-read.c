/* Has xl's configuration read by xtool-xl. */
#include "config.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xtool/xl-record.h"
#include "xtool/xtool.h"

#define READER XAPID_LIBEXECDIR "/xtool-xl"
#define READER_VARIABLE "XTOOL_XL" /* environment: another one, for tests */

/* The text as a file without a name, which nobody needs to read to its end; -1 with errno. */
static int
text_fd(const char *text)
{
    int fd = memfd_create("configuration", MFD_CLOEXEC);
    size_t length = strlen(text);

    if (fd >= 0 && (write(fd, text, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* What the program answers, of that type; NULL with an error. */
static GVariant *
ask(const char *const *arguments, const char *input, const char *type, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GBytes) out = NULL;
    g_autoptr(GError) cause = NULL;
    const char *program = g_getenv(READER_VARIABLE), *why;
    int fd = text_fd(input);
    gboolean ok;

    if (fd < 0) {
        g_set_error(error, FAILED_ERROR, 0, "%s.", g_strerror(errno));
        return NULL;
    }
    g_ptr_array_add(argv, (char *)(program ? program : READER));
    for (; *arguments; arguments++)
        g_ptr_array_add(argv, (char *)*arguments);
    g_ptr_array_add(argv, NULL);
    g_subprocess_launcher_take_stdin_fd(launcher, fd);
    g_autoptr(GSubprocess) process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, &cause);
    if (!process) {
        g_set_error(
            error, FAILED_ERROR, 0,
            "%s\nxtool-xl reads xl's configuration by Xen's libraries. It comes with xapid, "
            "and not in a build without Xen (--without-xen).",
            cause->message);
        return NULL;
    }
    if (!g_subprocess_communicate(process, NULL, NULL, &out, NULL, &cause) ||
        !g_subprocess_get_successful(process)) {
        g_set_error(error, FAILED_ERROR, 0, "%s failed%s%s.", *(char **)argv->pdata,
                    cause ? ": " : "", cause ? cause->message : "");
        return NULL;
    }
    g_autoptr(GVariant) raw = g_variant_ref_sink(
        g_variant_new_from_bytes(G_VARIANT_TYPE("(bsv)"), out, /* trusted= */ FALSE));
    g_autoptr(GVariant) reply = g_variant_get_normal_form(raw);
    g_autoptr(GVariant) value = NULL;
    g_variant_get(reply, "(b&sv)", &ok, &why, &value);
    if (ok && g_variant_is_of_type(value, G_VARIANT_TYPE(type)))
        return g_steal_pointer(&value);
    g_set_error(error, FAILED_ERROR, 0, "%s", ok ? "xtool-xl is of another version." : why);
    return NULL;
}

bool
xl_vm_read(const char *name, const char *text, const char *leave_out, struct xl_vm *ret,
           GError **error)
{
    const char *const arguments[] = {"vm", name, leave_out ? leave_out : "", NULL};
    g_autoptr(GVariant) value = ask(arguments, text, XL_VM_TYPE, error);

    if (value)
        xl_vm_unpack(value, ret);
    return value;
}

struct xl_disk *
xl_disk_read(const char *entry, GError **error)
{
    const char *const arguments[] = {"disk", entry, NULL};
    g_autoptr(GVariant) value = ask(arguments, "", XL_DISK_TYPE, error);

    return value ? xl_disk_unpack(value) : NULL;
}
