/* Runs xapid-stream, which moves the contents of attached disks from or to a client whose
 * connection xapid has lent: one process a transfer, with these descriptors and no rights.  Main
 * loop only. */
#ifndef XAPID_HOST_TRANSFER_H
#define XAPID_HOST_TRANSFER_H

#include <glib.h>
#include <stdbool.h>

#define TRANSFERS_MAX 64 /* at once, those that were lent and not started among them */

struct transfers;
struct transfer;

typedef void (*transfer_moved_fn)(double fraction, void *data);
typedef void (*transfer_done_fn)(const GError *error, void *data);

/* handles: the folder of lib/disk-handle.h, open; path: its name, which outlives this. */
struct transfers *transfers_new(int handles, const char *path);
void transfers_free(struct transfers *transfers);
/* The client for an operation that is started next: fd is taken; ahead: "ay". */
void transfers_lend(struct transfers *transfers, const char *op_id, int fd, GVariant *ahead);
/* Ends all of them; what was lent is given up. */
void transfers_end(struct transfers *transfers);
struct transfer_calls {
    transfer_moved_fn moved;
    void (*records)(void *data); /* those of a VM that is imported are there */
    transfer_done_fn done;
    void *data;
};
/* call: "vdi.import", "vdi.export", "vm.export", "vm.import"; args: its.  NULL with an error, and
 * no call of done. */
struct transfer *transfer_start(struct transfers *transfers, const char *op_id, const char *call,
                                GVariant *args, const struct transfer_calls *calls, GError **error);
/* TASK_CANCELLED, unless it has ended already. */
void transfer_kill(struct transfer *transfer);

/* --- vm-transfer.c: the import of a VM --- */

/* Its records, "ay", floating; empty: they have not come. */
GVariant *vm_transfer_records(const struct transfer *transfer);
/* The disks, a(sssx), go to it, with those of the handles; once. */
bool vm_transfer_fill(struct transfer *transfer, GVariant *disks, GError **error);

#endif
