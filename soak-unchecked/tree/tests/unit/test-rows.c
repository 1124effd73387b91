/* Answers of many rows: pieces equal to the whole encoding, of one moment, durable and bounded. */
#include "config.h"

#include "lib/error.h"
#include "lib/settings.h"
#include "lib/wire/jsonrpc.h"
#include "lib/wire/xmlrpc.h"
#include "tests/unit/fake-store.h"
#include "tests/unit/random-value.h"
#include "xapid/calls/rows.h"
#include "xapid/calls/texts.h"
#include "xapid/model/roles.h"

#define ROWS_OF_A_CLASS 4
#define SECRET "OpaqueRef:00000000-0000-4000-8000-000000000000"

struct fixture {
    struct fake_store store;
    struct settings *settings;
    struct api api;
    GRand *random;
    char *session; /* of root, whose reference is SECRET to clients */
};

static void
create_session(struct fixture *f)
{
    GVariantDict fields;

    f->session = session_public_ref(SECRET);
    g_variant_dict_init(&fields, NULL);
    g_variant_dict_insert(&fields, "is_local_superuser", "b", TRUE);
    g_variant_dict_insert(&fields, "last_active", "x", g_get_real_time());
    struct txn *txn = model_begin(f->api.model, NULL);
    g_assert_nonnull(
        txn_create(txn, cls("session"), f->session, g_variant_dict_end(&fields), NULL));
    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
}

static void
setup(struct fixture *f, const void *data)
{
    (void)data;
    f->random = g_rand_new_with_seed(20261124);
    f->api.model = model_new();
    g_assert_true(roles_load(f->api.model, NULL));
    g_assert_true(model_load_done(f->api.model, 1, NULL));
    fake_store_init(&f->store, f->api.model);
    f->store.automatic = true;
    api_init(&f->api);
    api_register(&f->api, calls_event);
    f->settings = settings_parse("defaults", "", NULL);
    f->api.limits = &f->settings->limits;
    f->api.events = events_new(&f->api);
    f->api.texts = texts_new();
    create_session(f);
}

static void
teardown(struct fixture *f, const void *data)
{
    (void)data;
    g_assert_cmpuint(f->api.rows_held, ==, 0);
    g_assert_cmpuint(f->api.parked, ==, 0);
    events_free(f->api.events);
    texts_free(f->api.texts);
    g_hash_table_unref(f->api.impls);
    settings_free(f->settings);
    model_free(f->api.model);
    fake_store_clear(&f->store);
    g_rand_free(f->random);
    g_free(f->session);
}

/* ---- rows with random fields and random relations ---- */

static void
create_random(struct fixture *f, const struct dm_class *of)
{
    g_autoptr(GError) error = NULL;
    GVariantDict fields;

    g_variant_dict_init(&fields, NULL);
    for (unsigned i = 0; i < of->n_fields; i++) {
        const struct dm_field *field = &of->fields[i];
        if (field->storage == DM_DERIVED || strstr(field->type->name, "ref<") ||
            g_str_equal(field->name, "uuid"))
            continue;
        g_autoptr(GVariant) value = random_value(f->random, field->type);
        g_variant_dict_insert_value(&fields, field->name, value);
    }
    struct txn *txn = model_begin(f->api.model, &error);
    g_assert_no_error(error);
    txn_create(txn, of, NULL, g_variant_dict_end(&fields), &error);
    g_assert_no_error(error);
    txn_commit(txn, &error);
    g_assert_no_error(error);
}

/* Lets a field refer to some row; what would be a circle is left out. */
static void
relate(struct fixture *f, const char *ref, const struct dm_field *field)
{
    const struct dm_type *type = field->type;
    const struct dm_type *to = type->kind == DM_SET ? type->elem : type;

    if (field->storage == DM_DERIVED || to->kind != DM_REF || !to->cls->in_database)
        return;
    g_autoptr(GPtrArray) others = model_all(f->api.model, to->cls);
    if (!others->len || g_rand_boolean(f->random))
        return;
    const char *other = others->pdata[g_rand_int_range(f->random, 0, (gint32)others->len)];
    GVariant *value =
        type->kind == DM_SET ? g_variant_new_strv(&other, 1) : g_variant_new_string(other);
    struct txn *txn = model_begin(f->api.model, NULL);
    g_assert_true(txn_set(txn, ref, field, value, NULL));
    txn_commit(txn, NULL);
}

