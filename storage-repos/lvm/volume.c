/* Volumes of a group, as LVM reports them, and their end. */
#include "config.h"

#include "storage-repos/lvm/lvm.h"

#include <string.h>

#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"

void
volume_clear(struct volume *volume)
{
    if (volume->record)
        g_variant_unref(volume->record);
}

void
volume_of_row(GVariant *row, volume_t *ret_volume)
{
    gint64 size = g_ascii_strtoll(member_text(row, "lv_size"), NULL, 10);
    double percent = g_ascii_strtod(member_text(row, "data_percent"), NULL);

    *ret_volume = (volume_t){.size = size,
                             .used = (gint64)((double)size * CLAMP(percent, 0, 100) / 100),
                             .record = record_of_tags(member_text(row, "lv_tags"))};
}

char *
volume_disk(const char *name)
{
    const char *uuid = name + strlen(DISK_PREFIX);

    if (g_str_has_prefix(name, DISK_PREFIX))
        return g_uuid_string_is_valid(uuid) ? g_strdup(uuid) : NULL;
    return exchange_disk(name);
}

void
volume_describe(const struct volume *volume, const char *uuid, GVariantDict *result)
{
    g_variant_dict_insert(result, "uuid", "s", uuid);
    g_variant_dict_insert(result, "location", "s", uuid);
    g_variant_dict_insert(result, "virtual_size", "x", volume->size);
    g_variant_dict_insert(result, "physical_utilisation", "x", volume->used);
    g_variant_dict_insert(result, "read_only", "b", FALSE);
}

bool
volumes_remove(const struct group *group, const char *select, GError **error)
{
    g_autoptr(GPtrArray) rows = lvm_report(group, "lvs", "lv_name", select, error);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

    if (!rows)
        return false;
    for (guint i = 0; i < rows->len; i++) {
        const char *name = member_text(rows->pdata[i], "lv_name");
        log_info("removing the volume %s", name);
        g_ptr_array_add(words, g_strdup_printf("%s/%s", group->name, name));
    }
    g_ptr_array_add(words, NULL);
    return rows->len == 0 ||
           FAULT_AROUND("lvm.remove", error,
                        lvm_run(group, "lvremove", (const char *const *)words->pdata,
                                FAILURE_VDI_DELETE, error));
}
