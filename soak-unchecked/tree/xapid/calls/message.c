/* Class message: alerts.  Nothing makes any yet: that there are none is all that can be read, and
 * the rest of the class is not implemented. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"
#include "xapid/model/filter.h"

static void
get_none(struct call *call)
{
    g_autoptr(GVariant) none = dm_type_empty(call->message->result);

    call_return(call, none);
}

static void
get_none_where(struct call *call)
{
    GError *error = NULL;
    struct filter *filter = filter_parse(call->message->cls, call_string(call, 0), &error);

    if (!filter) {
        call_fail(call, error);
        return;
    }
    filter_free(filter);
    get_none(call);
}

const struct call_impl calls_message[] = {
    {"message.get", get_none},
    {"message.get_all", get_none},
    {"message.get_since", get_none},
    {"message.get_all_records", get_none},
    {"message.get_all_records_where", get_none_where},
    {NULL, NULL},
};
