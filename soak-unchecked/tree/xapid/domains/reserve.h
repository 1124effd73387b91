/* Memory that builds under way are still going to take, so that two of them cannot both count on
 * the same.
 *
 * A reservation is a file RUN/reserved/UUID that its holder keeps locked: it ends with the process,
 * whatever ends that.  What a domain has already been given no longer counts.  Workers only; calls
 * block, no longer than RESERVE_LOCK_WAIT_MS for each other. */
#ifndef XAPID_DOMAINS_RESERVE_H
#define XAPID_DOMAINS_RESERVE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define RESERVE_LOCK_WAIT_MS 20000 /* for others to count */

struct memory_view {
    /* KiB that the domain of a uuid has; 0 when there is none. */
    bool (*allocated)(const char *uuid, uint64_t *ret_kb, void *data, GError **error);
    bool (*available)(uint64_t *ret_kb, void *data, GError **error);
    void *data;
};

/* The folder, made when missing: a descriptor, -1 on failure. */
int reserves_open(const char *run_dir, GError **error);
/* Reserves need_kb for the domain of `uuid` when it is there and nobody else counts on it:
 * HOST_NOT_ENOUGH_FREE_MEMORY [needed, available] in bytes; INTERNAL_ERROR when others count for
 * longer than the wait.  Returns a descriptor that holds it, -1 on failure. */
int reserve_take(int reserves, const char *uuid, uint64_t need_kb, const struct memory_view *view,
                 GError **error);
int reserve_take_within(int reserves, const char *uuid, uint64_t need_kb,
                        const struct memory_view *view, int64_t wait_ms, GError **error);
void reserve_end(int reserves, const char *uuid, int fd);

#endif
