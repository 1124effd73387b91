/* domains-delay PROGRAM KERNEL ROUNDS: on real Xen, how long after a domain ended by itself xapid
 * is told.  The hypervisor ends it at a known moment, as a crash. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <xenctrl.h>

#include "lib/log.h"
#include "tests/sim/domains-client.h"

#define UUID "dddddddd-0000-4000-8000-000000000001"
#define MEMORY ((gint64)32 << 20)
#define ROUNDS_MAX 1000

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Milliseconds, or less than 0. */
static double
one_round(struct domains_client *client, xc_interface *xc, const char *kernel, int round)
{
    g_autofree char *create = g_strdup_printf("create-%d", round);
    g_autofree char *unpause = g_strdup_printf("unpause-%d", round);
    g_autofree char *destroy = g_strdup_printf("destroy-%d", round);
    g_autoptr(GVariant) result = NULL;
    g_autoptr(GError) error = NULL;
    gint64 from_us;
    double ms = -1;
    int domid;

    if (!client_run(client, create, "create", UUID,
                    client_guest_args("pvh", kernel, "", "", MEMORY), &result, &error) ||
        !client_run(client, unpause, "unpause", UUID, NULL, NULL, &error)) {
        fprintf(stderr, "domains-delay: %s\n", error->message);
        return -1;
    }
    g_variant_lookup(result, "domid", "i", &domid);
    client_settle(300);
    from_us = g_get_monotonic_time();
    if (xc_domain_shutdown(xc, (uint32_t)domid, SHUTDOWN_crash) == 0 &&
        client_wait_changed(client, UUID, 10000))
        ms = (double)(g_get_monotonic_time() - from_us) / 1000;
    g_autofree char *state = client_state(client, UUID);
    if (!g_str_equal(state, "shutdown"))
        ms = -1;
    client_run(client, destroy, "destroy", UUID, NULL, NULL, NULL);
    return ms;
}

int
main(int argc, char **argv)
{
    const char *const none[] = {NULL};
    g_autoptr(GError) error = NULL;
    struct domains_client *client;
    double ms[ROUNDS_MAX];
    xc_interface *xc;
    int rounds = argc == 4 ? atoi(argv[3]) : 0;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: domains-delay PROGRAM KERNEL ROUNDS\n");
        return EXIT_FAILURE;
    }
    log_init("domains-delay", LOG_LEVEL_WARNING);
    xc = xc_interface_open(NULL, NULL, 0);
    client = xc ? client_start(argv[1], none, NULL, &error) : NULL;
    if (!client) {
        fprintf(stderr, "domains-delay: %s\n", error ? error->message : "no Xen here");
        return EXIT_FAILURE;
    }
    for (int i = 0; i < rounds; i++) {
        ms[i] = one_round(client, xc, argv[2], i);
        if (ms[i] < 0) {
            fprintf(stderr, "domains-delay: round %d was not told\n", i);
            return EXIT_FAILURE;
        }
    }
    qsort(ms, (size_t)rounds, sizeof *ms, compare);
    printf("%d rounds: median %.1f ms, least %.1f, most %.1f\n", rounds, ms[rounds / 2], ms[0],
           ms[rounds - 1]);
    client_stop(client);
    xc_interface_close(xc);
    return EXIT_SUCCESS;
}
