/* Look-ups in the generated tables, default values and type checks; see datamodel.h. */
#include "config.h"

#include "lib/datamodel/datamodel.h"

#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

static int
class_compare(const void *key, const void *element)
{
    return strcmp(key, dm_classes[*(const unsigned short *)element].lower_name);
}

const struct dm_class *
dm_class_find(const char *name, bool fold)
{
    char lower[64];
    size_t length = strlen(name);

    if (length >= sizeof lower)
        return NULL;
    for (size_t i = 0; i <= length; i++)
        lower[i] = g_ascii_tolower(name[i]);
    const unsigned short *found =
        bsearch(lower, dm_class_order, dm_n_classes, sizeof *dm_class_order, class_compare);
    if (!found)
        return NULL;
    const struct dm_class *cls = &dm_classes[*found];
    return fold || g_str_equal(cls->name, name) ? cls : NULL;
}

const struct dm_field *
dm_field_find(const struct dm_class *cls, const char *name)
{
    unsigned low = 0, high = cls->n_fields;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct dm_field *field = &cls->fields[cls->field_order[middle]];
        int order = strcmp(name, field->name);

        if (order == 0)
            return field;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static int
message_compare(const void *key, const void *element)
{
    return strcmp(key, ((const struct dm_message *)element)->name);
}

const struct dm_message *
dm_message_find(const struct dm_class *cls, const char *name)
{
    return bsearch(name, cls->messages, cls->n_messages, sizeof *cls->messages, message_compare);
}

static int
error_compare(const void *key, const void *element)
{
    return strcmp(key, ((const struct dm_error *)element)->code);
}

const struct dm_error *
dm_error_find(const char *code)
{
    return bsearch(code, dm_errors, dm_n_errors, sizeof *dm_errors, error_compare);
}

const struct dm_type *
dm_type_find(const char *name)
{
    for (unsigned i = 0; i < dm_n_types; i++)
        if (g_str_equal(dm_types[i].name, name))
            return &dm_types[i];
    return NULL;
}

bool
dm_enum_has(const struct dm_enum *en, const char *value)
{
    for (unsigned i = 0; i < en->n_values; i++)
        if (g_str_equal(en->values[i], value))
            return true;
    return false;
}

/* The message after `length` bytes of class name and one separator. */
static const struct dm_message *
method_split(const char *method, size_t length)
{
    char name[64];

    if (length >= sizeof name)
        return NULL;
    memcpy(name, method, length);
    name[length] = '\0';
    const struct dm_class *cls = dm_class_find(name, false);
    return cls ? dm_message_find(cls, method + length + 1) : NULL;
}

const struct dm_message *
dm_method_find(const char *method)
{
    const char *dot = strchr(method, '.');

    if (dot)
        return method_split(method, (size_t)(dot - method));
    /* From the right: the class is VM_metrics, not VM, in VM_metrics_get_record. */
    for (size_t i = strnlen(method, 256); i-- > 0;) {
        if (method[i] != '_')
            continue;
        const struct dm_message *message = method_split(method, i);
        if (message)
            return message;
    }
    return NULL;
}

/* Values parsed so far, one slot a field, parameter and type; filled on first use by any thread. */
static struct {
    GVariant **fields, **params, **types;
} cache;

static void
cache_init(void)
{
    static gsize once;

    if (g_once_init_enter(&once)) {
        cache.fields = g_new0(GVariant *, dm_n_fields);
        cache.params = g_new0(GVariant *, dm_n_params);
        cache.types = g_new0(GVariant *, dm_n_types);
        g_once_init_leave(&once, 1);
    }
}

/* Takes a full reference into the slot, unless another thread was first; returns a new one. */
static GVariant *
cache_keep(GVariant **slot, GVariant *value)
{
    /* Serialised now, so that readers share the bytes and no thread has to do it later. */
    g_variant_get_data(value);
    if (!g_atomic_pointer_compare_and_exchange(slot, NULL, value))
        g_variant_unref(value);
    return g_variant_ref(g_atomic_pointer_get(slot));
}

static GVariant *
text_parse(const struct dm_type *type, const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(G_VARIANT_TYPE(type->gvariant), text, NULL, NULL, &error);

    if (!value)
        g_error("data model: default %s of %s: %s", text, type->name, error->message);
    return value;
}

GVariant *
dm_field_default(const struct dm_field *field)
{
    if (!field->default_text)
        return dm_type_empty(field->type);
    cache_init();
    GVariant **slot = &cache.fields[field - dm_fields];
    GVariant *value = g_atomic_pointer_get(slot);
    return value ? g_variant_ref(value)
                 : cache_keep(slot, text_parse(field->type, field->default_text));
}

GVariant *
dm_param_default(const struct dm_param *param)
{
    if (!param->optional)
        return NULL;
    cache_init();
    GVariant **slot = &cache.params[param - dm_params];
    GVariant *value = g_atomic_pointer_get(slot);
    return value ? g_variant_ref(value)
                 : cache_keep(slot, text_parse(param->type, param->default_text));
}

static GVariant *
empty_new(const struct dm_type *type)
{
    switch (type->kind) {
    case DM_REF:
        return g_variant_new_string(REF_NULL);
    case DM_ENUM:
        return g_variant_new_string(type->en->values[0]);
    case DM_STRING:
        return g_variant_new_string("");
    case DM_BOOL:
        return g_variant_new_boolean(FALSE);
    case DM_INT:
    case DM_DATETIME:
        return g_variant_new_int64(0);
    case DM_FLOAT:
        return g_variant_new_double(0);
    case DM_VOID:
        return g_variant_new_tuple(NULL, 0);
    case DM_OPTION:
        return empty_new(type->elem);
    case DM_SET:
    case DM_MAP:
    case DM_RECORD:
    case DM_EVENT:
    case DM_EVENT_BATCH:
        break;
    }
    return g_variant_new_array(g_variant_type_element(G_VARIANT_TYPE(type->gvariant)), NULL, 0);
}

GVariant *
dm_type_empty(const struct dm_type *type)
{
    cache_init();
    GVariant **slot = &cache.types[type - dm_types];
    GVariant *value = g_atomic_pointer_get(slot);
    return value ? g_variant_ref(value) : cache_keep(slot, g_variant_ref_sink(empty_new(type)));
}

enum dm_role
dm_key_role(const struct dm_key_role *key_roles, const char *key, enum dm_role otherwise)
{
    size_t best = 0;
    enum dm_role role = otherwise;

    for (; key_roles && key_roles->key; key_roles++) {
        const char *pattern = key_roles->key;
        size_t length = strlen(pattern);

        if (g_str_equal(pattern, key))
            return key_roles->role;
        if (length > best && pattern[length - 1] == '*' && strncmp(pattern, key, length - 1) == 0) {
            best = length;
            role = key_roles->role;
        }
    }
    return role;
}

static bool check_value(const struct dm_type *type, GVariant *value);

static bool
check_children(const struct dm_type *type, GVariant *value)
{
    GVariantIter iter;
    GVariant *child;
    bool ok = true;

    g_variant_iter_init(&iter, value);
    while (ok && (child = g_variant_iter_next_value(&iter))) {
        if (type->kind == DM_MAP) {
            g_autoptr(GVariant) key = g_variant_get_child_value(child, 0);
            g_autoptr(GVariant) member = g_variant_get_child_value(child, 1);
            ok = check_value(type->key, key) && check_value(type->elem, member);
        } else {
            ok = check_value(type->elem, child);
        }
        g_variant_unref(child);
    }
    return ok;
}

static bool
check_record(const struct dm_type *type, GVariant *value)
{
    GVariantIter iter;
    const char *name;
    GVariant *member;
    bool ok = true;

    g_variant_iter_init(&iter, value);
    while (ok && g_variant_iter_next(&iter, "{&sv}", &name, &member)) {
        const struct dm_field *field = dm_field_find(type->cls, name);
        ok = field && !field->internal_only && dm_type_check(field->type, member);
        g_variant_unref(member);
    }
    return ok;
}

static bool
check_event(GVariant *value)
{
    static const char *const texts[] = {"id", "timestamp", "class", "operation", "ref"};
    const char *text, *class_name = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        if (!g_variant_lookup(value, texts[i], "&s", &text) || !text_is_valid(text, -1))
            return false;
    g_variant_lookup(value, "class", "&s", &class_name);
    const struct dm_class *cls = dm_class_find(class_name, true);
    g_autoptr(GVariant) snapshot = g_variant_lookup_value(value, "snapshot", NULL);
    if (!snapshot)
        return g_variant_n_children(value) == G_N_ELEMENTS(texts);
    struct dm_type record = {.kind = DM_RECORD, .gvariant = "a{sv}", .cls = cls};
    return cls && g_variant_n_children(value) == G_N_ELEMENTS(texts) + 1 &&
           dm_type_check(&record, snapshot);
}

static bool
check_event_batch(const struct dm_type *type, GVariant *value)
{
    g_autoptr(GVariant) events = g_variant_lookup_value(value, "events", G_VARIANT_TYPE("aa{sv}"));
    g_autoptr(GVariant) counts =
        g_variant_lookup_value(value, "valid_ref_counts", G_VARIANT_TYPE("a{si}"));
    const char *token;

    if (!events || !counts || !g_variant_lookup(value, "token", "&s", &token) ||
        !text_is_valid(token, -1) || g_variant_n_children(value) != 3)
        return false;
    for (gsize i = 0; i < g_variant_n_children(events); i++) {
        g_autoptr(GVariant) event = g_variant_get_child_value(events, i);
        if (!dm_type_check(type->elem, event))
            return false;
    }
    return true;
}

/* The GVariant type is known to be right. */
static bool
check_value(const struct dm_type *type, GVariant *value)
{
    switch (type->kind) {
    case DM_STRING:
    case DM_REF:
        return text_is_valid(g_variant_get_string(value, NULL), -1);
    case DM_ENUM:
        return dm_enum_has(type->en, g_variant_get_string(value, NULL));
    case DM_SET:
    case DM_MAP:
        return check_children(type, value);
    case DM_RECORD:
        return check_record(type, value);
    case DM_OPTION:
        return check_value(type->elem, value);
    case DM_EVENT:
        return check_event(value);
    case DM_EVENT_BATCH:
        return check_event_batch(type, value);
    case DM_VOID:
    case DM_BOOL:
    case DM_INT:
    case DM_FLOAT:
    case DM_DATETIME:
        break;
    }
    return true;
}

bool
dm_type_check(const struct dm_type *type, GVariant *value)
{
    return g_variant_is_of_type(value, G_VARIANT_TYPE(type->gvariant)) && check_value(type, value);
}
