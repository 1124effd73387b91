/* The client of xapid-domains: starts effects on domains and hears of changes; survives restarts of
 * the other side as lib/peer/client.h says.  Main loop only. */
#ifndef XAPID_VM_DOMAINS_H
#define XAPID_VM_DOMAINS_H

#include "lib/peer/client.h"

struct domains;

/* uuid "" means look at all. */
typedef void (*domains_changed_fn)(const char *uuid, void *data);
typedef peer_done_fn domains_done_fn;

/* Guests tell something new; fresh: a new connection, on which nothing is known yet. */
typedef void (*domains_guests_changed_fn)(bool fresh, void *data);
/* error as above; guests a(sia{sv}) as org.xapid.Domains1.Guests has it, and what to ask since
 * next. */
typedef void (*domains_guests_fn)(const GError *error, GVariant *guests, guint64 now, void *data);

/* What has had no answer for a while, as org.xapid.Domains1.Hanging has it; on each new connection,
 * too. */
typedef void (*domains_hanging_fn)(GVariant *work, void *data);

/* The console's descriptor is the receiver's; -1 with an error. */
typedef void (*domains_console_fn)(const GError *error, int fd, void *data);

struct domains *domains_new(domains_changed_fn changed, void *data);
void domains_free(struct domains *domains);
/* A new connection's descriptor (taken), from xapid-launch; replaces the old one. */
void domains_attach(struct domains *domains, int fd);

/* Starts a verb of org.xapid.Domains1.Start; args a{sv}, sunk when floating, or NULL. */
void domains_start(struct domains *domains, const char *op_id, const char *verb, const char *uuid,
                   GVariant *args, domains_done_fn done, void *data);
void domains_abort(struct domains *domains, const char *op_id);

/* aa{sv} as org.xapid.Domains1.List has it: those of `uuid` and perhaps others, or all (""); waits
 * for a connection. */
void domains_list(struct domains *domains, const char *uuid, domains_done_fn done, void *data);
void domains_host_info(struct domains *domains, domains_done_fn done, void *data);
/* result a{sv} of org.xapid.Domains1.GuestMemory; guest a{sv}, sunk when floating. */
void domains_guest_memory(struct domains *domains, const char *uuid, GVariant *guest,
                          domains_done_fn done, void *data);
/* s, what the hypervisor printed; clear: and has it forgotten. */
void domains_dmesg(struct domains *domains, bool clear, domains_done_fn done, void *data);
/* A console of a domain; see org.xapid.Domains1.Console.  Waits for no connection, as
 * domains_guests (). */
void domains_console(struct domains *domains, const char *uuid, const char *kind,
                     domains_console_fn done, void *data);
void domains_on_hanging(struct domains *domains, domains_hanging_fn hanging, void *data);
void domains_on_guests(struct domains *domains, domains_guests_changed_fn changed, void *data);
/* Waits for no connection: without one, or when it is lost, an error. */
void domains_guests(struct domains *domains, guint64 since, domains_guests_fn done, void *data);

#endif
