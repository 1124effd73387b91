/* What a server does with a parsed request: find the method and give each parameter its type.
 * Shared by the codecs' fuzz targets. */
#ifndef XAPID_TESTS_FUZZ_PARAMS_H
#define XAPID_TESTS_FUZZ_PARAMS_H

#include <glib.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/wire/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Calls `check` with each parameter that converts; aborts when one is not what its type says. */
static inline void
convert_params(const struct rpc_request *request,
               void (*check)(const struct dm_type *type, GVariant *value))
{
    const struct dm_message *message = dm_method_find(request->method);
    gsize n = g_variant_n_children(request->params);
    /* The session stands before the parameters. */
    gsize first = message && message->session;

    for (gsize i = first; message && i < n && i - first < message->n_params; i++) {
        const struct dm_param *param = &message->params[i - first];
        g_autoptr(GVariant) untyped = NULL;
        g_autoptr(GError) error = NULL;

        g_variant_get_child(request->params, i, "v", &untyped);
        g_autoptr(GVariant) value = rpc_value_convert(param->type, untyped, param->name, &error);
        if (!value != !!error || (value && !dm_type_check(param->type, value)))
            g_error("%s of %s", param->name, message->full_name);
        if (value)
            check(param->type, value);
    }
}

#endif
