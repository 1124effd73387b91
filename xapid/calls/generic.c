/* The messages that every class has, for all classes at once: reading records and fields, looking
 * up, writing fields, creating and destroying.  The data model says everything. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/calls/rows.h"
#include "xapid/model/filter.h"

static bool
is_class(const struct dm_class *cls, const char *name)
{
    return g_str_equal(cls->name, name);
}

/* ---- reading ---- */

static void
get_record(struct call *call)
{
    g_autoptr(GVariant) record = rows_record(call->api, call_ref(call, 0));

    call_return(call, record);
}

static void
get_field(struct call *call)
{
    if (is_class(call->message->cls, "session") &&
        g_str_equal(call->message->field->name, "rbac_permissions")) {
        call_return(call, rbac_permissions(session_role(call->api, call_ref(call, 0))));
        return;
    }
    g_autoptr(GVariant) value =
        model_get(call->api->model, call_ref(call, 0), call->message->field);
    call_return(call, value);
}

static void
get_by_uuid(struct call *call)
{
    const struct dm_class *cls = call->message->cls;
    const char *ref = model_by_uuid(call->api->model, cls, call_string(call, 0));

    if (ref)
        call_return_ref(call, ref);
    else
        call_fail_code(call, "UUID_INVALID", cls->name, call_string(call, 0), NULL);
}

static void
return_refs(struct call *call, GPtrArray *refs)
{
    call_return(call, g_variant_new_strv((const char *const *)refs->pdata, refs->len));
}

static void
get_by_name_label(struct call *call)
{
    g_autoptr(GPtrArray) refs =
        model_by_name_label(call->api->model, call->message->cls, call_string(call, 0));

    return_refs(call, refs);
}

/* refs that match the filter in the first parameter, or all; NULL: the call has failed. */
static GPtrArray *
select_refs(struct call *call, bool where)
{
    const struct dm_class *cls = call->message->cls;
    struct model *model = call->api->model;
    g_autoptr(GPtrArray) all = model_all(model, cls);
    GError *error = NULL;

    if (!where)
        return g_steal_pointer(&all);
    struct filter *filter = filter_parse(cls, call_string(call, 0), &error);
    if (!filter) {
        call_fail(call, error);
        return NULL;
    }
    GPtrArray *matching = g_ptr_array_new();
    for (guint i = 0; i < all->len; i++)
        if (filter_matches(filter, model, all->pdata[i]))
            g_ptr_array_add(matching, all->pdata[i]);
    filter_free(filter);
    return matching;
}

static void
get_all(struct call *call, bool where)
{
    g_autoptr(GPtrArray) refs = select_refs(call, where);

    if (refs)
        return_refs(call, refs);
}

static void
get_all_records(struct call *call, bool where)
{
    g_autoptr(GPtrArray) refs = select_refs(call, where);

    if (!refs)
        return;
    struct rows *rows = rows_new(call->api, false);
    for (guint i = 0; i < refs->len; i++)
        rows_add(rows, refs->pdata[i]);
    call_return_rows(call, rows);
}

/* ---- writing ---- */

/* What has to hold after any write to a row of its class. */
static void
after_write(struct call *call, struct txn *txn, const char *ref)
{
    if (is_class(call->message->cls, "VM"))
        vm_refresh_allowed(txn, ref);
}

static void
write_value(struct call *call, const struct dm_field *field, GVariant *value)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(value);
    const char *ref = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    g_autoptr(GVariant) old = txn_get(txn, ref, field);
    if (!vm_check_map(field, old, sunk, &error) || !network_check_value(field, sunk, &error) ||
        !vif_check_value(field, sunk, &error) || !txn_set(txn, ref, field, sunk, &error)) {
        call_abort(call, txn, error);
        return;
    }
    after_write(call, txn, ref);
    call_commit(call, txn, NULL);
}

