/* vm-install: a VM of a template, with the disks that the template asks for. */
#include "config.h"

#include "lib/error.h"
#include "xtool/print.h"
#include "xtool/xtool.h"

static GVariant *
text(const char *string)
{
    return g_variant_ref_sink(g_variant_new_string(string));
}

/* ---- what is asked for ---- */

static const struct object *
wanted_template(struct xtool *x, GError **error)
{
    const char *name = args_get(x->args, "template");
    g_autoptr(GPtrArray) found =
        objects_called(x->objects, dm_class_find("VM", false), name, error);

    if (!found)
        return NULL;
    for (guint i = found->len; i-- > 0;)
        if (!object_bool(found->pdata[i], "is_a_template"))
            g_ptr_array_remove_index(found, i);
    if (found->len == 1)
        return found->pdata[0];
    g_autofree char *shown = text_printable(name);
    g_set_error(error, FAILED_ERROR, 0,
                found->len ? "Several templates are called '%s': say which by its uuid."
                           : "There is no template '%s'; template-list shows them.",
                shown);
    return NULL;
}

/* False with an error; *ret NULL: where the template says. */
static bool
wanted_sr(struct xtool *x, const struct object **ret, GError **error)
{
    const char *uuid = args_get(x->args, "sr-uuid"), *name = args_get(x->args, "sr-name-label");

    *ret = NULL;
    if (uuid && name) {
        usage_set(error, "vm-install takes sr-uuid= or sr-name-label=.");
        return false;
    }
    if (!uuid && !name)
        return true;
    *ret = objects_named(x->objects, dm_class_find("SR", false), uuid ? uuid : name, error);
    return *ret != NULL;
}

static bool
wanted_host(struct xtool *x, const struct object **ret, GError **error)
{
    const char *name = args_get(x->args, "copy-bios-strings-from");

    *ret = NULL;
    if (!name)
        return true;
    *ret = objects_named(x->objects, dm_class_find("host", false), name, error);
    return *ret != NULL;
}

/* ---- <provision><disk …/>…</provision> ---- */

struct moved {
    GString *out;
    const char *sr; /* a uuid */
};

static void
open_element(GMarkupParseContext *context, const char *element, const char **names,
             const char **values, void *data, GError **error)
{
    const struct moved *moved = data;
    bool disk = g_str_equal(element, "disk");

    (void)context;
    (void)error;
    g_string_append_printf(moved->out, "<%s", element);
    for (unsigned i = 0; names[i]; i++) {
        g_autofree char *value = g_markup_escape_text(values[i], -1);
        if (!disk || !g_str_equal(names[i], "sr"))
            g_string_append_printf(moved->out, " %s=\"%s\"", names[i], value);
    }
    if (disk)
        g_string_append_printf(moved->out, " sr=\"%s\"", moved->sr);
    g_string_append_c(moved->out, '>');
}

static void
close_element(GMarkupParseContext *context, const char *element, void *data, GError **error)
{
    const struct moved *moved = data;

    (void)context;
    (void)error;
    g_string_append_printf(moved->out, "</%s>", element);
}

/* The same disks, all on that repository; NULL: it is no such text.  The caller's. */
static char *
disks_on(const char *disks, const char *sr)
{
    static const GMarkupParser parser = {.start_element = open_element,
                                         .end_element = close_element};
    struct moved moved = {.out = g_string_new(NULL), .sr = sr};
    GMarkupParseContext *context =
        g_markup_parse_context_new(&parser, G_MARKUP_DEFAULT_FLAGS, &moved, NULL);
    bool ok = g_markup_parse_context_parse(context, disks, -1, NULL) &&
              g_markup_parse_context_end_parse(context, NULL);

    g_markup_parse_context_free(context);
    return g_string_free(moved.out, !ok);
}

static bool
move_disks(struct xtool *x, GVariant *vm, const struct object *sr, GError **error)
{
    g_autoptr(GVariant) config =
        server_call(x->server, dm_method_find("VM.get_other_config"), &vm, 1, error);
    const char *disks;

    if (!config)
        return false;
    if (!g_variant_lookup(config, "disks", "&s", &disks))
        return true;
    g_autofree char *moved = disks_on(disks, object_string(sr, "uuid"));
    if (!moved)
        return true; /* VM.provision says what is wrong with it */
    g_autoptr(GVariant) key = text("disks");
    g_autoptr(GVariant) value = text(moved);
    GVariant *params[] = {vm, key, value};
    return call_message(x, "VM.remove_from_other_config", params, 2, error) &&
           call_message(x, "VM.add_to_other_config", params, 3, error);
}

/* ---- the command ---- */

static bool
make_ready(struct xtool *x, GVariant *vm, const struct object *sr, const struct object *host,
           GError **error)
{
    if (sr && !move_disks(x, vm, sr, error))
        return false;
    if (host) {
        g_autoptr(GVariant) from = text(host->ref);
        GVariant *params[] = {vm, from};
        if (!call_message(x, "VM.copy_bios_strings", params, 2, error))
            return false;
    }
    return call_message(x, "VM.provision", &vm, 1, error);
}

/* What could not be made ready does not stay. */
static void
remove_vm(struct xtool *x, GVariant *vm)
{
    g_autoptr(GError) failed = NULL;

    if (!call_message(x, "VM.destroy", &vm, 1, &failed)) {
        g_autofree char *why = text_printable(failed->message);
        fprintf(stderr, "note: the VM that was begun is still there. %s\n", why);
    }
}

bool
install_run(struct xtool *x, const struct xt_command *command, GError **error)
{
    const struct object *sr, *host, *made;

    if (!args_has(x->args, "template")) {
        usage_set(error, "%s needs template=NAME|UUID.", command->name);
        return false;
    }
    if (!xtool_connect(x, false, error))
        return false;
    g_autoptr(GVariant) name = text(args_get(x->args, "new-name-label"));
    const struct object *template = wanted_template(x, error);
    if (!template || !wanted_sr(x, &sr, error) || !wanted_host(x, &host, error) ||
        !xtool_check_unused(x, error))
        return false;
    g_autoptr(GVariant) from = text(template->ref);
    GVariant *params[] = {from, name};
    g_autoptr(GVariant) vm = server_call(x->server, dm_method_find("VM.clone"), params, 2, error);
    if (!vm)
        return false;
    if (!make_ready(x, vm, sr, host, error)) {
        remove_vm(x, vm);
        return false;
    }
    if (!objects_get(x->objects, dm_class_find("VM", false), g_variant_get_string(vm, NULL), false,
                     &made, error))
        return false;
    if (made)
        fprintf(x->out, "%s\n", object_string(made, "uuid"));
    return true;
}
