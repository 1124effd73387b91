/* From keys that guests wrote to records: what each means, and what none may do. */
#include "config.h"

#include <string.h>

#include "lib/guest-record.h"
#include "lib/text.h"
#include "xenstore-helpers/guest-parse.h"

static void
add(GVariantBuilder *keys, const char *path, const char *value, gsize size)
{
    g_variant_builder_add(keys, "(@ay@ay)",
                          g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, path, strlen(path), 1),
                          g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, value, size, 1));
}

static GVariant *
parse(GVariantBuilder *builder)
{
    g_autoptr(GVariant) keys = g_variant_ref_sink(g_variant_builder_end(builder));
    GVariant *record = g_variant_ref_sink(guest_parse(keys));

    g_assert_true(guest_record_check(record));
    return record;
}

static gint
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* pairs of path and value, up to NULL; as text: "member {'key': 'value'}; ..." sorted */
static char *
parsed(const char *const *pairs)
{
    g_autoptr(GPtrArray) members = g_ptr_array_new_with_free_func(g_free);
    GVariantBuilder keys;
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_builder_init(&keys, G_VARIANT_TYPE("a(ayay)"));
    for (; pairs[0]; pairs += 2)
        add(&keys, pairs[0], pairs[1], strlen(pairs[1]));
    g_autoptr(GVariant) record = parse(&keys);
    g_variant_iter_init(&iter, record);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        g_autofree char *text = g_variant_print(value, FALSE);
        g_ptr_array_add(members, g_strdup_printf("%s %s", name, text));
        g_variant_unref(value);
    }
    g_ptr_array_sort(members, compare_texts);
    g_autoptr(GString) all = g_string_new(NULL);
    for (guint i = 0; i < members->len; i++)
        g_string_append_printf(all, "%s%s", i ? "; " : "", (char *)members->pdata[i]);
    return g_strdup(all->str);
}

static void
check(const char *expected, const char *const *pairs)
{
    g_autofree char *text = parsed(pairs);

    g_assert_cmpstr(text, ==, expected);
}

#define KEYS(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void
test_meanings(void)
{
    check("os_version {'distro': 'debian', 'major': '12', 'minor': '8', 'name': 'Debian 12', "
          "'spmajor': '1', 'spminor': '2', 'uname': '6.1.0'}",
          KEYS("data/os_name", "Debian 12", "data/os_uname", "6.1.0", "data/os_distro", "debian",
               "data/os_majorver", "12", "data/os_minorver", "8", "attr/os/spmajor", "1",
               "attr/os/spminor", "2"));
    check("PV_drivers_version {'build': '90', 'major': '9', 'micro': '-1', 'minor': '3', 'xenvbd': "
          "'XenProject 9.1.0.5 (DEBUG)'}",
          KEYS("attr/PVAddons/MajorVersion", "9", "attr/PVAddons/MinorVersion", "3",
               "attr/PVAddons/BuildVersion", "90", "drivers/0",
               "XenProject XENVBD 9.1.0.5 (DEBUG)"));
    check("PV_drivers_version {'application': 'x', 'major': '1', 'micro': '7'}",
          KEYS("attr/PVAddons/MicroVersion", "7", "attr/PVAddons/MajorVersion", "1",
               "attr/PVAddons/Application", "x"));
    check("netbios_name {'host_name': 'web.example.org'}",
          KEYS("data/domain", "example.org", "data/host_name_dns", "web"));
    check("netbios_name {'host_name': 'web'}", KEYS("data/host_name_dns", "web"));
    check("other {'data-ts': '1', 'feature-balloon': '1', 'feature-suspend': '1'}",
          KEYS("control/feature-balloon", "1", "control/feature-suspend", "1", "data/ts", "1"));
    check("other {'data-cant-suspend-reason': 'a disk'}",
          KEYS("control/feature-suspend", "1", "data/cant_suspend_reason", "a disk"));
    check("services {'sql/port': '5432'}", KEYS("data/service/sql/port", "5432"));
    check("can_use_hotplug_vbd 'yes'; can_use_hotplug_vif 'no'",
          KEYS("feature/hotplug/vbd", "1", "feature/hotplug/vif", "0"));
    check("PV_drivers_detected true",
          KEYS("device/vbd/51712/state", "4", "device/vif/0/state", "1"));
}

static void
test_networks(void)
{
    check("networks {'0/ip': '10.0.0.1', '0/ipv4/0': '10.0.0.1', '0/ipv4/1': '10.0.0.2', "
          "'0/ipv6/0': 'fe80::1', '1/ip': '10.1.0.9', '1/ipv4/3': '10.1.0.9'}",
          KEYS("attr/vif/0/ipv4/1", "10.0.0.2", "attr/vif/0/ipv4/0", "10.0.0.1",
               "attr/vif/0/ipv6/0", "fe80::1", "attr/vif/1/ipv4/3", "10.1.0.9", "attr/eth0/ip",
               "192.168.0.1"));
    check("networks {'0/ip': '192.168.0.1', '0/ipv4/0': '192.168.0.1', '0/ipv6/1': 'fe80::2', "
          "'3/ip': '10.9.9.9', '3/ipv4/0': '10.9.9.9'}",
          KEYS("attr/eth0/ip", "192.168.0.1", "attr/eth0/ipv6/1/addr", "fe80::2", "attr/ens3/ip",
               "10.9.9.9"));
    check("", KEYS("attr/vif/0/ipv4/0", "10.0.0", "attr/vif/0/ipv4/1", "::1", "attr/vif/x/ipv4/0",
                   "10.0.0.1", "attr/vif/0/ipv6/0", "<script>", "attr/eth0/ip", "10.0.0.1; reboot",
                   "attr/eth/ip", "10.0.0.1", "attr/vif/0/ipv4/-1", "10.0.0.1"));
}