/* Setting a whole map: each key that appears, goes or changes asks for its own role. */
static bool
check_keys(const struct caller *caller, const char *permission_of, enum dm_role least,
           const struct dm_field *field, GVariant *old, GVariant *value, GError **error)
{
    GVariant *const maps[] = {old, value};

    if (!field->key_roles || field->type->kind != DM_MAP)
        return true;
    for (unsigned i = 0; i < 2; i++) {
        GVariantIter iter;
        GVariant *key_value, *its;
        g_variant_iter_init(&iter, maps[i]);
        while (g_variant_iter_next(&iter, "{@s@*}", &key_value, &its)) {
            g_autoptr(GVariant) key_owned = key_value;
            g_autoptr(GVariant) its_owned = its;
            const char *key = g_variant_get_string(key_value, NULL);
            g_autoptr(GVariant) other = g_variant_lookup_value(maps[1 - i], key, NULL);
            if (other && g_variant_equal(other, its))
                continue;
            enum dm_role needed = dm_key_role(field->key_roles, key, least);
            g_autofree char *permission = g_strdup_printf("%s/key:%s", permission_of, key);
            if (!rbac_check(caller, permission, needed, error))
                return false;
        }
    }
    return true;
}

static bool
check_key_roles(struct call *call, const struct dm_field *field, GVariant *old, GVariant *value,
                GError **error)
{
    return check_keys(&call->caller, call->message->permission, call->message->min_role, field, old,
                      value, error);
}

struct having {
    const struct caller *caller;
    const char *permission;
    enum dm_role least;
};

static bool
may_have(const struct dm_field *field, GVariant *none, GVariant *value, void *data, GError **error)
{
    const struct having *having = data;

    return check_keys(having->caller, having->permission, having->least, field, none, value, error);
}

bool
generic_may_have_keys(const struct caller *caller, const char *permission, enum dm_role least,
                      const struct dm_class *cls, GVariant *fields, GError **error)
{
    struct having having = {caller, permission, least};

    return vm_each_map(cls, fields, may_have, &having, error);
}

static void
set_field(struct call *call, const struct dm_field *field)
{
    g_autoptr(GVariant) old = model_get(call->api->model, call_ref(call, 0), field);
    GError *error = NULL;

    if (!check_key_roles(call, field, old, call->args[1], &error))
        call_fail(call, error);
    else
        write_value(call, field, call->args[1]);
}

/* The entries of a map or set other than `entry` (a key or an element), in their order. */
static GVariantBuilder *
others(GVariant *container, bool map, GVariant *entry, bool *ret_found)
{
    GVariantBuilder *out = g_variant_builder_new(g_variant_get_type(container));
    GVariantIter iter;
    GVariant *child;

    *ret_found = false;
    g_variant_iter_init(&iter, container);
    while ((child = g_variant_iter_next_value(&iter))) {
        g_autoptr(GVariant) owned = child;
        g_autoptr(GVariant) its = map ? g_variant_get_child_value(child, 0) : g_variant_ref(child);
        if (g_variant_equal(its, entry))
            *ret_found = true;
        else
            g_variant_builder_add_value(out, child);
    }
    return out;
}

static void
add_entry(struct call *call, const struct dm_field *field)
{
    bool map = field->type->kind == DM_MAP, found;
    g_autoptr(GVariant) old = model_get(call->api->model, call_ref(call, 0), field);
    g_autoptr(GVariantBuilder) out = others(old, map, call->args[1], &found);

    if (found && map) {
        g_autofree char *key = g_variant_is_of_type(call->args[1], G_VARIANT_TYPE_STRING)
                                   ? g_variant_dup_string(call->args[1], NULL)
                                   : g_variant_print(call->args[1], FALSE);
        call_fail_code(call, "MAP_DUPLICATE_KEY", call->message->cls->name, field->name,
                       call_ref(call, 0), key, NULL);
        return;
    }
    if (found) { /* sets have no duplicates */
        call_return(call, NULL);
        return;
    }
    g_variant_builder_add_value(out, map ? g_variant_new_dict_entry(call->args[1], call->args[2])
                                         : call->args[1]);
    write_value(call, field, g_variant_builder_end(out));
}

static void
remove_entry(struct call *call, const struct dm_field *field)
{
    bool found;
    g_autoptr(GVariant) old = model_get(call->api->model, call_ref(call, 0), field);
    g_autoptr(GVariantBuilder) out =
        others(old, field->type->kind == DM_MAP, call->args[1], &found);

    if (found)
        write_value(call, field, g_variant_builder_end(out));
    else
        call_return(call, NULL);
}

