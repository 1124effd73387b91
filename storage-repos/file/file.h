/* What the files of this driver share, and those of drivers that have a folder to begin with:
 * repositories, which are folders, and disks, which are files. */
#ifndef STORAGE_REPOS_FILE_FILE_H
#define STORAGE_REPOS_FILE_FILE_H

#include "storage-repos/common/driver.h"

#define REPOSITORY "xapid-sr.json" /* says whose folder it is */
#define SIZE_UNIT ((gint64)512)    /* bytes: sizes of disks are multiples of it */
#define RECORD_GONE ".json.gone"   /* the end of .UUID.json.gone: a disk that is being removed */

/* The folder of the repository that args are about: the caller's.  Each of these drivers has its
 * own. */
char *repository_path(GVariant *args);
/* What they can. */
extern const char *const file_capabilities[];
extern const struct driver_call file_calls[]; /* that are the same wherever the folder is */

/* --- repository.c --- */

/* A .json of the folder: a{sv}, or NULL with errno (EBADMSG: it is none). */
GVariant *record_read(int folder, const char *name);
/* On disk when it returns; sinks the record.  False with errno. */
bool record_write(int folder, const char *name, GVariant *record);
/* The folder of the SR that args name; -1 with an error. */
int repository_open(GVariant *args, GError **error);
/* Until the descriptor is closed nobody else has the lock, under which records that share bases are
 * written, and bases removed.  False with an error. */
bool repository_lock(int folder, GError **error);

/* --- disk.c --- */

struct disk {
    int folder;
    const char *uuid;
    char *record_name;
    GVariant *record; /* NULL: there is no such disk */
    bool qcow2;
    char *file;    /* its name */
    char **bases;  /* names of the images (all qcow2) below it, the nearest first; NULL: none */
    bool outdated; /* the record names more of them: those have become part of what stood on them */
};

typedef struct disk disk_t;
void disk_clear(struct disk *disk);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(disk_t, disk_clear)

/* A disk from the record `name`; false with errno.  Its folder is -1, uuid is borrowed. */
bool disk_load(int folder, const char *uuid, const char *name, disk_t *ret_disk);
/* "raw" or "qcow2", which its file's name tells too. */
void disk_set_format(struct disk *disk, const char *format);
/* What the API is told of it; false with errno when its file is not there. */
bool disk_describe(const struct disk *disk, GVariantDict *result);
/* The disk of args' vdi, with its record when it has one.  To be cleared either way. */
bool disk_open(GVariant *args, disk_t *ret_disk, GError **error);
/* The record is there, or VDI_MISSING. */
bool disk_must_exist(const struct disk *disk, GVariant *args, GError **error);
/* Its file, and those below it: the caller's. */
char **disk_chain(const struct disk *disk);
/* Each of its images names what its record says; else SR_BACKEND_FAILURE_65. */
bool disk_check(const struct disk *disk, GError **error);
/* sm_config's image-format; `otherwise` when it does not say. */
bool disk_read_format(GVariant *args, const char *otherwise, struct disk *disk, GError **error);
/* A name of the folder as a path for a tool, which has the folder's descriptor too. */
char *disk_tool_path(const struct disk *disk, const char *name);
bool disk_sync_file(const struct disk *disk, const char *name);
/* What a tool's last words (NULL: errno) mean: no space, or the failure `number`. */
void disk_tool_failed(const struct disk *disk, enum driver_failure number, const char *words,
                      GError **error);
/* An image, new and empty, in the file `part`, above the image `base` (NULL: none), which the
 * caller knows to be there.  On disk when it returns. */
bool disk_make_image(const struct disk *disk, const char *part, gint64 size, const char *base,
                     GError **error);
/* The end of making one, each on disk when it returns: the file `part`, whole, gets its name; then
 * the record, by which it is there.  args: what a new disk has, or the record of before. */
bool disk_publish(const struct disk *disk, const char *part, GError **error);
bool disk_note(struct disk *disk, GVariant *args, gint64 size, GError **error);

/* --- header.c --- */

#define IMAGE_HEADER_MAX 65536 /* bytes, in which ours have all that counts here */

/* What is wrong with an image that begins with these bytes, if it is to name this base (NULL:
 * none), as qcow2, and no other file; NULL: nothing. */
const char *image_fault(const char *bytes, gsize length, const char *base);
/* The same of a file.  Nothing that it names is opened.  SR_BACKEND_FAILURE_65. */
bool image_check(int folder, const char *name, const char *base, GError **error);

/* --- coalesce.c --- */

/* Rewrites records that are outdated.  The caller has the lock, or the repository for itself. False
 * when one could not be, which is logged. */
bool records_tidy(int folder);

/* --- sweep.c --- */

/* Of a disk's record: the caller's; NULL: the file is none. */
char *record_uuid(const char *name);

/* UUID.raw, UUID.qcow2, or UUID.UUID.qcow2: that of the first disk since it was copied as the
 * second. */
bool disk_file_is_valid(const char *name);
/* Removes the files that no record names: those of one disk, which has lost its own, with its bases
 * (of NULL: all, with what broken calls left).  False with errno. */
bool repository_sweep(int folder, const struct disk *of);

/* --- the calls: docs/storage-driver.md --- */

bool sr_probe(GVariant *args, GVariantDict *result, GError **error);
bool sr_create(GVariant *args, GVariantDict *result, GError **error);
bool sr_attach(GVariant *args, GVariantDict *result, GError **error);
bool sr_detach(GVariant *args, GVariantDict *result, GError **error);
bool sr_destroy(GVariant *args, GVariantDict *result, GError **error);
bool sr_scan(GVariant *args, GVariantDict *result, GError **error);
bool sr_stat(GVariant *args, GVariantDict *result, GError **error);
bool sr_chains(GVariant *args, GVariantDict *result, GError **error);
bool sr_coalesce(GVariant *args, GVariantDict *result, GError **error);
bool vdi_create(GVariant *args, GVariantDict *result, GError **error);
bool vdi_copy(GVariant *args, GVariantDict *result, GError **error);
bool vdi_clone(GVariant *args, GVariantDict *result, GError **error);
bool vdi_exchange(GVariant *args, GVariantDict *result, GError **error);
bool vdi_destroy(GVariant *args, GVariantDict *result, GError **error);
bool vdi_resize(GVariant *args, GVariantDict *result, GError **error);
bool vdi_attach(GVariant *args, GVariantDict *result, GError **error);
bool vdi_detach(GVariant *args, GVariantDict *result, GError **error);

#endif
