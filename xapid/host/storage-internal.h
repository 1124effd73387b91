/* What is asked of storage and has no end yet, or one that xapid may not have heard of.  Main loop
 * only. */
#ifndef XAPID_HOST_STORAGE_INTERNAL_H
#define XAPID_HOST_STORAGE_INTERNAL_H

#include <stdbool.h>

#include <gio/gunixfdlist.h>

#include "lib/peer/storage1.h"
#include "xapid/host/driver.h"
#include "xapid/host/transfer.h"

enum operation_state { OPERATION_WAITING, OPERATION_RUNNING, OPERATION_DONE };

struct operation {
    struct storage *storage;
    char *op_id, *call, *driver;
    GVariant *args;
    enum operation_state state;
    struct driver_run *run; /* while it runs one */
    struct transfer *transfer;
    bool gives_way; /* it was ended for another, and waits then to begin anew */
    GError *error;  /* of the end */
    GVariant *result;
};

struct storage {
    const char *drivers;
    int handles;
    GDBusConnection *connection;
    PeerStorage1 *skeleton;
    GHashTable *operations; /* op_id -> struct operation */
    GQueue waiting;         /* of struct operation */
    GHashTable *busy; /* uuids of disks that a driver has in hand, one call each at a time, and
                         handles whose disk is being moved */
    guint running, copying, coalescing; /* drivers; those of them that do so */
    GHashTable *of_sr;                  /* uuid of an SR -> how many of its drivers run */
    struct transfers *transfers;
};

bool operation_is(const struct operation *operation, const char *call);
/* TASK_CANCELLED ends it, now or soon, unless it has ended. */
void operation_abort(struct operation *operation);

/* Takes error; result is borrowed. */
void operation_end(struct operation *operation, GVariant *result, GError *error);
void operation_moved(double fraction, void *data);
void storage_start_waiting(struct storage *storage);
/* Answers a method whose one result is a descriptor of `value` (sunk). */
void storage_answer_bulk(GDBusMethodInvocation *invocation, GVariant *value);

/* --- storage-transfer.c: what xapid-stream does --- */

bool operation_is_transfer(const struct operation *operation);
void operation_run_transfer(struct operation *operation);
gboolean storage_handle_lend(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation,
                             GUnixFDList *fds, const char *op_id, GVariant *ahead, GVariant *client,
                             gpointer data);
gboolean storage_handle_take_records(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation,
                                     GUnixFDList *fds, const char *op_id, gpointer data);
gboolean storage_handle_fill(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation,
                             const char *op_id, GVariant *disks, gpointer data);

/* --- coalesce.c --- */

/* May it not start yet, for a call that coalesces in its SR, or since it is one? */
bool coalescing_delays(const struct operation *operation);
/* What coalesces in its SR is ended for it, and begins anew behind it, if there is an SR then. */
void coalescing_make_way(const struct operation *operation);

#endif
