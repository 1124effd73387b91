/* Names of what a call has made: new-name-label and new-name-description. */
#include "config.h"

#include "xtool/xtool.h"

bool
made_name(struct xtool *x, const struct dm_message *message, GVariant *made, const char *label,
          const char *description, GError **error)
{
    const char *const values[] = {label, description};
    static const char *const fields[] = {"name_label", "name_description"};

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (!values[i])
            continue;
        g_autofree char *method =
            g_strdup_printf("%s.set_%s", message->result->cls->name, fields[i]);
        g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_string(values[i]));
        GVariant *params[] = {made, value};
        if (!call_message(x, method, params, G_N_ELEMENTS(params), error))
            return false;
    }
    return true;
}

const char *
made_option(struct xtool *x, const struct xt_command *command, const char *key)
{
    return g_strv_contains(command->may, key) ? args_get(x->args, key) : NULL;
}
