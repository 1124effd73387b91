/* The filter language against arbitrary texts: parse, and match what parses. */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "xapid/model/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct model *model;

    if (!model) {
        model = model_new();
        struct txn *txn = model_begin(model, NULL);
        txn_create(txn, dm_class_find("VM", false), "OpaqueRef:vm", NULL, NULL);
        txn_commit(txn, NULL);
    }
    g_autofree char *text = g_strndup((const char *)bytes, size);
    struct filter *filter = filter_parse(dm_class_find("VM", false), text, NULL);
    if (filter) {
        filter_matches(filter, model, "OpaqueRef:vm");
        filter_free(filter);
    }
    return 0;
}
