#include "config.h"

#include "xenstore-helpers/guest-parse.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/guest-record.h"
#include "lib/text.h"

#define PATH_PARTS_MAX 8
#define NUMBER_DIGITS_MAX 10

enum { OS, NETBIOS, DRIVERS, NETWORKS, OTHER, SERVICES, N_MAPS };

static const char *const map_names[N_MAPS] = {
    [OS] = "os_version",     [NETBIOS] = "netbios_name", [DRIVERS] = "PV_drivers_version",
    [NETWORKS] = "networks", [OTHER] = "other",          [SERVICES] = "services",
};

struct record {
    GHashTable *maps[N_MAPS];
    GHashTable *old_networks; /* of attr/ethN and its like: count when there are no attr/vif */
    gsize room;               /* bytes of text that may still be taken */
    char *host, *domain, *cannot_suspend;
    bool detected;
    const char *hotplug_vbd, *hotplug_vif;
};

/* A path cut into its parts, and its value as text. */
struct key {
    char **parts;
    guint n;
    const char *value;
};

static void
put(struct record *r, GHashTable *map, const char *key, const char *value)
{
    gsize size = strlen(key) + strlen(value);
    const char *old = g_hash_table_lookup(map, key);

    if (strlen(key) > GUEST_TEXT_MAX || size > r->room ||
        (!old && g_hash_table_size(map) >= GUEST_ENTRIES_MAX))
        return;
    r->room -= size;
    g_hash_table_insert(map, g_strdup(key), g_strdup(value));
}

static bool
is(const struct key *key, guint part, const char *word)
{
    return g_str_equal(key->parts[part], word);
}

static bool
is_number(const char *text)
{
    gsize length = strlen(text);

    return length > 0 && length <= NUMBER_DIGITS_MAX && strspn(text, "0123456789") == length;
}

/* A table of "this key is that entry". */
struct entry {
    const char *word, *name;
};

static const char *
entry_name(const struct entry *entries, const char *word)
{
    for (; entries->word; entries++)
        if (g_str_equal(entries->word, word))
            return entries->name;
    return NULL;
}

static void
put_entry(struct record *r, int map, const struct entry *entries, const struct key *key, guint part)
{
    const char *name = entry_name(entries, key->parts[part]);

    if (name)
        put(r, r->maps[map], name, key->value);
}

/* --- networks --- */

static bool
is_address(int family, const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(family, text, address) == 1;
}

/* N/ip is the first IPv4 address: of the lowest number, whatever order they come in. */
static void
put_address(struct record *r, GHashTable *map, const char *device, int family, const char *number,
            const char *value)
{
    g_autofree char *name =
        g_strdup_printf("%s/%s/%s", device, family == AF_INET ? "ipv4" : "ipv6", number);

    if (is_number(device) && is_number(number) && is_address(family, value))
        put(r, map, name, value);
}

/* attr/vif/DEVID/ipv4/M, ipv6/M */
static void
parse_vif(struct record *r, const struct key *key)
{
    if (key->n != 5 || (!is(key, 3, "ipv4") && !is(key, 3, "ipv6")))
        return;
    put_address(r, r->maps[NETWORKS], key->parts[2], is(key, 3, "ipv4") ? AF_INET : AF_INET6,
                key->parts[4], key->value);
}

/* attr/ethN/ip, attr/ethN/ipv6/M/addr: what agents wrote before attr/vif. */
static void
parse_interface(struct record *r, const struct key *key)
{
    static const char *const prefixes[] = {"eth", "xenbr", "eno", "ens", "emp", "enx"};

    for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (!g_str_has_prefix(key->parts[1], prefixes[i]))
            continue;
        const char *device = key->parts[1] + strlen(prefixes[i]);
        if (key->n == 3 && is(key, 2, "ip"))
            put_address(r, r->old_networks, device, AF_INET, "0", key->value);
        else if (key->n == 5 && is(key, 2, "ipv6") && is(key, 4, "addr"))
            put_address(r, r->old_networks, device, AF_INET6, key->parts[3], key->value);
        return;
    }
}

/* The number behind DEVICE/ipv4/, -1 for another key. */
static gint64
ipv4_number(const char *name, const char *device, gsize length)
{
    if (strncmp(name, device, length) != 0 || strncmp(name + length, "/ipv4/", 6) != 0)
        return -1;
    return g_ascii_strtoll(name + length + 6, NULL, 10);
}

