/* xtool's manual: what help prints, and the page of man.  Both come from the same tables. */
#ifndef XAPID_XTOOL_MANUAL_H
#define XAPID_XTOOL_MANUAL_H

#include "xtool/xtool.h"

/* The paragraphs behind the list of commands. */
void manual_print(FILE *out);
/* All of it, in the macros of man. */
void manual_page(FILE *out);
/* "mem-set NAME TARGET", the caller's. */
char *manual_alias(const struct xt_alias *alias);

#endif
