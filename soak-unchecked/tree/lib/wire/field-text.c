#include "config.h"

#include "lib/wire/field-text.h"

struct field_text {
    GVariant *value; /* the default */
    GString *text;
};

static struct field_text *
text_new(const struct field_texts *texts, const struct dm_field *field)
{
    struct field_text *made = g_new(struct field_text, 1);

    made->value = dm_field_default(field);
    made->text = g_string_new(NULL);
    texts->encode(made->text, field, made->value);
    return made;
}

static void
text_free(struct field_text *made)
{
    g_variant_unref(made->value);
    g_string_free(made->text, TRUE);
    g_free(made);
}

static const struct field_text *
text_of(struct field_texts *texts, const struct dm_field *field)
{
    if (g_once_init_enter(&texts->once)) {
        texts->of = g_new0(struct field_text *, dm_n_fields);
        g_once_init_leave(&texts->once, 1);
    }
    struct field_text **slot = &texts->of[field - dm_fields];
    struct field_text *known = g_atomic_pointer_get(slot);
    if (known)
        return known;
    known = text_new(texts, field);
    if (!g_atomic_pointer_compare_and_exchange(slot, NULL, known))
        text_free(known); /* another thread was first */
    return g_atomic_pointer_get(slot);
}

void
field_text_append(struct field_texts *texts, GString *out, const struct dm_field *field,
                  GVariant *value)
{
    const struct field_text *known = text_of(texts, field);

    if (value == known->value)
        g_string_append_len(out, known->text->str, (gssize)known->text->len);
    else
        texts->encode(out, field, value);
}
