/* Figures, printed and not asserted: memory of 34,000 rows, commits a second.
 * What is asserted is generous: it only catches what is wrong by an order of magnitude. */
#include "config.h"

#include <glib/gstdio.h>
#include <malloc.h>
#include <string.h>

#include "tests/unit/fake-store.h"
#include "xapid/store/store.h"

/* Memory in use by malloc; 0 under AddressSanitizer, which has its own. */
static double
heap_mib(void)
{
    struct mallinfo2 info = mallinfo2();

    return (double)(info.uordblks + info.hblkhd) / 1048576;
}

static double
seconds_since(gint64 start)
{
    return (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
}

/* 4,250 VMs with 3 disks and 3 block devices each, and what else belongs to such a VM. */
static void
populate(struct model *model)
{
    enum { VMS = 4250, DISKS = 3 };
    struct txn *txn = model_begin(model, NULL);
    const char *sr = txn_create(txn, cls("SR"), NULL, NULL, NULL);
    const char *host = txn_create(txn, cls("host"), NULL, NULL, NULL);
    GVariant *platform = g_variant_ref_sink(
        g_variant_new_parsed("{'nx': 'true', 'acpi': '1', 'apic': 'true', 'pae': 'true',"
                             " 'viridian': 'false', 'timeoffset': '0'}"));

    for (int i = 0; i < VMS; i++) {
        g_autofree char *name = g_strdup_printf("virtual machine %d", i);
        const char *metrics = txn_create(txn, cls("VM_metrics"), NULL, NULL, NULL);
        const char *vm = txn_create(txn, cls("VM"), NULL,
                                    fields_of("name_label", name, "name_description",
                                              "Installed from a template", "resident_on", host,
                                              "metrics", metrics, "power_state", "Running", NULL),
                                    NULL);
        txn_set_value(txn, vm, "platform", platform);
        txn_set_string(txn, vm, "PV_bootloader", "pygrub");
        for (int j = 0; j < DISKS; j++) {
            g_autofree char *disk = g_strdup_printf("disk %d of %d", j, i);
            g_autofree char *device = g_strdup_printf("%d", j);
            const char *vdi = txn_create(txn, cls("VDI"), NULL,
                                         fields_of("name_label", disk, "SR", sr, NULL), NULL);
            txn_set_value(txn, vdi, "virtual_size", g_variant_new_int64((gint64)8 << 30));
            txn_create(txn, cls("VBD"), NULL,
                       fields_of("VM", vm, "VDI", vdi, "userdevice", device, NULL), NULL);
        }
    }
    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
    g_variant_unref(platform);
}

static guint
rows_of(const struct model *model)
{
    guint n = 0;

    for (unsigned i = 0; i < dm_n_classes; i++)
        n += model_count(model, &dm_classes[i]);
    return n;
}

struct bed {
    char *directory, *path;
};

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    bed->directory = g_dir_make_tmp("test-store-XXXXXX", NULL);
    bed->path = g_build_filename(bed->directory, "xapid.db", NULL);
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    g_unlink(bed->path);
    g_assert_cmpint(g_rmdir(bed->directory), ==, 0);
    g_free(bed->directory);
    g_free(bed->path);
}

static void
note_done(const GError *error, void *data)
{
    g_assert_no_error(error);
    ++*(int *)data;
}

static struct store *
open_at(const char *path, struct model *model)
{
    g_autoptr(GError) error = NULL;
    struct store *store = store_open(path, model, &error);

    g_assert_no_error(error);
    return store;
}

