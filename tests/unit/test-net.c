/* What a bond is in the model, and what is to be on its host: no host is asked. */
#include "config.h"

#include "lib/error.h"
#include "tests/unit/fake-store.h"
#include "xapid/net/net.h"

#define CARDS 4

struct bed {
    struct model *model;
    char *host, *lan;
    char *networks[CARDS], *pifs[CARDS];
};

static char *
network(struct bed *bed, const char *bridge)
{
    char *ref = row_create(bed->model, "network", fields_of("bridge", bridge, NULL));

    row_set(bed->model, ref, "managed", g_variant_new_boolean(TRUE));
    row_set(bed->model, ref, "MTU", g_variant_new_int64(1500));
    return ref;
}

static char *
card(struct bed *bed, guint number)
{
    g_autofree char *device = g_strdup_printf("eth%u", number);
    g_autofree char *mac = g_strdup_printf("52:54:00:00:00:0%u", number);
    g_autofree char *metrics = row_create(bed->model, "PIF_metrics", NULL);
    char *ref = row_create(bed->model, "PIF",
                           fields_of("device", device, "MAC", mac, "host", bed->host, "network",
                                     bed->networks[number], "metrics", metrics, NULL));

    row_set(bed->model, ref, "VLAN", g_variant_new_int64(VLAN_NONE));
    row_set(bed->model, ref, "physical", g_variant_new_boolean(TRUE));
    row_set(bed->model, ref, "managed", g_variant_new_boolean(TRUE));
    row_set(bed->model, ref, "currently_attached", g_variant_new_boolean(number == 0));
    return ref;
}

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    bed->model = model_new();
    bed->host = row_create(bed->model, "host", NULL);
    bed->lan = network(bed, "xapi0");
    for (guint i = 0; i < CARDS; i++) {
        g_autofree char *bridge = g_strdup_printf("xenbr%u", i);
        bed->networks[i] = network(bed, bridge);
        bed->pifs[i] = card(bed, i);
    }
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    model_free(bed->model);
    g_free(bed->host);
    g_free(bed->lan);
    for (guint i = 0; i < CARDS; i++) {
        g_free(bed->networks[i]);
        g_free(bed->pifs[i]);
    }
}

static struct txn *
begin(const struct bed *bed)
{
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(bed->model, &error);

    g_assert_no_error(error);
    return txn;
}

static void
commit(struct txn *txn)
{
    g_autoptr(GError) error = NULL;

    txn_commit(txn, &error);
    g_assert_no_error(error);
}

/* Of the first two cards; the caller frees what is returned, and *ret_undo. */
static char *
bond(struct bed *bed, const char *mode, const char *properties, struct undo **ret_undo)
{
    const char *const members[] = {bed->pifs[0], bed->pifs[1], NULL};
    g_autoptr(GVariant) given = g_variant_ref_sink(g_variant_new_parsed(properties));
    const struct bond_wanted wanted = {"", mode, given};
    struct undo *undo = undo_new(begin(bed));
    g_autoptr(GError) error = NULL;
    const char *master, *ref;

    g_assert_true(bond_check(bed->model, bed->lan, members, &error));
    g_assert_true(bond_check_settings(bed->model, bed->host, mode, given, &error));
    ref = bond_create(undo, bed->lan, members, &wanted, &master, &error);
    g_assert_no_error(error);
    char *mine = g_strdup(ref);
    commit(undo_txn(undo));
    if (ret_undo)
        *ret_undo = undo;
    else
        undo_free(undo);
    return mine;
}

/* What is to be on the host, of what is led out. */
static char *
desired(const struct bed *bed)
{
    g_autoptr(GPtrArray) networks = NULL;
    g_autoptr(GVariant) all =
        g_variant_ref_sink(networks_desired(bed->model, bed->host, &networks));
    GString *text = g_string_new("");

    g_assert_true(g_variant_is_of_type(all, G_VARIANT_TYPE("a" NETWORK_TYPE)));
    g_assert_cmpuint(networks->len, ==, g_variant_n_children(all));
    for (gsize i = 0; i < g_variant_n_children(all); i++) {
        g_autoptr(GVariant) one = g_variant_get_child_value(all, i);
        g_autoptr(GVariant) uplink = g_variant_get_child_value(one, 3);
        g_autofree char *printed = g_variant_print(one, FALSE);
        if (*g_variant_get_string(uplink, NULL))
            g_string_append_printf(text, "%s\n", printed);
    }
    return g_string_free(text, FALSE);
}

