#include "config.h"

#include "tests/unit/random-value.h"

static unsigned
pick(GRand *random, unsigned n)
{
    return (unsigned)g_rand_int_range(random, 0, (gint32)n);
}

static gunichar
random_char(GRand *random)
{
    static const char markup[] = "<>&\"'\\/]}{[,:;# \t\n\x7f";

    switch (pick(random, 8)) {
    case 0:
        return (gunichar)markup[pick(random, sizeof markup - 1)];
    case 1:
        return (gunichar)g_rand_int_range(random, 0xa0, 0x800);
    case 2:
        return (gunichar)g_rand_int_range(random, 0xf900, 0xfffe);
    case 3:
        return (gunichar)g_rand_int_range(random, 0x10000, 0x10ffff + 1);
    default:
        return (gunichar)g_rand_int_range(random, 0x20, 0x7f);
    }
}

char *
random_text(GRand *random)
{
    GString *text = g_string_new(NULL);
    unsigned kind = pick(random, 12);
    unsigned length = pick(random, kind == 0 ? 1000 : 12);

    if (kind == 1)
        g_string_append(text, "  ");
    else if (kind == 2)
        g_string_append(text, "]]><![CDATA[<value/>&amp;&#x41;<!-- -->");
    else
        for (; length; length--)
            g_string_append_unichar(text, random_char(random));
    return g_string_free(text, FALSE);
}

static gint64
random_int(GRand *random)
{
    gint64 wide = (gint64)((guint64)g_rand_int(random) << 32 | g_rand_int(random));

    switch (pick(random, 6)) {
    case 0:
        return 0;
    case 1:
        return G_MININT64;
    case 2:
        return G_MAXINT64;
    case 3:
        return g_rand_int_range(random, -1000, 1000);
    default:
        return wide >> pick(random, 63);
    }
}

static double
random_float(GRand *random)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    double d = (g_rand_double(random) - 0.5) * (double)random_int(random);

    return g_ascii_strtod(g_ascii_formatd(text, sizeof text, "%.15g", d), NULL);
}

static GVariant *
random_map(GRand *random, const struct dm_type *type)
{
    GVariantBuilder builder;
    unsigned n = pick(random, 5);

    g_variant_builder_init(&builder, G_VARIANT_TYPE(type->gvariant));
    for (unsigned i = 0; i < n; i++) {
        g_autoptr(GVariant) member = random_value(random, type->elem);
        GVariant *key;
        if (type->key->kind == DM_INT) {
            key = g_variant_new_int64(random_int(random) / 8 * 8 + i);
        } else if (type->key->kind == DM_ENUM) {
            if (i >= type->key->en->n_values)
                break;
            key = g_variant_new_string(type->key->en->values[i]);
        } else {
            g_autofree char *text = random_text(random);
            key = g_variant_new_take_string(g_strdup_printf("%u%s", i, text));
        }
        g_variant_builder_add_value(&builder, g_variant_new_dict_entry(key, member));
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
random_record(GRand *random, const struct dm_class *cls)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct dm_field *field = &cls->fields[i];
        if (field->internal_only || (field->type->kind == DM_OPTION && pick(random, 2)))
            continue;
        g_autoptr(GVariant) member = random_value(random, field->type);
        g_variant_builder_add(&builder, "{sv}", field->name, member);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
random_event(GRand *random)
{
    static const char *const operations[] = {"add", "mod", "del"};
    const char *operation = operations[pick(random, G_N_ELEMENTS(operations))];
    const struct dm_class *cls;
    GVariantBuilder builder;
    g_autofree char *ref = random_text(random);

    do
        cls = &dm_classes[pick(random, dm_n_classes)];
    while (!cls->generates_events);
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&builder, "{sv}", "id", g_variant_new_string("42"));
    g_variant_builder_add(&builder, "{sv}", "timestamp", g_variant_new_string("0.0"));
    g_variant_builder_add(&builder, "{sv}", "class", g_variant_new_string(cls->lower_name));
    g_variant_builder_add(&builder, "{sv}", "operation", g_variant_new_string(operation));
    g_variant_builder_add(&builder, "{sv}", "ref", g_variant_new_string(ref));
    if (!g_str_equal(operation, "del"))
        g_variant_builder_add(&builder, "{sv}", "snapshot", random_record(random, cls));
    return g_variant_builder_end(&builder);
}

static GVariant *
random_event_batch(GRand *random)
{
    GVariantBuilder batch, events, counts;

    g_variant_builder_init(&events, G_VARIANT_TYPE("aa{sv}"));
    g_variant_builder_init(&counts, G_VARIANT_TYPE("a{si}"));
    for (unsigned i = pick(random, 4); i; i--)
        g_variant_builder_add_value(&events, random_event(random));
    for (unsigned i = 0; i < dm_n_classes; i += 1 + pick(random, 30))
        g_variant_builder_add(&counts, "{si}", dm_classes[i].lower_name,
                              g_rand_int_range(random, 0, G_MAXINT32));
    g_variant_builder_init(&batch, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&batch, "{sv}", "events", g_variant_builder_end(&events));
    g_variant_builder_add(&batch, "{sv}", "valid_ref_counts", g_variant_builder_end(&counts));
    g_variant_builder_add(&batch, "{sv}", "token", g_variant_new_string("00000000000000000001,0"));
    return g_variant_builder_end(&batch);
}

static GVariant *
random_floating(GRand *random, const struct dm_type *type)
{
    GVariantBuilder builder;

    switch (type->kind) {
    case DM_VOID:
        return g_variant_new_tuple(NULL, 0);
    case DM_STRING:
        return g_variant_new_take_string(random_text(random));
    case DM_BOOL:
        return g_variant_new_boolean((gboolean)pick(random, 2));
    case DM_INT:
        return g_variant_new_int64(random_int(random));
    case DM_FLOAT:
        return g_variant_new_double(random_float(random));
    case DM_DATETIME: /* 0000-01-01 to 9999-12-31 */
        return g_variant_new_int64(
            (gint64)g_rand_double_range(random, -62167219200.0, 253402300799.0) * G_USEC_PER_SEC);
    case DM_REF:
        return g_variant_new_take_string(g_strdup_printf(REF_PREFIX "%08x", g_rand_int(random)));
    case DM_ENUM:
        return g_variant_new_string(type->en->values[pick(random, type->en->n_values)]);
    case DM_SET:
        g_variant_builder_init(&builder, G_VARIANT_TYPE(type->gvariant));
        for (unsigned i = pick(random, 5); i; i--) {
            g_autoptr(GVariant) member = random_value(random, type->elem);
            g_variant_builder_add_value(&builder, member);
        }
        return g_variant_builder_end(&builder);
    case DM_MAP:
        return random_map(random, type);
    case DM_RECORD:
        return random_record(random, type->cls);
    case DM_OPTION:
        return random_floating(random, type->elem);
    case DM_EVENT:
        return random_event(random);
    case DM_EVENT_BATCH:
        return random_event_batch(random);
    }
    g_assert_not_reached();
}

GVariant *
random_value(GRand *random, const struct dm_type *type)
{
    return g_variant_ref_sink(random_floating(random, type));
}