static void
test_size(struct bed *bed, const void *data)
{
    int done = 0;
    struct model *model = model_new();
    struct store *store = open_at(bed->path, model);
    gint64 start = g_get_monotonic_time();

    (void)data;
    populate(model);
    double applied = seconds_since(start);
    model_when_durable(model, model_head(model), note_done, &done);
    while (!done)
        g_main_context_iteration(NULL, TRUE);
    g_test_message("%u rows in one transaction: %.2f s in memory, %.2f s until durable",
                   rows_of(model), applied, seconds_since(start));
    store_close(store);
    model_free(model);

    double before = heap_mib();
    model = model_new();
    start = g_get_monotonic_time();
    store = open_at(bed->path, model);
    double opened = seconds_since(start);
    double after = heap_mib();
    g_test_message("%u rows: opened and checked in %.2f s, %.1f MiB, %.0f bytes a row",
                   rows_of(model), opened, after - before,
                   (after - before) * 1048576 / rows_of(model));
    start = g_get_monotonic_time();
    assert_sound(model);
    g_test_message("fsck: %.2f s", seconds_since(start));
    /* The first of the rows' reads after a restart: nothing is left to be done lazily. */
    g_autoptr(GPtrArray) vms = model_all(model, cls("VM"));
    start = g_get_monotonic_time();
    for (guint i = 0; i < vms->len; i++)
        g_variant_unref(model_record(model, vms->pdata[i]));
    g_test_message("%u VM records: %.3f s", vms->len, seconds_since(start));
    g_assert_cmpfloat(after - before, <, 200);
    store_close(store);
    model_free(model);
}

/* Clients that change their own VM and wait for it, again and again. */
struct client {
    struct model *model;
    const char *vm;
    int n;
    bool *stop;
    int *commits;
};

static void
client_done(const GError *error, void *data)
{
    struct client *client = data;

    g_assert_no_error(error);
    if (client->n)
        ++*client->commits;
    if (*client->stop)
        return;
    guint64 generation =
        row_set(client->model, client->vm, "memory_target", g_variant_new_int64(++client->n));
    model_when_durable(client->model, generation, client_done, client);
}

static gboolean
stop_now(void *data)
{
    *(bool *)data = true;
    return G_SOURCE_REMOVE;
}

static void
test_rate(struct bed *bed, const void *data)
{
    guint n_clients = GPOINTER_TO_UINT(data);
    struct model *model = model_new();
    struct store *store = open_at(bed->path, model);
    g_autofree struct client *clients = g_new0(struct client, n_clients);
    g_autoptr(GPtrArray) vms = g_ptr_array_new_with_free_func(g_free);
    bool stop = false;
    int commits = 0;

    for (guint i = 0; i < n_clients; i++)
        g_ptr_array_add(vms, row_create(model, "VM", NULL));
    gint64 start = g_get_monotonic_time();
    g_timeout_add(400, stop_now, &stop);
    for (guint i = 0; i < n_clients; i++) {
        clients[i] = (struct client){
            .model = model, .vm = vms->pdata[i], .stop = &stop, .commits = &commits};
        client_done(NULL, &clients[i]);
    }
    while (!stop || model_durable(model) < model_head(model))
        g_main_context_iteration(NULL, TRUE);
    double seconds = seconds_since(start);
    g_test_message("%u clients: %.0f commits/s", n_clients, commits / seconds);
    g_assert_cmpint(commits, >, 0);
    store_close(store);
    model_free(model);
}

/* The model alone: one field of a VM, without a store. */
static void
test_memory_rate(void)
{
    enum { COMMITS = 5000 };
    struct model *model = model_new();
    g_autofree char *vm = row_create(model, "VM", NULL);
    gint64 start = g_get_monotonic_time();

    for (int i = 1; i <= COMMITS; i++)
        row_set(model, vm, "memory_target", g_variant_new_int64(i));
    g_test_message("in memory: %.0f commits/s", COMMITS / seconds_since(start));
    model_free(model);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/store-figures/size", struct bed, NULL, bed_setup, test_size, bed_teardown);
    g_test_add("/store-figures/rate-1", struct bed, GUINT_TO_POINTER(1), bed_setup, test_rate,
               bed_teardown);
    g_test_add("/store-figures/rate-64", struct bed, GUINT_TO_POINTER(64), bed_setup, test_rate,
               bed_teardown);
    g_test_add_func("/store-figures/memory-rate", test_memory_rate);
    return g_test_run();
}
