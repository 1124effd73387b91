/* The states in which a power cut may leave a disk, from the log of what was done to it.
 *
 * What was synced is there.  Of what came after, any part is, in any order: a disk writes sectors
 * when and in the order it likes, a file's size apart from its bytes and its name apart from both.
 * A sector of 512 bytes is written whole or not at all.  After a sync that failed, the same holds
 * of all that it was to write, and what is missing then stays so: the kernel takes it for written.
 */
#ifndef XAPID_TESTS_POWER_CUT_H
#define XAPID_TESTS_POWER_CUT_H

#include "tests/unit/disk.h"

enum power_cut_kind {
    POWER_CUT_NOTHING,    /* nothing but what was synced */
    POWER_CUT_EVERYTHING, /* all that was written: of the whole log, every prefix */
    POWER_CUT_TORN,       /* the same, and of the last write only the first sectors */
    POWER_CUT_RANDOM,     /* any part of it */
    POWER_CUT_KINDS
};

struct power_cut;

/* At the beginning of the disk's log (borrowed).  Of the `ignored` (DISK_SYNC_FOLDER, DISK_SYNC of
 * files whose name ends so) the disk only says that they are done. */
struct power_cut *power_cut_new(const struct disk *disk, unsigned ignored, const char *suffix,
                                GRand *random);
void power_cut_free(struct power_cut *cut);
/* On by one operation; false: that was the last. */
bool power_cut_next(struct power_cut *cut);
/* Operations that were done. */
guint power_cut_position(const struct power_cut *cut);
/* Name -> GByteArray.  The caller frees. */
GHashTable *power_cut_image(struct power_cut *cut, enum power_cut_kind kind);

#endif
