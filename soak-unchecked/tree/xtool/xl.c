/* Aliases and xl's tables; see xl.h. */
#include "config.h"

#include "xtool/xl.h"

#include <string.h>

#include "xtool/print.h"
#include "xtool/value.h"

#define NOTHING "-" /* in a table, where there is no value */
#define NO_DOMAIN "-1"
#define MIB (1024 * 1024)
#define DAY (24 * 60 * 60)

const struct xt_alias *
xl_find(const char *name)
{
    for (unsigned i = 0; i < xt_n_aliases; i++)
        if (g_str_equal(xt_aliases[i].name, name))
            return &xt_aliases[i];
    return NULL;
}

bool
xl_needs(const struct xt_alias *alias, unsigned place)
{
    return !alias->columns->title && !g_str_has_suffix(alias->words[place], "?");
}

const struct xt_switch *
xl_switch(const char *command, const char *word)
{
    const struct xt_alias *alias = xl_find(command);

    for (const struct xt_switch *own = alias ? alias->switches : NULL; own && own->word; own++)
        if (g_str_equal(own->word, word))
            return own;
    return NULL;
}

char *
xl_word(const struct xt_alias *alias, unsigned place)
{
    if (place >= g_strv_length((char **)alias->words))
        return NULL;
    return g_strndup(alias->words[place], strcspn(alias->words[place], "/?"));
}

/* "512" and "512m" as xl means them, in xe's spelling; anything else as it is. */
static char *
size_of(const char *text)
{
    static const char *const units[][2] = {{"", "MiB"},  {"k", "KiB"}, {"m", "MiB"},
                                           {"g", "GiB"}, {"t", "TiB"}, {"b", ""}};
    size_t digits = strspn(text, "0123456789");

    for (size_t i = 0; digits && i < G_N_ELEMENTS(units); i++)
        if (g_ascii_strcasecmp(text + digits, units[i][0]) == 0)
            return g_strdup_printf("%.*s%s", (int)digits, text, units[i][1]);
    return g_strdup(text);
}

void
xl_expand(struct args *args, const struct xt_alias *alias)
{
    g_free(args->command);
    args->command = g_strdup(alias->as);
    for (unsigned i = 0; alias->words[i] && args->words->len; i++) {
        g_autofree char *key = xl_word(alias, i);
        const char *word = args->words->pdata[0];
        g_autofree char *value =
            g_str_has_suffix(alias->words[i], "/mem") ? size_of(word) : g_strdup(word);
        args_add(args, key, value);
        g_ptr_array_remove_index(args->words, 0);
    }
    for (unsigned i = 0; alias->set[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(alias->set[i], "=", 2);
        args_add(args, pair[0], pair[1]);
    }
}

/* ---- tables ---- */

/* The clock of the server, in microseconds since 1970: that of this machine may differ. */
static bool
server_now(struct xtool *x, gint64 *ret_now, GError **error)
{
    g_autoptr(GPtrArray) hosts = objects_all(x->objects, dm_class_find("host", false), error);

    if (!hosts || hosts->len == 0)
        return false;
    g_autoptr(GVariant) host =
        g_variant_ref_sink(g_variant_new_string(((const struct object *)hosts->pdata[0])->ref));
    g_autoptr(GVariant) now =
        server_call(x->server, dm_method_find("host.get_servertime"), &host, 1, error);
    if (now)
        *ret_now = g_variant_get_int64(now);
    return now;
}

/* "1 day, 02:03:04" */
static char *
since(GVariant *value, gint64 now)
{
    gint64 start = g_variant_get_int64(value), seconds = (now - start) / G_USEC_PER_SEC;

    if (start <= 0 || seconds < 0)
        return g_strdup(NOTHING);
    g_autofree char *days = seconds >= DAY ? g_strdup_printf("%d day%s, ", (int)(seconds / DAY),
                                                             seconds >= 2 * DAY ? "s" : "")
                                           : g_strdup("");
    int rest = (int)(seconds % DAY);
    return g_strdup_printf("%s%02d:%02d:%02d", days, rest / 3600, rest / 60 % 60, rest % 60);
}

/* xl's six letters of a domain; what has none, and xl does not know, is said in a word. */
static const char *
state(const char *power_state)
{
    if (g_str_equal(power_state, "running"))
        return "r-----";
    return g_str_equal(power_state, "paused") ? "--p---" : power_state;
}

/* A value in a form of aliases.json. */
static char *
formed(const char *form, const struct shown *shown, gint64 now)
{
    g_autofree char *text = value_text(shown->type, shown->value);

    if (g_str_equal(form, "mib"))
        return g_strdup_printf("%" G_GINT64_FORMAT, g_variant_get_int64(shown->value) / MIB);
    if (g_str_equal(form, "since"))
        return since(shown->value, now);
    if (g_str_equal(form, "state"))
        return g_strdup(state(text));
    if (g_str_equal(form, "words")) {
        g_auto(GStrv) words = g_strsplit(text, "; ", -1);
        return g_strjoinv(" ", words);
    }
    if (g_str_equal(form, "id") && g_str_equal(text, NO_DOMAIN))
        return g_strdup(NOTHING);
    return g_steal_pointer(&text);
}

static char *
cell(struct xtool *x, const struct xt_column *column, const GPtrArray *fields,
     const struct object *object, gint64 now, GError **error)
{
    g_auto(shown_owned) shown = {NULL, NULL};
    const char *member;

    if (!field_value(field_find(fields, column->field), x->objects, object, true, &shown, error))
        return NULL;
    if (!shown.value)
        return g_strdup(NOTHING);
    if (column->key)
        return g_strdup(g_variant_lookup(shown.value, column->key, "&s", &member) ? member
                                                                                  : NOTHING);
    return formed(column->form ? column->form : "", &shown, now);
}

/* "total_memory           : 2048", a line a column, and an empty one between objects. */
static void
print_lines(struct xtool *x, const char *const *titles, unsigned n, const GPtrArray *cells)
{
    for (unsigned i = 0; i < cells->len; i++) {
        g_autofree char *safe = text_for(x->out, cells->pdata[i]);
        fprintf(x->out, "%s%-23s: %s\n", i && i % n == 0 ? "\n" : "", titles[i % n], safe);
    }
}

bool
xl_show(struct xtool *x, const struct xt_alias *alias, const GPtrArray *objects,
        const GPtrArray *fields, GError **error)
{
    g_autoptr(GPtrArray) titles = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
    gint64 now = 0;

    for (const struct xt_column *column = alias->columns; column->title; column++) {
        g_ptr_array_add(titles, g_strdup(column->title));
        if (g_strcmp0(column->form, "since") == 0 && !server_now(x, &now, error))
            return false;
    }
    for (unsigned i = 0; i < objects->len; i++) {
        for (const struct xt_column *column = alias->columns; column->title; column++) {
            char *text = cell(x, column, fields, objects->pdata[i], now, error);
            if (!text)
                return false;
            g_ptr_array_add(cells, text);
        }
    }
    if (alias->lines)
        print_lines(x, (const char *const *)titles->pdata, titles->len, cells);
    else
        print_table(x->out, (const char *const *)titles->pdata, titles->len,
                    (const char *const *)cells->pdata, objects->len);
    return true;
}
