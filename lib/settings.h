/* The configuration file, /etc/xapid/xapid.conf: every key with its kind, bounds and default in one
 * table.  docs/xapid.conf.sample documents each.  (Not config.h: that is autoconf's.)
 *
 * Any thread; settings are not changed after they are read. */
#ifndef XAPID_LIB_SETTINGS_H
#define XAPID_LIB_SETTINGS_H

#include "lib/log.h"

#include <glib.h>

#define SETTINGS_FILE XAPID_SYSCONFDIR "/xapid.conf"
#define STORAGE_DRIVERS_DIR XAPID_LIBEXECDIR "/storage"
#define SETTINGS_FILE_MAX (1024 * 1024) /* bytes */
#define SETTINGS_LISTEN_MAX 16          /* addresses */

/* Of which kind networks' bridges are. */
#define NETWORK_BACKEND_BRIDGE "bridge"
#define NETWORK_BACKEND_OVS "openvswitch"

/* [limits]; the first ten are those of xapid/http/http.h. */
struct settings_limits {
    guint max_connections;             /* in all */
    guint max_connections_per_address; /* unix socket excepted */
    guint reserved_connections;        /* of the unix socket, beyond max_connections */
    gsize max_body;                    /* bytes of an RPC body */
    gsize max_header;                  /* bytes of a request head */
    guint header_read_seconds;         /* without a byte while a head is incomplete */
    guint header_total_seconds;        /* for a whole head */
    guint body_read_seconds;           /* without a byte while a body is incomplete */
    guint keep_alive_seconds;          /* idle between requests */
    gsize max_bodies_total;            /* bytes of request bodies held at once */
    guint max_sessions_per_user;
    guint max_sessions_per_originator;
    guint session_idle_seconds; /* an idle session ends */
    guint max_tasks;
    guint max_parked_calls; /* calls that wait: events, passwords, operations */
};

#define READY_DOMAINS_MAX 64

struct settings {
    /* [xapid] */
    char *address;     /* what the host gives out; "": see settings_address () */
    guint http_port;   /* 0: not opened */
    guint https_port;  /* 0: not opened */
    char **listen;     /* numeric addresses */
    char *unix_socket; /* absolute paths from here */
    char *state_dir;
    char *guest_kernels;
    char *storage_drivers; /* folder of the storage drivers; "": STORAGE_DRIVERS_DIR */
    char *page_dir;        /* folder of the page for browsers; "": PAGE_DIR */
    char *novnc_dir;       /* of Debian's package novnc */
    char *disk_handles;    /* folder of lib/disk-handle.h's files */
    char *user;            /* that xapid runs as, when xapid-launch is root */
    enum log_level log_level;
    char *pam_service;
    char *network_backend; /* NETWORK_BACKEND_…; "": the second where it is installed */
    guint
        confirm_seconds; /* then a change of the management path that no call confirmed is undone */
    guint resync_seconds; /* how often the whole hypervisor is looked at */
    guint ready_domains;  /* that are built ahead of their VMs' starts, at most */
    struct settings_limits limits;
    /* [sim] */
    char *sim_dir;           /* "": real hardware */
    guint sim_real_networks; /* 1: networks are this machine's all the same */
};

/* Reads `path`; NULL means SETTINGS_FILE, which may be absent (all defaults then).  An unknown
 * group or key and a bad value are errors whose message names file, group and key. */
struct settings *settings_load(const char *path, GError **error);
/* The same from memory; `name` stands for the file in messages. */
struct settings *settings_parse(const char *name, const char *text, GError **error);
void settings_free(struct settings *settings);

/* The address that the host gives out: the configured one, else the first IPv4 (then IPv6) address
 * of an interface that is up and not loopback or link-local, else 127.0.0.1.  The caller frees. */
char *settings_address(const struct settings *settings);

/* For each key: group, key, and the default as it is written in the file.  For tests. */
void settings_foreach_key(void (*key)(const char *group, const char *key, const char *value,
                                      void *data),
                          void *data);

#endif
