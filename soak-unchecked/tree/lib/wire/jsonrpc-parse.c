/* JSON-RPC, bytes to untyped values; see jsonrpc.h.  yajl calls back for each token; a stack of
 * open arrays and objects collects them. */
#include "config.h"

#include "lib/wire/jsonrpc.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "lib/error.h"
#include "lib/text.h"

/* An open array (names NULL) or object. */
struct level {
    GPtrArray *names;    /* owned strings, one for each value and perhaps one more */
    GPtrArray *values;   /* full references */
    GHashTable *members; /* name -> its place in values */
};

struct parser {
    struct level levels[JSONRPC_MAX_DEPTH];
    unsigned depth;
    unsigned count, max_values;
    GVariant *result; /* full */
    GError *error;
};

static int
fail(struct parser *p, const char *expected, const char *received)
{
    if (!p->error)
        p->error = api_error_new("XMLRPC_UNMARSHAL_FAILURE", expected, received, NULL);
    return 0;
}

/* Takes a floating value; 0 stops the parser. */
static int
add_value(struct parser *p, GVariant *value)
{
    g_variant_ref_sink(value);
    if (++p->count > p->max_values) {
        g_variant_unref(value);
        return fail(p, "JSON", "too many values");
    }
    if (p->depth == 0) {
        p->result = value;
        return 1;
    }
    struct level *level = &p->levels[p->depth - 1];
    if (level->names) {
        char *name = level->names->pdata[level->names->len - 1];
        gpointer place;
        if (g_hash_table_lookup_extended(level->members, name, NULL, &place)) {
            /* A repeated name: the last value counts. */
            g_variant_unref(level->values->pdata[GPOINTER_TO_UINT(place)]);
            level->values->pdata[GPOINTER_TO_UINT(place)] = value;
            g_ptr_array_set_size(level->names, (gint)level->names->len - 1);
            return 1;
        }
        g_hash_table_insert(level->members, name, GUINT_TO_POINTER(level->values->len));
    }
    g_ptr_array_add(level->values, value);
    return 1;
}

static int
open_level(struct parser *p, bool object)
{
    if (p->depth == JSONRPC_MAX_DEPTH)
        return fail(p, "JSON", "values nested too deep");
    struct level *level = &p->levels[p->depth++];
    level->values = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    level->names = object ? g_ptr_array_new_with_free_func(g_free) : NULL;
    level->members = object ? g_hash_table_new(g_str_hash, g_str_equal) : NULL;
    return 1;
}

static void
close_level(struct level *level)
{
    g_clear_pointer(&level->members, g_hash_table_unref);
    g_clear_pointer(&level->names, g_ptr_array_unref);
    g_clear_pointer(&level->values, g_ptr_array_unref);
}

static int
on_null(void *context)
{
    return add_value(context, g_variant_new_tuple(NULL, 0));
}

static int
on_boolean(void *context, int value)
{
    return add_value(context, g_variant_new_boolean(value));
}

static int
on_number(void *context, const char *text, size_t length)
{
    struct parser *p = context;
    char number[64];
    gint64 whole;

    if (length >= sizeof number)
        return fail(p, "a number", "too many digits");
    memcpy(number, text, length);
    number[length] = '\0';
    /* -0 is a float that was printed without a fraction. */
    if (!strpbrk(number, ".eE") && strcmp(number, "-0") != 0) {
        if (!g_ascii_string_to_signed(number, 10, G_MININT64, G_MAXINT64, &whole, NULL))
            return fail(p, "a 64-bit integer", number);
        return add_value(p, g_variant_new_int64(whole));
    }
    double real = g_ascii_strtod(number, NULL);
    if (!isfinite(real))
        return fail(p, "a double", number);
    return add_value(p, g_variant_new_double(real));
}

/* A copy of a string token, or NULL with the error set: escapes may make what XML cannot carry. */
static char *
dup_text(struct parser *p, const unsigned char *text, size_t length)
{
    if (!text_is_valid((const char *)text, (gssize)length)) {
        if (!p->error)
            p->error = api_error_new("INVALID_VALUE", "string",
                                     "not UTF-8, or characters beyond XML's", NULL);
        return NULL;
    }
    return g_strndup((const char *)text, length);
}

static int
on_string(void *context, const unsigned char *text, size_t length)
{
    char *copy = dup_text(context, text, length);

    return copy ? add_value(context, g_variant_new_take_string(copy)) : 0;
}

static int
on_name(void *context, const unsigned char *text, size_t length)
{
    struct parser *p = context;
    char *name = dup_text(p, text, length);

    if (name)
        g_ptr_array_add(p->levels[p->depth - 1].names, name);
    return name != NULL;
}

