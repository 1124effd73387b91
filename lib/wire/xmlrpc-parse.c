/* XML-RPC documents into requests, replies and values; see xmlrpc.h. */
#include "config.h"

#include "lib/wire/xmlrpc.h"

#include "lib/error.h"
#include "lib/wire/xmlrpc-reader.h"

/* <params><param><value/></param>...</params>: the reader stands on <params>.  "av", floating. */
static GVariant *
read_params(struct xml_parser *p)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    bool open = !xml_is_empty(p);

    while (open) {
        if (!xml_advance_tag(p))
            return xml_unexpected(p, "param"), NULL;
        if (xml_at_end(p, "params"))
            break;
        if (!xml_at_start(p, "param") || xml_is_empty(p))
            return xml_unexpected(p, "param"), NULL;
        if (!xml_advance_tag(p) || !xml_at_start(p, "value"))
            return xml_unexpected(p, "value"), NULL;
        GVariant *value = xml_read_value(p);
        if (!value)
            return NULL;
        g_ptr_array_add(values, g_variant_ref_sink(g_variant_new_variant(value)));
        if (!xml_advance_tag(p) || !xml_at_end(p, "param"))
            return xml_unexpected(p, "/param"), NULL;
    }
    return g_variant_new_array(G_VARIANT_TYPE_VARIANT, (GVariant *const *)values->pdata,
                               values->len);
}

static bool
read_request(struct xml_parser *p, char **ret_method, GVariant **ret_params)
{
    if (xml_is_empty(p) || !xml_advance_tag(p) || !xml_at_start(p, "methodName"))
        return xml_unexpected(p, "methodName");
    g_autofree char *method = xml_read_text(p, "methodName");
    if (!method || !xml_advance_tag(p))
        return xml_unexpected(p, "params");
    g_autoptr(GVariant) params = NULL;
    if (xml_at_start(p, "params")) {
        params = read_params(p);
        if (!params)
            return false;
        g_variant_ref_sink(params);
        xml_advance_tag(p);
    } else {
        params = g_variant_ref_sink(g_variant_new("av", NULL));
    }
    if (!xml_at_end(p, "methodCall") || !xml_finish(p))
        return xml_unexpected(p, "/methodCall");
    *ret_method = g_strdup(g_strstrip(method));
    *ret_params = g_steal_pointer(&params);
    return true;
}

bool
xmlrpc_request_parse(const char *body, size_t length, struct rpc_request *ret_request,
                     GError **error)
{
    GError *failure = NULL;
    struct xml_parser p = {.max_values = XMLRPC_MAX_VALUES, .error = &failure};

    *ret_request = (struct rpc_request){.dialect = RPC_XML};
    bool ok = xml_open(&p, body, length, "methodCall") &&
              read_request(&p, &ret_request->method, &ret_request->params);
    xml_close(&p);
    if (failure)
        g_propagate_error(error, failure);
    return ok;
}

/* The one <value> of a text, untyped; NULL on an error. */
static GVariant *
value_parse(const char *text, size_t length, GError **error)
{
    struct xml_parser p = {.max_values = XMLRPC_MAX_VALUES, .error = error};
    GVariant *value = NULL;

    if (xml_open(&p, text, length, "value"))
        value = xml_read_value(&p);
    if (value) {
        g_variant_ref_sink(value);
        /* An empty root element has no end tag to stand on: the document ends all the same. */
        if (!xml_finish(&p))
            g_clear_pointer(&value, g_variant_unref);
    }
    xml_close(&p);
    return value;
}

GVariant *
xmlrpc_value_decode(const struct dm_type *type, const char *text, size_t length, GError **error)
{
    GError *failure = NULL;
    g_autoptr(GVariant) untyped = value_parse(text, length, &failure);

    if (!untyped) {
        g_propagate_error(error, failure);
        return NULL;
    }
    return type ? rpc_value_convert(type, untyped, "value", error) : g_steal_pointer(&untyped);
}

/* The untyped struct of a reply, or the bare value; NULL on an error, also of a <fault>. */
static GVariant *
response_parse(const char *body, size_t length, GError **error)
{
    /* The caller chose its server and how many bytes to take from it. */
    struct xml_parser p = {.max_values = G_MAXUINT, .error = error};
    g_autoptr(GVariant) params = NULL;

    if (xml_open(&p, body, length, "methodResponse")) {
        if (!xml_is_empty(&p) && xml_advance_tag(&p) && xml_at_start(&p, "params"))
            params = read_params(&p);
        else
            xml_unexpected(&p, "params");
    }
    if (params) {
        g_variant_ref_sink(params);
        if (!xml_advance_tag(&p) || !xml_at_end(&p, "methodResponse") || !xml_finish(&p)) {
            xml_unexpected(&p, "/methodResponse");
            g_clear_pointer(&params, g_variant_unref);
        } else if (g_variant_n_children(params) != 1) {
            xml_set_failure(error, "one value", "another number");
            g_clear_pointer(&params, g_variant_unref);
        }
    }
    xml_close(&p);
    if (!params)
        return NULL;
    GVariant *value;
    g_variant_get_child(params, 0, "v", &value);
    return value;
}

static GError *
error_from_description(GVariant *description)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    GVariantIter iter;
    GVariant *child;

    g_variant_iter_init(&iter, description);
    while (g_variant_iter_next(&iter, "v", &child)) {
        if (g_variant_is_of_type(child, G_VARIANT_TYPE_STRING))
            g_ptr_array_add(texts, g_variant_dup_string(child, NULL));
        g_variant_unref(child);
    }
    g_ptr_array_add(texts, NULL);
    if (!texts->pdata[0])
        return api_error_new("INTERNAL_ERROR", "a failure without a code", NULL);
    return api_error_newv(texts->pdata[0], (const char *const *)texts->pdata + 1);
}

GVariant *
xmlrpc_reply_parse(const struct dm_type *type, const char *body, size_t length, GError **error)
{
    GError *failure = NULL;
    g_autoptr(GVariant) reply = response_parse(body, length, &failure);
    g_autoptr(GVariant) value = NULL;

    if (!reply) {
        g_propagate_error(error, failure);
        return NULL;
    }
    if (g_variant_is_of_type(reply, G_VARIANT_TYPE_VARDICT)) {
        g_autoptr(GVariant) description =
            g_variant_lookup_value(reply, "ErrorDescription", G_VARIANT_TYPE("av"));
        if (description) {
            g_propagate_error(error, error_from_description(description));
            return NULL;
        }
        value = g_variant_lookup_value(reply, "Value", NULL);
    }
    if (!value)
        value = g_variant_ref(reply); /* system.listMethods */
    return type ? rpc_value_convert(type, value, "value", error) : g_steal_pointer(&value);
}
