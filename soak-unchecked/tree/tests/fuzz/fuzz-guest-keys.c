/* What guests write, against its parser: each input is keys, a line each, "path=value" of any
 * bytes; the record must be one that its readers take. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/guest-record.h"
#include "xenstore-helpers/guest-parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static GVariant *
byte_array(const uint8_t *bytes, size_t size)
{
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, size, 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = bytes + size;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ayay)"));
    while (bytes < end) {
        const uint8_t *line = memchr(bytes, '\n', (size_t)(end - bytes));
        const uint8_t *stop = line ? line : end;
        const uint8_t *equals = memchr(bytes, '=', (size_t)(stop - bytes));
        if (equals)
            g_variant_builder_add(&builder, "(@ay@ay)", byte_array(bytes, (size_t)(equals - bytes)),
                                  byte_array(equals + 1, (size_t)(stop - equals - 1)));
        bytes = line ? line + 1 : end;
    }
    g_autoptr(GVariant) keys = g_variant_ref_sink(g_variant_builder_end(&builder));
    g_autoptr(GVariant) record = g_variant_ref_sink(guest_parse(keys));
    g_autoptr(GVariant) again = g_variant_ref_sink(guest_parse(keys));
    if (!guest_record_check(record) || !g_variant_equal(record, again))
        abort();
    return 0;
}
