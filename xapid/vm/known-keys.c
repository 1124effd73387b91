/* The free-form maps of a VM, and the only keys in them that do anything: each with what its value
 * may be and what comes of it.  Any other key is stored for whoever wrote it, and never acted on.
 * Which role may write a key is the data model's (key_roles). */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/platform.h"
#include "lib/text.h"
#include "xapid/vm/copies.h"
#include "xapid/vm/vm.h"

#define KEYS_MAX 64 /* known keys of one map; this and the next two as xapid-domains has them */
#define KEY_MAX 128
#define VALUE_MAX 1024

/* ---- what values may be ---- */

static bool
is_text(const char *value)
{
    return strlen(value) <= VALUE_MAX && text_is_valid(value, -1);
}

static bool
is_true_or_false(const char *value)
{
    return g_str_equal(value, "true") || g_str_equal(value, "false");
}

static bool
is_seed(const char *value)
{
    return *value && is_text(value);
}

/* ---- the keys ---- */

static const struct known_key {
    const char *field; /* of class VM */
    const char *key;   /* a '*' at its end stands for the rest of a path */
    bool (*valid)(const char *value);
} known_keys[] = {
    /* Written to KEY in the guest's xenstore when it starts. */
    {"xenstore_data", "vm-data/*", is_text},
    /* What MAC addresses are made from; VM.create makes one where it is missing. */
    {"other_config", "mac_seed", is_seed},
    /* The disks of a template, which VM.provision makes. */
    {"other_config", "disks", vm_disks_are_valid},
    /* Its domain is built ahead of its start (ready.c). */
    {"other_config", VM_READY_KEY, is_true_or_false},
};

static const struct known_key *
known_find(const char *field, const char *key)
{
    for (size_t i = 0; i < G_N_ELEMENTS(known_keys); i++) {
        const struct known_key *known = &known_keys[i];
        size_t prefix = strcspn(known->key, "*");
        if (g_str_equal(known->field, field) && strncmp(known->key, key, prefix) == 0 &&
            (known->key[prefix] || !key[prefix]))
            return known;
    }
    return NULL;
}

/* The rest of a path may be anything that xenstore can have. */
static bool
key_is_valid(const char *key)
{
    size_t length = strlen(key);

    if (length > KEY_MAX || key[length - 1] == '/' || strstr(key, "//"))
        return false;
    for (const char *p = key; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr("-_/@", *p))
            return false;
    return true;
}

/* Those of platform are written to platform/KEY in the guest's xenstore when it starts. */
static bool
is_known(const char *field, const char *key)
{
    return g_str_equal(field, "platform") ? platform_key_is_known(key)
                                          : known_find(field, key) != NULL;
}

/* A known key with a value that it may have?  INVALID_VALUE [field:key, value]. */
static bool
check_entry(const char *field, const char *key, const char *value, GError **error)
{
    bool ok = g_str_equal(field, "platform")
                  ? platform_value_is_valid(key, value)
                  : key_is_valid(key) && known_find(field, key)->valid(value);
    g_autofree char *name = g_strdup_printf("%s:%s", field, key);

    if (!ok)
        api_error_set(error, "INVALID_VALUE", name, value, NULL);
    return ok;
}

static guint
count_known(const struct dm_field *field, GVariant *map)
{
    guint n = 0;
    GVariantIter iter;
    const char *key;

    g_variant_iter_init(&iter, map);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, NULL))
        n += is_known(field->name, key);
    return n;
}

bool
vm_check_map(const struct dm_field *field, GVariant *old, GVariant *value, GError **error)
{
    GVariantIter iter;
    const char *key, *text, *before;

    if (field->cls != vm_class() || !g_variant_is_of_type(value, G_VARIANT_TYPE("a{ss}")))
        return true;
    g_variant_iter_init(&iter, value);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &text))
        if (is_known(field->name, key) &&
            !(g_variant_lookup(old, key, "&s", &before) && g_str_equal(before, text)) &&
            !check_entry(field->name, key, text, error))
            return false;
    guint n = count_known(field, value);
    if (n <= KEYS_MAX || n <= count_known(field, old))
        return true;
    g_autofree char *limit = g_strdup_printf("more than %d keys that go to the guest", KEYS_MAX);
    api_error_set(error, "INVALID_VALUE", field->name, limit, NULL);
    return false;
}

bool
vm_each_map(const struct dm_class *cls, GVariant *fields, vm_map_fn each, void *data,
            GError **error)
{
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_iter_init(&iter, fields);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        g_autoptr(GVariant) owned = value;
        const struct dm_field *field = dm_field_find(cls, name);
        if (!field || field->type->kind != DM_MAP)
            continue;
        g_autoptr(GVariant) none = g_variant_ref_sink(
            g_variant_new_array(g_variant_type_element(g_variant_get_type(value)), NULL, 0));
        if (!each(field, none, value, data, error))
            return false;
    }
    return true;
}

GVariant *
vm_known_entries(const struct model *model, const char *vm, const char *field, GError **error)
{
    g_autoptr(GVariant) map = model_get(model, vm, dm_field_find(vm_class(), field));
    g_auto(GVariantBuilder) out = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{ss}"));
    GVariantIter iter;
    const char *key, *value;

    g_variant_iter_init(&iter, map);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value)) {
        if (!is_known(field, key))
            continue;
        if (!check_entry(field, key, value, error))
            return NULL;
        g_variant_builder_add(&out, "{ss}", key, value);
    }
    return g_variant_ref_sink(g_variant_builder_end(&out));
}
