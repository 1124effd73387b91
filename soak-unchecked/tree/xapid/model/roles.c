#include "config.h"

#include "xapid/model/roles.h"

/* The uuid that every XenAPI client knows; other rows are named after a digest of their name. */
#define POOL_ADMIN_UUID "0165f154-ba3e-034e-6b27-5d271af109ba"

static const char *const role_descriptions[DM_ROLE_MAX] = {
    [DM_ROLE_READ_ONLY] = "Can look at everything and change nothing",
    [DM_ROLE_CLIENT_CERT] = "What a client that shows a trusted certificate may do",
    [DM_ROLE_VM_OPERATOR] = "Can start and stop VMs and use their consoles",
    [DM_ROLE_VM_ADMIN] = "Can make, change and remove VMs",
    [DM_ROLE_VM_POWER_ADMIN] = "Can do everything with VMs, and choose where they run",
    [DM_ROLE_POOL_OPERATOR] = "Can do everything but manage users and roles",
    [DM_ROLE_POOL_ADMIN] = "Can do everything",
};

static char *
uuid_of(const char *name)
{
    if (g_str_equal(name, "pool-admin"))
        return g_strdup(POOL_ADMIN_UUID);
    g_autofree char *md5 = g_compute_checksum_for_string(G_CHECKSUM_MD5, name, -1);
    return g_strdup_printf("%.8s-%.4s-%.4s-%.4s-%.12s", md5, md5 + 8, md5 + 12, md5 + 16, md5 + 20);
}

char *
roles_ref(const char *name)
{
    g_autofree char *uuid = uuid_of(name);

    return g_strconcat(REF_PREFIX, uuid, NULL);
}

void
roles_each_permission(void (*each)(const char *name, enum dm_role needed, void *data), void *data)
{
    for (unsigned i = 0; i < dm_n_classes; i++)
        for (unsigned j = 0; j < dm_classes[i].n_messages; j++) {
            const struct dm_message *message = &dm_classes[i].messages[j];
            if (!message->session || message->min_role == DM_ROLE_LOCAL_ROOT)
                continue;
            each(message->permission,
                 message->client_cert_ok && message->min_role > DM_ROLE_CLIENT_CERT
                     ? DM_ROLE_CLIENT_CERT
                     : message->min_role,
                 data);
            const struct dm_key_role *key = message->key_roles;
            for (; key && key->key; key++) {
                g_autofree char *name = g_strdup_printf("%s/key:%s", message->permission, key->key);
                each(name, key->role, data);
            }
        }
    for (unsigned i = 0; i < dm_n_http_actions; i++) {
        g_autofree char *name = g_strconcat("http/", dm_http_actions[i].name, NULL);
        each(name, dm_http_actions[i].min_role, data);
    }
    each("task.destroy/any", DM_ROLE_POOL_OPERATOR, data);
}

static bool
load_row(struct model *model, const char *name, const char *description, GVariant *subroles,
         bool internal, GError **error)
{
    g_autofree char *uuid = uuid_of(name);
    g_autofree char *ref = roles_ref(name);
    GVariantBuilder fields;

    g_variant_builder_init(&fields, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&fields, "{sv}", "uuid", g_variant_new_string(uuid));
    g_variant_builder_add(&fields, "{sv}", "name_label", g_variant_new_string(name));
    g_variant_builder_add(&fields, "{sv}", "name_description", g_variant_new_string(description));
    g_variant_builder_add(&fields, "{sv}", "is_internal", g_variant_new_boolean(internal));
    if (subroles)
        g_variant_builder_add(&fields, "{sv}", "subroles", subroles);
    g_autoptr(GVariant) row = g_variant_ref_sink(g_variant_builder_end(&fields));
    return model_load_row(model, "role", ref, row, 1, 1, error);
}

struct load {
    struct model *model;
    GHashTable *seen;                      /* names; several messages share one permission */
    GVariantBuilder subroles[DM_ROLE_MAX]; /* as: references */
    GError *error;
};

static void
load_permission(const char *name, enum dm_role needed, void *data)
{
    struct load *load = data;

    if (load->error || !g_hash_table_add(load->seen, g_strdup(name)))
        return;
    g_autofree char *ref = roles_ref(name);
    for (enum dm_role role = DM_ROLE_READ_ONLY; role < DM_ROLE_MAX; role++)
        if (role >= needed)
            g_variant_builder_add(&load->subroles[role], "s", ref);
    load_row(load->model, name, "", NULL, true, &load->error);
}

bool
roles_load(struct model *model, GError **error)
{
    struct load load = {.model = model};

    load.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (enum dm_role role = 0; role < DM_ROLE_MAX; role++)
        g_variant_builder_init(&load.subroles[role], G_VARIANT_TYPE("as"));
    roles_each_permission(load_permission, &load);
    for (enum dm_role role = 0; role < DM_ROLE_MAX; role++) {
        g_autoptr(GVariant) subroles =
            g_variant_ref_sink(g_variant_builder_end(&load.subroles[role]));
        if (!load.error && dm_role_names[role])
            load_row(model, dm_role_names[role], role_descriptions[role], subroles,
                     role == DM_ROLE_CLIENT_CERT, &load.error);
    }
    g_hash_table_unref(load.seen);
    if (load.error) {
        g_propagate_error(error, load.error);
        return false;
    }
    return true;
}
