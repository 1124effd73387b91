/* The generic commands, the same for all classes: CLASS-list and CLASS-param-*. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/wire/jsonrpc.h"
#include "xtool/print.h"
#include "xtool/select.h"
#include "xtool/value.h"
#include "xtool/xl.h"
#include "xtool/xtool.h"

#define EXPENSIVE "<expensive field>"
#define NOT_IMPLEMENTED "<not implemented>"

static const struct {
    const char *suffix, *usage;
} ops[GENERIC_MAX] = {
    [GENERIC_LIST] = {"-list", "[params=all|FIELD,...] [FIELD=VALUE] [MAP:KEY=VALUE] "
                               "[SET:contains=VALUE] [--minimal] [--json]"},
    [GENERIC_PARAM_LIST] = {"-param-list", "uuid=UUID"},
    [GENERIC_PARAM_GET] = {"-param-get", "uuid=UUID param-name=FIELD [param-key=KEY]"},
    [GENERIC_PARAM_SET] = {"-param-set", "uuid=UUID [FIELD=VALUE] [MAP:KEY=VALUE]"},
    [GENERIC_PARAM_ADD] = {"-param-add",
                           "uuid=UUID param-name=FIELD [param-key=MEMBER] [KEY=VALUE]"},
    [GENERIC_PARAM_REMOVE] = {"-param-remove", "uuid=UUID param-name=FIELD param-key=KEY"},
    [GENERIC_PARAM_CLEAR] = {"-param-clear", "uuid=UUID param-name=FIELD"},
};

const char *
generic_suffix(enum generic_op op)
{
    return ops[op].suffix;
}

const char *
generic_usage(enum generic_op op)
{
    return ops[op].usage;
}

bool
generic_find(const char *command, const struct xt_class **ret_class, enum generic_op *ret_op)
{
    for (int op = 0; op < GENERIC_MAX; op++) {
        if (!g_str_has_suffix(command, ops[op].suffix))
            continue;
        g_autofree char *name = g_strndup(command, strlen(command) - strlen(ops[op].suffix));
        const struct xt_class *cls = class_find(name);
        if (cls) {
            *ret_class = cls;
            *ret_op = (enum generic_op)op;
            return true;
        }
    }
    return false;
}

/* ---- showing ---- */

/* The fields of these names, as they are ordered here. */
static GPtrArray *
choose(const GPtrArray *fields, const char *const *names, GError **error)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();

    for (unsigned i = 0; names[i]; i++) {
        const struct field *field = field_find(fields, names[i]);
        if (!field) {
            usage_set(error, "Unknown field '%s'.", names[i]);
            return NULL;
        }
        g_ptr_array_add(chosen, (void *)field);
    }
    return g_steal_pointer(&chosen);
}

/* All that are not hidden. */
static GPtrArray *
choose_all(const GPtrArray *fields)
{
    GPtrArray *chosen = g_ptr_array_new();

    for (unsigned i = 0; i < fields->len; i++)
        if (!((const struct field *)fields->pdata[i])->hidden)
            g_ptr_array_add(chosen, fields->pdata[i]);
    return chosen;
}

static int
compare_fields(const void *a, const void *b, void *fields)
{
    const struct field *const *left = a, *const *right = b;
    guint i = 0, j = 0;

    g_ptr_array_find(fields, *left, &i);
    g_ptr_array_find(fields, *right, &j);
    return (int)i - (int)j;
}

/* Those of params= are in the class's order and not the user's, as xe does. */
GPtrArray *
generic_columns(struct xtool *x, const GPtrArray *fields, const char *params,
                const char *const *columns, GError **error)
{
    if (params && !g_str_equal(params, "all")) {
        g_auto(GStrv) names = g_strsplit(params, ",", -1);
        GPtrArray *chosen = choose(fields, (const char *const *)names, error);
        if (chosen)
            g_ptr_array_sort_with_data(chosen, compare_fields, (void *)fields);
        return chosen;
    }
    return params || x->json || !columns[0] ? choose_all(fields) : choose(fields, columns, error);
}

/* The text of a field in a list or in a block that shows all: what costs a call for each object, or
 * is not there, must not hide the rest. */
static char *
text_of(struct xtool *x, const struct field *field, const struct object *object, bool list,
        GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (list && field->call)
        return g_strdup(EXPENSIVE);
    char *text = field_text(field, x->objects, object, list, &failure);
    if (!text && field->call && api_error_is(failure, "NOT_IMPLEMENTED"))
        return g_strdup(NOT_IMPLEMENTED);
    if (!text)
        g_propagate_error(error, g_steal_pointer(&failure));
    return text;
}

