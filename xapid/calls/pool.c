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
    call_return_bool(call, false);
}

static void
recover_slaves(struct call *call)
{
    call_return(call, g_variant_new_strv(NULL, 0));
}

const struct call_impl calls_pool[] = {
    {"pool.sync_database", sync_database},
    {"pool.is_slave", is_slave},
    {"pool.recover_slaves", recover_slaves},
    {NULL, NULL},
};
