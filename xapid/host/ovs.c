#include "config.h"

#include "xapid/host/ovs.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>

#include "lib/faults.h"
#include "lib/log.h"
#include "lib/port.h"
#include "xapid/host/ovs-plan.h"
#include "xapid/host/ovs-state.h"

/* ---- talking ---- */

static bool
failed(GError **error, const char *what, int rc, const char *text)
{
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-rc), "Open vSwitch: %s: %s", what,
                *text ? text : g_strerror(-rc));
    return false;
}

static bool
open_database(const struct ovs *ovs, struct ovsdb *ret_ovsdb, GError **error)
{
    int rc = ovsdb_open(ovs->socket, ret_ovsdb);

    return rc == 0 || failed(error, ovs->socket, rc, "");
}

static int
read_state(struct ovsdb *ovsdb, struct ovs_state **ret_state)
{
    yajl_val results;
    int rc = ovsdb_transact(ovsdb, ovs_state_query, &results);

    if (rc < 0)
        return rc;
    *ret_state = ovs_state_new(results);
    yajl_tree_free(results);
    return 0;
}

static int
look_again(struct ovsdb *ovsdb, struct ovs_state **state)
{
    ovs_state_free(g_steal_pointer(state));
    return read_state(ovsdb, state);
}

/* Who changed something may have ended before ovs-vswitchd followed: interfaces are what the
 * database says after that.  One that does not answer does not keep us from what is there already.
 */
static int
look(struct ovsdb *ovsdb, struct ovs_state **ret_state)
{
    struct ovs_state *state = NULL;
    int rc = read_state(ovsdb, &state);

    if (rc == 0 && state->cur_cfg < state->next_cfg) {
        rc = ovsdb_settle(ovsdb, state->next_cfg);
        if (rc == 0 || rc == -ETIME)
            rc = look_again(ovsdb, &state);
    }
    if (rc == 0)
        *ret_state = state;
    else
        ovs_state_free(state);
    return rc;
}

static int
change(struct ovsdb *ovsdb, const struct ovs_state *state, yajl_val *ret_results)
{
    g_autofree char *text = g_strconcat(OVSDB_COUNT_UP ",", state->operations->str, NULL);

    return ovsdb_transact(ovsdb, text, ret_results);
}

/* What is to be made of a state: changes of it, by ovs_plan_…; false with an error. */
typedef bool (*plan_fn)(struct ovs_state *state, void *data, GError **error);

/* 1: ports changed meanwhile. */
static int
commit(struct ovsdb *ovsdb, struct ovs_state **state, GError **error)
{
    long long next_cfg;
    yajl_val results;
    int rc;

    ovs_guard(*state);
    if (!FAULT_POINT("host.ovs.before", error))
        return -ECANCELED;
    rc = change(ovsdb, *state, &results);
    if (rc == -ETIME)
        return 1;
    if (rc < 0) {
        failed(error, "changing bridges", rc, ovsdb->text);
        return rc;
    }
    next_cfg = ovsdb_next_cfg(results, OVSDB_COUNTED);
    yajl_tree_free(results);
    if (!FAULT_POINT("host.ovs.after", error))
        return -ECANCELED;
    /* Many at once, or on a machine that is busy, may take it longer: what it has not taken yet is
     * said of each that is asked for. */
    rc = ovsdb_settle(ovsdb, next_cfg);
    if (rc == 0 || rc == -ETIME)
        rc = look_again(ovsdb, state);
    if (rc < 0)
        failed(error, "changing bridges", rc, ovsdb->text);
    return rc;
}

/* ---- interfaces that we let go ---- */

struct releasing {
    const struct ovs_state *state;
    int rc;
};

/* What still has a master is in a Linux bridge, or ovs-vswitchd has not let it go yet. */
static void
release(const struct link *link, void *data)
{
    struct releasing *releasing = data;
    int rc = 0;

    if (uplink_is_ours(link) && !link->master && !ovs_state_uplink(releasing->state, link->name))
        rc = uplink_release(link);
    if (rc < 0)
        releasing->rc = rc;
}

static bool
release_links(const struct ovs_state *state, GError **error)
{
    struct releasing releasing = {state, 0};
    int rc = link_each(release, &releasing);

    if (rc == 0)
        rc = releasing.rc;
    return rc == 0 || failed(error, "letting interfaces go", rc, "");
}

/* ---- from a plan to what is ---- */

