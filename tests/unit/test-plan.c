/* Plans of a VM's lifecycle, and what a look at the hypervisor leads to, read as text: no Xen. */
#include "config.h"

#include "tests/unit/plan-bed.h"

static void
test_halted(struct bed *bed, const void *data)
{
    const struct vm_world *world = &bed->world;

    (void)data;
    assert_plan(vm_plan_start(world, bed->vm, "start", false, NULL),
                "start: domain.create domain.unpause");
    assert_plan(vm_plan_start(world, bed->vm, "start", true, NULL), "start: domain.create");
    assert_refused(vm_plan_pause(world, bed->vm, &error), "VM_BAD_POWER_STATE");
    assert_refused(vm_plan_unpause(world, bed->vm, &error), "VM_BAD_POWER_STATE");
    assert_refused(vm_plan_shutdown(world, bed->vm, false, &error), "VM_BAD_POWER_STATE");
    assert_refused(vm_plan_reboot(world, bed->vm, true, &error), "VM_BAD_POWER_STATE");
}

/* "device mac bridge mtu" of each card of the VM's config. */
static char *
cards_text(struct bed *bed)
{
    g_autoptr(GVariant) config = vm_domain_config(&bed->world, bed->vm, NULL);
    g_autoptr(GVariant) nics = g_variant_lookup_value(config, "nics", G_VARIANT_TYPE("aa{sv}"));
    GString *text = g_string_new("");

    for (gsize i = 0; nics && i < g_variant_n_children(nics); i++) {
        g_autoptr(GVariant) nic = g_variant_get_child_value(nics, i);
        const char *mac, *bridge;
        int device, mtu;

        g_variant_lookup(nic, "device", "i", &device);
        g_variant_lookup(nic, "mac", "&s", &mac);
        g_variant_lookup(nic, "bridge", "&s", &bridge);
        g_variant_lookup(nic, "mtu", "i", &mtu);
        g_string_append_printf(text, "%d %s %s %d; ", device, mac, bridge, mtu);
    }
    return g_string_free(text, FALSE);
}

/* Bridges are seen to just before a domain is built, in the order of the cards that it gets. */
static void
test_cards(struct bed *bed, const void *data)
{
    static const char *const macs[] = {"02:00:00:00:00:01", "02:00:00:00:00:02"};
    static const char *const devices[] = {"3", "1"};

    (void)data;
    g_autofree char *network =
        row_create(bed->model, "network", fields_of("name_label", "n", "bridge", "xapi4", NULL));
    row_set(bed->model, network, "MTU", g_variant_new_int64(1400));
    for (unsigned i = 0; i < G_N_ELEMENTS(macs); i++) {
        g_autofree char *vif = row_create(bed->model, "VIF",
                                          fields_of("VM", bed->vm, "network", network, "device",
                                                    devices[i], "MAC", macs[i], NULL));
        g_assert_nonnull(vif);
    }
    g_autofree char *cards = cards_text(bed);
    g_assert_cmpstr(cards, ==, "1 02:00:00:00:00:02 xapi4 1400; 3 02:00:00:00:00:01 xapi4 1400; ");
    assert_plan(vm_plan_start(&bed->world, bed->vm, "start", true, NULL),
                "start: vif.bridge vif.bridge domain.create");
    bed_set_text(bed, "power_state", "Suspended");
    assert_plan(vm_plan_resume(&bed->world, bed->vm, "resume", true, NULL),
                "resume: vif.bridge vif.bridge domain.restore image.discard");
    bed_set_text(bed, "power_state", "Running");
    assert_plan(vm_plan_reboot(&bed->world, bed->vm, false, NULL),
                "hard_reboot: domain.destroy vif.bridge vif.bridge domain.create domain.unpause "
                "(interrupts)");
    assert_plan(vm_plan_shutdown(&bed->world, bed->vm, false, NULL),
                "hard_shutdown: domain.end (interrupts)");
}

