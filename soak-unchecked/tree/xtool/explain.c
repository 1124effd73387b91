/* The texts of errors; see explain.h. */
#include "config.h"

#include "xtool/explain.h"

#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "xtool/print.h"

/* Sentences for what users meet most; %1 %2 %3 stand for the error's parameters.  For every other
 * code the data model has a description. */
static const struct {
    const char *code, *sentence, *hint;
} texts[] = {
    {"VM_BAD_POWER_STATE", "%1 is %3, and for this it must be %2.", NULL},
    {"HANDLE_INVALID", "There is no such %1: it was removed meanwhile.", NULL},
    {"UUID_INVALID", "There is no %1 '%2'.", NULL},
    {"NOT_IMPLEMENTED", "This xapid does not have %1 yet.", NULL},
    {"MESSAGE_METHOD_UNKNOWN", "The server does not know %1.",
     "It may be of another version than this xtool."},
    {"SESSION_AUTHENTICATION_FAILED", "The user name or the password is wrong.", NULL},
    {"SESSION_AUTHORIZATION_FAILED", "The password is right, but this user has no role here.",
     "An administrator can add the user by subject-add and give a role by subject-role-add."},
    {"SESSION_INVALID", "The session ended meanwhile.", "Run the command again."},
    {"RBAC_PERMISSION_DENIED", "Your role does not include %1.",
     "An administrator can give another one by subject-role-add."},
    {"HOST_IS_SLAVE", "This host is a member of a pool, and not its coordinator.",
     "Say -s %1 to ask the coordinator."},
    {"OTHER_OPERATION_IN_PROGRESS", "%2 is busy with another operation (%3).",
     "task-list shows what is going on; task-cancel may end it."},
    {"OPERATION_BLOCKED", "This is blocked for %1: %2.",
     "vm-param-remove param-name=blocked-operations takes the block away."},
    {"INVALID_VALUE", "%1 cannot be '%2'.", NULL},
    {"HOST_DISABLED", "%1 is disabled and takes no VMs.", "host-enable lets it."},
    {"HOST_NOT_ENOUGH_FREE_MEMORY", "The host has %2 bytes of memory free, and %1 are needed.",
     "Shut down a VM, or give this one less by vm-memory-limits-set."},
    {"TASK_CANCELLED", "The operation was cancelled.", NULL},
};

/* Which command makes a VM's state what is needed, by the state it is in. */
static const char *
state_hint(const char *actual, const char *needed)
{
    if (g_ascii_strcasecmp(actual, "halted") == 0)
        return "vm-start starts it.";
    if (g_ascii_strcasecmp(actual, "suspended") == 0)
        return "vm-resume lets it go on.";
    if (g_ascii_strcasecmp(needed, "halted") == 0)
        return "vm-shutdown ends it; --force does so without asking the guest.";
    if (g_ascii_strcasecmp(actual, "paused") == 0)
        return "vm-unpause lets it go on.";
    if (g_ascii_strcasecmp(needed, "paused") == 0)
        return "vm-pause halts it for a while.";
    return NULL;
}

/* The object of a reference, tried in the class that goes by the parameter's name, then in those
 * that people name. */
static const struct object *
find_object(struct xtool *x, const char *param_name, const char *ref)
{
    const char *const names[] = {param_name, "VM", "host", "SR", "VDI", "task", "pool", "subject"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const struct dm_class *cls = names[i] ? dm_class_find(names[i], true) : NULL;
        const struct object *object = NULL;
        if (cls && cls->in_database && objects_get(x->objects, cls, ref, false, &object, NULL) &&
            object)
            return object;
    }
    return NULL;
}

/* A parameter of an error: the class and name of an object instead of its reference. */
static char *
param_text(struct xtool *x, const char *param_name, const char *param)
{
    const struct object *object = x->objects && g_str_has_prefix(param, REF_PREFIX)
                                      ? find_object(x, param_name, param)
                                      : NULL;

    if (!object)
        return text_printable(param);
    g_autofree char *name = text_printable(object_string(object, "name_label"));
    return *name ? g_strdup_printf("%s '%s'", object->cls->name, name)
                 : g_strdup_printf("%s %s", object->cls->name, object_string(object, "uuid"));
}

