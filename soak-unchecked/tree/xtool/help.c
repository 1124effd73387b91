/* help, help COMMAND, help --all; and what an unknown command may have meant. */
#include "config.h"

#include <string.h>

#include "xtool/manual.h"
#include "xtool/xl.h"

#define SIMILAR_MAX 4

/* whole: all that is said of it, and not the first sentence alone. */
static void
print_alias(struct xtool *x, const struct xt_alias *alias, bool whole)
{
    g_autofree char *usage = manual_alias(alias);

    if (alias->as)
        fprintf(x->out, "%s [KEY=VALUE]...: as %s%s\n", usage, alias->as,
                *alias->set ? " --force" : "");
    else
        fprintf(x->out, "%s: %.*s\n", usage,
                (int)(whole ? strlen(alias->text) : strcspn(alias->text, ".") + 1), alias->text);
}

static void
print_names(struct xtool *x, bool all)
{
    fputs("Commands of everyday use:\n", x->out);
    for (unsigned i = 0; i < xt_n_aliases; i++) {
        fputs("  ", x->out);
        print_alias(x, &xt_aliases[i], false);
    }
    fputs(
        "  api-coverage [--client xencenter|xo]: which messages xapid has, and tests prove\n"
        "  db-fsck, db-dump FILE, db-restore FILE: the database of a host whose xapid is stopped\n",
        x->out);
    fputs(all ? "\nAll commands that xtool has:\n" : "\nCommon commands (help --all: every one):\n",
          x->out);
    for (unsigned i = 0; i < xt_n_commands; i++) {
        const struct xt_command *command = &xt_commands[i];
        if (command_exists(command) && !command->hidden && (all || command->common))
            fprintf(x->out, "  %s\n", command->name);
    }
    fputs("\nCLASS-list, CLASS-param-list, -get, -set, -add, -remove, -clear of these classes:\n ",
          x->out);
    for (unsigned i = 0; i < xt_n_classes; i++)
        fprintf(x->out, " %s%s", xt_classes[i].name, i % 8 == 7 ? "\n " : "");
    fputc('\n', x->out);
}

static void
print_generic(struct xtool *x, const struct xt_class *cls, enum generic_op op)
{
    g_autoptr(GPtrArray) fields = fields_of(cls);

    fprintf(x->out, "usage: %s %s%s %s\n\nFields of a %s:\n", x->name, cls->name,
            generic_suffix(op), generic_usage(op), cls->name);
    for (unsigned i = 0; i < fields->len; i++) {
        const struct field *field = fields->pdata[i];
        const struct dm_field *own = field_own(field);
        const char *text = own ? own->description : field->call ? field->call->description : "";
        fprintf(x->out, "  %s %-30s %s\n", field_mark(field), field->name, text);
    }
}

bool
help_run(struct xtool *x, GError **error)
{
    const char *name = x->args->words->len ? x->args->words->pdata[0] : NULL;
    const struct xt_alias *alias = name && !x->as_xe ? xl_find(name) : NULL;
    const struct xt_command *command = name ? command_find(name) : NULL;
    const struct xt_class *cls;
    enum generic_op op;
    bool all, page;

    if (!args_flag(x->args, "all", &all, error) || !args_flag(x->args, "man", &page, error))
        return false;
    if (page) {
        manual_page(x->out);
        return true;
    }
    if (alias) {
        print_alias(x, alias, true);
    } else if (!name) {
        print_names(x, all);
        manual_print(x->out);
    } else if (command) {
        g_autofree char *usage = command_usage(command);
        fprintf(x->out, "usage: %s %s\n", x->name, usage);
        for (const struct xt_call *call = command->calls; call->method; call++)
            fprintf(x->out, "calls %s: %s\n", call->method,
                    dm_method_find(call->method)->description);
        if (verb_find(command->name))
            fprintf(x->out, "%s\n", verb_find(command->name)->text);
        if (!command_exists(command))
            fputs("xtool does not have this command yet.\n", x->out);
    } else if (generic_find(name, &cls, &op)) {
        print_generic(x, cls, op);
    } else {
        g_autofree char *similar = help_similar(x, name);
        usage_set(error, "Unknown command '%s'.%s%s", name, *similar ? " Did you mean: " : "",
                  similar);
        return false;
    }
    return true;
}

/* ---- what was meant ---- */

/* Letters to insert, remove or change to make one of the other. */
static unsigned
distance(const char *a, const char *b)
{
    size_t n = strlen(b);
    g_autofree unsigned *row = g_new(unsigned, n + 1);

    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < n; j++) {
            unsigned above = row[j + 1];
            row[j + 1] = MIN(MIN(above, row[j]) + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[n];
}

struct near {
    char *name;
    unsigned distance;
};

static void
consider(GArray *nearest, const char *command, char *name)
{
    struct near near = {name, distance(command, name)};
    unsigned i = nearest->len;

    while (i > 0 && g_array_index(nearest, struct near, i - 1).distance > near.distance)
        i--;
    if (near.distance > MAX(2, strlen(command) / 4) || i == SIMILAR_MAX) {
        g_free(name);
        return;
    }
    g_array_insert_val(nearest, i, near);
    if (nearest->len > SIMILAR_MAX) {
        g_free(g_array_index(nearest, struct near, SIMILAR_MAX).name);
        g_array_set_size(nearest, SIMILAR_MAX);
    }
}

char *
help_similar(const struct xtool *x, const char *command)
{
    g_autoptr(GArray) nearest = g_array_new(false, false, sizeof(struct near));
    GString *out = g_string_new(NULL);

    if (strlen(command) > 64)
        return g_string_free(out, FALSE);
    for (unsigned i = 0; i < xt_n_aliases && !x->as_xe; i++)
        consider(nearest, command, g_strdup(xt_aliases[i].name));
    for (unsigned i = 0; i < xt_n_commands; i++)
        if (command_exists(&xt_commands[i]))
            consider(nearest, command, g_strdup(xt_commands[i].name));
    for (unsigned i = 0; i < xt_n_classes; i++)
        for (int op = 0; op < GENERIC_MAX; op++)
            consider(nearest, command,
                     g_strconcat(xt_classes[i].name, generic_suffix((enum generic_op)op), NULL));
    for (unsigned i = 0; i < nearest->len; i++) {
        struct near *near = &g_array_index(nearest, struct near, i);
        g_string_append_printf(out, "%s%s", i ? ", " : "", near->name);
        g_free(near->name);
    }
    return g_string_free(out, FALSE);
}
