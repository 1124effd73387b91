/* Roles: what callers may do, and the one place that says no. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"
#include "xapid/model/roles.h"

enum dm_role
rbac_role_of(const struct model *model, const char *ref)
{
    g_autofree char *name = NULL;

    if (!model_has(model, dm_class_find("role", false), ref))
        return DM_ROLE_NONE;
    name = model_get_string(model, ref, "name_label");
    for (enum dm_role role = DM_ROLE_READ_ONLY; role < DM_ROLE_MAX; role++)
        if (g_strcmp0(dm_role_names[role], name) == 0)
            return role;
    return DM_ROLE_NONE;
}

struct permissions {
    enum dm_role role;
    GHashTable *seen;
    GVariantBuilder names;
};

static void
add_permission(const char *name, enum dm_role needed, void *data)
{
    struct permissions *permissions = data;

    if (needed <= permissions->role && g_hash_table_add(permissions->seen, g_strdup(name)))
        g_variant_builder_add(&permissions->names, "s", name);
}

GVariant *
rbac_permissions(enum dm_role role)
{
    struct permissions permissions = {.role = role};

    g_variant_builder_init(&permissions.names, G_VARIANT_TYPE("as"));
    if (role != DM_ROLE_NONE && dm_role_names[role]) {
        permissions.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_variant_builder_add(&permissions.names, "s", dm_role_names[role]);
        roles_each_permission(add_permission, &permissions);
        g_hash_table_unref(permissions.seen);
    }
    return g_variant_builder_end(&permissions.names);
}

bool
rbac_check(const struct caller *caller, const char *permission, enum dm_role needed, GError **error)
{
    if (caller->local_root || caller->pool)
        return true;
    if (needed != DM_ROLE_LOCAL_ROOT && caller->role >= needed)
        return true;

    g_autoptr(GString) who = g_string_new("the session does not have it; these roles do: ");
    bool first = true;
    for (enum dm_role role = needed; role < DM_ROLE_MAX; role++) {
        if (!dm_role_names[role])
            continue;
        g_string_append_printf(who, "%s%s", first ? "" : ", ", dm_role_names[role]);
        first = false;
    }
    api_error_set(error, "RBAC_PERMISSION_DENIED", permission, who->str, NULL);
    return false;
}
