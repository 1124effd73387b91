#include "config.h"

#include "xapid/pool/self.h"

#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"
#include "lib/member.h"
#include "lib/text.h"
#include "xapid/pool/boot.h"
#include "xapid/pool/licence.h"

/* Clients choose features by these: a level of XAPI that we stand in for, not our own version. */
#define PLATFORM_VERSION "3.2.1"
#define PRODUCT_VERSION "8.2.1"
#define PRODUCT_VERSION_TEXT "8.2"
#define XAPI_VERSION "1.249.32"
#define BUILD_NUMBER PACKAGE_VERSION
#define CPUS_MAX 8192 /* rows, whatever is told */

static const struct dm_class *
class_of(const char *name)
{
    return dm_class_find(name, false);
}

/* ---- small builders ---- */

static GVariant *
strings(const char *const *values)
{
    return g_variant_new_strv(values, -1);
}

/* A map from NULL-terminated (key, value) pairs. */
static GVariant *
map(const char *key, ...)
{
    GVariantBuilder out;
    va_list ap;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a{ss}"));
    va_start(ap, key);
    for (; key; key = va_arg(ap, const char *))
        g_variant_builder_add(&out, "{ss}", key, va_arg(ap, const char *));
    va_end(ap);
    return g_variant_builder_end(&out);
}

static char *
seconds_now(void)
{
    return g_strdup_printf("%" G_GINT64_FORMAT ".0", g_get_real_time() / G_USEC_PER_SEC);
}

static char *
lookup_text(GVariant *dict, const char *key)
{
    return text_clean(member_text(dict, key), -1);
}

static gint64
lookup_int(GVariant *dict, const char *key)
{
    gint64 wide;
    gint32 narrow;

    if (g_variant_lookup(dict, key, "x", &wide))
        return wide;
    return g_variant_lookup(dict, key, "i", &narrow) ? narrow : 0;
}

static void
commit(struct txn *txn, const char *what)
{
    g_autoptr(GError) error = NULL;

    if (!txn_commit(txn, &error))
        log_error("%s: %s", what, error->message);
}

static struct txn *
begin(struct model *model, const char *what)
{
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(model, &error);

    if (!txn)
        log_error("%s: %s", what, error->message);
    return txn;
}

/* The first row of a class that has one, or NULL; borrowed. */
static const char *
first(const struct model *model, const char *cls)
{
    g_autoptr(GPtrArray) all = model_all(model, class_of(cls));

    return all->len ? all->pdata[0] : NULL;
}

/* The row of this host's dom0, or NULL; the caller frees. */
static char *
dom0_of(const struct model *model, const char *host)
{
    char *dom0 = model_get_string(model, host, "control_domain");

    if (!model_has(model, class_of("VM"), dom0))
        g_clear_pointer(&dom0, g_free);
    return dom0;
}

/* ---- the first start ---- */

static const char *
create_empty(struct txn *txn, const char *cls, GError **error)
{
    g_autoptr(GVariant) none =
        g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));

    return txn_create(txn, class_of(cls), NULL, none, error);
}

static bool
create_rows(struct model *model, GError **error)
{
    struct txn *txn = model_begin(model, error);
    const char *host, *metrics, *pool, *dom0, *dom0_metrics;

    if (!txn)
        return false;
    if (!(metrics = create_empty(txn, "host_metrics", error)) ||
        !(host = create_empty(txn, "host", error)) || !(pool = create_empty(txn, "pool", error)) ||
        !(dom0_metrics = create_empty(txn, "VM_metrics", error)) ||
        !(dom0 = create_empty(txn, "VM", error))) {
        txn_abort(txn);
        return false;
    }
    txn_set_string(txn, host, "metrics", metrics);
    txn_set_string(txn, host, "control_domain", dom0);
    txn_set_value(txn, host, "enabled", g_variant_new_boolean(TRUE));
    /* Local users and groups may be given roles from the first day; none has one yet. */
    txn_set_string(txn, host, "external_auth_type", "PAM");
    txn_set_string(txn, host, "external_auth_service_name", "local");
    txn_set_string(txn, pool, "master", host);
    txn_set_value(txn, dom0, "is_control_domain", g_variant_new_boolean(TRUE));
    txn_set_string(txn, dom0, "metrics", dom0_metrics);
    txn_set_string(txn, dom0, "power_state", "Running");
    txn_set_value(txn, dom0, "domid", g_variant_new_int64(0));
    txn_set_string(txn, dom0, "resident_on", host);
    txn_set_string(txn, dom0, "affinity", host);
    txn_set_string(txn, dom0, "domain_type", "pv");
    return txn_commit(txn, error) != 0;
}

/* ---- every start ---- */

