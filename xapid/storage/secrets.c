/* Passwords of device_config.  One that a client writes there becomes a row of class secret, and
 * the key `password` becomes `password_secret`, its uuid, since others may read a device_config; a
 * driver gets the password itself. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/storage/storage.h"

#define SUFFIX "_secret"
#define MADE_FOR "made-for" /* key of other_config: such a secret goes with its PBD */

static const struct dm_class *
secret_class(void)
{
    return dm_class_find("secret", false);
}

static bool
is_password(const char *key)
{
    static const char *const keys[] = {"password",     "cifspassword",          "chappassword",
                                       "chapPassword", "incoming_chappassword", NULL};

    return g_strv_contains(keys, key);
}

/* The secret's row; NULL: the key names none. */
static const char *
secret_of(const struct model *model, const char *key, const char *uuid)
{
    return g_str_has_suffix(key, SUFFIX) ? model_by_uuid(model, secret_class(), uuid) : NULL;
}

static bool
has_secret_too(GVariant *device_config, const char *key)
{
    g_autofree char *name = g_strconcat(key, SUFFIX, NULL);

    return g_variant_lookup(device_config, name, "s", NULL);
}

/* ---- rows ---- */

static bool
add_kept(struct txn *txn, GVariantBuilder *out, const char *key, const char *password,
         GError **error)
{
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *name = g_strconcat(key, SUFFIX, NULL);
    GVariant *fields = g_variant_new_parsed(
        "{'uuid': <%s>, 'value': <%s>, 'other_config': <{%s: 'PBD'}>}", uuid, password, MADE_FOR);

    g_variant_builder_add(out, "{ss}", name, uuid);
    return txn_create(txn, secret_class(), NULL, fields, error) != NULL;
}

GVariant *
secrets_keep(struct txn *txn, GVariant *device_config, GError **error)
{
    GVariantBuilder out;
    GVariantIter iter;
    char *key, *value; /* copies: looking something up moves what is in a map */
    bool ok = true;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a{ss}"));
    g_variant_iter_init(&iter, device_config);
    while (ok && g_variant_iter_next(&iter, "{ss}", &key, &value)) {
        g_autofree char *key_owned = key, *value_owned = value;
        if (!is_password(key))
            g_variant_builder_add(&out, "{ss}", key, value);
        else if (!has_secret_too(device_config, key)) /* else that one counts */
            ok = add_kept(txn, &out, key, value, error);
    }
    g_autoptr(GVariant) kept = g_variant_ref_sink(g_variant_builder_end(&out));
    return ok ? g_steal_pointer(&kept) : NULL;
}

bool
secrets_forget(const struct model *model, struct txn *txn, const char *pbd, GVariant *next,
               GError **error)
{
    g_autoptr(GVariant) config =
        model_get(model, pbd, dm_field_find(model_class(model, pbd), "device_config"));
    GVariantIter iter;
    const char *key, *uuid, *again;

    g_variant_iter_init(&iter, config);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &uuid)) {
        const char *secret = secret_of(model, key, uuid);
        if (!secret ||
            (next && g_variant_lookup(next, key, "&s", &again) && g_str_equal(again, uuid)))
            continue;
        g_autoptr(GVariant) other =
            model_get(model, secret, dm_field_find(secret_class(), "other_config"));
        if (g_variant_lookup(other, MADE_FOR, "&s", NULL) && !txn_destroy(txn, secret, error))
            return false;
    }
    return true;
}

GVariant *
secrets_leave_out(GVariant *device_config)
{
    GVariantBuilder out;
    GVariantIter iter;
    const char *key, *value;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a{ss}"));
    g_variant_iter_init(&iter, device_config);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
        if (!is_password(key))
            g_variant_builder_add(&out, "{ss}", key, value);
    return g_variant_ref_sink(g_variant_builder_end(&out));
}

/* ---- for a driver ---- */

static char *
without_suffix(const char *key)
{
    return g_strndup(key, strlen(key) - strlen(SUFFIX));
}

GVariant *
secrets_resolve(const struct model *model, GVariant *device_config, GError **error)
{
    GVariantBuilder out;
    GVariantIter iter;
    char *key, *value; /* copies: looking something up moves what is in a map */
    g_autofree char *missing = NULL;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a{ss}"));
    g_variant_iter_init(&iter, device_config);
    while (g_variant_iter_next(&iter, "{ss}", &key, &value)) {
        g_autofree char *key_owned = key, *value_owned = value;
        const char *secret = secret_of(model, key, value);
        if (secret) {
            g_autofree char *name = without_suffix(key);
            g_autofree char *password = model_get_string(model, secret, "value");
            g_variant_builder_add(&out, "{ss}", name, password);
        } else if (g_str_has_suffix(key, SUFFIX)) {
            g_free(missing);
            missing = g_strdup(key);
        } else if (!has_secret_too(device_config, key))
            g_variant_builder_add(&out, "{ss}", key, value);
    }
    g_autoptr(GVariant) whole = g_variant_ref_sink(g_variant_builder_end(&out));
    if (!missing)
        return g_steal_pointer(&whole);
    g_autofree char *text = g_strdup_printf("%s of device_config names no secret", missing);
    api_error_set(error, "SR_BACKEND_FAILURE_20", "", text, "", NULL);
    return NULL;
}
