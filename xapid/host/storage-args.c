/* What xapid may ask of storage, argument by argument: it is not trusted. */
#include "config.h"

#include "lib/error.h"
#include "lib/member.h"
#include "xapid/host/driver.h"
#include "xapid/host/storage.h"
#include "xapid/stream/vm.h"

/* Which arguments a call has, beside sr and device_config; all of them must be there. */
static const struct {
    const char *call;
    const char *name[10], *type[10];
} calls[] = {
    {"sr.create", {"size"}, {"x"}},
    {"sr.attach", {NULL}, {NULL}},
    {"sr.detach", {NULL}, {NULL}},
    {"sr.destroy", {NULL}, {NULL}},
    {"sr.scan", {NULL}, {NULL}},
    {"sr.stat", {NULL}, {NULL}},
    {"sr.probe", {NULL}, {NULL}},
    {"sr.chains", {NULL}, {NULL}},
    {"sr.coalesce", {"rate", "disks"}, {"x", "as"}},
    {"vdi.create",
     {"vdi", "name_label", "name_description", "type", "virtual_size", "sm_config"},
     {"s", "s", "s", "s", "x", "a{ss}"}},
    {"vdi.copy",
     {"vdi", "name_label", "name_description", "type", "virtual_size", "sm_config", "source"},
     {"s", "s", "s", "s", "x", "a{ss}", "s"}},
    {"vdi.exchange", {"vdi", "with", "back"}, {"s", "s", "b"}},
    {"vdi.clone",
     {"vdi", "name_label", "name_description", "type", "virtual_size", "sm_config", "source"},
     {"s", "s", "s", "s", "x", "a{ss}", "s"}},
    {"vdi.destroy", {"vdi"}, {"s"}},
    {"vdi.resize", {"vdi", "virtual_size"}, {"s", "x"}},
    {"vdi.attach", {"vdi", "handle", "read_only", "sharable"}, {"s", "s", "b", "b"}},
    {"vdi.detach", {"vdi", "handle"}, {"s", "s"}},
    {"vdi.import",
     {"vdi", "handle", "format", "size", "offset", "length", "part", "silent"},
     {"s", "s", "s", "x", "x", "x", "b", "u"}},
    {"vdi.export",
     {"vdi", "handle", "format", "size", "offset", "length", "part", "silent", "since",
      "since_size"},
     {"s", "s", "s", "x", "x", "x", "b", "u", "s", "x"}},
    {"vm.export", {"disks", "packing", "silent"}, {"a(sssx)", "s", "u"}},
    {"vm.import", {"forced", "length", "silent"}, {"b", "x", "u"}},
};

/* Those that are about one SR, and run its driver. */
static bool
is_of_sr(const char *call)
{
    return !g_str_has_prefix(call, "vm.");
}

static bool
refuse(GError **error, const char *name, const char *value)
{
    api_error_set(error, "INVALID_VALUE", name, value, NULL);
    return false;
}

static bool
check_type(GVariant *args, const char *name, const char *type, GError **error)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(args, name, G_VARIANT_TYPE(type));

    return value || refuse(error, name, "missing, or of another type");
}

static bool
check_uuid(GVariant *args, const char *name, GError **error)
{
    const char *value = member_text(args, name);

    return g_uuid_string_is_valid(value) || refuse(error, name, value);
}

bool
storage_check_disks(GVariant *disks, GError **error)
{
    if (g_variant_n_children(disks) > VM_DISKS_MAX)
        return refuse(error, "disks", "too many");
    for (gsize i = 0; i < g_variant_n_children(disks); i++) {
        const char *handle, *vdi, *name;
        gint64 size;
        g_variant_get_child(disks, i, "(&s&s&sx)", &handle, &vdi, &name, &size);
        if (!g_uuid_string_is_valid(handle) || !g_uuid_string_is_valid(vdi))
            return refuse(error, "disks", g_uuid_string_is_valid(handle) ? vdi : handle);
        if (!g_regex_match_simple("^Ref:[0-9]{1,18}$", name, G_REGEX_DOLLAR_ENDONLY, 0))
            return refuse(error, "disks", name);
        if (size < 0)
            return refuse(error, "disks", "a negative size");
    }
    return true;
}

static bool
check_disks(GVariant *args, GError **error)
{
    g_autoptr(GVariant) disks = g_variant_lookup_value(args, "disks", NULL);

    return storage_check_disks(disks, error);
}

bool
storage_check_args(const char *call, const char *driver, GVariant *args, GError **error)
{
    unsigned i = 0;

    if (is_of_sr(call) && !driver_name_is_valid(driver))
        return refuse(error, "driver", driver);
    while (i < G_N_ELEMENTS(calls) && !g_str_equal(calls[i].call, call))
        i++;
    if (i == G_N_ELEMENTS(calls))
        return refuse(error, "call", call);
    if (is_of_sr(call) && (!check_type(args, "device_config", "a{ss}", error) ||
                           (!g_str_equal(call, "sr.probe") && !check_uuid(args, "sr", error))))
        return false;
    for (unsigned j = 0; j < G_N_ELEMENTS(calls[i].name) && calls[i].name[j]; j++) {
        const char *name = calls[i].name[j];
        if (!check_type(args, name, calls[i].type[j], error))
            return false;
        if ((g_str_equal(name, "vdi") || g_str_equal(name, "handle") ||
             g_str_equal(name, "source") || g_str_equal(name, "with")) &&
            !check_uuid(args, name, error))
            return false;
        if (g_str_equal(name, "since") && *member_text(args, name) &&
            !check_uuid(args, name, error))
            return false;
        if (g_str_equal(name, "disks") && !is_of_sr(call) && !check_disks(args, error))
            return false;
    }
    return true;
}