static char **
param_texts(struct xtool *x, const struct dm_error *known, const char *const *params)
{
    GPtrArray *out = g_ptr_array_new();
    bool named = known;

    for (unsigned i = 0; params && params[i]; i++) {
        named = named && known->params[i];
        g_ptr_array_add(out, param_text(x, named ? known->params[i] : NULL, params[i]));
    }
    g_ptr_array_add(out, NULL);
    return (char **)g_ptr_array_free(out, FALSE);
}

/* The sentence with its parameters. */
static void
fill(GString *out, const char *sentence, char *const *params)
{
    unsigned n = g_strv_length((char **)params);

    for (const char *p = sentence; *p; p++) {
        unsigned number = *p == '%' && g_ascii_isdigit(p[1]) ? (unsigned)(p[1] - '0') : 0;
        if (number)
            p++;
        if (number && number <= n)
            g_string_append(out, params[number - 1]);
        else if (!number)
            g_string_append_c(out, *p);
    }
}

/* A code without a sentence of ours: what the data model says, and the parameters as they are. */
static void
describe(GString *out, const char *code, const struct dm_error *known, char *const *params)
{
    if (known && *known->description)
        g_string_append_printf(out, "%s (%s", known->description, code);
    else
        g_string_append_printf(out, "The server answers %s (", code);
    for (unsigned i = 0; params[i]; i++) {
        const char *before = i || (known && *known->description) ? ", " : "";
        if (known && i < g_strv_length((char **)known->params))
            g_string_append_printf(out, "%s%s: %s", before, known->params[i], params[i]);
        else
            g_string_append_printf(out, "%s%s", before, params[i]);
    }
    g_string_append(out, g_str_has_suffix(out->str, "(") ? "no details)." : ").");
}

static void
explain_api(struct xtool *x, const GError *error, GString *out)
{
    const char *code = api_error_code(error), *hint = NULL;
    const struct dm_error *known = dm_error_find(code);
    g_auto(GStrv) params = param_texts(x, known, api_error_params(error));
    const char *sentence = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (g_str_equal(texts[i].code, code)) {
            sentence = texts[i].sentence;
            hint = texts[i].hint;
        }
    }
    if (sentence)
        fill(out, sentence, params);
    else
        describe(out, code, known, params);
    if (g_str_equal(code, "VM_BAD_POWER_STATE") && g_strv_length(params) >= 3)
        hint = state_hint(params[2], params[1]);
    if (hint) {
        g_string_append(out, "\nhint: ");
        fill(out, hint, params);
    }
}

char *
explain(struct xtool *x, const GError *error)
{
    GString *out = g_string_new(NULL);

    if (error->domain == API_ERROR)
        explain_api(x, error, out);
    else
        g_string_append(out, error->message);
    return g_string_free(out, FALSE);
}

/* Names of objects are in it: nothing of them may reach a terminal raw.  Our own line ends stay. */
void
explain_print(struct xtool *x, const GError *error)
{
    g_autofree char *text = explain(x, error);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    bool colour = isatty(STDERR_FILENO) && !g_getenv("NO_COLOR");

    fputs(colour ? "\033[31merror:\033[0m " : "error: ", stderr);
    for (unsigned i = 0; lines[i]; i++) {
        g_autofree char *line = text_printable(lines[i]);
        fprintf(stderr, "%s\n", line);
    }
}

enum xtool_exit
explain_exit(const struct xtool *x, const GError *error)
{
    if (x->as_xe)
        return EXIT_FAILED;
    if (error->domain == USAGE_ERROR)
        return EXIT_USAGE;
    if (error->domain == INTERRUPT_ERROR)
        return EXIT_INTERRUPTED;
    return error->domain == CONNECTION_ERROR ? EXIT_CONNECTION : EXIT_FAILED;
}