static void
test_running(struct bed *bed, const void *data)
{
    const struct vm_world *world = &bed->world;

    (void)data;
    bed_set_text(bed, "power_state", "Running");
    assert_refused(vm_plan_start(world, bed->vm, "start", false, &error), "VM_BAD_POWER_STATE");
    assert_plan(vm_plan_pause(world, bed->vm, NULL), "pause: domain.pause");
    assert_plan(vm_plan_shutdown(world, bed->vm, true, NULL),
                "clean_shutdown: domain.shutdown=poweroff domain.end");
    assert_plan(vm_plan_shutdown(world, bed->vm, false, NULL),
                "hard_shutdown: domain.end (interrupts)");
    assert_plan(vm_plan_reboot(world, bed->vm, true, NULL),
                "clean_reboot: domain.shutdown=reboot domain.destroy domain.create domain.unpause");
    assert_plan(vm_plan_reboot(world, bed->vm, false, NULL),
                "hard_reboot: domain.destroy domain.create domain.unpause (interrupts)");
    assert_plan(vm_plan_suspend(world, bed->vm, NULL), "suspend: domain.save domain.end");
    assert_plan(vm_plan_signal(world, bed->vm, "send_sysrq", "sysrq", "h", NULL),
                "send_sysrq: domain.signal");
    const struct vm_memory memory = {0, 0, 64 << 20, 64 << 20};
    assert_plan(vm_plan_balloon(world, bed->vm, "changing_dynamic_range", &memory, NULL),
                "changing_dynamic_range: domain.adjust record");
    assert_refused(vm_plan_resume(world, bed->vm, "resume", false, &error), "VM_BAD_POWER_STATE");
}

static void
test_suspended(struct bed *bed, const void *data)
{
    const struct vm_world *world = &bed->world;

    (void)data;
    bed_set_text(bed, "power_state", "Suspended");
    assert_plan(vm_plan_resume(world, bed->vm, "resume", false, NULL),
                "resume: domain.restore image.discard domain.unpause");
    assert_plan(vm_plan_resume(world, bed->vm, "resume", true, NULL),
                "resume: domain.restore image.discard");
    assert_plan(vm_plan_shutdown(world, bed->vm, false, NULL),
                "hard_shutdown: image.discard (interrupts)");
    assert_refused(vm_plan_start(world, bed->vm, "start", false, &error), "VM_BAD_POWER_STATE");
    assert_refused(vm_plan_suspend(world, bed->vm, &error), "VM_BAD_POWER_STATE");
    assert_refused(vm_plan_shutdown(world, bed->vm, true, &error), "VM_BAD_POWER_STATE");
}

static void
test_paused(struct bed *bed, const void *data)
{
    const struct vm_world *world = &bed->world;

    (void)data;
    bed_set_text(bed, "power_state", "Paused");
    assert_plan(vm_plan_unpause(world, bed->vm, NULL), "unpause: domain.unpause");
    assert_plan(vm_plan_shutdown(world, bed->vm, false, NULL),
                "hard_shutdown: domain.end (interrupts)");
    assert_refused(vm_plan_shutdown(world, bed->vm, true, &error), "VM_BAD_POWER_STATE");
}

static void
test_refusals(struct bed *bed, const void *data)
{
    const struct vm_world *world = &bed->world;

    (void)data;
    bed_set_text(bed, "PV_kernel", "../etc/passwd");
    assert_refused(vm_plan_start(world, bed->vm, "start", false, &error), "INVALID_VALUE");
    bed_set_text(bed, "PV_kernel", "");
    assert_refused(vm_plan_start(world, bed->vm, "start", false, &error), "INVALID_VALUE");
    bed_set_text(bed, "PV_kernel", "vmlinux");
    bed_set_text(bed, "domain_type", "pv_in_pvh");
    assert_refused(vm_plan_start(world, bed->vm, "start", false, &error), "NOT_IMPLEMENTED");
    bed_set_text(bed, "domain_type", "pv");
    row_set(bed->model, bed->host, "enabled", g_variant_new_boolean(FALSE));
    assert_refused(vm_plan_start(world, bed->vm, "start", false, &error), "HOST_DISABLED");
}

