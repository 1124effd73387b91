/* Checks that every argument of a caller goes through; see argument.h. */
#include "config.h"

#include "xapid/domains/argument.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/domains/domains.h"

bool
argument_refuse(GError **error, const char *argument, const char *value)
{
    /* Enough of a hostile value to recognise it. */
    g_autofree char *shown = g_strndup(value, 256);

    api_error_set(error, "INVALID_VALUE", argument, shown, NULL);
    return false;
}

bool
argument_refuse_int(GError **error, const char *argument, int64_t value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);

    return argument_refuse(error, argument, text);
}

bool
uuid_check(const char *uuid, GError **error)
{
    bool zero = true;

    for (int i = 0; i < UUID_LENGTH; i++) {
        char c = uuid[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return argument_refuse(error, "uuid", uuid);
        if (!dash && c != '0')
            zero = false;
    }
    /* All zeros is dom0's, which nobody may touch. */
    if (uuid[UUID_LENGTH] != '\0' || zero)
        return argument_refuse(error, "uuid", uuid);
    return true;
}

bool
op_id_check(const char *op_id, GError **error)
{
    size_t length = strlen(op_id);

    if (length < 1 || length > OP_ID_MAX)
        return argument_refuse(error, "op_id", op_id);
    for (const char *p = op_id; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr("-_.:/", *p))
            return argument_refuse(error, "op_id", op_id);
    return true;
}

static bool
key_check(const char *what, const char *key, GVariant *value, const struct argument_key *keys,
          gsize n_keys, guint64 *seen, GError **error)
{
    for (gsize i = 0; i < n_keys; i++) {
        if (!g_str_equal(key, keys[i].name) || (*seen & 1ull << i))
            continue;
        *seen |= 1ull << i;
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE(keys[i].type)))
            return argument_refuse(error, key, g_variant_get_type_string(value));
        return true;
    }
    return argument_refuse(error, what, key);
}

bool
argument_keys_check(const char *what, GVariant *args, const struct argument_key *keys, gsize n_keys,
                    GError **error)
{
    guint64 seen = 0;
    GVariantIter iter;
    const char *key;
    GVariant *boxed;

    g_assert(n_keys <= 64);
    if (g_variant_n_children(args) > n_keys)
        return argument_refuse(error, what, "too many keys");
    g_variant_iter_init(&iter, args);
    while (g_variant_iter_next(&iter, "{&sv}", &key, &boxed)) {
        g_autoptr(GVariant) value = boxed;
        if (!key_check(what, key, value, keys, n_keys, &seen, error))
            return false;
    }
    for (gsize i = 0; i < n_keys; i++)
        if (keys[i].required && !(seen & 1ull << i))
            return argument_refuse(error, keys[i].name, "");
    return true;
}