static GVariant *
software_version(void)
{
    return map("product_brand", "xapid", "product_version", PRODUCT_VERSION, "product_version_text",
               PRODUCT_VERSION_TEXT, "product_version_text_short", PRODUCT_VERSION_TEXT,
               "platform_name", "XCP", "platform_version", PLATFORM_VERSION, "build_number",
               BUILD_NUMBER, "xapi", XAPI_VERSION, "xapid", PACKAGE_VERSION, "xen", "",
               "network_backend", "bridge", NULL);
}

static void
refresh_host(const struct model *model, struct txn *txn, const char *host, const char *hostname,
             const char *address)
{
    g_autofree char *now = seconds_now();
    static const char *const capabilities[] = {NULL};

    txn_set_value(txn, host, "API_version_major", g_variant_new_int64(dm_api_version_major));
    txn_set_value(txn, host, "API_version_minor", g_variant_new_int64(dm_api_version_minor));
    txn_set_string(txn, host, "API_version_vendor", "xapid");
    txn_set_string(txn, host, "hostname", hostname);
    txn_set_string(txn, host, "address", address);
    txn_set_string(txn, host, "edition", LICENCE_EDITION);
    txn_set_value(txn, host, "license_params", licence_params());
    txn_set_value(txn, host, "software_version", software_version());
    txn_set_value(txn, host, "capabilities", strings(capabilities));
    txn_set_value(txn, host, "tls_verification_enabled", g_variant_new_boolean(FALSE));
    txn_set_value(txn, host, "ssl_legacy", g_variant_new_boolean(FALSE));
    txn_set_map_value(txn, host, "other_config", "agent_start_time", now);
    boot_refresh_allowed(model, txn, host);
}

bool
self_ensure(struct model *model, const char *address, char **ret_host, char **ret_pool,
            GError **error)
{
    char hostname[256] = "localhost";

    if (!first(model, "pool") && !create_rows(model, error))
        return false;
    const char *pool = first(model, "pool");
    g_autofree char *host = model_get_string(model, pool, "master");
    if (!model_has(model, class_of("host"), host)) {
        api_error_set(error, "INTERNAL_ERROR", "the pool's row names no host of this database",
                      NULL);
        return false;
    }
    if (gethostname(hostname, sizeof hostname - 1))
        log_warning("gethostname: %m");
    struct txn *txn = model_begin(model, error);
    if (!txn)
        return false;
    g_autofree char *label = model_get_string(model, host, "name_label");
    if (!*label)
        txn_set_string(txn, host, "name_label", hostname);
    refresh_host(model, txn, host, hostname, address);
    g_autofree char *metrics = model_get_string(model, host, "metrics");
    txn_set_value(txn, metrics, "live", g_variant_new_boolean(TRUE));
    txn_set_value(txn, metrics, "last_updated", g_variant_new_int64(g_get_real_time()));
    txn_set_value(txn, pool, "restrictions", licence_restrictions());
    g_autofree char *dom0 = dom0_of(model, host);
    if (dom0) {
        g_autofree char *name = g_strdup_printf("Control domain on host: %s", hostname);
        txn_set_string(txn, dom0, "name_label", name);
        txn_set_string(txn, dom0, "power_state", "Running");
    }
    if (!txn_commit(txn, error))
        return false;
    *ret_host = g_steal_pointer(&host);
    *ret_pool = g_strdup(pool);
    return true;
}

/* ---- what the root programs tell ---- */

/* What Xen gave it, of which its kernel counts less. */
static void
record_dom0(const struct model *model, struct txn *txn, const char *host, GVariant *info)
{
    static const struct {
        const char *field, *fact;
    } facts[] = {{"memory_static_max", "dom0_memory"},  {"memory_dynamic_max", "dom0_memory"},
                 {"memory_dynamic_min", "dom0_memory"}, {"memory_target", "dom0_memory"},
                 {"VCPUs_max", "dom0_vcpus"},           {"VCPUs_at_startup", "dom0_vcpus"}};
    static const char *const running[] = {"running", NULL};
    g_autofree char *dom0 = dom0_of(model, host);

    if (!dom0)
        return;
    for (unsigned i = 0; i < G_N_ELEMENTS(facts); i++)
        txn_set_value(txn, dom0, facts[i].field,
                      g_variant_new_int64(lookup_int(info, facts[i].fact)));
    g_autofree char *metrics = model_get_string(model, dom0, "metrics");
    gint64 memory = lookup_int(info, "dom0_memory"), vcpus = lookup_int(info, "dom0_vcpus");
    if (memory != model_get_int(model, metrics, "memory_actual") ||
        vcpus != model_get_int(model, metrics, "VCPUs_number"))
        txn_set_value(txn, metrics, "last_updated", g_variant_new_int64(g_get_real_time()));
    txn_set_value(txn, metrics, "memory_actual", g_variant_new_int64(memory));
    txn_set_value(txn, metrics, "VCPUs_number", g_variant_new_int64(vcpus));
    txn_set_value(txn, metrics, "state", strings(running));
    txn_set_string(txn, metrics, "current_domain_type", "pv");
}