/* A plan survives the journal. */
static void
test_text(struct bed *bed, const void *data)
{
    struct plan *plan = vm_plan_start(&bed->world, bed->vm, "start", false, NULL);

    (void)data;
    g_assert_nonnull(plan);
    g_autoptr(GVariant) text = g_variant_ref_sink(plan_to_variant(plan));
    struct plan *again = plan_from_variant(text);
    g_autoptr(GVariant) same = g_variant_ref_sink(plan_to_variant(again));
    g_assert_true(g_variant_equal(text, same));
    plan_free(again);
    plan_free(plan);
    g_autoptr(GVariant) other = g_variant_ref_sink(g_variant_new("(ss)", "start", "x"));
    g_assert_null(plan_from_variant(other));
}

/* ---- looks ---- */

/* NULL state: no domain; "half": half built. */
static GVariant *
domain_of(const char *state, const char *reason)
{
    GVariantDict dict;
    bool half = g_strcmp0(state, "half") == 0;

    if (!state)
        return NULL;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "domid", "i", 7);
    g_variant_dict_insert(&dict, "state", "s", half ? "paused" : state);
    g_variant_dict_insert(&dict, "reason", "s", reason);
    g_variant_dict_insert(&dict, "complete", "b", !half);
    g_variant_dict_insert(&dict, "ours", "b", true);
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

static const char again[] = "hard_reboot: domain.destroy domain.create domain.unpause";
static const char off[] = "hard_shutdown: domain.end";

static const struct {
    const char *recorded, *state, *reason;
    const char *field, *action; /* of actions_after_*, NULL: as made */
    const char *plan, *becomes; /* becomes NULL: left as it is */
} looks[] = {
    {"Halted", NULL, "", NULL, NULL, "", NULL},
    {"Running", NULL, "", NULL, NULL, "", "Halted"},
    {"Paused", NULL, "", NULL, NULL, "", "Halted"},
    {"Suspended", NULL, "", NULL, NULL, "", "Halted"}, /* its image is gone */
    {"Suspended", "suspended", "", NULL, NULL, "", "Suspended"},
    {"Running", "suspended", "", NULL, NULL, "", "Suspended"},
    {"Running", "running", "", NULL, NULL, "", "Running"},
    {"Running", "paused", "", NULL, NULL, "", "Paused"},
    {"Paused", "running", "", NULL, NULL, "", "Running"},
    {"Halted", "running", "", NULL, NULL, "", "Running"},
    {"Running", "dying", "", NULL, NULL, "", NULL},
    {"Halted", "half", "", NULL, NULL, off, NULL},
    {"Running", "shutdown", "suspend", NULL, NULL, "", NULL},
    {"Running", "shutdown", "poweroff", "actions_after_shutdown", "destroy", off, NULL},
    {"Running", "shutdown", "poweroff", "actions_after_shutdown", "restart", again, NULL},
    {"Running", "shutdown", "reboot", "actions_after_reboot", "restart", again, NULL},
    {"Running", "shutdown", "reboot", "actions_after_reboot", "destroy", off, NULL},
    {"Running", "shutdown", "crash", "actions_after_crash", "destroy", off, NULL},
    {"Running", "shutdown", "crash", "actions_after_crash", "restart", again, NULL},
    {"Running", "shutdown", "crash", "actions_after_crash", "preserve", "", NULL},
    {"Running", "shutdown", "crash", "actions_after_crash", "coredump_and_destroy",
     "hard_shutdown: domain.dump domain.end", NULL},
    {"Running", "shutdown", "crash", "actions_after_crash", "coredump_and_restart",
     "hard_reboot: domain.dump domain.destroy domain.create domain.unpause", NULL},
    {"Running", "shutdown", "crash", "actions_after_crash", "rename_restart", again, NULL},
};

static void
test_looks(struct bed *bed, const void *data)
{
    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(looks); i++) {
        const char *becomes = "untouched";
        g_autoptr(GVariant) domain = domain_of(looks[i].state, looks[i].reason);
        bed_set_text(bed, "power_state", looks[i].recorded);
        if (looks[i].field)
            bed_set_text(bed, looks[i].field, looks[i].action);
        g_test_message("%s, domain %s %s", looks[i].recorded,
                       looks[i].state ? looks[i].state : "none", looks[i].reason);
        assert_plan(vm_plan_reconcile(&bed->world, bed->vm, domain, &becomes), looks[i].plan);
        g_assert_cmpstr(becomes, ==, looks[i].becomes);
    }
}

