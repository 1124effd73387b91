/* What xe calls things, as constant tables generated from xtool/schema (see its README.md). */
#ifndef XAPID_XTOOL_TABLES_H
#define XAPID_XTOOL_TABLES_H

#include <stdbool.h>
#include <stddef.h>

struct xt_source {
    const char *name; /* "memory-actual"; NULL ends a list */
    const char *path; /* "metrics.memory_actual" */
};

struct xt_class {
    const char *name;               /* "vm" */
    const char *api_class;          /* "VM" */
    const struct xt_source *fields; /* those that are not the API's own with - for _ */
    const char *const *filter;  /* "is-a-template=false"; this and what follows ends with NULL */
    const char *const *columns; /* empty: all */
    const char *const *hidden;
    const char *const *deprecated;
};

struct xt_call {
    const char *when;        /* "force": must be true; "on=": must be given; or NULL */
    const char *method;      /* "VM.start"; NULL ends a list */
    const char *const *args; /* where the parameters come from */
};

struct xt_command {
    const char *name;
    const char *const *need;
    const char *const *may;
    const char *const *fill;     /* "key=value" of arguments that were left out */
    const char *select;          /* the class it takes objects of, or NULL */
    const struct xt_call *calls; /* tried in order; may be empty */
    const char *const *keys;     /* of a map that results: which are shown; empty: all */
    bool common, hidden, local, deprecated;
};

struct xt_column {
    const char *title; /* "Mem"; NULL ends a list */
    const char *field; /* "memory-actual" */
    const char *key;   /* of a map: the one that is shown, or NULL */
    const char *form;  /* "mib", or NULL: as xe has it */
};

struct xt_switch {
    const char *word; /* "-i"; NULL ends a list */
    const char *key;  /* "iterations" */
    bool takes_value; /* the next word */
};

/* A word of xl's. */
struct xt_alias {
    const char *name;
    const char *as;                  /* the command, or NULL: a verb of xl-verbs.c */
    const char *const *words;        /* what bare words stand for: "vm", "target/mem", "file?" */
    const char *const *set;          /* "force=true" */
    const struct xt_column *columns; /* what a list shows; empty: the class's own */
    const struct xt_switch *switches;
    const char *text; /* of a verb: what it does, in a sentence */
    bool lines;       /* a line for each of them, and not a table */
    bool live;        /* of those alone that have a domain */
};

/* An enum's value that xe spells in another way. */
struct xt_spelling {
    const char *en;    /* "vm_power_state" */
    const char *value; /* "Halted" */
    const char *text;  /* "halted" */
};

extern const struct xt_class xt_classes[];
extern const unsigned xt_n_classes;
extern const struct xt_command xt_commands[]; /* sorted by name */
extern const unsigned xt_n_commands;
extern const struct xt_alias xt_aliases[];
extern const unsigned xt_n_aliases;
extern const struct xt_spelling xt_spellings[];
extern const unsigned xt_n_spellings;

#endif
