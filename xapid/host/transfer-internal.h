/* What transfers of a disk and of a VM share.  Used by their files alone. */
#ifndef XAPID_HOST_TRANSFER_INTERNAL_H
#define XAPID_HOST_TRANSFER_INTERNAL_H

#include <gio/gio.h>

#include "lib/disk-handle.h"
#include "xapid/host/transfer.h"

struct loan {
    int fd;
    GVariant *ahead;
};

struct transfers {
    int handles;
    char *folder, *program;
    GHashTable *loans; /* op_id -> struct loan */
    GQueue running;    /* of struct transfer */
};

#define WORDS_MAX 4096 /* bytes of a line that it says */

struct transfer {
    struct transfers *transfers;
    GSubprocess *process;
    char words[WORDS_MAX]; /* a line that is not whole */
    gsize length;
    int orders, records; /* of a VM that is imported: see xapid/stream/vm.h; else -1 */
    bool filling;        /* it has its disks */
    bool cancelled, done;
    GError *error;
    unsigned open; /* of: reading, waiting */
    struct transfer_calls calls;
};

void transfer_close_ends(struct transfer *transfer);
/* SR_BACKEND_FAILURE with errno; false. */
bool transfer_failed(GError **error, const char *what);
/* The handle, which must be that of the disk, and for this use. */
bool transfer_read_handle(const struct transfers *transfers, const char *name, const char *vdi,
                          bool import, struct disk_handle *ret_handle, GError **error);
/* -1: it is not what its handle says. */
int transfer_open_disk(const char *path, bool block, int flags);
/* The client's connection, and what was read ahead. */
bool transfer_give_client(GSubprocessLauncher *launcher, struct loan *loan, bool import,
                          GError **error);
/* Those below a disk, from *next on. */
bool transfer_give_bases(GSubprocessLauncher *launcher, const struct disk_handle *handle,
                         unsigned n, int *next, GError **error);
void transfer_add_number(GPtrArray *argv, gint64 value);
/* A disk, as xapid-stream is told of it; NULL: there is none. */
void transfer_add_volume(GPtrArray *argv, const struct disk_handle *handle, gint64 size,
                         unsigned n_bases);
/* For the program, with nothing of ours. */
GSubprocessLauncher *transfer_launcher(const struct transfers *transfers);
GSubprocess *transfer_spawn(GSubprocessLauncher *launcher, const GPtrArray *argv, GError **error);

/* ---- vm-transfer.c ---- */

/* xapid-stream with all disks of a VM. */
GSubprocess *vm_export_start(const struct transfers *transfers, struct loan *loan, GVariant *args,
                             GError **error);
/* The same without any yet.  Sets transfer->orders and ->records; both stay -1 when it fails. */
GSubprocess *vm_import_start(struct transfer *transfer, struct loan *loan, GVariant *args,
                             GError **error);

#endif
