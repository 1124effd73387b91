/* The limits of the door, as the settings and the system have them. */
#ifndef XAPID_LIMITS_H
#define XAPID_LIMITS_H

#include "lib/settings.h"
#include "xapid/http/http.h"

/* Raises the limit of this process's descriptors for them, where the system lets us; where it does
 * not, fewer connections are allowed, and it is logged. */
struct http_limits limits_of(const struct settings_limits *settings);

#endif
