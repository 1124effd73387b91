#include "config.h"

#include "xapid/host/interfaces.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <string.h>

#include "lib/bridge-name.h"
#include "lib/link.h"
#include "lib/text.h"

#define SYSFS "/sys/class/net"
#define RESOLV_CONF "/etc/resolv.conf"
#define BACK_END_BUS "xen-backend" /* of guests' cards */

/* ---- small readers ---- */

/* A line of the kernel's about an interface; "" without one.  The caller frees. */
static char *
sysfs_line(const char *name, const char *leaf)
{
    g_autofree char *path = g_build_filename(SYSFS, name, leaf, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return g_strdup("");
    return text_clean(g_strstrip(text), -1);
}

static char *
text_of(const struct link_address *address, bool with_prefix)
{
    char text[INET6_ADDRSTRLEN];

    if (!inet_ntop(address->family, address->bytes, text, sizeof text))
        return g_strdup("");
    return with_prefix ? g_strdup_printf("%s/%u", text, address->prefix) : g_strdup(text);
}

/* The name servers of this machine, separated by commas.  The caller frees. */
static char *
name_servers(void)
{
    g_autofree char *text = NULL;
    GString *servers = g_string_new("");

    if (g_file_get_contents(RESOLV_CONF, &text, NULL, NULL)) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
            g_auto(GStrv) words = g_strsplit_set(*line, " \t", 3);
            if (g_strv_length(words) < 2 || !g_str_equal(words[0], "nameserver"))
                continue;
            if (g_hostname_is_ip_address(words[1]))
                g_string_append_printf(servers, "%s%s", servers->len ? "," : "", words[1]);
        }
    }
    return g_string_free(servers, FALSE);
}

/* ---- the machine ---- */

struct reading {
    GHashTable *links;    /* index -> struct link */
    GHashTable *switched; /* as interfaces_read () has it */
    GArray *addresses;    /* of struct link_address */
    GArray *gateways;
    GVariantBuilder all;
    guint n;
    char *dns;
};

static void
note_link(const struct link *link, void *data)
{
    struct reading *reading = data;

    g_hash_table_insert(reading->links, GINT_TO_POINTER(link->index),
                        g_memdup2(link, sizeof *link));
}

static void
note_address(const struct link_address *address, void *data)
{
    g_array_append_vals(data, address, 1);
}

/* The bridge of Open vSwitch that somebody else put an interface into, or NULL. */
static const char *
foreign_switch(const struct reading *reading, const struct link *link)
{
    return reading->switched ? g_hash_table_lookup(reading->switched, link->name) : NULL;
}

static const struct link *
find_link(const struct reading *reading, const char *name)
{
    GHashTableIter iter;
    gpointer link;

    g_hash_table_iter_init(&iter, reading->links);
    while (g_hash_table_iter_next(&iter, NULL, &link))
        if (g_str_equal(((const struct link *)link)->name, name))
            return link;
    return NULL;
}

/* The bridge or bond of somebody else that an interface is in, or NULL.  One of Open vSwitch is the
 * interface of its name. */
static const struct link *
foreign_master(const struct reading *reading, const struct link *link)
{
    const struct link *master = g_hash_table_lookup(reading->links, GINT_TO_POINTER(link->master));
    const char *name = foreign_switch(reading, link);

    if (name)
        return find_link(reading, name);
    if (link->is_switched)
        return NULL;
    return master && master->group != LINK_GROUP_OURS ? master : NULL;
}

/* What is on the bridge that it is in is its own, too: that is how the host is reached by it. */
static void
add_addresses(const struct reading *reading, const struct link *link, GVariantDict *facts)
{
    const struct link *master = foreign_master(reading, link);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    bool is_permanent = true;

    for (guint i = 0; i < reading->addresses->len; i++) {
        const struct link_address *address =
            &g_array_index(reading->addresses, struct link_address, i);
        if (address->is_local ||
            (address->index != link->index && (!master || address->index != master->index)))
            continue;
        is_permanent = is_permanent && address->is_permanent;
        g_ptr_array_add(texts, text_of(address, true));
    }
    g_variant_dict_insert_value(
        facts, "addresses",
        g_variant_new_strv((const char *const *)texts->pdata, (gssize)texts->len));
    g_variant_dict_insert(facts, "dynamic", "b", texts->len > 0 && !is_permanent);
    for (guint i = 0; i < reading->gateways->len; i++) {
        const struct link_address *gateway =
            &g_array_index(reading->gateways, struct link_address, i);
        if (gateway->index != link->index && (!master || gateway->index != master->index))
            continue;
        g_autofree char *text = text_of(gateway, false);
        g_variant_dict_insert(facts, gateway->family == AF_INET ? "gateway" : "gateway6", "s",
                              text);
        g_variant_dict_insert(facts, "dns", "s", reading->dns);
    }
}

static void
add_hardware(const struct link *link, GVariantDict *facts)
{
    g_autofree char *path = text_clean(link->bus_path, -1);
    g_autofree char *speed = sysfs_line(link->name, "speed");
    g_autofree char *duplex = sysfs_line(link->name, "duplex");
    g_autofree char *vendor = sysfs_line(link->name, "device/vendor");
    g_autofree char *device = sysfs_line(link->name, "device/device");

    g_variant_dict_insert(facts, "physical", "b", *link->bus != '\0');
    g_variant_dict_insert(facts, "bus_path", "s", path);
    g_variant_dict_insert(facts, "vendor_id", "s", vendor);
    g_variant_dict_insert(facts, "device_id", "s", device);
    /* -1 where there is no carrier, or none is known */
    g_variant_dict_insert(facts, "speed", "x", MAX(g_ascii_strtoll(speed, NULL, 10), 0));
    g_variant_dict_insert(facts, "duplex", "b", g_str_equal(duplex, "full"));
}

