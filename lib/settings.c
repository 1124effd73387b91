/* Reads the configuration file into one struct; used by every program that has a --config. */
#include "config.h"

#include "lib/settings.h"

#include "lib/text.h"

#include <gio/gio.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>

#define KIB 1024
#define MIB (1024 * KIB)
#define GIB (1024LL * MIB)
#define DAY 86400
#define NAME_MAX_BYTES 64

enum kind {
    KIND_ADDRESS,   /* char *: numeric, or "" */
    KIND_ADDRESSES, /* char **: numeric, at least one */
    KIND_COUNT,     /* guint */
    KIND_SIZE,      /* gsize: a number, or one with K, M or G (powers of 1024) */
    KIND_PATH,      /* char *: absolute */
    KIND_OPTIONAL,  /* char *: absolute path, or "" */
    KIND_SOCKET,    /* char *: absolute path of a unix socket */
    KIND_NAME,      /* char *: a user or a PAM service */
    KIND_LEVEL,     /* enum log_level */
    KIND_BACKEND,   /* char *: of networks, or "" */
};

struct key {
    const char *group, *key;
    enum kind kind;
    size_t offset;
    const char *value; /* default */
    gint64 min, max;
};

#define AT(member) offsetof(struct settings, member)
#define COUNT(name, value, min, max)                                                               \
    {                                                                                              \
        "limits", #name, KIND_COUNT, AT(limits.name), value, min, max                              \
    }
#define SIZE(name, value, min, max)                                                                \
    {                                                                                              \
        "limits", #name, KIND_SIZE, AT(limits.name), value, min, max                               \
    }

static const struct key keys[] = {
    {"xapid", "address", KIND_ADDRESS, AT(address), "", 0, 0},
    {"xapid", "http_port", KIND_COUNT, AT(http_port), "80", 0, 65535},
    {"xapid", "https_port", KIND_COUNT, AT(https_port), "443", 0, 65535},
    {"xapid", "listen", KIND_ADDRESSES, AT(listen), "0.0.0.0;::", 0, 0},
    {"xapid", "unix_socket", KIND_SOCKET, AT(unix_socket), "/var/lib/xcp/xapi", 0, 0},
    {"xapid", "state_dir", KIND_PATH, AT(state_dir), XAPID_STATEDIR, 0, 0},
    {"xapid", "guest_kernels", KIND_PATH, AT(guest_kernels), "/var/lib/xcp/guest", 0, 0},
    {"xapid", "storage_drivers", KIND_OPTIONAL, AT(storage_drivers), "", 0, 0},
    {"xapid", "page_dir", KIND_OPTIONAL, AT(page_dir), "", 0, 0},
    {"xapid", "novnc_dir", KIND_PATH, AT(novnc_dir), "/usr/share/novnc", 0, 0},
    {"xapid", "disk_handles", KIND_PATH, AT(disk_handles), "/run/xapid/disks", 0, 0},
    {"xapid", "user", KIND_NAME, AT(user), "xapid", 0, 0},
    {"xapid", "log_level", KIND_LEVEL, AT(log_level), "info", 0, 0},
    {"xapid", "pam_service", KIND_NAME, AT(pam_service), "xapid", 0, 0},
    {"xapid", "network_backend", KIND_BACKEND, AT(network_backend), "", 0, 0},
    {"xapid", "confirm_seconds", KIND_COUNT, AT(confirm_seconds), "60", 1, 60},
    {"xapid", "resync_seconds", KIND_COUNT, AT(resync_seconds), "10", 1, DAY},
    {"xapid", "ready_domains", KIND_COUNT, AT(ready_domains), "0", 0, READY_DOMAINS_MAX},
    COUNT(max_connections, "20000", 16, 1000000),
    COUNT(max_connections_per_address, "2000", 4, 1000000),
    COUNT(reserved_connections, "64", 1, 1000),
    SIZE(max_body, "16M", 300 * KIB, 1 * GIB),
    SIZE(max_header, "16K", 1 * KIB, 1 * MIB),
    COUNT(header_read_seconds, "10", 1, 3600),
    COUNT(header_total_seconds, "60", 1, 3600),
    COUNT(body_read_seconds, "30", 1, 3600),
    COUNT(keep_alive_seconds, "300", 1, DAY),
    SIZE(max_bodies_total, "256M", 1 * MIB, 64 * GIB),
    COUNT(max_sessions_per_user, "500", 1, 100000),
    COUNT(max_sessions_per_originator, "500", 1, 100000),
    COUNT(session_idle_seconds, "86400", 1, 365 * DAY),
    COUNT(max_tasks, "10000", 100, 1000000),
    COUNT(max_parked_calls, "10000", 16, 1000000),
    {"sim", "dir", KIND_OPTIONAL, AT(sim_dir), "", 0, 0},
    {"sim", "real_networks", KIND_COUNT, AT(sim_real_networks), "0", 0, 1},
};

