/* The record that makes a domain ours: userdata "xapid" beside it, removed by libxl with it. */
#ifndef XAPID_DOMAINS_LIBXL_RECORD_H
#define XAPID_DOMAINS_LIBXL_RECORD_H

#include <glib.h>
#include <stdbool.h>

#include "xapid/domains/guest-config.h"

#define RECORD_USERID "xapid"
#define RECORD_MAX 4096 /* bytes; more than that is not ours */

struct record {
    char *op_id, *name_label;
    enum guest_type type;
};

/* As text. */
char *record_format(const char *uuid, const char *op_id, const char *name_label,
                    enum guest_type type);
/* False when it is no record of that uuid; the strings are the caller's. */
bool record_parse(const char *bytes, gsize length, const char *uuid, struct record *ret_record);

#endif