static void
populate(struct fixture *f)
{
    for (unsigned i = 0; i < dm_n_classes; i++)
        for (int n = 0; dm_classes[i].in_database && n < ROWS_OF_A_CLASS; n++)
            create_random(f, &dm_classes[i]);
    for (unsigned i = 0; i < dm_n_classes; i++) {
        if (!dm_classes[i].in_database || g_str_equal(dm_classes[i].name, "role"))
            continue;
        g_autoptr(GPtrArray) refs = model_all(f->api.model, &dm_classes[i]);
        for (guint n = 0; n < refs->len; n++)
            for (unsigned j = 0; j < dm_classes[i].n_fields; j++)
                relate(f, refs->pdata[n], &dm_classes[i].fields[j]);
    }
}

/* Nothing of the model is as it was. */
static void
disturb(struct fixture *f)
{
    for (unsigned i = 0; i < dm_n_classes; i++) {
        g_autoptr(GPtrArray) refs = model_all(f->api.model, &dm_classes[i]);
        for (guint n = 0; n < refs->len; n++)
            if (!g_str_equal(dm_classes[i].name, "role"))
                row_destroy(f->api.model, refs->pdata[n]);
    }
}

/* ---- the whole, as the codecs write a value ---- */

static struct rpc_request
request_of(enum rpc_dialect dialect)
{
    return (struct rpc_request){
        .dialect = dialect,
        .id = dialect == RPC_XML ? NULL : g_variant_ref_sink(g_variant_new_int64(7))};
}

static GString *
whole(const struct rpc_request *request, const char *type, GVariant *value)
{
    GString *out = g_string_new(NULL);

    if (request->dialect == RPC_XML)
        xmlrpc_reply_success(out, dm_type_find(type), value, false);
    else
        jsonrpc_reply_success(out, request, dm_type_find(type), value);
    return out;
}

static GVariant *
record_of(struct fixture *f, const char *ref)
{
    return g_str_equal(model_class(f->api.model, ref)->name, "session")
               ? rows_record(&f->api, ref)
               : model_record(f->api.model, ref);
}

static void
assert_pieces(struct fixture *f, struct rows *rows, const struct rpc_request *request,
              const GString *expected)
{
    g_autoptr(GString) out = g_string_new(NULL);
    gsize enough = (gsize)g_rand_int_range(f->random, 1, 64 * 1024);
    bool more = true;

    for (gsize before = 0; more; before = out->len) {
        more = rows_encode(rows, request, out, enough);
        g_assert_true(!more || out->len - before >= enough);
    }
    g_assert_cmpstr(out->str, ==, expected->str);
    rows_free(rows);
    if (request->id)
        g_variant_unref(request->id);
}

static void
test_records(struct fixture *f, const void *data)
{
    const enum rpc_dialect dialect = GPOINTER_TO_INT(data);
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    g_autoptr(GPtrArray) expected = g_ptr_array_new();

    populate(f);
    for (unsigned i = 0; i < dm_n_classes; i++) {
        const struct dm_class *of = &dm_classes[i];
        g_autofree char *type = g_strdup_printf("map<ref<%s>,record<%s>>", of->name, of->name);
        g_autoptr(GPtrArray) refs = model_all(f->api.model, of);
        const struct rpc_request request = request_of(dialect);
        struct rows *rows = rows_new(&f->api, false);
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a{sa{sv}}"));
        for (guint n = 0; n < refs->len; n++) {
            g_autoptr(GVariant) record = record_of(f, refs->pdata[n]);
            g_variant_builder_add(&builder, "{s@a{sv}}", refs->pdata[n], record);
            rows_add(rows, refs->pdata[n]);
        }
        g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_builder_end(&builder));
        if (!dm_type_find(type)) { /* no get_all_records */
            rows_free(rows);
            if (request.id)
                g_variant_unref(request.id);
            continue;
        }
        g_ptr_array_add(all, rows);
        g_ptr_array_add(expected, whole(&request, type, value));
        if (request.id)
            g_variant_unref(request.id);
    }
    g_assert_cmpuint(all->len, >, 20);
    disturb(f);
    for (guint i = 0; i < all->len; i++) {
        const struct rpc_request request = request_of(dialect);
        assert_pieces(f, all->pdata[i], &request, expected->pdata[i]);
        g_string_free(expected->pdata[i], TRUE);
    }
}

/* ---- events ---- */

struct telling {
    struct fixture *f;
    struct rows *batch, *list;
    GVariantBuilder events;
    guint kinds[3];
};

