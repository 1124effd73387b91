/* References inside values, and rows, which hold them.  Pure; used by the model's files only. */
#include "config.h"

#include <string.h>

#include "xapid/model/internal.h"

bool
field_is_stored(const struct dm_field *field)
{
    return field->storage != DM_DERIVED;
}

bool
type_has_refs(const struct dm_type *type)
{
    switch (type->kind) {
    case DM_REF:
        return type->cls->in_database;
    case DM_SET:
    case DM_OPTION:
        return type_has_refs(type->elem);
    case DM_MAP:
        return type_has_refs(type->key) || type_has_refs(type->elem);
    default:
        return false;
    }
}

bool
value_each_ref(const struct dm_type *type, GVariant *value, ref_fn each, void *data)
{
    if (!type_has_refs(type))
        return true;
    if (type->kind == DM_REF) {
        const char *ref = g_variant_get_string(value, NULL);
        return g_str_equal(ref, REF_NULL) || each(type->cls, ref, data);
    }
    if (type->kind == DM_OPTION)
        return value_each_ref(type->elem, value, each, data);
    gsize n = g_variant_n_children(value);
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
        if (type->kind == DM_SET) {
            if (!value_each_ref(type->elem, child, each, data))
                return false;
            continue;
        }
        g_autoptr(GVariant) key = g_variant_get_child_value(child, 0);
        g_autoptr(GVariant) member = g_variant_get_child_value(child, 1);
        if (!value_each_ref(type->key, key, each, data) ||
            !value_each_ref(type->elem, member, each, data))
            return false;
    }
    return true;
}

static bool
ref_is_other(const struct dm_class *cls, const char *ref, void *data)
{
    (void)cls;
    return !g_str_equal(ref, data);
}

bool
value_refers(const struct dm_type *type, GVariant *value, const char *ref)
{
    return !value_each_ref(type, value, ref_is_other, (char *)ref);
}

/* Whether a member of a set or map goes because it is itself a reference to a row that goes. */
static bool
member_gone(const struct dm_type *type, GVariant *value, ref_fn gone, void *data)
{
    return type->kind == DM_REF && type->cls->in_database &&
           gone(type->cls, g_variant_get_string(value, NULL), data);
}

GVariant *
value_scrub(const struct dm_type *type, GVariant *value, ref_fn gone, void *data)
{
    if (!type_has_refs(type))
        return NULL;
    if (type->kind == DM_REF)
        return member_gone(type, value, gone, data)
                   ? g_variant_ref_sink(g_variant_new_string(REF_NULL))
                   : NULL;
    if (type->kind == DM_OPTION)
        return value_scrub(type->elem, value, gone, data);

    bool changed = false;
    GVariantBuilder builder;
    gsize n = g_variant_n_children(value);
    g_variant_builder_init(&builder, G_VARIANT_TYPE(type->gvariant));
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
        g_autoptr(GVariant) key = NULL;
        g_autoptr(GVariant) member = NULL;
        if (type->kind == DM_MAP) {
            key = g_variant_get_child_value(child, 0);
            member = g_variant_get_child_value(child, 1);
        } else {
            member = g_variant_ref(child);
        }
        if (member_gone(type->elem, member, gone, data) ||
            (key && member_gone(type->key, key, gone, data))) {
            changed = true;
            continue;
        }
        g_autoptr(GVariant) scrubbed = value_scrub(type->elem, member, gone, data);
        if (!scrubbed) {
            g_variant_builder_add_value(&builder, child);
            continue;
        }
        changed = true;
        g_variant_builder_add_value(&builder,
                                    key ? g_variant_new_dict_entry(key, scrubbed) : scrubbed);
    }
    GVariant *result = g_variant_ref_sink(g_variant_builder_end(&builder));
    if (changed)
        return result;
    g_variant_unref(result);
    return NULL;
}

static bool
ref_is_volatile(const struct dm_class *cls, const char *ref, void *data)
{
    (void)ref;
    (void)data;
    return !cls->persistent;
}

GVariant *
value_kept(const struct dm_type *type, GVariant *value)
{
    GVariant *scrubbed = value_scrub(type, value, ref_is_volatile, NULL);

    return scrubbed ? scrubbed : g_variant_ref(value);
}

/* ---- rows: a bit for each field that is not its default, then the values of those ---- */

static gsize
bits_size(const struct dm_class *cls)
{
    return (cls->n_fields + 7) / 8;
}

