/* Commands that are one call of the API, as schema/commands.json maps them. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/wire/jsonrpc.h"
#include "xtool/explain.h"
#include "xtool/print.h"
#include "xtool/select.h"
#include "xtool/value.h"
#include "xtool/xtool.h"

static int
compare_command(const void *name, const void *command)
{
    return strcmp(name, ((const struct xt_command *)command)->name);
}

const struct xt_command *
command_find(const char *name)
{
    return bsearch(name, xt_commands, xt_n_commands, sizeof *xt_commands, compare_command);
}

bool
command_exists(const struct xt_command *command)
{
    return command->calls[0].method || verb_find(command->name);
}

static void
usage_append(GString *out, const char *const *args, const char *before, const char *after)
{
    for (unsigned i = 0; args[i]; i++)
        g_string_append_printf(out, " %s%s%s%s", before, args[i],
                               g_str_has_suffix(args[i], ":") ? "KEY=" : "=", after);
}

char *
command_usage(const struct xt_command *command)
{
    GString *out = g_string_new(command->name);

    if (command->select)
        g_string_append_printf(out, " %s=NAME|UUID", command->select);
    usage_append(out, command->need, "", "VALUE");
    usage_append(out, command->may, "[", "VALUE]");
    if (command->calls[0].method && command->calls[0].args[0] && *command->calls[0].args[0] == '{')
        g_string_append(out, " [FIELD=VALUE] [MAP:KEY=VALUE]");
    return g_string_free(out, FALSE);
}

char *
command_text(const struct xt_command *command)
{
    const struct verb *verb = verb_find(command->name);
    g_autoptr(GPtrArray) texts = g_ptr_array_new();

    if (verb)
        g_ptr_array_add(texts, (void *)verb->text);
    for (const struct xt_call *call = command->calls; call->method; call++) {
        const char *text = dm_method_find(call->method)->description;
        if (*text && !g_ptr_array_find_with_equal_func(texts, text, g_str_equal, NULL))
            g_ptr_array_add(texts, (void *)text);
    }
    g_ptr_array_add(texts, NULL);
    return g_strjoinv(" ", (char **)texts->pdata);
}

/* ---- parameters ---- */

static GVariant *
reference(struct objects *objects, const struct dm_type *type, const char *text, GError **error)
{
    const char *ref = REF_NULL;

    if (*text && !g_str_equal(text, NOT_IN_DATABASE)) {
        const struct object *object = objects_named(objects, type->cls, text, error);
        if (!object)
            return NULL;
        ref = object->ref;
    }
    return g_variant_ref_sink(g_variant_new_string(ref));
}

GVariant *
argument_value(struct objects *objects, const struct dm_type *type, const char *text,
               const char *what, GError **error)
{
    GVariantBuilder set;

    if (type->kind == DM_REF)
        return reference(objects, type, text, error);
    if (type->kind != DM_SET || type->elem->kind != DM_REF)
        return value_parse(type, text, what, error);
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    g_variant_builder_init(&set, G_VARIANT_TYPE(type->gvariant));
    for (unsigned i = 0; parts[i]; i++) {
        g_autoptr(GVariant) ref = reference(objects, type->elem, parts[i], error);
        if (!ref) {
            g_variant_builder_clear(&set);
            return NULL;
        }
        g_variant_builder_add_value(&set, ref);
    }
    return g_variant_ref_sink(g_variant_builder_end(&set));
}

/* The map of "name:KEY=VALUE" arguments, of `type`. */
static GVariant *
map_value(struct xtool *x, const struct dm_type *type, const char *name, GError **error)
{
    g_autoptr(GVariant) texts = g_variant_ref_sink(args_map(x->args, name));
    GVariantBuilder map;
    GVariantIter iter;
    const char *key, *text;

    g_variant_builder_init(&map, G_VARIANT_TYPE(type->gvariant));
    g_variant_iter_init(&iter, texts);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &text)) {
        g_autoptr(GVariant) its_key = argument_value(x->objects, type->key, key, name, error);
        g_autoptr(GVariant) value =
            its_key ? argument_value(x->objects, type->elem, text, key, error) : NULL;
        if (!value) {
            g_variant_builder_clear(&map);
            return NULL;
        }
        g_variant_builder_add_value(&map, g_variant_new_dict_entry(its_key, value));
    }
    return g_variant_ref_sink(g_variant_builder_end(&map));
}

