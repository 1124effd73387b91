/* The generic messages of every class in the database, over rows of random fields: what is set,
 * added and removed is what is read; what can be made can be removed. */
#include "config.h"

#include <string.h>

#include "lib/bridge-name.h"
#include "lib/error.h"
#include "lib/settings.h"
#include "tests/unit/fake-store.h"
#include "tests/unit/random-value.h"
#include "xapid/calls/rows.h"
#include "xapid/model/roles.h"

#define SECRET "OpaqueRef:00000000-0000-4000-8000-000000000000"

struct fixture {
    struct fake_store store;
    struct settings *settings;
    struct api api;
    GRand *random;
    unsigned tried[DM_FIELD_REMOVE + 1]; /* calls, by kind of message */
};

/* ---- calls ---- */

struct answer {
    GVariant *value;
    char *error;
};

static void
heard(const struct call_answer *answer, void *data)
{
    struct answer *out = data;

    out->error = answer->error ? g_strdup(answer->error->message) : NULL;
    if (answer->value)
        out->value = g_variant_ref(answer->value);
    rows_free(answer->rows);
}

/* Arguments of the message's own types, floating or not; NULL ends them.  An error is "". */
static GVariant *
call(struct fixture *f, const struct dm_message *message, const char **ret_error, ...)
{
    static char *error;
    const struct call_origin origin = {0};
    struct answer answer = {0};
    GVariantBuilder params;
    GVariant *argument;
    va_list ap;

    g_variant_builder_init(&params, G_VARIANT_TYPE("av"));
    g_variant_builder_add(&params, "v", g_variant_new_string(SECRET));
    va_start(ap, ret_error);
    while ((argument = va_arg(ap, GVariant *)))
        g_variant_builder_add(&params, "v", argument);
    va_end(ap);
    struct rpc_request request = {.dialect = RPC_JSON2,
                                  .method = g_strdup(message->full_name),
                                  .params = g_variant_ref_sink(g_variant_builder_end(&params)),
                                  .converted = true};
    f->tried[message->kind]++;
    g_test_message("%s", message->full_name);
    g_assert_null(api_call(&f->api, &request, &origin, heard, &answer));
    rpc_request_clear(&request);
    if (!ret_error && answer.error)
        g_error("%s: %s", message->full_name, answer.error);
    g_free(error);
    error = answer.error;
    if (ret_error)
        *ret_error = error ? error : "";
    return answer.value;
}

/* NULL: the class has none, or not any more. */
static const struct dm_message *
message_of(const struct dm_class *of, enum dm_message_kind kind, const struct dm_field *field)
{
    for (unsigned i = 0; i < of->n_messages; i++) {
        const struct dm_message *message = &of->messages[i];
        if (message->kind == kind && message->field == field && message->lifecycle != DM_REMOVED)
            return message;
    }
    return NULL;
}

static GVariant *
text(const char *string)
{
    return g_variant_new_string(string);
}

/* ---- rows ---- */

/* A row with random fields and references to nothing. */
static char *
new_row(struct fixture *f, const struct dm_class *of)
{
    GVariantDict fields;

    if (g_str_equal(of->name, "role")) { /* the roles are there, and stay */
        g_autoptr(GPtrArray) roles = model_all(f->api.model, of);
        return g_strdup(roles->pdata[0]);
    }
    g_variant_dict_init(&fields, NULL);
    for (unsigned i = 0; i < of->n_fields; i++) {
        const struct dm_field *field = &of->fields[i];
        if (field->storage == DM_DERIVED || strstr(field->type->name, "ref<") ||
            g_str_equal(field->name, "uuid"))
            continue;
        g_autoptr(GVariant) value = random_value(f->random, field->type);
        g_variant_dict_insert_value(&fields, field->name, value);
    }
    return row_create(f->api.model, of->name, g_variant_dict_end(&fields));
}

/* A random value, in which references are to a new row. */
static GVariant *
some_value(struct fixture *f, const struct dm_type *type)
{
    if (!strstr(type->name, "ref<"))
        return random_value(f->random, type);
    if (type->kind == DM_REF) {
        g_autofree char *ref = new_row(f, type->cls);
        return g_variant_ref_sink(text(ref));
    }
    g_autoptr(GVariant) elem = some_value(f, type->elem);
    g_autoptr(GVariant) key = type->kind == DM_MAP ? some_value(f, type->key) : NULL;
    GVariant *entry = key ? g_variant_new_dict_entry(key, elem) : elem;
    return g_variant_ref_sink(g_variant_new_array(g_variant_get_type(entry), &entry, 1));
}

