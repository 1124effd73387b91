/* The argument parser; see args.h. */
#include "config.h"

#include "xtool/args.h"

#include <string.h>

#include "xtool/xl.h"

GQuark
usage_error_quark(void)
{
    return g_quark_from_static_string("xtool-usage-error-quark");
}

void
usage_set(GError **error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    if (error)
        *error = g_error_new_valist(USAGE_ERROR, 0, format, ap);
    va_end(ap);
}

static void
arg_free(void *data)
{
    struct arg *arg = data;

    g_free(arg->key);
    g_free(arg->value);
    g_free(arg);
}

void
args_free(struct args *args)
{
    if (!args)
        return;
    g_free(args->command);
    g_ptr_array_unref(args->list);
    g_ptr_array_unref(args->words);
    g_free(args);
}

/* The switch that a word is, or NULL.  One that a word of xl's has for itself counts behind it. */
static const struct xt_switch *
switch_find(const char *command, const char *word)
{
    static const struct xt_switch switches[] = {
        {"-s", "server", true},
        {"-h", "server", true},
        {"-p", "port", true},
        {"-u", "username", true},
        {"-pw", "password", true},
        {"-pwf", "passwordfile", true},
        {"--fingerprint", "fingerprint", true},
    };
    const struct xt_switch *own = command ? xl_switch(command, word) : NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(switches) && !own; i++)
        if (g_str_equal(word, switches[i].word))
            return &switches[i];
    return own;
}

static void
add_len(struct args *args, const char *key, gssize length, const char *value)
{
    struct arg *arg = g_new0(struct arg, 1);

    arg->key = length < 0 ? g_strdup(key) : g_strndup(key, (gsize)length);
    arg->value = g_strdup(value);
    g_ptr_array_add(args->list, arg);
}

void
args_add(struct args *args, const char *key, const char *value)
{
    add_len(args, key, -1, value);
}

void
args_add_pairs(struct args *args, const char *const *pairs)
{
    for (unsigned i = 0; pairs[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(pairs[i], "=", 2);
        args_add(args, pair[0], pair[1]);
    }
}

/* One word that needs no other: key=value, --flag, or else a bare word. */
static bool
add_word(struct args *args, const char *word, GError **error)
{
    bool dashes = g_str_has_prefix(word, "--") && word[2];
    const char *equals = strchr(word, '=');
    const char *key = dashes ? word + 2 : word;

    if (equals == key || (!dashes && *word == '-' && word[1] && !equals)) {
        usage_set(error, "Unknown switch %s.", word);
        return false;
    }
    if (equals)
        add_len(args, key, equals - key, equals + 1);
    else if (dashes)
        args_add(args, key, "true");
    else if (!args->command)
        args->command = g_strdup(word);
    else
        g_ptr_array_add(args->words, g_strdup(word));
    return true;
}

struct args *
args_parse(const char *const *argv, GError **error)
{
    g_autoptr(args_owned) args = g_new0(struct args, 1);

    args->list = g_ptr_array_new_with_free_func(arg_free);
    args->words = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; argv[i]; i++) {
        const struct xt_switch *known = switch_find(args->command, argv[i]);

        if (i == ARGS_MAX) {
            usage_set(error, "More than %d arguments.", ARGS_MAX);
            return NULL;
        }
        if (!g_utf8_validate(argv[i], -1, NULL)) {
            usage_set(error, "Argument %u is not UTF-8.", i + 1);
            return NULL;
        }
        if (known && known->takes_value && !argv[i + 1]) {
            usage_set(error, "%s needs a value.", argv[i]);
            return NULL;
        }
        if (known)
            args_add(args, known->key, known->takes_value ? argv[++i] : "true");
        else if (!add_word(args, argv[i], error))
            return NULL;
    }
    return g_steal_pointer(&args);
}

static void
add_default(struct args *args, const char *key, const char *value)
{
    if (!args_has(args, key))
        args_add(args, key, value);
}

