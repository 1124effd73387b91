/* A configuration file of xl's, read by Xen's libxlutil: its values, and what of it cannot be had.
 * There in builds with Xen alone.
 *
 * Whoever takes a key has dealt with it; what nobody took is unknown.  What cannot be had is
 * collected, so that a user hears of all of it at once, and may be left out by its name. */
#ifndef XAPID_XTOOL_XL_FILE_H
#define XAPID_XTOOL_XL_FILE_H

#include <glib.h>
#include <libxlutil.h>
#include <stdbool.h>

struct xl_file;

/* name: for messages.  leave_out: names separated by commas, "all", or NULL.  An error for what is
 * no configuration. */
struct xl_file *xl_file_parse(const char *name, const char *text, const char *leave_out,
                              GError **error);
void xl_file_free(struct xl_file *file);
typedef struct xl_file xl_file_owned;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xl_file_owned, xl_file_free)

/* Each takes the key.  Nothing is there when it is not in the file, is left out, or has a value of
 * another kind, which is noted then. */
bool xl_file_has(struct xl_file *file, const char *key);
const char *xl_file_text(struct xl_file *file, const char *key); /* borrowed, UTF-8 */
bool xl_file_number(struct xl_file *file, const char *key, gint64 min, gint64 max, gint64 *ret);
bool xl_file_flag(struct xl_file *file, const char *key, bool *ret);
/* Texts, borrowed; the array is the caller's. */
GPtrArray *xl_file_list(struct xl_file *file, const char *key);
/* Takes nothing: is there a list of that name? */
bool xl_file_is_list(struct xl_file *file, const char *key);

/* Reads one entry of disk=[] into an initialised disk; what is wrong with it is noted. */
bool xl_file_disk(struct xl_file *file, const char *entry, libxl_device_disk *disk);

/* Notes a mistake of the file's. */
void xl_file_wrong(struct xl_file *file, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Notes that `name`, a key or "disk:script", cannot be had; unless it is left out. */
void xl_file_refuse(struct xl_file *file, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Notes the keys that nobody took. */
void xl_file_refuse_unknown(struct xl_file *file);
/* The names that were left out, ", " between them, the caller's; NULL with an error that tells all
 * that was noted.  hint: and how to leave it out. */
char *xl_file_finish(struct xl_file *file, bool hint, GError **error);

/* The names of keys in a text that libxlutil has accepted, each once: char *. */
GPtrArray *xl_file_keys(const char *text);

#endif
