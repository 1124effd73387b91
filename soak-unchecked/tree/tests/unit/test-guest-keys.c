/* What is copied of a guest's keys: the allowed ones, within the limits, from a store of our own.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "xapid/domains/guest-keys.h"

/* A xenstore in a table of paths; every directory has `width` children of its own when that is set.
 */
struct backend_ctx {
    GHashTable *keys;
    unsigned requests;
};

static char **
directory(struct backend_ctx *ctx, int domid, const char *path, unsigned *ret_n)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    gsize size = 0, length = strlen(path);
    GHashTableIter iter;
    const char *key;

    g_assert_cmpint(domid, ==, 7);
    ctx->requests++;
    g_hash_table_iter_init(&iter, ctx->keys);
    while (g_hash_table_iter_next(&iter, (void **)&key, NULL))
        if (strncmp(key, path, length) == 0 && key[length] == '/')
            g_hash_table_add(names, g_strndup(key + length + 1, strcspn(key + length + 1, "/")));
    *ret_n = g_hash_table_size(names);
    if (*ret_n == 0)
        return NULL;
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, (void **)&key, NULL))
        size += strlen(key) + 1;
    char **block = malloc(*ret_n * sizeof *block + size);
    char *at = (char *)(block + *ret_n);
    unsigned i = 0;
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, (void **)&key, NULL)) {
        block[i++] = at;
        at = g_stpcpy(at, key) + 1;
    }
    return block;
}

static void *
read_value(struct backend_ctx *ctx, int domid, const char *path, unsigned *ret_size)
{
    const char *value = g_hash_table_lookup(ctx->keys, path);

    (void)domid;
    ctx->requests++;
    g_assert_cmpint(guest_key_look_up(path), ==, GUEST_KEY_ALLOWED);
    *ret_size = value ? (unsigned)strlen(value) : 0;
    return value ? strdup(value) : NULL;
}

static const struct guest_store store = {.directory = directory, .read = read_value};

static void
set_up(struct backend_ctx *ctx, gconstpointer data)
{
    (void)data;
    ctx->keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    ctx->requests = 0;
}

static void
tear_down(struct backend_ctx *ctx, gconstpointer data)
{
    (void)data;
    g_hash_table_unref(ctx->keys);
}

static void
put(struct backend_ctx *ctx, const char *path, const char *value)
{
    g_hash_table_insert(ctx->keys, g_strdup(path), g_strdup(value));
}

/* Copies, within every limit. */
static GVariant *
copy(struct backend_ctx *ctx, bool cut)
{
    bool was_cut;
    GVariant *keys = g_variant_ref_sink(guest_keys_copy(&store, ctx, 7, &was_cut));

    g_assert_true(was_cut == cut);
    g_assert_cmpuint(g_variant_n_children(keys), <=, GUEST_KEYS_MAX);
    g_assert_cmpuint(g_variant_get_size(keys), <=, GUEST_BYTES_MAX + GUEST_KEYS_MAX * 16);
    g_assert_cmpuint(ctx->requests, <=, GUEST_REQUESTS_MAX);
    return keys;
}

