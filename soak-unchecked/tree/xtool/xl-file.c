/* xl's configuration files; see xl-file.h. */
#include "config.h"

#include "xtool/xl-file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"
#include "xtool/xl-record.h"

#define LEAVE_OUT_ALL "all"

struct xl_file {
    char *name;
    XLU_Config *config;
    FILE *report; /* where libxlutil says what is wrong */
    char *reported;
    size_t reported_length, told; /* bytes, and how many of them somebody has seen */
    GPtrArray *keys;              /* char *: those of the file */
    GHashTable *taken;            /* of these */
    GPtrArray *left_out, *left;   /* names: which shall be, and which were */
    GPtrArray *refused;           /* struct refusal */
};

struct refusal {
    char *name, *why;
    bool wrong; /* and cannot be left out */
};

static void
refusal_free(void *data)
{
    struct refusal *refusal = data;

    g_free(refusal->name);
    g_free(refusal->why);
    g_free(refusal);
}

/* ---- keys ---- */

/* Letters stand outside of quotes and comments in the names of keys alone, and in numbers (0x1f).
 */
GPtrArray *
xl_file_keys(const char *text)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);

    for (const char *p = text; *p;) {
        size_t length = 1;
        if (*p == '#') {
            length = strcspn(p, "\n");
        } else if (*p == '"' || *p == '\'') {
            while (p[length] && p[length] != *p)
                length += p[length] == '\\' && p[length + 1] ? 2 : 1;
            length += p[length] != '\0';
        } else if (g_ascii_isdigit(*p)) {
            length = strspn(p, "0123456789abcdefx");
        } else if (g_ascii_isalpha(*p)) {
            while (g_ascii_isalnum(p[length]) || p[length] == '_')
                length++;
            g_autofree char *key = g_strndup(p, length);
            if (!g_ptr_array_find_with_equal_func(keys, key, g_str_equal, NULL))
                g_ptr_array_add(keys, g_steal_pointer(&key));
        }
        p += length;
    }
    return g_steal_pointer(&keys);
}

/* ---- reading ---- */

/* What libxlutil said since the last time, without the line's end; the caller's. */
static char *
take_report(struct xl_file *file)
{
    fflush(file->report);
    char *text =
        text_clean(file->reported + file->told, (gssize)(file->reported_length - file->told));
    file->told = file->reported_length;
    return g_strchomp(text);
}

struct xl_file *
xl_file_parse(const char *name, const char *text, const char *leave_out, GError **error)
{
    g_autoptr(xl_file_owned) file = g_new0(struct xl_file, 1);
    g_auto(GStrv) names = g_strsplit(leave_out ? leave_out : "", ",", -1);

    file->name = g_strdup(name);
    file->taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    file->left_out = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; names[i]; i++)
        g_ptr_array_add(file->left_out, g_strdup(g_strstrip(names[i])));
    file->left = g_ptr_array_new_with_free_func(g_free);
    file->refused = g_ptr_array_new_with_free_func(refusal_free);
    file->report = open_memstream(&file->reported, &file->reported_length);
    file->config = file->report ? xlu_cfg_init(file->report, name) : NULL;
    if (!file->config)
        g_error("out of memory");
    size_t length = strlen(text);
    if (length > XL_FILE_MAX || !text_is_valid(text, -1)) {
        g_set_error(error, XL_ERROR, 0, "%s is no configuration: it %s.", name,
                    length > XL_FILE_MAX ? "is too long" : "has bytes that no text has");
        return NULL;
    }
    if (xlu_cfg_readdata(file->config, text, (int)length)) {
        g_autofree char *why = take_report(file);
        /* libxlutil has nothing more to say of it. */
        g_clear_pointer(&file->config, xlu_cfg_destroy);
        g_set_error(error, XL_ERROR, 0, "%s%s", *why ? why : name, *why ? "" : " cannot be read.");
        return NULL;
    }
    file->keys = xl_file_keys(text);
    return g_steal_pointer(&file);
}

void
xl_file_free(struct xl_file *file)
{
    if (!file)
        return;
    g_clear_pointer(&file->config, xlu_cfg_destroy);
    if (file->report)
        fclose(file->report);
    free(file->reported);
    g_clear_pointer(&file->keys, g_ptr_array_unref);
    g_clear_pointer(&file->left_out, g_ptr_array_unref);
    g_clear_pointer(&file->left, g_ptr_array_unref);
    g_clear_pointer(&file->refused, g_ptr_array_unref);
    g_clear_pointer(&file->taken, g_hash_table_unref);
    g_free(file->name);
    g_free(file);
}

/* ---- values ---- */

static bool
has_name(const GPtrArray *names, const char *name)
{
    return g_ptr_array_find_with_equal_func((GPtrArray *)names, name, g_str_equal, NULL);
}

static void
note_left(struct xl_file *file, const char *name)
{
    if (!has_name(file->left, name))
        g_ptr_array_add(file->left, g_strdup(name));
}

