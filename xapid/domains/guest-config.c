/* Checks of what callers ask for; see guest-config.h. */
#include "config.h"

#include "xapid/domains/guest-config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/text.h"
#include "xapid/domains/domains.h"

static bool
refuse(GError **error, const char *argument, const char *value)
{
    /* Enough of a hostile value to recognise it. */
    g_autofree char *shown = g_strndup(value, 256);

    api_error_set(error, "INVALID_VALUE", argument, shown, NULL);
    return false;
}

static bool
refuse_int(GError **error, const char *argument, int64_t value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);

    return refuse(error, argument, text);
}

bool
uuid_check(const char *uuid, GError **error)
{
    bool zero = true;

    for (int i = 0; i < UUID_LENGTH; i++) {
        char c = uuid[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return refuse(error, "uuid", uuid);
        if (!dash && c != '0')
            zero = false;
    }
    /* All zeros is dom0's, which nobody may touch. */
    if (uuid[UUID_LENGTH] != '\0' || zero)
        return refuse(error, "uuid", uuid);
    return true;
}

bool
op_id_check(const char *op_id, GError **error)
{
    size_t length = strlen(op_id);

    if (length < 1 || length > OP_ID_MAX)
        return refuse(error, "op_id", op_id);
    for (const char *p = op_id; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr("-_.:/", *p))
            return refuse(error, "op_id", op_id);
    return true;
}

const char *
guest_type_name(enum guest_type type)
{
    static const char *const names[] = {"pv", "pvh", "hvm"};

    return names[type];
}

/* Text for a guest's kernel or for tools: one line. */
static bool
text_is_line(const char *text, size_t max)
{
    if (strlen(text) > max || !text_is_valid(text, -1))
        return false;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

/* The folder is entered with openat2 later; here only that it is one component. */
static bool
file_name_check(const char *argument, const char *name, bool optional, GError **error)
{
    if (optional && !*name)
        return true;
    if (!*name || strlen(name) > CONFIG_FILE_NAME_MAX || strchr(name, '/') || name[0] == '.' ||
        !text_is_line(name, CONFIG_FILE_NAME_MAX))
        return refuse(error, argument, name);
    return true;
}

static bool
xenstore_key_ok(const char *key)
{
    size_t length = strlen(key);

    if (!g_str_has_prefix(key, "vm-data/") || length == strlen("vm-data/") ||
        length > CONFIG_KEY_MAX || key[length - 1] == '/' || strstr(key, "//"))
        return false;
    for (const char *p = key; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr("-_/@", *p))
            return false;
    return true;
}

static bool
platform_key_ok(const char *key)
{
    size_t length = strlen(key);

    if (length < 1 || length > CONFIG_KEY_MAX)
        return false;
    for (const char *p = key; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr("-_", *p))
            return false;
    return true;
}

static bool
map_check(const char *argument, GVariant *map, bool (*key_ok)(const char *), GError **error)
{
    GVariantIter iter;
    const char *key, *value;

    if (g_variant_n_children(map) > CONFIG_MAP_MAX)
        return refuse_int(error, argument, (int64_t)g_variant_n_children(map));
    g_variant_iter_init(&iter, map);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value)) {
        if (!key_ok(key))
            return refuse(error, argument, key);
        if (strlen(value) > CONFIG_VALUE_MAX || !text_is_valid(value, -1))
            return refuse(error, argument, value);
    }
    return true;
}

/* The first `max` bytes of a label, cut at a character. */
static char *
label_cut(const char *label, size_t max)
{
    g_autofree char *clean = text_clean(label, -1);

    for (char *p = clean; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    if (strlen(clean) > max) {
        char *end = clean + max;
        while (end > clean && ((unsigned char)*end & 0xc0) == 0x80)
            end--;
        *end = '\0';
    }
    return g_steal_pointer(&clean);
}

static const struct {
    const char *name, *type;
    bool required;
} config_keys[] = {
    {"type", "s", true},          {"memory_static_max", "x", true},
    {"memory_target", "x", true}, {"vcpus_max", "i", true},
    {"vcpus", "i", true},         {"kernel", "s", true},
    {"ramdisk", "s", false},      {"cmdline", "s", false},
    {"name_label", "s", false},   {"xenstore", "a{ss}", false},
    {"platform", "a{ss}", false},
};

/* Every key known, once, and of its type; every required one there. */
static bool
keys_check(GVariant *args, GError **error)
{
    unsigned seen = 0;
    GVariantIter iter;
    const char *key;
    GVariant *boxed;

    if (g_variant_n_children(args) > G_N_ELEMENTS(config_keys))
        return refuse(error, "config", "too many keys");
    g_variant_iter_init(&iter, args);
    while (g_variant_iter_next(&iter, "{&sv}", &key, &boxed)) {
        g_autoptr(GVariant) value = boxed;
        size_t i = 0;

        while (i < G_N_ELEMENTS(config_keys) && !g_str_equal(key, config_keys[i].name))
            i++;
        if (i == G_N_ELEMENTS(config_keys) || (seen & 1u << i))
            return refuse(error, "config", key);
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE(config_keys[i].type)))
            return refuse(error, key, g_variant_get_type_string(value));
        seen |= 1u << i;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(config_keys); i++)
        if (config_keys[i].required && !(seen & 1u << i))
            return refuse(error, config_keys[i].name, "");
    return true;
}

static bool
type_parse(const char *name, enum guest_type *ret_type, GError **error)
{
    if (g_str_equal(name, "hvm")) {
        api_error_set(error, "NOT_IMPLEMENTED", "hvm", NULL);
        return false;
    }
    if (!g_str_equal(name, "pv") && !g_str_equal(name, "pvh"))
        return refuse(error, "type", name);
    *ret_type = g_str_equal(name, "pv") ? GUEST_PV : GUEST_PVH;
    return true;
}

