/* The API_ERROR domain; see error.h.  Built on GLib's extended error domains. */
#include "config.h"

#include "lib/error.h"

#include <stdarg.h>

#include "lib/text.h"

typedef struct {
    char *code;
    char **params;
} ApiErrorPrivate;

static void
api_error_private_init(ApiErrorPrivate *priv)
{
    priv->code = NULL;
    priv->params = NULL;
}

static void
api_error_private_copy(const ApiErrorPrivate *from, ApiErrorPrivate *to)
{
    to->code = g_strdup(from->code);
    to->params = g_strdupv(from->params);
}

static void
api_error_private_clear(ApiErrorPrivate *priv)
{
    g_free(priv->code);
    g_strfreev(priv->params);
}

/* Defines api_error_quark () and api_error_get_private (). */
G_DEFINE_EXTENDED_ERROR(ApiError, api_error)

GError *
api_error_newv(const char *code, const char *const *params)
{
    g_autoptr(GPtrArray) clean = g_ptr_array_new();

    for (; params && *params; params++)
        g_ptr_array_add(clean, text_clean(*params, -1));
    g_ptr_array_add(clean, NULL);

    g_autofree char *joined = g_strjoinv(", ", (char **)clean->pdata);
    GError *error = g_error_new(API_ERROR, 0, "%s [%s]", code, joined);
    ApiErrorPrivate *priv = api_error_get_private(error);
    priv->code = g_strdup(code);
    priv->params = (char **)g_ptr_array_free(g_steal_pointer(&clean), FALSE);
    return error;
}

static GError *
error_new_valist(const char *code, va_list ap)
{
    g_autoptr(GPtrArray) params = g_ptr_array_new();
    const char *param;

    while ((param = va_arg(ap, const char *)))
        g_ptr_array_add(params, (char *)param);
    g_ptr_array_add(params, NULL);
    return api_error_newv(code, (const char *const *)params->pdata);
}

GError *
api_error_new(const char *code, ...)
{
    va_list ap;

    va_start(ap, code);
    GError *error = error_new_valist(code, ap);
    va_end(ap);
    return error;
}

void
api_error_set(GError **error, const char *code, ...)
{
    va_list ap;

    if (!error)
        return;
    va_start(ap, code);
    g_propagate_error(error, error_new_valist(code, ap));
    va_end(ap);
}

const char *
api_error_code(const GError *error)
{
    if (!error)
        return NULL;
    return error->domain == API_ERROR ? api_error_get_private(error)->code : "INTERNAL_ERROR";
}

const char *const *
api_error_params(const GError *error)
{
    if (error->domain != API_ERROR)
        return NULL;
    return (const char *const *)api_error_get_private(error)->params;
}

GVariant *
api_error_to_variant(const GError *error)
{
    GVariantBuilder builder;
    const char *const *params = api_error_params(error);

    g_variant_builder_init(&builder, G_VARIANT_TYPE("as"));
    g_variant_builder_add(&builder, "s", api_error_code(error));
    if (params) {
        for (; *params; params++)
            g_variant_builder_add(&builder, "s", *params);
    } else {
        g_autofree char *text = text_clean(error->message, -1);
        g_variant_builder_add(&builder, "s", text);
    }
    return g_variant_builder_end(&builder);
}

GError *
api_error_from_variant(GVariant *description)
{
    g_autofree const char **strings = g_variant_get_strv(description, NULL);

    g_return_val_if_fail(strings[0], NULL);
    return api_error_newv(strings[0], strings + 1);
}
