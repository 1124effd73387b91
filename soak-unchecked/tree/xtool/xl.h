/* xl's everyday words: the commands that they stand for, and tables in xl's columns. */
#ifndef XAPID_XTOOL_XL_H
#define XAPID_XTOOL_XL_H

#include "xtool/xtool.h"

/* The alias of that name, or NULL. */
const struct xt_alias *xl_find(const char *name);
/* The switch of its own that the command has by that word ("-i"), or NULL. */
const struct xt_switch *xl_switch(const char *command, const char *word);
/* The command becomes the one that the alias stands for (it stands for one), and bare words its
 * arguments. */
void xl_expand(struct args *args, const struct xt_alias *alias);
/* The key that the word at this place stands for ("target"), the caller's; NULL: there is none. */
char *xl_word(const struct xt_alias *alias, unsigned place);
/* Must it be there? */
bool xl_needs(const struct xt_alias *alias, unsigned place);
/* Prints the alias's columns of objects, which have these fields. */
bool xl_show(struct xtool *x, const struct xt_alias *alias, const GPtrArray *objects,
             const GPtrArray *fields, GError **error);

#endif
