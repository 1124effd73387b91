#include "config.h"

#include "tests/unit/random-rows.h"

#include "tests/unit/random-value.h"

struct rows {
    struct txn *txn;
    GRand *random;
    GPtrArray *refs; /* of the rows so far, by class: GPtrArray of char * */
};

static bool
class_is_kept(const struct dm_class *cls)
{
    return cls->in_database && cls->persistent;
}

static GVariant *
random_ref(const struct rows *rows, const struct dm_class *cls)
{
    const GPtrArray *refs = rows->refs->pdata[cls->index];
    guint i = (guint)g_rand_int_range(rows->random, 0, (gint32)refs->len + 1);

    return g_variant_ref_sink(g_variant_new_string(i < refs->len ? refs->pdata[i] : REF_NULL));
}

/* As random_value (), with references to rows that are there. */
static GVariant *
value_with_refs(const struct rows *rows, const struct dm_type *type)
{
    GVariantBuilder builder;

    if (type->kind == DM_REF)
        return random_ref(rows, type->cls);
    if (type->kind == DM_SET) {
        g_variant_builder_init(&builder, G_VARIANT_TYPE(type->gvariant));
        for (gint32 n = g_rand_int_range(rows->random, 0, 4); n; n--) {
            g_autoptr(GVariant) member = value_with_refs(rows, type->elem);
            g_variant_builder_add_value(&builder, member);
        }
        return g_variant_ref_sink(g_variant_builder_end(&builder));
    }
    if (type->kind == DM_MAP && (type->key->kind == DM_REF || type->elem->kind == DM_REF)) {
        g_autoptr(GVariant) key = value_with_refs(rows, type->key);
        g_autoptr(GVariant) member = value_with_refs(rows, type->elem);
        g_variant_builder_init(&builder, G_VARIANT_TYPE(type->gvariant));
        g_variant_builder_add_value(&builder, g_variant_new_dict_entry(key, member));
        return g_variant_ref_sink(g_variant_builder_end(&builder));
    }
    return random_value(rows->random, type);
}

static void
row_add(struct rows *rows, const struct dm_class *cls)
{
    GVariantBuilder fields;
    g_autoptr(GError) error = NULL;

    g_variant_builder_init(&fields, G_VARIANT_TYPE_VARDICT);
    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct dm_field *field = &cls->fields[i];
        if (field->storage != DM_DURABLE || g_str_equal(field->name, "uuid"))
            continue;
        g_autoptr(GVariant) value = value_with_refs(rows, field->type);
        g_variant_builder_add(&fields, "{sv}", field->name, value);
    }
    g_autoptr(GVariant) record = g_variant_ref_sink(g_variant_builder_end(&fields));
    const char *ref = txn_create(rows->txn, cls, NULL, record, &error);
    g_assert_no_error(error);
    g_ptr_array_add(rows->refs->pdata[cls->index], g_strdup(ref));
}

void
random_rows(struct model *model, GRand *random, guint each,
            bool (*wanted)(const struct dm_class *cls))
{
    g_autoptr(GError) error = NULL;
    struct rows rows = {.txn = model_begin(model, &error), .random = random};

    g_assert_no_error(error);
    rows.refs = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    for (unsigned i = 0; i < dm_n_classes; i++)
        g_ptr_array_add(rows.refs, g_ptr_array_new_with_free_func(g_free));
    /* A row refers to those before it, so that no tree has a cycle. */
    for (guint n = 0; n < each; n++)
        for (unsigned i = 0; i < dm_n_classes; i++)
            if (class_is_kept(&dm_classes[i]) && (!wanted || wanted(&dm_classes[i])))
                row_add(&rows, &dm_classes[i]);
    g_assert_cmpuint(txn_commit(rows.txn, &error), !=, 0);
    g_assert_no_error(error);
    g_ptr_array_unref(rows.refs);
}

static void
assert_same_row(const struct model *a, const struct model *b, const struct dm_class *cls,
                const char *ref)
{
    g_assert_true(model_has(b, cls, ref));
    for (unsigned i = 0; i < cls->n_fields; i++) {
        if (cls->fields[i].storage != DM_DURABLE)
            continue;
        g_autoptr(GVariant) one = model_get(a, ref, &cls->fields[i]);
        g_autoptr(GVariant) other = model_get(b, ref, &cls->fields[i]);
        if (g_variant_equal(one, other))
            continue;
        g_autofree char *first = g_variant_print(one, TRUE);
        g_autofree char *second = g_variant_print(other, TRUE);
        g_error("%s %s %s: %s became %s", cls->name, ref, cls->fields[i].name, first, second);
    }
}

void
assert_same_rows(const struct model *a, const struct model *b)
{
    for (unsigned i = 0; i < dm_n_classes; i++) {
        const struct dm_class *cls = &dm_classes[i];
        if (!class_is_kept(cls))
            continue;
        g_autoptr(GPtrArray) refs = model_all(a, cls);
        g_assert_cmpuint(refs->len, ==, model_count(b, cls));
        for (guint j = 0; j < refs->len; j++)
            assert_same_row(a, b, cls, refs->pdata[j]);
    }
}
