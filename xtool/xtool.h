/* One run of xtool: its arguments, its server, its output, and the parts that do the work. */
#ifndef XAPID_XTOOL_XTOOL_H
#define XAPID_XTOOL_XTOOL_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

#include "xtool/args.h"
#include "xtool/exit.h"
#include "xtool/fields.h"
#include "xtool/objects.h"
#include "xtool/server.h"
#include "xtool/tables.h"

#define FAILED_ERROR (failed_error_quark()) /* it did not work; the message says all */
GQuark failed_error_quark(void);

struct xtool {
    const char *name; /* as it was called */
    bool as_xe;       /* by the name xe: output and exit codes are xe's */
    struct args *args;
    bool minimal, json, multiple, force;
    bool progress;                /* a person looks on while it waits */
    const struct xt_alias *alias; /* the word of xl's that was typed, or NULL */
    struct server *server;        /* NULL until a command needs it */
    struct objects *objects;
    FILE *out;
};

/* Runs argv; the exit code. */
int xtool_main(int argc, char **argv);
/* Logs in, once. */
bool xtool_connect(struct xtool *x, bool local, GError **error);
/* An error for every argument that nothing has asked for. */
bool xtool_check_unused(struct xtool *x, GError **error);

/* ---- generic.c: CLASS-list and CLASS-param-* ---- */

enum generic_op {
    GENERIC_LIST,
    GENERIC_PARAM_LIST,
    GENERIC_PARAM_GET,
    GENERIC_PARAM_SET,
    GENERIC_PARAM_ADD,
    GENERIC_PARAM_REMOVE,
    GENERIC_PARAM_CLEAR,
    GENERIC_MAX
};

/* The class and operation of "vm-param-set"; false when it is no generic command. */
bool generic_find(const char *command, const struct xt_class **ret_class, enum generic_op *ret_op);
bool generic_run(struct xtool *x, const struct xt_class *cls, enum generic_op op, GError **error);
/* The fields that a list shows: those of `params` ("all", "FIELD,FIELD"); NULL: `columns`, and all
 * when there are none.  Of `fields`, borrowed; the array is the caller's. */
GPtrArray *generic_columns(struct xtool *x, const GPtrArray *fields, const char *params,
                           const char *const *columns, GError **error);
/* Prints objects in the form that the arguments ask for: JSON, one line, blocks or a table. */
bool generic_show(struct xtool *x, const GPtrArray *objects, const GPtrArray *columns,
                  GError **error);
/* One object as a block.  many: it is one of a list. */
bool generic_show_block(struct xtool *x, const struct object *object, const GPtrArray *columns,
                        bool many, GError **error);
/* Appends one object as JSON.  list: it is one of many. */
bool generic_json(struct xtool *x, GString *out, const struct object *object,
                  const GPtrArray *fields, bool list, GError **error);
/* "-param-set" */
const char *generic_suffix(enum generic_op op);
/* What the user may give to it: for help. */
const char *generic_usage(enum generic_op op);

/* ---- change.c: the ones that change a field, for an object that was found ---- */

bool change_set(struct xtool *x, const struct xt_class *cls, const GPtrArray *fields,
                const struct object *object, GError **error);
bool change_add(struct xtool *x, const struct field *field, const struct object *object,
                GError **error);
bool change_remove(struct xtool *x, const struct field *field, const struct object *object,
                   GError **error);
bool change_clear(struct xtool *x, const struct field *field, const struct object *object,
                  GError **error);

/* ---- calls.c: commands that are one call ---- */

/* The command of that name, or NULL. */
const struct xt_command *command_find(const char *name);
bool command_run(struct xtool *x, const struct xt_command *command, GError **error);
/* True when a call or a verb stands behind it. */
bool command_exists(const struct xt_command *command);
/* "vm-start vm=NAME [force=] [on=]", the caller's. */
char *command_usage(const struct xt_command *command);
/* What it does, in sentences, the caller's; "" where nobody wrote one. */
char *command_text(const struct xt_command *command);
/* An argument as a parameter: references by uuid or name, sets of them separated by commas. */
GVariant *argument_value(struct objects *objects, const struct dm_type *type, const char *text,
                         const char *what, GError **error);
