#include "config.h"

#include "storage-repos/common/driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"
#include "lib/wire/jsonrpc.h"

#define DISK_SIZE_MAX ((gint64)16 << 40) /* bytes */
#define REQUIRED_API_VERSION "1"

/* ---- arguments ---- */

const char *
driver_key(GVariant *args, const char *name)
{
    g_autoptr(GVariant) config =
        g_variant_lookup_value(args, "device_config", G_VARIANT_TYPE_VARDICT);

    return config ? member_text(config, name) : "";
}

bool
driver_size(GVariant *args, const char *name, gint64 *ret_size, GError **error)
{
    gint64 size = -1;

    g_variant_lookup(args, name, "x", &size);
    if (size >= 0) {
        *ret_size = size;
        return true;
    }
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, size);
    api_error_set(error, "INVALID_VALUE", name, text, NULL);
    return false;
}

bool
driver_disk_size(GVariant *args, gint64 unit, gint64 *ret_size, GError **error)
{
    gint64 size;

    if (!driver_size(args, "virtual_size", &size, error))
        return false;
    if (size == 0 || size > DISK_SIZE_MAX) {
        g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, size);
        api_error_set(error, "INVALID_VALUE", "virtual_size", text, NULL);
        return false;
    }
    *ret_size = (size + unit - 1) / unit * unit;
    return true;
}

bool
driver_may_resize(const char *vdi, gint64 now, gint64 size, GError **error)
{
    if (size >= now)
        return true;
    g_autofree char *minimum = g_strdup_printf("%" G_GINT64_FORMAT, now);
    api_error_set(error, "VDI_TOO_SMALL", vdi, minimum, NULL);
    return false;
}

void
driver_insert_labels(GVariantDict *out, GVariant *from)
{
    static const char *const names[] = {"name_label", "name_description", "type"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
        g_variant_dict_insert(out, names[i], "s", member_text(from, names[i]));
}

void
driver_fail(GError **error, enum driver_failure number, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    driver_fail_telling(error, number, text, "");
}

void
driver_fail_telling(GError **error, enum driver_failure number, const char *text,
                    const char *document)
{
    g_autofree char *code = g_strdup_printf("SR_BACKEND_FAILURE_%d", (int)number);

    api_error_set(error, code, "", text, document, NULL);
}

static bool
check_uuid(GVariant *args, const char *name, GError **error)
{
    const char *uuid = member_text(args, name);

    if (g_uuid_string_is_valid(uuid))
        return true;
    api_error_set(error, "INVALID_VALUE", name, uuid, NULL);
    return false;
}

static bool
check_args(const struct driver *driver, const char *call, GVariant *args, GError **error)
{
    bool probe = g_str_equal(call, "sr.probe");

    if (!probe && !check_uuid(args, "sr", error))
        return false;
    if (g_str_has_prefix(call, "vdi.") && !check_uuid(args, "vdi", error))
        return false;
    for (const struct driver_key *key = driver->keys; key->name; key++)
        if (key->required && !*driver_key(args, key->name)) {
            driver_fail(error, FAILURE_CONFIG_MISSING, "device_config lacks %s", key->name);
            return false;
        }
    return true;
}

/* ---- the call that all have ---- */

static void
query(const struct driver *driver, GVariantDict *result)
{
    GVariantBuilder keys;

    g_variant_builder_init(&keys, G_VARIANT_TYPE("a{ss}"));
    for (const struct driver_key *key = driver->keys; key->name; key++)
        g_variant_builder_add(&keys, "{ss}", key->name, key->description);
    g_variant_dict_insert(result, "type", "s", driver->type);
    g_variant_dict_insert(result, "name_label", "s", driver->name_label);
    g_variant_dict_insert(result, "name_description", "s", driver->name_description);
    g_variant_dict_insert(result, "vendor", "s", "xapid");
    g_variant_dict_insert(result, "copyright", "s", "LGPL-2.1-or-later");
    g_variant_dict_insert(result, "version", "s", PACKAGE_VERSION);
    g_variant_dict_insert(result, "required_api_version", "s", REQUIRED_API_VERSION);
    g_variant_dict_insert_value(result, "capabilities",
                                g_variant_new_strv(driver->capabilities, -1));
    g_variant_dict_insert_value(result, "configuration", g_variant_builder_end(&keys));
}

/* ---- in and out ---- */

static char *
read_request(gsize *ret_length, GError **error)
{
    GString *text = g_string_new(NULL);
    char buffer[16384];
    ssize_t r;

    while ((r = read(STDIN_FILENO, buffer, sizeof buffer)) != 0) {
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0 || text->len + (gsize)r > DRIVER_REQUEST_MAX) {
            api_error_set(error, "INTERNAL_ERROR",
                          r < 0 ? "the call cannot be read" : "the call is too long", NULL);
            g_string_free(text, TRUE);
            return NULL;
        }
        g_string_append_len(text, buffer, r);
    }
    *ret_length = text->len;
    return g_string_free(text, FALSE);
}

