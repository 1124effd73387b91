/* What may follow on a command line that is being typed: for the shell's completion. */
#include "config.h"

#include "xtool/complete.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "xtool/print.h"
#include "xtool/select.h"
#include "xtool/value.h"
#include "xtool/xl.h"

#define COMPLETE_SECONDS 2 /* for all that the server is asked */

struct completion {
    struct xtool *x;
    const char *word; /* as far as it is typed */
    size_t start;     /* bytes of it that the shell leaves as they are */
    char quote;       /* that is open in it, or 0 */
    bool guests;      /* of VMs: without the control domains, which commands pass over */
    GString *out;
};

/* ---- the line ---- */

/* The words of the line as the shell reads them; the last one is what is being typed, perhaps "".
 * Of that *ret_start is where the shell begins to replace: behind an open quote, or behind the last
 * of its break characters. */
static GPtrArray *
split(const char *line, const char *breaks, size_t *ret_start, char *ret_quote)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) word = g_string_new(NULL);
    bool any = false;
    size_t start = 0;
    char quote = 0;

    for (const char *p = line; *p; p++) {
        bool escaped = *p == '\\' && quote != '\'' && p[1];
        if (escaped) {
            g_string_append_c(word, *++p);
        } else if (quote ? *p == quote : *p == '"' || *p == '\'') {
            quote = quote ? 0 : *p;
            start = quote ? word->len : start;
        } else if (!quote && g_ascii_isspace(*p)) {
            if (any)
                g_ptr_array_add(words, g_strdup(word->str));
            g_string_truncate(word, 0);
            start = 0;
            any = false;
            continue;
        } else {
            g_string_append_c(word, *p);
            if (!quote && strchr("=:", *p) && strchr(breaks, *p))
                start = word->len;
        }
        any = true;
    }
    g_ptr_array_add(words, g_strdup(word->str));
    *ret_start = start;
    *ret_quote = quote;
    return words;
}

struct args *
complete_parse(const char *line, const char *breaks, struct completion **ret, GError **error)
{
    size_t start;
    char quote;
    g_autoptr(GPtrArray) words = split(line, breaks, &start, &quote);
    g_autofree char *word = g_ptr_array_steal_index(words, words->len - 1);

    if (words->len == 0)
        g_ptr_array_add(words, g_strdup("xtool"));
    g_ptr_array_add(words, NULL);
    struct args *args = args_parse((const char *const *)words->pdata + 1, error);
    if (!args)
        return NULL;
    *ret = g_new0(struct completion, 1);
    **ret = (struct completion){
        .word = g_steal_pointer(&word), .start = start, .quote = quote, .out = g_string_new(NULL)};
    return args;
}

/* ---- candidates ---- */

/* A whole word, if it begins as the one that is typed; `end` follows when nothing else can. */
static void
offer(struct completion *c, const char *candidate, const char *end)
{
    const char *special = c->quote == '"'    ? "\"\\$`"
                          : c->quote == '\'' ? ""
                                             : " \"\\$`'&|;<>()*?[]{}#~!";

    if (!g_str_has_prefix(candidate, c->word))
        return;
    for (const char *p = candidate + c->start; *p; p++) {
        if (strchr(special, *p))
            g_string_append_c(c->out, '\\');
        g_string_append_c(c->out, *p);
    }
    g_string_append_printf(c->out, "%s\n", c->quote ? "" : end);
}

static void offer_f(struct completion *c, const char *end, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void
offer_f(struct completion *c, const char *end, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_autofree char *candidate = g_strdup_vprintf(format, ap);
    va_end(ap);
    offer(c, candidate, end);
}

static void
offer_commands(struct completion *c)
{
    for (unsigned i = 0; i < xt_n_aliases && !c->x->as_xe; i++)
        offer(c, xt_aliases[i].name, " ");
    for (unsigned i = 0; i < xt_n_commands; i++)
        if (command_exists(&xt_commands[i]) && !xt_commands[i].hidden)
            offer(c, xt_commands[i].name, " ");
    for (unsigned i = 0; i < xt_n_classes; i++)
        for (int op = 0; op < GENERIC_MAX; op++)
            offer_f(c, " ", "%s%s", xt_classes[i].name, generic_suffix((enum generic_op)op));
    offer(c, "help", " ");
    offer(c, "api-coverage", " ");
    offer(c, "db-dump", " ");
    offer(c, "db-fsck", " ");
    offer(c, "db-restore", " ");
}

static void
offer_switches(struct completion *c)
{
    static const char *const switches[] = {"-s",      "-p",       "-u",        "-pw",
                                           "-pwf",    "--nossl",  "--trust",   "--fingerprint",
                                           "--help",  "--json",   "--minimal", "--multiple",
                                           "--force", "--version"};

    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++)
        offer(c, switches[i], " ");
}

