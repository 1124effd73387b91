/* Errors as people should read them: what happened to which object, and what to do next. */
#ifndef XAPID_XTOOL_EXPLAIN_H
#define XAPID_XTOOL_EXPLAIN_H

#include "xtool/xtool.h"

/* One sentence, and a second line with a hint where there is one.  Looks up names of objects when
 * x has a server; the caller's. */
char *explain(struct xtool *x, const GError *error);
/* The same on stderr, after "error: ". */
void explain_print(struct xtool *x, const GError *error);
/* The exit code that the error means. */
enum xtool_exit explain_exit(const struct xtool *x, const GError *error);

#endif
