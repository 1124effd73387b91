#include "config.h"

#include "xapid/domains/hotplug.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 256

struct xs_handle *
hotplug_open(const char **ret_base)
{
    struct xs_handle *xs;

    *ret_base = getenv("XENBUS_PATH");
    if (!*ret_base) {
        fprintf(stderr, "%s: libxl runs it\n", program_invocation_short_name);
        return NULL;
    }
    xs = xs_open(0);
    if (!xs)
        fprintf(stderr, "%s: xenstore: %s\n", program_invocation_short_name, strerror(errno));
    return xs;
}

char *
hotplug_read(struct xs_handle *xs, const char *base, const char *name)
{
    char key[KEY_MAX];
    unsigned length;

    snprintf(key, sizeof key, "%s/%s", base, name);
    return xs_read(xs, XBT_NULL, key, &length);
}

bool
hotplug_write(struct xs_handle *xs, const char *base, const char *name, const char *value)
{
    char key[KEY_MAX];

    snprintf(key, sizeof key, "%s/%s", base, name);
    return xs_write(xs, XBT_NULL, key, value, (unsigned)strlen(value));
}

int
hotplug_failed(struct xs_handle *xs, const char *base, const char *format, ...)
{
    char text[KEY_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, base, text);
    hotplug_write(xs, base, "hotplug-error", text);
    return EXIT_FAILURE;
}
