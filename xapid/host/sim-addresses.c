/* The addresses of a simulated host: of each of its bridges in the file ADDRESSES_SIM_FILE; the
 * administrator's, of its interfaces, in INTERFACES_SIM_FILE. */
#include "config.h"

#include <gio/gio.h>

#include "xapid/host/addresses.h"
#include "xapid/host/bridge.h"
#include "xapid/host/interfaces.h"

static GKeyFile *
load(const char *sim_dir, const char *leaf, char **ret_path)
{
    GKeyFile *file = g_key_file_new();

    *ret_path = g_build_filename(sim_dir, leaf, NULL);
    g_key_file_load_from_file(file, *ret_path, G_KEY_FILE_NONE, NULL);
    return file;
}

bool
addresses_apply_simulated(const char *sim_dir, const struct addressing *wanted,
                          const char **ret_outcome, char ***ret_there, GError **error)
{
    const char *const texts[][2] = {{"address", wanted->address},
                                    {"gateway", wanted->gateway},
                                    {"address6", wanted->address6},
                                    {"gateway6", wanted->gateway6}};
    g_autofree char *bridge = g_build_filename(sim_dir, BRIDGE_SIM_DIR, wanted->interface, NULL);
    g_autofree char *path = NULL, *before = NULL, *after = NULL;
    g_autoptr(GKeyFile) file = load(sim_dir, ADDRESSES_SIM_FILE, &path);
    g_autoptr(GStrvBuilder) there = g_strv_builder_new();
    bool is_there = g_file_test(bridge, G_FILE_TEST_EXISTS);

    before = g_key_file_to_data(file, NULL, NULL);
    g_key_file_remove_group(file, wanted->interface, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(texts) && is_there; i++) {
        if (*texts[i][1])
            g_key_file_set_string(file, wanted->interface, texts[i][0], texts[i][1]);
        if (i % 2 == 0 && *texts[i][1] && !g_str_equal(texts[i][1], ADDRESS_BY_ROUTERS))
            g_strv_builder_add(there, texts[i][1]);
    }
    after = g_key_file_to_data(file, NULL, NULL);
    if (!g_str_equal(before, after) && !g_file_set_contents(path, after, -1, error))
        return false;
    *ret_outcome = is_there ? ADDRESSES_READY : ADDRESSES_MISSING;
    *ret_there = g_strv_builder_end(there);
    return true;
}

static bool
set_interface(const char *sim_dir, const char *name, const char *const *addresses,
              const char *const *gateways, GError **error)
{
    g_autofree char *path = NULL, *all = g_strjoinv(";", (char **)addresses);
    g_autoptr(GKeyFile) file = load(sim_dir, INTERFACES_SIM_FILE, &path);

    g_key_file_set_value(file, name, "addresses", all);
    g_key_file_set_value(file, name, "gateway", *gateways ? *gateways : "");
    return g_key_file_save_to_file(file, path, error);
}

bool
interface_take_simulated(const char *sim_dir, const char *name, GError **error)
{
    const char *const none[] = {NULL};

    return set_interface(sim_dir, name, none, none, error);
}

bool
interface_give_simulated(const char *sim_dir, const char *name, const char *const *addresses,
                         const char *const *gateways, GError **error)
{
    return set_interface(sim_dir, name, addresses, gateways, error);
}