static void
assert_desired(const struct bed *bed, const char *expected)
{
    g_autofree char *text = desired(bed);

    g_assert_cmpstr(text, ==, expected);
}

static const char before[] = "('xenbr0', true, 1500, 'eth0', -1, ([], '', '', {}))\n"
                             "('office', true, 1500, 'eth0', 10, ([], '', '', {}))\n";

static char *
vlan(struct bed *bed, guint card_number, gint64 tag, const char *bridge)
{
    g_autofree char *its = network(bed, bridge);
    struct txn *txn = begin(bed);
    g_autoptr(GError) error = NULL;
    const char *pif, *ref = vlan_create(txn, bed->pifs[card_number], tag, its, &pif, &error);

    g_assert_no_error(error);
    txn_set_value(txn, pif, "currently_attached", g_variant_new_boolean(TRUE));
    char *mine = g_strdup(ref);
    commit(txn);
    return mine;
}

static void
test_desired(struct bed *bed, const void *data)
{
    g_autofree char *office = vlan(bed, 0, 10, "office"), *ref = NULL, *master = NULL;
    g_autoptr(GError) error = NULL;
    struct txn *txn;

    (void)data;
    assert_desired(bed, before);
    ref = bond(bed, "lacp", "{'lacp-time': 'fast'}", NULL);
    assert_desired(bed,
                   "('xapi0', true, 1500, 'bond0', -1, (['eth0', 'eth1'], '52:54:00:00:00:00', "
                   "'lacp', {'lacp-time': 'fast', 'hashing_algorithm': 'tcpudp_ports'}))\n"
                   "('office', true, 1500, 'bond0', 10, ([], '', '', {}))\n");
    master = model_get_string(bed->model, ref, "master");
    txn = begin(bed);
    txn_set_value(txn, master, "currently_attached", g_variant_new_boolean(FALSE));
    commit(txn);
    txn = begin(bed);
    txn_set_value(txn, master, "currently_attached", g_variant_new_boolean(TRUE));
    g_assert_true(bond_destroy(txn, ref, &error));
    commit(txn);
    g_autofree char *tagged = model_get_string(bed->model, office, "tagged_PIF");
    g_assert_cmpstr(tagged, ==, bed->pifs[0]);
    assert_sound(bed->model);
}

/* Everything is as it was, but for what nobody sees. */
static void
test_undo(struct bed *bed, const void *data)
{
    g_autofree char *office = vlan(bed, 0, 10, "office"), *ref = NULL;
    g_autoptr(GPtrArray) were = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    g_autoptr(GError) error = NULL;
    struct undo *undo = NULL;
    struct txn *txn;

    (void)data;
    row_set(bed->model, bed->pifs[1], "ip_configuration_mode", g_variant_new_string("Static"));
    row_set(bed->model, bed->pifs[1], "IP", g_variant_new_string("10.0.0.5"));
    for (guint i = 0; i < CARDS; i++)
        g_ptr_array_add(were, model_record(bed->model, bed->pifs[i]));
    ref = bond(bed, "active-backup", "@a{ss} {}", &undo);
    txn = begin(bed);
    undo_all(undo, txn);
    g_assert_true(bond_end_rows(txn, ref, &error));
    commit(txn);
    undo_free(undo);
    for (guint i = 0; i < CARDS; i++) {
        g_autoptr(GVariant) is = g_variant_ref_sink(model_record(bed->model, bed->pifs[i]));
        g_assert_true(g_variant_equal(is, were->pdata[i]));
    }
    assert_desired(bed, before);
    g_assert_cmpuint(model_count(bed->model, pif_class()), ==, CARDS + 1);
    g_assert_cmpuint(model_count(bed->model, dm_class_find("PIF_metrics", false)), ==, CARDS);
    assert_sound(bed->model);
}

