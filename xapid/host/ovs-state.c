#include "config.h"

#include "xapid/host/ovs-state-internal.h"

#include <string.h>

#include "lib/bridge-name.h"

/* ---- reading ---- */

enum query { QUERY_BRIDGES, QUERY_PORTS, QUERY_INTERFACES, QUERY_CONFIGURATION };

#define SELECT(table, columns)                                                                     \
    "{\"op\":\"select\",\"table\":\"" table "\",\"where\":[],\"columns\":[" columns "]}"

/* clang-format off */
const char ovs_state_query[] =
    SELECT("Bridge", "\"_uuid\",\"name\",\"ports\",\"external_ids\"") ","
    SELECT("Port", "\"_uuid\",\"name\",\"interfaces\",\"tag\",\"fake_bridge\",\"external_ids\","
                   "\"bond_mode\",\"lacp\",\"mac\",\"other_config\"") ","
    SELECT("Interface", "\"_uuid\",\"name\",\"mtu_request\",\"ofport\",\"error\",\"other_config\"") ","
    SELECT("Open_vSwitch", "\"next_cfg\",\"cur_cfg\"");
/* clang-format on */

static void
bridge_free(gpointer data)
{
    struct ovs_bridge *bridge = data;

    g_ptr_array_unref(bridge->ports);
    g_free(bridge->name);
    g_free(bridge->ref);
    g_free(bridge);
}

static void
interface_free(gpointer data)
{
    struct ovs_interface *interface = data;

    g_free(interface->ref);
    g_free(interface->key);
    g_free(interface);
}

static void
port_free(gpointer data)
{
    struct ovs_port *port = data;

    g_free(port->name);
    g_free(port->ref);
    g_free(port->interface_ref);
    g_free(port->error);
    g_free(port->bond);
    g_hash_table_unref(port->interfaces);
    g_free(port);
}

static char *
ref_of(const char *uuid)
{
    return g_strdup_printf("[\"uuid\",\"%s\"]", uuid);
}

static enum ovs_mark
mark_of(yajl_val row)
{
    static const char *const marks[] = {[OVS_FOREIGN] = "",
                                        [OVS_NETWORK] = OVSDB_MARK_NETWORK,
                                        [OVS_UPLINK] = OVSDB_MARK_UPLINK,
                                        [OVS_VLAN] = OVSDB_MARK_VLAN,
                                        [OVS_GUEST] = OVSDB_MARK_GUEST};
    const char *text = ovsdb_map_text(ovsdb_column(row, "external_ids"), OVSDB_MARK);

    for (gsize i = 0; i < G_N_ELEMENTS(marks); i++)
        if (g_str_equal(marks[i], text))
            return (enum ovs_mark)i;
    return OVS_FOREIGN;
}

static struct ovs_port *
port_new(const char *name)
{
    struct ovs_port *port = g_new0(struct ovs_port, 1);

    port->name = g_strdup(name);
    port->tag = VLAN_NONE;
    port->error = g_strdup("");
    port->interfaces = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, interface_free);
    return port;
}

void
ovs_note_interface(struct ovs_state *state, struct ovs_port *port, const char *name, char *ref,
                   const char *key)
{
    struct ovs_interface *interface = g_new(struct ovs_interface, 1);

    *interface = (struct ovs_interface){ref, g_strdup(key)};
    g_hash_table_replace(port->interfaces, g_strdup(name), interface);
    g_hash_table_replace(state->carriers, g_strdup(name), port);
}

/* What a port has of its first interface, and the names of them all. */
static void
read_interfaces(struct ovs_state *state, struct ovs_port *port, yajl_val set, GHashTable *rows)
{
    for (gsize i = 0; i < ovsdb_set_size(set); i++) {
        const char *uuid = ovsdb_uuid(ovsdb_set_at(set, i));
        yajl_val row = uuid ? g_hash_table_lookup(rows, uuid) : NULL;

        if (!row)
            continue;
        ovs_note_interface(state, port, ovsdb_text(ovsdb_column(row, "name")), ref_of(uuid),
                           ovs_bond_key(row));
        port->is_taken = port->is_taken || ovsdb_number(ovsdb_column(row, "ofport"), -1) >= 0;
        if (port->interface_ref)
            continue;
        port->interface_ref = ref_of(uuid);
        port->mtu = (guint)CLAMP(ovsdb_number(ovsdb_column(row, "mtu_request"), 0), 0, G_MAXINT);
        g_free(port->error);
        port->error = g_strdup(ovsdb_text(ovsdb_column(row, "error")));
    }
}

