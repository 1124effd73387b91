#include "config.h"

#include "lib/bond.h"

#define FALLBACK "lacp-fallback-ab"

bool
bond_settings_init(struct bond_settings *settings, const char *mode)
{
    static const char *const modes[] = {[BOND_ACTIVE_BACKUP] = "active-backup",
                                        [BOND_BALANCE_SLB] = "balance-slb",
                                        [BOND_LACP] = "lacp"};

    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (!g_str_equal(modes[i], mode))
            continue;
        *settings = (struct bond_settings){.mode = (enum bond_mode)i};
        return true;
    }
    return false;
}

/* One of two words; the second is true. */
static bool
read_choice(const char *value, const char *no, const char *yes, bool *ret_is)
{
    *ret_is = g_str_equal(value, yes);
    return *ret_is || g_str_equal(value, no);
}

static bool
read_key(const char *value, guint *ret_key)
{
    guint64 key;

    if (!g_ascii_string_to_unsigned(value, 10, 1, BOND_KEY_MAX, &key, NULL))
        return false;
    *ret_key = (guint)key;
    return true;
}

bool
bond_settings_set(struct bond_settings *settings, const char *property, const char *value)
{
    struct bond_settings changed = *settings;
    bool ok = false;

    if (settings->mode != BOND_LACP)
        return false;
    if (g_str_equal(property, BOND_HASHING))
        ok = read_choice(value, BOND_HASHING_DEFAULT, "src_mac", &changed.by_mac);
    else if (g_str_equal(property, "lacp-time"))
        ok = read_choice(value, "slow", "fast", &changed.is_fast);
    else if (g_str_equal(property, FALLBACK))
        ok = read_choice(value, "false", "true", &changed.falls_back);
    else if (g_str_equal(property, "lacp-aggregation-key"))
        ok = read_key(value, &changed.key);
    if (ok)
        *settings = changed;
    return ok;
}

const char *
bond_settings_wrong_for_kernel(const struct bond_settings *settings)
{
    if (settings->mode == BOND_BALANCE_SLB)
        return "balance-slb";
    return settings->falls_back ? FALLBACK : NULL;
}
