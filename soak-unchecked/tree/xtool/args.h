/* The command line in xe's grammar: COMMAND [key=value | --flag | -x value]..., with defaults from
 * XE_EXTRA_ARGS and ~/.xe. */
#ifndef XAPID_XTOOL_ARGS_H
#define XAPID_XTOOL_ARGS_H

#include <glib.h>
#include <stdbool.h>

#define ARGS_MAX 4096             /* arguments in all */
#define ARGS_FILE_MAX (64 * 1024) /* bytes of ~/.xe or a password file */

/* What the user typed is wrong; the message is for him. */
#define USAGE_ERROR (usage_error_quark())
GQuark usage_error_quark(void);
/* Sets *error in that domain. */
void usage_set(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

struct arg {
    char *key;
    char *value;
    bool used; /* a command has asked for it */
};

struct args {
    char *command;    /* NULL: none was given */
    GPtrArray *list;  /* struct arg, in the order given */
    GPtrArray *words; /* what is neither key=value nor a switch */
};

/* Reads argv (without the program's name). */
struct args *args_parse(const char *const *argv, GError **error);
void args_free(struct args *args);
typedef struct args args_owned;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(args_owned, args_free)

/* Adds what has no value yet: from XE_EXTRA_ARGS ("server=a,--nossl"; a backslash escapes), and
 * from lines "key=value" as ~/.xe has them (blank lines and # comments are skipped). */
bool args_add_extra(struct args *args, const char *text, GError **error);
void args_add_lines(struct args *args, const char *text);
void args_add(struct args *args, const char *key, const char *value);
/* Each "key=value" of them; NULL terminated. */
void args_add_pairs(struct args *args, const char *const *pairs);

/* The value of `key` (the first one counts), borrowed, marked as used; NULL when not given. */
const char *args_get(struct args *args, const char *key);
bool args_has(const struct args *args, const char *key);
/* True when `key` is given as true; a value that is no boolean is a usage error. */
bool args_flag(struct args *args, const char *key, bool *ret_flag, GError **error);
/* "true", "false" and what else xe takes for them, in any case. */
bool text_to_bool(const char *text, bool *ret_bool);

/* The arguments "name:KEY=VALUE" as a{ss}, a floating reference, each marked as used. */
GVariant *args_map(struct args *args, const char *name);

/* True for what configures xtool and is no field: a filter passes over it. */
bool args_is_standard(const char *key);

/* Overwrites what looks like a secret in the process's own argv, which others can see. */
void args_scrub(int argc, char **argv);

#endif