/* --- values --- */

static bool
address_is_valid(const char *text)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(text);

    return address != NULL;
}

static bool
path_is_valid(const char *text)
{
    g_auto(GStrv) parts = NULL;

    if (text[0] != '/' || text[1] == '\0' || strlen(text) >= PATH_MAX)
        return false;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    parts = g_strsplit(text, "/", -1);
    return !g_strv_contains((const char *const *)parts, "..");
}

static bool
name_is_valid(const char *text)
{
    size_t length = strlen(text);

    return length > 0 && length <= NAME_MAX_BYTES && text[0] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               length;
}

/* Numbers, with K, M or G for sizes. */
static bool
parse_number(const char *text, bool size, const struct key *key, gint64 *ret_number)
{
    g_autofree char *digits = g_strdup(text);
    size_t length = strlen(digits);
    gint64 unit = 1;
    guint64 number;

    if (size && length > 0) {
        switch (digits[length - 1]) {
        case 'K':
            unit = KIB;
            break;
        case 'M':
            unit = MIB;
            break;
        case 'G':
            unit = GIB;
            break;
        default:
            break;
        }
        if (unit != 1)
            digits[length - 1] = '\0';
    }
    if (!g_ascii_string_to_unsigned(digits, 10, 0, (guint64)(key->max / unit), &number, NULL) ||
        (gint64)number * unit < key->min)
        return false;
    *ret_number = (gint64)number * unit;
    return true;
}

static bool
parse_addresses(const char *text, char ***ret_list)
{
    g_auto(GStrv) parts = g_strsplit(text, ";", -1);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    guint count = 0;

    for (char **part = parts; *part; part++) {
        g_strstrip(*part);
        if (part[0][0] == '\0' && !part[1])
            break; /* a ';' at the end is usual in key files */
        if (!address_is_valid(*part) || ++count > SETTINGS_LISTEN_MAX)
            return false;
        g_strv_builder_add(builder, *part);
    }
    if (count == 0)
        return false;
    *ret_list = g_strv_builder_end(builder);
    return true;
}

static void
take_string(char **member, const char *text)
{
    g_free(*member);
    *member = g_strdup(text);
}

/* Stores `text` in its member; NULL when it is good, else what would be. The caller frees. */
static char *
key_set(const struct key *key, struct settings *settings, const char *text)
{
    void *member = (char *)settings + key->offset;
    gint64 number = 0;
    char **list = NULL;

    switch (key->kind) {
    case KIND_ADDRESS:
        if (*text && !address_is_valid(text))
            return g_strdup("an IPv4 or IPv6 address");
        take_string(member, text);
        return NULL;
    case KIND_ADDRESSES:
        if (!parse_addresses(text, &list))
            return g_strdup_printf("one to %d IPv4 or IPv6 addresses separated by ';'",
                                   SETTINGS_LISTEN_MAX);
        g_strfreev(*(char ***)member);
        *(char ***)member = list;
        return NULL;
    case KIND_COUNT:
        if (!parse_number(text, false, key, &number))
            return g_strdup_printf("a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                                   key->min, key->max);
        *(guint *)member = (guint)number;
        return NULL;
    case KIND_SIZE:
        if (!parse_number(text, true, key, &number))
            return g_strdup_printf("bytes, or a number with K, M or G, from %" G_GINT64_FORMAT
                                   " to %" G_GINT64_FORMAT " bytes",
                                   key->min, key->max);
        *(gsize *)member = (gsize)number;
        return NULL;
    case KIND_OPTIONAL:
    case KIND_PATH:
        if (!(key->kind == KIND_OPTIONAL && !*text) && !path_is_valid(text))
            return g_strdup("an absolute path without '..'");
        take_string(member, text);
        return NULL;
    case KIND_SOCKET:
        if (!path_is_valid(text) || strlen(text) >= sizeof((struct sockaddr_un *)0)->sun_path)
            return g_strdup("an absolute path without '..', of at most 107 bytes");
        take_string(member, text);
        return NULL;
    case KIND_NAME:
        if (!name_is_valid(text))
            return g_strdup("a name of letters, digits, '_' and '-'");
        take_string(member, text);
        return NULL;
    case KIND_LEVEL:
        if (log_level_parse(text) < 0)
            return g_strdup("error, warning, info or debug");
        *(enum log_level *)member = (enum log_level)log_level_parse(text);
        return NULL;
    case KIND_BACKEND:
        if (*text && !g_str_equal(text, NETWORK_BACKEND_OVS) &&
            !g_str_equal(text, NETWORK_BACKEND_BRIDGE))
            return g_strdup("\"" NETWORK_BACKEND_OVS "\" or \"" NETWORK_BACKEND_BRIDGE "\"");
        take_string(member, text);
        return NULL;
    }
    g_assert_not_reached();
}

/* --- the file --- */

static const struct key *
key_find(const char *group, const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        if (g_str_equal(keys[i].group, group) && (!name || g_str_equal(keys[i].key, name)))
            return &keys[i];
    return NULL;
}

static bool
read_group(struct settings *settings, GKeyFile *file, const char *name, const char *group,
           GError **error)
{
    g_auto(GStrv) names = g_key_file_get_keys(file, group, NULL, NULL);

    if (!key_find(group, NULL)) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_GROUP_NOT_FOUND,
                    "%s: there is no group [%s]", name, group);
        return false;
    }
    for (char **k = names; k && *k; k++) {
        const struct key *key = key_find(group, *k);
        g_autofree char *text = NULL;
        g_autofree char *wanted = NULL;

        if (!key) {
            g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
                        "%s: [%s] has no key \"%s\"", name, group, *k);
            return false;
        }
        text = g_key_file_get_string(file, group, *k, NULL);
        if (text)
            g_strstrip(text);
        wanted = text ? key_set(key, settings, text) : g_strdup("UTF-8 text");
        if (wanted) {
            g_autofree char *shown = g_key_file_get_value(file, group, *k, NULL);
            g_autofree char *clean = text_clean(shown ? shown : "", -1);

            g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                        "%s: [%s] %s = \"%.100s\": must be %s", name, group, *k, clean, wanted);
            return false;
        }
    }
    return true;
}