/* Calls; for messages whose result is of no interest. */
bool call_message(struct xtool *x, const char *method, GVariant *const *params, unsigned n,
                  GError **error);

/* ---- verbs.c: commands that are more than one call ---- */

struct verb {
    const char *command;
    const char *text; /* what it does, in a sentence */
    /* Without a selector: the whole command. */
    bool (*run)(struct xtool *x, const struct xt_command *command, GError **error);
    /* With one: for each object that was selected, or for all of them at once. */
    bool (*each)(struct xtool *x, const struct object *object, GError **error);
    bool (*all)(struct xtool *x, const GPtrArray *objects, GError **error);
};

/* NULL when there is none for this command. */
const struct verb *verb_find(const char *command);

/* ---- made.c ---- */

/* The value of an argument that the command may have, if it may. */
const char *made_option(struct xtool *x, const struct xt_command *command, const char *key);
/* Gives what `message` has made a name and a description; NULL: leaves it the one it has. */
bool made_name(struct xtool *x, const struct dm_message *message, GVariant *made, const char *label,
               const char *description, GError **error);

/* ---- unplug.c ---- */

/* vbd-unplug, with how long a guest has to let go of the drive. */
bool unplug_drive(struct xtool *x, const struct xt_command *command, GError **error);

/* ---- drives.c: disks and CDs of VMs ---- */

/* The drives that have this object in a field ("VM", "VDI"), of a type ("Disk", "CD"; NULL: all),
 * in the order of their numbers: struct object, borrowed; the array is the caller's. */
GPtrArray *drives_of(struct xtool *x, const char *field, const struct object *object,
                     const char *type, GError **error);
bool drives_disk_list(struct xtool *x, const GPtrArray *vms, GError **error);
bool drives_cd_list(struct xtool *x, const GPtrArray *vms, GError **error);
bool drives_snapshot_disk_list(struct xtool *x, const struct xt_command *command, GError **error);
bool drives_disk_add(struct xtool *x, const struct object *vm, GError **error);
bool drives_disk_remove(struct xtool *x, const struct object *vm, GError **error);
bool drives_cd_add(struct xtool *x, const struct object *vm, GError **error);
bool drives_cd_remove(struct xtool *x, const struct object *vm, GError **error);
bool drives_cd_eject(struct xtool *x, const struct object *vm, GError **error);
bool drives_cd_insert(struct xtool *x, const struct object *vm, GError **error);
/* cd-list: every image that may be put into a drive. */
bool drives_images(struct xtool *x, const struct xt_command *command, GError **error);

/* ---- install.c: vm-install ---- */

bool install_run(struct xtool *x, const struct xt_command *command, GError **error);

/* ---- diagnose.c ---- */

bool diagnose_vdi(struct xtool *x, const struct xt_command *command, GError **error);
bool diagnose_vm(struct xtool *x, const struct xt_command *command, GError **error);

/* ---- database.c: the database as a file ---- */

bool database_dump(struct xtool *x, const struct xt_command *command, GError **error);
bool database_restore(struct xtool *x, const struct xt_command *command, GError **error);
/* db-fsck, db-dump and db-restore, which ask no server. */
bool database_is_local(const char *command);
bool database_local(struct xtool *x, GError **error);

/* ---- streams.c: contents of disks, and VMs with theirs ---- */

bool streams_import(struct xtool *x, const struct xt_command *command, GError **error);
bool streams_export(struct xtool *x, const struct xt_command *command, GError **error);
bool streams_vm_import(struct xtool *x, const struct xt_command *command, GError **error);
bool streams_vm_export(struct xtool *x, const struct object *vm, GError **error);

/* ---- help.c ---- */

/* help, help COMMAND, help --all, and help --man: the page of man; false: unknown command. */
bool help_run(struct xtool *x, GError **error);
/* Commands that are spelled like this one, joined by ", "; "" when none is near. */
char *help_similar(const struct xtool *x, const char *command);

#endif
