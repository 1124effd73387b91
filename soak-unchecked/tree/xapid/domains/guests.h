/* The parent's side of what guests tell: it starts the guests process and xs-guestd, which belong
 * together (each packet goes from the one by the other to us), starts both again when either ends,
 * and keeps the last record of each guest.  Main loop only. */
#ifndef XAPID_DOMAINS_GUESTS_H
#define XAPID_DOMAINS_GUESTS_H

#include <glib.h>

struct guests;

#define GUESTS_TOTAL_MAX (48 * 1024 * 1024) /* bytes of all records; more are refused */

/* program, flags: of ourselves, for the guests process (as in pool.h); run_dir: where xs-guestd may
 * make the folder that becomes its root.  xs-guestd lies beside this program.  `changed`: a record
 * is not what guests_since () had. */
struct guests *guests_new(const char *program, const char *const *flags, const char *run_dir,
                          void (*changed)(void *data), void *data);
void guests_free(struct guests *guests);
/* A domain appeared, went or changed ("": any). */
void guests_look(struct guests *guests, const char *uuid);
/* Records that are newer than `since`: a(sia{sv}) of uuid, domid, lib/guest-record.h; floating.
 * *ret_now: what to ask since next. */
GVariant *guests_since(struct guests *guests, guint64 since, guint64 *ret_now);

#endif
