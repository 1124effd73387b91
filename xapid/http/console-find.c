#include "config.h"

#include "xapid/http/console-find.h"

#include "lib/error.h"

void
console_found_clear(struct console_found *found)
{
    g_clear_pointer(&found->vm, g_free);
    g_clear_pointer(&found->row, g_free);
}

static const struct dm_class *
console_class(void)
{
    return dm_class_find("console", false);
}

/* A console or a VM, by its reference or uuid: true with the row of the console. */
static bool
find_row(const struct model *model, const char *text, struct console_found *found)
{
    const struct dm_class *vms = dm_class_find("VM", false);
    const char *row = model_has(model, console_class(), text)
                          ? text
                          : model_by_uuid(model, console_class(), text);

    if (row) {
        found->row = g_strdup(row);
        found->vm = model_get_string(model, row, "VM");
        return true;
    }
    const char *vm = model_has(model, vms, text) ? text : model_by_uuid(model, vms, text);
    if (!vm)
        return false;
    found->vm = g_strdup(vm);
    g_autoptr(GPtrArray) rows = model_referrers(model, vm, dm_field_find(console_class(), "VM"));
    for (guint i = 0; i < rows->len; i++) {
        g_autofree char *protocol = model_get_string(model, rows->pdata[i], "protocol");
        if (!found->row || g_str_equal(protocol, "rfb")) {
            g_free(found->row);
            found->row = g_strdup(rows->pdata[i]);
        }
    }
    return true;
}

/* That of the host takes a role of its own; there is none yet. */
static void
refuse_host_console(struct http_request *request, const struct caller *caller,
                    const struct dm_http_action *action, const char *name)
{
    g_autofree char *permission = g_strconcat("http/", action->name, "/", name, NULL);
    enum dm_role role = dm_key_role(action->sub_actions, name, action->min_role);
    g_autoptr(GError) error = NULL;

    if (rbac_check(caller, permission, role, &error))
        http_reply_error(request, 501, "the console of the host is not implemented");
    else
        http_reply_error(request, 403, error->message);
}

bool
console_find(const struct api *api, struct http_request *request, const struct caller *caller,
             const struct dm_http_action *action, const char *host_sub_action,
             struct console_found *ret_found)
{
    struct console_found found = {0};
    const char *text = http_request_query(request, "uuid");

    if (!text)
        text = http_request_query(request, "ref");
    if (!text || !find_row(api->model, text, &found)) {
        http_reply_error(request, text ? 404 : 400,
                         text ? "there is no such console" : "which console?");
        return false;
    }
    if (model_get_bool(api->model, found.vm, "is_control_domain"))
        refuse_host_console(request, caller, action, host_sub_action);
    else if (!found.row)
        http_reply_error(request, 409, "the VM does not run");
    else {
        *ret_found = found;
        return true;
    }
    console_found_clear(&found);
    return false;
}
