/* Commands that are more than one call of the API. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "xtool/print.h"
#include "xtool/select.h"
#include "xtool/xtool.h"

#define EVENT_WAIT_SECONDS 60.0 /* of one event.from; then the next */

static GVariant *
text(const char *string)
{
    return g_variant_ref_sink(g_variant_new_string(string));
}

/* ---- vm-uninstall ---- */

/* The disks that no other VM has: they go with the VM. */
static GPtrArray *
own_disks(struct xtool *x, const struct object *vm, GError **error)
{
    const struct dm_class *vbd = dm_class_find("VBD", false), *vdi = dm_class_find("VDI", false);
    g_autoptr(GPtrArray) all = objects_all(x->objects, vbd, error);
    g_autoptr(GPtrArray) disks = g_ptr_array_new();

    if (!all)
        return NULL;

    for (unsigned i = 0; i < all->len; i++) {
        const struct object *mine = all->pdata[i], *disk = NULL;
        bool shared = false;

        if (!g_str_equal(object_string(mine, "VM"), vm->ref) ||
            !g_str_equal(object_string(mine, "type"), "Disk"))
            continue;
        for (unsigned j = 0; j < all->len; j++)
            shared |=
                g_str_equal(object_string(all->pdata[j], "VDI"), object_string(mine, "VDI")) &&
                !g_str_equal(object_string(all->pdata[j], "VM"), vm->ref);
        if (shared)
            continue;
        if (!objects_get(x->objects, vdi, object_string(mine, "VDI"), true, &disk, error))
            return NULL;
        if (disk && !g_ptr_array_find(disks, disk, NULL))
            g_ptr_array_add(disks, (void *)disk);
    }
    return g_steal_pointer(&disks);
}

static void
name_victim(const char *what, const struct object *object)
{
    g_autofree char *name = text_printable(object_string(object, "name_label"));

    fprintf(stderr, "%s: %s (%s)\n", what, object_string(object, "uuid"), name);
}

/* Nothing is destroyed without --force or a yes on the terminal. */
static bool
confirm(struct xtool *x, const struct object *vm, const GPtrArray *disks, GError **error)
{
    char answer[16] = "";

    if (x->force)
        return true;
    if (!isatty(STDIN_FILENO)) {
        usage_set(error, "This destroys the VM and its disks: say --force.");
        return false;
    }
    fputs("The following items are about to be destroyed\n", stderr);
    name_victim("VM ", vm);
    for (unsigned i = 0; i < disks->len; i++)
        name_victim("VDI", disks->pdata[i]);
    fputs("Type 'yes' to continue\n", stderr);
    if (fgets(answer, sizeof answer, stdin) && g_str_equal(answer, "yes\n"))
        return true;
    g_set_error(error, FAILED_ERROR, 0, "Aborted: nothing was destroyed.");
    return false;
}

static bool
uninstall(struct xtool *x, const struct object *vm, GError **error)
{
    g_autoptr(GPtrArray) disks = own_disks(x, vm, error);
    g_autoptr(GVariant) self = text(vm->ref);

    if (!disks || !confirm(x, vm, disks, error))
        return false;
    if (!g_str_equal(object_string(vm, "power_state"), "Halted") &&
        !call_message(x, "VM.hard_shutdown", &self, 1, error))
        return false;
    for (unsigned i = 0; i < disks->len; i++) {
        const struct object *object = disks->pdata[i];
        g_autoptr(GVariant) disk = text(object->ref);
        if (!call_message(x, "VDI.destroy", &disk, 1, error))
            return false;
    }
    return call_message(x, "VM.destroy", &self, 1, error);
}

/* template-uninstall and snapshot-uninstall. */
static bool
uninstall_named(struct xtool *x, const struct xt_command *command, GError **error)
{
    const char *name = args_get(x->args, "template-uuid");
    const char *what = name ? "template" : "snapshot";

    if (!name)
        name = args_get(x->args, "snapshot-uuid");
    if (!name)
        name = args_get(x->args, "uuid");
    if (!name) {
        usage_set(error, "%s needs uuid= or snapshot-uuid=.", command->name);
        return false;
    }
    if (!xtool_check_unused(x, error) || !xtool_connect(x, false, error))
        return false;
    g_autofree char *field = g_strconcat("is_a_", what, NULL);
    const struct object *vm = objects_named(x->objects, dm_class_find("VM", false), name, error);
    if (vm && !object_bool(vm, field)) {
        g_set_error(error, FAILED_ERROR, 0, "%s is no %s.", name, what);
        return false;
    }
    return vm && uninstall(x, vm, error);
}