static void
assert_is(const struct bed *bed, const char *ref, const char *field, const char *expected)
{
    g_autofree char *value = model_get_string(bed->model, ref, field);

    g_assert_cmpstr(value, ==, expected);
}

/* The configuration of an address goes with the bond, whichever member had it, and comes back to
 * the first. */
static void
test_addresses(struct bed *bed, const void *data)
{
    g_autofree char *ref = NULL, *master = NULL;
    g_autoptr(GError) error = NULL;
    struct txn *txn;

    (void)data;
    row_set(bed->model, bed->pifs[1], "ip_configuration_mode", g_variant_new_string("Static"));
    row_set(bed->model, bed->pifs[1], "IP", g_variant_new_string("10.0.0.5"));
    ref = bond(bed, "balance-slb", "@a{ss} {}", NULL);
    master = model_get_string(bed->model, ref, "master");
    assert_is(bed, master, "ip_configuration_mode", "Static");
    assert_is(bed, master, "IP", "10.0.0.5");
    assert_is(bed, bed->pifs[1], "ip_configuration_mode", "None");
    assert_is(bed, bed->pifs[1], "IP", "");
    txn = begin(bed);
    g_assert_true(bond_destroy(txn, ref, &error));
    commit(txn);
    assert_is(bed, bed->pifs[0], "IP", "10.0.0.5");
    assert_is(bed, bed->pifs[1], "IP", "");
}

static void
assert_refused(const struct bed *bed, const char *code, const char *first, const char *second)
{
    const char *const members[] = {first, second, NULL};
    g_autoptr(GError) error = NULL;

    g_assert_false(bond_check(bed->model, bed->lan, members, &error));
    g_assert_true(api_error_is(error, code));
}

static void
test_refused(struct bed *bed, const void *data)
{
    g_autofree char *other = row_create(bed->model, "host", NULL);

    (void)data;
    assert_refused(bed, "PIF_BOND_NEEDS_MORE_MEMBERS", bed->pifs[0], NULL);
    assert_refused(bed, "INVALID_VALUE", bed->pifs[0], bed->pifs[0]);
    row_set(bed->model, bed->pifs[2], "host", g_variant_new_string(other));
    assert_refused(bed, "PIF_CANNOT_BOND_CROSS_HOST", bed->pifs[0], bed->pifs[2]);
    row_set(bed->model, bed->pifs[2], "host", g_variant_new_string(bed->host));
    row_set(bed->model, bed->pifs[2], "managed", g_variant_new_boolean(FALSE));
    assert_refused(bed, "PIF_UNMANAGED", bed->pifs[0], bed->pifs[2]);
    row_set(bed->model, bed->pifs[2], "managed", g_variant_new_boolean(TRUE));
    row_set(bed->model, bed->pifs[2], "management", g_variant_new_boolean(TRUE));
    assert_refused(bed, "PIF_IS_MANAGEMENT_INTERFACE", bed->pifs[0], bed->pifs[2]);
    for (guint i = 0; i < 2; i++)
        row_set(bed->model, bed->pifs[i], "ip_configuration_mode", g_variant_new_string("DHCP"));
    assert_refused(bed, "PIF_BOND_MORE_THAN_ONE_IP", bed->pifs[0], bed->pifs[1]);
    row_set(bed->model, bed->pifs[1], "ip_configuration_mode", g_variant_new_string("None"));
    g_autofree char *ref = bond(bed, "active-backup", "@a{ss} {}", NULL);
    g_autofree char *master = model_get_string(bed->model, ref, "master");
    row_set(bed->model, bed->lan, "managed", g_variant_new_boolean(FALSE));
    assert_refused(bed, "NETWORK_UNMANAGED", bed->pifs[3], master);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add("/net/" #name, struct bed, NULL, bed_setup, test_##name, bed_teardown)
    ADD(desired);
    ADD(undo);
    ADD(addresses);
    ADD(refused);
    return g_test_run();
}
