#include "config.h"

#include "xapid/domains/guest-keys.h"

#include <stdlib.h>
#include <string.h>

const char *const guest_key_trees[] = {"attr",    "control",         "data", "device",
                                       "drivers", "feature/hotplug", NULL};

/* A star at the end of a part stands for any rest of it. */
static const char *const allowed[] = {
    "attr/PVAddons/Application",
    "attr/PVAddons/BuildVersion",
    "attr/PVAddons/MajorVersion",
    "attr/PVAddons/MicroVersion",
    "attr/PVAddons/MinorVersion",
    "attr/emp*/ip",
    "attr/emp*/ipv6/*/addr",
    "attr/eno*/ip",
    "attr/eno*/ipv6/*/addr",
    "attr/ens*/ip",
    "attr/ens*/ipv6/*/addr",
    "attr/enx*/ip",
    "attr/enx*/ipv6/*/addr",
    "attr/eth*/ip",
    "attr/eth*/ipv6/*/addr",
    "attr/os/spmajor",
    "attr/os/spminor",
    "attr/vif/*/ipv4/*",
    "attr/vif/*/ipv6/*",
    "attr/xenbr*/ip",
    "attr/xenbr*/ipv6/*/addr",
    "control/feature-*",
    "data/cant_suspend_reason",
    "data/domain",
    "data/host_name_dns",
    "data/os_distro",
    "data/os_majorver",
    "data/os_minorver",
    "data/os_name",
    "data/os_uname",
    "data/service/*/*",
    "data/ts",
    "device/vbd/*/state",
    "device/vif/*/state",
    "drivers/*",
    "feature/hotplug/vbd",
    "feature/hotplug/vif",
};

static enum guest_key
compare(const char *pattern, const char *path)
{
    for (;;) {
        gsize wanted = strcspn(pattern, "/"), length = strcspn(path, "/");

        if (wanted > 0 && pattern[wanted - 1] == '*') {
            if (length < wanted - 1 || strncmp(pattern, path, wanted - 1) != 0)
                return GUEST_KEY_NO;
        } else if (wanted != length || strncmp(pattern, path, length) != 0) {
            return GUEST_KEY_NO;
        }
        pattern += wanted;
        path += length;
        if (*path == '\0')
            return *pattern == '\0' ? GUEST_KEY_ALLOWED : GUEST_KEY_ABOVE;
        if (*pattern == '\0')
            return GUEST_KEY_NO;
        pattern++;
        path++;
    }
}

enum guest_key
guest_key_look_up(const char *path)
{
    enum guest_key best = GUEST_KEY_NO;

    for (size_t i = 0; i < G_N_ELEMENTS(allowed) && best != GUEST_KEY_ALLOWED; i++)
        best = MAX(best, compare(allowed[i], path));
    return best;
}

struct copy {
    const struct guest_store *store;
    struct backend_ctx *ctx;
    int domid;
    GVariantBuilder keys;
    unsigned n_keys, names, requests;
    gsize bytes;
    bool cut;
};

static bool
may_ask(struct copy *copy)
{
    if (copy->requests++ < GUEST_REQUESTS_MAX)
        return true;
    copy->cut = true;
    return false;
}

static void
take(struct copy *copy, const char *path)
{
    unsigned size = 0;
    void *value;

    if (!may_ask(copy))
        return;
    value = copy->store->read(copy->ctx, copy->domid, path, &size);
    if (value && (size > GUEST_VALUE_MAX || copy->n_keys >= GUEST_KEYS_MAX ||
                  copy->bytes + strlen(path) + size > GUEST_BYTES_MAX)) {
        copy->cut = true;
    } else if (value) {
        copy->n_keys++;
        copy->bytes += strlen(path) + size;
        g_variant_builder_add(&copy->keys, "(@ay@ay)",
                              g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, path, strlen(path), 1),
                              g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, value, size, 1));
    }
    free(value);
}

/* As deep as the longest allowed path. */
static void
walk(struct copy *copy, const char *path)
{
    unsigned n = 0;
    char **names = may_ask(copy) ? copy->store->directory(copy->ctx, copy->domid, path, &n) : NULL;

    for (unsigned i = 0; names && i < n; i++) {
        if (copy->names++ >= GUEST_NAMES_MAX ||
            strlen(path) + 1 + strlen(names[i]) > GUEST_KEY_MAX) {
            copy->cut = true;
            continue;
        }
        g_autofree char *child = g_strconcat(path, "/", names[i], NULL);
        switch (guest_key_look_up(child)) {
        case GUEST_KEY_ALLOWED:
            take(copy, child);
            break;
        case GUEST_KEY_ABOVE:
            walk(copy, child);
            break;
        case GUEST_KEY_NO:
            break;
        }
    }
    free(names);
}

GVariant *
guest_keys_copy(const struct guest_store *store, struct backend_ctx *ctx, int domid, bool *ret_cut)
{
    struct copy copy = {.store = store, .ctx = ctx, .domid = domid};

    g_variant_builder_init(&copy.keys, G_VARIANT_TYPE("a(ayay)"));
    for (const char *const *tree = guest_key_trees; *tree; tree++)
        walk(&copy, *tree);
    *ret_cut = copy.cut;
    return g_variant_builder_end(&copy.keys);
}