/* What a new row must have and nobody gave: the type's empty value, of types whose empty value says
 * "none" or "no". */
static void
add_missing(const struct dm_class *cls, GHashTable *given)
{
    static const bool fills[] = {
        [DM_STRING] = true, [DM_BOOL] = true, [DM_REF] = true, [DM_SET] = true, [DM_MAP] = true};

    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct dm_field *field = &cls->fields[i];
        if (field->required && field->qualifier != DM_DYNAMIC_RO &&
            field->type->kind < G_N_ELEMENTS(fills) && fills[field->type->kind] &&
            !g_hash_table_contains(given, field->name))
            g_hash_table_insert(given, (void *)field->name, dm_type_empty(field->type));
    }
}

/* The name of a field for an argument: "{device>userdevice}" gives one another name. */
static char *
field_name(const char *source, const char *key)
{
    g_autofree char *inner = g_strndup(source + 1, strlen(source) - 2);
    g_auto(GStrv) names = g_strsplit(inner, ">", 2);

    return g_strdup(names[0] && names[1] && g_str_equal(names[0], key) ? names[1] : key);
}

/* A record of the class from every argument that is left; "{@host}" has the selected object there.
 */
static GVariant *
record_value(struct xtool *x, const struct dm_class *cls, const char *source,
             const struct object *object, GError **error)
{
    g_autoptr(GPtrArray) fields = fields_of(class_of_api(cls));
    g_autoptr(GHashTable) given =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_variant_unref);
    GVariantBuilder record;
    GHashTableIter iter;
    void *name, *value;

    for (unsigned i = 0; i < x->args->list->len; i++) {
        struct arg *arg = x->args->list->pdata[i];
        const char *colon = strchr(arg->key, ':');
        if (arg->used || args_is_standard(arg->key))
            continue;
        g_autofree char *own_key =
            colon ? g_strndup(arg->key, (gsize)(colon - arg->key)) : g_strdup(arg->key);
        g_autofree char *key = field_name(source, own_key);
        const struct field *field = field_find(fields, key);
        const struct dm_field *own = field ? field_own(field) : NULL;
        if (!own || (colon != NULL) != field_is_map(field)) {
            usage_set(error,
                      !own    ? "A %s has no field '%s' that could be given."
                      : colon ? "The %s's %s is no map."
                              : "The %s's %s is a map: MAP:KEY=VALUE.",
                      cls->name, key);
            return NULL;
        }
        arg->used = true;
        if (g_hash_table_contains(given, own->name))
            continue; /* another key of a map that is there, or a repetition */
        GVariant *member = colon ? map_value(x, own->type, key, error)
                                 : argument_value(x->objects, own->type, arg->value, key, error);
        if (!member)
            return NULL;
        g_hash_table_insert(given, (void *)own->name, member);
    }
    if (source[1] == '@') {
        g_autofree char *selected = g_strndup(source + 2, strlen(source) - 3);
        const struct dm_field *own = dm_field_find(cls, selected);
        g_assert(object && own);
        g_hash_table_insert(given, (void *)own->name,
                            g_variant_ref_sink(g_variant_new_string(object->ref)));
    }
    add_missing(cls, given);
    g_variant_builder_init(&record, G_VARIANT_TYPE_VARDICT);
    g_hash_table_iter_init(&iter, given);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_variant_builder_add(&record, "{sv}", name, value);
    return g_variant_ref_sink(g_variant_builder_end(&record));
}

static const struct object *
only_pool(struct xtool *x, GError **error)
{
    g_autoptr(GPtrArray) pools = objects_all(x->objects, dm_class_find("pool", false), error);

    if (pools && pools->len == 1)
        return pools->pdata[0];
    if (pools)
        g_set_error(error, FAILED_ERROR, 0, "The server has no pool.");
    return NULL;
}

static GVariant *
the_pool(struct xtool *x, GError **error)
{
    const struct object *pool = only_pool(x, error);

    return pool ? g_variant_ref_sink(g_variant_new_string(pool->ref)) : NULL;
}

/* A host that nobody named is the pool's master, as in xe. */
static GVariant *
the_master(struct xtool *x, GError **error)
{
    const struct object *pool = only_pool(x, error);

    return pool ? g_variant_ref_sink(g_variant_new_string(object_string(pool, "master"))) : NULL;
}

