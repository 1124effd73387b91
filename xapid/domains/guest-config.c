/* Checks of a guest's config; see guest-config.h. */
#include "config.h"

#include "xapid/domains/guest-config.h"

#include <string.h>

#include "lib/bios-strings.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "lib/text.h"
#include "xapid/domains/argument.h"

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
        return argument_refuse(error, argument, name);
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
map_check(const char *argument, GVariant *map, bool (*key_ok)(const char *), GError **error)
{
    GVariantIter iter;
    const char *key, *value;

    if (g_variant_n_children(map) > CONFIG_MAP_MAX)
        return argument_refuse_int(error, argument, (int64_t)g_variant_n_children(map));
    g_variant_iter_init(&iter, map);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value)) {
        if (!key_ok(key))
            return argument_refuse(error, argument, key);
        if (strlen(value) > CONFIG_VALUE_MAX || !text_is_valid(value, -1))
            return argument_refuse(error, argument, value);
    }
    return true;
}

static bool
platform_check(GVariant *platform, GError **error)
{
    GVariantIter iter;
    const char *key, *value;

    g_variant_iter_init(&iter, platform);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
        if (!platform_value_is_valid(key, value)) {
            g_autofree char *argument = g_strconcat("platform:", key, NULL);
            return argument_refuse(error, argument, value);
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

static const struct argument_key config_keys[] = {
    {"type", "s", true},          {"memory_static_max", "x", true},
    {"memory_target", "x", true}, {"vcpus_max", "i", true},
    {"vcpus", "i", true},         {"kernel", "s", false},
    {"ramdisk", "s", false},      {"cmdline", "s", false},
    {"name_label", "s", false},   {"xenstore", "a{ss}", false},
    {"platform", "a{ss}", false}, {"weight", "i", false},
    {"cap", "i", false},          {"cpus", "ai", false},
    {"boot", "s", false},         {"disks", "aa{sv}", false},
    {"nics", "aa{sv}", false},    {"numa_placement", "b", false},
    {"bios", "a{ss}", false},
};

static bool
type_parse(const char *name, enum guest_type *ret_type, GError **error)
{
    static const enum guest_type types[] = {GUEST_PV, GUEST_PVH, GUEST_HVM};

    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++)
        if (g_str_equal(name, guest_type_name(types[i]))) {
            *ret_type = types[i];
            return true;
        }
    return argument_refuse(error, "type", name);
}

/* What a guest starts from: PV and PVH of a kernel, HVM of its BIOS. */
static bool
start_check(const struct guest_config *config, const char *kernel, const char *ramdisk,
            const char *cmdline, const char *boot, GError **error)
{
    if (config->type != GUEST_HVM)
        return (!*boot || argument_refuse(error, "boot", boot)) &&
               file_name_check("kernel", kernel, /* optional= */ false, error) &&
               file_name_check("ramdisk", ramdisk, /* optional= */ true, error);
    if (*kernel || *ramdisk || *cmdline)
        return argument_refuse(error, "kernel", *kernel ? kernel : *ramdisk ? ramdisk : cmdline);
    if (!*boot || strlen(boot) > 3 || strspn(boot, "cdn") != strlen(boot))
        return argument_refuse(error, "boot", boot);
    return true;
}

static bool
numbers_check(const struct guest_config *config, GError **error)
{
    if (config->memory_static_max < CONFIG_MEMORY_MIN ||
        config->memory_static_max > CONFIG_MEMORY_MAX)
        return argument_refuse_int(error, "memory_static_max", config->memory_static_max);
    if (config->memory_target < CONFIG_MEMORY_MIN ||
        config->memory_target > config->memory_static_max)
        return argument_refuse_int(error, "memory_target", config->memory_target);
    if (config->vcpus_max < 1 || config->vcpus_max > CONFIG_VCPUS_MAX)
        return argument_refuse_int(error, "vcpus_max", config->vcpus_max);
    if (config->vcpus < 1 || config->vcpus > config->vcpus_max)
        return argument_refuse_int(error, "vcpus", config->vcpus);
    return true;
}

static bool
cpus_check(GVariant *cpus, GError **error)
{
    gsize n = g_variant_n_children(cpus);

    if (n < 1 || n > CONFIG_CPU_MAX + 1)
        return argument_refuse_int(error, "cpus", (int64_t)n);
    for (gsize i = 0; i < n; i++) {
        int cpu;
        g_variant_get_child(cpus, i, "i", &cpu);
        if (cpu < 0 || cpu > CONFIG_CPU_MAX)
            return argument_refuse_int(error, "cpus", cpu);
    }
    return true;
}

bool
guest_sched_parse(GVariant *args, struct guest_sched *ret_sched, GError **error)
{
    struct guest_sched sched = {.weight = 0, .cap = -1};

    if (g_variant_lookup(args, "weight", "i", &sched.weight) &&
        (sched.weight < 1 || sched.weight > CONFIG_WEIGHT_MAX))
        return argument_refuse_int(error, "weight", sched.weight);
    if (g_variant_lookup(args, "cap", "i", &sched.cap) &&
        (sched.cap < 0 || sched.cap > 100 * CONFIG_VCPUS_MAX))
        return argument_refuse_int(error, "cap", sched.cap);
    sched.cpus = g_variant_lookup_value(args, "cpus", G_VARIANT_TYPE("ai"));
    if (sched.cpus && !cpus_check(sched.cpus, error)) {
        guest_sched_clear(&sched);
        return false;
    }
    *ret_sched = sched;
    return true;
}

void
guest_sched_clear(struct guest_sched *sched)
{
    g_clear_pointer(&sched->cpus, g_variant_unref);
}

/* What the firmware of a whole machine tells its guest goes the way of its other keys. */
static bool
bios_parse(GVariant *bios, struct guest_config *config, GError **error)
{
    GVariantIter iter;
    const char *key, *value;

    if (config->type != GUEST_HVM && g_variant_n_children(bios))
        return argument_refuse(error, "bios", guest_type_name(config->type));
    if (!map_check("bios", bios, bios_string_key_is_known, error))
        return false;
    g_auto(GVariantBuilder) all = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{ss}"));
    g_variant_iter_init(&iter, config->xenstore);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
        g_variant_builder_add(&all, "{ss}", key, value);
    g_variant_iter_init(&iter, bios);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value)) {
        if (!bios_string_value_is_valid(value))
            return argument_refuse(error, "bios", value);
        g_autofree char *path = g_strconcat("bios-strings/", key, NULL);
        g_variant_builder_add(&all, "{ss}", path, value);
    }
    g_variant_unref(config->xenstore);
    config->xenstore = g_variant_ref_sink(g_variant_builder_end(&all));
    return true;
}

