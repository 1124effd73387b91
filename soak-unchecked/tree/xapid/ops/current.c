/* What rows show of the operations that are under way with them. */
#include "config.h"

#include "lib/error.h"
#include "xapid/ops/ops.h"

bool
ops_none_shown(const struct model *model, const char *row, GError **error)
{
    const struct dm_class *cls = model_class(model, row);
    g_autoptr(GVariant) current = model_get(model, row, dm_field_find(cls, "current_operations"));
    const char *key, *operation;

    if (g_variant_n_children(current) == 0)
        return true;
    g_variant_get_child(current, 0, "{&s&s}", &key, &operation);
    api_error_set(error, "OTHER_OPERATION_IN_PROGRESS", cls->name, row, operation, key, NULL);
    return false;
}
