#include "config.h"

#include "xapid/calls/rows.h"

#include <stdio.h>

#include "lib/error.h"
#include "xapid/calls/texts.h"

/* One record or event. */
struct item {
    struct model_snapshot snapshot; /* row NULL: it is gone */
    char *ref;
    enum dm_role role; /* of a session: its permissions are too long to keep */
    guint64 modified;  /* the generation of the snapshot */
    enum model_change_kind kind;
    guint64 generation; /* of the event */
};

struct rows {
    struct api *api;
    bool events;
    GArray *items; /* of struct item */
    guint next;    /* the first that is not encoded yet */
    bool begun;
    GString *unkept;  /* the newest text that texts.h does not have */
    GVariant *counts; /* of a batch; NULL: none */
    char *token;
    gsize bytes;
    gsize held; /* counted in api->rows_held */
};

static void
item_clear(void *data)
{
    struct item *item = data;

    model_snapshot_clear(&item->snapshot);
    g_clear_pointer(&item->ref, g_free);
}

static const struct dm_field *
permissions_field(void)
{
    static const struct dm_field *field;

    if (!field)
        field = dm_field_find(dm_class_find("session", false), "rbac_permissions");
    return field;
}

static void
item_take(struct item *item, struct api *api, const char *ref)
{
    model_snapshot_take(api->model, ref, &item->snapshot);
    item->ref = g_strdup(ref);
    item->modified = model_modified(api->model, ref);
    if (item->snapshot.cls == permissions_field()->cls)
        item->role = session_role(api, ref);
}

/* The values of its fields by index, full references. */
static GVariant **
item_values(const struct item *item)
{
    const struct dm_class *cls = item->snapshot.cls;
    GVariant **values = g_new(GVariant *, cls->n_fields);

    model_snapshot_values(&item->snapshot, values);
    if (cls == permissions_field()->cls) {
        GVariant **permissions = &values[permissions_field()->index];
        g_variant_unref(*permissions);
        *permissions = g_variant_ref_sink(rbac_permissions(item->role));
    }
    return values;
}

static void
values_free(GVariant **values, const struct dm_class *cls)
{
    for (unsigned i = 0; i < cls->n_fields; i++)
        if (values[i])
            g_variant_unref(values[i]);
    g_free(values);
}

struct rows *
rows_new(struct api *api, bool events)
{
    struct rows *rows = g_new0(struct rows, 1);

    rows->api = api;
    rows->events = events;
    rows->unkept = g_string_new(NULL);
    rows->items = g_array_new(FALSE, TRUE, sizeof(struct item));
    g_array_set_clear_func(rows->items, item_clear);
    return rows;
}

void
rows_free(struct rows *rows)
{
    if (!rows)
        return;
    rows->api->rows_held -= rows->held;
    g_array_unref(rows->items);
    g_clear_pointer(&rows->counts, g_variant_unref);
    g_string_free(rows->unkept, TRUE);
    g_free(rows->token);
    g_free(rows);
}

static void
append(struct rows *rows, const struct item *item)
{
    g_array_append_vals(rows->items, item, 1);
    rows->bytes += sizeof *item;
    if (item->snapshot.row)
        rows->bytes += model_snapshot_size(&item->snapshot);
}

void
rows_add(struct rows *rows, const char *ref)
{
    struct item item = {0};

    item_take(&item, rows->api, ref);
    append(rows, &item);
}

void
rows_add_event(struct rows *rows, enum model_change_kind kind, const struct dm_class *cls,
               const char *ref, guint64 generation)
{
    struct item item = {.kind = kind, .generation = generation};

    if (kind == MODEL_DEL) {
        item.snapshot.cls = cls;
        item.ref = g_strdup(ref);
    } else {
        item_take(&item, rows->api, ref);
    }
    append(rows, &item);
}

guint
rows_count(const struct rows *rows)
{
    return rows->items->len;
}

