#include "config.h"

#include "lib/peer/bulk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool
failed(GError **error, const char *what)
{
    api_error_set(error, "INTERNAL_ERROR", "bulk", what, NULL);
    return false;
}

static bool
write_all(int fd, const char *bytes, gsize size)
{
    while (size) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        size -= (gsize)n;
    }
    return true;
}

GVariant *
bulk_pack(GVariant *value, GUnixFDList **ret_fds, GError **error)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(value);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    gsize size = g_variant_get_size(owned);

    if (size > BULK_MAX)
        return failed(error, "a value is too large"), NULL;
    int fd = memfd_create("xapid-bulk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return failed(error, g_strerror(errno)), NULL;
    bool ok =
        write_all(fd, g_variant_get_data(owned), size) && fcntl(fd, F_ADD_SEALS, ALL_SEALS) == 0;
    if (!ok)
        failed(error, g_strerror(errno));
    int handle = ok ? g_unix_fd_list_append(fds, fd, error) : -1; /* a duplicate */
    close(fd);
    if (handle < 0)
        return NULL;
    *ret_fds = g_steal_pointer(&fds);
    return g_variant_new_handle(handle);
}

/* Before it is mapped: what is mapped could otherwise shrink (SIGBUS) or change after the check. */
static bool
is_fit(int fd, GError **error)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    if (seals < 0 || (seals & ALL_SEALS) != ALL_SEALS)
        return failed(error, "a descriptor is not a sealed memfd");
    if (fstat(fd, &st) < 0 || st.st_size > BULK_MAX)
        return failed(error, "a value is too large");
    return true;
}

GVariant *
bulk_unpack(GVariant *handle, GUnixFDList *fds, const char *type, GError **error)
{
    gint32 index = g_variant_get_handle(handle);
    g_autoptr(GMappedFile) file = NULL;

    if (!fds || index < 0 || index >= g_unix_fd_list_get_length(fds))
        return failed(error, "a descriptor is missing"), NULL;
    int fd = g_unix_fd_list_get(fds, index, error);
    if (fd < 0)
        return NULL;
    if (is_fit(fd, error))
        file = g_mapped_file_new_from_fd(fd, FALSE, error);
    close(fd);
    if (!file)
        return NULL;
    g_autoptr(GBytes) bytes = g_mapped_file_get_bytes(file);
    g_autoptr(GVariant) value =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), bytes, FALSE));
    if (!g_variant_is_normal_form(value))
        return failed(error, "a value is malformed"), NULL;
    return g_steal_pointer(&value);
}
