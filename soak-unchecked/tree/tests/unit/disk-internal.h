/* Between disk.c and disk-vfs.c. */
#ifndef XAPID_TESTS_DISK_INTERNAL_H
#define XAPID_TESTS_DISK_INTERNAL_H

#include <sqlite3.h>

#include "tests/unit/disk.h"

struct disk_file {
    guint number;
    GByteArray *bytes;
};

struct disk_parts {
    sqlite3_vfs vfs; /* first: sqlite3 has its address */
    struct disk *disk;
    char *folder;
    GRand *random;
    GHashTable *names; /* char * -> struct disk_file */
    guint n_files;
    bool dead;                        /* who uses it: nothing is done */
    int sector_size, characteristics; /* as the real file system says */

    GMutex lock; /* for all below */
    unsigned failing;
    guint64 at;
    int error;
    bool lasting;
    int last_error;
};

/* A reference. */
struct disk_file *disk_file_new(struct disk_parts *parts);
void disk_file_unref(void *file);
/* Takes what the operation has. */
void disk_record(struct disk_parts *parts, struct disk_op op);
/* False: this call is to fail. */
bool disk_attempt(struct disk_parts *parts, enum disk_call call);
/* disk-vfs.c: fills parts->vfs. */
void disk_vfs_init(struct disk_parts *parts);

#endif
