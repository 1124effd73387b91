/* Class role: which permissions a role has. */
#include "config.h"

#include "xapid/calls/call.h"
#include "xapid/model/roles.h"

static const struct dm_field *
subroles_field(void)
{
    return dm_field_find(dm_class_find("role", false), "subroles");
}

static void
get_permissions(struct call *call)
{
    g_autoptr(GVariant) subroles = model_get(call->api->model, call_ref(call, 0), subroles_field());

    call_return(call, subroles);
}

static void
get_permissions_name_label(struct call *call)
{
    g_autoptr(GVariant) subroles = model_get(call->api->model, call_ref(call, 0), subroles_field());
    GVariantBuilder names;
    GVariantIter iter;
    const char *ref;

    g_variant_builder_init(&names, G_VARIANT_TYPE("as"));
    g_variant_iter_init(&iter, subroles);
    while (g_variant_iter_next(&iter, "&s", &ref)) {
        g_autofree char *name = model_get_string(call->api->model, ref, "name_label");
        g_variant_builder_add(&names, "s", name);
    }
    call_return(call, g_variant_builder_end(&names));
}

static void
return_roles_with(struct call *call, const char *permission)
{
    g_autoptr(GPtrArray) roles = model_referrers(call->api->model, permission, subroles_field());

    call_return(call, g_variant_new_strv((const char *const *)roles->pdata, roles->len));
}

static void
get_by_permission(struct call *call)
{
    return_roles_with(call, call_ref(call, 0));
}

static void
get_by_permission_name_label(struct call *call)
{
    g_autofree char *permission = roles_ref(call_string(call, 0));

    return_roles_with(call, permission);
}

const struct call_impl calls_role[] = {
    {"role.get_permissions", get_permissions},
    {"role.get_permissions_name_label", get_permissions_name_label},
    {"role.get_by_permission", get_by_permission},
    {"role.get_by_permission_name_label", get_by_permission_name_label},
    {NULL, NULL},
};