bool
args_add_extra(struct args *args, const char *text, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) word = g_string_new(NULL);

    for (const char *p = text;; p++) {
        if (*p == '\\' && p[1]) {
            g_string_append_c(word, *++p);
        } else if (*p && *p != ',') {
            g_string_append_c(word, *p);
        } else {
            if (word->len)
                g_ptr_array_add(words, g_strdup(word->str));
            g_string_truncate(word, 0);
            if (!*p)
                break;
        }
    }
    g_ptr_array_add(words, NULL);
    g_autoptr(args_owned) more = args_parse((const char *const *)words->pdata, error);
    if (!more) {
        g_prefix_error(error, "XE_EXTRA_ARGS: ");
        return false;
    }
    for (unsigned i = 0; i < more->list->len; i++) {
        struct arg *arg = more->list->pdata[i];
        add_default(args, arg->key, arg->value);
    }
    return true;
}

void
args_add_lines(struct args *args, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (unsigned i = 0; lines[i]; i++) {
        char *line = g_strstrip(lines[i]);
        char *equals = strchr(line, '=');

        if (*line == '#' || !equals || !g_utf8_validate(line, -1, NULL))
            continue;
        *equals = '\0';
        add_default(args, g_strstrip(line), g_strstrip(equals + 1));
    }
}

static struct arg *
find(const struct args *args, const char *key)
{
    for (unsigned i = 0; i < args->list->len; i++) {
        struct arg *arg = args->list->pdata[i];
        if (g_str_equal(arg->key, key))
            return arg;
    }
    return NULL;
}

const char *
args_get(struct args *args, const char *key)
{
    struct arg *arg = find(args, key);

    if (!arg)
        return NULL;
    arg->used = true;
    return arg->value;
}

bool
args_has(const struct args *args, const char *key)
{
    return find(args, key);
}

bool
text_to_bool(const char *text, bool *ret_bool)
{
    static const char *const words[] = {"false", "true", "f", "t", "0", "1", "no", "yes", "n", "y"};

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(text, words[i]) == 0) {
            *ret_bool = i % 2;
            return true;
        }
    }
    return false;
}

bool
args_flag(struct args *args, const char *key, bool *ret_flag, GError **error)
{
    const char *text = args_get(args, key);
    bool flag = false;

    if (text && !text_to_bool(text, &flag)) {
        usage_set(error, "%s is true or false, not '%s'.", key, text);
        return false;
    }
    *ret_flag = flag;
    return true;
}

GVariant *
args_map(struct args *args, const char *name)
{
    size_t length = strlen(name);
    GVariantBuilder map;

    g_variant_builder_init(&map, G_VARIANT_TYPE("a{ss}"));
    for (unsigned i = 0; i < args->list->len; i++) {
        struct arg *arg = args->list->pdata[i];
        if (strncmp(arg->key, name, length) != 0 || arg->key[length] != ':')
            continue;
        arg->used = true;
        g_variant_builder_add(&map, "{ss}", arg->key + length + 1, arg->value);
    }
    return g_variant_builder_end(&map);
}

bool
args_is_standard(const char *key)
{
    static const char *const names[] = {
        "server",      "port",  "username", "password", "passwordfile",     "nossl", "debug",
        "debugonfail", "trace", "minimal",  "force",    "traceparent",      "all",   "multiple",
        "fingerprint", "trust", "json",     "params",   "message-priority", NULL};

    return g_strv_contains(names, key);
}

/* Overwrites from `text` to its end. */
static void
wipe(char *text)
{
    memset(text, 'x', strlen(text));
}

void
args_scrub(int argc, char **argv)
{
    /* Arguments of xe's commands that are passwords or secrets, beside all that say so. */
    static const char *const secrets[] = {"old", "new", "value", NULL};

    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');

        if (g_str_equal(argv[i], "-pw") && i + 1 < argc) {
            wipe(argv[++i]);
        } else if (equals) {
            g_autofree char *key = g_strndup(argv[i], (gsize)(equals - argv[i]));
            if (g_strv_contains(secrets, key) || strstr(key, "password") || strstr(key, "token"))
                wipe(equals + 1);
        }
    }
}
