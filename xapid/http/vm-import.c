#include "config.h"

#include "xapid/http/vm-import.h"

#include "lib/error.h"
#include "xapid/http/admit.h"
#include "xapid/http/moving.h"
#include "xapid/vm/import.h"

struct vm_imports {
    struct api *api;
    const struct dm_http_action *import;
};

struct vm_coming {
    struct moving moving; /* first */
    struct vm_imports *imports;
    char *sr;             /* a reference */
    struct caller caller; /* without its session */
    bool asks;            /* whether it may, and sends nothing */
    bool restore, forced;
};

static void
coming_freed(struct moving *moving)
{
    struct vm_coming *coming = (struct vm_coming *)moving;

    vm_import_free(moving->transfer.vm);
    g_free(coming->sr);
    g_free(coming);
}

/* ---- what is asked for ---- */

/* Where its disks go: the pool's own repository when none is named. */
static bool
find_sr(struct vm_coming *coming, GError **error)
{
    const struct api *api = coming->moving.api;
    const char *name = http_request_query(coming->moving.request, "sr_id") ? "sr_id" : "sr_uuid";

    if (http_request_query(coming->moving.request, name))
        return moving_find(&coming->moving, "SR", name, &coming->sr, error);
    coming->sr = sr_default(api->model, error);
    return coming->sr != NULL;
}

static bool
read_query(struct vm_coming *coming, GError **error)
{
    bool full;

    if (!moving_read_flag(&coming->moving, "restore", false, &coming->restore, error) ||
        !moving_read_flag(&coming->moving, "full_restore", coming->restore, &full, error) ||
        !moving_read_flag(&coming->moving, "force", false, &coming->forced, error))
        return false;
    coming->restore |= full;
    coming->asks = moving_read_length(&coming->moving);
    return find_sr(coming, error) &&
           sr_may(coming->moving.api->storage, coming->sr, "vdi_create", error);
}

/* ---- its records have come ---- */

/* As if he made them by calls. */
static bool
may_make(const struct vm_coming *coming, const GPtrArray *archive, GError **error)
{
    for (guint i = 0; i < archive->len; i++) {
        const struct archive_object *object = archive->pdata[i];
        g_autoptr(GVariant) given = g_variant_ref_sink(archive_given(object));
        g_autofree char *lower = g_ascii_strdown(object->cls->name, -1);
        g_autofree char *permission = g_strconcat(lower, ".create", NULL);
        if (!generic_may_have_keys(&coming->caller, permission, coming->imports->import->min_role,
                                   object->cls, given, error))
            return false;
    }
    return true;
}

static bool
begin_plan(struct vm_coming *coming, GPtrArray *archive, GError **error)
{
    struct moving *moving = &coming->moving;
    const struct storage_world *storage = moving->api->storage;
    const struct vm_import_order order = {
        .sr = coming->sr, .handle = moving->transfer.handle, .restore = coming->restore};

    if (!model_has(storage->model, sr_class(), coming->sr)) {
        api_error_set(error, "HANDLE_INVALID", "SR", coming->sr, NULL);
        return false;
    }
    if (!sr_may(storage, coming->sr, "vdi_create", error))
        return false;
    struct txn *txn = model_begin(moving->api->model, error);
    return txn &&
           moving_submit(moving, txn, vm_begin_import(storage, txn, archive, &order, error), error);
}

static void
records_came(GVariant *records, const GError *failed, void *data)
{
    struct vm_coming *coming = data;
    g_autoptr(GPtrArray) archive = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;

    if (failed) {
        moving_fail(&coming->moving, failed);
        return;
    }
    const char *text = g_variant_get_fixed_array(records, &length, 1);
    archive = archive_parse(text ? text : "", length, &error);
    if (!archive || !may_make(coming, archive, &error) || !begin_plan(coming, archive, &error))
        moving_fail(&coming->moving, error);
}

/* ---- the beginning ---- */

/* The task that the answer names is on disk. */
static void
begin(const GError *failed, void *data)
{
    struct vm_coming *coming = data;
    GError *error = failed ? g_error_copy(failed) : NULL;

    if (error || !vm_import_begin(coming->moving.api->storage, &coming->moving.transfer,
                                  coming->forced, records_came, coming, &error)) {
        moving_fail(&coming->moving, error);
        g_error_free(error);
    }
}

static bool
take_task(struct vm_coming *coming, const struct caller *caller, GError **error)
{
    struct moving *moving = &coming->moving;
    struct txn *txn = model_begin(moving->api->model, error);

    if (!txn)
        return false;
    if (!moving_take_task(moving, txn, caller, "VM import", error)) {
        txn_abort(txn);
        return false;
    }
    guint64 generation = txn_commit(txn, error);
    if (generation) {
        g_hash_table_insert(moving->api->storage->transfers, moving->transfer.handle,
                            &moving->transfer); /* it counts from now on */
        model_when_durable(moving->api->model, generation, begin, coming);
    }
    return generation;
}

static void
import_admitted(struct http_request *request, const struct caller *caller, void *data)
{
    struct vm_imports *imports = data;
    struct vm_coming *coming = g_new0(struct vm_coming, 1);
    struct moving *moving = &coming->moving;
    GError *error = NULL;

    moving_init(moving, imports->api, request, /* import= */ true, coming_freed);
    moving->head = g_strdup("HTTP/1.1 200 OK\r\n");
    moving->ends = true;
    coming->imports = imports;
    coming->caller = *caller;
    coming->caller.session = NULL;
    if (!moving_is_at(moving, imports->import->path, &error) || !moving_has_room(moving, &error) ||
        !moving_find_task(moving, caller, &error) || !read_query(coming, &error))
        moving_refuse(moving, error);
    else if (coming->asks)
        moving_answer(moving);
    else if (!take_task(coming, caller, &error))
        moving_refuse(moving, error);
}

static void
serve_import(struct http_request *request, void *data)
{
    struct vm_imports *imports = data;

    admit(imports->api, request, imports->import, import_admitted, imports);
}

struct vm_imports *
vm_imports_serve(struct http_server *server, struct api *api)
{
    struct vm_imports *imports = g_new0(struct vm_imports, 1);

    imports->api = api;
    imports->import = admit_action("put_import");
    http_server_route_stream(server, imports->import->method, imports->import->path, serve_import,
                             imports);
    return imports;
}

void
vm_imports_free(struct vm_imports *imports)
{
    g_free(imports);
}