/* ---- event-wait ---- */

/* True in *ret when an object fulfils all conditions; a value "/=V" asks for another value. */
static bool
fulfilled(struct xtool *x, const struct xt_class *cls, const GPtrArray *fields, bool *ret,
          GError **error)
{
    g_autoptr(GPtrArray) left = NULL;

    objects_forget(x->objects, class_api(cls));
    left = objects_all(x->objects, class_api(cls), error);
    for (unsigned i = 0; left && i < x->args->list->len; i++) {
        const struct arg *arg = x->args->list->pdata[i];
        bool negated = g_str_has_prefix(arg->value, "/=");
        if (args_is_standard(arg->key) || g_str_equal(arg->key, "class"))
            continue;
        g_autoptr(GPtrArray) all = g_ptr_array_copy(left, NULL, NULL);
        if (!select_filter(left, fields, x->objects, arg->key, arg->value + (negated ? 2 : 0),
                           error))
            return false;
        if (!negated)
            continue;
        for (unsigned j = 0; j < left->len; j++)
            g_ptr_array_remove(all, left->pdata[j]);
        g_clear_pointer(&left, g_ptr_array_unref);
        left = g_steal_pointer(&all);
    }
    if (!left)
        return false;
    *ret = left->len > 0;
    return true;
}

/* Waits until something of the class changes after *token, which it moves on. */
static bool
wait_for_event(struct xtool *x, const struct dm_class *cls, char **token, double seconds,
               GError **error)
{
    const char *const classes[] = {cls->name};
    const char *next = "";
    GVariant *params[] = {
        g_variant_ref_sink(g_variant_new_strv(classes, 1)),
        text(*token),
        g_variant_ref_sink(g_variant_new_double(seconds)),
    };
    g_autoptr(GVariant) batch =
        server_call(x->server, dm_method_find("event.from"), params, G_N_ELEMENTS(params), error);

    for (size_t i = 0; i < G_N_ELEMENTS(params); i++)
        g_variant_unref(params[i]);
    if (!batch)
        return false;
    g_variant_lookup(batch, "token", "&s", &next);
    g_free(*token);
    *token = g_strdup(next);
    return true;
}

static bool
event_wait(struct xtool *x, const struct xt_command *command, GError **error)
{
    const char *name = args_get(x->args, "class");
    const struct xt_class *cls = class_find(name);
    g_autofree char *token = g_strdup("");
    bool done = false;

    (void)command;
    if (!cls) {
        usage_set(error, "Unknown class '%s'.", name);
        return false;
    }
    g_autoptr(GPtrArray) fields = fields_of(cls);
    /* The token first: what happens between it and the look is an event after it. */
    if (!xtool_connect(x, false, error) || !wait_for_event(x, class_api(cls), &token, 0, error))
        return false;
    while (fulfilled(x, cls, fields, &done, error) && !done)
        if (!wait_for_event(x, class_api(cls), &token, EVENT_WAIT_SECONDS, error))
            return false;
    return done;
}

/* ---- subjects and their sessions ---- */

static bool
subject_add(struct xtool *x, const struct xt_command *command, GError **error)
{
    const struct dm_class *subject = dm_class_find("subject", false);
    g_autoptr(GVariant) name = text(args_get(x->args, "subject-name"));
    const struct object *made = NULL;
    GVariantBuilder record;

    (void)command;
    if (!xtool_check_unused(x, error) || !xtool_connect(x, false, error))
        return false;
    g_autoptr(GVariant) identifier =
        server_call(x->server, dm_method_find("auth.get_subject_identifier"), &name, 1, error);
    g_autoptr(GVariant) facts =
        identifier
            ? server_call(x->server, dm_method_find("auth.get_subject_information_from_identifier"),
                          &identifier, 1, error)
            : NULL;
    if (!facts)
        return false;
    g_variant_builder_init(&record, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&record, "{sv}", "subject_identifier", identifier);
    g_variant_builder_add(&record, "{sv}", "other_config", facts);
    g_autoptr(GVariant) args = g_variant_ref_sink(g_variant_builder_end(&record));
    g_autoptr(GVariant) ref =
        server_call(x->server, dm_method_find("subject.create"), &args, 1, error);
    if (!ref ||
        !objects_get(x->objects, subject, g_variant_get_string(ref, NULL), false, &made, error))
        return false;
    if (made)
        fprintf(x->out, "%s\n", object_string(made, "uuid"));
    return true;
}

