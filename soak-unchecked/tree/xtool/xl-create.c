/* create: a VM of a configuration file of xl's. */
#include "config.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/error.h"
#include "lib/wire/jsonrpc.h"
#include "xtool/print.h"
#include "xtool/value.h"
#include "xtool/xl-verbs.h"

static const struct dm_class *
vm_class(void)
{
    return dm_class_find("VM", false);
}

/* ---- reading ---- */

static char *
read_file(const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    struct stat status;
    char *text = NULL;
    gsize length;

    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        g_set_error(error, FAILED_ERROR, 0, "%s is not a plain file.", path);
        return NULL;
    }
    if (!g_file_get_contents(path, &text, &length, &cause)) {
        g_set_error(error, FAILED_ERROR, 0, "%s.", cause->message);
        return NULL;
    }
    if (length <= XL_FILE_MAX && strlen(text) == length)
        return text;
    g_set_error(error, FAILED_ERROR, 0, "%s is no configuration: it %s.", path,
                length > XL_FILE_MAX ? "is too long" : "has a zero byte");
    g_free(text);
    return NULL;
}

/* A value as the user typed it: a number, "text" or [list] as xl has them, or else a text that
 * needs no quotes. */
static void
append_value(GString *out, const char *value)
{
    bool number = g_ascii_isdigit(*value) && !value[strspn(value, "0123456789abcdefx")];

    if (number || strchr("\"'[", *value ? *value : '.')) {
        g_string_append(out, value);
        return;
    }
    g_string_append_c(out, '"');
    for (const char *p = value; *p; p++) {
        if (*p == '"' || *p == '\\')
            g_string_append_c(out, '\\');
        if (*p == '\n')
            g_string_append(out, "\\n");
        else
            g_string_append_c(out, *p);
    }
    g_string_append_c(out, '"');
}

/* The arguments that are none of ours are keys of the file's, and count instead of its own. */
static bool
add_arguments(struct xtool *x, GString *text, GError **error)
{
    for (unsigned i = 0; i < x->args->list->len; i++) {
        struct arg *arg = x->args->list->pdata[i];
        if (arg->used || args_is_standard(arg->key))
            continue;
        arg->used = true;
        if (!g_ascii_islower(*arg->key) ||
            arg->key[strspn(arg->key, "abcdefghijklmnopqrstuvwxyz0123456789_")]) {
            usage_set(error, "'%s' is no key of a configuration.", arg->key);
            return false;
        }
        g_string_append_printf(text, "\n%s=", arg->key);
        append_value(text, arg->value);
    }
    g_string_append_c(text, '\n');
    return true;
}

/* ---- showing ---- */

static char *
mode_of(const struct xl_disk *disk)
{
    return g_strdup_printf("%s, %s", disk->cd ? "CD" : "Disk", disk->writable ? "RW" : "RO");
}

static void
show_block(struct xtool *x, const struct xl_vm *vm)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; i < vm_class()->n_fields; i++) {
        const struct dm_field *field = &vm_class()->fields[i];
        g_autoptr(GVariant) value = g_variant_lookup_value(vm->record, field->name, NULL);
        if (!value)
            continue;
        g_ptr_array_add(names, g_strdup(field->name));
        g_ptr_array_add(values, value_text(field->type, value));
    }
    for (unsigned i = 0; i < vm->disks->len; i++) {
        const struct xl_disk *disk = vm->disks->pdata[i];
        g_autofree char *mode = mode_of(disk);
        g_ptr_array_add(names, g_strdup_printf("VBD %d", disk->position));
        g_ptr_array_add(values, g_strdup_printf("%s: %s", mode, disk->target ? disk->target : ""));
    }
    print_block(x->out, (const char *const *)names->pdata, (const char *const *)values->pdata,
                names->len);
}

static void
show_json(struct xtool *x, const struct xl_vm *vm)
{
    g_autoptr(GString) out = g_string_new("{\"VM\":{");
    const char *comma = "";

    for (unsigned i = 0; i < vm_class()->n_fields; i++) {
        const struct dm_field *field = &vm_class()->fields[i];
        g_autoptr(GVariant) value = g_variant_lookup_value(vm->record, field->name, NULL);
        if (!value)
            continue;
        g_string_append_printf(out, "%s\"%s\":", comma, field->name);
        json_value_encode(out, field->type, value);
        comma = ",";
    }
    g_string_append(out, "},\"VBDs\":[");
    for (unsigned i = 0; i < vm->disks->len; i++) {
        const struct xl_disk *disk = vm->disks->pdata[i];
        g_string_append_printf(
            out,
            "%s{\"userdevice\":\"%d\",\"type\":\"%s\",\"mode\":\"%s\",\"target\":", i ? "," : "",
            disk->position, disk->cd ? "CD" : "Disk", disk->writable ? "RW" : "RO");
        json_text_append(out, disk->target ? disk->target : "");
        g_string_append_c(out, '}');
    }
    fprintf(x->out, "%s]}\n", out->str);
}

/* ---- making ---- */

static bool
check_name(struct xtool *x, const char *name, GError **error)
{
    g_autoptr(GPtrArray) vms = objects_called(x->objects, vm_class(), name, error);

    if (!vms)
        return false;
    if (!vms->len)
        return true;
    const char *uuid = object_string(vms->pdata[0], "uuid");
    g_autofree char *state = g_ascii_strdown(object_string(vms->pdata[0], "power_state"), -1);
    g_autofree char *hint =
        g_str_equal(state, "halted")
            ? g_strdup_printf(
                  "\nhint: xapid keeps VMs that are shut down. '%s start %s' starts this "
                  "one, '%s vm-destroy uuid=%s' removes it.",
                  x->name, uuid, x->name, uuid)
            : g_strdup("");
    g_set_error(error, FAILED_ERROR, 0, "There is a VM '%s' already, %s, which is %s.%s", name,
                uuid, state, hint);
    return false;
}

