/* xl's words that stand for no command of xe's; see xl-verbs.h. */
#include "config.h"

#include "xtool/xl-verbs.h"

#include <string.h>

#include "lib/error.h"
#include "xtool/manual.h"
#include "xtool/print.h"
#include "xtool/xl.h"

#define WEIGHT_MAX 65535 /* this and the next as xapid has them */
#define CAP_MAX 6400     /* percent of a CPU */

static GVariant *
text(const char *string)
{
    return g_variant_ref_sink(g_variant_new_string(string));
}

static const struct dm_class *
vm_class(void)
{
    return dm_class_find("VM", false);
}

const char *
xl_verb_word(const struct xtool *x, unsigned place)
{
    return place < x->args->words->len ? x->args->words->pdata[place] : NULL;
}

const struct object *
xl_verb_vm(struct xtool *x, unsigned place, GError **error)
{
    return xtool_connect(x, false, error)
               ? objects_named(x->objects, vm_class(), xl_verb_word(x, place), error)
               : NULL;
}

static gint64
domid_of(const struct object *vm)
{
    gint64 domid = -1;

    g_variant_lookup(vm->record, "domid", "x", &domid);
    return domid;
}

/* message (vm, a, b); NULL: it takes fewer. */
static bool
call_vm(struct xtool *x, const char *method, const struct object *vm, const char *a, const char *b,
        GError **error)
{
    g_autoptr(GVariant) self = text(vm->ref);
    g_autoptr(GVariant) first = a ? text(a) : NULL;
    g_autoptr(GVariant) second = b ? text(b) : NULL;
    GVariant *params[] = {self, first, second};

    return call_message(x, method, params, b ? 3 : a ? 2 : 1, error);
}

/* ---- domid and domname ---- */

static bool
domid(struct xtool *x, GError **error)
{
    const struct object *vm = xl_verb_vm(x, 0, error);

    if (vm && domid_of(vm) < 0)
        g_set_error(error, FAILED_ERROR, 0, "%s does not run.", xl_verb_word(x, 0));
    if (!vm || domid_of(vm) < 0)
        return false;
    fprintf(x->out, "%" G_GINT64_FORMAT "\n", domid_of(vm));
    return true;
}

static bool
domname(struct xtool *x, GError **error)
{
    const char *word = xl_verb_word(x, 0);
    guint64 wanted;

    if (!g_ascii_string_to_unsigned(word, 10, 0, G_MAXINT32, &wanted, NULL)) {
        usage_set(error, "The number of a domain is one like 7, not '%s'.", word);
        return false;
    }
    if (!xtool_connect(x, false, error))
        return false;
    g_autoptr(GPtrArray) vms = objects_all(x->objects, vm_class(), error);
    for (unsigned i = 0; vms && i < vms->len; i++) {
        if (domid_of(vms->pdata[i]) != (gint64)wanted)
            continue;
        g_autofree char *name = text_for(x->out, object_string(vms->pdata[i], "name_label"));
        fprintf(x->out, "%s\n", name);
        return true;
    }
    if (vms)
        g_set_error(error, FAILED_ERROR, 0, "There is no domain %s.", word);
    return false;
}

/* ---- the scheduler ---- */

/* Of a VM without a domain nobody else looks at it before it starts. */
static bool
check_number(const char *what, const char *value, guint64 min, guint64 max, GError **error)
{
    if (!value || g_ascii_string_to_unsigned(value, 10, min, max, NULL, NULL))
        return true;
    usage_set(error, "A %s is a number from %d to %d, not '%s'.", what, (int)min, (int)max, value);
    return false;
}

/* A key of VCPUs_params, at once of a VM that has a domain; value "": none. */
static bool
set_param(struct xtool *x, const struct object *vm, const char *key, const char *value,
          GError **error)
{
    g_autoptr(GVariant) params = object_value(vm, dm_field_find(vm_class(), "VCPUs_params"));
    const char *old;

    if (domid_of(vm) >= 0 && *value)
        return call_vm(x, "VM.add_to_VCPUs_params_live", vm, key, value, error);
    if (params && g_variant_lookup(params, key, "&s", &old) &&
        !call_vm(x, "VM.remove_from_VCPUs_params", vm, key, NULL, error))
        return false;
    return !*value || call_vm(x, "VM.add_to_VCPUs_params", vm, key, value, error);
}

/* The numbers of all CPUs of the host, as a mask. */
static char *
all_cpus(struct xtool *x, GError **error)
{
    g_autoptr(GPtrArray) hosts = objects_all(x->objects, dm_class_find("host", false), error);
    const char *count = NULL;
    guint64 n = 0;

    if (!hosts)
        return NULL;
    const struct object *host = hosts->len ? hosts->pdata[0] : NULL;
    g_autoptr(GVariant) info =
        host ? object_value(host, dm_field_find(host->cls, "cpu_info")) : NULL;
    if (!info || !g_variant_lookup(info, "cpu_count", "&s", &count) ||
        !g_ascii_string_to_unsigned(count, 10, 1, XL_CPUS_MAX, &n, NULL)) {
        g_set_error(error, FAILED_ERROR, 0, "The host does not tell how many CPUs it has.");
        return NULL;
    }
    g_autofree char *range = g_strdup_printf("0-%d", (int)n - 1);
    return xl_cpus_read(range);
}

