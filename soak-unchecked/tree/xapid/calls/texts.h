/* Records as text that were encoded of late: what many clients ask for, or are told, is encoded
 * once.  One text of a row in each form, and only of the generation that it was of.  Main loop
 * only. */
#ifndef XAPID_CALLS_TEXTS_H
#define XAPID_CALLS_TEXTS_H

#include <glib.h>
#include <stdbool.h>

#define TEXTS_MAX_BYTES (4 * 1024 * 1024)

struct texts;

struct texts *texts_new(void);
void texts_free(struct texts *texts);

/* NULL: none.  Borrowed until the next texts_keep (). */
const GString *texts_find(const struct texts *texts, const char *ref, bool json,
                          guint64 generation);
/* Copies the text. */
void texts_keep(struct texts *texts, const char *ref, bool json, guint64 generation,
                const GString *text);

#endif
