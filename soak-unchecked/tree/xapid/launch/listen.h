/* The listening sockets that xapid-launch holds for as long as it lives.  Start-up only; blocks. */
#ifndef XAPID_LAUNCH_LISTEN_H
#define XAPID_LAUNCH_LISTEN_H

#include "lib/settings.h"

#include <stdbool.h>
#include <sys/types.h>

#define LISTEN_BACKLOG 4096    /* connections that wait while xapid restarts */
#define LISTEN_RETRY_SECONDS 5 /* while the programs of a launcher that was killed still end */
#define LISTENERS_MAX (2 * SETTINGS_LISTEN_MAX + 1)

struct listener {
    int fd;
    const char *name; /* of lib/peer/peer.h: "listen https", "listen http", "listen unix" */
};

struct listeners {
    struct listener items[LISTENERS_MAX];
    size_t count;
    char *unix_path;
    dev_t unix_dev; /* what we bound, so that no other's socket is removed */
    ino_t unix_ino;
};

/* Opens what the settings name.  The unix socket has mode 0600 and our uid; a socket that nobody
 * listens on any more is replaced, anything else at its path is an error.  An IPv6 wildcard on a
 * host without IPv6 is left out. */
bool listeners_open(struct listeners *listeners, const struct settings *settings, GError **error);
/* Closes them and removes the unix socket if it is still ours. */
void listeners_clear(struct listeners *listeners);

#endif
