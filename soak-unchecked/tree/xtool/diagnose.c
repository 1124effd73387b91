/* diagnostic-vdi-status and diagnostic-vm-status: what may keep a disk or a VM from being used. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xtool/explain.h"
#include "xtool/print.h"
#include "xtool/xtool.h"

static bool
show(struct xtool *x, const char *cls, const struct object *object, const char *const *names,
     GError **error)
{
    g_autoptr(GPtrArray) fields = fields_of(class_find(cls));
    g_autoptr(GPtrArray) columns = generic_columns(x, fields, NULL, names, error);

    return columns && generic_show_block(x, object, columns, false, error);
}

/* What uuid= means, once there is a connection and nothing else was given. */
static const struct object *
subject_of(struct xtool *x, const char *cls, GError **error)
{
    const char *name = args_get(x->args, "uuid");

    return xtool_check_unused(x, error) && xtool_connect(x, false, error)
               ? objects_named(x->objects, dm_class_find(cls, false), name, error)
               : NULL;
}

/* ---- diagnostic-vdi-status ---- */

static bool
show_drives(struct xtool *x, const GPtrArray *drives, bool active, const char *title,
            GError **error)
{
    static const char *const of_vbd[] = {"uuid", "empty", "device",       "userdevice",
                                         "mode", "type",  "storage-lock", NULL};
    bool any = false;

    for (unsigned i = 0; i < drives->len; i++) {
        if (object_bool(drives->pdata[i], "currently_attached") != active)
            continue;
        if (!any)
            fprintf(x->out, "%s\n", title);
        any = true;
        if (!show(x, "vbd", drives->pdata[i], of_vbd, error))
            return false;
    }
    if (active && !any)
        fputs("no active VBDs.\n", x->out);
    return true;
}

bool
diagnose_vdi(struct xtool *x, const struct xt_command *command, GError **error)
{
    static const char *const of_vdi[] = {"uuid",      "name-label",   "sr-uuid", "sharable",
                                         "read-only", "storage-lock", NULL};
    const struct object *vdi = subject_of(x, "VDI", error);
    g_autoptr(GPtrArray) drives = vdi ? drives_of(x, "VDI", vdi, NULL, error) : NULL;

    (void)command;
    return drives && show(x, "vdi", vdi, of_vdi, error) &&
           show_drives(x, drives, true, "active VBDs:", error) &&
           show_drives(x, drives, false, "inactive VBDs:", error);
}

/* ---- diagnostic-vm-status ---- */

/* Asks by a message that fails when something is in the way: NULL when nothing is, else why; *error
 * for what has nothing to do with it. */
static char *
obstacle(struct xtool *x, const char *method, GVariant *const *params, unsigned n, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (call_message(x, method, params, n, &failure))
        return NULL;
    if (failure->domain != API_ERROR || api_error_is(failure, "NOT_IMPLEMENTED")) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    char *why = explain(x, failure);
    why[strcspn(why, "\n")] = '\0'; /* no hint */
    return why;
}

static bool
show_hosts(struct xtool *x, GVariant *vm, GError **error)
{
    g_autoptr(GPtrArray) hosts = objects_all(x->objects, dm_class_find("host", false), error);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; hosts && i < hosts->len; i++) {
        const struct object *host = hosts->pdata[i];
        g_autoptr(GVariant) ref = g_variant_ref_sink(g_variant_new_string(host->ref));
        GVariant *params[] = {vm, ref};
        g_autoptr(GError) failure = NULL;
        g_autofree char *why = obstacle(x, "VM.assert_can_boot_here", params, 2, &failure);
        if (failure) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        g_ptr_array_add(names, (void *)object_string(host, "name_label"));
        g_ptr_array_add(texts,
                        why ? g_strdup_printf("Cannot start here [%s]", why) : g_strdup("OK"));
    }
    if (hosts)
        print_block(x->out, (const char *const *)names->pdata, (const char *const *)texts->pdata,
                    names->len);
    return hosts;
}

static bool
show_agility(struct xtool *x, GVariant *vm, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *why = obstacle(x, "VM.assert_agile", &vm, 1, &failure);

    if (failure && failure->domain != API_ERROR) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    g_autofree char *unknown = failure ? explain(x, failure) : NULL;
    g_autofree char *line =
        unknown ? g_strconcat("It is not known whether the VM is agile: ", unknown, NULL)
        : why   ? g_strconcat("VM is not agile because: ", why, NULL)
                : g_strdup("VM is agile.");
    g_autofree char *safe = text_for(x->out, line);
    fprintf(x->out, "%s\n", safe);
    return true;
}

bool
diagnose_vm(struct xtool *x, const struct xt_command *command, GError **error)
{
    static const char *const of_vm[] = {"uuid", "name-label", "power-state", "possible-hosts",
                                        NULL};
    static const char *const of_vbd[] = {"uuid", "vdi-uuid", "empty",        "device", "userdevice",
                                         "mode", "type",     "storage-lock", NULL};
    const struct object *vm = subject_of(x, "VM", error);
    g_autoptr(GPtrArray) drives = vm ? drives_of(x, "VM", vm, NULL, error) : NULL;

    (void)command;
    if (!drives || !show(x, "vm", vm, of_vm, error))
        return false;
    g_autoptr(GVariant) self = g_variant_ref_sink(g_variant_new_string(vm->ref));
    fputs("Checking to see whether disks are attachable\n", x->out);
    for (unsigned i = 0; i < drives->len; i++)
        if (!show(x, "vbd", drives->pdata[i], of_vbd, error))
            return false;
    fputs("Checking to see whether VM can boot on each host\n", x->out);
    return show_hosts(x, self, error) && show_agility(x, self, error);
}
