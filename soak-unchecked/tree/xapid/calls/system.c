/* The two methods that are of no class: they need no session and are not in the data model. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"

/* Answers with the bare array. */
static void
list_methods(call_reply_fn reply, void *reply_data)
{
    static const struct dm_type string_type = {
        .name = "string", .kind = DM_STRING, .gvariant = "s"};
    static const struct dm_type strings_type = {
        .name = "set<string>", .kind = DM_SET, .gvariant = "as", .elem = &string_type};
    GVariantBuilder names;

    g_variant_builder_init(&names, G_VARIANT_TYPE("as"));
    g_variant_builder_add(&names, "s", "system.listMethods");
    g_variant_builder_add(&names, "s", "system.isAlive");
    for (unsigned i = 0; i < dm_n_classes; i++)
        for (unsigned j = 0; j < dm_classes[i].n_messages; j++) {
            const struct dm_message *message = &dm_classes[i].messages[j];
            g_variant_builder_add(&names, "s", message->full_name);
            if (message->async)
                g_variant_builder_add_value(&names, g_variant_new_take_string(g_strconcat(
                                                        "Async.", message->full_name, NULL)));
        }
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_builder_end(&names));
    reply(&(struct call_answer){.type = &strings_type, .value = value, .bare = true}, reply_data);
}

/* Gives back what it is given, when that is text, a number or a truth value. */
static void
is_alive(const struct rpc_request *request, call_reply_fn reply, void *reply_data)
{
    static const struct dm_type echoed[] = {{.name = "string", .kind = DM_STRING, .gvariant = "s"},
                                            {.name = "bool", .kind = DM_BOOL, .gvariant = "b"},
                                            {.name = "int", .kind = DM_INT, .gvariant = "x"},
                                            {.name = "float", .kind = DM_FLOAT, .gvariant = "d"}};
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) given = NULL;

    if (g_variant_n_children(request->params) == 1)
        g_variant_get_child(request->params, 0, "v", &given);
    for (unsigned i = 0; given && i < G_N_ELEMENTS(echoed); i++)
        if (g_str_equal(g_variant_get_type_string(given), echoed[i].gvariant)) {
            reply(&(struct call_answer){.type = &echoed[i], .value = given}, reply_data);
            return;
        }
    if (given)
        api_error_set(&error, "INVALID_VALUE", "ANY", g_variant_get_type_string(given), NULL);
    else
        api_error_set(&error, "MESSAGE_PARAMETER_COUNT_MISMATCH", request->method, "1", "0", NULL);
    reply(&(struct call_answer){.error = error}, reply_data);
}

bool
system_call(const struct rpc_request *request, call_reply_fn reply, void *reply_data)
{
    if (g_str_equal(request->method, "system.listMethods"))
        list_methods(reply, reply_data);
    else if (g_str_equal(request->method, "system.isAlive"))
        is_alive(request, reply, reply_data);
    else
        return false;
    return true;
}