/* subject-role-add and subject-role-remove. */
static bool
subject_role(struct xtool *x, const struct xt_command *command, GError **error)
{
    const char *uuid = args_get(x->args, "uuid"), *name = args_get(x->args, "role-name");
    const char *role_uuid = args_get(x->args, "role-uuid");

    if (!name == !role_uuid) {
        usage_set(error, "%s needs either role-name= or role-uuid=.", command->name);
        return false;
    }
    if (!xtool_check_unused(x, error) || !xtool_connect(x, false, error))
        return false;
    const struct object *subject =
        objects_named(x->objects, dm_class_find("subject", false), uuid, error);
    const struct object *role = subject ? objects_named(x->objects, dm_class_find("role", false),
                                                        name ? name : role_uuid, error)
                                        : NULL;
    if (!role)
        return false;
    GVariant *params[] = {text(subject->ref), text(role->ref)};
    bool ok =
        call_message(x,
                     g_str_equal(command->name, "subject-role-add") ? "subject.add_to_roles"
                                                                    : "subject.remove_from_roles",
                     params, 2, error);
    g_variant_unref(params[0]);
    g_variant_unref(params[1]);
    return ok;
}

static bool
logout_all(struct xtool *x, const struct xt_command *command, GError **error)
{
    (void)command;
    if (!xtool_check_unused(x, error) || !xtool_connect(x, false, error))
        return false;
    g_autoptr(GVariant) all = server_call(
        x->server, dm_method_find("session.get_all_subject_identifiers"), NULL, 0, error);
    for (gsize i = 0; all && i < g_variant_n_children(all); i++) {
        g_autoptr(GVariant) identifier = g_variant_get_child_value(all, i);
        if (!call_message(x, "session.logout_subject_identifier", &identifier, 1, error))
            return false;
    }
    return all;
}

/* ---- what belongs to VMs ---- */

/* The objects of a class whose VM is one of these. */
static bool
list_of_vms(struct xtool *x, const char *name, const GPtrArray *vms, const char *const *columns,
            GError **error)
{
    const struct xt_class *cls = class_find(name);
    g_autoptr(GPtrArray) fields = fields_of(cls), found = g_ptr_array_new();
    g_autoptr(GPtrArray) shown =
        generic_columns(x, fields, args_get(x->args, "params"), columns, error);
    g_autoptr(GPtrArray) all = shown ? objects_all(x->objects, class_api(cls), error) : NULL;

    if (!all)
        return false;
    for (unsigned i = 0; i < vms->len; i++)
        for (unsigned j = 0; j < all->len; j++)
            if (g_str_equal(object_string(all->pdata[j], "VM"),
                            ((const struct object *)vms->pdata[i])->ref))
                g_ptr_array_add(found, all->pdata[j]);
    return generic_show(x, found, shown, error);
}

static bool
vif_list(struct xtool *x, const GPtrArray *vms, GError **error)
{
    static const char *const columns[] = {"uuid",         "vm-name-label",      "device", "MAC",
                                          "network-uuid", "network-name-label", NULL};

    return list_of_vms(x, "vif", vms, columns, error);
}

