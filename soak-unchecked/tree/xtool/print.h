/* Output: xe's blocks, tables for people, one line for scripts; and safety for terminals. */
#ifndef XAPID_XTOOL_PRINT_H
#define XAPID_XTOOL_PRINT_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

/* Text without anything that a terminal would obey: control characters stand as \n, \t or \xNN. */
char *text_printable(const char *text);
/* The same, when `out` is a terminal; else a copy. */
char *text_for(FILE *out, const char *text);
/* Columns that it takes on a terminal. */
unsigned text_width(const char *text);

/* One block as xe prints it: names with their marks, each with its value.  The first name is flush
 * left, the others right-aligned to the longest + 4; two blank lines follow. */
void print_block(FILE *out, const char *const *names, const char *const *values, unsigned n);

/* Rows of n_columns cells each under aligned titles; nothing but the titles when there are none. */
void print_table(FILE *out, const char *const *titles, unsigned n_columns, const char *const *cells,
                 unsigned n_rows);

/* xe's --minimal: comma separated, commas and backslashes in a value escaped by a backslash. */
void print_minimal(FILE *out, const char *const *values, unsigned n);

#endif