static struct settings *
settings_new(void)
{
    struct settings *settings = g_new0(struct settings, 1);

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *wanted = key_set(&keys[i], settings, keys[i].value);

        g_assert(!wanted);
    }
    return settings;
}

struct settings *
settings_parse(const char *name, const char *text, GError **error)
{
    struct settings *settings;
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) local = NULL;
    g_auto(GStrv) groups = NULL;

    if (!g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, &local) &&
        !g_error_matches(local, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_NOT_FOUND)) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE, "%s: %s", name,
                    local->message);
        return NULL;
    }
    settings = settings_new();
    groups = g_key_file_get_groups(file, NULL);
    for (char **group = groups; *group; group++)
        if (!read_group(settings, file, name, *group, error)) {
            settings_free(settings);
            return NULL;
        }
    return settings;
}

struct settings *
settings_load(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) local = NULL;
    gsize length = 0;

    if (!g_file_get_contents(path ? path : SETTINGS_FILE, &text, &length, &local)) {
        if (!path && g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return settings_new();
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    if (!path)
        path = SETTINGS_FILE;
    if (length > SETTINGS_FILE_MAX || strlen(text) != length) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE,
                    "%s: not a configuration file (too long, or not text)", path);
        return NULL;
    }
    return settings_parse(path, text, error);
}

void
settings_free(struct settings *settings)
{
    if (!settings)
        return;
    g_free(settings->address);
    g_strfreev(settings->listen);
    g_free(settings->unix_socket);
    g_free(settings->state_dir);
    g_free(settings->guest_kernels);
    g_free(settings->storage_drivers);
    g_free(settings->page_dir);
    g_free(settings->novnc_dir);
    g_free(settings->disk_handles);
    g_free(settings->user);
    g_free(settings->pam_service);
    g_free(settings->network_backend);
    g_free(settings->sim_dir);
    g_free(settings);
}

void
settings_foreach_key(void (*key)(const char *group, const char *key, const char *value, void *data),
                     void *data)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        key(keys[i].group, keys[i].key, keys[i].value, data);
}

/* --- the host's address --- */

static char *
first_address(struct ifaddrs *list, int family)
{
    for (struct ifaddrs *i = list; i; i = i->ifa_next) {
        g_autoptr(GInetAddress) address = NULL;

        if (!i->ifa_addr || i->ifa_addr->sa_family != family || !(i->ifa_flags & IFF_UP) ||
            (i->ifa_flags & IFF_LOOPBACK))
            continue;
        if (family == AF_INET)
            address = g_inet_address_new_from_bytes(
                (const guint8 *)&((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr,
                G_SOCKET_FAMILY_IPV4);
        else
            address = g_inet_address_new_from_bytes(
                (const guint8 *)&((struct sockaddr_in6 *)(void *)i->ifa_addr)->sin6_addr,
                G_SOCKET_FAMILY_IPV6);
        if (!g_inet_address_get_is_link_local(address) && !g_inet_address_get_is_loopback(address))
            return g_inet_address_to_string(address);
    }
    return NULL;
}

char *
settings_address(const struct settings *settings)
{
    struct ifaddrs *list = NULL;
    char *address = NULL;

    if (settings->address[0])
        return g_strdup(settings->address);
    if (getifaddrs(&list) == 0) {
        address = first_address(list, AF_INET);
        if (!address)
            address = first_address(list, AF_INET6);
        freeifaddrs(list);
    }
    return address ? address : g_strdup("127.0.0.1");
}