/* What each disk means, before anything is made: struct object or NULL, as vm->disks. */
static GPtrArray *
find_disks(struct xtool *x, const struct xl_vm *vm, GError **error)
{
    g_autoptr(GPtrArray) vdis = g_ptr_array_new();

    for (unsigned i = 0; i < vm->disks->len; i++) {
        const struct xl_disk *disk = vm->disks->pdata[i];
        const struct object *vdi =
            disk->target ? xl_target(x, disk->target, disk->cd, error) : NULL;
        if (disk->target && !vdi)
            return NULL;
        g_ptr_array_add(vdis, (void *)vdi);
    }
    return g_steal_pointer(&vdis);
}

static bool
add_drives(struct xtool *x, const char *ref, const struct xl_vm *vm, const GPtrArray *vdis,
           GError **error)
{
    for (unsigned i = 0; i < vdis->len; i++) {
        g_autoptr(GVariant) drive =
            xl_add_drive(x, ref, vdis->pdata[i], vm->disks->pdata[i], error);
        if (!drive)
            return false;
    }
    return true;
}

static bool
start(struct xtool *x, const char *ref, bool paused, GError **error)
{
    GVariant *params[] = {g_variant_ref_sink(g_variant_new_string(ref)),
                          g_variant_ref_sink(g_variant_new_boolean(paused)),
                          g_variant_ref_sink(g_variant_new_boolean(false))};
    bool ok = call_message(x, "VM.start", params, G_N_ELEMENTS(params), error);

    for (size_t i = 0; i < G_N_ELEMENTS(params); i++)
        g_variant_unref(params[i]);
    return ok;
}

/* Kernels are files of one folder: xl takes any. */
static void
explain_kernel(GError **error)
{
    const char *const *params =
        *error && api_error_is(*error, "INVALID_VALUE") ? api_error_params(*error) : NULL;

    if (!params || !params[0] || !params[1] || !*params[1] ||
        (!g_str_equal(params[0], "PV_kernel") && !g_str_equal(params[0], "PV_ramdisk")))
        return;
    GError *better = g_error_new(
        FAILED_ERROR, 0,
        "The host has no such %s for guests: %s.\n"
        "hint: Kernels and ramdisks of guests are files of one folder, /var/lib/xcp/guest (the "
        "setting guest_kernels): copy it there, and name it without a folder.",
        g_str_equal(params[0], "PV_kernel") ? "kernel" : "ramdisk", params[1]);
    g_clear_error(error);
    *error = better;
}

/* The VM, started; NULL: nothing is left of it. */
static const struct object *
make(struct xtool *x, const struct xl_vm *vm, bool paused, GError **error)
{
    g_autoptr(GPtrArray) vdis = check_name(x, vm->name, error) ? find_disks(x, vm, error) : NULL;
    GVariant *record = vm->record;
    g_autoptr(GVariant) made =
        vdis ? server_call(x->server, dm_method_find("VM.create"), &record, 1, error) : NULL;
    g_autoptr(GError) failure = NULL;
    const struct object *object = NULL;

    if (!made)
        return NULL;
    const char *ref = g_variant_get_string(made, NULL);
    if (add_drives(x, ref, vm, vdis, &failure) && start(x, ref, paused, &failure)) {
        if (objects_get(x->objects, vm_class(), ref, false, &object, error) && !object)
            api_error_set(error, "HANDLE_INVALID", "VM", ref, NULL);
        return object;
    }
    /* As with xl: what did not start is not there.  The first error is the one that tells; after
     * Ctrl-C what the server began goes on. */
    if (!server_interrupted(x->server) &&
        !call_message(x, "VM.destroy", (GVariant *const[]){made}, 1, NULL))
        fprintf(stderr, "note: the VM is there nevertheless, and could not be removed.\n");
    explain_kernel(&failure);
    g_propagate_error(error, g_steal_pointer(&failure));
    return NULL;
}

/* ---- */

bool
xl_create(struct xtool *x, GError **error)
{
    const char *path = xl_verb_word(x, 0), *leave_out = args_get(x->args, "leave-out");
    g_auto(xl_vm_owned) vm = {NULL, NULL, NULL, NULL};
    bool dry, paused, quiet, console;

    if (!args_flag(x->args, "dryrun", &dry, error) ||
        !args_flag(x->args, "paused", &paused, error) ||
        !args_flag(x->args, "quiet", &quiet, error) ||
        !args_flag(x->args, "console", &console, error))
        return false;
    if (leave_out && g_str_equal(leave_out, "true")) {
        usage_set(error, "--leave-out=KEY,KEY says what, --leave-out=all everything.");
        return false;
    }
    g_autofree char *config = read_file(path, error);
    if (!config)
        return false;
    g_autoptr(GString) text = g_string_new(config);
    if (!add_arguments(x, text, error) || !xl_vm_read(path, text->str, leave_out, &vm, error))
        return false;
    if (*vm.left_out && !quiet)
        fprintf(stderr, "note: left out: %s\n", vm.left_out);
    if (dry) {
        if (x->json)
            show_json(x, &vm);
        else
            show_block(x, &vm);
        return true;
    }
    const struct object *made = xtool_connect(x, false, error) ? make(x, &vm, paused, error) : NULL;
    if (made && !quiet)
        fprintf(x->out, "%s\n", object_string(made, "uuid"));
    return made && (!console || xl_console_exec(x, made, NULL, NULL, error));
}
