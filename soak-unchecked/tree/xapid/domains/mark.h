/* Marks of domains that are being built: a file RUN/building/UUID from before the first hypercall
 * until the record is on the domain or its remains are gone.
 *
 * Who finds a mark after a process died knows that what is there of that uuid, without a record and
 * without a name of its own, is a broken build of ours.  The folder is on a tmpfs: domains do not
 * outlive the host.  Workers only; calls block. */
#ifndef XAPID_DOMAINS_MARK_H
#define XAPID_DOMAINS_MARK_H

#include <glib.h>
#include <stdbool.h>

/* The folder of marks beneath the run folder, made when missing: a descriptor, -1 on failure. */
int marks_open(const char *run_dir, GError **error);
bool mark_set(int marks, const char *uuid, const char *op_id, GError **error);
/* The operation that builds it; NULL when there is no mark. */
char *mark_get(int marks, const char *uuid);
/* A missing mark is fine. */
void mark_clear(int marks, const char *uuid);
/* The uuids of all marks. */
GPtrArray *marks_list(int marks);

#endif
