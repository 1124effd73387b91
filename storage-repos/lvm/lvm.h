/* What the drivers share whose repositories are volume groups.  A repository is a volume group,
 * named after it, with one thin pool; a disk is a thin volume, and what the API says of it are tags
 * of that volume.  The pool gives a disk room as it is written, reads as zeros what was not, and
 * lets disks share. */
#ifndef STORAGE_REPOS_LVM_LVM_H
#define STORAGE_REPOS_LVM_LVM_H

#include "storage-repos/common/driver.h"

#define GROUP_PREFIX "xapid-" /* and the uuid of the SR */
#define DISK_PREFIX "vdi-"    /* and its uuid */
#define COPY_PREFIX "new-"    /* the same: of a disk whose contents are on their way */
#define WAS_PREFIX "was-"     /* and two uuids as digits: see exchange.c */
#define POOL "pool"
#define EXTENT ((gint64)4 << 20) /* bytes: sizes of volumes are multiples of it */

/* The devices of args' repository, of which its driver knows where they are: the caller's, without
 * links, NULL terminated.  NULL with an error. */
char **repository_devices(GVariant *args, GError **error);

/* --- command.c --- */

struct group {
    char **devices;
    char *list; /* their names, with commas between */
    char *name;
};

typedef struct group group_t;
void group_clear(struct group *group);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(group_t, group_clear)

/* The devices are there; whether the group is on them is not asked. */
bool group_read(GVariant *args, group_t *ret_group, GError **error);

/* Runs lvm's command with these words.  It looks at the group's devices alone, so what hangs
 * elsewhere does not hang it.  False with SR_BACKEND_FAILURE_44 when there is no room, else
 * `number`. */
bool lvm_run(const struct group *group, const char *command, const char *const *words,
             enum driver_failure number, GError **error);
/* The rows, each a{sv} of texts, of a report (`pvs`, `lvs`): the caller's; NULL with
 * SR_BACKEND_FAILURE_47.  select: which rows; NULL: all. */
GPtrArray *lvm_report(const struct group *group, const char *command, const char *columns,
                      const char *select, GError **error);

/* --- group.c: the calls of repositories --- */

extern const char *const volume_capabilities[];
extern const struct driver_call volume_calls[]; /* that are the same whatever the group lies on */

bool sr_probe(GVariant *args, GVariantDict *result, GError **error);
bool sr_create(GVariant *args, GVariantDict *result, GError **error);
bool sr_attach(GVariant *args, GVariantDict *result, GError **error);
bool sr_detach(GVariant *args, GVariantDict *result, GError **error);
bool sr_destroy(GVariant *args, GVariantDict *result, GError **error);
bool sr_scan(GVariant *args, GVariantDict *result, GError **error);
bool sr_stat(GVariant *args, GVariantDict *result, GError **error);

/* --- volume.c --- */

struct volume {
    gint64 size, used; /* bytes */
    GVariant *record;  /* a{sv}: what the API says of it */
};

typedef struct volume volume_t;
void volume_clear(struct volume *volume);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(volume_t, volume_clear)

/* The columns of `lvs` that volume_of_row () needs. */
#define VOLUME_COLUMNS "lv_name,lv_size,data_percent,lv_tags"
void volume_of_row(GVariant *row, volume_t *ret_volume);
/* The uuid of the disk that a volume of this name is: the caller's; NULL: it is none. */
char *volume_disk(const char *name);
/* What the API is told of the disk. */
void volume_describe(const struct volume *volume, const char *uuid, GVariantDict *result);
/* The volumes that lvs finds by `select` go.  One that is in use does not: SR_BACKEND_FAILURE_80.
 */
bool volumes_remove(const struct group *group, const char *select, GError **error);

/* --- record.c --- */

/* Adds the words by which a new volume gets its tags; INVALID_VALUE when its texts are too long. */
bool record_add_words(GPtrArray *words, GVariant *args, GError **error);
/* a{sv} of what lv_tags says; empty when that is not ours. */
GVariant *record_of_tags(const char *tags);

/* --- disk.c: the calls of disks --- */

struct disk {
    group_t group;
    const char *uuid;
    char *name; /* of its volume */
    bool there;
    volume_t volume; /* when it is */
};

typedef struct disk disk_t;
void disk_clear(struct disk *disk);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(disk_t, disk_clear)

/* The disk of args' vdi.  To be cleared either way. */
bool disk_open(GVariant *args, disk_t *ret_disk, GError **error);
/* What is there of it now, by its group and uuid. */
bool disk_look(struct disk *disk, GError **error);
/* It is there, or VDI_MISSING. */
bool disk_must_exist(const struct disk *disk, GVariant *args, GError **error);
/* Answers what the disk is now. */
bool disk_describe(struct disk *disk, GVariant *args, GVariantDict *result, GError **error);

bool vdi_create(GVariant *args, GVariantDict *result, GError **error);
bool vdi_copy(GVariant *args, GVariantDict *result, GError **error);
bool vdi_clone(GVariant *args, GVariantDict *result, GError **error);
bool vdi_destroy(GVariant *args, GVariantDict *result, GError **error);
bool vdi_resize(GVariant *args, GVariantDict *result, GError **error);
bool vdi_attach(GVariant *args, GVariantDict *result, GError **error);
bool vdi_detach(GVariant *args, GVariantDict *result, GError **error);

/* --- exchange.c --- */

/* The digits of a uuid, as names of volumes have them: the caller's. */
char *exchange_digits(const char *uuid);
/* The uuid of the second disk in a volume's name of that kind: the caller's; NULL: it is none. */
char *exchange_disk(const char *name);
/* Of a repository's volumes (rows of lvs), the caller's: a second disk -> its first one.  Until
 * such an exchange has ended, what has the name of the second disk's volume is the first one's. */
GHashTable *exchanges_of(GPtrArray *rows);
/* What was broken off in the middle, of volumes that lvs finds by `select`, ends well. */
bool exchanges_end(const struct group *group, const char *select, GError **error);
bool vdi_exchange(GVariant *args, GVariantDict *result, GError **error);

#endif