bool
guest_config_parse(GVariant *args, struct guest_config *ret_config, GError **error)
{
    g_auto(guest_config) config = {0};
    const char *type, *kernel = "", *ramdisk = "", *cmdline = "", *label = "", *boot = "";
    g_autoptr(GVariant) disks = NULL, nics = NULL, bios = NULL;
    gboolean placement;

    if (!argument_keys_check("config", args, config_keys, G_N_ELEMENTS(config_keys), error))
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
    g_variant_lookup(args, "boot", "&s", &boot);
    if (!g_variant_lookup(args, "numa_placement", "b", &placement))
        config.numa = NUMA_DEFAULT;
    else
        config.numa = placement ? NUMA_PLACED : NUMA_ANYWHERE;
    disks = g_variant_lookup_value(args, "disks", G_VARIANT_TYPE("aa{sv}"));
    nics = g_variant_lookup_value(args, "nics", G_VARIANT_TYPE("aa{sv}"));
    config.xenstore = g_variant_lookup_value(args, "xenstore", G_VARIANT_TYPE("a{ss}"));
    config.platform = g_variant_lookup_value(args, "platform", G_VARIANT_TYPE("a{ss}"));
    bios = g_variant_lookup_value(args, "bios", G_VARIANT_TYPE("a{ss}"));
    if (!config.xenstore)
        config.xenstore = g_variant_ref_sink(g_variant_new("a{ss}", NULL));
    if (!config.platform)
        config.platform = g_variant_ref_sink(g_variant_new("a{ss}", NULL));

    if (!guest_sched_parse(args, &config.sched, error) || !type_parse(type, &config.type, error) ||
        !numbers_check(&config, error) ||
        !start_check(&config, kernel, ramdisk, cmdline, boot, error) ||
        !map_check("xenstore", config.xenstore, xenstore_key_ok, error) ||
        !map_check("platform", config.platform, platform_key_is_known, error) ||
        !platform_check(config.platform, error))
        return false;
    if (!text_is_line(cmdline, CONFIG_CMDLINE_MAX))
        return argument_refuse(error, "cmdline", cmdline);
    if (bios && !bios_parse(bios, &config, error))
        return false;
    config.disks = guest_disks_parse(disks, error);
    if (!config.disks)
        return false;
    config.nics = guest_nics_parse(nics, error);
    if (!config.nics)
        return false;
    /* Xen counts KiB. */
    config.memory_static_max &= ~(int64_t)1023;
    config.memory_target &= ~(int64_t)1023;
    config.kernel = g_strdup(kernel);
    config.ramdisk = g_strdup(ramdisk);
    config.cmdline = g_strdup(cmdline);
    config.boot = g_strdup(boot);
    config.name_label = label_cut(label, CONFIG_NAME_MAX);
    *ret_config = config;
    memset(&config, 0, sizeof config);
    return true;
}