static struct ovs_port *
read_port(struct ovs_state *state, const char *uuid, yajl_val row, GHashTable *interfaces)
{
    struct ovs_port *port = port_new(ovsdb_text(ovsdb_column(row, "name")));
    long long tag = ovsdb_number(ovsdb_column(row, "tag"), VLAN_NONE);

    port->bond = ovs_bond_of_row(row);
    port->ref = ref_of(uuid);
    port->mark = mark_of(row);
    port->tag = tag >= 0 && tag <= VLAN_TAG_MAX ? (int)tag : VLAN_NONE;
    port->is_fake = ovsdb_true(ovsdb_column(row, "fake_bridge"));
    read_interfaces(state, port, ovsdb_column(row, "interfaces"), interfaces);
    return port;
}

static void
read_bridge(struct ovs_state *state, const char *uuid, yajl_val row, GHashTable *ports)
{
    struct ovs_bridge *bridge = g_new0(struct ovs_bridge, 1);
    yajl_val set = ovsdb_column(row, "ports");

    bridge->name = g_strdup(ovsdb_text(ovsdb_column(row, "name")));
    bridge->ref = ref_of(uuid);
    bridge->is_ours = mark_of(row) == OVS_NETWORK;
    bridge->ports = g_ptr_array_new();
    g_ptr_array_add(state->bridges, bridge);
    for (gsize i = 0; i < ovsdb_set_size(set); i++) {
        const char *its = ovsdb_uuid(ovsdb_set_at(set, i));
        struct ovs_port *port = its ? g_hash_table_lookup(ports, its) : NULL;

        if (!port || port->bridge)
            continue;
        port->bridge = bridge;
        g_ptr_array_add(bridge->ports, port);
    }
}

struct ovs_state *
ovs_state_new(yajl_val results)
{
    struct ovs_state *state = g_new0(struct ovs_state, 1);
    g_autoptr(GHashTable) interfaces = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) ports = g_hash_table_new(g_str_hash, g_str_equal);

    state->bridges = g_ptr_array_new_with_free_func(bridge_free);
    state->ports = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, port_free);
    state->carriers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    state->operations = g_string_new("");
    state->next_cfg = ovsdb_next_cfg(results, QUERY_CONFIGURATION);
    state->cur_cfg = ovsdb_number(
        ovsdb_column(ovsdb_row(results, QUERY_CONFIGURATION, 0), "cur_cfg"), state->next_cfg);
    for (gsize i = 0; i < ovsdb_rows(results, QUERY_INTERFACES); i++) {
        yajl_val row = ovsdb_row(results, QUERY_INTERFACES, i);
        const char *uuid = ovsdb_uuid(ovsdb_column(row, "_uuid"));
        if (uuid)
            g_hash_table_insert(interfaces, (gpointer)uuid, row);
    }
    for (gsize i = 0; i < ovsdb_rows(results, QUERY_PORTS); i++) {
        yajl_val row = ovsdb_row(results, QUERY_PORTS, i);
        const char *uuid = ovsdb_uuid(ovsdb_column(row, "_uuid"));
        /* The database has each name once; one that does not is not believed. */
        if (!uuid || ovs_state_port(state, ovsdb_text(ovsdb_column(row, "name"))))
            continue;
        struct ovs_port *port = read_port(state, uuid, row, interfaces);
        g_hash_table_insert(state->ports, port->name, port);
        g_hash_table_insert(ports, (gpointer)uuid, port);
    }
    for (gsize i = 0; i < ovsdb_rows(results, QUERY_BRIDGES); i++) {
        yajl_val row = ovsdb_row(results, QUERY_BRIDGES, i);
        const char *uuid = ovsdb_uuid(ovsdb_column(row, "_uuid"));
        if (uuid && !ovs_state_bridge(state, ovsdb_text(ovsdb_column(row, "name"))))
            read_bridge(state, uuid, row, ports);
    }
    return state;
}

void
ovs_state_free(struct ovs_state *state)
{
    if (!state)
        return;
    g_ptr_array_unref(state->bridges);
    g_hash_table_unref(state->carriers);
    g_hash_table_unref(state->ports);
    g_string_free(state->operations, TRUE);
    g_free(state);
}

/* ---- looking ---- */

struct ovs_bridge *
ovs_state_bridge(const struct ovs_state *state, const char *name)
{
    for (guint i = 0; i < state->bridges->len; i++) {
        struct ovs_bridge *bridge = state->bridges->pdata[i];
        if (g_str_equal(bridge->name, name))
            return bridge;
    }
    return NULL;
}

struct ovs_port *
ovs_state_port(const struct ovs_state *state, const char *name)
{
    return g_hash_table_lookup(state->ports, name);
}

struct ovs_port *
ovs_state_uplink(const struct ovs_state *state, const char *interface)
{
    struct ovs_port *port = g_hash_table_lookup(state->carriers, interface);

    if (!port)
        port = ovs_state_port(state, interface);
    return port && port->mark == OVS_UPLINK && port->bridge && port->bridge->is_ours ? port : NULL;
}