/* ---- reading ---- */

static void
read_row(struct fixture *f, const struct dm_class *of, const char *ref)
{
    const struct dm_message *by_uuid = message_of(of, DM_GET_BY_UUID, NULL);
    const struct dm_message *record = message_of(of, DM_GET_RECORD, NULL);
    const struct dm_message *all = message_of(of, DM_GET_ALL, NULL);

    for (unsigned i = 0; i < of->n_fields; i++) {
        const struct dm_message *get = message_of(of, DM_FIELD_GET, &of->fields[i]);
        /* A session tells the permissions that it has now. */
        if (!get || g_str_equal(get->full_name, "session.get_rbac_permissions"))
            continue;
        g_autoptr(GVariant) expected = model_get(f->api.model, ref, &of->fields[i]);
        g_autoptr(GVariant) value = call(f, get, NULL, text(ref), NULL);
        g_assert_true(g_variant_equal(value, expected));
    }
    if (record) {
        g_autoptr(GVariant) value = call(f, record, NULL, text(ref), NULL);
        g_assert_true(g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT));
    }
    if (by_uuid && of->has_uuid) {
        g_autofree char *uuid = model_get_string(f->api.model, ref, "uuid");
        g_autoptr(GVariant) found = call(f, by_uuid, NULL, text(uuid), NULL);
        g_assert_cmpstr(g_variant_get_string(found, NULL), ==, ref);
    }
    if (all) {
        g_autoptr(GVariant) refs = call(f, all, NULL, NULL);
        g_autofree const char **names = g_variant_get_strv(refs, NULL);
        g_assert_true(g_strv_contains(names, ref));
    }
}

/* ---- writing ---- */

static GVariant *
field_now(struct fixture *f, const struct dm_class *of, const char *ref,
          const struct dm_field *field)
{
    const struct dm_message *get = message_of(of, DM_FIELD_GET, field);

    return get ? call(f, get, NULL, text(ref), NULL) : model_get(f->api.model, ref, field);
}

/* A bridge takes few of all numbers. */
static GVariant *
value_of_field(struct fixture *f, const struct dm_class *of, const struct dm_field *field)
{
    if (!g_str_equal(of->name, "network") || !g_str_equal(field->name, "MTU"))
        return some_value(f, field->type);
    return g_variant_ref_sink(
        g_variant_new_int64(g_rand_int_range(f->random, BRIDGE_MTU_MIN, BRIDGE_MTU_MAX + 1)));
}

static void
set_field(struct fixture *f, const struct dm_class *of, const char *ref,
          const struct dm_field *field)
{
    const struct dm_message *set = message_of(of, DM_FIELD_SET, field);

    for (int n = 0; set && n < 3; n++) {
        g_autoptr(GVariant) value = value_of_field(f, of, field);
        g_autoptr(GVariant) nothing = call(f, set, NULL, text(ref), value, NULL);
        g_autoptr(GVariant) now = field_now(f, of, ref, field);
        g_assert_true(g_variant_equal(now, value));
    }
}

/* Empties the field, then adds one entry twice and removes it twice. */
static void
add_and_remove(struct fixture *f, const struct dm_class *of, const char *ref,
               const struct dm_field *field)
{
    const struct dm_message *add = message_of(of, DM_FIELD_ADD, field);
    const struct dm_message *take = message_of(of, DM_FIELD_REMOVE, field);
    const struct dm_type *type = field->type;
    bool map = type->kind == DM_MAP;
    const char *error;

    if (!add || !take)
        return;
    g_autoptr(GVariant) empty = dm_type_empty(type);
    row_set(f->api.model, ref, field->name, empty);
    g_autoptr(GVariant) entry = some_value(f, map ? type->key : type->elem);
    g_autoptr(GVariant) value = map ? some_value(f, type->elem) : NULL;
    g_autoptr(GVariant) first = call(f, add, NULL, text(ref), entry, value, NULL);
    g_autoptr(GVariant) with = field_now(f, of, ref, field);
    g_assert_cmpuint(g_variant_n_children(with), ==, 1);
    g_autoptr(GVariant) second = call(f, add, &error, text(ref), entry, value, NULL);
    g_assert_true(map ? g_str_has_prefix(error, "MAP_DUPLICATE_KEY") : !*error);
    for (int n = 0; n < 2; n++) {
        g_autoptr(GVariant) nothing = call(f, take, NULL, text(ref), entry, NULL);
        g_autoptr(GVariant) without = field_now(f, of, ref, field);
        g_assert_true(g_variant_equal(without, empty));
    }
}

