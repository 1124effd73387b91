#include "config.h"

#include "tests/bench/told.h"

#include <stdio.h>

#include "tests/bench/load.h"

void
told_init(struct told *told, guint n_subscribers)
{
    static const double never = 0;

    *told = (struct told){.sent = g_array_new(FALSE, FALSE, sizeof(double)),
                          .answered = g_array_new(FALSE, FALSE, sizeof(double)),
                          .known = g_array_new(FALSE, FALSE, sizeof(struct knowing)),
                          .newest = g_new0(guint, n_subscribers),
                          .n_subscribers = n_subscribers};
    g_array_append_val(told->sent, never); /* there is no change 0 */
    g_array_append_val(told->answered, never);
}

bool
told_round(guint *ret_changes, guint *ret_pause_ms)
{
    return scanf("%u %u", ret_changes, ret_pause_ms) == 2;
}

guint
told_send(struct told *told)
{
    double now = load_now();

    g_array_append_val(told->sent, now);
    told->behind = told->n_subscribers;
    return told->sent->len - 1;
}

void
told_answer(struct told *told)
{
    double now = load_now();

    g_array_append_val(told->answered, now);
}

void
told_know(struct told *told, guint subscriber, guint change)
{
    struct knowing knowing = {.at = load_now()};

    if (change <= told->newest[subscriber])
        return;
    for (guint i = told->newest[subscriber] + 1; i <= change; i++) {
        knowing.change = i;
        g_array_append_val(told->known, knowing);
    }
    told->newest[subscriber] = change;
    if (change == told->sent->len - 1)
        told->behind--;
}

static GArray *
times_since(const struct told *told, const GArray *moments)
{
    GArray *times = g_array_new(FALSE, FALSE, sizeof(double));

    for (guint i = 0; i < told->known->len; i++) {
        const struct knowing *knowing = &g_array_index(told->known, struct knowing, i);
        double took = knowing->at - g_array_index(moments, double, knowing->change);
        g_array_append_val(times, took);
    }
    load_sort(times);
    return times;
}

void
told_report(struct told *told)
{
    g_autoptr(GArray) whole = times_since(told, told->sent);
    g_autoptr(GArray) after = times_since(told, told->answered);

    printf("{\"told\": %u, \"bytes\": %zu, \"p50\": %.9f, \"p99\": %.9f, \"max\": %.9f,"
           " \"after_p50\": %.9f, \"after_p99\": %.9f}\n",
           whole->len, told->bytes, load_quantile(whole, 0.5), load_quantile(whole, 0.99),
           load_quantile(whole, 1), load_quantile(after, 0.5), load_quantile(after, 0.99));
    fflush(stdout);
    g_array_set_size(told->known, 0);
    told->bytes = 0;
}
