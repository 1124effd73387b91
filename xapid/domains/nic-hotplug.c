/* Run by libxl for each network card: locks its interface to what the guest may send, puts it into
 * the bridge that is named beside it in xenstore, be it one of Linux or of Open vSwitch, and says
 * so to the back end, which then lets the guest use it.
 *
 *     nic-hotplug online|offline|add|remove type_if=vif|type_if=tap
 *
 * with XENBUS_PATH and the interfaces' names, vif and INTERFACE (of the emulated card: tap), in the
 * environment.  An interface leaves its bridge when it goes; Open vSwitch is told so. */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/bridge-name.h"
#include "lib/link.h"
#include "lib/port.h"
#include "xapid/domains/hotplug.h"

#define DEFAULT_MTU 1500 /* libxl writes no key for it */
#define WAIT_MS 10000    /* for an interface that the kernel is about to make */
#define POLL_MS 5

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

/* Of xenstore keys that dom0 alone can write; NULL: there is none. */
struct keys {
    char *bridge, *mtu, *mac, *lock;
};

static int
join(struct xs_handle *xs, const char *base, const char *name, const struct keys *keys)
{
    unsigned long mtu = keys->mtu ? strtoul(keys->mtu, NULL, 10) : DEFAULT_MTU;
    const char *bridge_name = keys->bridge;
    uint8_t mac[NIC_MAC_LENGTH];
    struct nic_lock lock;
    const struct port_network network = {bridge_name, OVSDB_SOCKET};
    char why[OVSDB_TEXT_MAX];
    struct link link;
    int rc;

    if (!bridge_name || !bridge_name_is_valid(bridge_name))
        return hotplug_failed(xs, base, "no name of a bridge");
    if (mtu < BRIDGE_MTU_MIN || mtu > BRIDGE_MTU_MAX)
        return hotplug_failed(xs, base, "no MTU");
    if (!nic_lock_parse(keys->lock ? keys->lock : "", &lock) || !keys->mac ||
        !nic_mac_parse(keys->mac, mac))
        return hotplug_failed(xs, base, "no lock or no address");
    rc = wait_for_link(name, &link);
    if (rc == 0 && lock.mode != NIC_UNLOCKED)
        rc = link_lock(&link, &lock, mac);
    if (rc == 0)
        rc = link_set_up(name, &link, (uint32_t)mtu);
    *why = '\0';
    if (rc == 0)
        rc = port_join(&link, &network, why);
    if (rc < 0)
        return hotplug_failed(xs, base, "%s into %s: %s", name, bridge_name,
                              *why ? why : strerror(-rc));
    if (!hotplug_write(xs, base, "hotplug-status", "connected"))
        return hotplug_failed(xs, base, "hotplug-status: %s", strerror(errno));
    return EXIT_SUCCESS;
}

/* What could not be done is done by xapid-host, which looks for ports without an interface. */
static int
leave(const char *name)
{
    char why[OVSDB_TEXT_MAX];
    int rc = port_leave(name, OVSDB_SOCKET, why);

    if (rc < 0)
        fprintf(stderr, "nic-hotplug: %s: %s\n", name, *why ? why : strerror(-rc));
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    bool tap = argc > 2 && strcmp(argv[2], "type_if=tap") == 0;
    const char *name = getenv(tap ? "INTERFACE" : "vif"), *base;
    struct xs_handle *xs;
    int status;

    if (argc < 3 || !name) {
        fprintf(stderr, "nic-hotplug: libxl runs it\n");
        return EXIT_FAILURE;
    }
    if (strcmp(argv[1], "online") != 0 && strcmp(argv[1], "add") != 0)
        return leave(name);
    xs = hotplug_open(&base);
    if (!xs)
        return EXIT_FAILURE;
    struct keys keys = {.bridge = hotplug_read(xs, base, "bridge"),
                        .mtu = hotplug_read(xs, base, "mtu"),
                        .mac = hotplug_read(xs, base, "mac"),
                        .lock = hotplug_read(xs, base, "ip")};
    status = join(xs, base, name, &keys);
    free(keys.bridge);
    free(keys.mtu);
    free(keys.mac);
    free(keys.lock);
    xs_close(xs);
    return status;
}
