/* Arguments of the verbs; see verb-args.h. */
#include "config.h"

#include "xapid/domains/verb-args.h"

#include "xapid/domains/argument.h"
#include "xapid/domains/domains.h"
#include "xapid/domains/guest-config.h"

bool
shutdown_args_parse(GVariant *args, bool *ret_reboot, int *ret_timeout, GError **error)
{
    static const struct argument_key keys[] = {{"how", "s", true}, {"timeout", "i", true}};
    const char *how;
    int timeout;

    if (!argument_keys_check("args", args, keys, G_N_ELEMENTS(keys), error))
        return false;
    g_variant_lookup(args, "how", "&s", &how);
    g_variant_lookup(args, "timeout", "i", &timeout);
    if (!g_str_equal(how, "poweroff") && !g_str_equal(how, "reboot"))
        return argument_refuse(error, "how", how);
    if (timeout < 1 || timeout > SHUTDOWN_TIMEOUT_MAX_S)
        return argument_refuse_int(error, "timeout", timeout);
    *ret_reboot = g_str_equal(how, "reboot");
    *ret_timeout = timeout;
    return true;
}

static bool
create_check(GVariant *args, GError **error)
{
    g_auto(guest_config) config = {0};

    return guest_config_parse(args, &config, error);
}

static bool
shutdown_check(GVariant *args, GError **error)
{
    bool reboot;
    int timeout;

    return shutdown_args_parse(args, &reboot, &timeout, error);
}

static bool
destroy_check(GVariant *args, GError **error)
{
    static const struct argument_key keys[] = {{"built_by", "s", false}};

    return argument_keys_check("args", args, keys, G_N_ELEMENTS(keys), error);
}

static bool
no_args_check(GVariant *args, GError **error)
{
    return argument_keys_check("args", args, NULL, 0, error);
}

static const struct {
    const char *name;
    int timeout_s;
    bool (*check)(GVariant *args, GError **error); /* NULL: no verb of Start */
} verbs[] = {
    {"create", TIMEOUT_CREATE_S, create_check},    {"destroy", TIMEOUT_DESTROY_S, destroy_check},
    {"pause", TIMEOUT_QUICK_S, no_args_check},     {"unpause", TIMEOUT_QUICK_S, no_args_check},
    {"shutdown", TIMEOUT_QUICK_S, shutdown_check}, {"recover", TIMEOUT_DESTROY_S, NULL},
};

bool
verb_check(const char *verb, const char *uuid, GVariant *args, GError **error)
{
    if (!uuid_check(uuid, error))
        return false;
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (verbs[i].check && g_str_equal(verb, verbs[i].name))
            return verbs[i].check(args, error);
    return argument_refuse(error, "verb", verb);
}

int
verb_timeout_s(const char *verb)
{
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (g_str_equal(verb, verbs[i].name))
            return verbs[i].timeout_s;
    return TIMEOUT_QUICK_S;
}
