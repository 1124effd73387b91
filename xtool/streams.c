/* vdi-import and vdi-export: the contents of a disk from a file, or into one; vm-export: a whole
 * VM. */
#include "config.h"

#include <gio/gunixoutputstream.h>
#include <string.h>

#include "lib/error.h"
#include "xtool/output.h"
#include "xtool/progress.h"
#include "xtool/xtool.h"

#define TASK_WAIT_MS 100 /* between two looks at a task that is about to end */
#define TASK_LOOKS 600

/* One transfer, for who looks on. */
struct look {
    gint64 began;
    bool drawn;
};

static char *
size_text(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned i = 0;

    for (; bytes >= 1024 && i + 1 < G_N_ELEMENTS(units); i++)
        bytes /= 1024;
    return g_strdup_printf(i ? "%.1f %s" : "%.0f %s", bytes, units[i]);
}

static void
moved(goffset done, goffset whole, void *data)
{
    struct look *look = data;
    gint64 passed = g_get_monotonic_time() - look->began;

    if (passed < PROGRESS_AFTER_MS * 1000)
        return;
    g_autofree char *so_far = size_text((double)done);
    g_autofree char *all = whole ? size_text((double)whole) : g_strdup("?");
    g_autofree char *speed = size_text((double)done * G_USEC_PER_SEC / (double)passed);
    g_autofree char *text = g_strdup_printf("%s of %s, %s/s", so_far, all, speed);
    progress_draw(text, whole ? (double)done / (double)whole : PROGRESS_UNKNOWN, look->began);
    look->drawn = true;
}

/* ---- the task, which tells how it went ---- */

static GVariant *
call(struct xtool *x, const char *method, GVariant *const *params, unsigned n, GError **error)
{
    return server_call(x->server, dm_method_find(method), params, n, error);
}

static GVariant *
new_task(struct xtool *x, GError **error)
{
    g_autoptr(GVariant) label = g_variant_ref_sink(g_variant_new_string(x->args->command));
    g_autoptr(GVariant) nothing = g_variant_ref_sink(g_variant_new_string(""));

    return call(x, "task.create", (GVariant *[]){label, nothing}, 2, error);
}

/* False with its error, or why there is none to be had. */
static bool
task_went_well(struct xtool *x, GVariant *task, GError **error)
{
    for (unsigned i = 0; i < TASK_LOOKS; i++) {
        g_autoptr(GVariant) record = call(x, "task.get_record", &task, 1, error);
        const char *status = "";

        if (!record)
            return false;
        g_variant_lookup(record, "status", "&s", &status);
        if (g_str_equal(status, "success"))
            return true;
        if (!g_str_equal(status, "pending") && !g_str_equal(status, "cancelling")) {
            g_autoptr(GVariant) info =
                g_variant_lookup_value(record, "error_info", G_VARIANT_TYPE_STRING_ARRAY);
            if (info && g_variant_n_children(info))
                g_propagate_error(error, api_error_from_variant(info));
            else
                g_set_error(error, FAILED_ERROR, 0, "The task has the status %s.", status);
            return false;
        }
        g_usleep(TASK_WAIT_MS * 1000);
    }
    g_set_error(error, FAILED_ERROR, 0, "The task does not end.");
    return false;
}

/* Ends the command: `ok` is what the connection says, `error` why not.  The task's own error is the
 * better one. */
static bool
end_with(struct xtool *x, GVariant *task, bool ok, char *(*read)(struct xtool *x, GVariant *task),
         char **ret, GError **error)
{
    g_autoptr(GError) of_task = NULL;

    if (!ok && error && g_error_matches(*error, INTERRUPT_ERROR, 0))
        return false; /* the server ends it, as its client has gone */
    bool well = task_went_well(x, task, &of_task);
    if (well && ret)
        *ret = read(x, task);
    g_autoptr(GVariant) nothing = call(x, "task.destroy", &task, 1, NULL);
    if (of_task && of_task->domain == API_ERROR) {
        g_clear_error(error);
        g_propagate_error(error, g_steal_pointer(&of_task));
    } else if (of_task && ok) {
        g_propagate_error(error, g_steal_pointer(&of_task));
    }
    return ok && well;
}

static bool
end(struct xtool *x, GVariant *task, bool ok, GError **error)
{
    return end_with(x, task, ok, NULL, NULL, error);
}