static int
on_start_object(void *context)
{
    return open_level(context, true);
}

static int
on_start_array(void *context)
{
    return open_level(context, false);
}

static GVariant *
object_new(const struct level *level)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (guint i = 0; i < level->values->len; i++)
        g_variant_builder_add(&builder, "{sv}", level->names->pdata[i], level->values->pdata[i]);
    return g_variant_builder_end(&builder);
}

static int
on_end_object(void *context)
{
    struct parser *p = context;
    struct level *level = &p->levels[--p->depth];
    GVariant *value = object_new(level);

    close_level(level);
    return add_value(p, value);
}

static int
on_end_array(void *context)
{
    struct parser *p = context;
    struct level *level = &p->levels[--p->depth];
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("av"));
    for (guint i = 0; i < level->values->len; i++)
        g_variant_builder_add(&builder, "v", level->values->pdata[i]);
    close_level(level);
    return add_value(p, g_variant_builder_end(&builder));
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_object,
    .yajl_map_key = on_name,
    .yajl_end_map = on_end_object,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end_array,
};

/* The whole text as one value, full; NULL with p->error set.  What was open then is still in
 * p->levels. */
static GVariant *
parse(struct parser *p, const char *text, size_t length)
{
    yajl_handle handle = yajl_alloc(&callbacks, NULL, p);
    yajl_status status = yajl_parse(handle, (const unsigned char *)text, length);

    if (status == yajl_status_ok)
        status = yajl_complete_parse(handle);
    if (status != yajl_status_ok || !p->result) {
        if (!p->error) {
            /* yajl's messages quote nothing of the text when not asked to. */
            unsigned char *message =
                status == yajl_status_ok
                    ? NULL
                    : yajl_get_error(handle, 0, (const unsigned char *)text, length);
            g_autofree char *received =
                g_strstrip(text_clean(message ? (const char *)message : "nothing", -1));
            fail(p, "JSON", received);
            if (message)
                yajl_free_error(handle, message);
        }
        g_clear_pointer(&p->result, g_variant_unref);
    }
    yajl_free(handle);
    return g_steal_pointer(&p->result);
}

static void
parser_clear(struct parser *p)
{
    while (p->depth)
        close_level(&p->levels[--p->depth]);
    g_clear_error(&p->error);
}

GVariant *
json_parse(const char *text, size_t length, GError **error)
{
    struct parser p = {.max_values = JSONRPC_MAX_VALUES};
    GVariant *value = parse(&p, text, length);

    if (!value)
        g_propagate_error(error, g_steal_pointer(&p.error));
    parser_clear(&p);
    return value;
}

static bool
is_id(GVariant *value)
{
    return g_variant_is_of_type(value, G_VARIANT_TYPE_INT64) ||
           g_variant_is_of_type(value, G_VARIANT_TYPE_STRING);
}

/* Takes the dialect and the id from the members of the request read so far. */
static bool
read_head(struct rpc_request *request, GVariant *version, GVariant *id, GError **error)
{
    request->dialect = version ? RPC_JSON2 : RPC_JSON1;
    if (id && is_id(id))
        request->id = g_variant_ref(id);
    if (version && !(g_variant_is_of_type(version, G_VARIANT_TYPE_STRING) &&
                     g_str_equal(g_variant_get_string(version, NULL), "2.0"))) {
        api_error_set(error, "XMLRPC_UNMARSHAL_FAILURE", "jsonrpc 2.0", "another version", NULL);
        return false;
    }
    if (!request->id) {
        api_error_set(error, "XMLRPC_UNMARSHAL_FAILURE", "id, an integer or a string",
                      id ? "another type" : "nothing", NULL);
        return false;
    }
    return true;
}

/* What a broken request said of itself before it broke. */
static void
read_broken_head(struct rpc_request *request, const struct parser *p)
{
    GVariant *version = NULL, *id = NULL;

    for (guint i = 0; p->depth && p->levels[0].names && i < p->levels[0].values->len; i++) {
        if (g_str_equal(p->levels[0].names->pdata[i], "jsonrpc"))
            version = p->levels[0].values->pdata[i];
        else if (g_str_equal(p->levels[0].names->pdata[i], "id"))
            id = p->levels[0].values->pdata[i];
    }
    (void)read_head(request, version, id, NULL);
    if (!version)
        request->dialect = RPC_JSON2; /* an error before dispatch is answered in this form */
}

