/* What whoever served a disk may have left at its beginning, against arbitrary bytes. */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "storage-repos/file/file.h"

#define BASE "base.qcow2" /* of the seeds */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const uint8_t no_name[8];
    const char *text = (const char *)bytes;

    if (!image_fault(text, size, BASE))
        g_assert(memmem(bytes, size, BASE, strlen(BASE)) && memmem(bytes, size, "qcow2", 5) &&
                 image_fault(text, size, NULL) && image_fault(text, size, BASE "2"));
    if (!image_fault(text, size, NULL))
        g_assert(size >= 16 && memcmp(bytes + 8, no_name, sizeof no_name) == 0);
    return 0;
}
