/* VM_metrics.VCPUs_utilisation: how busy domains are, from the CPU time that List tells of them
 * now and told the last time. */
#include "config.h"

#include "lib/log.h"
#include "xapid/vm/vm.h"

#define USAGE_SPAN_MIN_US G_USEC_PER_SEC /* over less, figures jump */
#define USAGE_STEPS 100                  /* of a CPU: whose figure stays says nothing new */

/* Of a domain, when its figure was last made. */
struct sample {
    gint64 domid, cpu_time, at;
};

/* Of all VCPUs together: the hypervisor's list has no more.  -1: nothing to say yet. */
static double
usage_since(const struct sample *before, const struct sample *now)
{
    double used = (double)(now->cpu_time - before->cpu_time) / 1000;

    if (now->domid != before->domid || used < 0)
        return -1;
    return used / (double)(now->at - before->at);
}

/* The mean of all for each, floating. */
static GVariant *
spread(double usage, gint64 vcpus)
{
    int steps = (int)(MIN(usage / (double)vcpus, 1) * USAGE_STEPS + 0.5);
    double mean = (double)steps / USAGE_STEPS;
    GVariantBuilder each;

    g_variant_builder_init(&each, G_VARIANT_TYPE("a{xd}"));
    for (gint64 i = 0; i < vcpus; i++)
        g_variant_builder_add(&each, "{xd}", i, mean);
    return g_variant_builder_end(&each);
}

static void
record(const struct vm_world *world, struct txn *txn, const char *vm, GVariant *usage)
{
    g_autofree char *metrics = model_get_string(world->model, vm, "metrics");
    g_autoptr(GVariant) sunk = g_variant_ref_sink(usage);
    const struct dm_class *cls = dm_class_find("VM_metrics", false);

    if (!model_has(world->model, cls, metrics))
        return;
    g_autoptr(GVariant) before =
        model_get(world->model, metrics, dm_field_find(cls, "VCPUs_utilisation"));
    if (g_variant_equal(before, sunk))
        return;
    txn_set_value(txn, metrics, "VCPUs_utilisation", sunk);
    txn_set_value(txn, metrics, "last_updated", g_variant_new_int64(g_get_real_time()));
}

static void
look_at(struct vm_world *world, struct txn *txn, const char *vm, const char *uuid, GVariant *domain)
{
    const struct sample now = {.domid = vm_domain_int(domain, "domid"),
                               .cpu_time = vm_domain_int(domain, "cpu_time"),
                               .at = vm_domain_int(domain, "cpu_time_at")};
    struct sample *before = g_hash_table_lookup(world->usage, uuid);
    gint64 vcpus = vm_domain_int(domain, "vcpus");
    double usage = -1;

    if (now.domid < 0 || now.cpu_time < 0 || now.at <= 0)
        return;
    if (before && now.domid == before->domid && now.at - before->at < USAGE_SPAN_MIN_US)
        return;
    if (before)
        usage = usage_since(before, &now);
    g_hash_table_replace(world->usage, g_strdup(uuid), g_memdup2(&now, sizeof now));
    if (usage >= 0 && vcpus > 0)
        record(world, txn, vm, spread(usage, vcpus));
}

/* The row of a domain: dom0's has another uuid than the hypervisor has for it.  NULL: none. */
static char *
row_of(const struct vm_world *world, const char *uuid, gint64 domid)
{
    return domid == 0 ? model_get_string(world->model, world->host, "control_domain")
                      : g_strdup(model_by_uuid(world->model, vm_class(), uuid));
}

void
vm_usage_look(struct vm_world *world, GHashTable *domains, bool all)
{
    struct txn *txn = model_begin_volatile(world->model);
    g_autoptr(GError) error = NULL;
    GHashTableIter iter;
    void *uuid, *domain;

    if (!world->usage)
        world->usage = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_iter_init(&iter, world->usage);
    while (all && g_hash_table_iter_next(&iter, &uuid, NULL))
        if (!g_hash_table_contains(domains, uuid))
            g_hash_table_iter_remove(&iter);
    g_hash_table_iter_init(&iter, domains);
    while (g_hash_table_iter_next(&iter, &uuid, &domain)) {
        gint64 domid = vm_domain_int(domain, "domid");
        g_autofree char *vm = row_of(world, uuid, domid);
        if (vm && model_has(world->model, vm_class(), vm) &&
            model_get_int(world->model, vm, "domid") == domid)
            look_at(world, txn, vm, uuid, domain);
    }
    if (!txn_commit(txn, &error))
        log_warning("how busy domains are: %s", error->message);
}
