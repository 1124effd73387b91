/* Drives an xapid-domains as xapid-launch and xapid do: starts it with a control socket, hands it
 * a peer and talks org.xapid.Domains1.  For tests and domainsctl; default main context only. */
#ifndef XAPID_TESTS_DOMAINS_CLIENT_H
#define XAPID_TESTS_DOMAINS_CLIENT_H

#include <gio/gio.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/peer/domains1.h"

#define CLIENT_WAIT_MS 60000 /* for anything, before a test gives up */

struct domains_client {
    GSubprocess *process;
    int control;
    GDBusConnection *connection;
    PeerDomains1 *proxy;
    GHashTable *done;   /* op_id → (asa{sv}), the last Done of each */
    GPtrArray *changed; /* uuids, in order */
    int done_count;
};

/* Starts `program` with `args` (NULL terminated), with XAPID_FAULT set to `fault` unless that is
 * NULL, and waits until it is ready. */
struct domains_client *client_start(const char *program, const char *const *args, const char *fault,
                                    GError **error);
/* As xapid-launch goes: closes the control socket and waits for the program's end; false when it
 * did not exit with 0. */
bool client_stop(struct domains_client *client);
/* SIGKILL, and waits for its end. */
void client_kill(struct domains_client *client);
pid_t client_pid(struct domains_client *client);
/* Drops the connection and hands the program a new peer, as after a restart of xapid. */
bool client_reconnect(struct domains_client *client, GError **error);

/* Start alone. */
bool client_begin(struct domains_client *client, const char *op_id, const char *verb,
                  const char *uuid, GVariant *args, GError **error);
/* Waits for Done; its error becomes *error.  ret_result may be NULL. */
bool client_wait(struct domains_client *client, const char *op_id, GVariant **ret_result,
                 GError **error);
/* Both. */
bool client_run(struct domains_client *client, const char *op_id, const char *verb,
                const char *uuid, GVariant *args, GVariant **ret_result, GError **error);
/* The arguments of a small guest, to which more may be added. */
GVariant *client_guest_args(const char *type, const char *kernel, const char *ramdisk,
                            const char *cmdline, gint64 memory);
GVariant *client_shutdown_args(const char *how, int timeout);
/* aa{sv}, owned: the domains of `uuid`, or all (""); NULL with an error. */
GVariant *client_list(struct domains_client *client, const char *uuid, GError **error);
/* a(ssss), owned; NULL with an error. */
GVariant *client_operations(struct domains_client *client, GError **error);
/* The domain of that uuid; NULL when there is none. */
GVariant *client_domain(struct domains_client *client, const char *uuid);
/* Its state, "absent" when there is none; free it. */
char *client_state(struct domains_client *client, const char *uuid);
/* Runs the main context until `uuid` is said to have changed, since the call; false on time-out. */
bool client_wait_changed(struct domains_client *client, const char *uuid, int timeout_ms);
/* Until the domain is in that state. */
bool client_wait_state(struct domains_client *client, const char *uuid, const char *state,
                       int timeout_ms);
/* Runs the main context for a while. */
void client_settle(int ms);

#endif