static void
tell(enum model_change_kind kind, const struct dm_class *of, const char *ref, guint64 generation,
     void *data)
{
    static const char *const operations[] = {
        [MODEL_ADD] = "add", [MODEL_MOD] = "mod", [MODEL_DEL] = "del"};
    struct telling *telling = data;
    GVariantDict event;

    telling->kinds[kind]++;
    rows_add_event(telling->batch, kind, of, ref, generation);
    rows_add_event(telling->list, kind, of, ref, generation);
    g_variant_dict_init(&event, NULL);
    g_variant_dict_insert_value(
        &event, "id", g_variant_new_take_string(g_strdup_printf("%" G_GUINT64_FORMAT, generation)));
    g_variant_dict_insert(&event, "timestamp", "s", "0.0");
    g_variant_dict_insert(&event, "class", "s", of->lower_name);
    g_variant_dict_insert(&event, "operation", "s", operations[kind]);
    g_variant_dict_insert(&event, "ref", "s", ref);
    if (kind != MODEL_DEL) {
        g_autoptr(GVariant) record = record_of(telling->f, ref);
        g_variant_dict_insert_value(&event, "snapshot", record);
    }
    g_variant_builder_add_value(&telling->events, g_variant_dict_end(&event));
}

static void
test_events(struct fixture *f, const void *data)
{
    const enum rpc_dialect dialect = GPOINTER_TO_INT(data);
    struct telling telling = {
        .f = f, .batch = rows_new(&f->api, true), .list = rows_new(&f->api, true)};
    struct rpc_request request = request_of(dialect);
    GVariantDict batch;

    g_autofree char *gone = row_create(f->api.model, "network", fields_of("name_label", "n", NULL));
    guint64 since = model_head(f->api.model);
    row_destroy(f->api.model, gone);
    populate(f);
    row_set(f->api.model, f->session, "originator", g_variant_new_string("somebody"));
    g_variant_builder_init(&telling.events, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < dm_n_classes; i++)
        if (dm_classes[i].in_database)
            model_changes_since(f->api.model, &dm_classes[i], since, tell, &telling, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(telling.kinds); i++)
        g_assert_cmpuint(telling.kinds[i], >, 0);
    g_autoptr(GVariant) events = g_variant_ref_sink(g_variant_builder_end(&telling.events));
    g_autoptr(GVariant) counts =
        g_variant_ref_sink(g_variant_new_parsed("{'vm': 4, 'task': 0, 'network': 5}"));

    rows_set_batch(telling.batch, counts, "1,0");
    g_variant_dict_init(&batch, NULL);
    g_variant_dict_insert_value(&batch, "events", events);
    g_variant_dict_insert_value(&batch, "valid_ref_counts", counts);
    g_variant_dict_insert(&batch, "token", "s", "1,0");
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_dict_end(&batch));
    g_autoptr(GString) whole_batch = whole(&request, "event_batch", value);
    g_autoptr(GString) whole_list = whole(&request, "set<record<event>>", events);
    disturb(f);
    if (request.id)
        g_variant_ref(request.id);
    assert_pieces(f, telling.batch, &request, whole_batch);
    assert_pieces(f, telling.list, &request, whole_list);
}

/* ---- one moment ---- */

static void
test_permissions(struct fixture *f, const void *data)
{
    g_autoptr(GVariant) identity =
        g_variant_ref_sink(g_variant_new_parsed("(uint32 1000, @au [])"));
    g_autofree char *role = roles_ref("read-only"), *session = NULL, *key = NULL;
    const char *const roles[] = {role};
    g_autoptr(GString) out = g_string_new(NULL);
    struct rpc_request request = {.dialect = RPC_XML};
    struct rows *rows = rows_new(&f->api, false);

    (void)data;
    g_autofree char *subject =
        row_create(f->api.model, "subject", fields_of("subject_identifier", "u1000", NULL));
    row_set(f->api.model, subject, "roles", g_variant_new_strv(roles, 1));
    g_autofree char *host =
        row_create(f->api.model, "host", fields_of("external_auth_type", "PAM", NULL));
    f->api.host = host;
    session = row_create(f->api.model, "session", NULL);
    key = g_strconcat("session/", session, NULL);
    struct txn *txn = model_begin(f->api.model, NULL);
    txn_journal(txn, key, identity);
    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
    g_assert_cmpint(session_role(&f->api, session), ==, DM_ROLE_READ_ONLY);

    rows_add(rows, session);
    rows_add(rows, f->session);
    row_set(f->api.model, subject, "roles", g_variant_new_strv(NULL, 0));
    row_set(f->api.model, host, "external_auth_type", g_variant_new_string(""));
    g_assert_cmpint(session_role(&f->api, session), ==, DM_ROLE_NONE);
    g_assert_false(rows_encode(rows, &request, out, G_MAXSIZE));
    g_assert_nonnull(strstr(out->str, "<value>read-only</value><value>"));
    g_assert_nonnull(strstr(out->str, "rbac_permissions</name><value><array><data></data>"));
    rows_free(rows);
}