/* Names and uuids of what there is of a class; before anything is typed only what the key says. */
static void
offer_objects(struct completion *c, const struct xt_class *cls, const char *before, bool uuids)
{
    g_autoptr(GPtrArray) fields = fields_of(cls);
    bool begun = strlen(c->word) > strlen(before);

    if (!xtool_connect(c->x, false, NULL))
        return;
    g_autoptr(GPtrArray) found = select_class(cls, fields, c->x->objects, NULL, NULL);
    if (found && c->guests && g_str_equal(cls->api_class, "VM"))
        select_filter(found, fields, c->x->objects, "is-control-domain", "false", NULL);
    for (unsigned i = 0; found && i < found->len; i++) {
        const char *name = object_string(found->pdata[i], "name_label");
        g_autofree char *printable = text_printable(name);
        const char *uuid = object_string(found->pdata[i], "uuid");
        /* What cannot be typed is not offered. */
        if (*name && (begun || !uuids) && g_str_equal(name, printable))
            offer_f(c, " ", "%s%s", before, name);
        if (*uuid && (begun || uuids || !*name))
            offer_f(c, " ", "%s%s", before, uuid);
    }
}

static void
offer_of_type(struct completion *c, const struct dm_type *type, const char *before, bool uuids)
{
    if (type->kind == DM_SET)
        type = type->elem;
    const struct xt_class *cls = type->kind == DM_REF ? class_of_api(type->cls) : NULL;

    if (type->kind == DM_BOOL) {
        offer_f(c, " ", "%strue", before);
        offer_f(c, " ", "%sfalse", before);
    }
    for (unsigned i = 0; type->kind == DM_ENUM && i < type->en->n_values; i++)
        offer_f(c, " ", "%s%s", before, enum_text(type->en, type->en->values[i]));
    if (cls)
        offer_objects(c, cls, before, uuids);
}

/* ---- fields ---- */

/* True for a field that this command can do something with. */
static bool
suits(const struct field *field, enum generic_op op)
{
    switch (op) {
    case GENERIC_PARAM_SET:
        return field_setter(field) || field_adder(field);
    case GENERIC_PARAM_ADD:
        return field_adder(field);
    case GENERIC_PARAM_REMOVE:
        return field_remover(field);
    case GENERIC_PARAM_CLEAR:
        return field_setter(field) || field_remover(field);
    default:
        return true;
    }
}

static void
offer_fields(struct completion *c, const struct xt_class *cls, enum generic_op op,
             const char *before, bool keys)
{
    g_autoptr(GPtrArray) fields = fields_of(cls);

    for (unsigned i = 0; i < fields->len; i++) {
        const struct field *field = fields->pdata[i];
        if (suits(field, op))
            offer_f(c, keys ? "" : " ", "%s%s%s", before, field->name,
                    !keys                 ? ""
                    : field_is_map(field) ? ":"
                                          : "=");
    }
}

/* params=FIELD,FIELD: the one that is typed. */
static void
offer_params(struct completion *c, const struct xt_class *cls)
{
    const char *comma = strrchr(c->word, ',');
    g_autofree char *before =
        comma ? g_strndup(c->word, (size_t)(comma - c->word) + 1) : g_strdup("params=");
    g_autoptr(GPtrArray) fields = fields_of(cls);

    if (!comma)
        offer(c, "params=all", " ");
    for (unsigned i = 0; i < fields->len; i++)
        offer_f(c, "", "%s%s", before, ((const struct field *)fields->pdata[i])->name);
}

static void
offer_field_values(struct completion *c, const struct xt_class *cls, const char *key,
                   const char *before)
{
    g_autoptr(GPtrArray) fields = fields_of(cls);
    const struct field *field = field_find(fields, key);

    if (field && field->n_path)
        offer_of_type(c, field->path[field->n_path - 1]->type, before, true);
}

/* ---- arguments ---- */

/* The type of a command's argument, as its call has it; NULL: unknown. */
static const struct dm_type *
argument_type(const struct xt_command *command, const char *key)
{
    for (const struct xt_call *call = command->calls; call->method; call++) {
        const struct dm_message *message = dm_method_find(call->method);
        for (unsigned i = 0; call->args[i]; i++) {
            g_auto(GStrv) names = g_strsplit(call->args[i], "/", -1);
            if (g_strv_contains((const char *const *)names, key))
                return message->params[i].type;
        }
    }
    return NULL;
}

/* The class of the record that a command takes fields of, or NULL. */
static const struct xt_class *
record_class(const struct xt_command *command)
{
    const struct xt_call *call = command->calls;

    return call->method && call->args[0] && *call->args[0] == '{'
               ? class_of_api(dm_method_find(call->method)->params[0].type->cls)
               : NULL;
}

