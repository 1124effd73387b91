/* Fields that a transaction sets, kept with what they were, so that another can set them back. */
#include "config.h"

#include "xapid/net/net.h"

struct undo {
    struct txn *txn;
    GArray *fields; /* of struct was */
};

struct was {
    char *ref;
    const struct dm_field *field;
    GVariant *value;
};

static void
was_clear(gpointer data)
{
    struct was *was = data;

    g_free(was->ref);
    g_variant_unref(was->value);
}

struct undo *
undo_new(struct txn *txn)
{
    struct undo *undo = g_new0(struct undo, 1);

    undo->txn = txn;
    undo->fields = g_array_new(FALSE, FALSE, sizeof(struct was));
    g_array_set_clear_func(undo->fields, was_clear);
    return undo;
}

void
undo_free(struct undo *undo)
{
    if (!undo)
        return;
    g_array_unref(undo->fields);
    g_free(undo);
}

struct txn *
undo_txn(const struct undo *undo)
{
    return undo->txn;
}

void
undo_set(struct undo *undo, const char *ref, const char *field, GVariant *value)
{
    const struct model *model = txn_model(undo->txn);
    const struct dm_class *cls = model_class(model, ref);

    if (cls) { /* else it is new, and goes as a whole */
        const struct dm_field *its = dm_field_find(cls, field);
        const struct was was = {g_strdup(ref), its, model_get(model, ref, its)};
        g_array_append_val(undo->fields, was);
    }
    txn_set_value(undo->txn, ref, field, value);
}

void
undo_all(const struct undo *undo, struct txn *txn)
{
    for (guint i = undo->fields->len; i-- > 0;) {
        const struct was *was = &g_array_index(undo->fields, struct was, i);
        if (txn_has(txn, NULL, was->ref))
            txn_set_value(txn, was->ref, was->field->name, was->value);
    }
}