struct ovs_port *
ovs_bridge_vlan(const struct ovs_bridge *bridge, int tag)
{
    for (guint i = 0; i < bridge->ports->len; i++) {
        struct ovs_port *port = bridge->ports->pdata[i];
        if (port->is_fake && port->tag == tag)
            return port;
    }
    return NULL;
}

GPtrArray *
ovs_bridge_guests(const struct ovs_bridge *bridge, int tag)
{
    GPtrArray *guests = g_ptr_array_new();

    for (guint i = 0; i < bridge->ports->len; i++) {
        struct ovs_port *port = bridge->ports->pdata[i];
        if (port->mark == OVS_GUEST && port->tag == tag)
            g_ptr_array_add(guests, port);
    }
    return guests;
}

/* ---- changing ---- */

void
ovs_operation(struct ovs_state *state, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (state->operations->len > 0)
        g_string_append_c(state->operations, ',');
    g_string_append_vprintf(state->operations, format, args);
    va_end(args);
}

char *
ovs_new_name(struct ovs_state *state, char **ret_ref)
{
    char *name = g_strdup_printf("n%u", state->n_named++);

    *ret_ref = g_strdup_printf("[\"named-uuid\",\"%s\"]", name);
    return name;
}

char *
ovs_new_interface(struct ovs_state *state, const char *name, const char *details)
{
    char *ref;
    g_autofree char *id = ovs_new_name(state, &ref);

    ovs_operation(state,
                  "{\"op\":\"insert\",\"table\":\"Interface\",\"uuid-name\":\"%s\","
                  "\"row\":{\"name\":\"%s\"%s}}",
                  id, name, details);
    return ref;
}

struct ovs_port *
ovs_note_port(struct ovs_state *state, struct ovs_bridge *bridge, const char *name)
{
    struct ovs_port *port = port_new(name);

    port->bridge = bridge;
    port->bond = g_strdup("");
    g_hash_table_replace(state->ports, port->name, port);
    g_ptr_array_add(bridge->ports, port);
    return port;
}

/* The row of a port with one interface; details as above.  Borrowed. */
static struct ovs_port *
add_port(struct ovs_state *state, struct ovs_bridge *bridge, const char *name, const char *details,
         const char *interface_details)
{
    struct ovs_port *port = ovs_note_port(state, bridge, name);
    g_autofree char *id = NULL;

    port->interface_ref = ovs_new_interface(state, name, interface_details);
    ovs_note_interface(state, port, name, g_strdup(port->interface_ref), "");
    id = ovs_new_name(state, &port->ref);
    ovs_operation(state,
                  "{\"op\":\"insert\",\"table\":\"Port\",\"uuid-name\":\"%s\","
                  "\"row\":{\"name\":\"%s\",\"interfaces\":%s%s}}",
                  id, name, port->interface_ref, details);
    return port;
}

void
ovs_mutate_ports(struct ovs_state *state, const struct ovs_bridge *bridge, const char *verb,
                 const struct ovs_port *port)
{
    ovs_operation(state,
                  "{\"op\":\"mutate\",\"table\":\"Bridge\",\"where\":[[\"_uuid\",\"==\",%s]],"
                  "\"mutations\":[[\"ports\",\"%s\",%s]]}",
                  bridge->ref, verb, port->ref);
}

static void
mutate_bridges(struct ovs_state *state, const char *verb, const struct ovs_bridge *bridge)
{
    ovs_operation(state,
                  "{\"op\":\"mutate\",\"table\":\"Open_vSwitch\",\"where\":[],"
                  "\"mutations\":[[\"bridges\",\"%s\",%s]]}",
                  verb, bridge->ref);
}

static char *
internal_details(guint mtu)
{
    return g_strdup_printf(",\"type\":\"internal\",\"mtu_request\":%u", mtu);
}

struct ovs_bridge *
ovs_add_bridge(struct ovs_state *state, const char *name, const char *datapath, guint mtu)
{
    struct ovs_bridge *bridge = g_new0(struct ovs_bridge, 1);
    g_autofree char *details = internal_details(mtu), *id = NULL;
    struct ovs_port *own;

    bridge->name = g_strdup(name);
    bridge->is_ours = true;
    bridge->ports = g_ptr_array_new();
    own = add_port(state, bridge, name, "", details);
    own->mtu = mtu;
    id = ovs_new_name(state, &bridge->ref);
    ovs_operation(state,
                  "{\"op\":\"insert\",\"table\":\"Bridge\",\"uuid-name\":\"%s\","
                  "\"row\":{\"name\":\"%s\",\"ports\":%s,\"datapath_type\":\"%s\","
                  "\"fail_mode\":\"standalone\",\"external_ids\":%s}}",
                  id, name, own->ref, datapath, OVSDB_MARK_MAP(OVSDB_MARK_NETWORK));
    mutate_bridges(state, "insert", bridge);
    g_ptr_array_add(state->bridges, bridge);
    return bridge;
}

