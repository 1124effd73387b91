/* Entries of the journal that tell of rows what no field tells, because clients write fields.  They
 * live as long as the rows, and are where the rows are: in a dump, too. */
#ifndef XAPID_MODEL_JOURNAL_H
#define XAPID_MODEL_JOURNAL_H

/* The boot in which this host was last seen, whether that is to end, and whether the host stays
 * disabled in the next one. */
#define JOURNAL_BOOT "boot"
#define JOURNAL_BOOT_TYPE "(sbb)"
/* The rows are from a dump, and no boot has begun since: perhaps on another machine, while the one
 * that they are from still runs its guests.  Is in no dump. */
#define JOURNAL_RESTORED "restored"
#define JOURNAL_RESTORED_TYPE "b"
/* A VM that stands for a domain of another tool; its reference follows. */
#define JOURNAL_FOREIGN "foreign/"
#define JOURNAL_FOREIGN_TYPE "b"
/* The names of the default templates that were made: those that are gone are not made again. */
#define JOURNAL_TEMPLATES "templates"
#define JOURNAL_TEMPLATES_TYPE "as"

/* A change of addresses that is not confirmed yet, with what it is undone to (calls/safe-change.h).
 * Is in no dump. */
#define JOURNAL_ADDRESSES "addresses"
#define JOURNAL_ADDRESSES_TYPE "a{sv}"

/* The type of such an entry, NULL when the key is another's. */
const char *journal_row_type(const char *key);

#endif