/* NULL: there is none of that name. */
static const struct driver_call *
find_call(const struct driver *driver, const char *name)
{
    const struct driver_call *const tables[] = {driver->calls, driver->calls_of_kind};

    for (gsize i = 0; i < G_N_ELEMENTS(tables); i++)
        for (const struct driver_call *call = tables[i]; call && call->name; call++)
            if (g_str_equal(call->name, name))
                return call;
    return NULL;
}

static bool
answer(const struct driver *driver, const char *text, gsize length, GVariantDict *result,
       GError **error)
{
    g_autoptr(GVariant) request = json_parse(text, length, error);
    g_autoptr(GVariant) args = NULL;
    const char *name = "";

    if (!request)
        return false;
    if (g_variant_is_of_type(request, G_VARIANT_TYPE_VARDICT)) {
        name = member_text(request, "call");
        args = g_variant_lookup_value(request, "args", G_VARIANT_TYPE_VARDICT);
    }
    if (g_str_equal(name, "query")) {
        query(driver, result);
        return true;
    }
    const struct driver_call *call = args ? find_call(driver, name) : NULL;
    if (call)
        return check_args(driver, name, args, error) &&
               (driver->make ? driver->make(call, args, result, error)
                             : call->run(args, result, error));
    api_error_set(error, "SR_OPERATION_NOT_SUPPORTED", args ? member_text(args, "sr") : "", NULL);
    return false;
}

static void
print(GVariant *result, const GError *error)
{
    g_autoptr(GString) out = g_string_new("{");

    if (error) {
        const char *const *params = api_error_params(error);
        g_autoptr(GVariant) texts = g_variant_ref_sink(g_variant_new_strv(params, -1));
        g_string_append(out, "\"error\":{\"code\":");
        json_text_append(out, api_error_code(error));
        g_string_append(out, ",\"params\":");
        json_untyped_encode(out, texts);
        g_string_append_c(out, '}');
    } else {
        g_string_append(out, "\"result\":");
        json_untyped_encode(out, result);
    }
    g_string_append(out, "}\n");
    fputs(out->str, stdout);
}

void
driver_give_up(enum driver_failure number, const char *text)
{
    g_autoptr(GVariant) none = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    g_autoptr(GError) error = NULL;

    driver_fail(&error, number, "%s", text);
    print(none, error);
    _exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int
driver_main(const struct driver *driver, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    gsize length = 0;

    log_init(driver->type, LOG_LEVEL_INFO);
    if (argc == 2 && g_str_equal(argv[1], "--fault-points")) {
        faults_list();
        return EXIT_SUCCESS;
    }
    if (argc > 1) {
        fprintf(stderr,
                "usage: %s < CALL\nA storage driver of xapid; xapid-host runs it.\n"
                "  --fault-points   list the fault points of this program\n",
                argv[0]);
        return 2;
    }
    g_autofree char *text = faults_init(&error) ? read_request(&length, &error) : NULL;
    bool done = text && answer(driver, text, length, &dict, &error);
    g_autoptr(GVariant) result = g_variant_ref_sink(g_variant_dict_end(&dict));
    g_assert(done == !error);
    print(result, error);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
