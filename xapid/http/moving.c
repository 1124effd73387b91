#include "config.h"

#include "xapid/http/moving.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/http/relay.h"
#include "xapid/ops/task.h"

/* What Xen Orchestra says when it does not know the length: its body ends where the connection
 * does. */
#define LENGTH_UNKNOWN ((gint64)1 << 50)
#define HEAD_END "Connection: close\r\nCache-Control: no-cache, no-store\r\n\r\n"

void
moving_free(struct moving *moving)
{
    g_hash_table_remove(moving->api->storage->transfers, moving->transfer.handle);
    if (moving->kept >= 0)
        close(moving->kept);
    g_free(moving->transfer.handle);
    g_free(moving->task);
    g_free(moving->head);
    g_clear_pointer(&moving->first, g_bytes_unref);
    moving->freed(moving);
}

/* ---- refusals ---- */

static unsigned
status_of(const GError *error)
{
    static const struct {
        const char *code;
        unsigned status;
    } known[] = {{"HANDLE_INVALID", 404},
                 {"UUID_INVALID", 404},
                 {"RBAC_PERMISSION_DENIED", 403},
                 {"VDI_IN_USE", 409},
                 {"VM_BAD_POWER_STATE", 409},
                 {"OTHER_OPERATION_IN_PROGRESS", 409},
                 {"OPERATION_NOT_ALLOWED", 409},
                 {"VDI_TOO_SMALL", 400},
                 {"VDI_TOO_LARGE", 400},
                 {"VDI_READONLY", 400},
                 {"INVALID_VALUE", 400},
                 {"NOT_IMPLEMENTED", 501},
                 {"TOO_BUSY", 503},
                 {"TOO_MANY_PENDING_TASKS", 503}};

    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
        if (api_error_is(error, known[i].code))
            return known[i].status;
    return 500;
}

static void
reply_error(struct moving *moving, const GError *error)
{
    g_autoptr(GVariant) texts = g_variant_ref_sink(api_error_to_variant(error));
    g_autofree const char **words = g_variant_get_strv(texts, NULL);
    g_autofree char *text = g_strjoinv(" ", (char **)words);

    http_reply_error(g_steal_pointer(&moving->request),
                     moving->status ? moving->status : status_of(error), text);
}

/* A client's task tells of what did not begin, too. */
static void
fail_task(struct moving *moving, const GError *error)
{
    struct api *api = moving->api;
    g_autoptr(GError) failed = NULL;

    if (!moving->task || ops_has_task(api->ops, moving->task))
        return;
    struct txn *txn = model_begin(api->model, &failed);
    if (txn) {
        task_fail(txn, moving->task, error);
        txn_commit(txn, &failed);
    }
    if (failed)
        log_warning("the end of a task: %s", failed->message);
}

void
moving_refuse(struct moving *moving, GError *error)
{
    fail_task(moving, error);
    reply_error(moving, error);
    g_error_free(error);
    moving_free(moving);
}

/* ---- what is asked for ---- */

bool
moving_invalid(GError **error, const char *name, const char *value)
{
    api_error_set(error, "INVALID_VALUE", name, value ? value : "missing", NULL);
    return false;
}

bool
moving_find(const struct moving *moving, const char *class, const char *name, char **ret,
            GError **error)
{
    const struct dm_class *cls = dm_class_find(class, false);
    const struct model *model = moving->api->model;
    const char *text = http_request_query(moving->request, name);
    const char *ref = text && model_has(model, cls, text) ? text : NULL;

    if (!text)
        return moving_invalid(error, name, NULL);
    if (!ref)
        ref = model_by_uuid(model, cls, text);
    if (!ref) {
        api_error_set(error, "HANDLE_INVALID", class, text, NULL);
        return false;
    }
    *ret = g_strdup(ref);
    return true;
}

bool
moving_read_flag(const struct moving *moving, const char *name, bool otherwise, bool *ret,
                 GError **error)
{
    const char *text = http_request_query(moving->request, name);

    *ret = text ? g_str_equal(text, "true") : otherwise;
    return !text || *ret || g_str_equal(text, "false") || moving_invalid(error, name, text);
}

bool
moving_is_at(struct moving *moving, const char *path, GError **error)
{
    const char *rest = http_request_path(moving->request) + strlen(path);

    if (!*rest || *rest == '/')
        return true;
    moving->status = 404;
    return moving_invalid(error, "path", http_request_path(moving->request));
}

bool
moving_find_task(struct moving *moving, const struct caller *caller, GError **error)
{
    struct api *api = moving->api;

    if (!http_request_query(moving->request, "task_id"))
        return true;
    g_autofree char *task = NULL;
    if (!moving_find(moving, "task", "task_id", &task, error) ||
        !task_may_touch(api, caller, task, error))
        return false;
    g_autofree char *status = model_get_string(api->model, task, "status");
    if (!g_str_equal(status, "pending") || ops_has_task(api->ops, task)) {
        api_error_set(error, "OPERATION_NOT_ALLOWED",
                      "The task is another operation's, or has ended", NULL);
        return false;
    }
    moving->task = g_steal_pointer(&task);
    return true;
}