bool
guest_size_parse(GVariant *args, struct guest_config *ret_config, int64_t *ret_within,
                 GError **error)
{
    static const struct argument_key keys[] = {
        {"type", "s", true},           {"vcpus_max", "i", true},
        {"platform", "a{ss}", true},   {"memory_static_max", "x", false},
        {"memory_target", "x", false}, {"within", "x", false}};
    g_auto(guest_config) config = {.vcpus = 1};
    const char *type;
    int64_t within = 0;

    if (!argument_keys_check("guest", args, keys, G_N_ELEMENTS(keys), error))
        return false;
    g_variant_lookup(args, "type", "&s", &type);
    g_variant_lookup(args, "vcpus_max", "i", &config.vcpus_max);
    config.platform = g_variant_lookup_value(args, "platform", G_VARIANT_TYPE("a{ss}"));
    if (g_variant_lookup(args, "within", "x", &within)) {
        if (within < 1)
            return argument_refuse_int(error, "within", within);
        config.memory_static_max = config.memory_target = CONFIG_MEMORY_MIN;
    } else {
        g_variant_lookup(args, "memory_static_max", "x", &config.memory_static_max);
        g_variant_lookup(args, "memory_target", "x", &config.memory_target);
    }
    if (!type_parse(type, &config.type, error) || !numbers_check(&config, error) ||
        !map_check("platform", config.platform, platform_key_is_known, error) ||
        !platform_check(config.platform, error))
        return false;
    config.memory_static_max &= ~(int64_t)1023;
    config.memory_target &= ~(int64_t)1023;
    config.sched.cap = -1;
    config.xenstore = g_variant_ref_sink(g_variant_new("a{ss}", NULL));
    config.kernel = g_strdup("");
    config.ramdisk = g_strdup("");
    config.cmdline = g_strdup("");
    config.boot = g_strdup("");
    config.name_label = g_strdup("");
    config.disks = guest_disks_parse(NULL, NULL);
    config.nics = guest_nics_parse(NULL, NULL);
    *ret_within = within;
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
    g_clear_pointer(&config->boot, g_free);
    g_clear_pointer(&config->disks, g_ptr_array_unref);
    g_clear_pointer(&config->nics, g_array_unref);
    g_clear_pointer(&config->name_label, g_free);
    g_clear_pointer(&config->xenstore, g_variant_unref);
    g_clear_pointer(&config->platform, g_variant_unref);
    guest_sched_clear(&config->sched);
}