static bool
is_told(const struct link *link)
{
    return link->is_ethernet && !link->is_bridge && !link->is_switch && link->tag < 0 &&
           link->group != LINK_GROUP_OURS && strcmp(link->bus, BACK_END_BUS) != 0 &&
           bridge_name_is_valid(link->name);
}

static void
add_link(struct reading *reading, const struct link *link)
{
    const struct link *master = foreign_master(reading, link);
    bool in_bridge = master && (master->is_bridge || foreign_switch(reading, link)) &&
                     bridge_name_is_valid(master->name);
    const uint8_t *mac = link->mac;
    g_autofree char *text = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                                            mac[3], mac[4], mac[5]);
    GVariantDict facts;

    g_variant_dict_init(&facts, NULL);
    g_variant_dict_insert(&facts, "name", "s", link->name);
    g_variant_dict_insert(&facts, "mac", "s", text);
    g_variant_dict_insert(&facts, "mtu", "x", (gint64)link->mtu);
    g_variant_dict_insert(&facts, "up", "b", link->is_up);
    g_variant_dict_insert(&facts, "carrier", "b", link->has_carrier);
    g_variant_dict_insert(&facts, "bridge", "s", in_bridge ? master->name : "");
    g_variant_dict_insert(&facts, "part", "b", master && !in_bridge);
    add_addresses(reading, link, &facts);
    add_hardware(link, &facts);
    g_variant_builder_add_value(&reading->all, g_variant_dict_end(&facts));
    reading->n++;
}

static int
by_index(const void *a, const void *b)
{
    return GPOINTER_TO_INT(a) - GPOINTER_TO_INT(b);
}

GVariant *
interfaces_read(GHashTable *switched, GError **error)
{
    g_autoptr(GHashTable) links = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_autoptr(GArray) addresses = g_array_new(FALSE, FALSE, sizeof(struct link_address));
    g_autoptr(GArray) gateways = g_array_new(FALSE, FALSE, sizeof(struct link_address));
    g_autofree char *dns = name_servers();
    struct reading reading = {.links = links,
                              .switched = switched,
                              .addresses = addresses,
                              .gateways = gateways,
                              .dns = dns};
    int rc = link_each(note_link, &reading);

    if (rc == 0)
        rc = link_addresses(note_address, addresses);
    if (rc == 0)
        rc = link_gateways(note_address, gateways);
    if (rc < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-rc), "looking at interfaces: %s",
                    g_strerror(-rc));
        return NULL;
    }
    g_autoptr(GList) indices = g_list_sort(g_hash_table_get_keys(links), by_index);
    g_variant_builder_init(&reading.all, G_VARIANT_TYPE("aa{sv}"));
    for (GList *item = indices; item && reading.n < INTERFACES_MAX; item = item->next) {
        const struct link *link = g_hash_table_lookup(links, item->data);
        if (is_told(link))
            add_link(&reading, link);
    }
    return g_variant_builder_end(&reading.all);
}

/* ---- a simulated host ---- */

static GKeyFile *
load(const char *sim_dir)
{
    g_autofree char *path = g_build_filename(sim_dir, INTERFACES_SIM_FILE, NULL);
    GKeyFile *file = g_key_file_new();

    g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL);
    return file;
}

static void
add_simulated(GKeyFile *file, const char *name, GVariantBuilder *all)
{
    static const char *const texts[] = {"mac", "bridge",    "gateway",   "gateway6",
                                        "dns", "vendor_id", "device_id", "bus_path"};
    static const char *const flags[] = {"up", "carrier", "part", "dynamic", "physical", "duplex"};
    static const char *const numbers[] = {"mtu", "speed"};
    g_auto(GStrv) addresses = g_key_file_get_string_list(file, name, "addresses", NULL, NULL);
    const char *const none[] = {NULL};
    GVariantDict facts;

    g_variant_dict_init(&facts, NULL);
    g_variant_dict_insert(&facts, "name", "s", name);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text = g_key_file_get_string(file, name, texts[i], NULL);
        g_variant_dict_insert(&facts, texts[i], "s", text ? text : "");
    }
    for (gsize i = 0; i < G_N_ELEMENTS(flags); i++)
        g_variant_dict_insert(&facts, flags[i], "b",
                              g_key_file_get_boolean(file, name, flags[i], NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        g_variant_dict_insert(&facts, numbers[i], "x",
                              g_key_file_get_int64(file, name, numbers[i], NULL));
    g_variant_dict_insert(&facts, "addresses", "^as",
                          addresses ? (const char *const *)addresses : none);
    g_variant_builder_add_value(all, g_variant_dict_end(&facts));
}

GVariant *
interfaces_read_simulated(const char *sim_dir)
{
    g_autoptr(GKeyFile) file = load(sim_dir);
    g_auto(GStrv) names = g_key_file_get_groups(file, NULL);
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("aa{sv}"));
    for (char **name = names; *name; name++)
        add_simulated(file, *name, &all);
    return g_variant_builder_end(&all);
}

bool
interface_is_simulated(const char *sim_dir, const char *name, bool *ret_used)
{
    g_autoptr(GKeyFile) file = load(sim_dir);
    g_autofree char *addresses = g_key_file_get_string(file, name, "addresses", NULL);
    g_autofree char *bridge = g_key_file_get_string(file, name, "bridge", NULL);

    *ret_used = (addresses && *addresses) || (bridge && *bridge) ||
                g_key_file_get_boolean(file, name, "part", NULL);
    return g_key_file_has_group(file, name);
}
