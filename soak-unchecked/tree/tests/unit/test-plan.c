/* Plans of a VM's lifecycle, and what a look at the hypervisor leads to, read as text: no Xen. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "tests/unit/fake-store.h"
#include "xapid/vm/vm.h"

struct bed {
    struct model *model;
    struct fake_store store;
    struct vm_world world;
    char *vm, *host;
};

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    memset(bed, 0, sizeof *bed);
    bed->model = model_new();
    fake_store_init(&bed->store, bed->model);
    bed->store.automatic = true;
    bed->host = row_create(bed->model, "host", fields_of("name_label", "host", NULL));
    row_set(bed->model, bed->host, "enabled", g_variant_new_boolean(TRUE));
    bed->vm = row_create(bed->model, "VM",
                         fields_of("name_label", "guest", "PV_kernel", "vmlinux", "domain_type",
                                   "pvh", "power_state", "Halted", NULL));
    row_set(bed->model, bed->vm, "memory_static_max", g_variant_new_int64(64 << 20));
    row_set(bed->model, bed->vm, "VCPUs_max", g_variant_new_int64(1));
    row_set(bed->model, bed->vm, "VCPUs_at_startup", g_variant_new_int64(1));
    bed->world.model = bed->model;
    bed->world.host = bed->host;
    bed->world.guest_kernels = "/kernels";
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    model_free(bed->model);
    fake_store_clear(&bed->store);
    g_free(bed->vm);
    g_free(bed->host);
}

static void
set_text_field(struct bed *bed, const char *field, const char *value)
{
    row_set(bed->model, bed->vm, field, g_variant_new_string(value));
}

/* "operation: step step", "(interrupts)" behind it; frees the plan.  "" for none. */
static char *
plan_text(struct plan *plan)
{
    if (!plan)
        return g_strdup("");
    GString *text = g_string_new(plan->operation);
    g_string_append_c(text, ':');
    for (guint i = 0; i < plan->steps->len; i++) {
        const struct step *step = plan->steps->pdata[i];
        const char *how;
        g_string_append_printf(text, " %s", step->kind);
        if (g_variant_lookup(step->args, "how", "&s", &how))
            g_string_append_printf(text, "=%s", how);
    }
    if (plan->interrupts)
        g_string_append(text, " (interrupts)");
    plan_free(plan);
    return g_string_free(text, FALSE);
}

#define assert_plan(plan, expected)                                                                \
    do {                                                                                           \
        g_autofree char *text_here = plan_text(plan);                                              \
        g_assert_cmpstr(text_here, ==, expected);                                                  \
    } while (0)

#define assert_refused(call, code)                                                                 \
    do {                                                                                           \
        g_autoptr(GError) error = NULL;                                                            \
        g_assert_null(call);                                                                       \
        g_assert_nonnull(error);                                                                   \
        g_assert_cmpstr(api_error_code(error), ==, code);                                          \
    } while (0)

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
    set_text_field(bed, "power_state", "Suspended");
    assert_plan(vm_plan_resume(&bed->world, bed->vm, "resume", true, NULL),
                "resume: vif.bridge vif.bridge domain.restore image.discard");
    set_text_field(bed, "power_state", "Running");
    assert_plan(vm_plan_reboot(&bed->world, bed->vm, false, NULL),
                "hard_reboot: domain.destroy vif.bridge vif.bridge domain.create domain.unpause "
                "(interrupts)");
    assert_plan(vm_plan_shutdown(&bed->world, bed->vm, false, NULL),
                "hard_shutdown: domain.end (interrupts)");
}

static void
test_addresses(struct bed *bed, const void *data)
{
    g_autofree char *first = vif_make_mac(bed->model, bed->vm, 0);
    g_autofree char *again = vif_make_mac(bed->model, bed->vm, 0);
    g_autofree char *second = vif_make_mac(bed->model, bed->vm, 1);

    (void)data;
    g_assert_cmpstr(first, ==, again);
    g_assert_cmpstr(first, !=, second);
    for (int position = 0; position <= VIF_POSITION_MAX; position++) {
        g_autofree char *mac = vif_make_mac(bed->model, bed->vm, position);
        g_assert_true(vif_mac_is_valid(mac));
        g_assert_cmpint(g_ascii_xdigit_value(mac[1]) & 3, ==, 2);
    }
    g_assert_cmpint(vif_position("0"), ==, 0);
    g_assert_cmpint(vif_position("6"), ==, 6);
    static const char *const bad[] = {"", "7", "-1", "00", "0 ", "a"};
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_cmpint(vif_position(bad[i]), ==, -1);
}

static void
test_running(struct bed *bed, const void *data)
{
    const struct vm_world *world = &bed->world;

    (void)data;
    set_text_field(bed, "power_state", "Running");
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
    set_text_field(bed, "power_state", "Suspended");
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
    set_text_field(bed, "power_state", "Paused");
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
    set_text_field(bed, "PV_kernel", "../etc/passwd");
    assert_refused(vm_plan_start(world, bed->vm, "start", false, &error), "INVALID_VALUE");
    set_text_field(bed, "PV_kernel", "");
    assert_refused(vm_plan_start(world, bed->vm, "start", false, &error), "INVALID_VALUE");
    set_text_field(bed, "PV_kernel", "vmlinux");
    set_text_field(bed, "domain_type", "pv_in_pvh");
    assert_refused(vm_plan_start(world, bed->vm, "start", false, &error), "NOT_IMPLEMENTED");
    set_text_field(bed, "domain_type", "pv");
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
        set_text_field(bed, "power_state", looks[i].recorded);
        if (looks[i].field)
            set_text_field(bed, looks[i].field, looks[i].action);
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
    set_text_field(bed, "power_state", "Running");
    set_text_field(bed, "actions_after_crash", "restart");
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
    set_text_field(bed, "power_state", "Running");
    set_text_field(bed, "actions_after_reboot", "restart");
    set_text_field(bed, "PV_kernel", "");
    assert_plan(vm_plan_reconcile(&bed->world, bed->vm, domain, &becomes),
                "hard_shutdown: domain.end");
}

