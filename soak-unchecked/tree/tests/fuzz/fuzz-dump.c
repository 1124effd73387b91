/* Dumps of the database from anywhere: what is taken makes a sound model, and a dump of that is
 * taken again. */
#include "config.h"

#include <stdint.h>

#include "xapid/dump/dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    g_autoptr(GError) error = NULL;
    guint64 generation = 0;
    struct model *model = dump_read((const char *)bytes, size, &generation, &error);

    g_assert(!model == !!error);
    if (!model)
        return 0;
    struct dump *dump = dump_new(model);
    g_autoptr(GString) out = g_string_new(NULL);
    while (dump_next(dump, out, 4096))
        ;
    dump_free(dump);
    model_free(model);
    struct model *again = dump_read(out->str, out->len, &generation, &error);
    g_assert(again && !error);
    model_free(again);
    return 0;
}
