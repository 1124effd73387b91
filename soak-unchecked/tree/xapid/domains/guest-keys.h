/* Copies what a guest wrote into xenstore: only keys that are allowed, as bytes, in bounds. Nothing
 * here knows what they mean; that is xs-guestd's part. */
#ifndef XAPID_DOMAINS_GUEST_KEYS_H
#define XAPID_DOMAINS_GUEST_KEYS_H

#include <glib.h>
#include <stdbool.h>

struct backend_ctx;

/* Of one guest, each time it is copied; what is beyond is left out. */
#define GUEST_KEYS_MAX 256
#define GUEST_KEY_MAX 128           /* bytes of a path below /local/domain/N */
#define GUEST_VALUE_MAX 1024        /* bytes */
#define GUEST_BYTES_MAX (32 * 1024) /* paths and values together */
#define GUEST_NAMES_MAX 2048        /* names looked at */
#define GUEST_REQUESTS_MAX 512      /* to xenstored */

/* The part of a backend that reads guests' keys.  Paths are below /local/domain/N. */
struct guest_store {
    /* From now on drain tells of each write to one of guest_key_trees.  False: the domain is going.
     */
    bool (*watch)(struct backend_ctx *ctx, int domid);
    void (*unwatch)(struct backend_ctx *ctx, int domid);
    /* Readable when drain has something to tell. */
    int (*fd)(struct backend_ctx *ctx);
    /* Does not block.  False: the connection is gone. */
    bool (*drain)(struct backend_ctx *ctx, void (*wrote)(int domid, void *data), void *data,
                  GError **error);
    /* One block for free (), of *ret_n names; NULL: nothing there. */
    char **(*directory)(struct backend_ctx *ctx, int domid, const char *path, unsigned *ret_n);
    /* For free (); NULL: nothing there. */
    void *(*read)(struct backend_ctx *ctx, int domid, const char *path, unsigned *ret_size);
};

/* The trees that hold all allowed keys, NULL terminated; for watches. */
extern const char *const guest_key_trees[];

enum guest_key { GUEST_KEY_NO, GUEST_KEY_ABOVE, GUEST_KEY_ALLOWED };
/* Is `path` allowed, or above one that is? */
enum guest_key guest_key_look_up(const char *path);

/* a(ayay), floating.  *ret_cut: it was more than is copied. */
GVariant *guest_keys_copy(const struct guest_store *store, struct backend_ctx *ctx, int domid,
                          bool *ret_cut);

#endif