/* Whatever is stored, only what is known goes to the one who builds domains. */
static void
test_config_maps(struct bed *bed, const void *data)
{
    static const char *const maps[][3] = {
        {"platform", "{'pae': 'true', 'odd key!': '1', 'secureboot': 'auto'}",
         "{'pae': 'true', 'secureboot': 'auto'}"},
        {"xenstore_data", "{'vm-data/a/b': 'x', 'FIST/e': 'x', 'vm-data': 'x'}",
         "{'vm-data/a/b': 'x'}"}};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        GVariant *stored = g_variant_new_parsed(maps[i][1]);
        row_set(bed->model, bed->vm, maps[i][0], stored);
        g_autoptr(GVariant) config = vm_domain_config(&bed->world, bed->vm, NULL);
        const char *argument = i == 0 ? "platform" : "xenstore";
        g_autoptr(GVariant) given = g_variant_lookup_value(config, argument, NULL);
        g_autofree char *text = g_variant_print(given, FALSE);
        g_assert_cmpstr(text, ==, maps[i][2]);
    }
}

/* What no call would have stored, but an older version or a restored database has, ends a start
 * with its name, and so does what fits no other field. */
static void
test_refused_maps(struct bed *bed, const void *data)
{
    static const char *const cases[][3] = {
        {"platform", "{'pae': 'true', 'acpi': 'perhaps'}",
         "INVALID_VALUE [platform:acpi, perhaps]"},
        {"platform", "{'hvm_serial': 'file:/root/x'}",
         "INVALID_VALUE [platform:hvm_serial, file:/root/x]"},
        {"xenstore_data", "{'vm-data/c//d': 'x'}", "INVALID_VALUE [xenstore_data:vm-data/c//d, x]"},
        {"platform", "{'cores-per-socket': '3'}", "VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE [4, 3]"}};

    (void)data;
    row_set(bed->model, bed->vm, "VCPUs_max", g_variant_new_int64(4));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        row_set(bed->model, bed->vm, cases[i][0], g_variant_new_parsed(cases[i][1]));
        g_assert_null(vm_plan_start(&bed->world, bed->vm, "start", false, &error));
        g_assert_cmpstr(error->message, ==, cases[i][2]);
        row_set(bed->model, bed->vm, cases[i][0], g_variant_new("a{ss}", NULL));
    }
}

static void
test_firmware(struct bed *bed, const void *data)
{
    static const char *const cases[][2] = {
        {"uefi", "NOT_IMPLEMENTED [HVM_boot_params:firmware uefi]"},
        {"coreboot", "INVALID_VALUE [HVM_boot_params:firmware, coreboot]"},
        {"bios", NULL}};

    (void)data;
    set_text_field(bed, "domain_type", "hvm");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("{'firmware': '%s'}", cases[i][0]);
        row_set(bed->model, bed->vm, "HVM_boot_params", g_variant_new_parsed(text));
        g_autoptr(GVariant) config = vm_domain_config(&bed->world, bed->vm, &error);
        g_assert_cmpstr(error ? error->message : NULL, ==, cases[i][1]);
        g_assert_true((config != NULL) == !cases[i][1]);
    }
}

static void
test_numa(struct bed *bed, const void *data)
{
    static const char *const cases[][2] = {
        {"any", "false"}, {"best_effort", "true"}, {"default_policy", NULL}};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        row_set(bed->model, bed->host, "numa_affinity_policy", g_variant_new_string(cases[i][0]));
        g_autoptr(GVariant) config = vm_domain_config(&bed->world, bed->vm, NULL);
        g_autoptr(GVariant) told = g_variant_lookup_value(config, "numa_placement", NULL);
        g_autofree char *text = told ? g_variant_print(told, FALSE) : NULL;
        g_assert_cmpstr(text, ==, cases[i][1]);
    }
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
    set_text_field(bed, "metrics", metrics);
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
    static const struct {
        const char *name;
        void (*run)(struct bed *bed, const void *data);
    } tests[] = {
        {"config-maps", test_config_maps},
        {"refused-maps", test_refused_maps},
        {"firmware", test_firmware},
        {"numa", test_numa},
        {"halted", test_halted},
        {"cards", test_cards},
        {"addresses", test_addresses},
        {"running", test_running},
        {"paused", test_paused},
        {"suspended", test_suspended},
        {"refusals", test_refusals},
        {"text", test_text},
        {"looks", test_looks},
        {"looks/foreign", test_foreign_looks},
        {"delays", test_delays},
        {"unbuildable", test_unbuildable},
        {"loop", test_loop},
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strconcat("/plan/", tests[i].name, NULL);
        g_test_add(path, struct bed, NULL, bed_setup, tests[i].run, bed_teardown);
    }
    return g_test_run();
}