static void
add_first_addresses(struct record *r)
{
    GHashTable *networks = r->maps[NETWORKS];
    g_autoptr(GList) names = g_hash_table_get_keys(networks);

    for (GList *at = names; at; at = at->next) {
        const char *name = at->data;
        gsize length = strcspn(name, "/");
        gint64 number = ipv4_number(name, name, length);
        bool first = number >= 0;

        for (GList *other = names; first && other; other = other->next) {
            gint64 theirs = ipv4_number(other->data, name, length);
            first = theirs < 0 || theirs >= number;
        }
        if (first) {
            g_autofree char *ip = g_strdup_printf("%.*s/ip", (int)length, name);
            put(r, networks, ip, g_hash_table_lookup(networks, name));
        }
    }
}

/* --- the trees --- */

static void
parse_attr(struct record *r, const struct key *key)
{
    static const struct entry addons[] = {{"MajorVersion", "major"},      {"MinorVersion", "minor"},
                                          {"MicroVersion", "micro"},      {"BuildVersion", "build"},
                                          {"Application", "application"}, {NULL, NULL}};
    static const struct entry os[] = {{"spmajor", "spmajor"}, {"spminor", "spminor"}, {NULL, NULL}};

    if (key->n == 3 && is(key, 1, "PVAddons"))
        put_entry(r, DRIVERS, addons, key, 2);
    else if (key->n == 3 && is(key, 1, "os"))
        put_entry(r, OS, os, key, 2);
    else if (key->n > 1 && is(key, 1, "vif"))
        parse_vif(r, key);
    else if (key->n > 2)
        parse_interface(r, key);
}

static void
parse_data(struct record *r, const struct key *key)
{
    static const struct entry os[] = {{"os_name", "name"},      {"os_uname", "uname"},
                                      {"os_distro", "distro"},  {"os_majorver", "major"},
                                      {"os_minorver", "minor"}, {NULL, NULL}};

    if (key->n == 4 && is(key, 1, "service")) {
        g_autofree char *name = g_strdup_printf("%s/%s", key->parts[2], key->parts[3]);
        put(r, r->maps[SERVICES], name, key->value);
    }
    if (key->n != 2)
        return;
    if (is(key, 1, "host_name_dns") && !r->host)
        r->host = g_strdup(key->value);
    else if (is(key, 1, "domain") && !r->domain)
        r->domain = g_strdup(key->value);
    else if (is(key, 1, "ts"))
        put(r, r->maps[OTHER], "data-ts", key->value);
    else if (is(key, 1, "cant_suspend_reason") && !r->cannot_suspend)
        r->cannot_suspend = g_strdup(key->value);
    else
        put_entry(r, OS, os, key, 1);
}

/* drivers/N = VENDOR NAME VERSION ATTRIBUTES */
static void
parse_driver(struct record *r, const struct key *key)
{
    g_auto(GStrv) words = g_strsplit(key->value, " ", 3);

    if (key->n != 2 || g_strv_length(words) != 3 || !*words[0] || !*words[1] || !*words[2])
        return;
    g_autofree char *name = g_ascii_strdown(words[1], -1);
    g_autofree char *value = g_strdup_printf("%s %s", words[0], words[2]);
    put(r, r->maps[DRIVERS], name, value);
}

static const char *
can(const char *value)
{
    return g_str_equal(value, "1") ? "yes" : g_str_equal(value, "0") ? "no" : NULL;
}

static void
parse_key(struct record *r, const struct key *key)
{
    if (is(key, 0, "attr")) {
        parse_attr(r, key);
    } else if (is(key, 0, "data")) {
        parse_data(r, key);
    } else if (is(key, 0, "drivers")) {
        parse_driver(r, key);
    } else if (is(key, 0, "control") && key->n == 2 &&
               g_str_has_prefix(key->parts[1], "feature-")) {
        put(r, r->maps[OTHER], key->parts[1], key->value);
    } else if (is(key, 0, "device") && key->n == 4 && is(key, 3, "state")) {
        r->detected |= g_str_equal(key->value, "4");
    } else if (is(key, 0, "feature") && key->n == 3 && is(key, 1, "hotplug")) {
        if (is(key, 2, "vbd"))
            r->hotplug_vbd = can(key->value);
        else if (is(key, 2, "vif"))
            r->hotplug_vif = can(key->value);
    }
}