/* What guests may have of the CPUs' features; the pool is this host alone. */
static void
record_features(const struct model *model, struct txn *txn, const char *host, GVariant *info)
{
    static const char *const keys[][2] = {{"features", "features_host"},
                                          {"features_pv", "features_pv"},
                                          {"features_pv_host", "features_pv"},
                                          {"features_hvm", "features_hvm"},
                                          {"features_hvm_host", "features_hvm"}};
    const char *pool = first(model, "pool");

    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *words = lookup_text(info, keys[i][1]);
        txn_set_map_value(txn, host, "cpu_info", keys[i][0], words);
        if (i > 0)
            txn_set_map_value(txn, pool, "cpu_info", keys[i][0], words);
    }
}

/* As many host_cpu rows as Xen has CPUs, of which dom0 may see a part. */
static bool
count_cpus(const struct model *model, struct txn *txn, const char *host, GVariant *info,
           bool *ret_any_new, GError **error)
{
    g_autoptr(GPtrArray) rows = model_all(model, class_of("host_cpu"));
    gint64 count = CLAMP(lookup_int(info, "cpu_count"), 1, CPUS_MAX);
    g_autofree char *features = lookup_text(info, "features_raw");

    *ret_any_new = rows->len < count;
    for (guint i = (guint)count; i < rows->len; i++)
        if (!txn_destroy(txn, rows->pdata[i], error))
            return false;
    for (gint64 i = 0; i < MIN(count, rows->len); i++)
        txn_set_string(txn, rows->pdata[i], "features", features);
    for (gint64 i = rows->len; i < count; i++) {
        const char *cpu = create_empty(txn, "host_cpu", error);
        if (!cpu)
            return false;
        txn_set_string(txn, cpu, "host", host);
        txn_set_value(txn, cpu, "number", g_variant_new_int64(i));
        txn_set_string(txn, cpu, "features", features);
    }
    return true;
}

/* last_updated tells when they changed, not when somebody looked: that is often. */
static void
record_memory(const struct model *model, struct txn *txn, const char *metrics, GVariant *info)
{
    static const char *const fields[] = {"memory_total", "memory_free"};

    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        gint64 bytes = lookup_int(info, fields[i]);
        if (bytes == model_get_int(model, metrics, fields[i]))
            continue;
        txn_set_value(txn, metrics, fields[i], g_variant_new_int64(bytes));
        txn_set_value(txn, metrics, "last_updated", g_variant_new_int64(g_get_real_time()));
    }
}

void
self_set_hanging(struct model *model, const char *host, GVariant *work)
{
    static const char key[] = "hypervisor_hangs";
    g_autofree const char **words = g_variant_get_strv(work, NULL);
    g_autofree char *text = *words ? g_strjoinv(", ", (char **)words) : NULL;
    g_autofree char *told = model_get_map_value(model, host, "other_config", key);

    if (g_strcmp0(text, told) == 0)
        return;
    struct txn *txn = begin(model, "what hangs");
    if (!txn)
        return;
    txn_set_map_value(txn, host, "other_config", key, text);
    commit(txn, "what hangs");
}

bool
self_set_hypervisor(struct model *model, const char *host, GVariant *info)
{
    struct txn *txn = begin(model, "facts of the hypervisor");
    g_autofree char *metrics = model_get_string(model, host, "metrics");
    g_autofree char *xen = lookup_text(info, "xen_version");
    g_autofree char *caps = lookup_text(info, "xen_caps");
    g_autofree char *cores = g_strdup_printf("%" G_GINT64_FORMAT, lookup_int(info, "cpu_count"));
    g_autofree char *sockets =
        g_strdup_printf("%" G_GINT64_FORMAT, MAX(lookup_int(info, "sockets"), 1));
    g_autofree char *threads =
        g_strdup_printf("%" G_GINT64_FORMAT, MAX(lookup_int(info, "threads_per_core"), 1));

    g_autoptr(GError) error = NULL;
    bool any_new;

    if (!txn)
        return false;
    g_auto(GStrv) words = g_strsplit(caps, " ", -1);
    g_autoptr(GPtrArray) capabilities = g_ptr_array_new();
    for (char **word = words; *word; word++)
        if (**word)
            g_ptr_array_add(capabilities, *word);
    txn_set_map_value(txn, host, "software_version", "xen", xen);
    txn_set_value(txn, host, "capabilities",
                  g_variant_new_strv((const char *const *)capabilities->pdata, capabilities->len));
    txn_set_map_value(txn, host, "cpu_info", "cpu_count", cores);
    txn_set_map_value(txn, host, "cpu_info", "socket_count", sockets);
    txn_set_map_value(txn, first(model, "pool"), "cpu_info", "cpu_count", cores);
    txn_set_map_value(txn, first(model, "pool"), "cpu_info", "socket_count", sockets);
    record_features(model, txn, host, info);
    txn_set_map_value(txn, host, "cpu_info", "threads_per_core", threads);
    record_memory(model, txn, metrics, info);
    record_dom0(model, txn, host, info);
    if (!count_cpus(model, txn, host, info, &any_new, &error)) {
        txn_abort(txn);
        log_error("facts of the hypervisor: %s", error->message);
        return false;
    }
    commit(txn, "facts of the hypervisor");
    return any_new;
}