static int
try(struct ovsdb *ovsdb, plan_fn plan, void *data, struct ovs_state **ret_state, GError **error)
{
    struct ovs_state *state = NULL;
    int rc = look(ovsdb, &state);
    bool changed;

    if (rc < 0) {
        failed(error, "looking at bridges", rc, ovsdb->text);
        return rc;
    }
    if (!plan(state, data, error))
        rc = -ECANCELED;
    changed = state->operations->len > 0;
    if (rc == 0 && changed)
        rc = commit(ovsdb, &state, error);
    if (rc == 0 && changed && !release_links(state, error))
        rc = -ECANCELED;
    if (rc == 0)
        *ret_state = state;
    else
        ovs_state_free(state);
    return rc;
}

/* Again when ports changed in between.  The state as it is then, or NULL with an error. */
static struct ovs_state *
bring_about(const struct ovs *ovs, plan_fn plan, void *data, GError **error)
{
    struct ovs_state *state = NULL;
    struct ovsdb ovsdb;
    int rc = 1;

    if (!open_database(ovs, &ovsdb, error))
        return NULL;
    for (int tries = 0; tries < OVS_TRIES && rc == 1; tries++)
        rc = try(&ovsdb, plan, data, &state, error);
    ovsdb_close(&ovsdb);
    if (rc == 1)
        failed(error, "changing bridges", -EBUSY, "ports keep changing");
    return state;
}

static bool
is_taken(const struct ovs_state *state, const struct ovs_port *port, const char *name,
         GError **error)
{
    const char *why = state->cur_cfg < state->next_cfg
                          ? "ovs-vswitchd does not answer"
                          : "ovs-vswitchd has not taken it; see its log";

    if (!port || port->is_taken)
        return true;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "Open vSwitch: bridge %s: %s: %s", name,
                port->name, *port->error ? port->error : why);
    return false;
}

/* Did ovs-vswitchd, too, make of it what the database says? */
static bool
check_taken(const struct ovs_state *state, const struct bridge *bridge, GError **error)
{
    const struct ovs_port *uplink = ovs_state_uplink(state, bridge->uplink);

    return is_taken(state, ovs_state_port(state, bridge->name), bridge->name, error) &&
           is_taken(state, *bridge->uplink ? uplink : NULL, bridge->name, error);
}

/* ---- one bridge ---- */

struct ensuring {
    const struct ovs *ovs;
    const struct bridge *bridge;
    const char *outcome;
};

static bool
plan_ensure(struct ovs_state *state, void *data, GError **error)
{
    struct ensuring *ensuring = data;

    return ovs_plan_ensure(state, ensuring->ovs->datapath, ensuring->bridge, &ensuring->outcome,
                           error);
}

static bool
ensure_ours(const struct ovs *ovs, const struct bridge *bridge, const char **ret_outcome,
            GError **error)
{
    struct ensuring ensuring = {ovs, bridge, NULL};
    struct ovs_state *state = bring_about(ovs, plan_ensure, &ensuring, error);
    bool ok = state &&
              (!g_str_equal(ensuring.outcome, BRIDGE_READY) || check_taken(state, bridge, error));

    ovs_state_free(state);
    if (ok)
        *ret_outcome = ensuring.outcome;
    return ok;
}

static bool
look_for_foreign(const struct ovs *ovs, const struct bridge *bridge, const char **ret_outcome,
                 GError **error)
{
    const struct port_network network = {bridge->name, ovs->socket};
    char text[OVSDB_TEXT_MAX];
    int rc = port_find_network(&network, text);

    if (rc < 0 && rc != -ENODEV)
        return failed(error, bridge->name, rc, text);
    *ret_outcome = rc == 0 ? BRIDGE_READY : BRIDGE_MISSING;
    return true;
}

bool
ovs_ensure(const struct ovs *ovs, const struct bridge *bridge, const char **ret_outcome,
           GError **error)
{
    bool stays;

    if (!bridge->managed)
        return look_for_foreign(ovs, bridge, ret_outcome, error);
    if (!bridge_give_way(bridge->name, &stays, error))
        return false;
    return stays ? bridge_ensure(bridge, ret_outcome, error)
                 : ensure_ours(ovs, bridge, ret_outcome, error);
}

struct removing {
    const struct ovs *ovs;
    const char *name;
    bool removed;
};

static bool
plan_remove(struct ovs_state *state, void *data, GError **error)
{
    struct removing *removing = data;

    (void)error;
    removing->removed = ovs_plan_remove(state, removing->ovs->datapath, removing->name);
    return true;
}