/* They are the first member of the tuple, and bytes, so that they are where it begins. */
static const guint8 *
row_bits(GVariant *row)
{
    return g_variant_get_data(row);
}

static bool
bit_is_set(const guint8 *bits, unsigned i)
{
    return bits[i / 8] & 1u << i % 8;
}

static gsize
bits_before(const guint8 *bits, unsigned i)
{
    gsize n = (gsize)__builtin_popcount(bits[i / 8] & ((1u << i % 8) - 1));

    for (unsigned byte = 0; byte < i / 8; byte++)
        n += (gsize)__builtin_popcount(bits[byte]);
    return n;
}

/* A full reference; NULL: it is the default. */
static GVariant *
field_own(const struct dm_field *field, GVariant *given, GVariant *base)
{
    if (!field_is_stored(field))
        return NULL;
    if (!given)
        return base && bit_is_set(row_bits(base), field->index) ? row_field(base, field) : NULL;
    g_autoptr(GVariant) otherwise = dm_field_default(field);
    return g_variant_equal(given, otherwise) ? NULL : g_variant_ref(given);
}

GVariant *
row_new(const struct dm_class *cls, GVariant *const *fields, GVariant *base)
{
    g_autofree GVariant **children = g_new(GVariant *, 1 + cls->n_fields);
    guint8 *bits = g_new0(guint8, bits_size(cls));
    gsize n = 1;

    for (unsigned i = 0; i < cls->n_fields; i++) {
        GVariant *own = field_own(&cls->fields[i], fields ? fields[i] : NULL, base);
        if (!own)
            continue;
        bits[i / 8] |= (guint8)(1u << i % 8);
        children[n++] = own;
    }
    /* Trusted, as all bytes are good, and the row then is, too: its values are not checked again
     * whenever they are read. */
    children[0] = g_variant_new_from_data(G_VARIANT_TYPE_BYTESTRING, bits, bits_size(cls), true,
                                          g_free, bits);
    GVariant *row = g_variant_ref_sink(g_variant_new_tuple(children, n));
    /* Serialised at once: the children are let go, one block of memory stays. */
    g_variant_get_data(row);
    for (gsize i = 1; i < n; i++)
        g_variant_unref(children[i]);
    return row;
}

bool
row_is_sound(const struct dm_class *cls, GVariant *row)
{
    g_autoptr(GVariant) first = g_variant_get_child_value(row, 0);
    gsize n = 1;

    if (!g_variant_is_of_type(first, G_VARIANT_TYPE_BYTESTRING) ||
        g_variant_n_children(first) != bits_size(cls))
        return false;
    for (unsigned i = 0; i < 8 * bits_size(cls); i++) {
        if (!bit_is_set(row_bits(row), i))
            continue;
        if (i >= cls->n_fields || n >= g_variant_n_children(row))
            return false;
        g_autoptr(GVariant) own = g_variant_get_child_value(row, n++);
        if (!g_variant_is_of_type(own, G_VARIANT_TYPE(cls->fields[i].type->gvariant)))
            return false;
    }
    return n == g_variant_n_children(row);
}

GVariant *
row_field(GVariant *row, const struct dm_field *field)
{
    const guint8 *bits = row_bits(row);

    return bit_is_set(bits, field->index)
               ? g_variant_get_child_value(row, 1 + bits_before(bits, field->index))
               : dm_field_default(field);
}

const char *
row_string(GVariant *row, const struct dm_field *field)
{
    g_autoptr(GVariant) value = row_field(row, field);

    /* The bytes belong to the serialised row, or to a default, which is never freed. */
    return g_variant_get_string(value, NULL);
}

GVariant *
row_durable(const struct dm_class *cls, GVariant *row)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct dm_field *field = &cls->fields[i];
        if (field->storage != DM_DURABLE || !bit_is_set(row_bits(row), i))
            continue;
        g_autoptr(GVariant) value = row_field(row, field);
        g_variant_builder_add(&builder, "{sv}", field->name, value);
    }
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

bool
row_durable_differs(const struct dm_class *cls, GVariant *a, GVariant *b)
{
    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct dm_field *field = &cls->fields[i];
        if (field->storage != DM_DURABLE ||
            !(bit_is_set(row_bits(a), i) || bit_is_set(row_bits(b), i)))
            continue;
        g_autoptr(GVariant) before = row_field(a, field);
        g_autoptr(GVariant) after = row_field(b, field);
        if (!g_variant_equal(before, after))
            return true;
    }
    return false;
}
