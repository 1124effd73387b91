/* The verbs of the interface over a backend: idempotent, and safe to repeat after a process died
 * anywhere in between.  Used by a worker's main thread; calls block. */
#ifndef XAPID_DOMAINS_VERBS_H
#define XAPID_DOMAINS_VERBS_H

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "xapid/domains/backend.h"

struct verbs {
    const struct backend *backend;
    struct backend_ctx *ctx;
    int marks;            /* of marks_open () */
    int images, cores;    /* of images_open () */
    const char *disks;    /* folder of the disks' handles */
    int kernels_dir;      /* of struct backend_options */
    atomic_bool *aborted; /* set by the abort thread; looked at between steps */
};

/* Takes each part of a long answer, an a{sv} (floating); the last comes as *ret_result. */
typedef bool (*verbs_part_fn)(GVariant *part, void *data, GError **error);

/* Runs one verb: those of Start, and
 *     list       result: domains aa{sv}, in parts: those of `uuid`, "" = all
 *     host_info  result: that of HostInfo
 *     dmesg, dmesg_clear  result: text s, in parts
 *     consoles   result: those of a domain of ours, (struct guest_consoles) screen, text s
 *     recover    removes what a broken build left of `uuid` ("" = of all marks), then as list
 * *ret_result is an a{sv}, floating. */
bool verbs_run(struct verbs *verbs, const char *verb, const char *uuid, const char *op_id,
               GVariant *args, verbs_part_fn part, void *data, GVariant **ret_result,
               GError **error);

#endif