bool
ovs_remove(const struct ovs *ovs, const char *name, bool *ret_removed, GError **error)
{
    struct removing removing = {ovs, name, false};
    struct ovs_state *state;

    if (!bridge_remove(name, ret_removed, error))
        return false;
    if (*ret_removed)
        return true;
    state = bring_about(ovs, plan_remove, &removing, error);
    if (!state)
        return false;
    ovs_state_free(state);
    *ret_removed = removing.removed;
    return true;
}

/* ---- all of them ---- */

struct applying {
    const struct ovs *ovs;
    const struct bridge *bridges;
    gsize n;
    const char **outcomes; /* NULL: to be planned */
    const char **planned;
};

static void
note_failure(const char **outcome, GError *taken)
{
    log_warning("%s", taken->message);
    g_error_free(taken);
    *outcome = BRIDGE_FAILED;
}

static bool
plan_apply(struct ovs_state *state, void *data, GError **error)
{
    struct applying *applying = data;

    (void)error;
    ovs_plan_keep(state, applying->ovs->datapath, applying->bridges, applying->n);
    for (gsize i = 0; i < applying->n; i++) {
        const struct bridge *bridge = &applying->bridges[i];
        GError *wrong = NULL;

        applying->planned[i] = applying->outcomes[i];
        if (!applying->planned[i] &&
            !ovs_plan_ensure(state, applying->ovs->datapath, bridge, &applying->planned[i], &wrong))
            note_failure(&applying->planned[i], wrong);
    }
    return true;
}

/* Those that a Linux bridge has, or that are the administrator's; the others stay NULL. */
static void
apply_others(const struct applying *applying)
{
    for (gsize i = 0; i < applying->n; i++) {
        const struct bridge *bridge = &applying->bridges[i];
        GError *wrong = NULL;
        bool stays = false;

        applying->outcomes[i] = NULL;
        if (bridge->managed && !bridge_give_way(bridge->name, &stays, &wrong))
            note_failure(&applying->outcomes[i], wrong);
        else if (!*bridge->uplink)
            applying->outcomes[i] = BRIDGE_READY;
        else if ((stays || !bridge->managed) &&
                 !ovs_ensure(applying->ovs, bridge, &applying->outcomes[i], &wrong))
            note_failure(&applying->outcomes[i], wrong);
    }
}

bool
ovs_apply(const struct ovs *ovs, const struct bridge *bridges, gsize n, const char **outcomes,
          GError **error)
{
    g_autofree const char **planned = g_new0(const char *, n + 1);
    const struct applying applying = {ovs, bridges, n, outcomes, planned};
    struct ovs_state *state;
    bool ok;

    if (!bridges_give_way(error))
        return false;
    apply_others(&applying);
    state = bring_about(ovs, plan_apply, (void *)&applying, error);
    if (!state)
        return false;
    ok = release_links(state, error);
    for (gsize i = 0; i < n && ok; i++) {
        GError *wrong = NULL;
        bool is_planned = !outcomes[i];

        outcomes[i] = planned[i];
        if (is_planned && g_str_equal(planned[i], BRIDGE_READY) &&
            !check_taken(state, &bridges[i], &wrong))
            note_failure(&outcomes[i], wrong);
    }
    ovs_state_free(state);
    return ok;
}

/* ---- what others made ---- */

static struct ovs_state *
see(const struct ovs *ovs, GError **error)
{
    struct ovs_state *state = NULL;
    struct ovsdb ovsdb;

    if (!open_database(ovs, &ovsdb, error))
        return NULL;
    int rc = read_state(&ovsdb, &state);
    ovsdb_close(&ovsdb);
    if (rc < 0)
        failed(error, "looking at bridges", rc, ovsdb.text);
    return state;
}

GHashTable *
ovs_foreign_ports(const struct ovs *ovs, GError **error)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    struct ovs_state *state = see(ovs, error);
    GHashTableIter iter;
    gpointer name, port;

    if (!state) {
        g_hash_table_unref(names);
        return NULL;
    }
    g_hash_table_iter_init(&iter, state->carriers);
    while (g_hash_table_iter_next(&iter, &name, &port)) {
        const struct ovs_bridge *bridge = ((struct ovs_port *)port)->bridge;
        if (bridge && !bridge->is_ours)
            g_hash_table_insert(names, g_strdup(name), g_strdup(bridge->name));
    }
    ovs_state_free(state);
    return names;
}