/* ---- the operation ---- */

static int
begin(struct transfer *transfer, GBytes **ret_ahead, GError **error)
{
    struct moving *moving = transfer->data;
    const struct linger broken = {.l_onoff = 1, .l_linger = 0};
    struct http_taken taken;

    if (!moving->request ||
        !http_request_take(g_steal_pointer(&moving->request), moving->head, &taken)) {
        api_error_set(error, "INTERNAL_ERROR", "the client has gone", NULL);
        return -1;
    }
    if (moving->first) {
        g_bytes_unref(taken.ahead);
        taken.ahead = g_bytes_ref(moving->first);
    }
    *ret_ahead = taken.ahead;
    if (!taken.tls) {
        /* Whoever dies with it breaks it off, until its end is made a good one: by who has moved
         * all, or by us. */
        setsockopt(taken.fd, SOL_SOCKET, SO_LINGER, &broken, sizeof broken);
        if (moving->ends)
            moving->kept = fcntl(taken.fd, F_DUPFD_CLOEXEC, 0);
        return taken.fd;
    }
    int plain = -1;
    moving->relay = relay_start(&taken, transfer->import, &plain);
    if (!moving->relay)
        api_error_set(error, "INTERNAL_ERROR", "no thread for a connection", NULL);
    return plain;
}

static void
ended(const GError *error, const char *value, void *data)
{
    const struct linger whole = {.l_onoff = 0};
    struct moving *moving = data;

    (void)value;
    if (moving->relay)
        relay_end(moving->relay, !error);
    if (moving->kept >= 0 && !error) {
        setsockopt(moving->kept, SOL_SOCKET, SO_LINGER, &whole, sizeof whole);
        shutdown(moving->kept, SHUT_WR);
    }
    if (moving->request && error)
        reply_error(moving, error);
    else if (moving->request) /* the plan was made without a transfer, which cannot be */
        http_reply_error(g_steal_pointer(&moving->request), 500, NULL);
    moving_free(moving);
}

bool
moving_take_task(struct moving *moving, struct txn *txn, const struct caller *caller,
                 const char *label, GError **error)
{
    struct api *api = moving->api;
    g_autofree char *head = moving->head;

    moving->head = NULL;
    if (!moving->task && task_make_room(txn, api->model, api->limits->max_tasks, error))
        moving->task = g_strdup(task_create(txn, label, "", caller->session, api->host, error));
    if (!moving->task)
        return false;
    moving->head = g_strconcat(head, "task-id: ", moving->task, "\r\n" HEAD_END, NULL);
    return true;
}

bool
moving_submit(struct moving *moving, struct txn *txn, struct plan *plan, GError **error)
{
    struct api *api = moving->api;
    guint64 generation = 0;

    if (!plan) {
        txn_abort(txn);
        return false;
    }
    struct op *op = ops_submit(api->ops, txn, plan, moving->task, error);
    task_set_cancellable(txn, moving->task, true);
    if (op)
        generation = txn_commit(txn, error);
    else
        txn_abort(txn);
    if (!generation) {
        if (op)
            op_drop(op);
        return false;
    }
    g_hash_table_insert(api->storage->transfers, moving->transfer.handle, &moving->transfer);
    op_start(op, generation, ended, moving);
    return true;
}

void
moving_fail(struct moving *moving, const GError *error)
{
    fail_task(moving, error);
    ended(error, NULL, moving);
}

bool
moving_read_length(struct moving *moving)
{
    const char *length = http_request_header(moving->request, "Content-Length");

    /* The door has seen that it is a number. */
    moving->transfer.length = length ? g_ascii_strtoll(length, NULL, 10) : -1;
    bool asks = !moving->task &&
                (moving->transfer.length == 0 || moving->transfer.length == LENGTH_UNKNOWN);
    if (moving->transfer.length == LENGTH_UNKNOWN)
        moving->transfer.length = -1;
    return asks;
}

void
moving_answer(struct moving *moving)
{
    http_reply_header(moving->request, "Connection", "close");
    http_reply(g_steal_pointer(&moving->request), 200, NULL, NULL);
    moving_free(moving);
}

void
moving_init(struct moving *moving, struct api *api, struct http_request *request, bool import,
            void (*freed)(struct moving *moving))
{
    moving->api = api;
    moving->request = request;
    moving->kept = -1;
    moving->transfer =
        (struct transfer){.handle = g_uuid_string_random(),
                          .import = import,
                          .silent = import ? api->limits->body_read_seconds : EXPORT_SILENT_SECONDS,
                          .begin = begin,
                          .data = moving};
    moving->freed = freed;
}

bool
moving_has_room(const struct moving *moving, GError **error)
{
    if (g_hash_table_size(moving->api->storage->transfers) < VDI_TRANSFERS_MAX)
        return true;
    api_error_set(error, "TOO_BUSY", NULL);
    return false;
}
