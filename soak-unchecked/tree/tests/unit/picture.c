#include "config.h"

#include "tests/unit/picture.h"

#include <string.h>

static void
picture_row_free(void *data)
{
    struct picture_row *row = data;

    for (unsigned i = 0; i < row->cls->n_fields; i++)
        g_variant_unref(row->fields[i]);
    g_free(row->fields);
    g_free(row->ref);
    g_free(row);
}

struct picture_row *
picture_row_new(const struct dm_class *of, const char *ref, GVariant *const *fields)
{
    struct picture_row *row = g_new0(struct picture_row, 1);

    row->cls = of;
    row->ref = g_strdup(ref);
    row->fields = g_new(GVariant *, of->n_fields);
    for (unsigned i = 0; i < of->n_fields; i++)
        row->fields[i] = fields ? g_variant_ref(fields[i]) : dm_field_default(&of->fields[i]);
    return row;
}

void
picture_free(void *data)
{
    struct picture *picture = data;

    g_ptr_array_unref(picture->rows);
    g_hash_table_unref(picture->journal);
    g_free(picture);
}

struct picture *
picture_new(void)
{
    struct picture *picture = g_new0(struct picture, 1);

    picture->generation = 1;
    picture->rows = g_ptr_array_new_with_free_func(picture_row_free);
    picture->journal =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
    return picture;
}

struct picture *
picture_copy(const struct picture *from)
{
    struct picture *picture = picture_new();
    GHashTableIter iter;
    void *key, *value;

    picture->generation = from->generation;
    for (guint i = 0; i < from->rows->len; i++) {
        const struct picture_row *row = from->rows->pdata[i];
        g_ptr_array_add(picture->rows, picture_row_new(row->cls, row->ref, row->fields));
    }
    g_hash_table_iter_init(&iter, from->journal);
    while (g_hash_table_iter_next(&iter, &key, &value))
        g_hash_table_insert(picture->journal, g_strdup(key), g_variant_ref(value));
    return picture;
}

struct picture_row *
picture_find(const struct picture *picture, const char *ref)
{
    for (guint i = 0; i < picture->rows->len; i++)
        if (g_str_equal(((struct picture_row *)picture->rows->pdata[i])->ref, ref))
            return picture->rows->pdata[i];
    return NULL;
}

void
picture_set(struct picture_row *row, const struct dm_field *field, GVariant *value)
{
    g_variant_ref_sink(value);
    g_variant_unref(row->fields[field->index]);
    row->fields[field->index] = value;
}

/* The classes of references in keys and members of a field; NULL: none. */
static void
ref_classes(const struct dm_type *type, const struct dm_class **ret_key,
            const struct dm_class **ret_member)
{
    *ret_key = type->kind == DM_MAP && type->key->kind == DM_REF ? type->key->cls : NULL;
    const struct dm_type *member = type->kind == DM_SET || type->kind == DM_MAP ? type->elem : type;
    *ret_member = member->kind == DM_REF ? member->cls : NULL;
}

/* The value with every reference replaced by what `keep` says. */
static GVariant *
picture_scrub(const struct dm_type *type, GVariant *value, bool (*keep)(const char *, void *),
              void *data)
{
    const struct dm_class *key_class, *member_class;
    GVariantBuilder builder;

    ref_classes(type, &key_class, &member_class);
    if (type->kind == DM_REF)
        return keep(g_variant_get_string(value, NULL), data) ? g_variant_ref(value)
                                                             : g_variant_new_string(REF_NULL);
    if (!key_class && !member_class)
        return g_variant_ref(value);
    g_variant_builder_init(&builder, G_VARIANT_TYPE(type->gvariant));
    for (gsize i = 0; i < g_variant_n_children(value); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
        const char *key = NULL, *member = NULL;
        if (type->kind == DM_SET)
            member = g_variant_get_string(child, NULL);
        else
            g_variant_get(child, "{&s&s}", &key, &member);
        if ((!key_class || keep(key, data)) && (!member_class || keep(member, data)))
            g_variant_builder_add_value(&builder, child);
    }
    return g_variant_builder_end(&builder);
}

static bool
not_this(const char *ref, void *data)
{
    return !g_str_equal(ref, data);
}

struct ref_check {
    const struct picture *picture;
    bool ok;
};