void
generic_write_field(struct call *call)
{
    static const struct {
        const char *prefix;
        void (*write)(struct call *call, const struct dm_field *field);
    } forms[] = {
        {"set_", set_field},       {"add_to_", add_entry}, {"remove_from_", remove_entry},
        {"remove_", remove_entry}, {"add_", add_entry},
    };
    const struct dm_message *message = call->message;

    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        if (!g_str_has_prefix(message->name, forms[i].prefix))
            continue;
        const struct dm_field *field =
            dm_field_find(message->cls, message->name + strlen(forms[i].prefix));
        if (!field)
            continue;
        forms[i].write(call, field);
        return;
    }
    g_assert_not_reached();
}

/* ---- creating and destroying ---- */

GVariant *
generic_constructor(const struct dm_class *cls, GVariant *record)
{
    GVariantBuilder out;
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a{sv}"));
    g_variant_iter_init(&iter, record);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        const struct dm_field *field = dm_field_find(cls, name);
        if (field && field->qualifier != DM_DYNAMIC_RO)
            g_variant_builder_add(&out, "{sv}", name, value);
        g_variant_unref(value);
    }
    return g_variant_builder_end(&out);
}

/* A field without a default must be given. */
static bool
check_required(const struct dm_class *cls, GVariant *fields, GError **error)
{
    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct dm_field *field = &cls->fields[i];
        g_autoptr(GVariant) given = g_variant_lookup_value(fields, field->name, NULL);
        if (field->required && !given) {
            api_error_set(error, "INVALID_VALUE", field->name, "missing", NULL);
            return false;
        }
    }
    return true;
}

static bool
check_map(const struct dm_field *field, GVariant *none, GVariant *value, void *data, GError **error)
{
    struct call *call = data;

    return check_key_roles(call, field, none, value, error) &&
           vm_check_map(field, none, value, error);
}

bool
generic_check_maps(struct call *call, GVariant *fields, GError **error)
{
    return vm_each_map(call->message->cls, fields, check_map, call, error);
}

bool
generic_check_new(struct call *call, GVariant *fields, GError **error)
{
    return check_required(call->message->cls, fields, error) &&
           generic_check_maps(call, fields, error);
}

static void
create(struct call *call)
{
    const struct dm_class *cls = call->message->cls;
    g_autoptr(GVariant) fields = g_variant_ref_sink(generic_constructor(cls, call->args[0]));
    GError *error = NULL;
    struct txn *txn;

    if (!generic_check_new(call, fields, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    const char *ref = txn_create(txn, cls, NULL, fields, &error);
    if (!ref) {
        call_abort(call, txn, error);
        return;
    }
    after_write(call, txn, ref);
    call_commit(call, txn, g_variant_new_string(ref));
}

static void
destroy(struct call *call)
{
    GError *error = NULL;
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    if (!txn_destroy(txn, call_ref(call, 0), &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, NULL);
}

void
generic_run(struct call *call)
{
    switch (call->message->kind) {
    case DM_GET_RECORD:
        get_record(call);
        return;
    case DM_GET_BY_UUID:
        get_by_uuid(call);
        return;
    case DM_GET_BY_NAME_LABEL:
        get_by_name_label(call);
        return;
    case DM_GET_ALL:
        get_all(call, false);
        return;
    case DM_GET_ALL_WHERE:
        get_all(call, true);
        return;
    case DM_GET_ALL_RECORDS:
        get_all_records(call, false);
        return;
    case DM_GET_ALL_RECORDS_WHERE:
        get_all_records(call, true);
        return;
    case DM_CREATE:
        create(call);
        return;
    case DM_DESTROY:
        destroy(call);
        return;
    case DM_FIELD_GET:
        get_field(call);
        return;
    case DM_FIELD_SET:
        set_field(call, call->message->field);
        return;
    case DM_FIELD_ADD:
        add_entry(call, call->message->field);
        return;
    case DM_FIELD_REMOVE:
        remove_entry(call, call->message->field);
        return;
    case DM_CUSTOM:
        break;
    }
    g_assert_not_reached();
}
