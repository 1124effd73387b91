/* xl's words that stand for no command of xe's. */
#ifndef XAPID_XTOOL_XL_VERBS_H
#define XAPID_XTOOL_XL_VERBS_H

#include "xtool/xl-record.h"
#include "xtool/xtool.h"

/* Runs x->alias, which stands for no command. */
bool xl_verb_run(struct xtool *x, GError **error);

/* --- for the verbs: each connects by itself --- */

/* The bare word at a place, borrowed; NULL: there is none. */
const char *xl_verb_word(const struct xtool *x, unsigned place);
/* Connects.  The VM that the word at this place names. */
const struct object *xl_verb_vm(struct xtool *x, unsigned place, GError **error);

/* --- xl-create.c, xl-console.c, xl-top.c, xl-shutdown.c, xl-drives.c --- */

bool xl_create(struct xtool *x, GError **error);
bool xl_console(struct xtool *x, GError **error);
/* Goes to the console of a VM that runs: returns on failure alone.  type, num: NULL where the user
 * did not say. */
bool xl_console_exec(struct xtool *x, const struct object *vm, const char *type, const char *num,
                     GError **error);
bool xl_top(struct xtool *x, GError **error);
bool xl_shutdown_all(struct xtool *x, GError **error);
bool xl_block_list(struct xtool *x, GError **error);
bool xl_block_attach(struct xtool *x, GError **error);
bool xl_block_detach(struct xtool *x, GError **error);
bool xl_cd_insert(struct xtool *x, GError **error);
bool xl_cd_eject(struct xtool *x, GError **error);

/* The VDI that a target of xl's means: a disk's uuid or name, or the path that its driver has for
 * it. */
const struct object *xl_target(struct xtool *x, const char *target, bool cd, GError **error);
/* Gives the VM a drive: VBD.create.  vdi NULL: an empty one.  The reference, or NULL. */
GVariant *xl_add_drive(struct xtool *x, const char *vm, const struct object *vdi,
                       const struct xl_disk *disk, GError **error);

#endif