static bool
numbers_check(const struct guest_config *config, GError **error)
{
    if (config->memory_static_max < CONFIG_MEMORY_MIN ||
        config->memory_static_max > CONFIG_MEMORY_MAX)
        return refuse_int(error, "memory_static_max", config->memory_static_max);
    if (config->memory_target < CONFIG_MEMORY_MIN ||
        config->memory_target > config->memory_static_max)
        return refuse_int(error, "memory_target", config->memory_target);
    if (config->vcpus_max < 1 || config->vcpus_max > CONFIG_VCPUS_MAX)
        return refuse_int(error, "vcpus_max", config->vcpus_max);
    if (config->vcpus < 1 || config->vcpus > config->vcpus_max)
        return refuse_int(error, "vcpus", config->vcpus);
    return true;
}

bool
guest_config_parse(GVariant *args, struct guest_config *ret_config, GError **error)
{
    g_auto(guest_config) config = {0};
    const char *type, *kernel, *ramdisk = "", *cmdline = "", *label = "";

    if (!keys_check(args, error))
        return false;
    g_variant_lookup(args, "type", "&s", &type);
    g_variant_lookup(args, "memory_static_max", "x", &config.memory_static_max);
    g_variant_lookup(args, "memory_target", "x", &config.memory_target);
    g_variant_lookup(args, "vcpus_max", "i", &config.vcpus_max);
    g_variant_lookup(args, "vcpus", "i", &config.vcpus);
    g_variant_lookup(args, "kernel", "&s", &kernel);
    g_variant_lookup(args, "ramdisk", "&s", &ramdisk);
    g_variant_lookup(args, "cmdline", "&s", &cmdline);
    g_variant_lookup(args, "name_label", "&s", &label);
    config.xenstore = g_variant_lookup_value(args, "xenstore", G_VARIANT_TYPE("a{ss}"));
    config.platform = g_variant_lookup_value(args, "platform", G_VARIANT_TYPE("a{ss}"));
    if (!config.xenstore)
        config.xenstore = g_variant_ref_sink(g_variant_new("a{ss}", NULL));
    if (!config.platform)
        config.platform = g_variant_ref_sink(g_variant_new("a{ss}", NULL));

    if (!type_parse(type, &config.type, error) || !numbers_check(&config, error) ||
        !file_name_check("kernel", kernel, /* optional= */ false, error) ||
        !file_name_check("ramdisk", ramdisk, /* optional= */ true, error) ||
        !map_check("xenstore", config.xenstore, xenstore_key_ok, error) ||
        !map_check("platform", config.platform, platform_key_ok, error))
        return false;
    if (!text_is_line(cmdline, CONFIG_CMDLINE_MAX))
        return refuse(error, "cmdline", cmdline);
    /* Xen counts KiB. */
    config.memory_static_max &= ~(int64_t)1023;
    config.memory_target &= ~(int64_t)1023;
    config.kernel = g_strdup(kernel);
    config.ramdisk = g_strdup(ramdisk);
    config.cmdline = g_strdup(cmdline);
    config.name_label = label_cut(label, CONFIG_NAME_MAX);
    *ret_config = config;
    memset(&config, 0, sizeof config);
    return true;
}

void
guest_config_clear(struct guest_config *config)
{
    g_clear_pointer(&config->kernel, g_free);
    g_clear_pointer(&config->ramdisk, g_free);
    g_clear_pointer(&config->cmdline, g_free);
    g_clear_pointer(&config->name_label, g_free);
    g_clear_pointer(&config->xenstore, g_variant_unref);
    g_clear_pointer(&config->platform, g_variant_unref);
}

bool
shutdown_args_parse(GVariant *args, bool *ret_reboot, int *ret_timeout, GError **error)
{
    const char *how;
    int timeout;

    if (g_variant_n_children(args) != 2)
        return refuse(error, "args", "shutdown takes how and timeout");
    if (!g_variant_lookup(args, "how", "&s", &how))
        return refuse(error, "how", "");
    if (!g_variant_lookup(args, "timeout", "i", &timeout))
        return refuse(error, "timeout", "");
    if (!g_str_equal(how, "poweroff") && !g_str_equal(how, "reboot"))
        return refuse(error, "how", how);
    if (timeout < 1 || timeout > SHUTDOWN_TIMEOUT_MAX_S)
        return refuse_int(error, "timeout", timeout);
    *ret_reboot = g_str_equal(how, "reboot");
    *ret_timeout = timeout;
    return true;
}

bool
verb_check(const char *verb, const char *uuid, GVariant *args, GError **error)
{
    if (!uuid_check(uuid, error))
        return false;
    if (g_str_equal(verb, "create")) {
        g_auto(guest_config) config = {0};
        return guest_config_parse(args, &config, error);
    }
    if (g_str_equal(verb, "shutdown")) {
        bool reboot;
        int timeout;
        return shutdown_args_parse(args, &reboot, &timeout, error);
    }
    if (g_str_equal(verb, "destroy")) {
        const char *built_by;
        gsize known = g_variant_lookup(args, "built_by", "&s", &built_by) ? 1 : 0;
        return g_variant_n_children(args) == known || refuse(error, "args", verb);
    }
    if (g_str_equal(verb, "pause") || g_str_equal(verb, "unpause")) {
        if (g_variant_n_children(args) > 0)
            return refuse(error, "args", verb);
        return true;
    }
    return refuse(error, "verb", verb);
}
