/* What may follow on a command line that is being typed: for the shell's completion, which calls
 * "xtool complete" with the line on standard input. */
#ifndef XAPID_XTOOL_COMPLETE_H
#define XAPID_XTOOL_COMPLETE_H

#include "xtool/xtool.h"

#define COMPLETE_LINE_MAX (64 * 1024)

struct completion;

/* The arguments that stand on the line before the word that is being typed, and that word in *ret.
 * breaks: bash's COMP_WORDBREAKS.  NULL when the line cannot be one of ours. */
struct args *complete_parse(const char *line, const char *breaks, struct completion **ret,
                            GError **error);
/* Prints what the word may become, a line each, from where the shell replaces it.  x->args are
 * those of the line.  Silent about what goes wrong; ends the process when the server takes too
 * long. */
void complete_run(struct xtool *x, struct completion *completion);
void completion_free(struct completion *completion);

#endif
