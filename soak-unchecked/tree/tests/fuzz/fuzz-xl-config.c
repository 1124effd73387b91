/* xl's configuration, as xtool-xl takes it, against arbitrary bytes: the file, what is left out of
 * it, an entry of disk=[], and the words that xtool reads by itself. */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "xtool/xl-record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* It forgets values beside a mistake. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
    return "leak:libxlutil";
}

/* What libxlutil itself gets wrong is not looked for here: a backslash in quotes reads or asserts
 * beyond the string in Xen 4.17, which costs xtool-xl its life and its user nothing. */
static bool
is_passed_over(const char *text)
{
    return strchr(text, '\\');
}

/* The first line is what shall be left out, and an entry of disk=[]. */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    g_autofree char *text = g_strndup((const char *)bytes, size);
    g_auto(GStrv) parts = g_strsplit(text, "\n", 2);
    const char *line = parts[0] ? parts[0] : "";
    struct xl_vm vm;

    if (is_passed_over(text))
        return 0;
    g_free(xl_cpus_read(line));
    xl_position_read(line);
    xl_disk_free(xl_disk_convert(line, NULL));
    g_autoptr(GError) error = NULL;
    if (!xl_vm_convert("fuzz.cfg", line[0] ? parts[1] ? parts[1] : "" : text, line, &vm, &error)) {
        g_assert_nonnull(error);
        return 0;
    }
    g_autoptr(GVariant) packed = g_variant_ref_sink(xl_vm_pack(&vm));
    g_assert_true(g_variant_is_normal_form(packed));
    xl_vm_clear(&vm);
    xl_vm_unpack(packed, &vm);
    xl_vm_clear(&vm);
    return 0;
}