/* One that another tool made of the VM's uuid: its state is seen, its end is that tool's. */
static void
test_foreign_looks(struct bed *bed, const void *data)
{
    static const char *const states[][2] = {
        {"running", "Running"}, {"paused", "Paused"}, {"shutdown", NULL}, {"dying", NULL}};

    (void)data;
    bed_set_text(bed, "power_state", "Running");
    bed_set_text(bed, "actions_after_crash", "restart");
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autoptr(GVariant) ours = domain_of(states[i][0], "crash");
        const char *becomes = "untouched";
        GVariantDict dict;
        g_variant_dict_init(&dict, ours);
        g_variant_dict_insert(&dict, "ours", "b", false);
        g_autoptr(GVariant) domain = g_variant_ref_sink(g_variant_dict_end(&dict));
        assert_plan(vm_plan_reconcile(&bed->world, bed->vm, domain, &becomes), "");
        g_assert_cmpstr(becomes, ==, states[i][1]);
    }
}

/* A VM that cannot be built any more ends instead of hanging in the air. */
static void
test_unbuildable(struct bed *bed, const void *data)
{
    const char *becomes;
    g_autoptr(GVariant) domain = domain_of("shutdown", "reboot");

    (void)data;
    bed_set_text(bed, "power_state", "Running");
    bed_set_text(bed, "actions_after_reboot", "restart");
    bed_set_text(bed, "PV_kernel", "");
    assert_plan(vm_plan_reconcile(&bed->world, bed->vm, domain, &becomes),
                "hard_shutdown: domain.end");
}

/* ---- guests that end again and again ---- */

static void
test_delays(struct bed *bed, const void *data)
{
    static const guint seconds[] = {0, 0, 0, 5, 10, 20, 40, 60, 60};

    (void)bed;
    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(seconds); i++)
        g_assert_cmpuint(vm_restart_delay_seconds(i), ==, seconds[i]);
    g_assert_cmpuint(vm_restart_delay_seconds(G_MAXUINT), ==, 60);
}

static void
test_loop(struct bed *bed, const void *data)
{
    g_autofree char *metrics =
        row_create(bed->model, "VM_metrics", g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
    gint64 second = G_USEC_PER_SEC;

    (void)data;
    bed_set_text(bed, "metrics", metrics);
    row_set(bed->model, metrics, "start_time", g_variant_new_int64(g_get_real_time()));
    g_assert_cmpint(vm_restart_wait(&bed->world, bed->vm, 1, NULL), ==, 0);
    g_assert_cmpint(vm_restart_wait(&bed->world, bed->vm, 2, NULL), ==, 0);
    gint64 wait = vm_restart_wait(&bed->world, bed->vm, 3, NULL);
    g_assert_cmpint(wait, >, 4 * second);
    g_assert_cmpint(wait, <=, 5 * second);
    /* The same end, looked at again, is not another one. */
    g_assert_cmpint(vm_restart_wait(&bed->world, bed->vm, 3, NULL), <=, wait);
    g_assert_cmpint(vm_restart_wait(&bed->world, bed->vm, 4, NULL), >, 9 * second);
    /* A long life makes up for the short ones; so does the user who ends it. */
    row_set(bed->model, metrics, "start_time",
            g_variant_new_int64(g_get_real_time() - VM_SHORT_LIFE_SECONDS * second));
    g_assert_cmpint(vm_restart_wait(&bed->world, bed->vm, 5, NULL), ==, 0);
    struct txn *txn = model_begin(bed->model, NULL);
    vm_restart_forget(&bed->world, txn, bed->vm);
    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
    g_assert_cmpuint(g_hash_table_size(model_journal(bed->model)), ==, 0);
}

int
main(int argc, char **argv)
{
    static const struct bed_test tests[] = {
        {"halted", test_halted},
        {"cards", test_cards},
        {"running", test_running},
        {"suspended", test_suspended},
        {"paused", test_paused},
        {"refusals", test_refusals},
        {"text", test_text},
        {"looks", test_looks},
        {"looks/foreign", test_foreign_looks},
        {"unbuildable", test_unbuildable},
        {"delays", test_delays},
        {"loop", test_loop},
    };

    return bed_run_tests(argc, argv, "plan", tests, G_N_ELEMENTS(tests));
}
