/* VMs as they leave: what an XVA has of their records, and of their disks.  Main loop only. */
#ifndef XAPID_VM_EXPORT_H
#define XAPID_VM_EXPORT_H

#include "xapid/vm/vm.h"

/* A VM's rows and those they refer to, each with a name that is good in the stream. */
struct vm_records {
    const struct model *model;
    const char *host;  /* whose the version is: a reference */
    GPtrArray *rows;   /* char *, references, by class, in the order of their names */
    GHashTable *names; /* reference -> "Ref:N" */
};

/* vms: references; snapshots: with those of each. */
struct vm_records *vm_records_new(const struct model *model, const char *host, const GPtrArray *vms,
                                  bool snapshots);
void vm_records_free(struct vm_records *records);
/* ova.xml, the caller's. */
GString *vm_records_text(const struct vm_records *records);

/* --- export.c --- */

/* What vm_may () says, and of each disk vdi_may_transfer (); VBD_MISSING. */
bool vm_may_export(const struct storage_world *storage, const char *vm, GError **error);
/* vm_may_export () has said yes.  handle: of the client's transfer; records: of this VM. */
struct plan *vm_plan_export(const char *vm, const struct vm_records *records, const char *handle,
                            const char *packing);

#endif
