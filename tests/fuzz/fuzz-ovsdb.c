/* What Open vSwitch's database may answer, against arbitrary bytes: where a message ends, what it
 * says, and what is made of that. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bridge-name.h"
#include "xapid/host/ovs-state.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Every change that there is, of everything; each is noted in the state, too. */
static void
change_all(struct ovs_state *state)
{
    struct ovs_bridge *bridge = ovs_add_bridge(state, "xapi4000000000", "", 1500);

    for (guint i = 0; i < state->bridges->len; i++) {
        struct ovs_bridge *from = state->bridges->pdata[i];
        g_autoptr(GPtrArray) guests = ovs_bridge_guests(from, VLAN_NONE);
        for (guint j = 0; j < guests->len; j++)
            ovs_move_port(state, guests->pdata[j], bridge, 1);
        for (guint j = from->ports->len; j-- > 0;) {
            struct ovs_port *port = from->ports->pdata[j];
            g_assert_true(port->bridge == from && ovs_state_port(state, port->name) == port);
            ovs_set_mtu(state, port, 1400);
            if (port->mark == OVS_UPLINK)
                ovs_remove_port(state, port);
        }
    }
    while (state->bridges->len > 0)
        ovs_remove_bridge(state, state->bridges->pdata[0]);
    ovs_guard(state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    long length = ovsdb_message_length((const char *)bytes, size);
    struct ovsdb ovsdb = {.fd = -1, .id = 1};
    yajl_val results;

    g_assert_true(length >= -1 && length <= (long)size);
    if (length <= 0)
        return 0;
    g_autofree char *message = g_strndup((const char *)bytes, (gsize)length);
    if (ovsdb_answer_parse(&ovsdb, message, &results) != 0)
        return 0;
    struct ovs_state *state = ovs_state_new(results);
    yajl_tree_free(results);
    change_all(state);
    ovs_state_free(state);
    return 0;
}
