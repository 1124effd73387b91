/* Bonds of Open vSwitch: a port with several interfaces.  One that is there is changed as it is, so
 * that links which stay go on. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "xapid/host/ovs-plan.h"
#include "xapid/host/ovs-state-internal.h"

#define TIME "lacp-time"
#define FALLBACK "lacp-fallback-ab"
#define KEY "lacp-aggregation-key"

/* ---- what a port says ---- */

/* In words of the database: those that make one port as good as another. */
static char *
text_of(const char *mode, const char *lacp, const char *mac, const char *time, const char *fallback)
{
    return g_strjoin(" ", mode, lacp, mac, time, fallback, NULL);
}

char *
ovs_bond_of_row(yajl_val row)
{
    yajl_val config = ovsdb_column(row, "other_config");

    return text_of(ovsdb_text(ovsdb_column(row, "bond_mode")),
                   ovsdb_text(ovsdb_column(row, "lacp")), ovsdb_text(ovsdb_column(row, "mac")),
                   ovsdb_map_text(config, TIME), ovsdb_map_text(config, FALLBACK));
}

const char *
ovs_bond_key(yajl_val row)
{
    return ovsdb_map_text(ovsdb_column(row, "other_config"), KEY);
}

/* ---- what is wanted, in its words ---- */

struct words {
    const char *mode, *lacp, *time, *fallback;
    char mac[3 * NIC_MAC_LENGTH];
    char key[sizeof "1023"];
};

static struct words
words_of(const struct bond *bond)
{
    const struct bond_settings *settings = &bond->settings;
    const uint8_t *mac = bond->mac;
    bool is_lacp = settings->mode == BOND_LACP;
    struct words words = {.mode = settings->mode == BOND_ACTIVE_BACKUP ? "active-backup"
                                  : settings->mode == BOND_BALANCE_SLB || settings->by_mac
                                      ? "balance-slb"
                                      : "balance-tcp",
                          .lacp = is_lacp ? "active" : "off",
                          .time = settings->is_fast ? "fast" : "slow",
                          .fallback = settings->falls_back ? "true" : "false"};

    g_snprintf(words.mac, sizeof words.mac, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
               mac[3], mac[4], mac[5]);
    if (settings->key)
        g_snprintf(words.key, sizeof words.key, "%u", settings->key);
    return words;
}

/* The columns of a port. */
static char *
columns_of(const struct words *words)
{
    return g_strdup_printf("\"bond_mode\":\"%s\",\"lacp\":\"%s\",\"mac\":\"%s\","
                           "\"other_config\":[\"map\",[[\"" TIME "\",\"%s\"],[\"" FALLBACK
                           "\",\"%s\"]]]",
                           words->mode, words->lacp, words->mac, words->time, words->fallback);
}

static char *
key_column(const char *key)
{
    return *key ? g_strdup_printf("\"other_config\":[\"map\",[[\"" KEY "\",\"%s\"]]]", key)
                : g_strdup("\"other_config\":[\"map\",[]]");
}

/* ---- its interfaces ---- */

static void
set_key(struct ovs_state *state, struct ovs_interface *interface, const char *key)
{
    g_autofree char *column = key_column(key);

    if (g_str_equal(interface->key, key))
        return;
    ovs_operation(state,
                  "{\"op\":\"update\",\"table\":\"Interface\",\"where\":[[\"_uuid\",\"==\",%s]],"
                  "\"row\":{%s}}",
                  interface->ref, column);
    g_free(interface->key);
    interface->key = g_strdup(key);
}

/* A card that is gone for now stays in it, or comes when it is there. */
static bool
add_members(struct ovs_state *state, struct ovs_port *port, const struct bond *bond,
            const struct words *words)
{
    g_autofree char *column = key_column(words->key);
    g_autofree char *details = g_strconcat(",", column, NULL);
    bool changed = false;
    struct link link;

    for (gsize i = 0; bond->members[i]; i++) {
        struct ovs_interface *there = g_hash_table_lookup(port->interfaces, bond->members[i]);
        if (there)
            set_key(state, there, words->key);
        if (there || link_find(bond->members[i], &link) < 0)
            continue;
        ovs_note_interface(state, port, bond->members[i],
                           ovs_new_interface(state, bond->members[i], details), words->key);
        changed = true;
    }
    return changed;
}

static bool
remove_others(struct ovs_state *state, struct ovs_port *port, const struct bond *bond)
{
    GHashTableIter iter;
    gpointer name;
    bool changed = false;

    g_hash_table_iter_init(&iter, port->interfaces);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (bond_has_member(bond, name))
            continue;
        g_hash_table_remove(state->carriers, name);
        g_hash_table_iter_remove(&iter);
        changed = true;
    }
    return changed;
}

