/* Class pool, as far as a pool of one goes. */
#include "config.h"

#include "xapid/calls/call.h"

/* Every change is on disk before it is answered: there is nothing left to write. */
static void
sync_database(struct call *call)
{
    call_return(call, NULL);
}

static void
is_slave(struct call *call)
{
    g_autofree char *master = model_get_string(call->api->model, call->api->pool, "master");

    call_return_bool(call, !g_str_equal(master, call_ref(call, 0)));
}

/* No host speaks what it would disable. */
static void
disable_ssl_legacy(struct call *call)
{
    call_return(call, NULL);
}

const struct call_impl calls_pool[] = {
    {"pool.sync_database", sync_database},
    {"pool.is_slave", is_slave},
    {"pool.disable_ssl_legacy", disable_ssl_legacy},
    {NULL, NULL},
};