/* The texts of all fields of all objects, row by row. */
static GPtrArray *
texts_of(struct xtool *x, const GPtrArray *objects, const GPtrArray *fields, bool list,
         GError **error)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; i < objects->len; i++) {
        for (unsigned j = 0; j < fields->len; j++) {
            const struct field *field = fields->pdata[j];
            char *text = text_of(x, field, objects->pdata[i], list, error);
            if (!text)
                return NULL;
            g_ptr_array_add(texts, text);
        }
    }
    return g_steal_pointer(&texts);
}

static void
print_blocks(struct xtool *x, const GPtrArray *fields, const GPtrArray *texts)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; i < fields->len; i++) {
        const struct field *field = fields->pdata[i];
        g_ptr_array_add(names, g_strdup_printf("%s %s%s", field->name, field_mark(field),
                                               field->deprecated ? " [DEPRECATED]" : ""));
    }
    for (unsigned i = 0; i + fields->len <= texts->len && fields->len; i += fields->len)
        print_block(x->out, (const char *const *)names->pdata,
                    (const char *const *)texts->pdata + i, fields->len);
}

static void
print_as_table(struct xtool *x, const GPtrArray *fields, const GPtrArray *texts)
{
    g_autofree const char **titles = g_new0(const char *, fields->len);

    for (unsigned i = 0; i < fields->len; i++)
        titles[i] = ((const struct field *)fields->pdata[i])->name;
    print_table(x->out, titles, fields->len, (const char *const *)texts->pdata,
                texts->len / fields->len);
}

/* The first column alone. */
static void
print_first(struct xtool *x, const GPtrArray *fields, const GPtrArray *texts)
{
    g_autoptr(GPtrArray) first = g_ptr_array_new();

    for (unsigned i = 0; i < texts->len; i += fields->len)
        g_ptr_array_add(first, texts->pdata[i]);
    print_minimal(x->out, (const char *const *)first->pdata, first->len);
}

bool
generic_json(struct xtool *x, GString *out, const struct object *object, const GPtrArray *fields,
             bool list, GError **error)
{
    const char *comma = "";

    g_string_append_c(out, '{');
    for (unsigned i = 0; i < fields->len; i++) {
        const struct field *field = fields->pdata[i];
        g_auto(shown_owned) shown = {NULL, NULL};
        if (field->call)
            continue;
        if (!field_value(field, x->objects, object, list, &shown, error))
            return false;
        g_string_append(out, comma);
        json_text_append(out, field->name);
        g_string_append_c(out, ':');
        if (shown.value)
            json_value_encode(out, shown.type, shown.value);
        else
            g_string_append(out, "null");
        comma = ",";
    }
    g_string_append_c(out, '}');
    return true;
}

static bool
print_json(struct xtool *x, const GPtrArray *objects, const GPtrArray *fields, bool list,
           GError **error)
{
    g_autoptr(GString) out = g_string_new(list ? "[" : "");

    for (unsigned i = 0; i < objects->len; i++) {
        if (i)
            g_string_append(out, ",\n ");
        if (!generic_json(x, out, objects->pdata[i], fields, list, error))
            return false;
    }
    fprintf(x->out, "%s%s\n", out->str, list ? "]" : "");
    return true;
}

bool
generic_show_block(struct xtool *x, const struct object *object, const GPtrArray *columns,
                   bool many, GError **error)
{
    g_autoptr(GPtrArray) one = g_ptr_array_new();

    g_ptr_array_add(one, (void *)object);
    g_autoptr(GPtrArray) texts = texts_of(x, one, columns, many, error);
    if (texts)
        print_blocks(x, columns, texts);
    return texts;
}

bool
generic_show(struct xtool *x, const GPtrArray *objects, const GPtrArray *columns, GError **error)
{
    if (x->json)
        return print_json(x, objects, columns, true, error);
    g_autoptr(GPtrArray) texts = texts_of(x, objects, columns, true, error);
    if (!texts)
        return false;
    if (x->minimal)
        print_first(x, columns, texts);
    else if (x->as_xe || args_has(x->args, "params"))
        print_blocks(x, columns, texts);
    else
        print_as_table(x, columns, texts);
    return true;
}

/* Takes out the VMs that have no domain. */
static void
keep_live(GPtrArray *vms)
{
    for (unsigned i = vms->len; i-- > 0;) {
        gint64 domid = -1;
        g_variant_lookup(((const struct object *)vms->pdata[i])->record, "domid", "x", &domid);
        if (domid < 0)
            g_ptr_array_remove_index(vms, i);
    }
}