/* ---- answers of the API ---- */

struct heard {
    guint answers;
    char *failure;
    struct rows *rows;
};

static void
hear(const struct call_answer *answer, void *data)
{
    struct heard *heard = data;

    heard->answers++;
    heard->rows = answer->rows;
    if (answer->error)
        heard->failure = g_strdup(answer->error->message);
}

static void
call(struct fixture *f, const char *method, const char *more, struct heard *heard)
{
    static const struct call_origin origin = {0};
    g_autofree char *text = g_strdup_printf("[<'" SECRET "'>%s]", more);
    struct rpc_request request = {.dialect = RPC_JSON2, .method = (char *)method};
    g_autoptr(GVariant) params =
        g_variant_ref_sink(g_variant_parse(G_VARIANT_TYPE("av"), text, NULL, NULL, NULL));

    *heard = (struct heard){0};
    request.params = params;
    api_call(&f->api, &request, &origin, hear, heard);
}

static void
test_durable(struct fixture *f, const void *data)
{
    const char *const calls[][2] = {{"network.get_all_records", ""},
                                    {"network.get_all_records_where", ", <'true'>"},
                                    {"event.from", ", <@av [<'network'>]>, <''>, <0.0>"}};
    struct heard heard;

    (void)data;
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(calls); i++) {
        const char *const *what = calls[i / 2];
        bool fails = i % 2;
        f->store.automatic = false;
        g_autofree char *ref =
            row_create(f->api.model, "network", fields_of("name_label", "new", NULL));
        call(f, what[0], what[1], &heard);
        g_assert_cmpuint(heard.answers, ==, 0);
        if (fails)
            fake_store_fail(&f->store, true);
        else
            fake_store_complete(&f->store, 1);
        g_assert_cmpuint(heard.answers, ==, 1);
        g_assert_cmpint(heard.rows != NULL, ==, !fails);
        g_assert_cmpint(heard.failure != NULL, ==, fails);
        rows_free(heard.rows);
        g_free(heard.failure);
        model_set_writable(f->api.model);
        f->store.automatic = true;
    }
}

static void
test_limit(struct fixture *f, const void *data)
{
    struct rows *first = rows_new(&f->api, false), *small = rows_new(&f->api, false);
    g_autofree char *text = g_strnfill(1024 * 1024, 'x');
    g_autofree char *ref =
        row_create(f->api.model, "network", fields_of("name_description", text, NULL));
    g_autoptr(GError) error = NULL;
    struct heard heard;

    (void)data;
    for (int i = 0; i < ROWS_MAX_HELD / (1024 * 1024) - 1; i++)
        rows_add(first, ref);
    g_assert_true(rows_hold(first, &error));
    g_assert_cmpuint(f->api.rows_held, >, ROWS_MAX_HELD - 2 * 1024 * 1024);
    g_autofree char *other =
        row_create(f->api.model, "network", fields_of("name_description", text, NULL));
    call(f, "network.get_all_records", "", &heard);
    g_assert_cmpstr(heard.failure, ==, "TOO_BUSY []");
    g_clear_pointer(&heard.failure, g_free);
    call(f, "event.from", ", <@av [<'network'>]>, <''>, <0.0>", &heard);
    g_assert_cmpstr(heard.failure, ==, "TOO_BUSY []");
    g_clear_pointer(&heard.failure, g_free);

    rows_add(small, f->session);
    g_assert_true(rows_hold(small, &error));
    rows_free(small);
    rows_free(first);
    call(f, "network.get_all_records", "", &heard);
    g_assert_cmpuint(rows_count(heard.rows), ==, 2);
    g_assert_cmpuint(f->api.rows_held, >, 2 * 1024 * 1024);
    rows_free(heard.rows);
}

#define ADD(name, data, test)                                                                      \
    g_test_add("/rows/" name, struct fixture, GINT_TO_POINTER(data), setup, test, teardown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("records/xml", RPC_XML, test_records);
    ADD("records/json-1", RPC_JSON1, test_records);
    ADD("records/json-2", RPC_JSON2, test_records);
    ADD("events/xml", RPC_XML, test_events);
    ADD("events/json-1", RPC_JSON1, test_events);
    ADD("events/json-2", RPC_JSON2, test_events);
    ADD("permissions", 0, test_permissions);
    ADD("durable", 0, test_durable);
    ADD("limit", 0, test_limit);
    return g_test_run();
}