static bool
read_request(struct rpc_request *request, GVariant *object, GError **error)
{
    const char *method;

    if (!g_variant_is_of_type(object, G_VARIANT_TYPE_VARDICT)) {
        api_error_set(error, "XMLRPC_UNMARSHAL_FAILURE", "JSON-RPC", "no object", NULL);
        return false;
    }
    g_autoptr(GVariant) version = g_variant_lookup_value(object, "jsonrpc", NULL);
    g_autoptr(GVariant) id = g_variant_lookup_value(object, "id", NULL);
    g_autoptr(GVariant) params = g_variant_lookup_value(object, "params", NULL);
    if (!read_head(request, version, id, error))
        return false;
    if (!g_variant_lookup(object, "method", "&s", &method)) {
        api_error_set(error, "XMLRPC_UNMARSHAL_FAILURE", "method", "nothing", NULL);
        return false;
    }
    if (params && g_variant_is_of_type(params, G_VARIANT_TYPE("av"))) {
        request->params = g_steal_pointer(&params);
    } else if (request->dialect == RPC_JSON1) {
        api_error_set(error, "XMLRPC_UNMARSHAL_FAILURE", "params, an array",
                      params ? "another type" : "nothing", NULL);
        return false;
    } else if (!params || g_variant_is_of_type(params, G_VARIANT_TYPE_UNIT)) {
        request->params = g_variant_ref_sink(g_variant_new("av", NULL));
    } else if (g_variant_is_of_type(params, G_VARIANT_TYPE_VARDICT)) {
        GVariant *only = g_variant_new_variant(params);
        request->params = g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE_VARIANT, &only, 1));
    } else {
        api_error_set(error, "XMLRPC_UNMARSHAL_FAILURE", "params, an array or an object",
                      "another type", NULL);
        return false;
    }
    request->method = g_strdup(method);
    return true;
}

bool
jsonrpc_request_parse(const char *body, size_t length, struct rpc_request *ret_request,
                      GError **error)
{
    struct parser p = {.max_values = JSONRPC_MAX_VALUES};
    bool ok = false;

    *ret_request = (struct rpc_request){.dialect = RPC_JSON2};
    g_autoptr(GVariant) object = parse(&p, body, length);
    if (object) {
        ok = read_request(ret_request, object, error);
    } else {
        read_broken_head(ret_request, &p);
        g_propagate_error(error, g_steal_pointer(&p.error));
    }
    parser_clear(&p);
    return ok;
}

/* A failure's code and parameters, in either dialect's form. */
static GError *
error_from_reply(GVariant *failure)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GVariant) list = NULL;
    GVariantIter iter;
    GVariant *child;
    const char *code;

    if (g_variant_is_of_type(failure, G_VARIANT_TYPE("av"))) {
        list = g_variant_ref(failure);
    } else if (g_variant_is_of_type(failure, G_VARIANT_TYPE_VARDICT)) {
        if (g_variant_lookup(failure, "message", "&s", &code))
            g_ptr_array_add(texts, g_strdup(code));
        list = g_variant_lookup_value(failure, "data", G_VARIANT_TYPE("av"));
    }
    if (list) {
        g_variant_iter_init(&iter, list);
        while (g_variant_iter_next(&iter, "v", &child)) {
            if (g_variant_is_of_type(child, G_VARIANT_TYPE_STRING))
                g_ptr_array_add(texts, g_variant_dup_string(child, NULL));
            g_variant_unref(child);
        }
    }
    g_ptr_array_add(texts, NULL);
    if (!texts->pdata[0])
        return api_error_new("INTERNAL_ERROR", "a failure without a code", NULL);
    return api_error_newv(texts->pdata[0], (const char *const *)texts->pdata + 1);
}

GVariant *
jsonrpc_reply_parse(const struct dm_type *type, const char *body, size_t length, GError **error)
{
    /* The caller chose its server and how many bytes to take from it. */
    struct parser p = {.max_values = G_MAXUINT};
    g_autoptr(GVariant) reply = parse(&p, body, length);

    if (!reply)
        g_propagate_error(error, g_steal_pointer(&p.error));
    parser_clear(&p);
    if (!reply)
        return NULL;
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE_VARDICT)) {
        api_error_set(error, "XMLRPC_UNMARSHAL_FAILURE", "JSON-RPC", "no object", NULL);
        return NULL;
    }
    g_autoptr(GVariant) failure = g_variant_lookup_value(reply, "error", NULL);
    if (failure && !g_variant_is_of_type(failure, G_VARIANT_TYPE_UNIT)) {
        g_propagate_error(error, error_from_reply(failure));
        return NULL;
    }
    g_autoptr(GVariant) result = g_variant_lookup_value(reply, "result", NULL);
    if (!result) {
        api_error_set(error, "XMLRPC_UNMARSHAL_FAILURE", "result", "nothing", NULL);
        return NULL;
    }
    return type ? rpc_value_convert(type, result, "result", error) : g_steal_pointer(&result);
}