/* --- bytes to keys --- */

/* As text, NULL when it is empty (the toolstack makes such keys for the guest to fill) or too long.
 */
static char *
value_text(const char *bytes, gsize size)
{
    while (size > 0 && bytes[size - 1] == '\0') /* some agents write the end of a C string too */
        size--;
    if (size == 0 || size > GUEST_TEXT_MAX)
        return NULL;
    g_autofree char *text = text_clean(bytes, (gssize)size);
    return strlen(text) <= GUEST_TEXT_MAX ? g_steal_pointer(&text) : NULL;
}

static void
take(struct record *r, GVariant *path, GVariant *value)
{
    gsize path_size, value_size;
    const char *path_bytes = g_variant_get_fixed_array(path, &path_size, 1);
    const char *value_bytes = g_variant_get_fixed_array(value, &value_size, 1);

    if (path_size == 0 || path_size > GUEST_TEXT_MAX ||
        !text_is_valid(path_bytes, (gssize)path_size))
        return;
    g_autofree char *path_text = g_strndup(path_bytes, path_size);
    g_autofree char *text = value_text(value_bytes, value_size);
    g_auto(GStrv) parts = g_strsplit(path_text, "/", PATH_PARTS_MAX);
    struct key key = {.parts = parts, .n = g_strv_length(parts), .value = text};
    if (text)
        parse_key(r, &key);
}

/* --- keys to the record --- */

static void
finish(struct record *r)
{
    GHashTable *drivers = r->maps[DRIVERS], *other = r->maps[OTHER];

    if (g_hash_table_contains(drivers, "major") && !g_hash_table_contains(drivers, "micro"))
        put(r, drivers, "micro", "-1");
    if (r->host) {
        g_autofree char *full = g_strjoin(".", r->host, r->domain, NULL);
        put(r, r->maps[NETBIOS], "host_name", strlen(full) <= GUEST_TEXT_MAX ? full : r->host);
    }
    if (r->cannot_suspend) {
        put(r, other, "data-cant-suspend-reason", r->cannot_suspend);
        g_hash_table_remove(other, "feature-suspend");
    }
    if (g_hash_table_size(r->maps[NETWORKS]) == 0) {
        g_hash_table_unref(r->maps[NETWORKS]);
        r->maps[NETWORKS] = g_hash_table_ref(r->old_networks);
    }
    add_first_addresses(r);
}

/* Sorted, so that the same keys make the same record. */
static GVariant *
map_variant(GHashTable *map)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(map), (GCompareFunc)strcmp);
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
    for (GList *at = names; at; at = at->next)
        g_variant_builder_add(&builder, "{ss}", at->data, g_hash_table_lookup(map, at->data));
    return g_variant_builder_end(&builder);
}

static GVariant *
record_variant(const struct record *r)
{
    GVariantDict record;

    g_variant_dict_init(&record, NULL);
    for (int i = 0; i < N_MAPS; i++)
        if (g_hash_table_size(r->maps[i]))
            g_variant_dict_insert_value(&record, map_names[i], map_variant(r->maps[i]));
    if (r->detected)
        g_variant_dict_insert(&record, "PV_drivers_detected", "b", TRUE);
    if (r->hotplug_vbd)
        g_variant_dict_insert(&record, "can_use_hotplug_vbd", "s", r->hotplug_vbd);
    if (r->hotplug_vif)
        g_variant_dict_insert(&record, "can_use_hotplug_vif", "s", r->hotplug_vif);
    return g_variant_dict_end(&record);
}

GVariant *
guest_parse(GVariant *keys)
{
    struct record r = {.room = GUEST_RECORD_TEXT};
    GVariant *path, *value, *record;
    GVariantIter iter;

    r.old_networks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (int i = 0; i < N_MAPS; i++)
        r.maps[i] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_variant_iter_init(&iter, keys);
    while (g_variant_iter_next(&iter, "(@ay@ay)", &path, &value)) {
        take(&r, path, value);
        g_variant_unref(path);
        g_variant_unref(value);
    }
    finish(&r);
    record = record_variant(&r);
    g_hash_table_unref(r.old_networks);
    for (int i = 0; i < N_MAPS; i++)
        g_hash_table_unref(r.maps[i]);
    g_free(r.host);
    g_free(r.domain);
    g_free(r.cannot_suspend);
    return record;
}