/* What the schema says about one parameter, as a value. */
static GVariant *
parameter(struct xtool *x, const struct dm_param *param, const char *source,
          const struct object *object, GError **error)
{
    size_t length = strlen(source);

    if (g_str_equal(source, "@")) {
        g_assert(object); /* a test holds the schema to it */
        return g_variant_ref_sink(g_variant_new_string(object->ref));
    }
    if (g_str_equal(source, "@pool"))
        return the_pool(x, error);
    if (*source == '{')
        return record_value(x, param->type->cls, source, object, error);
    if (source[length - 1] == ':') {
        g_autofree char *name = g_strndup(source, length - 1);
        return map_value(x, param->type, name, error);
    }
    g_auto(GStrv) names = g_strsplit(source, "/", -1);
    for (unsigned i = 0; names[i]; i++) {
        const char *text = args_get(x->args, names[i]);
        if (text)
            return argument_value(x->objects, param->type, text, names[i], error);
    }
    if (names[1]) {
        usage_set(error, "%s= or %s= is missing.", names[0], names[1]);
        return NULL;
    }
    if (param->type->kind == DM_REF && g_str_equal(param->type->cls->name, "pool"))
        return the_pool(x, error);
    if (param->type->kind == DM_REF && g_str_equal(param->type->cls->name, "host") &&
        !param->optional)
        return the_master(x, error);
    return param->optional ? dm_param_default(param) : dm_type_empty(param->type);
}

/* ---- the call ---- */

/* The references in a result as uuids. */
static GVariant *
readable(struct xtool *x, const struct dm_type *type, GVariant *value)
{
    const struct object *object = NULL;

    if (type->kind != DM_REF || !type->cls->has_uuid ||
        !objects_get(x->objects, type->cls, g_variant_get_string(value, NULL), false, &object,
                     NULL) ||
        !object)
        return g_variant_ref(value);
    return g_variant_ref_sink(g_variant_new_string(object_string(object, "uuid")));
}

/* A map as a block: these keys in their order, or all. */
static void
print_map(struct xtool *x, const struct dm_type *type, GVariant *map, const char *const *keys)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    gsize n = g_variant_n_children(map);

    for (gsize k = 0; k == 0 || (keys[0] && keys[k]); k++) {
        for (gsize i = 0; i < n; i++) {
            g_autoptr(GVariant) entry = g_variant_get_child_value(map, i);
            g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
            g_autoptr(GVariant) value = g_variant_get_child_value(entry, 1);
            g_autofree char *name = value_text(type->key, key);
            if (keys[0] && !g_str_equal(name, keys[k]))
                continue;
            g_ptr_array_add(names, g_steal_pointer(&name));
            g_ptr_array_add(texts, value_text(type->elem, value));
        }
    }
    if (x->minimal)
        print_minimal(x->out, (const char *const *)texts->pdata, MIN(texts->len, 1));
    else if (texts->len)
        print_block(x->out, (const char *const *)names->pdata, (const char *const *)texts->pdata,
                    texts->len);
}

/* A map as a block, a set a line each, anything else on one line; nothing for void. */
static void
print_result(struct xtool *x, const struct dm_type *type, GVariant *result, const char *const *keys)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    if (type->kind == DM_VOID)
        return;
    if (x->json) {
        g_autoptr(GString) out = g_string_new(NULL);
        g_autoptr(GVariant) value = readable(x, type, result);
        json_value_encode(out, type, value);
        fprintf(x->out, "%s\n", out->str);
        return;
    }
    if (type->kind == DM_MAP) {
        print_map(x, type, result, keys);
        return;
    }
    gsize n = type->kind == DM_SET ? g_variant_n_children(result) : 1;
    const struct dm_type *of = type->kind == DM_SET ? type->elem : type;
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) member =
            type->kind == DM_SET ? g_variant_get_child_value(result, i) : g_variant_ref(result);
        g_autoptr(GVariant) value = readable(x, of, member);
        g_ptr_array_add(texts, value_text(of, value));
    }
    if (x->minimal) {
        print_minimal(x->out, (const char *const *)texts->pdata, texts->len);
        return;
    }
    for (unsigned i = 0; i < texts->len; i++) {
        g_autofree char *text = text_for(x->out, texts->pdata[i]);
        fprintf(x->out, "%s\n", text);
    }
}

