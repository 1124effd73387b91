/* Arguments of the verbs; see verb-args.h. */
#include "config.h"

#include "xapid/domains/verb-args.h"

#include "xapid/domains/argument.h"
#include "xapid/domains/domains.h"
#include "xapid/domains/guest-config.h"
#include "xapid/domains/ready.h"

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

bool
adjust_args_parse(GVariant *args, struct adjustment *ret_adjustment, GError **error)
{
    static const struct argument_key keys[] = {{"vcpus", "i", false},
                                               {"memory_target", "x", false},
                                               {"weight", "i", false},
                                               {"cap", "i", false},
                                               {"cpus", "ai", false}};
    struct adjustment wanted = {0};

    if (!argument_keys_check("args", args, keys, G_N_ELEMENTS(keys), error))
        return false;
    if (g_variant_n_children(args) == 0)
        return argument_refuse(error, "args", "adjust");
    if (g_variant_lookup(args, "vcpus", "i", &wanted.vcpus) &&
        (wanted.vcpus < 1 || wanted.vcpus > CONFIG_VCPUS_MAX))
        return argument_refuse_int(error, "vcpus", wanted.vcpus);
    if (g_variant_lookup(args, "memory_target", "x", &wanted.memory_target) &&
        (wanted.memory_target < CONFIG_MEMORY_MIN || wanted.memory_target > CONFIG_MEMORY_MAX))
        return argument_refuse_int(error, "memory_target", wanted.memory_target);
    if (!guest_sched_parse(args, &wanted.sched, error))
        return false;
    wanted.memory_target &= ~(int64_t)1023;
    *ret_adjustment = wanted;
    return true;
}

void
adjustment_clear(struct adjustment *wanted)
{
    guest_sched_clear(&wanted->sched);
}

bool
signal_args_parse(GVariant *args, enum guest_trigger *ret_trigger, char *ret_key, GError **error)
{
    static const char *const triggers[] = {
        [TRIGGER_NMI] = "nmi",     [TRIGGER_RESET] = "reset", [TRIGGER_INIT] = "init",
        [TRIGGER_POWER] = "power", [TRIGGER_SLEEP] = "sleep", [TRIGGER_S3RESUME] = "s3resume"};
    static const struct argument_key keys[] = {{"sysrq", "s", false}, {"trigger", "s", false}};
    const char *text;

    if (!argument_keys_check("args", args, keys, G_N_ELEMENTS(keys), error))
        return false;
    if (g_variant_n_children(args) != 1)
        return argument_refuse(error, "args", "signal");
    if (g_variant_lookup(args, "sysrq", "&s", &text)) {
        if (!g_ascii_isalnum(text[0]) || text[1])
            return argument_refuse(error, "sysrq", text);
        *ret_trigger = TRIGGER_SYSRQ;
        *ret_key = text[0];
        return true;
    }
    g_variant_lookup(args, "trigger", "&s", &text);
    for (enum guest_trigger i = TRIGGER_NMI; i < G_N_ELEMENTS(triggers); i++)
        if (g_str_equal(text, triggers[i])) {
            *ret_trigger = i;
            return true;
        }
    return argument_refuse(error, "trigger", text);
}

bool
unplug_args_parse(GVariant *args, const char **ret_vdev, bool *ret_force, GError **error)
{
    static const struct argument_key keys[] = {{"vdev", "s", true}, {"force", "b", true}};
    gboolean force;

    if (!argument_keys_check("args", args, keys, G_N_ELEMENTS(keys), error))
        return false;
    g_variant_lookup(args, "vdev", "&s", ret_vdev);
    g_variant_lookup(args, "force", "b", &force);
    *ret_force = force;
    return guest_vdev_is_valid(*ret_vdev) || argument_refuse(error, "vdev", *ret_vdev);
}

static GPtrArray *
drives_parse(GVariant *args, GError **error)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(args, "disks", G_VARIANT_TYPE("aa{sv}"));
    g_autoptr(GPtrArray) disks = guest_disks_parse(list, error);

    for (guint i = 0; disks && i < disks->len; i++)
        if (!*((const struct guest_disk *)disks->pdata[i])->handle) {
            argument_refuse(error, "handle", "");
            return NULL;
        }
    return g_steal_pointer(&disks);
}

GPtrArray *
hold_args_parse(GVariant *args, GError **error)
{
    static const struct argument_key keys[] = {{"disks", "aa{sv}", true}};

    return argument_keys_check("args", args, keys, G_N_ELEMENTS(keys), error)
               ? drives_parse(args, error)
               : NULL;
}

GPtrArray *
release_args_parse(GVariant *args, bool *ret_paused, GError **error)
{
    static const struct argument_key keys[] = {{"disks", "aa{sv}", true}, {"paused", "b", true}};
    gboolean paused;

    if (!argument_keys_check("args", args, keys, G_N_ELEMENTS(keys), error))
        return NULL;
    g_variant_lookup(args, "paused", "b", &paused);
    *ret_paused = paused;
    return drives_parse(args, error);
}

