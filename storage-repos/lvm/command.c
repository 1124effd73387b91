/* Commands of LVM and what they report. */
#include "config.h"

#include "storage-repos/lvm/lvm.h"

#include <string.h>

#include "lib/member.h"
#include "lib/wire/jsonrpc.h"
#include "storage-repos/common/tool.h"

#define LVM "/usr/sbin/lvm"
/* Volumes of guests are not searched for groups that a guest made.  A full pool answers writes with
 * an error, at once; it has all of the group, so nobody needs to watch over it.  A copy of the
 * metadata is kept, in /etc/lvm/backup, but not one of each change. */
#define CONFIG                                                                                     \
    "devices{scan_lvs=0} activation{monitoring=0 error_when_full=1} backup{backup=1 archive=0}"

void
group_clear(struct group *group)
{
    g_strfreev(group->devices);
    g_free(group->list);
    g_free(group->name);
}

bool
group_read(GVariant *args, group_t *ret_group, GError **error)
{
    char **devices = repository_devices(args, error);

    if (!devices)
        return false;
    *ret_group = (group_t){.devices = devices,
                           .list = g_strjoinv(",", devices),
                           .name = g_strconcat(GROUP_PREFIX, member_text(args, "sr"), NULL)};
    return true;
}

/* The beginning of an argument vector, of borrowed words. */
static GPtrArray *
command_new(const struct group *group, const char *command)
{
    GPtrArray *argv = g_ptr_array_new();
    const char *const words[] = {LVM, command, "--config", CONFIG, "--devices", group->list};

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++)
        g_ptr_array_add(argv, (char *)words[i]);
    return argv;
}

static void
add_words(GPtrArray *argv, const char *const *words)
{
    for (; *words; words++)
        g_ptr_array_add(argv, (char *)*words);
}

/* What LVM says when the pool, or the group, has no room; it speaks as LC_ALL=C. */
static bool
says_full(const char *words)
{
    static const char *const said[] = {"nsufficient free space", "nsufficient suitable",
                                       "threshold", "No space left on device"};

    for (unsigned i = 0; i < G_N_ELEMENTS(said); i++)
        if (strstr(words, said[i]))
            return true;
    return false;
}

bool
lvm_run(const struct group *group, const char *command, const char *const *words,
        enum driver_failure number, GError **error)
{
    g_autoptr(GPtrArray) argv = command_new(group, command);
    g_autofree char *output = NULL;
    g_autofree char *said = NULL;

    g_ptr_array_add(argv, (char *)"--yes");
    add_words(argv, words);
    g_ptr_array_add(argv, NULL);
    if (tool_ask((const char *const *)argv->pdata, &output, &said))
        return true;
    driver_fail(error, says_full(said) ? FAILURE_SR_NO_SPACE : number, "%s: %s", command, said);
    return false;
}

/* The first value of a list within `members`, or NULL. */
static GVariant *
first_of(GVariant *members, const char *name)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(members, name, G_VARIANT_TYPE("av"));
    g_autoptr(GVariant) boxed =
        list && g_variant_n_children(list) > 0 ? g_variant_get_child_value(list, 0) : NULL;
    g_autoptr(GVariant) value = boxed ? g_variant_get_variant(boxed) : NULL;

    return value && g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT) ? g_steal_pointer(&value)
                                                                        : NULL;
}

/* {"report": [{"lv": [ROW, …]}]}; `kind` is lv or pv. */
static GPtrArray *
rows_of(const char *text, const char *kind, GError **error)
{
    g_autoptr(GVariant) all = json_parse(text, strlen(text), error);
    g_autoptr(GVariant) report =
        all && g_variant_is_of_type(all, G_VARIANT_TYPE_VARDICT) ? first_of(all, "report") : NULL;
    g_autoptr(GVariant) list =
        report ? g_variant_lookup_value(report, kind, G_VARIANT_TYPE("av")) : NULL;
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);

    for (gsize i = 0; list && i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) boxed = g_variant_get_child_value(list, i);
        g_autoptr(GVariant) row = g_variant_get_variant(boxed);
        if (g_variant_is_of_type(row, G_VARIANT_TYPE_VARDICT))
            g_ptr_array_add(rows, g_steal_pointer(&row));
    }
    if (list)
        return g_steal_pointer(&rows);
    g_clear_error(error);
    driver_fail(error, FAILURE_SR_UNAVAILABLE, "lvm's report is none: %s", text);
    return NULL;
}

GPtrArray *
lvm_report(const struct group *group, const char *command, const char *columns, const char *select,
           GError **error)
{
    bool volumes = g_str_equal(command, "lvs");
    g_autoptr(GPtrArray) argv = command_new(group, command);
    const char *const words[] = {"--reportformat", "json", "--units", "b",
                                 "--nosuffix",     "-o",   columns,   NULL};
    g_autofree char *output = NULL;
    g_autofree char *said = NULL;

    add_words(argv, words);
    if (select)
        add_words(argv, (const char *const[]){"--select", select, NULL});
    if (volumes)
        g_ptr_array_add(argv, group->name);
    g_ptr_array_add(argv, NULL);
    if (tool_ask((const char *const *)argv->pdata, &output, &said))
        return rows_of(output, volumes ? "lv" : "pv", error);
    driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", command, said);
    return NULL;
}
