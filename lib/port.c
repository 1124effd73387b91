#include "config.h"

#include "lib/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bridge-name.h"

#define OPERATIONS_MAX 4096 /* bytes; ours are shorter */

/* Places of the answers to look (). */
enum look { LOOK_BRIDGE, LOOK_PORT, LOOK_CARD };

/* ---- Open vSwitch ---- */

/* The network: a port of its name, which a bridge has for itself, and a VLAN for its own. */
struct place {
    char port[OVSDB_UUID_LENGTH + 1];
    long long tag;                    /* VLAN_NONE: none */
    char card[OVSDB_UUID_LENGTH + 1]; /* the port that the card has already; "": none */
};

static int
look(struct ovsdb *ovsdb, const char *bridge, const char *card, yajl_val *ret_results)
{
    char operations[OPERATIONS_MAX];

    snprintf(operations, sizeof operations,
             "{\"op\":\"select\",\"table\":\"Bridge\",\"where\":[[\"name\",\"==\",\"%s\"]],"
             "\"columns\":[\"_uuid\"]},"
             "{\"op\":\"select\",\"table\":\"Port\",\"where\":[[\"name\",\"==\",\"%s\"]],"
             "\"columns\":[\"_uuid\",\"tag\",\"fake_bridge\"]},"
             "{\"op\":\"select\",\"table\":\"Port\",\"where\":[[\"name\",\"==\",\"%s\"]],"
             "\"columns\":[\"_uuid\",\"external_ids\"]}",
             bridge, bridge, card);
    return ovsdb_transact(ovsdb, operations, ret_results);
}

static int
read_card(yajl_val results, struct place *place)
{
    yajl_val row = ovsdb_row(results, LOOK_CARD, 0);
    const char *uuid = ovsdb_uuid(ovsdb_column(row, "_uuid"));

    if (row && (!uuid || strcmp(ovsdb_map_text(ovsdb_column(row, "external_ids"), OVSDB_MARK),
                                OVSDB_MARK_GUEST) != 0))
        return -EEXIST; /* somebody else's */
    snprintf(place->card, sizeof place->card, "%s", uuid ? uuid : "");
    return 0;
}

static int
read_place(yajl_val results, struct place *ret_place)
{
    yajl_val row = ovsdb_row(results, LOOK_PORT, 0);
    const char *uuid = ovsdb_uuid(ovsdb_column(row, "_uuid"));
    bool is_vlan = ovsdb_true(ovsdb_column(row, "fake_bridge"));

    if (!uuid || (!is_vlan && ovsdb_rows(results, LOOK_BRIDGE) == 0))
        return -ENODEV;
    snprintf(ret_place->port, sizeof ret_place->port, "%s", uuid);
    ret_place->tag = is_vlan ? ovsdb_number(ovsdb_column(row, "tag"), VLAN_NONE) : VLAN_NONE;
    return read_card(results, ret_place);
}

/* Out of whichever bridge it is in; the row of a port that no bridge has goes. */
static int
write_removal(char *text, size_t room, const char *card)
{
    return snprintf(text, room,
                    ",{\"op\":\"mutate\",\"table\":\"Bridge\","
                    "\"where\":[[\"ports\",\"includes\",[\"uuid\",\"%s\"]]],"
                    "\"mutations\":[[\"ports\",\"delete\",[\"uuid\",\"%s\"]]]}",
                    card, card);
}

/* Puts it in, as long as the network is what it was.  The last operation says whether it had a
 * bridge. */
static void
write_join(char text[OPERATIONS_MAX], const char *name, const struct place *place)
{
    char tag[48] = "", guard[96] = "[\"set\",[]]";
    int n = snprintf(text, OPERATIONS_MAX, "%s", OVSDB_COUNT_UP);

    if (place->tag != VLAN_NONE) {
        snprintf(tag, sizeof tag, ",\"tag\":%lld", place->tag);
        snprintf(guard, sizeof guard, "%lld", place->tag);
    }
    if (*place->card)
        n += write_removal(text + n, OPERATIONS_MAX - (size_t)n, place->card);
    snprintf(text + n, OPERATIONS_MAX - (size_t)n,
             ",{\"op\":\"wait\",\"timeout\":0,\"table\":\"Port\","
             "\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"%s\"]]],\"columns\":[\"tag\"],"
             "\"until\":\"==\",\"rows\":[{\"tag\":%s}]},"
             "{\"op\":\"insert\",\"table\":\"Interface\",\"uuid-name\":\"i\","
             "\"row\":{\"name\":\"%s\"}},"
             "{\"op\":\"insert\",\"table\":\"Port\",\"uuid-name\":\"p\",\"row\":{\"name\":\"%s\","
             "\"interfaces\":[\"named-uuid\",\"i\"]%s,"
             "\"external_ids\":" OVSDB_MARK_MAP(
                 OVSDB_MARK_GUEST) "}},"
                                   "{\"op\":\"mutate\",\"table\":\"Bridge\","
                                   "\"where\":[[\"ports\",\"includes\",[\"uuid\",\"%s\"]]],"
                                   "\"mutations\":[[\"ports\",\"insert\",[\"named-uuid\",\"p\"]]]}",
             place->port, guard, name, name, tag, place->port);
}

/* ovs-vswitchd's own word about the interface: -EIO when it could not take it. */
static int
check_taken(struct ovsdb *ovsdb, const char *name)
{
    char operations[OPERATIONS_MAX];
    yajl_val results;
    int rc;

    snprintf(operations, sizeof operations,
             "{\"op\":\"select\",\"table\":\"Interface\",\"where\":[[\"name\",\"==\",\"%s\"]],"
             "\"columns\":[\"error\"]}",
             name);
    rc = ovsdb_transact(ovsdb, operations, &results);
    if (rc < 0)
        return rc;
    const char *error = ovsdb_text(ovsdb_column(ovsdb_row(results, 0, 0), "error"));
    if (*error) {
        snprintf(ovsdb->text, sizeof ovsdb->text, "%s", error);
        rc = -EIO;
    }
    yajl_tree_free(results);
    return rc;
}

