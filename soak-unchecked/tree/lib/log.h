/* Structured log of a program: one line a message to standard error (journald adds time, priority
 * and unit), "<N>" priority prefix when standard error is the journal.  Any thread.
 * Library rooms log at debug only; a program logs where an error stops being passed on. */
#ifndef XAPID_LIB_LOG_H
#define XAPID_LIB_LOG_H

#include <glib.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `program` (borrowed for ever) starts each line.  Also catches GLib's own messages.
 * May be called again, to change the level. */
void log_init(const char *program, enum log_level level);
/* "error", "warning", "info" or "debug"; -1 for anything else. */
int log_level_parse(const char *name);
/* Is a line of that level written?  For what is costly to say. */
bool log_is_on(enum log_level level);

void log_write(enum log_level level, const char *format, ...) G_GNUC_PRINTF(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
