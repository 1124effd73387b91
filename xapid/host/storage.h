/* Serves org.xapid.Storage1: checks each argument, then runs a driver.  Main loop only. */
#ifndef XAPID_HOST_STORAGE_H
#define XAPID_HOST_STORAGE_H

#include <gio/gio.h>
#include <stdbool.h>

#define STORAGE_OPERATIONS_MAX 4096 /* known at once */
#define STORAGE_RUNNING_MAX 32      /* drivers that run at once; the others wait */
#define STORAGE_OF_ONE_MAX 8        /* those of them of one SR, which may be silent */
#define STORAGE_COPYING_MAX 4       /* those of them that copy, so that no short call waits long */
#define STORAGE_COALESCING_MAX 1    /* those of them that join images */

struct storage;

/* Both paths outlive it.  NULL with an error when the folder of handles cannot be had. */
struct storage *storage_new(const char *drivers, const char *handles, GError **error);
void storage_free(struct storage *storage);
/* Serves this peer from now on; NULL: none. */
void storage_set_peer(struct storage *storage, GDBusConnection *connection);

/* storage-args.c: is it a call, with all that it needs?  INVALID_VALUE [argument, value]. */
bool storage_check_args(const char *call, const char *driver, GVariant *args, GError **error);
/* The disks of a VM, a(sssx): of each its handle, uuid, name in the stream, and size. */
bool storage_check_disks(GVariant *disks, GError **error);

#endif
