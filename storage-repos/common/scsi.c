#include "config.h"

#include "storage-repos/common/scsi.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage-repos/common/driver.h"

#define SCSI_DEVICES "/sys/class/scsi_device"
#define DISK_TYPE "0"
#define SECTOR 512 /* bytes: what sysfs counts in */
#define ID_LENGTH_MAX 255
#define PAGE_HEADER 4 /* bytes of a page of vital product data, before what it says */

static void
scsi_disk_free(struct scsi_disk *disk)
{
    g_free(disk->device);
    g_free(disk->id);
    g_free(disk->vendor);
    g_free(disk->model);
    g_free(disk->serial);
    g_free(disk);
}

/* ---- what a disk says of itself ---- */

/* Whoever serves the disk wrote it: what is not printable is left out.  Takes text. */
static char *
clean(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++)
        if (g_ascii_isprint(*from))
            *to++ = *from;
    *to = '\0';
    return g_strstrip(text);
}

static char *
read_word(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? clean(text) : g_strdup("");
}

static char *
read_serial(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "vpd_pg80", NULL);
    g_autofree char *page = NULL;
    gsize length;

    if (!g_file_get_contents(path, &page, &length, NULL) || length < PAGE_HEADER)
        return g_strdup("");
    return clean(g_strndup(page + PAGE_HEADER, length - PAGE_HEADER));
}

/* The kernel's name of the kind and the value, as udev's scsi_id would say it: a digit for the kind
 * and the value, without blanks.  NULL: the disk says nothing by which it could be known. */
static char *
read_id(const char *folder)
{
    static const struct {
        const char *kind;
        char digit;
    } kinds[] = {{"naa.", '3'}, {"eui.", '2'}, {"t10.", '1'}};
    g_autofree char *said = read_word(folder, "wwid");

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (g_str_has_prefix(said, kinds[i].kind)) {
            g_auto(GStrv) words = g_strsplit_set(said + strlen(kinds[i].kind), " ", -1);
            GString *id = g_string_new(NULL);
            g_string_append_c(id, kinds[i].digit);
            for (char **word = words; *word; word++)
                if (**word)
                    g_string_append_printf(id, "%s%s", id->len > 1 ? "_" : "", *word);
            g_string_truncate(id, MIN(id->len, ID_LENGTH_MAX));
            return g_string_free(id, FALSE);
        }
    return NULL;
}

/* ---- which there are ---- */

/* The one name in FOLDER/block: the caller's; NULL: the kernel has made no disk of it (yet). */
static char *
block_name(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "block", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    return dir ? g_strdup(g_dir_read_name(dir)) : NULL;
}

/* Of a folder whose last parts are targetH:C:T/H:C:T:L; NULL: it is no disk.  Clears *whole when it
 * will be one. */
static struct scsi_disk *
disk_new(const char *address, const char *folder, bool *whole)
{
    g_autofree char *type = read_word(folder, "type");
    g_autofree char *id = g_str_equal(type, DISK_TYPE) ? read_id(folder) : NULL;
    g_autofree char *name = id ? block_name(folder) : NULL;
    struct scsi_disk disk = {0};

    if (id && !name)
        *whole = false;
    if (!name || sscanf(address, "%u:%u:%u:%" G_GUINT64_FORMAT, &disk.host, &disk.channel,
                        &disk.target, &disk.lun) != 4)
        return NULL;
    g_autofree char *block = g_build_filename(folder, "block", name, NULL);
    g_autofree char *sectors = read_word(block, "size");
    disk.device = g_build_filename("/dev", name, NULL);
    disk.id = g_steal_pointer(&id);
    disk.vendor = read_word(folder, "vendor");
    disk.model = read_word(folder, "model");
    disk.serial = read_serial(folder);
    disk.size = g_ascii_strtoll(sectors, NULL, 10) * SECTOR;
    return g_memdup2(&disk, sizeof disk);
}

/* Where the kernel has the device, and by which session, if by one: "…/session3/target2:0:0/…". */
static bool
is_of_session(const char *folder, const char *session)
{
    g_autofree char *part = g_strdup_printf("/%s/", session ? session : "session");

    if (session)
        return strstr(folder, part) != NULL;
    const char *found = strstr(folder, "/session");
    return !found || !g_ascii_isdigit(found[strlen("/session")]);
}

static gint
by_address(gconstpointer left, gconstpointer right)
{
    const struct scsi_disk *a = *(struct scsi_disk *const *)left;
    const struct scsi_disk *b = *(struct scsi_disk *const *)right;

    if (a->host != b->host)
        return a->host < b->host ? -1 : 1;
    if (a->channel != b->channel)
        return a->channel < b->channel ? -1 : 1;
    if (a->target != b->target)
        return a->target < b->target ? -1 : 1;
    return a->lun < b->lun ? -1 : a->lun > b->lun;
}

GPtrArray *
scsi_disks_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)scsi_disk_free);
}

bool
scsi_add_disks(GPtrArray *disks, const char *session)
{
    g_autoptr(GDir) dir = g_dir_open(SCSI_DEVICES, 0, NULL);
    const char *address;
    bool whole = true;

    while (dir && disks->len < SCSI_DISKS_MAX && (address = g_dir_read_name(dir))) {
        g_autofree char *link = g_build_filename(SCSI_DEVICES, address, "device", NULL);
        g_autofree char *folder = realpath(link, NULL);
        struct scsi_disk *disk =
            folder && is_of_session(folder, session) ? disk_new(address, folder, &whole) : NULL;
        if (disk)
            g_ptr_array_add(disks, disk);
    }
    g_ptr_array_sort(disks, by_address);
    return whole;
}

bool
scsi_id_is_valid(const char *id, GError **error)
{
    gsize length = strlen(id);
    bool ok = length > 0 && length <= ID_LENGTH_MAX;

    for (const char *c = id; ok && *c; c++)
        ok = g_ascii_isgraph(*c);
    if (!ok)
        driver_fail(error, FAILURE_CONFIG_SCSI_ID, "SCSIid \"%s\" is no name of a disk", id);
    return ok;
}

char *
scsi_find(GPtrArray *disks, const char *id)
{
    for (guint i = 0; i < disks->len; i++) {
        const struct scsi_disk *disk = disks->pdata[i];
        if (g_str_equal(disk->id, id))
            return g_strdup(disk->device);
    }
    return NULL;
}
