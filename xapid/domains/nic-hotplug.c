/* Run by libxl for each network card: puts its interface into the bridge that is named beside it in
 * xenstore, and says so to the back end, which then lets the guest use it.
 *
 *     nic-hotplug online|offline|add|remove type_if=vif|type_if=tap
 *
 * with XENBUS_PATH and the interfaces' names, vif and INTERFACE (of the emulated card: tap), in the
 * environment.  An interface leaves its bridge when it goes. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xenstore.h>

#include "lib/bridge-name.h"
#include "lib/link.h"

#define KEY_MAX 256
#define DEFAULT_MTU 1500 /* libxl writes no key for it */
#define WAIT_MS 10000    /* for an interface that the kernel is about to make */
#define POLL_MS 5

static int failed(struct xs_handle *xs, const char *base, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static char *
read_key(struct xs_handle *xs, const char *base, const char *name)
{
    char key[KEY_MAX];
    unsigned length;

    snprintf(key, sizeof key, "%s/%s", base, name);
    return xs_read(xs, XBT_NULL, key, &length);
}

static bool
write_key(struct xs_handle *xs, const char *base, const char *name, const char *value)
{
    char key[KEY_MAX];

    snprintf(key, sizeof key, "%s/%s", base, name);
    return xs_write(xs, XBT_NULL, key, value, (unsigned)strlen(value));
}

/* libxl shows what is in hotplug-error. */
static int
failed(struct xs_handle *xs, const char *base, const char *format, ...)
{
    char text[KEY_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "nic-hotplug: %s: %s\n", base, text);
    write_key(xs, base, "hotplug-error", text);
    return EXIT_FAILURE;
}

static int
wait_for_link(const char *name, struct link *ret_link)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000l};
    int rc = link_find(name, ret_link);

    for (int ms = 0; rc == -ENODEV && ms < WAIT_MS; ms += POLL_MS) {
        nanosleep(&pause, NULL);
        rc = link_find(name, ret_link);
    }
    return rc;
}

/* bridge_name and mtu_text are of xenstore keys that dom0 alone can write. */
static int
join(struct xs_handle *xs, const char *base, const char *name, const char *bridge_name,
     const char *mtu_text)
{
    unsigned long mtu = mtu_text ? strtoul(mtu_text, NULL, 10) : DEFAULT_MTU;
    struct link link, bridge;
    int rc;

    if (!bridge_name || !bridge_name_is_valid(bridge_name))
        return failed(xs, base, "no name of a bridge");
    if (mtu < BRIDGE_MTU_MIN || mtu > BRIDGE_MTU_MAX)
        return failed(xs, base, "no MTU");
    rc = link_find(bridge_name, &bridge);
    if (rc == 0 && !bridge.is_bridge)
        rc = -ENODEV;
    if (rc < 0)
        return failed(xs, base, "bridge %s: %s", bridge_name, strerror(-rc));
    rc = wait_for_link(name, &link);
    if (rc == 0)
        rc = link_set_up(name, &link, (uint32_t)mtu);
    if (rc == 0)
        rc = link_join(&link, &bridge);
    if (rc < 0)
        return failed(xs, base, "%s into %s: %s", name, bridge_name, strerror(-rc));
    if (!write_key(xs, base, "hotplug-status", "connected"))
        return failed(xs, base, "hotplug-status: %s", strerror(errno));
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    const char *base = getenv("XENBUS_PATH");
    bool tap = argc > 2 && strcmp(argv[2], "type_if=tap") == 0;
    const char *name = getenv(tap ? "INTERFACE" : "vif");
    struct xs_handle *xs;
    int status;

    if (argc < 3 || !base || !name) {
        fprintf(stderr, "nic-hotplug: libxl runs it\n");
        return EXIT_FAILURE;
    }
    if (strcmp(argv[1], "online") != 0 && strcmp(argv[1], "add") != 0)
        return EXIT_SUCCESS;
    xs = xs_open(0);
    if (!xs) {
        fprintf(stderr, "nic-hotplug: xenstore: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    char *bridge = read_key(xs, base, "bridge"), *mtu = read_key(xs, base, "mtu");
    status = join(xs, base, name, bridge, mtu);
    free(bridge);
    free(mtu);
    xs_close(xs);
    return status;
}