bool
unplug_nic_args_parse(GVariant *args, int *ret_device, bool *ret_force, GError **error)
{
    static const struct argument_key keys[] = {{"device", "i", true}, {"force", "b", true}};
    gboolean force;

    if (!argument_keys_check("args", args, keys, G_N_ELEMENTS(keys), error))
        return false;
    g_variant_lookup(args, "device", "i", ret_device);
    g_variant_lookup(args, "force", "b", &force);
    *ret_force = force;
    return (*ret_device >= 0 && *ret_device < CONFIG_NICS_MAX) ||
           argument_refuse_int(error, "device", *ret_device);
}

static bool
create_check(GVariant *args, GError **error)
{
    g_auto(guest_config) config = {0};

    return guest_config_parse(args, &config, error);
}

static bool
prepare_check(GVariant *args, GError **error)
{
    g_auto(guest_config) config = {0};

    return guest_config_parse(args, &config, error) && ready_check(&config, error);
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
adjust_check(GVariant *args, GError **error)
{
    g_auto(adjustment) wanted = {0};

    return adjust_args_parse(args, &wanted, error);
}

static bool
signal_check(GVariant *args, GError **error)
{
    enum guest_trigger trigger;
    char key;

    return signal_args_parse(args, &trigger, &key, error);
}

static bool
plug_check(GVariant *args, GError **error)
{
    g_autoptr(guest_disk) disk = guest_disk_parse(args, error);

    return disk && (*disk->handle || argument_refuse(error, "handle", ""));
}

static bool
medium_check(GVariant *args, GError **error)
{
    g_autoptr(guest_disk) disk = guest_disk_parse(args, error);

    return disk && (disk->cdrom || argument_refuse(error, "cdrom", "false"));
}

static bool
unplug_check(GVariant *args, GError **error)
{
    const char *vdev;
    bool force;

    return unplug_args_parse(args, &vdev, &force, error);
}

static bool
hold_check(GVariant *args, GError **error)
{
    g_autoptr(GPtrArray) disks = hold_args_parse(args, error);

    return disks != NULL;
}

static bool
release_check(GVariant *args, GError **error)
{
    bool paused;
    g_autoptr(GPtrArray) disks = release_args_parse(args, &paused, error);

    return disks != NULL;
}

static bool
nic_check(GVariant *args, GError **error)
{
    struct guest_nic nic;

    return guest_nic_parse(args, &nic, error);
}

static bool
unplug_nic_check(GVariant *args, GError **error)
{
    int device;
    bool force;

    return unplug_nic_args_parse(args, &device, &force, error);
}

static bool
no_args_check(GVariant *args, GError **error)
{
    return argument_keys_check("args", args, NULL, 0, error);
}

static const struct verb {
    const char *name;
    int timeout_s;
    bool again;
    bool slow; /* it waits for a guest or moves memory: that it takes long means nothing */
    bool (*check)(GVariant *args, GError **error); /* NULL: no verb of Start */
} verbs[] = {
    {"create", TIMEOUT_CREATE_S, true, false, create_check},
    {"prepare", TIMEOUT_CREATE_S, true, false, prepare_check},
    {"destroy", TIMEOUT_DESTROY_S, true, false, destroy_check},
    {"pause", TIMEOUT_QUICK_S, true, false, no_args_check},
    {"unpause", TIMEOUT_QUICK_S, true, false, no_args_check},
    {"adjust", TIMEOUT_QUICK_S, true, false, adjust_check},
    {"signal", TIMEOUT_QUICK_S, false, false, signal_check},
    {"plug", TIMEOUT_CREATE_S, true, false, plug_check},
    {"unplug", TIMEOUT_DESTROY_S, true, true, unplug_check},
    {"medium", TIMEOUT_CREATE_S, true, false, medium_check},
    {"hold", TIMEOUT_QUICK_S, true, false, hold_check},
    {"release", TIMEOUT_QUICK_S, true, false, release_check},
    {"plug_nic", TIMEOUT_CREATE_S, true, false, nic_check},
    {"unplug_nic", TIMEOUT_DESTROY_S, true, true, unplug_nic_check},
    {"set_nic", TIMEOUT_QUICK_S, true, false, nic_check},
    {"restore", TIMEOUT_SAVE_S, true, true, create_check},
    {"save", TIMEOUT_SAVE_S, false, true, no_args_check},
    {"continue", TIMEOUT_QUICK_S, true, false, no_args_check},
    {"discard", TIMEOUT_QUICK_S, true, false, no_args_check},
    {"dump", TIMEOUT_SAVE_S, false, true, no_args_check},
    {"shutdown", TIMEOUT_QUICK_S, false, false, shutdown_check},
    {"recover", TIMEOUT_DESTROY_S, false, false, NULL},
};

static const struct verb *
verb_find(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (g_str_equal(name, verbs[i].name))
            return &verbs[i];
    return NULL;
}

bool
verb_check(const char *verb, const char *uuid, GVariant *args, GError **error)
{
    const struct verb *found = verb_find(verb);

    if (!uuid_check(uuid, error))
        return false;
    if (!found || !found->check)
        return argument_refuse(error, "verb", verb);
    return found->check(args, error);
}

int
verb_timeout_s(const char *verb)
{
    const struct verb *found = verb_find(verb);

    return found ? found->timeout_s : TIMEOUT_QUICK_S;
}

bool
verb_is_slow(const char *verb)
{
    const struct verb *found = verb_find(verb);

    return found && found->slow;
}

bool
verb_again(const char *verb)
{
    const struct verb *found = verb_find(verb);

    return found && found->again;
}