static void
test_look_up(void)
{
    static const struct {
        const char *path;
        enum guest_key key;
    } cases[] = {
        {"data/os_name", GUEST_KEY_ALLOWED},
        {"data/os_name/x", GUEST_KEY_NO},
        {"data/os_nam", GUEST_KEY_NO},
        {"data", GUEST_KEY_ABOVE},
        {"attr/vif/0/ipv4/1", GUEST_KEY_ALLOWED},
        {"attr/vif/0/ipv4", GUEST_KEY_ABOVE},
        {"attr/vif/0/name", GUEST_KEY_NO},
        {"attr/eth0/ip", GUEST_KEY_ALLOWED},
        {"attr/eth0/ipv6/0/addr", GUEST_KEY_ALLOWED},
        {"attr/lo/ip", GUEST_KEY_NO},
        {"attr/os/hotfixes", GUEST_KEY_NO},
        {"control/feature-balloon", GUEST_KEY_ALLOWED},
        {"control/feature-balloon/x", GUEST_KEY_NO},
        {"control/shutdown", GUEST_KEY_NO},
        {"device/vbd/51712/state", GUEST_KEY_ALLOWED},
        {"device/vbd/51712/ring-ref", GUEST_KEY_NO},
        {"drivers/0", GUEST_KEY_ALLOWED},
        {"console/tty", GUEST_KEY_NO},
        {"vm", GUEST_KEY_NO},
        {"", GUEST_KEY_NO},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        if (guest_key_look_up(cases[i].path) != cases[i].key)
            g_error("%s: %d", cases[i].path, guest_key_look_up(cases[i].path));
    for (const char *const *tree = guest_key_trees; *tree; tree++)
        g_assert_cmpint(guest_key_look_up(*tree), ==, GUEST_KEY_ABOVE);
}

static void
test_allowed_alone(struct backend_ctx *ctx, gconstpointer data)
{
    (void)data;
    put(ctx, "data/os_name", "Debian");
    put(ctx, "data/secret", "x");
    put(ctx, "attr/vif/0/ipv4/0", "10.0.0.1");
    put(ctx, "attr/vif/0/mac/0", "x");
    put(ctx, "attr/os/hotfixes/1/2/3/4/5/6/7/8/9", "x");
    put(ctx, "control/shutdown", "poweroff");
    put(ctx, "console/tty", "/dev/pts/1");
    g_autoptr(GVariant) keys = copy(ctx, false);
    g_assert_cmpuint(g_variant_n_children(keys), ==, 2);
    g_assert_cmpuint(ctx->requests, <, 16);
}

static void
test_many(struct backend_ctx *ctx, gconstpointer data)
{
    (void)data;
    for (int i = 0; i < 10000; i++) {
        g_autofree char *driver = g_strdup_printf("drivers/%d", i);
        put(ctx, driver, "a b c");
    }
    g_autoptr(GVariant) keys = copy(ctx, true);
    g_assert_cmpuint(g_variant_n_children(keys), ==, GUEST_KEYS_MAX);
}

/* Names that lead nowhere cost requests, and no more of these than are allowed. */
static void
test_wide(struct backend_ctx *ctx, gconstpointer data)
{
    (void)data;
    for (int i = 0; i < 2000; i++) {
        g_autofree char *device = g_strdup_printf("device/vif/%d/other", i);
        put(ctx, device, "x");
    }
    g_autoptr(GVariant) keys = copy(ctx, true);
    g_assert_cmpuint(g_variant_n_children(keys), ==, 0);
}

static void
test_long(struct backend_ctx *ctx, gconstpointer data)
{
    g_autofree char *value = g_strnfill(GUEST_VALUE_MAX, 'x');
    g_autofree char *name = g_strnfill(GUEST_KEY_MAX, 'n');
    g_autofree char *path = g_strconcat("drivers/", name, NULL);

    (void)data;
    put(ctx, "data/os_name", value);
    g_autoptr(GVariant) fits = copy(ctx, false);
    g_assert_cmpuint(g_variant_n_children(fits), ==, 1);
    put(ctx, path, "a b c");
    g_autoptr(GVariant) without = copy(ctx, true);
    g_assert_cmpuint(g_variant_n_children(without), ==, 1);
    g_hash_table_remove(ctx->keys, path);
    for (int i = 0; i < 64; i++) {
        g_autofree char *driver = g_strdup_printf("drivers/%d", i);
        put(ctx, driver, value);
    }
    g_autoptr(GVariant) full = copy(ctx, true);
    g_assert_cmpuint(g_variant_n_children(full), <, GUEST_BYTES_MAX / GUEST_VALUE_MAX);
    g_autofree char *longer = g_strnfill(1 << 20, 'x');
    g_hash_table_remove_all(ctx->keys);
    put(ctx, "data/os_name", longer);
    g_autoptr(GVariant) empty = copy(ctx, true);
    g_assert_cmpuint(g_variant_n_children(empty), ==, 0);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(struct backend_ctx *, gconstpointer);
    } tests[] = {{"allowed-alone", test_allowed_alone},
                 {"many", test_many},
                 {"wide", test_wide},
                 {"long", test_long}};

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-keys/look-up", test_look_up);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/guest-keys/%s", tests[i].name);
        g_test_add(path, struct backend_ctx, NULL, set_up, tests[i].test, tear_down);
    }
    return g_test_run();
}