static void
offer_values(struct completion *c, const struct xt_command *command, const char *key,
             const char *before)
{
    const struct dm_type *type = argument_type(command, key);
    const struct xt_class *record = record_class(command);
    g_autofree char *stem = g_str_has_suffix(key, "-uuid") ? g_strndup(key, strlen(key) - 5) : NULL;
    bool is_uuid = g_str_has_suffix(key, "uuid");

    c->guests = command->select;
    if (command->select && (g_str_equal(key, command->select) || g_str_equal(key, "uuid")))
        offer_objects(c, class_find(command->select), before, is_uuid);
    else if (stem && class_find(stem))
        offer_objects(c, class_find(stem), before, true);
    else if (type)
        offer_of_type(c, type, before, is_uuid);
    else if (g_str_equal(key, "class"))
        for (unsigned i = 0; i < xt_n_classes; i++)
            offer_f(c, " ", "%s%s", before, xt_classes[i].name);
    else if (record || command->select)
        offer_field_values(c, record ? record : class_find(command->select), key, before);
}

static void
offer_key(struct completion *c, const char *key)
{
    bool map = g_str_has_suffix(key, ":");

    if (map || !args_has(c->x->args, key))
        offer_f(c, "", "%s%s", key, map ? "" : "=");
}

static void
offer_keys(struct completion *c, const struct xt_command *command)
{
    const struct xt_class *record = record_class(command);

    if (command->select) {
        offer_key(c, command->select);
        offer_key(c, "uuid");
    }
    for (unsigned i = 0; command->need[i]; i++)
        offer_key(c, command->need[i]);
    for (unsigned i = 0; command->may[i]; i++)
        offer_key(c, command->may[i]);
    /* Fields are many: they wait for a letter. */
    if (*c->word && (record || command->select))
        offer_fields(c, record ? record : class_find(command->select),
                     record ? GENERIC_PARAM_SET : GENERIC_LIST, "", true);
}

/* A word of xl's that stands for no command: the VMs that it takes. */
static void
offer_verb(struct completion *c, const struct xt_alias *alias)
{
    g_autofree char *word = xl_word(alias, c->x->args->words->len);

    c->guests = true;
    if (word && g_str_equal(word, "vm"))
        offer_objects(c, class_find("vm"), "", false);
}

static void
offer_generic(struct completion *c, const struct xt_class *cls, enum generic_op op, const char *key,
              const char *before)
{
    bool named = op != GENERIC_LIST && op != GENERIC_PARAM_LIST && op != GENERIC_PARAM_SET;

    if (key && g_str_equal(key, "uuid")) {
        offer_objects(c, cls, before, true);
    } else if (key && g_str_equal(key, "params")) {
        offer_params(c, cls);
    } else if (key && g_str_equal(key, "param-name")) {
        offer_fields(c, cls, op, before, false);
    } else if (key) {
        offer_field_values(c, cls, key, before);
    } else {
        offer_key(c, op == GENERIC_LIST ? "params" : "uuid");
        if (named)
            offer_key(c, "param-name");
        if (named && op != GENERIC_PARAM_CLEAR)
            offer_key(c, "param-key");
        if (op == GENERIC_LIST || op == GENERIC_PARAM_SET)
            offer_fields(c, cls, op, "", true);
    }
}

/* What may be said to the command that is typed already. */
static void
offer_arguments(struct completion *c)
{
    struct xtool *x = c->x;
    const struct xt_alias *alias = x->as_xe ? NULL : xl_find(x->args->command);
    const char *equals = strchr(c->word, '=');
    g_autofree char *key = equals ? g_strndup(c->word, (size_t)(equals - c->word)) : NULL;
    g_autofree char *before =
        equals ? g_strndup(c->word, (size_t)(equals - c->word) + 1) : g_strdup("");
    g_autofree char *bare = alias && !equals ? xl_word(alias, x->args->words->len) : NULL;
    const struct xt_class *cls;
    enum generic_op op;

    if (alias && !alias->as) {
        offer_verb(c, alias);
        return;
    }
    const struct xt_command *command = command_find(alias ? alias->as : x->args->command);
    if (command && bare)
        offer_values(c, command, bare, before);
    else if (command && key)
        offer_values(c, command, key, before);
    else if (command)
        offer_keys(c, command);
    else if (generic_find(alias ? alias->as : x->args->command, &cls, &op)) {
        if (bare)
            offer_objects(c, cls, "", false);
        offer_generic(c, cls, op, key, before);
    }
}

/* ---- */

static void
give_up(int signal)
{
    (void)signal;
    _exit(EXIT_DONE);
}

void
complete_run(struct xtool *x, struct completion *c)
{
    c->x = x;
    /* A server that does not answer must not keep the user from typing. */
    signal(SIGALRM, give_up);
    alarm(COMPLETE_SECONDS);
    if (*c->word == '-')
        offer_switches(c);
    else if (!x->args->command || g_str_equal(x->args->command, "help"))
        offer_commands(c);
    else
        offer_arguments(c);
    fputs(c->out->str, x->out);
}

void
completion_free(struct completion *c)
{
    if (!c)
        return;
    g_free((char *)c->word);
    g_string_free(c->out, TRUE);
    g_free(c);
}
