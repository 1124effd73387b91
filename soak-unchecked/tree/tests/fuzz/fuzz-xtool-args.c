/* xtool's argument parser, its defaults and the texts of values against arbitrary bytes. */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "xtool/args.h"
#include "xtool/print.h"
#include "xtool/trust.h"
#include "xtool/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Arguments are separated by zero bytes here, as they are in a process. */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const types[] = {"int",      "bool",        "float",
                                        "datetime", "set<string>", "enum<vm_power_state>"};
    g_autofree char *text = g_strndup((const char *)bytes, size);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autofree char *copy = g_memdup2(bytes, size);

    for (size_t i = 0; i < size && copy[size - 1] == '\0'; i += strlen(copy + i) + 1)
        g_ptr_array_add(words, copy + i);
    g_ptr_array_add(words, NULL);
    g_autoptr(args_owned) args = args_parse((const char *const *)words->pdata, NULL);
    if (args) {
        g_variant_unref(g_variant_ref_sink(args_map(args, "other-config")));
        args_add_extra(args, text, NULL);
        args_add_lines(args, text);
    }
    g_free(fingerprint_parse(text));
    if (!g_utf8_validate(text, -1, NULL))
        return 0;
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        const struct dm_type *type = dm_type_find(types[i]);
        g_autoptr(GVariant) value = value_parse(type, text, "it", NULL);
        if (value)
            g_free(value_text(type, value));
    }
    g_free(text_printable(text));
    return 0;
}
