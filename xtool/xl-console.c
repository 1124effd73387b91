/* console: goes to a guest's text console, as xl console does: by Xen's own program on the host
 * itself, and through the host from elsewhere. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "xtool/console.h"
#include "xtool/xl-verbs.h"

#define XEN_VERSION "/sys/hypervisor/version/" /* the folder of the running Xen's */
#define XENCONSOLE "XTOOL_XENCONSOLE"          /* environment: the program, for tests */

/* Xen's program, of the Xen that runs, as Debian has several beside each other; the caller's. */
static char *
find_program(GError **error)
{
    const char *given = g_getenv(XENCONSOLE);
    g_autofree char *major = NULL;
    g_autofree char *minor = NULL;

    if (given)
        return g_strdup(given);
    if (!g_file_get_contents(XEN_VERSION "major", &major, NULL, NULL) ||
        !g_file_get_contents(XEN_VERSION "minor", &minor, NULL, NULL)) {
        g_set_error(error, FAILED_ERROR, 0, "This is no control domain of Xen.");
        return NULL;
    }
    return g_strdup_printf("/usr/lib/xen-%s.%s/bin/xenconsole", g_strchomp(major),
                           g_strchomp(minor));
}

/* Through the host, whichever that is: the VM's console of text. */
static bool
console_elsewhere(struct xtool *x, const struct object *vm, GError **error)
{
    g_autofree const char **consoles = NULL;

    g_variant_lookup(vm->record, "consoles", "^a&s", &consoles);
    for (const char **ref = consoles; ref && *ref; ref++) {
        const struct object *console = NULL;
        if (!objects_get(x->objects, dm_class_find("console", false), *ref, false, &console, error))
            return false;
        if (!console || !g_str_equal(object_string(console, "protocol"), "vt100"))
            continue;
        g_autofree char *path = g_strconcat("/console?uuid=", object_string(console, "uuid"), NULL);
        return console_attend(x->server, path, error);
    }
    g_set_error(error, FAILED_ERROR, 0, "%s has no text console.", object_string(vm, "name_label"));
    return false;
}

bool
xl_console_exec(struct xtool *x, const struct object *vm, const char *type, const char *num,
                GError **error)
{
    gint64 domid = -1;

    g_variant_lookup(vm->record, "domid", "x", &domid);
    if (domid < 0) {
        g_autofree char *state = g_ascii_strdown(object_string(vm, "power_state"), -1);
        g_set_error(error, FAILED_ERROR, 0, "%s is %s, and has a console while it runs.",
                    object_string(vm, "name_label"), state);
        return false;
    }
    if (!server_is_here(x->server) && (type || num)) {
        usage_set(error, "A guest has one text console for those who are not on its host.");
        return false;
    }
    if (!server_is_here(x->server))
        return console_elsewhere(x, vm, error);
    g_autofree char *program = find_program(error);
    if (!program)
        return false;
    /* As xl does: what a whole machine says comes from its serial port. */
    if (!type)
        type = g_str_equal(object_string(vm, "domain_type"), "hvm") ? "serial" : "pv";
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, domid);
    const char *const argv[] = {program, number, "--num", num ? num : "0", "--type", type, NULL};

    fflush(x->out);
    server_close(g_steal_pointer(&x->server));
    execv(program, (char *const *)argv);
    g_set_error(error, FAILED_ERROR, 0, "%s: %s.", program, g_strerror(errno));
    return false;
}

bool
xl_console(struct xtool *x, GError **error)
{
    const char *type = args_get(x->args, "type"), *num = args_get(x->args, "num");
    guint64 number;

    if (!xtool_check_unused(x, error))
        return false;
    if (type && !g_str_equal(type, "pv") && !g_str_equal(type, "serial")) {
        usage_set(error, "A console is pv or serial, not '%s'.", type);
        return false;
    }
    if (num && !g_ascii_string_to_unsigned(num, 10, 0, G_MAXINT16, &number, NULL)) {
        usage_set(error, "The number of a console is one like 0, not '%s'.", num);
        return false;
    }
    const struct object *vm = xl_verb_vm(x, 0, error);
    return vm && xl_console_exec(x, vm, type, num, error);
}
