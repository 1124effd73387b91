/* VMs as they come: the records of an XVA, and the rows and disks that are made of them.  Nothing
 * in them is trusted.  Main loop only. */
#ifndef XAPID_VM_IMPORT_H
#define XAPID_VM_IMPORT_H

#include "xapid/vm/vm.h"

#define ARCHIVE_OBJECTS_MAX 4096

struct archive_object {
    const struct dm_class *cls; /* VM, VIF, network, VBD or VDI: others are passed over */
    char *id;                   /* "Ref:N" */
    GVariant *fields;           /* a{sv} of the class: those that were given and understood */
    char *made;                 /* the row that it became, a reference; NULL: none yet */
};

/* Of struct archive_object, the caller's.  IMPORT_ERROR [text], IMPORT_INCOMPATIBLE_VERSION. */
GPtrArray *archive_parse(const char *text, gsize length, GError **error);
/* One of a class, NULL: there is none. */
struct archive_object *archive_find(const GPtrArray *archive, const struct dm_class *cls,
                                    const char *id);
/* Of its fields those that a client gives to a new row, and that refer to no other row: a{sv},
 * floating. */
GVariant *archive_given(const struct archive_object *object);

/* --- import.c --- */

struct vm_import_order {
    const char *sr;     /* where its disks are made */
    const char *handle; /* of the client's transfer */
    bool restore;       /* with its uuid and its cards' addresses */
};

/* Makes the rows within txn, and the plan, whose object is the new VM.  NULL with what creating
 * them by calls would say, IMPORT_ERROR [text], IMPORT_ERROR_FAILED_TO_FIND_OBJECT [id],
 * DUPLICATE_VM [uuid]. */
struct plan *vm_begin_import(const struct storage_world *storage, struct txn *txn,
                             GPtrArray *archive, const struct vm_import_order *order,
                             GError **error);
/* The VM as that plan ended. */
void vm_record_import(struct op *op, struct txn *txn, const char *vm, const GError *error);

#endif
