/* VM_metrics.VCPUs_utilisation, from what List tells of domains at two times. */
#include "config.h"

#include <string.h>

#include "tests/unit/fake-store.h"
#include "xapid/vm/vm.h"

#define UUID "aaaaaaaa-0000-4000-8000-000000000001"
#define SECOND G_USEC_PER_SEC

struct bed {
    struct model *model;
    struct fake_store store;
    struct vm_world world;
    char *vm, *metrics, *dom0, *dom0_metrics, *host;
};

static void
set_up(struct bed *bed, const void *data)
{
    (void)data;
    memset(bed, 0, sizeof *bed);
    bed->model = model_new();
    fake_store_init(&bed->store, bed->model);
    bed->store.automatic = true;
    bed->metrics = row_create(bed->model, "VM_metrics", NULL);
    bed->vm = row_create(
        bed->model, "VM",
        fields_of("uuid", UUID, "power_state", "Running", "metrics", bed->metrics, NULL));
    row_set(bed->model, bed->vm, "domid", g_variant_new_int64(7));
    bed->dom0_metrics = row_create(bed->model, "VM_metrics", NULL);
    bed->dom0 = row_create(bed->model, "VM",
                           fields_of("power_state", "Running", "metrics", bed->dom0_metrics, NULL));
    row_set(bed->model, bed->dom0, "domid", g_variant_new_int64(0));
    row_set(bed->model, bed->dom0, "is_control_domain", g_variant_new_boolean(TRUE));
    bed->host = row_create(bed->model, "host", fields_of("control_domain", bed->dom0, NULL));
    bed->world.model = bed->model;
    bed->world.host = bed->host;
}

static void
tear_down(struct bed *bed, const void *data)
{
    (void)data;
    g_clear_pointer(&bed->world.usage, g_hash_table_unref);
    model_free(bed->model);
    fake_store_clear(&bed->store);
    g_free(bed->vm);
    g_free(bed->metrics);
    g_free(bed->dom0);
    g_free(bed->dom0_metrics);
    g_free(bed->host);
}

/* A look at one domain: what it has used, and when that was so, in µs. */
static void
look(struct bed *bed, const char *uuid, int domid, int vcpus, gint64 used, gint64 at)
{
    g_autofree char *text = g_strdup_printf(
        "[{'uuid': <'%s'>, 'domid': <%d>, 'state': <'running'>, 'vcpus': <%d>, 'cpu_time': <int64 "
        "%" G_GINT64_FORMAT ">, 'cpu_time_at': <int64 %" G_GINT64_FORMAT ">}]",
        uuid, domid, vcpus, used * 1000, at);
    g_autoptr(GVariant) list = g_variant_parse(G_VARIANT_TYPE("aa{sv}"), text, NULL, NULL, NULL);
    g_autoptr(GHashTable) domains = vm_domains_by_uuid(list);

    vm_usage_look(&bed->world, domains, true);
}

static void
assert_usage(struct bed *bed, const char *metrics, const char *expected)
{
    const struct dm_class *cls = dm_class_find("VM_metrics", false);
    g_autoptr(GVariant) usage =
        model_get(bed->model, metrics, dm_field_find(cls, "VCPUs_utilisation"));
    g_autofree char *text = g_variant_print(usage, FALSE);

    g_assert_cmpstr(text, ==, expected);
}

static void
test_between_two_looks(struct bed *bed, const void *data)
{
    (void)data;
    look(bed, UUID, 7, 1, 50 * SECOND, 100 * SECOND);
    assert_usage(bed, bed->metrics, "{}");
    look(bed, UUID, 7, 1, 51 * SECOND, 104 * SECOND);
    assert_usage(bed, bed->metrics, "{0: 0.25}");
    look(bed, UUID, 7, 1, 51 * SECOND, 106 * SECOND);
    assert_usage(bed, bed->metrics, "{0: 0.0}");
    look(bed, UUID, 7, 2, 54 * SECOND, 108 * SECOND);
    assert_usage(bed, bed->metrics, "{0: 0.75, 1: 0.75}");
}

/* Looks that follow each other at once say nothing; the next one spans them. */
static void
test_too_soon(struct bed *bed, const void *data)
{
    (void)data;
    look(bed, UUID, 7, 1, 0, 100 * SECOND);
    look(bed, UUID, 7, 1, SECOND / 10, 100 * SECOND + SECOND / 10);
    assert_usage(bed, bed->metrics, "{}");
    look(bed, UUID, 7, 1, SECOND, 102 * SECOND);
    assert_usage(bed, bed->metrics, "{0: 0.5}");
}

/* Of another domain of the VM, or of none that the record knows, nothing follows. */
static void
test_another_domain(struct bed *bed, const void *data)
{
    (void)data;
    look(bed, UUID, 7, 1, 50 * SECOND, 100 * SECOND);
    look(bed, UUID, 8, 1, 51 * SECOND, 102 * SECOND);
    assert_usage(bed, bed->metrics, "{}");
    row_set(bed->model, bed->vm, "domid", g_variant_new_int64(8));
    look(bed, UUID, 8, 1, 60 * SECOND, 104 * SECOND);
    assert_usage(bed, bed->metrics, "{}");
    look(bed, UUID, 8, 1, 61 * SECOND, 106 * SECOND);
    assert_usage(bed, bed->metrics, "{0: 0.5}");
    /* What goes is forgotten. */
    look(bed, "bbbbbbbb-0000-4000-8000-000000000002", 9, 1, 0, 108 * SECOND);
    g_assert_cmpuint(g_hash_table_size(bed->world.usage), ==, 0);
}

/* Clocks are not to be trusted: no figure above one CPU each, none below nothing. */
static void
test_odd_figures(struct bed *bed, const void *data)
{
    (void)data;
    look(bed, UUID, 7, 1, 50 * SECOND, 100 * SECOND);
    look(bed, UUID, 7, 1, 90 * SECOND, 110 * SECOND);
    assert_usage(bed, bed->metrics, "{0: 1.0}");
    look(bed, UUID, 7, 1, 10 * SECOND, 120 * SECOND);
    assert_usage(bed, bed->metrics, "{0: 1.0}");
    look(bed, UUID, 7, 0, 11 * SECOND, 122 * SECOND);
    assert_usage(bed, bed->metrics, "{0: 1.0}");
}

/* The hypervisor calls it otherwise than its row is called. */
static void
test_dom0(struct bed *bed, const void *data)
{
    (void)data;
    look(bed, "00000000-0000-0000-0000-000000000000", 0, 1, 0, 100 * SECOND);
    look(bed, "00000000-0000-0000-0000-000000000000", 0, 1, 5 * SECOND, 110 * SECOND);
    assert_usage(bed, bed->dom0_metrics, "{0: 0.5}");
    assert_usage(bed, bed->metrics, "{}");
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(struct bed *, const void *);
    } tests[] = {{"between-two-looks", test_between_two_looks},
                 {"too-soon", test_too_soon},
                 {"another-domain", test_another_domain},
                 {"odd-figures", test_odd_figures},
                 {"dom0", test_dom0}};

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/usage/%s", tests[i].name);
        g_test_add(path, struct bed, NULL, set_up, tests[i].test, tear_down);
    }
    return g_test_run();
}