static bool
vcpu_pin(struct xtool *x, GError **error)
{
    const char *vcpu = xl_verb_word(x, 1), *cpus = xl_verb_word(x, 2);
    g_autofree char *mask = xl_cpus_read(cpus);

    if (!g_str_equal(vcpu, "all")) {
        usage_set(error, "All CPUs of a VM run on the same ones: say all, not '%s'.", vcpu);
        return false;
    }
    if (!mask) {
        usage_set(error, "'%s' is no list of CPUs like 0-3,^2, and not all.", cpus);
        return false;
    }
    const struct object *vm = xl_verb_vm(x, 0, error);
    if (!vm)
        return false;
    /* A guest that runs is told where it may run now. */
    if (!*mask && domid_of(vm) >= 0) {
        g_free(mask);
        mask = all_cpus(x, error);
    }
    return mask && set_param(x, vm, "mask", mask, error);
}

static bool
show_shares(struct xtool *x, const char *name, GError **error)
{
    const struct xt_class *cls = class_find("vm");
    g_autoptr(GPtrArray) fields = fields_of(cls);

    if (!xtool_connect(x, false, error))
        return false;
    g_autoptr(GPtrArray) vms = name ? objects_called(x->objects, vm_class(), name, error)
                                    : objects_all(x->objects, vm_class(), error);
    for (unsigned i = vms ? vms->len : 0; i-- > 0;)
        if (domid_of(vms->pdata[i]) < 0)
            g_ptr_array_remove_index(vms, i);
    if (vms && name && !vms->len)
        g_set_error(error, FAILED_ERROR, 0, "There is no VM '%s' that runs.", name);
    return vms && (!name || vms->len) && xl_show(x, x->alias, vms, fields, error);
}

static bool
sched_credit2(struct xtool *x, GError **error)
{
    const char *name = args_get(x->args, "domain");
    const char *weight = args_get(x->args, "weight"), *cap = args_get(x->args, "cap");

    if (!xtool_check_unused(x, error) || !check_number("weight", weight, 1, WEIGHT_MAX, error) ||
        !check_number("cap", cap, 0, CAP_MAX, error))
        return false;
    if (!weight && !cap)
        return show_shares(x, name, error);
    if (!name) {
        usage_set(error, "Whose share? Say -d VM.");
        return false;
    }
    if (!xtool_connect(x, false, error))
        return false;
    const struct object *vm = objects_named(x->objects, vm_class(), name, error);
    return vm && (!weight || set_param(x, vm, "weight", weight, error)) &&
           (!cap || set_param(x, vm, "cap", cap, error));
}

/* ---- signals ---- */

static bool
trigger(struct xtool *x, GError **error)
{
    const struct object *vm = xl_verb_vm(x, 0, error);

    return vm && call_vm(x, "VM.send_trigger", vm, xl_verb_word(x, 1), NULL, error);
}

static bool
sysrq(struct xtool *x, GError **error)
{
    const struct object *vm = xl_verb_vm(x, 0, error);

    return vm && call_vm(x, "VM.send_sysrq", vm, xl_verb_word(x, 1), NULL, error);
}

/* ---- */

/* As many words as it takes. */
static bool
check_words(struct xtool *x, GError **error)
{
    unsigned needed = 0, all = g_strv_length((char **)x->alias->words);

    while (needed < all && xl_needs(x->alias, needed))
        needed++;
    if (x->args->words->len >= needed && x->args->words->len <= all)
        return true;
    g_autofree char *usage = manual_alias(x->alias);
    usage_set(error, "usage: %s %s", x->name, usage);
    return false;
}

bool
xl_verb_run(struct xtool *x, GError **error)
{
    static const struct {
        const char *name;
        bool (*run)(struct xtool *x, GError **error);
        bool takes_arguments; /* and looks after them by itself */
    } verbs[] = {
        {"block-attach", xl_block_attach, true},
        {"block-detach", xl_block_detach, false},
        {"block-list", xl_block_list, false},
        {"cd-eject", xl_cd_eject, false},
        {"cd-insert", xl_cd_insert, false},
        {"console", xl_console, true},
        {"create", xl_create, true},
        {"domid", domid, false},
        {"domname", domname, false},
        {"sched-credit2", sched_credit2, true},
        {"shutdown-all", xl_shutdown_all, false},
        {"sysrq", sysrq, false},
        {"top", xl_top, true},
        {"trigger", trigger, false},
        {"vcpu-pin", vcpu_pin, false},
    };

    if (!check_words(x, error))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (g_str_equal(verbs[i].name, x->alias->name))
            return (verbs[i].takes_arguments || xtool_check_unused(x, error)) &&
                   verbs[i].run(x, error);
    g_error("%s has no code", x->alias->name);
}