/* ---- the commands ---- */

struct order {
    const char *file;
    char *path; /* of the action */
    GVariant *task;
    struct look look;
    server_moved_fn moved;
};

static void
order_clear(struct order *order)
{
    g_free(order->path);
    g_clear_pointer(&order->task, g_variant_unref);
}

/* Reads the arguments, and finds what they name. */
static bool
read_order(struct xtool *x, const char *action, struct order *order, GError **error)
{
    const char *name = args_get(x->args, "uuid"), *format = args_get(x->args, "format");
    const char *base = args_get(x->args, "base");
    const struct dm_class *vdi_class = dm_class_find("VDI", false);
    bool wanted;

    *order = (struct order){.file = args_get(x->args, "filename")};
    if (!args_flag(x->args, "progress", &wanted, error) || !xtool_check_unused(x, error) ||
        !xtool_connect(x, false, error))
        return false;
    const struct object *vdi = objects_named(x->objects, vdi_class, name, error);
    const struct object *other = base ? objects_named(x->objects, vdi_class, base, error) : NULL;
    if (!vdi || (base && !other))
        return false;
    g_autofree char *words = g_uri_escape_string(format ? format : "raw", NULL, false);
    order->path = g_strdup_printf("%s?vdi=%s&format=%s%s%s", action, vdi->ref, words,
                                  other ? "&base=" : "", other ? other->ref : "");
    order->moved = x->progress || wanted ? moved : NULL;
    return true;
}

/* With the task it begins. */
static bool
take_task(struct xtool *x, struct order *order, GError **error)
{
    g_autofree char *path = order->path;

    order->task = new_task(x, error);
    order->path =
        order->task ? g_strconcat(path, "&task_id=", g_variant_get_string(order->task, NULL), NULL)
                    : NULL;
    order->look.began = g_get_monotonic_time();
    return order->task;
}

/* NULL with an error; the caller's. */
static GFileInputStream *
open_file(const char *path, goffset *ret_size, GError **error)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GError) cause = NULL;
    g_autoptr(GFileInputStream) from = g_file_read(file, NULL, &cause);
    g_autoptr(GFileInfo) info =
        from ? g_file_input_stream_query_info(from, G_FILE_ATTRIBUTE_STANDARD_SIZE, NULL, &cause)
             : NULL;

    if (!info) {
        g_set_error(error, FAILED_ERROR, 0, "%s.", cause->message);
        return NULL;
    }
    *ret_size = g_file_info_get_size(info);
    return g_steal_pointer(&from);
}

static bool
upload(struct xtool *x, struct order *order, GFileInputStream *from, goffset size, GError **error)
{
    bool ok = server_upload(x->server, order->path, from, size, order->moved, &order->look, error);

    if (order->look.drawn)
        progress_wipe();
    return ok;
}

bool
streams_import(struct xtool *x, const struct xt_command *command, GError **error)
{
    goffset size;
    g_autoptr(GFileInputStream) from = open_file(args_get(x->args, "filename"), &size, error);
    struct order order;

    (void)command;
    if (!from)
        return false;
    bool ok = read_order(x, "/import_raw_vdi", &order, error) && take_task(x, &order, error);
    if (ok)
        ok = end(x, order.task, upload(x, &order, from, size, error), error);
    order_clear(&order);
    return ok;
}

static bool
export_to(struct xtool *x, struct order *order, int fd, GError **error)
{
    g_autoptr(GOutputStream) to = g_unix_output_stream_new(fd, FALSE);
    bool ok = server_download(x->server, order->path, to, order->moved, &order->look, error);

    if (order->look.drawn)
        progress_wipe();
    return end(x, order->task, ok, error);
}

bool
streams_export(struct xtool *x, const struct xt_command *command, GError **error)
{
    struct output output = {.fd = -1};
    struct order order;

    (void)command;
    bool ok =
        read_order(x, "/export_raw_vdi", &order, error) && output_open(&output, order.file, error);
    if (ok) {
        ok = take_task(x, &order, error) && export_to(x, &order, output.fd, error);
        ok = output_close(&output, ok, error);
    }
    order_clear(&order);
    return ok;
}

/* ---- whole VMs ---- */