static bool
bios_customized(struct xtool *x, const struct object *vm, GError **error)
{
    const struct dm_class *cls = dm_class_find("VM", false);
    g_autoptr(GVariant) strings = object_value(vm, dm_field_find(cls, "bios_strings"));
    bool generic = true;
    GVariantIter iter;
    const char *key, *value;

    if (!xtool_check_unused(x, error))
        return false;
    if (!strings || g_variant_n_children(strings) == 0) {
        fputs("The BIOS strings of this VM have not yet been set.\n", x->out);
        return true;
    }
    /* What a guest has when nobody chose: Xen's own words, and no others. */
    g_variant_iter_init(&iter, strings);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value)) {
        const char *own = g_str_equal(key, "bios-vendor") || g_str_equal(key, "system-manufacturer")
                              ? "Xen"
                          : g_str_equal(key, "system-product-name") ? "HVM domU"
                                                                    : "";
        generic &= g_str_equal(value, own);
    }
    fprintf(x->out, "This VM is BIOS-%s.\n", generic ? "generic" : "customized");
    return true;
}

/* ---- */

const struct verb *
verb_find(const char *command)
{
    static const struct verb verbs[] = {
        {"cd-list", "Shows the CDs that can be put into drives.", .run = drives_images},
        {"diagnostic-vdi-status", "Shows a disk, and the drives that it is in.",
         .run = diagnose_vdi},
        {"diagnostic-vm-status", "Tells what may keep a VM from starting.", .run = diagnose_vm},
        {"event-wait",
         "Waits until an object of the class fulfils all conditions; a value /=V asks for another "
         "one.",
         .run = event_wait},
        {"pool-dump-database", "Writes the database into a new file, as XML; - is standard output.",
         .run = database_dump},
        {"pool-restore-database",
         "Makes the database what a dump says, and restarts xapid; --dry-run only checks the dump.",
         .run = database_restore},
        {"session-subject-identifier-logout-all", "Ends the sessions of all users.",
         .run = logout_all},
        {"snapshot-disk-list", "Shows the disks of a snapshot.", .run = drives_snapshot_disk_list},
        {"snapshot-uninstall", "Destroys a snapshot and the disks that no other VM has.",
         .run = uninstall_named},
        {"subject-add", "Lets a user or group of the authentication service log in.",
         .run = subject_add},
        {"subject-role-add", "Gives a user or group a role.", .run = subject_role},
        {"subject-role-remove", "Takes a role from a user or group.", .run = subject_role},
        {"template-uninstall", "Destroys a template and the disks that no other VM has.",
         .run = uninstall_named},
        {"vbd-unplug",
         "Takes the drive from its VM, which runs; --force with timeout= without asking the guest "
         "when that many seconds did not help.",
         .run = unplug_drive},
        {"vdi-export", "Writes the contents of a disk into a new file; - is standard output.",
         .run = streams_export},
        {"vdi-import", "Makes the contents of a file those of a disk.", .run = streams_import},
        {"vm-cd-add", "Gives the VM a drive with a CD in it.", .each = drives_cd_add},
        {"vm-cd-eject", "Takes the CD out of the VM's only CD drive.", .each = drives_cd_eject},
        {"vm-cd-insert", "Puts a CD into the VM's only empty CD drive.", .each = drives_cd_insert},
        {"vm-cd-list", "Shows the CD drives of VMs, and what is in them.", .all = drives_cd_list},
        {"vm-cd-remove", "Takes the drive with this CD from the VM; <EMPTY> means an empty one.",
         .each = drives_cd_remove},
        {"vm-disk-add", "Makes a disk and gives it to the VM.", .each = drives_disk_add},
        {"vm-disk-list", "Shows the disks of VMs.", .all = drives_disk_list},
        {"vm-disk-remove", "Takes a disk from the VM and destroys it.", .each = drives_disk_remove},
        {"vm-export", "Writes a VM with its disks into a new file, an XVA; - is standard output.",
         .each = streams_vm_export},
        {"vm-import", "Makes a VM with its disks of a file, an XVA, and prints its uuid.",
         .run = streams_vm_import},
        {"vm-install", "Makes a VM of a template, with its disks, and prints its uuid.",
         .run = install_run},
        {"vm-is-bios-customized", "Tells whether the VM's BIOS has strings of its own.",
         .each = bios_customized},
        {"vm-uninstall", "Destroys the VM and the disks that no other VM has.", .each = uninstall},
        {"vm-vif-list", "Shows the network interfaces of VMs.", .all = vif_list},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (g_str_equal(verbs[i].command, command))
            return &verbs[i];
    return NULL;
}