static void
forget_port(struct ovs_state *state, struct ovs_port *port)
{
    GHashTableIter iter;
    gpointer carrier;

    g_hash_table_iter_init(&iter, state->carriers);
    while (g_hash_table_iter_next(&iter, NULL, &carrier))
        if (carrier == port)
            g_hash_table_iter_remove(&iter);
    g_hash_table_remove(state->ports, port->name);
}

/* Its ports are those that the state has: it goes before anything else can be in it. */
static void
guard_ports(struct ovs_state *state, const struct ovs_bridge *bridge)
{
    g_autoptr(GPtrArray) refs = g_ptr_array_new();

    for (guint i = 0; i < bridge->ports->len; i++)
        g_ptr_array_add(refs, ((struct ovs_port *)bridge->ports->pdata[i])->ref);
    g_ptr_array_add(refs, NULL);
    g_autofree char *text = g_strjoinv(",", (char **)refs->pdata);
    ovs_operation(state,
                  "{\"op\":\"wait\",\"timeout\":0,\"table\":\"Bridge\","
                  "\"where\":[[\"_uuid\",\"==\",%s]],\"columns\":[\"ports\"],\"until\":\"==\","
                  "\"rows\":[{\"ports\":[\"set\",[%s]]}]}",
                  bridge->ref, text);
}

void
ovs_guard(struct ovs_state *state)
{
    for (guint i = 0; i < state->bridges->len; i++) {
        const struct ovs_bridge *bridge = state->bridges->pdata[i];
        if (bridge->is_guarded)
            guard_ports(state, bridge);
    }
}

void
ovs_remove_bridge(struct ovs_state *state, struct ovs_bridge *bridge)
{
    guard_ports(state, bridge);
    mutate_bridges(state, "delete", bridge);
    for (guint i = 0; i < bridge->ports->len; i++)
        forget_port(state, bridge->ports->pdata[i]);
    g_ptr_array_remove(state->bridges, bridge);
}

void
ovs_add_uplink(struct ovs_state *state, struct ovs_bridge *bridge, const char *interface)
{
    struct ovs_port *port = add_port(state, bridge, interface,
                                     ",\"external_ids\":" OVSDB_MARK_MAP(OVSDB_MARK_UPLINK), "");

    port->mark = OVS_UPLINK;
    ovs_mutate_ports(state, bridge, "insert", port);
}

void
ovs_add_vlan(struct ovs_state *state, struct ovs_bridge *bridge, const char *name, int tag,
             guint mtu)
{
    g_autofree char *interface = internal_details(mtu);
    g_autofree char *details =
        g_strdup_printf(",\"tag\":%d,\"fake_bridge\":true,\"external_ids\":%s", tag,
                        OVSDB_MARK_MAP(OVSDB_MARK_VLAN));
    struct ovs_port *port = add_port(state, bridge, name, details, interface);

    port->mark = OVS_VLAN;
    port->tag = tag;
    port->is_fake = true;
    port->mtu = mtu;
    ovs_mutate_ports(state, bridge, "insert", port);
}

void
ovs_remove_port(struct ovs_state *state, struct ovs_port *port)
{
    ovs_mutate_ports(state, port->bridge, "delete", port);
    port->bridge->is_guarded = true;
    g_ptr_array_remove(port->bridge->ports, port);
    forget_port(state, port);
}

void
ovs_move_port(struct ovs_state *state, struct ovs_port *port, struct ovs_bridge *bridge, int tag)
{
    g_autofree char *text =
        tag == VLAN_NONE ? g_strdup("[\"set\",[]]") : g_strdup_printf("%d", tag);

    if (port->bridge != bridge) {
        ovs_mutate_ports(state, port->bridge, "delete", port);
        ovs_mutate_ports(state, bridge, "insert", port);
        port->bridge->is_guarded = true;
        g_ptr_array_remove(port->bridge->ports, port);
        g_ptr_array_add(bridge->ports, port);
        port->bridge = bridge;
    }
    ovs_operation(state,
                  "{\"op\":\"update\",\"table\":\"Port\",\"where\":[[\"_uuid\",\"==\",%s]],"
                  "\"row\":{\"tag\":%s}}",
                  port->ref, text);
    port->tag = tag;
}

void
ovs_set_mtu(struct ovs_state *state, struct ovs_port *port, guint mtu)
{
    if (port->mtu == mtu || !port->interface_ref)
        return;
    ovs_operation(state,
                  "{\"op\":\"update\",\"table\":\"Interface\",\"where\":[[\"_uuid\",\"==\",%s]],"
                  "\"row\":{\"mtu_request\":%u}}",
                  port->interface_ref, mtu);
    port->mtu = mtu;
}
