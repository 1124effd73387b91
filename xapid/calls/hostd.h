/* The client of xapid-host: passwords, local users and groups, facts about the machine.
 * What is asked while xapid-host is not there waits for it, 10 seconds at most; what was asked and
 * not answered when the connection is lost fails, or is asked again where that does no harm
 * (bridges, the log, the name). Main loop only. */
#ifndef XAPID_CALLS_HOSTD_H
#define XAPID_CALLS_HOSTD_H

#include <gio/gio.h>
#include <stdbool.h>

struct hostd;

/* xapid-host is there, for the first time or again. */
typedef void (*hostd_attached_fn)(void *data);

struct hostd *hostd_new(hostd_attached_fn attached, void *data);
void hostd_free(struct hostd *hostd);
/* A new connection's descriptor (taken). */
void hostd_attach(struct hostd *hostd, int fd);
/* The connection, from hostd_attached_fn on until it is lost; borrowed. */
GDBusConnection *hostd_connection(const struct hostd *hostd);

struct hostd_auth {
    const char *outcome; /* "ok", "denied", "expired", "busy", "error" */
    const char *message;
    const char *user; /* as the system spells it */
    guint32 uid;
    const guint32 *groups;
    gsize n_groups;
};
/* The answer's strings live during the callback. */
typedef void (*hostd_auth_fn)(const struct hostd_auth *auth, void *data);
void hostd_authenticate(struct hostd *hostd, const char *user, const char *password,
                        hostd_auth_fn done, void *data);
void hostd_change_password(struct hostd *hostd, const char *user, const char *password,
                           hostd_auth_fn done, void *data);

/* error borrowed; result borrowed: LookupName (bsu), LookupId (bssau), Facts (a{sv}), Power (),
 * ForwardLog (), SetIscsiName (), Interfaces (aa{sv}), EnsureBridge (s), ApplyNetworks (as),
 * RemoveBridge (b), ApplyAddresses (a(sas)), TakeInterface (), GiveInterface () tuples. */
typedef void (*hostd_done_fn)(const GError *error, GVariant *result, void *data);
void hostd_lookup_name(struct hostd *hostd, const char *name, hostd_done_fn done, void *data);
void hostd_lookup_id(struct hostd *hostd, const char *kind, guint32 id, hostd_done_fn done,
                     void *data);
void hostd_facts(struct hostd *hostd, hostd_done_fn done, void *data);
/* action: "reboot" or "shutdown". */
void hostd_power(struct hostd *hostd, const char *action, hostd_done_fn done, void *data);
/* As org.xapid.Host1.xml says. */
void hostd_forward_log(struct hostd *hostd, const char *destination, hostd_done_fn done,
                       void *data);
void hostd_set_iscsi_name(struct hostd *hostd, const char *name, hostd_done_fn done, void *data);
void hostd_interfaces(struct hostd *hostd, hostd_done_fn done, void *data);
void hostd_ensure_bridge(struct hostd *hostd, GVariant *network, hostd_done_fn done, void *data);
void hostd_apply_networks(struct hostd *hostd, GVariant *networks, hostd_done_fn done, void *data);
void hostd_apply_addresses(struct hostd *hostd, GVariant *wanted, const char *servers,
                           hostd_done_fn done, void *data);
void hostd_take_interface(struct hostd *hostd, const char *name, hostd_done_fn done, void *data);
/* addresses, gateways: as. */
void hostd_give_interface(struct hostd *hostd, const char *name, GVariant *addresses,
                          GVariant *gateways, hostd_done_fn done, void *data);
void hostd_remove_bridge(struct hostd *hostd, const char *name, hostd_done_fn done, void *data);

#endif
