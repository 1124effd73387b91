#include "config.h"

#include "lib/guest-record.h"

#include <string.h>

#include "lib/text.h"

static const struct {
    const char *name, *type;
} members[] = {
    {"os_version", "a{ss}"},      {"netbios_name", "a{ss}"},    {"PV_drivers_version", "a{ss}"},
    {"networks", "a{ss}"},        {"other", "a{ss}"},           {"services", "a{ss}"},
    {"PV_drivers_detected", "b"}, {"can_use_hotplug_vbd", "s"}, {"can_use_hotplug_vif", "s"},
};

const char *
guest_record_type(const char *member)
{
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        if (g_str_equal(members[i].name, member))
            return members[i].type;
    return NULL;
}

static bool
map_check(GVariant *map)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    const char *key, *value;
    GVariantIter iter;

    if (g_variant_n_children(map) > GUEST_ENTRIES_MAX)
        return false;
    g_variant_iter_init(&iter, map);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
        if (strlen(key) > GUEST_TEXT_MAX || strlen(value) > GUEST_TEXT_MAX ||
            !text_is_valid(key, -1) || !text_is_valid(value, -1) ||
            !g_hash_table_add(seen, (char *)key))
            return false;
    return true;
}

static bool
member_check(const char *name, GVariant *value)
{
    const char *type = guest_record_type(name);

    if (!type || !g_variant_is_of_type(value, G_VARIANT_TYPE(type)))
        return false;
    if (g_str_equal(type, "a{ss}"))
        return map_check(value);
    if (g_str_equal(type, "b"))
        return true;
    return g_str_equal(g_variant_get_string(value, NULL), "yes") ||
           g_str_equal(g_variant_get_string(value, NULL), "no");
}

bool
guest_record_check(GVariant *record)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GVariantIter iter;
    const char *name;
    GVariant *value;
    bool good = g_variant_get_size(record) <= GUEST_RECORD_MAX;

    g_variant_iter_init(&iter, record);
    while (good && g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        good = member_check(name, value) && g_hash_table_add(seen, (char *)name);
        g_variant_unref(value);
    }
    return good;
}