/* The set of them, as the database writes it. */
static char *
interfaces_of(const struct ovs_port *port)
{
    GString *text = g_string_new("[\"set\",[");
    GHashTableIter iter;
    gpointer interface;

    g_hash_table_iter_init(&iter, port->interfaces);
    while (g_hash_table_iter_next(&iter, NULL, &interface))
        g_string_append_printf(text, "%s%s", text->str[text->len - 1] == '[' ? "" : ",",
                               ((const struct ovs_interface *)interface)->ref);
    g_string_append(text, "]]");
    return g_string_free(text, FALSE);
}

/* ---- the whole ---- */

static void
add(struct ovs_state *state, struct ovs_bridge *bridge, const char *name, const struct bond *bond,
    const struct words *words)
{
    struct ovs_port *port = ovs_note_port(state, bridge, name);
    g_autofree char *columns = columns_of(words), *interfaces = NULL, *id = NULL;

    add_members(state, port, bond, words);
    interfaces = interfaces_of(port);
    id = ovs_new_name(state, &port->ref);
    port->mark = OVS_UPLINK;
    ovs_operation(state,
                  "{\"op\":\"insert\",\"table\":\"Port\",\"uuid-name\":\"%s\","
                  "\"row\":{\"name\":\"%s\",\"interfaces\":%s,%s,\"external_ids\":%s}}",
                  id, name, interfaces, columns, OVSDB_MARK_MAP(OVSDB_MARK_UPLINK));
    ovs_mutate_ports(state, bridge, "insert", port);
}

static void
update(struct ovs_state *state, const struct ovs_port *port, const char *columns)
{
    ovs_operation(state,
                  "{\"op\":\"update\",\"table\":\"Port\",\"where\":[[\"_uuid\",\"==\",%s]],"
                  "\"row\":{%s}}",
                  port->ref, columns);
}

static void
set_bond(struct ovs_state *state, struct ovs_bridge *bridge, const char *name,
         const struct bond *bond)
{
    const struct words words = words_of(bond);
    struct ovs_port *port = ovs_state_port(state, name);
    g_autofree char *columns = columns_of(&words);
    g_autofree char *wanted =
        text_of(words.mode, words.lacp, words.mac, words.time, words.fallback);
    bool changed;

    if (!port) {
        add(state, bridge, name, bond, &words);
        return;
    }
    changed = add_members(state, port, bond, &words);
    changed = remove_others(state, port, bond) || changed;
    if (changed) {
        g_autofree char *interfaces = interfaces_of(port);
        g_autofree char *column = g_strconcat("\"interfaces\":", interfaces, NULL);
        update(state, port, column);
    }
    if (!g_str_equal(port->bond, wanted))
        update(state, port, columns);
    g_free(port->bond);
    port->bond = g_steal_pointer(&wanted);
}

/* ---- in a plan ---- */

/* Those that are there are free, or in it.  The outcome. */
static int
look_at_members(const struct ovs_state *state, const struct ovs_port *port, const struct bond *bond,
                const char **ret_outcome)
{
    const char *outcome = BRIDGE_NO_UPLINK;

    for (gsize i = 0; bond->members[i]; i++) {
        const struct ovs_port *its = g_hash_table_lookup(state->carriers, bond->members[i]);
        bool is_free = its && its == port;
        struct link link;
        int rc = link_find(bond->members[i], &link);

        if (rc == 0 && !its && link.is_ethernet)
            rc = uplink_is_free(&link, &is_free);
        if (rc == -ENODEV)
            continue;
        if (rc < 0)
            return rc;
        outcome = BRIDGE_READY;
        if (is_free)
            continue;
        *ret_outcome = BRIDGE_UPLINK_USED;
        return 0;
    }
    *ret_outcome = outcome;
    return 0;
}

static int
prepare_members(const struct bond *bond, guint mtu)
{
    int rc = 0;

    for (gsize i = 0; bond->members[i] && rc == 0; i++) {
        struct link link;
        rc = link_find(bond->members[i], &link);
        if (rc == 0 && !uplink_is_ours(&link))
            rc = link_mark_uplink(&link);
        if (rc == 0)
            rc = link_set_up(link.name, &link, mtu);
        if (rc == -ENODEV)
            rc = 0;
    }
    return rc;
}

int
ovs_plan_bond(struct ovs_state *state, struct ovs_bridge *bridge, const struct bridge *wanted,
              const char **ret_outcome)
{
    const struct ovs_port *port = ovs_state_port(state, wanted->uplink);
    int rc;

    if (port && (port->mark != OVS_UPLINK || port->bridge != bridge)) {
        *ret_outcome = BRIDGE_UPLINK_USED;
        return 0;
    }
    rc = look_at_members(state, port, wanted->bond, ret_outcome);
    if (rc < 0 || !g_str_equal(*ret_outcome, BRIDGE_READY))
        return rc;
    rc = prepare_members(wanted->bond, wanted->mtu);
    if (rc == 0)
        set_bond(state, bridge, wanted->uplink, wanted->bond);
    return rc;
}