static void
test_nonsense(void)
{
    check("",
          KEYS("", "x", "/", "x", "data", "x", "data/", "x", "data/os_name", "", "data/os_name/x",
               "y", "attr", "1", "attr/vif", "1", "attr/os/hotfixes", "1", "drivers/0", "one two",
               "drivers/0/1", "a b c", "control/shutdown", "poweroff", "feature/hotplug/vbd", "yes",
               "device/vbd/1/state", "44", "console/tty", "/dev/pts/0", "data/service/x", "y",
               "a/b/c/d/e/f/g/h/i/j/k", "1", "\xff/x", "y"));
}

/* What a value becomes as data/os_name; NULL: it is left out. */
static char *
os_name(const char *value, gsize size)
{
    GVariantBuilder keys;
    char *name = NULL;

    g_variant_builder_init(&keys, G_VARIANT_TYPE("a(ayay)"));
    add(&keys, "data/os_name", value, size);
    g_autoptr(GVariant) record = parse(&keys);
    g_autoptr(GVariant) os = g_variant_lookup_value(record, "os_version", NULL);
    if (os)
        g_variant_lookup(os, "name", "s", &name);
    return name;
}

static void
test_bytes(void)
{
    static const struct {
        const char *bytes;
        gsize size;
        const char *text;
    } cases[] = {
        {"a\xff\xfe"
         "b",
         4, "a\uFFFD\uFFFDb"},
        {"a\0b", 3, "a\uFFFDb"},
        {"name\0\0", 6, "name"},
        {"\0", 1, NULL},
        {"\x1b[2J", 4, "\uFFFD[2J"},
        {"\xed\xa0\x80", 3, "\uFFFD\uFFFD\uFFFD"},
        {"tab\tline\n", 9, "tab\tline\n"},
    };
    char longest[GUEST_TEXT_MAX + 1];

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = os_name(cases[i].bytes, cases[i].size);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
    memset(longest, 'x', sizeof longest);
    g_autofree char *fits = os_name(longest, GUEST_TEXT_MAX);
    g_autofree char *beyond = os_name(longest, GUEST_TEXT_MAX + 1);
    g_assert_cmpuint(strlen(fits), ==, GUEST_TEXT_MAX);
    g_assert_null(beyond);
    /* Each of its bytes would become three. */
    memset(longest, '\xff', sizeof longest);
    g_autofree char *grown = os_name(longest, GUEST_TEXT_MAX);
    g_assert_null(grown);
}

static void
test_limits(void)
{
    char value[GUEST_TEXT_MAX];
    GVariantBuilder keys;

    memset(value, 'x', sizeof value);
    for (gsize size = 1; size <= sizeof value; size += sizeof value - 1) {
        g_variant_builder_init(&keys, G_VARIANT_TYPE("a(ayay)"));
        for (int i = 0; i < 10000; i++) {
            g_autofree char *service = g_strdup_printf("data/service/s/%d", i);
            g_autofree char *feature = g_strdup_printf("control/feature-%d", i);
            add(&keys, service, value, size);
            add(&keys, feature, value, size);
        }
        g_autoptr(GVariant) record = parse(&keys); /* is within the limits */
        g_autoptr(GVariant) services = g_variant_lookup_value(record, "services", NULL);
        gsize n = g_variant_n_children(services);
        g_assert_cmpuint(n, ==, size == 1 ? GUEST_ENTRIES_MAX : n);
        g_assert_cmpuint(n, >, 10);
    }
}

static void
test_check(void)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"@a{sv} {}", true},
        {"{'other': <{'a': 'b'}>, 'PV_drivers_detected': <true>}", true},
        {"{'others': <{'a': 'b'}>}", false},
        {"{'other': <'b'>}", false},
        {"{'other': <{'a': '\\u0001'}>}", false},
        {"{'PV_drivers_detected': <'yes'>}", false},
        {"{'can_use_hotplug_vif': <'maybe'>}", false},
        {"{'other': <{'a': 'b', 'a': 'c'}>}", false},
        {"{'PV_drivers_detected': <true>, 'PV_drivers_detected': <true>}", false},
    };
    g_autofree char *longest = g_strnfill(GUEST_TEXT_MAX + 1, 'x');

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GVariant) record =
            g_variant_parse(G_VARIANT_TYPE_VARDICT, cases[i].text, NULL, NULL, NULL);
        g_assert_nonnull(record);
        g_assert_true(guest_record_check(record) == cases[i].good);
    }
    for (int too_long = 0; too_long < 2; too_long++) {
        g_autoptr(GVariant) record = g_variant_ref_sink(
            g_variant_new_parsed("{'other': <{'a': %s}>}", longest + 1 - too_long));
        g_assert_true(guest_record_check(record) == !too_long);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-parse/meanings", test_meanings);
    g_test_add_func("/guest-parse/networks", test_networks);
    g_test_add_func("/guest-parse/nonsense", test_nonsense);
    g_test_add_func("/guest-parse/bytes", test_bytes);
    g_test_add_func("/guest-parse/limits", test_limits);
    g_test_add_func("/guest-parse/check", test_check);
    return g_test_run();
}