/* ---- making and removing ---- */

static void
make_and_remove(struct fixture *f, const struct dm_class *of)
{
    const struct dm_message *create = message_of(of, DM_CREATE, NULL);
    const struct dm_message *destroy = message_of(of, DM_DESTROY, NULL);
    const char *error;
    GVariantDict fields;

    if (!create || !destroy)
        return;
    g_variant_dict_init(&fields, NULL);
    for (unsigned i = 0; i < of->n_fields; i++) {
        const struct dm_field *field = &of->fields[i];
        if (field->qualifier == DM_DYNAMIC_RO)
            continue;
        g_autoptr(GVariant) value = some_value(f, field->type);
        g_variant_dict_insert_value(&fields, field->name, value);
    }
    g_autoptr(GVariant) made = call(f, create, NULL, g_variant_dict_end(&fields), NULL);
    const char *ref = g_variant_get_string(made, NULL);
    read_row(f, of, ref);
    g_autoptr(GVariant) gone = call(f, destroy, NULL, text(ref), NULL);
    g_assert_false(model_has(f->api.model, of, ref));
    g_autoptr(GVariant) again = call(f, destroy, &error, text(ref), NULL);
    g_assert_true(g_str_has_prefix(error, "HANDLE_INVALID"));
}

/* ---- all of it ---- */

static void
setup(struct fixture *f, const void *data)
{
    GVariantDict session;
    g_autofree char *ref = session_public_ref(SECRET);

    (void)data;
    memset(f, 0, sizeof *f);
    f->random = g_rand_new_with_seed(20261126);
    f->api.model = model_new();
    g_assert_true(roles_load(f->api.model, NULL));
    g_assert_true(model_load_done(f->api.model, 1, NULL));
    fake_store_init(&f->store, f->api.model);
    f->store.automatic = true;
    api_init(&f->api); /* without anybody's own code, every message is generic */
    f->settings = settings_parse("defaults", "", NULL);
    f->api.limits = &f->settings->limits;
    g_variant_dict_init(&session, NULL);
    g_variant_dict_insert(&session, "is_local_superuser", "b", TRUE);
    g_variant_dict_insert(&session, "last_active", "x", g_get_real_time());
    struct txn *txn = model_begin(f->api.model, NULL);
    g_assert_nonnull(txn_create(txn, cls("session"), ref, g_variant_dict_end(&session), NULL));
    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
    f->api.host = row_create(f->api.model, "host", NULL);
}

static void
teardown(struct fixture *f, const void *data)
{
    (void)data;
    assert_sound(f->api.model);
    g_assert_cmpuint(f->api.parked, ==, 0);
    g_free((char *)f->api.host);
    g_hash_table_unref(f->api.impls);
    settings_free(f->settings);
    model_free(f->api.model);
    fake_store_clear(&f->store);
    g_rand_free(f->random);
}

static void
test_every_class(struct fixture *f, const void *data)
{
    unsigned classes = 0, setters = 0;

    (void)data;
    for (unsigned i = 0; i < dm_n_classes; i++) {
        const struct dm_class *of = &dm_classes[i];
        if (!of->in_database)
            continue;
        g_autofree char *ref = new_row(f, of);
        classes++;
        read_row(f, of, ref);
        for (unsigned j = 0; j < of->n_fields; j++) {
            setters += message_of(of, DM_FIELD_SET, &of->fields[j]) != NULL;
            set_field(f, of, ref, &of->fields[j]);
            add_and_remove(f, of, ref, &of->fields[j]);
        }
        make_and_remove(f, of);
    }
    g_test_message("%u classes, %u setters; calls: %u get, %u set, %u add, %u remove, %u create",
                   classes, setters, f->tried[DM_FIELD_GET], f->tried[DM_FIELD_SET],
                   f->tried[DM_FIELD_ADD], f->tried[DM_FIELD_REMOVE], f->tried[DM_CREATE]);
    g_assert_cmpuint(classes, ==, 65);
    g_assert_cmpuint(setters, ==, 137);
    g_assert_cmpuint(f->tried[DM_FIELD_SET], ==, 3 * setters);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/generic/every-class", struct fixture, NULL, setup, test_every_class, teardown);
    return g_test_run();
}