static bool
note_dangling(const char *ref, void *data)
{
    struct ref_check *check = data;

    if (!g_str_equal(ref, REF_NULL) && !picture_find(check->picture, ref))
        check->ok = false;
    return true;
}

bool
picture_sound(const struct picture *picture)
{
    struct ref_check check = {.picture = picture, .ok = true};

    for (guint i = 0; i < picture->rows->len; i++) {
        const struct picture_row *row = picture->rows->pdata[i];
        for (unsigned j = 0; j < row->cls->n_fields; j++) {
            const struct dm_field *field = &row->cls->fields[j];
            if (field->storage != DM_DERIVED)
                g_variant_unref(g_variant_ref_sink(
                    picture_scrub(field->type, row->fields[j], note_dangling, &check)));
            if (!check.ok)
                return false;
            if (!g_str_equal(field->name, "parent") && !g_str_equal(field->name, "snapshot_of"))
                continue;
            const struct picture_row *up = row;
            for (guint steps = 0; up; steps++) {
                if (steps > picture->rows->len)
                    return false;
                up = picture_find(picture, g_variant_get_string(up->fields[j], NULL));
            }
        }
        const struct dm_field *uuid = dm_field_find(row->cls, "uuid");
        for (guint j = 0; j < i; j++) {
            const struct picture_row *other = picture->rows->pdata[j];
            if (other->cls == row->cls &&
                g_variant_equal(other->fields[uuid->index], row->fields[uuid->index]))
                return false;
        }
    }
    return true;
}

/* The derived fields by looking at every row. */
static GVariant *
picture_derived(const struct picture *picture, const char *ref, const struct dm_field *field)
{
    const struct dm_field *near = field->reverse_of;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < picture->rows->len; i++) {
        const struct picture_row *row = picture->rows->pdata[i];
        if (row->cls != near->cls)
            continue;
        g_autofree char *text = g_variant_print(row->fields[near->index], FALSE);
        g_autofree char *quoted = g_strdup_printf("'%s'", ref);
        if (strstr(text, quoted))
            g_variant_builder_add(&builder, "s", row->ref);
    }
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

GVariant *
picture_record(const struct picture *picture, const struct picture_row *row)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (unsigned i = 0; i < row->cls->n_fields; i++) {
        const struct dm_field *field = &row->cls->fields[i];
        g_autoptr(GVariant) value = field->storage == DM_DERIVED
                                        ? picture_derived(picture, row->ref, field)
                                        : g_variant_ref(row->fields[i]);
        if (!field->internal_only)
            g_variant_builder_add(&builder, "{sv}", field->name, value);
    }
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

void
picture_destroy(struct picture *picture, struct picture_row *row)
{
    g_autofree char *ref = g_strdup(row->ref);

    g_ptr_array_remove(picture->rows, row);
    for (guint i = 0; i < picture->rows->len; i++) {
        struct picture_row *other = picture->rows->pdata[i];
        for (unsigned j = 0; j < other->cls->n_fields; j++)
            if (other->cls->fields[j].storage != DM_DERIVED)
                picture_set(
                    other, &other->cls->fields[j],
                    picture_scrub(other->cls->fields[j].type, other->fields[j], not_this, ref));
    }
}

static bool
is_not_volatile(const char *ref, void *data)
{
    const struct picture_row *row = picture_find(data, ref);

    return !row || row->cls->persistent;
}

/* What a restart leaves: durable fields of persistent rows. */
void
picture_restart(struct picture *picture)
{
    for (guint i = 0; i < picture->rows->len; i++) {
        struct picture_row *row = picture->rows->pdata[i];
        for (unsigned j = 0; j < row->cls->n_fields; j++) {
            const struct dm_field *field = &row->cls->fields[j];
            if (field->storage == DM_VOLATILE) {
                g_autoptr(GVariant) value = dm_field_default(field);
                picture_set(row, field, value);
            } else if (field->storage == DM_DURABLE) {
                picture_set(row, field,
                            picture_scrub(field->type, row->fields[j], is_not_volatile, picture));
            }
        }
    }
    for (guint i = picture->rows->len; i-- > 0;)
        if (!((struct picture_row *)picture->rows->pdata[i])->cls->persistent)
            g_ptr_array_remove_index(picture->rows, i);
}