/* -ETIME: the network became something else. */
static int
try_join(struct ovsdb *ovsdb, const char *name, const char *bridge)
{
    char operations[OPERATIONS_MAX];
    struct place place;
    yajl_val results;
    int rc = look(ovsdb, bridge, name, &results);

    if (rc < 0)
        return rc;
    rc = read_place(results, &place);
    yajl_tree_free(results);
    if (rc < 0)
        return rc;
    write_join(operations, name, &place);
    rc = ovsdb_transact(ovsdb, operations, &results);
    if (rc < 0)
        return rc;
    rc = ovsdb_settle(ovsdb, ovsdb_next_cfg(results, OVSDB_COUNTED));
    yajl_tree_free(results);
    return rc == -ETIME ? 0 : rc < 0 ? rc : check_taken(ovsdb, name);
}

static int
join_switch(struct ovsdb *ovsdb, const char *name, const char *bridge)
{
    int rc = -ETIME;

    for (int tries = 0; tries < PORT_TRIES && rc == -ETIME; tries++)
        rc = try_join(ovsdb, name, bridge);
    return rc;
}

static int
leave_switch(struct ovsdb *ovsdb, const char *name)
{
    char operations[OPERATIONS_MAX];
    struct place place;
    yajl_val results;
    int rc = look(ovsdb, name, name, &results), n;

    if (rc < 0)
        return rc;
    rc = read_card(results, &place);
    yajl_tree_free(results);
    if (rc < 0 || !*place.card)
        return rc == -EEXIST ? 0 : rc;
    n = snprintf(operations, sizeof operations, "%s", OVSDB_COUNT_UP);
    write_removal(operations + n, sizeof operations - (size_t)n, place.card);
    rc = ovsdb_transact(ovsdb, operations, &results);
    if (rc < 0)
        return rc;
    rc = ovsdb_settle(ovsdb, ovsdb_next_cfg(results, OVSDB_COUNTED));
    yajl_tree_free(results);
    return rc == -ETIME ? 0 : rc;
}

/* 1: there is no Open vSwitch. */
static int
open_switch(const char *socket, struct ovsdb *ret_ovsdb, char text[OVSDB_TEXT_MAX])
{
    int rc = ovsdb_open(socket, ret_ovsdb);

    *text = '\0';
    if (rc == -ENOENT)
        return 1;
    if (rc < 0)
        snprintf(text, OVSDB_TEXT_MAX, "ovsdb-server: %s", strerror(-rc));
    return rc;
}

static int
close_switch(struct ovsdb *ovsdb, int rc, char text[OVSDB_TEXT_MAX])
{
    snprintf(text, OVSDB_TEXT_MAX, "%s", ovsdb->text);
    ovsdb_close(ovsdb);
    return rc;
}

/* ---- both ---- */

/* 1: it is no Linux bridge. */
static int
find_bridge(const char *name, struct link *ret_bridge)
{
    int rc = link_find(name, ret_bridge);

    return rc == -ENODEV || (rc == 0 && !ret_bridge->is_bridge) ? 1 : rc;
}

int
port_find_network(const struct port_network *network, char text[OVSDB_TEXT_MAX])
{
    struct link bridge;
    struct ovsdb ovsdb;
    struct place place;
    yajl_val results;
    int rc = find_bridge(network->bridge, &bridge);

    *text = '\0';
    if (rc <= 0)
        return rc;
    rc = open_switch(network->ovsdb, &ovsdb, text);
    if (rc != 0)
        return rc < 0 ? rc : -ENODEV;
    rc = look(&ovsdb, network->bridge, network->bridge, &results);
    if (rc == 0) {
        rc = read_place(results, &place) == -ENODEV ? -ENODEV : 0;
        yajl_tree_free(results);
    }
    return close_switch(&ovsdb, rc, text);
}

int
port_join(const struct link *link, const struct port_network *network, char text[OVSDB_TEXT_MAX])
{
    struct link bridge;
    struct ovsdb ovsdb;
    int rc = link_name_is_plain(link->name) ? find_bridge(network->bridge, &bridge) : -EINVAL;

    *text = '\0';
    if (rc < 0)
        return rc;
    if (rc == 0) {
        rc = link->is_switched ? port_leave(link->name, network->ovsdb, text) : 0;
        return rc < 0 ? rc : link_join(link, &bridge);
    }
    rc = link->master && !link->is_switched ? link_leave(link) : 0;
    if (rc < 0)
        return rc;
    rc = open_switch(network->ovsdb, &ovsdb, text);
    if (rc != 0)
        return rc < 0 ? rc : -ENODEV;
    return close_switch(&ovsdb, join_switch(&ovsdb, link->name, network->bridge), text);
}

int
port_leave(const char *name, const char *socket, char text[OVSDB_TEXT_MAX])
{
    struct ovsdb ovsdb;
    struct link link;
    int rc = link_name_is_plain(name) ? link_find(name, &link) : -EINVAL;

    *text = '\0';
    if (rc == 0 && link.master && !link.is_switched)
        rc = link_leave(&link);
    if (rc < 0 && rc != -ENODEV)
        return rc;
    rc = open_switch(socket, &ovsdb, text);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    return close_switch(&ovsdb, leave_switch(&ovsdb, name), text);
}