/* Told of dom0's, and the same for each. */
static void
fill_cpus(const struct model *model, struct txn *txn, GVariant *facts)
{
    g_autoptr(GPtrArray) rows = model_all(model, class_of("host_cpu"));
    g_autofree char *vendor = lookup_text(facts, "cpu_vendor");
    g_autofree char *name = lookup_text(facts, "cpu_model_name");
    g_autofree char *flags = lookup_text(facts, "cpu_flags");
    g_autofree char *stepping =
        g_strdup_printf("%" G_GINT64_FORMAT, lookup_int(facts, "cpu_stepping"));
    double mhz = 0;

    g_variant_lookup(facts, "cpu_mhz", "d", &mhz);
    for (guint i = 0; i < rows->len; i++) {
        const char *cpu = rows->pdata[i];
        txn_set_string(txn, cpu, "vendor", vendor);
        txn_set_value(txn, cpu, "speed", g_variant_new_int64((gint64)mhz));
        txn_set_string(txn, cpu, "modelname", name);
        txn_set_value(txn, cpu, "family", g_variant_new_int64(lookup_int(facts, "cpu_family")));
        txn_set_value(txn, cpu, "model", g_variant_new_int64(lookup_int(facts, "cpu_model")));
        txn_set_string(txn, cpu, "stepping", stepping);
        txn_set_string(txn, cpu, "flags", flags);
    }
}

void
self_set_facts(struct model *model, const char *host, GVariant *facts)
{
    static const char *const copied[] = {"vendor",         "cpu_vendor", "modelname",
                                         "cpu_model_name", "flags",      "cpu_flags"};
    static const char *const numbers[] = {"family",    "cpu_family", "model",
                                          "cpu_model", "stepping",   "cpu_stepping"};
    struct txn *txn = begin(model, "facts of the machine");
    g_autofree char *boot_time =
        g_strdup_printf("%" G_GINT64_FORMAT ".0", lookup_int(facts, "boot_time"));
    g_autoptr(GVariant) bios = g_variant_lookup_value(facts, "bios", G_VARIANT_TYPE("a{ss}"));
    double mhz = 0;

    if (!txn)
        return;
    for (unsigned i = 0; i < G_N_ELEMENTS(copied); i += 2) {
        g_autofree char *value = lookup_text(facts, copied[i + 1]);
        txn_set_map_value(txn, host, "cpu_info", copied[i], value);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i += 2) {
        g_autofree char *value =
            g_strdup_printf("%" G_GINT64_FORMAT, lookup_int(facts, numbers[i + 1]));
        txn_set_map_value(txn, host, "cpu_info", numbers[i], value);
    }
    g_autofree char *vendor = lookup_text(facts, "cpu_vendor");
    txn_set_map_value(txn, first(model, "pool"), "cpu_info", "vendor", vendor);
    g_variant_lookup(facts, "cpu_mhz", "d", &mhz);
    g_autofree char *speed = g_strdup_printf("%.3f", mhz);
    txn_set_map_value(txn, host, "cpu_info", "speed", speed);
    txn_set_map_value(txn, host, "other_config", "boot_time", boot_time);
    g_autofree char *backend = lookup_text(facts, "network_backend");
    txn_set_map_value(txn, host, "software_version", "network_backend", backend);
    if (bios)
        txn_set_value(txn, host, "bios_strings", bios);
    g_autofree char *iscsi_name = lookup_text(facts, "iscsi_name");
    txn_set_string(txn, host, "iscsi_iqn", iscsi_name);
    g_autofree char *dom0 = dom0_of(model, host);
    if (dom0) {
        g_autofree char *metrics = model_get_string(model, dom0, "metrics");
        txn_set_value(txn, metrics, "start_time",
                      g_variant_new_int64(lookup_int(facts, "boot_time") * G_USEC_PER_SEC));
    }
    fill_cpus(model, txn, facts);
    commit(txn, "facts of the machine");
}
