/* xtool-xl: reads xl's configuration for xtool.
 *
 *     xtool-xl vm NAME LEAVE-OUT    the configuration NAME, from standard input
 *     xtool-xl disk ENTRY           one entry of disk=[]
 *
 * Standard output gets (bsv), serialised: whether it worked, what is wrong, and the VM or the disk.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "xtool/xl-record.h"

#define READ_MAX (XL_FILE_MAX + 1) /* bytes: xl_vm_convert () sees that it is too long */

/* All of standard input; the caller's. */
static char *
read_input(void)
{
    char *text = g_malloc0(READ_MAX + 1);
    size_t length = fread(text, 1, READ_MAX, stdin);

    text[length] = '\0';
    return text;
}

static GVariant *
convert(int argc, char **argv, GError **error)
{
    struct xl_vm vm;

    if (argc == 4 && g_str_equal(argv[1], "vm")) {
        g_autofree char *text = read_input();
        if (!xl_vm_convert(argv[2], text, argv[3], &vm, error))
            return NULL;
        GVariant *value = xl_vm_pack(&vm);
        xl_vm_clear(&vm);
        return value;
    }
    if (argc == 3 && g_str_equal(argv[1], "disk")) {
        struct xl_disk *disk = xl_disk_convert(argv[2], error);
        GVariant *value = disk ? xl_disk_pack(disk) : NULL;
        xl_disk_free(disk);
        return value;
    }
    g_set_error(error, XL_ERROR, 0, "usage: xtool-xl vm NAME LEAVE-OUT | disk ENTRY");
    return NULL;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc == 2 && g_str_equal(argv[1], "--version")) {
        puts("xtool-xl " PACKAGE_VERSION);
        return 0;
    }
    GVariant *value = convert(argc, argv, &error);
    g_autoptr(GVariant) reply =
        g_variant_ref_sink(g_variant_new("(bsv)", value != NULL, error ? error->message : "",
                                         value ? value : g_variant_new_string("")));
    gsize size = g_variant_get_size(reply);

    if (fwrite(g_variant_get_data(reply), 1, size, stdout) == size && fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "xtool-xl: %s\n", g_strerror(errno));
    return 1;
}