void
rows_set_batch(struct rows *rows, GVariant *counts, const char *token)
{
    g_assert(rows->events && !rows->counts);
    rows->counts = g_variant_ref_sink(counts);
    rows->token = g_strdup(token);
}

bool
rows_hold(struct rows *rows, GError **error)
{
    g_assert(!rows->held);
    if (rows->bytes <= ROWS_SMALL)
        return true;
    if (rows->bytes > ROWS_MAX_HELD - MIN(rows->api->rows_held, ROWS_MAX_HELD)) {
        api_error_set(error, "TOO_BUSY", NULL);
        return false;
    }
    rows->held = rows->bytes;
    rows->api->rows_held += rows->held;
    return true;
}

/* Its record as text; borrowed until the next one. */
static const GString *
item_text(struct rows *rows, const struct item *item, enum rpc_dialect dialect)
{
    struct texts *texts = rows->api->texts;
    const struct dm_class *cls = item->snapshot.cls;
    bool json = dialect != RPC_XML;
    bool keep = cls != permissions_field()->cls; /* those change with its user's roles */
    const GString *known = keep ? texts_find(texts, item->ref, json, item->modified) : NULL;

    if (known)
        return known;
    GString *text = keep ? g_string_new(NULL) : g_string_truncate(rows->unkept, 0);
    GVariant **values = item_values(item);
    rpc_record_encode(text, dialect, cls, values);
    values_free(values, cls);
    if (!keep)
        return text;
    return texts_keep(texts, item->ref, json, item->modified, text);
}

static void
encode_event(const struct rows *rows, const struct rpc_request *request, GString *out,
             const struct item *item, const GString *record)
{
    static const char *const operations[] = {
        [MODEL_ADD] = "add", [MODEL_MOD] = "mod", [MODEL_DEL] = "del"};
    char id[32];
    const struct rpc_event event = {.id = id,
                                    .operation = operations[item->kind],
                                    .ref = item->ref,
                                    .cls = item->snapshot.cls,
                                    .record = record};

    snprintf(id, sizeof id, "%" G_GUINT64_FORMAT, item->generation);
    rpc_events_add(out, request, rows->next == 0, &event);
}

static void
encode_next(struct rows *rows, const struct rpc_request *request, GString *out)
{
    struct item *item = &g_array_index(rows->items, struct item, rows->next);
    const GString *record = item->snapshot.row ? item_text(rows, item, request->dialect) : NULL;

    if (rows->events)
        encode_event(rows, request, out, item, record);
    else
        rpc_records_add(out, request, rows->next == 0, item->ref, record);
    item_clear(item);
    rows->next++;
}

bool
rows_encode(struct rows *rows, const struct rpc_request *request, GString *out, gsize enough)
{
    gsize before = out->len;

    if (!rows->begun && rows->events)
        rpc_events_begin(out, request, rows->counts);
    else if (!rows->begun)
        rpc_records_begin(out, request);
    rows->begun = true;
    while (rows->next < rows->items->len && out->len - before < enough)
        encode_next(rows, request, out);
    if (rows->next < rows->items->len)
        return true;
    if (rows->events)
        rpc_events_end(out, request, rows->counts, rows->token);
    else
        rpc_records_end(out, request);
    return false;
}

GVariant *
rows_record(struct api *api, const char *ref)
{
    struct item item = {0};
    GVariantBuilder record;

    item_take(&item, api, ref);
    const struct dm_class *cls = item.snapshot.cls;
    GVariant **values = item_values(&item);
    g_variant_builder_init(&record, G_VARIANT_TYPE_VARDICT);
    for (unsigned i = 0; i < cls->n_fields; i++)
        if (values[i])
            g_variant_builder_add(&record, "{sv}", cls->fields[i].name, values[i]);
    values_free(values, cls);
    item_clear(&item);
    return g_variant_ref_sink(g_variant_builder_end(&record));
}
