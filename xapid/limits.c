#include "config.h"

#include "xapid/limits.h"

#include <sys/resource.h>

#include "lib/log.h"
#include "xapid/http/console.h"
#include "xapid/storage/storage.h"

/* Descriptors that are not connections of clients: our own, and what consoles and streams of disks
 * have, a client's and the other end's each. */
#define OTHER_DESCRIPTORS (256 + 2 * (CONSOLES_MAX + VDI_TRANSFERS_MAX))
#define MIN_CONNECTIONS 16 /* however few descriptors the system allows */

/* As many descriptors as connections are allowed, and some for the rest, where the system lets us:
 * the usual soft limit is for programs that use select ().  Where it does not, fewer connections
 * from outside: what is left is for root's, and for our own files. */
static void
allow_descriptors(struct http_limits *limits)
{
    struct rlimit limit;
    rlim_t others = limits->reserved_connections + OTHER_DESCRIPTORS;
    rlim_t wanted = limits->max_connections + others;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = MIN(wanted, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted)
        return;
    limits->max_connections =
        (guint)(limit.rlim_cur > others + MIN_CONNECTIONS ? limit.rlim_cur - others
                                                          : MIN_CONNECTIONS);
    log_warning("max_connections takes %" G_GUINT64_FORMAT
                " descriptors, of which the system allows %" G_GUINT64_FORMAT
                " (LimitNOFILE): it is %u",
                (guint64)wanted, (guint64)limit.rlim_cur, limits->max_connections);
}

struct http_limits
limits_of(const struct settings_limits *settings)
{
    struct http_limits limits = http_limits_default;

    limits.max_connections = settings->max_connections;
    limits.max_connections_per_address = settings->max_connections_per_address;
    limits.reserved_connections = settings->reserved_connections;
    limits.max_body = settings->max_body;
    limits.max_header = settings->max_header;
    limits.header_read_seconds = settings->header_read_seconds;
    limits.header_total_seconds = settings->header_total_seconds;
    limits.body_read_seconds = settings->body_read_seconds;
    limits.keep_alive_seconds = settings->keep_alive_seconds;
    limits.max_bodies_total = settings->max_bodies_total;
    allow_descriptors(&limits);
    return limits;
}