bool
call_message(struct xtool *x, const char *method, GVariant *const *params, unsigned n,
             GError **error)
{
    g_autoptr(GVariant) result = server_call(x->server, dm_method_find(method), params, n, error);

    return result;
}

/* One call for one object, which is NULL for commands without a selector. */
static bool
call_for(struct xtool *x, const struct xt_command *command, const struct xt_call *call,
         const struct object *object, GError **error)
{
    const struct dm_message *message = dm_method_find(call->method);
    g_autoptr(GPtrArray) params = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);

    for (unsigned i = 0; call->args[i]; i++) {
        GVariant *value = parameter(x, &message->params[i], call->args[i], object, error);
        if (!value)
            return false;
        g_ptr_array_add(params, value);
    }
    const char *label = made_option(x, command, "new-name-label");
    const char *description = made_option(x, command, "new-name-description");
    if (!xtool_check_unused(x, error))
        return false;
    g_autoptr(GVariant) result =
        server_call(x->server, message, (GVariant *const *)params->pdata, params->len, error);
    if (!result || !made_name(x, message, result, label, description, error))
        return false;
    print_result(x, message->result, result, command->keys);
    return true;
}

/* All that the command takes was given, and nothing that only looks like it. */
static bool
check_needed(struct xtool *x, const struct xt_command *command, GError **error)
{
    g_autofree char *usage = command_usage(command);

    for (unsigned i = 0; command->need[i]; i++) {
        if (args_has(x->args, command->need[i]))
            continue;
        usage_set(error, "%s= is missing.\nusage: %s %s", command->need[i], x->name, usage);
        return false;
    }
    return true;
}

/* True when the condition of an alternative holds: "on=" that it is given, "force" that it is true.
 */
static bool
holds(struct xtool *x, const char *when, bool *ret, GError **error)
{
    g_autofree char *key = g_strdup(when);

    if (!g_str_has_suffix(key, "="))
        return args_flag(x->args, key, ret, error);
    key[strlen(key) - 1] = '\0';
    *ret = args_has(x->args, key);
    return true;
}

/* The first alternative whose condition holds. */
static const struct xt_call *
choose_call(struct xtool *x, const struct xt_command *command, GError **error)
{
    for (const struct xt_call *call = command->calls; call->method; call++) {
        bool chosen = true;
        if (call->when && !holds(x, call->when, &chosen, error))
            return NULL;
        if (chosen)
            return call;
    }
    usage_set(error, "%s cannot be undone: say --%s if you mean it.", command->name,
              command->calls[0].when);
    return NULL;
}

/* With --multiple one failure does not keep the others from being done. */
static bool
run_each(struct xtool *x, const struct xt_command *command, const struct verb *verb,
         const struct xt_call *call, const GPtrArray *found, GError **error)
{
    bool ok = true;

    for (unsigned i = 0; i < found->len && !server_interrupted(x->server); i++) {
        g_autoptr(GError) failure = NULL;
        server_show_part(x->server, i + 1, found->len);
        if (verb ? verb->each(x, found->pdata[i], &failure)
                 : call_for(x, command, call, found->pdata[i], &failure))
            continue;
        if (!ok) {
            explain_print(x, *error);
            g_clear_error(error);
        }
        g_propagate_error(error, g_steal_pointer(&failure));
        ok = false;
    }
    return ok;
}

bool
command_run(struct xtool *x, const struct xt_command *command, GError **error)
{
    const struct verb *verb = verb_find(command->name);
    const char *const *const own[2] = {command->need, command->may};
    const struct xt_call *call = NULL;

    if (!command_exists(command)) {
        g_set_error(error, FAILED_ERROR, 0, "%s is a command of xe that xtool does not have yet.",
                    command->name);
        return false;
    }
    if (!check_needed(x, command, error))
        return false;
    args_add_pairs(x->args, command->fill);
    if (!args_flag(x->args, "multiple", &x->multiple, error))
        return false;
    if (verb && verb->run)
        return verb->run(x, command, error);
    if (!verb && !(call = choose_call(x, command, error)))
        return false;
    if (!xtool_connect(x, command->local, error))
        return false;
    if (!command->select)
        return call_for(x, command, call, NULL, error);
    g_autoptr(GPtrArray) found =
        select_objects(class_find(command->select), x->objects, x->args, own, x->multiple, error);
    if (!found)
        return false;
    return verb && verb->all ? verb->all(x, found, error)
                             : run_each(x, command, verb, call, found, error);
}
