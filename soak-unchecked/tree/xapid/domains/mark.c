/* Marks of domains that are being built; see mark.h. */
#include "config.h"

#include "xapid/domains/mark.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "xapid/domains/argument.h"
#include "xapid/domains/domains.h"

static void
set_error(GError **error, const char *what)
{
    g_autofree char *text = g_strdup_printf("%s: %s", what, g_strerror(errno));

    api_error_set(error, "INTERNAL_ERROR", "xapid-domains", text, NULL);
}

int
marks_open(const char *run_dir, GError **error)
{
    g_autofree char *path = g_build_filename(run_dir, "building", NULL);
    int fd = -1;

    if (g_mkdir_with_parents(path, 0700) == 0)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        set_error(error, path);
    return fd;
}

bool
mark_set(int marks, const char *uuid, const char *op_id, GError **error)
{
    g_autofree char *text = g_strdup_printf("%s\n", op_id);
    ssize_t length = (ssize_t)strlen(text);
    int fd = openat(marks, uuid, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text, (size_t)length) == length;

    if (!ok)
        set_error(error, "mark of a build");
    if (fd >= 0)
        close(fd);
    return ok;
}

char *
mark_get(int marks, const char *uuid)
{
    char text[OP_ID_MAX + 2];
    int fd = openat(marks, uuid, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return NULL;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[MAX(n, 0)] = '\0';
    text[strcspn(text, "\n")] = '\0';
    /* A process may have died between making the file and writing it. */
    return g_strdup(op_id_check(text, NULL) ? text : "");
}

void
mark_clear(int marks, const char *uuid)
{
    if (FAULT_POINT("mark.clear.before", NULL))
        unlinkat(marks, uuid, 0);
    (void)FAULT_POINT("mark.clear.after", NULL);
}

GPtrArray *
marks_list(int marks)
{
    GPtrArray *uuids = g_ptr_array_new_with_free_func(g_free);
    int fd = openat(marks, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return uuids;
    }
    while ((entry = readdir(dir)))
        if (uuid_check(entry->d_name, NULL))
            g_ptr_array_add(uuids, g_strdup(entry->d_name));
    closedir(dir);
    return uuids;
}
