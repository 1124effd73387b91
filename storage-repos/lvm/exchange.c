/* Two disks change places.  The first one's volume gets a name that says of both that it is the
 * second one's from now on; that is the moment.  Then the second one's gets the first one's name.
 * What was broken off between the two goes on with the next call about either, or with the
 * repository's sr.attach. */
#include "config.h"

#include "storage-repos/lvm/lvm.h"

#include <string.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"

#define DIGITS 32 /* of a uuid; with its dashes two are too long for a name of the kernel's */

/* ---- names ---- */

char *
exchange_digits(const char *uuid)
{
    g_auto(GStrv) parts = g_strsplit(uuid, "-", -1);

    return g_strjoinv("", parts);
}

/* NULL: it does not begin with such digits. */
static char *
uuid_of(const char *digits)
{
    g_autofree char *uuid = strlen(digits) < DIGITS
                                ? NULL
                                : g_strdup_printf("%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
                                                  digits + 12, digits + 16, digits + 20);

    return uuid && g_uuid_string_is_valid(uuid) ? g_steal_pointer(&uuid) : NULL;
}

/* The two disks in a name, the caller's; false: it is no such name. */
static bool
name_read(const char *name, char **ret_first, char **ret_second)
{
    const char *first = name + strlen(WAS_PREFIX), *second = first + DIGITS + 1;

    if (!g_str_has_prefix(name, WAS_PREFIX) || strlen(first) != 2 * DIGITS + 1)
        return false;
    g_autofree char *one = uuid_of(first);
    g_autofree char *other = uuid_of(second);
    if (!one || !other)
        return false;
    *ret_first = g_steal_pointer(&one);
    *ret_second = g_steal_pointer(&other);
    return true;
}

char *
exchange_disk(const char *name)
{
    g_autofree char *first = NULL;
    char *second;

    return name_read(name, &first, &second) ? second : NULL;
}

GHashTable *
exchanges_of(GPtrArray *rows)
{
    GHashTable *out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    char *first, *second;

    for (guint i = 0; i < rows->len; i++)
        if (name_read(member_text(rows->pdata[i], "lv_name"), &first, &second))
            g_hash_table_insert(out, second, first);
    return out;
}

static char *
name_new(const char *first, const char *second)
{
    g_autofree char *one = exchange_digits(first);
    g_autofree char *other = exchange_digits(second);

    return g_strdup_printf(WAS_PREFIX "%s-%s", one, other);
}

/* ---- volumes ---- */

static bool
move(const struct group *group, const char *from, const char *to, GError **error)
{
    const char *const words[] = {group->name, from, to, NULL};

    log_info("the volume %s becomes %s", from, to);
    return lvm_run(group, "lvrename", words, FAILURE_VDI_CREATE, error);
}

static bool
find(const struct group *group, const char *name, bool *ret_there, GError **error)
{
    g_autofree char *select = g_strconcat("lv_name=", name, NULL);
    g_autoptr(GPtrArray) rows = lvm_report(group, "lvs", "lv_name", select, error);

    if (rows)
        *ret_there = rows->len > 0;
    return rows != NULL;
}

/* The second one's volume, if it has its name still, gets the first one's. */
static bool
end_exchange(const struct group *group, const char *first, const char *second, GError **error)
{
    g_autofree char *from = g_strconcat(DISK_PREFIX, second, NULL);
    g_autofree char *to = g_strconcat(DISK_PREFIX, first, NULL);
    bool there;

    return find(group, from, &there, error) &&
           (!there || FAULT_AROUND("lvm.vdi.exchange.second", error, move(group, from, to, error)));
}

bool
exchanges_end(const struct group *group, const char *select, GError **error)
{
    g_autoptr(GPtrArray) rows = lvm_report(group, "lvs", "lv_name", select, error);

    for (guint i = 0; rows && i < rows->len; i++) {
        g_autofree char *first = NULL;
        g_autofree char *second = NULL;
        if (name_read(member_text(rows->pdata[i], "lv_name"), &first, &second) &&
            !end_exchange(group, first, second, error))
            return false;
    }
    return rows != NULL;
}

/* ---- the call ---- */

/* One that was given up already has no name to give. */
static bool
has_own_name(const struct disk *disk, GError **error)
{
    if (g_str_has_prefix(disk->name, DISK_PREFIX))
        return true;
    driver_fail(error, FAILURE_VDI_CREATE, "%s has changed places already", disk->uuid);
    return false;
}

static bool
exchange(const struct disk *disk, GVariant *args, const char *with, const char *was, GError **error)
{
    g_auto(disk_t) other = {.uuid = with};

    return group_read(args, &other.group, error) && disk_look(&other, error) &&
           disk_must_exist(&other, args, error) && has_own_name(&other, error) &&
           FAULT_AROUND("lvm.vdi.exchange.first", error,
                        move(&disk->group, disk->name, was, error)) &&
           end_exchange(&disk->group, disk->uuid, with, error);
}

/* Broken off between the two it is as it was before the call, once exchanges_end () was there. */
static bool
exchange_back(const struct disk *disk, const char *with, const char *was, GError **error)
{
    g_autofree char *name = g_strconcat(DISK_PREFIX, disk->uuid, NULL);
    g_autofree char *its = g_strconcat(DISK_PREFIX, with, NULL);

    return FAULT_AROUND("lvm.vdi.exchange.leave", error, move(&disk->group, name, its, error)) &&
           FAULT_AROUND("lvm.vdi.exchange.return", error, move(&disk->group, was, name, error));
}

bool
vdi_exchange(GVariant *args, GVariantDict *result, GError **error)
{
    const char *with = member_text(args, "with");
    g_auto(disk_t) disk = {0};
    bool changed;

    if (!g_uuid_string_is_valid(with)) {
        api_error_set(error, "INVALID_VALUE", "with", with, NULL);
        return false;
    }
    if (!disk_open(args, &disk, error) || !disk_must_exist(&disk, args, error))
        return false;
    g_autofree char *was = name_new(disk.uuid, with);
    bool back = member_flag(args, "back");
    if (!find(&disk.group, was, &changed, error) ||
        (changed == back && !(back ? exchange_back(&disk, with, was, error)
                                   : exchange(&disk, args, with, was, error))))
        return false;
    return disk_describe(&disk, args, result, error);
}
