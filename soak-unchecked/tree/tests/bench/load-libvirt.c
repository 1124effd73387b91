/* load-libvirt URI WORK CLIENTS [DOMAINS]: calls of libvirt's daemon; see load.h.
 *
 * WORK is one of those in the table below.  With DOMAINS, so many more are defined first, and there
 * until the program ends, as the test driver's are there as long as somebody is connected. */
#include "config.h"

#include <err.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load.h"

#define NAME "guest-%05u"

struct caller {
    virConnectPtr connection;
    virDomainPtr *domains; /* all of them */
    guint n;
};

static const char *uri;

static int
good(int result, const char *what)
{
    if (result < 0)
        errx(1, "%s: %s", what, virGetLastErrorMessage());
    return result;
}

static virConnectPtr
connected(void)
{
    virConnectPtr connection = virConnectOpen(uri);

    if (!connection)
        errx(1, "%s: %s", uri, virGetLastErrorMessage());
    return connection;
}

static int
compare_names(const void *one, const void *another)
{
    return strcmp(virDomainGetName(*(const virDomainPtr *)one),
                  virDomainGetName(*(const virDomainPtr *)another));
}

static void *
caller_open(guint client)
{
    struct caller *caller = g_new0(struct caller, 1);

    (void)client;
    caller->connection = connected();
    caller->n =
        (guint)good(virConnectListAllDomains(caller->connection, &caller->domains, 0), "list");
    /* Of domains that there are many of, guest-00000 is the first. */
    qsort(caller->domains, caller->n, sizeof(virDomainPtr), compare_names);
    return caller;
}

static gsize
state(void *connection, guint turn)
{
    const struct caller *caller = connection;
    int value, reason;

    (void)turn;
    good(virDomainGetState(caller->domains[0], &value, &reason, 0), "state");
    return 0;
}

static gsize
list(void *connection, bool whole)
{
    const struct caller *caller = connection;
    virDomainPtr *domains;
    gsize bytes = 0;
    int n = good(virConnectListAllDomains(caller->connection, &domains, 0), "list");

    for (int i = 0; i < n; i++) {
        char *xml = whole ? virDomainGetXMLDesc(domains[i], 0) : NULL;
        if (whole && !xml)
            errx(1, "XML: %s", virGetLastErrorMessage());
        bytes += xml ? strlen(xml) : 0;
        free(xml);
        virDomainFree(domains[i]);
    }
    free(domains);
    return bytes;
}

static gsize
list_names(void *connection, guint turn)
{
    (void)turn;
    return list(connection, false);
}

static gsize
list_xml(void *connection, guint turn)
{
    (void)turn;
    return list(connection, true);
}

static gsize
shutdown_next(void *connection, guint turn)
{
    const struct caller *caller = connection;

    good(virDomainShutdown(caller->domains[turn % caller->n]), "shutdown");
    return 0;
}

static gsize
create_next(void *connection, guint turn)
{
    const struct caller *caller = connection;

    good(virDomainCreate(caller->domains[turn % caller->n]), "create");
    return 0;
}

/* Volumes of all pools. */
static gsize
volumes(void *connection, guint turn)
{
    const struct caller *caller = connection;
    virStoragePoolPtr *pools;
    gsize found = 0;
    int n = good(virConnectListAllStoragePools(caller->connection, &pools, 0), "pools");

    (void)turn;
    for (int i = 0; i < n; i++) {
        found += (gsize)good(virStoragePoolNumOfVolumes(pools[i]), "volumes");
        virStoragePoolFree(pools[i]);
    }
    free(pools);
    return found;
}

static const struct {
    const char *name;
    gsize (*call)(void *connection, guint turn);
} works[] = {{"state", state},        {"list", list_names},
             {"xml", list_xml},       {"shutdown", shutdown_next},
             {"create", create_next}, {"volumes", volumes}};

static void
define(virConnectPtr connection, guint n)
{
    for (guint i = 0; i < n; i++) {
        g_autofree char *xml = g_strdup_printf(
            "<domain type='test'><name>" NAME "</name><memory>2097152</memory><vcpu>2</vcpu>"
            "<os><type>hvm</type><kernel>/vmlinuz</kernel>"
            "<cmdline>root=/dev/xvda1 console=hvc0</cmdline></os><devices>"
            "<disk type='file' device='disk'><source file='/disks/%05u-a'/><target "
            "dev='xvda'/></disk>"
            "<disk type='file' device='disk'><source file='/disks/%05u-b'/><target "
            "dev='xvdb'/></disk>"
            "</devices></domain>",
            i, i, i);
        virDomainPtr domain = virDomainDefineXML(connection, xml);
        if (!domain)
            errx(1, "define: %s", virGetLastErrorMessage());
        good(virDomainCreate(domain), "create");
        virDomainFree(domain);
    }
}

int
main(int argc, char **argv)
{
    struct load load = {.open = caller_open};

    if (argc < 4)
        errx(2, "usage: load-libvirt URI WORK CLIENTS [DOMAINS]");
    for (guint i = 0; i < G_N_ELEMENTS(works); i++)
        if (strcmp(works[i].name, argv[2]) == 0)
            load.call = works[i].call;
    if (!load.call)
        errx(2, "what is %s?", argv[2]);
    uri = argv[1];
    virInitialize();
    virSetErrorFunc(NULL, NULL); /* it is told once, where it ends us */
    if (argc > 4)
        define(connected(), (guint)strtoul(argv[4], NULL, 10));
    return load_run(&load, (guint)strtoul(argv[3], NULL, 10));
}
