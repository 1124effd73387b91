/* Programs of others that XAPI runs by name: plugins and extensions in the control domain, and what
 * guests' agents offer.  xapid runs none and says of each that it is not there, as XAPI does of one
 * that is not installed. */
#include "config.h"

#include "xapid/calls/call.h"

/* (host or VM, plugin, fn, args) */
static void
call_plugin(struct call *call)
{
    call_fail_code(call, "XENAPI_MISSING_PLUGIN", call_string(call, 1), NULL);
}

static void
has_extension(struct call *call)
{
    call_return_bool(call, false);
}

/* (host, call): as for any other name of a message that nobody knows. */
static void
call_extension(struct call *call)
{
    call_fail_code(call, "MESSAGE_METHOD_UNKNOWN", call_string(call, 1), NULL);
}

static void
query_services(struct call *call)
{
    g_autoptr(GVariant) none = dm_type_empty(call->message->result);

    call_return(call, none);
}

/* (host, url, options): made by a program of XenServer's. */
static void
bugreport_upload(struct call *call)
{
    call_fail_code(call, "SYSTEM_STATUS_RETRIEVAL_FAILED", "xapid makes no status reports", NULL);
}

const struct call_impl calls_plugins[] = {
    {"host.call_plugin", call_plugin},           {"VM.call_plugin", call_plugin},
    {"host.has_extension", has_extension},       {"pool.has_extension", has_extension},
    {"host.call_extension", call_extension},     {"VM.query_services", query_services},
    {"host.bugreport_upload", bugreport_upload}, {NULL, NULL},
};
