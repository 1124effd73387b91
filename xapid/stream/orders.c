/* The disks that an import is for: xapid-host sends each as a packet, with its descriptor. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "lib/error.h"
#include "lib/passed-fd.h"
#include "xapid/stream/vm.h"

static bool
failed(GError **error, const char *why)
{
    api_error_set(error, "INTERNAL_ERROR", "orders of xapid-host", why, NULL);
    return false;
}

/* A packet as text, and the descriptor that came with it, or -1. */
static bool
receive(char *text, gsize size, int *ret_fd, GError **error)
{
    ssize_t n = passed_fd_await(ORDERS_FD, text, size - 1, ret_fd);

    if (n <= 0)
        return failed(error, n < 0 ? strerror(errno) : "it has gone");
    text[n] = '\0';
    return true;
}

/* "NAME<tab>FORMAT<tab>SIZE".  The texts stay for as long as the process. */
static bool
take_disk(struct vm_job *job, const char *text, int fd, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, "\t", 3);
    gint64 size;

    if (fd < 0 || g_strv_length(words) != 3 || job->n_disks == VM_DISKS_MAX ||
        !g_ascii_string_to_signed(words[2], 10, 0, G_MAXINT64 / 4, &size, NULL))
        return failed(error, "they are not understood");
    job->disks[job->n_disks++] =
        (struct vm_disk){.name = g_strdup(words[0]),
                         .fd = fd,
                         .volume = {.format = g_strdup(words[1]), .size = size}};
    return true;
}

bool
orders_read(struct vm_job *job, GError **error)
{
    char text[VM_ORDER_MAX + 1];
    int fd;

    for (;;) {
        if (!receive(text, sizeof text, &fd, error))
            return false;
        if (g_str_equal(text, VM_ORDER_BEGIN))
            return true;
        if (!take_disk(job, text, fd, error))
            return false;
    }
}
