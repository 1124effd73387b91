/* What a storage driver may answer, against arbitrary bytes. */
#include "config.h"

#include <stdint.h>

#include "xapid/host/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) result = answer_parse((const char *)bytes, size, &error);

    g_assert(!result == !!error);
    if (result)
        g_assert(g_variant_is_of_type(result, G_VARIANT_TYPE_VARDICT) &&
                 g_variant_is_normal_form(result));
    return 0;
}
