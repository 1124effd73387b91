/* told-libvirt URI SUBSCRIBERS: connections that wait for events of domains, while another one
 * suspends and resumes one; see told.h. */
#include "config.h"

#include <err.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>

#include "tests/bench/told.h"

static struct told told;
static GMutex lock; /* for told */
static GCond all_know;

static void
good(int result, const char *what)
{
    if (result < 0)
        errx(1, "%s: %s", what, virGetLastErrorMessage());
}

static virConnectPtr
connected(const char *uri)
{
    virConnectPtr connection = virConnectOpen(uri);

    if (!connection)
        errx(1, "%s: %s", uri, virGetLastErrorMessage());
    return connection;
}

/* They come in their order, one for each change. */
static int
on_event(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
    guint subscriber = GPOINTER_TO_UINT(data);

    (void)connection;
    (void)domain;
    (void)event;
    (void)detail;
    g_mutex_lock(&lock);
    told_know(&told, subscriber, told.newest[subscriber] + 1);
    if (!told.behind)
        g_cond_signal(&all_know);
    g_mutex_unlock(&lock);
    return 0;
}

static void *
events_run(void *data)
{
    (void)data;
    for (;;)
        good(virEventRunDefaultImpl(), "event");
    return NULL;
}

static void
change(virDomainPtr domain)
{
    g_mutex_lock(&lock);
    guint number = told_send(&told);
    g_mutex_unlock(&lock);
    good(number % 2 ? virDomainSuspend(domain) : virDomainResume(domain), "change");
    g_mutex_lock(&lock);
    told_answer(&told);
    g_mutex_unlock(&lock);
}

int
main(int argc, char **argv)
{
    guint changes, pause_ms;

    if (argc != 3)
        errx(2, "usage: told-libvirt URI SUBSCRIBERS");
    virInitialize();
    virSetErrorFunc(NULL, NULL); /* it is told once, where it ends us */
    good(virEventRegisterDefaultImpl(), "events");
    virDomainPtr domain = virDomainLookupByName(connected(argv[1]), "test");
    if (!domain)
        errx(1, "test: %s", virGetLastErrorMessage());
    told_init(&told, (guint)strtoul(argv[2], NULL, 10));
    g_thread_unref(g_thread_new("events", events_run, NULL));
    for (guint i = 0; i < told.n_subscribers; i++)
        good(virConnectDomainEventRegisterAny(
                 connected(argv[1]), NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                 VIR_DOMAIN_EVENT_CALLBACK(on_event), GUINT_TO_POINTER(i), NULL),
             "subscribe");
    while (told_round(&changes, &pause_ms)) {
        for (guint i = 0; i < changes; i++) {
            g_usleep(pause_ms * 1000);
            change(domain);
        }
        g_mutex_lock(&lock);
        while (told.behind)
            g_cond_wait(&all_know, &lock);
        told_report(&told);
        g_mutex_unlock(&lock);
    }
    return 0;
}