bool
xl_file_has(struct xl_file *file, const char *key)
{
    g_hash_table_add(file->taken, g_strdup(key));
    if (!has_name(file->keys, key))
        return false;
    if (!has_name(file->left_out, key))
        return true;
    note_left(file, key);
    return false;
}

bool
xl_file_is_list(struct xl_file *file, const char *key)
{
    return xlu_cfg_get_list(file->config, key, NULL, NULL, /* dont_warn= */ 1) == 0;
}

const char *
xl_file_text(struct xl_file *file, const char *key)
{
    const char *text = NULL;

    if (!xl_file_has(file, key))
        return NULL;
    if (xlu_cfg_get_string(file->config, key, &text, /* dont_warn= */ 1))
        xl_file_wrong(file, key, "it is one text, and no list");
    else if (text_is_valid(text, -1))
        return text;
    else
        xl_file_wrong(file, key, "it has bytes that no text has");
    return NULL;
}

bool
xl_file_number(struct xl_file *file, const char *key, gint64 min, gint64 max, gint64 *ret)
{
    long number;

    if (!xl_file_has(file, key))
        return false;
    if (xlu_cfg_get_bounded_long(file->config, key, min, max, &number, /* dont_warn= */ 1)) {
        xl_file_wrong(file, key,
                      "it is a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, min,
                      max);
        return false;
    }
    *ret = number;
    return true;
}

bool
xl_file_flag(struct xl_file *file, const char *key, bool *ret)
{
    long number;

    if (!xl_file_has(file, key))
        return false;
    if (xlu_cfg_get_long(file->config, key, &number, /* dont_warn= */ 1)) {
        xl_file_wrong(file, key, "it is 0 or 1");
        return false;
    }
    *ret = number;
    return true;
}

GPtrArray *
xl_file_list(struct xl_file *file, const char *key)
{
    g_autoptr(GPtrArray) items = g_ptr_array_new();
    XLU_ConfigList *list;
    int n;

    if (!xl_file_has(file, key))
        return NULL;
    if (xlu_cfg_get_list(file->config, key, &list, &n, /* dont_warn= */ 1)) {
        xl_file_wrong(file, key, "it is a list: [ \"...\", \"...\" ]");
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        const char *item = xlu_cfg_get_listitem(list, i);
        if (!item || !text_is_valid(item, -1)) {
            xl_file_wrong(file, key, "its entry %d is no text", i + 1);
            return NULL;
        }
        g_ptr_array_add(items, (void *)item);
    }
    return g_steal_pointer(&items);
}

bool
xl_file_disk(struct xl_file *file, const char *entry, libxl_device_disk *disk)
{
    if (xlu_disk_parse(file->config, 1, &entry, disk) == 0)
        return true;
    g_autofree char *why = take_report(file);
    xl_file_wrong(file, "disk", "%s", *why ? why : entry);
    return false;
}

/* ---- what cannot be had ---- */

/* Takes the reason. */
static void
note(struct xl_file *file, const char *name, bool wrong, char *why)
{
    struct refusal *refusal = g_new0(struct refusal, 1);

    *refusal = (struct refusal){g_strdup(name), why, wrong};
    g_ptr_array_add(file->refused, refusal);
}

void
xl_file_wrong(struct xl_file *file, const char *name, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    note(file, name, true, g_strdup_vprintf(format, ap));
    va_end(ap);
}

void
xl_file_refuse(struct xl_file *file, const char *name, const char *format, ...)
{
    va_list ap;

    if (has_name(file->left_out, name) || has_name(file->left_out, LEAVE_OUT_ALL)) {
        note_left(file, name);
        return;
    }
    va_start(ap, format);
    note(file, name, false, g_strdup_vprintf(format, ap));
    va_end(ap);
}

void
xl_file_refuse_unknown(struct xl_file *file)
{
    for (unsigned i = 0; i < file->keys->len; i++) {
        const char *key = file->keys->pdata[i];
        if (!g_hash_table_contains(file->taken, key))
            xl_file_refuse(file, key, "xtool does not know it");
    }
}

char *
xl_file_finish(struct xl_file *file, bool hint, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (unsigned i = 0; i < file->refused->len; i++) {
        const struct refusal *refusal = file->refused->pdata[i];
        g_string_append_printf(text, "\n  %s: %s", refusal->name, refusal->why);
        if (!refusal->wrong && !has_name(names, refusal->name))
            g_ptr_array_add(names, refusal->name);
    }
    if (!text->len) {
        g_ptr_array_add(file->left, NULL);
        char *left = g_strjoinv(", ", (char **)file->left->pdata);
        g_ptr_array_remove_index(file->left, file->left->len - 1);
        return left;
    }
    if (hint && names->len) {
        g_ptr_array_add(names, NULL);
        g_autofree char *all = g_strjoinv(",", (char **)names->pdata);
        g_string_append_printf(text, "\nhint: --leave-out=%s makes it without that.", all);
    }
    g_set_error(error, XL_ERROR, 0, "%s asks for what a VM cannot have:%s", file->name, text->str);
    return NULL;
}
