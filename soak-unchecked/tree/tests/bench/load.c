#include "config.h"

#include "tests/bench/load.h"

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct round {
    const struct load *load;
    pthread_barrier_t begin, end;
    guint calls; /* of each client; 0: the program ends */
};

struct client {
    struct round *round;
    guint number;
    GArray *times; /* of double, seconds */
    gsize bytes;
};

double
load_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int
compare(const void *one, const void *another)
{
    double a = *(const double *)one, b = *(const double *)another;

    return (a > b) - (a < b);
}

void
load_sort(GArray *times)
{
    g_array_sort(times, compare);
}

double
load_quantile(const GArray *sorted, double part)
{
    guint at = (guint)(part * sorted->len);

    return g_array_index(sorted, double, MIN(at, sorted->len - 1));
}

static void *
client_run(void *data)
{
    struct client *client = data;
    struct round *round = client->round;
    void *connection = round->load->open(client->number);
    guint turn = 0;

    for (;;) {
        pthread_barrier_wait(&round->begin);
        if (!round->calls)
            return NULL;
        for (guint i = 0; i < round->calls; i++) {
            double began = load_now();
            client->bytes += round->load->call(connection, turn++);
            double took = load_now() - began;
            g_array_append_val(client->times, took);
        }
        pthread_barrier_wait(&round->end);
    }
}

static void
report(struct client *clients, guint n, double seconds)
{
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(double));
    gsize bytes = 0;

    for (guint i = 0; i < n; i++) {
        g_array_append_vals(all, clients[i].times->data, clients[i].times->len);
        g_array_set_size(clients[i].times, 0);
        bytes += clients[i].bytes;
        clients[i].bytes = 0;
    }
    load_sort(all);
    printf("{\"seconds\": %.9f, \"calls\": %u, \"bytes\": %zu, \"p50\": %.9f, \"p95\": %.9f,"
           " \"p99\": %.9f, \"max\": %.9f}\n",
           seconds, all->len, bytes, load_quantile(all, 0.5), load_quantile(all, 0.95),
           load_quantile(all, 0.99), load_quantile(all, 1));
    fflush(stdout);
}

int
load_run(const struct load *load, guint n)
{
    struct round round = {.load = load};
    g_autofree struct client *clients = g_new0(struct client, n);
    g_autofree pthread_t *threads = g_new(pthread_t, n);
    char line[32];

    pthread_barrier_init(&round.begin, NULL, n + 1);
    pthread_barrier_init(&round.end, NULL, n + 1);
    for (guint i = 0; i < n; i++) {
        clients[i] = (struct client){&round, i, g_array_new(FALSE, FALSE, sizeof(double)), 0};
        if (pthread_create(&threads[i], NULL, client_run, &clients[i]))
            errx(1, "no thread");
    }
    while (fgets(line, sizeof line, stdin) && (round.calls = (guint)strtoul(line, NULL, 10))) {
        pthread_barrier_wait(&round.begin);
        double began = load_now();
        pthread_barrier_wait(&round.end);
        report(clients, n, load_now() - began);
    }
    round.calls = 0;
    pthread_barrier_wait(&round.begin);
    for (guint i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        g_array_unref(clients[i].times);
    }
    return 0;
}