static bool
read_vm_order(struct xtool *x, const struct object *vm, struct order *order, GError **error)
{
    const char *packing = args_get(x->args, "compress");
    bool metadata, snapshots, keep_state, wanted;

    *order = (struct order){.file = args_get(x->args, "filename")};
    if (!args_flag(x->args, "metadata", &metadata, error) ||
        !args_flag(x->args, "include-snapshots", &snapshots, error) ||
        !args_flag(x->args, "preserve-power-state", &keep_state, error) ||
        !args_flag(x->args, "progress", &wanted, error) || !xtool_check_unused(x, error))
        return false;
    if (snapshots && !metadata) {
        g_set_error(error, FAILED_ERROR, 0,
                    "include-snapshots goes with metadata=true; snapshots are exported each for "
                    "itself.");
        return false;
    }
    g_autofree char *words = g_uri_escape_string(packing ? packing : "false", NULL, false);
    order->path = metadata
                      ? g_strdup_printf("/export_metadata?ref=%s&export_snapshots=%s", vm->ref,
                                        snapshots ? "true" : "false")
                      : g_strdup_printf("/export?ref=%s&use_compression=%s&preserve_power_state=%s",
                                        vm->ref, words, keep_state ? "true" : "false");
    order->moved = x->progress || wanted ? moved : NULL;
    return true;
}

bool
streams_vm_export(struct xtool *x, const struct object *vm, GError **error)
{
    struct output output = {.fd = -1};
    struct order order;

    bool ok = read_vm_order(x, vm, &order, error) && output_open(&output, order.file, error);
    if (ok) {
        ok = take_task(x, &order, error) && export_to(x, &order, output.fd, error);
        ok = output_close(&output, ok, error);
    }
    order_clear(&order);
    return ok;
}

/* Of a task's result, "<value><array><data><value>REF</value>…", the VM; NULL: it has none. */
static char *
made_vm(struct xtool *x, GVariant *task)
{
    g_autoptr(GVariant) result = call(x, "task.get_result", &task, 1, NULL);
    const char *text = result ? g_variant_get_string(result, NULL) : "";
    const char *ref = strstr(text, REF_PREFIX), *end = ref ? strchr(ref, '<') : NULL;

    return end ? g_strndup(ref, (gsize)(end - ref)) : NULL;
}

static bool
print_made(struct xtool *x, const char *ref, GError **error)
{
    g_autoptr(GVariant) vm = g_variant_ref_sink(g_variant_new_string(ref ? ref : REF_NULL));
    g_autoptr(GVariant) uuid = call(x, "VM.get_uuid", (GVariant *[]){vm}, 1, error);

    if (uuid)
        fprintf(x->out, "%s\n", g_variant_get_string(uuid, NULL));
    return uuid != NULL;
}

static bool
read_vm_import(struct xtool *x, struct order *order, GError **error)
{
    const char *name = args_get(x->args, "sr-uuid");
    bool preserve, force, wanted;

    *order = (struct order){.file = args_get(x->args, "filename")};
    if (!args_flag(x->args, "preserve", &preserve, error) ||
        !args_flag(x->args, "force", &force, error) ||
        !args_flag(x->args, "progress", &wanted, error) || !xtool_check_unused(x, error) ||
        !xtool_connect(x, false, error))
        return false;
    const struct object *sr =
        name ? objects_named(x->objects, dm_class_find("SR", false), name, error) : NULL;
    if (name && !sr)
        return false;
    order->path = g_strdup_printf("/import?restore=%s&force=%s%s%s", preserve ? "true" : "false",
                                  force || x->force ? "true" : "false", sr ? "&sr_id=" : "",
                                  sr ? sr->ref : "");
    order->moved = x->progress || wanted ? moved : NULL;
    return true;
}

bool
streams_vm_import(struct xtool *x, const struct xt_command *command, GError **error)
{
    const char *path = args_get(x->args, "filename");
    g_autofree char *ref = NULL;
    struct order order;
    goffset size;

    (void)command;
    if (!path) {
        g_set_error(error, FAILED_ERROR, 0, "filename= is needed.");
        return false;
    }
    g_autoptr(GFileInputStream) from = open_file(path, &size, error);
    if (!from)
        return false;
    bool ok = read_vm_import(x, &order, error) && take_task(x, &order, error);
    if (ok)
        ok = end_with(x, order.task, upload(x, &order, from, size, error), made_vm, &ref, error) &&
             print_made(x, ref, error);
    order_clear(&order);
    return ok;
}
