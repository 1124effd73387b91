/* A client of Open vSwitch's database: JSON-RPC on its unix socket (RFC 7047), a connection for
 * each piece of work, in which one answer is waited for at a time.
 *
 * Calls block, for no longer than the connection may take in all.  Results are 0 or a negative
 * errno; `text` of the connection then says what went wrong.  Any thread, one at a time for each
 * connection.  No GLib: a program that libxl starts for each network card has this, too.
 *
 * Whoever writes operations has checked the names in them (lib/bridge-name.h), so that they need no
 * quoting, and has uuids from ovsdb_uuid () alone. */
#ifndef XAPID_LIB_OVSDB_H
#define XAPID_LIB_OVSDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yajl/yajl_tree.h>

#define OVSDB_SOCKET "/run/openvswitch/db.sock"
#define OVSDB_MS 7000                         /* of a connection in all */
#define OVSDB_SETTLE_MS 3000                  /* of that, for ovs-vswitchd to follow; twice */
#define OVSDB_ANSWER_MAX (32u * 1024 * 1024)  /* bytes */
#define OVSDB_REQUEST_MAX (32u * 1024 * 1024) /* bytes */
#define OVSDB_DEPTH_MAX 32                    /* of arrays and objects in each other */
#define OVSDB_TEXT_MAX 256                    /* bytes with the NUL; what is longer is cut */
#define OVSDB_UUID_LENGTH 36

/* external_ids of what we made have this key. */
#define OVSDB_MARK "xapid"
/* ... with one of these: a bridge that is a network, what leads one out of the host, a VLAN's
 * network on the bridge of its card (a fake bridge), a guest's card. */
#define OVSDB_MARK_NETWORK "network"
#define OVSDB_MARK_UPLINK "uplink"
#define OVSDB_MARK_VLAN "vlan"
#define OVSDB_MARK_GUEST "guest"
#define OVSDB_MARK_MAP(mark) "[\"map\",[[\"" OVSDB_MARK "\",\"" mark "\"]]]"

/* Of a transaction that changes something, as its first two operations: ovs-vswitchd says which
 * next_cfg it has followed. */
#define OVSDB_COUNT_UP                                                                             \
    "{\"op\":\"mutate\",\"table\":\"Open_vSwitch\",\"where\":[],"                                  \
    "\"mutations\":[[\"next_cfg\",\"+=\",1]]},"                                                    \
    "{\"op\":\"select\",\"table\":\"Open_vSwitch\",\"where\":[],\"columns\":[\"next_cfg\"]}"
#define OVSDB_COUNTED 1 /* place of the answer to the second */

struct ovsdb {
    int fd;
    int64_t deadline; /* ms of the monotonic clock */
    int id;           /* of the last request */
    char text[OVSDB_TEXT_MAX];
};

/* 0, or a negative errno and nothing to close. */
int ovsdb_open(const char *socket, struct ovsdb *ret_ovsdb);
void ovsdb_close(struct ovsdb *ovsdb);

/* Does the operations ("{...},{...}"), all of them or none.  *ret_results: an array with the
 * answer to each, to be freed by yajl_tree_free ().  -EREMOTEIO: the server refused them; -ETIME: a
 * "wait" among them was in vain. */
int ovsdb_transact(struct ovsdb *ovsdb, const char *operations, yajl_val *ret_results);
/* Waits for ovs-vswitchd to follow the database up to that next_cfg.  -ETIME: it did not. */
int ovsdb_settle(struct ovsdb *ovsdb, long long next_cfg);

/* ---- what answers have; each takes whatever there is, NULL too ---- */

/* Rows of the select at that place, and one of them; 0 and NULL when there is none. */
size_t ovsdb_rows(yajl_val results, size_t place);
yajl_val ovsdb_row(yajl_val results, size_t place, size_t row);
/* "count" of a mutate; -1: none. */
long long ovsdb_count(yajl_val results, size_t place);
yajl_val ovsdb_column(yajl_val row, const char *name);
/* Of a select from Open_vSwitch at that place; 0. */
long long ovsdb_next_cfg(yajl_val results, size_t place);
/* "" when it is no text. */
const char *ovsdb_text(yajl_val value);
bool ovsdb_true(yajl_val value);
/* `none` when it is no whole number, or an empty set. */
long long ovsdb_number(yajl_val value, long long none);
/* A checked one, or NULL. */
const char *ovsdb_uuid(yajl_val value);
/* A set of one is that one alone. */
size_t ovsdb_set_size(yajl_val set);
yajl_val ovsdb_set_at(yajl_val set, size_t i);
/* Text of a map's key; "". */
const char *ovsdb_map_text(yajl_val map, const char *key);

/* ---- for the fuzzer ---- */

/* How many bytes the first message in these has; 0: it has not ended yet; -1: it is none. */
long ovsdb_message_length(const char *bytes, size_t size);
/* A message of the server as the answer to a request: 1 it is another one; else as
 * ovsdb_transact (). */
int ovsdb_answer_parse(struct ovsdb *ovsdb, const char *message, yajl_val *ret_results);

#endif