static bool
list(struct xtool *x, const struct xt_class *cls, GPtrArray *fields, GError **error)
{
    g_autoptr(GPtrArray) columns =
        generic_columns(x, fields, args_get(x->args, "params"), cls->columns, error);
    const char *uuid = args_get(x->args, "uuid");
    g_autoptr(GPtrArray) found =
        columns ? select_class(cls, fields, x->objects, uuid, error) : NULL;

    if (!found)
        return false;
    for (unsigned i = 0; i < x->args->list->len; i++) {
        const struct arg *arg = x->args->list->pdata[i];
        if (!args_is_standard(arg->key) && !g_str_equal(arg->key, "uuid") &&
            !select_filter(found, fields, x->objects, arg->key, arg->value, error))
            return false;
    }
    if (x->alias && x->alias->live)
        keep_live(found);
    if (x->alias && uuid && !found->len) {
        g_set_error(error, FAILED_ERROR, 0, "There is no %s '%s'%s.", cls->name, uuid,
                    x->alias->live ? " that runs" : "");
        return false;
    }
    if (x->alias && x->alias->columns->title && !x->json && !x->minimal &&
        !args_has(x->args, "params"))
        return xl_show(x, x->alias, found, fields, error);
    return generic_show(x, found, columns, error);
}

static bool
param_list(struct xtool *x, const GPtrArray *fields, const struct object *object, GError **error)
{
    g_autoptr(GPtrArray) shown = choose_all(fields);
    g_autoptr(GPtrArray) one = g_ptr_array_new();

    g_ptr_array_add(one, (void *)object);
    if (x->json)
        return print_json(x, one, shown, false, error);
    g_autoptr(GPtrArray) texts = texts_of(x, one, shown, false, error);
    if (!texts)
        return false;
    if (x->minimal)
        print_first(x, shown, texts);
    else
        print_blocks(x, shown, texts);
    return true;
}

/* The text of a key of a map, or NULL with an error. */
static char *
key_text(const struct field *field, const struct shown *shown, const char *key, GError **error)
{
    for (gsize i = 0; shown->value && i < g_variant_n_children(shown->value); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(shown->value, i);
        g_autoptr(GVariant) name = g_variant_get_child_value(entry, 0);
        g_autofree char *text = value_text(shown->type->key, name);
        if (g_str_equal(text, key)) {
            g_autoptr(GVariant) member = g_variant_get_child_value(entry, 1);
            return value_text(shown->type->elem, member);
        }
    }
    g_set_error(error, FAILED_ERROR, 0, "%s has no key '%s'.", field->name, key);
    return NULL;
}

static bool
param_get(struct xtool *x, const struct field *field, const struct object *object, GError **error)
{
    const char *key = args_get(x->args, "param-key");
    g_auto(shown_owned) shown = {NULL, NULL};

    if (!xtool_check_unused(x, error) ||
        !field_value(field, x->objects, object, false, &shown, error))
        return false;
    g_autofree char *text = key && field_is_map(field) ? key_text(field, &shown, key, error)
                            : shown.value              ? value_text(shown.type, shown.value)
                                                       : g_strdup(NOT_IN_DATABASE);
    if (!text)
        return false;
    if (x->minimal) {
        const char *const values[] = {text};
        print_minimal(x->out, values, 1);
    } else {
        g_autofree char *safe = text_for(x->out, text);
        fprintf(x->out, "%s\n", safe);
    }
    return true;
}

/* ---- */

static const char *
needed(struct xtool *x, const struct xt_class *cls, enum generic_op op, const char *key,
       GError **error)
{
    const char *value = args_get(x->args, key);

    if (!value)
        usage_set(error, "%s= is missing.\nusage: %s %s%s %s", key, x->name, cls->name,
                  ops[op].suffix, ops[op].usage);
    return value;
}

bool
generic_run(struct xtool *x, const struct xt_class *cls, enum generic_op op, GError **error)
{
    g_autoptr(GPtrArray) fields = fields_of(cls);
    const struct object *object;
    const struct field *field = NULL;

    if (op == GENERIC_LIST)
        return xtool_connect(x, false, error) && list(x, cls, fields, error);
    const char *uuid = needed(x, cls, op, "uuid", error);
    if (!uuid)
        return false;
    if (op != GENERIC_PARAM_LIST && op != GENERIC_PARAM_SET) {
        const char *name = needed(x, cls, op, "param-name", error);
        field = name ? field_find(fields, name) : NULL;
        if (name && !field)
            usage_set(error, "Unknown field '%s'.", name);
        if (!field)
            return false;
    }
    if (op == GENERIC_PARAM_LIST && !xtool_check_unused(x, error))
        return false;
    if (!xtool_connect(x, false, error))
        return false;
    object = objects_named(x->objects, class_api(cls), uuid, error);
    if (!object)
        return false;
    switch (op) {
    case GENERIC_PARAM_LIST:
        return param_list(x, fields, object, error);
    case GENERIC_PARAM_GET:
        return param_get(x, field, object, error);
    case GENERIC_PARAM_SET:
        return change_set(x, cls, fields, object, error);
    case GENERIC_PARAM_ADD:
        return change_add(x, field, object, error);
    case GENERIC_PARAM_REMOVE:
        return change_remove(x, field, object, error);
    case GENERIC_PARAM_CLEAR:
        return change_clear(x, field, object, error);
    default:
        return false;
    }
}
