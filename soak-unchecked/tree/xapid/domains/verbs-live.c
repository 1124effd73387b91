/* Changing a domain that runs, and sending events to it; see verbs.h. */
#include "config.h"

#include "lib/faults.h"
#include "xapid/domains/argument.h"
#include "xapid/domains/mark.h"
#include "xapid/domains/verb-args.h"
#include "xapid/domains/verbs-internal.h"

struct domain_info *
verbs_find_live(struct verbs *v, const char *uuid, bool may_be_paused, GError **error)
{
    struct domain_info *info = NULL;

    if (!verbs_find(v, uuid, &info, error))
        return NULL;
    g_autofree char *mark = mark_get(v->marks, uuid);
    if (info && !verbs_is_half_built(info, mark) &&
        (info->state == DOMAIN_RUNNING || (may_be_paused && info->state == DOMAIN_PAUSED)))
        return info;
    verbs_bad_power_state(error, uuid, "running", info ? domain_power_state(info) : "halted");
    domain_info_free(info);
    return NULL;
}

bool
verb_adjust(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
            GError **error)
{
    g_auto(adjustment) wanted = {0};
    struct domain_info *info;
    bool ok;

    if (!adjust_args_parse(args, &wanted, error) || !(info = verbs_find_live(v, uuid, true, error)))
        return false;
    if (wanted.vcpus > info->vcpus_max)
        ok = argument_refuse_int(error, "vcpus", wanted.vcpus);
    else
        ok = FAULT_AROUND("adjust", error, v->backend->adjust(v->ctx, info, &wanted, error));
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}

bool
verb_signal(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
            GError **error)
{
    struct domain_info *info;
    enum guest_trigger trigger;
    char key = '\0';
    bool ok;

    if (!signal_args_parse(args, &trigger, &key, error) ||
        !(info = verbs_find_live(v, uuid, false, error)))
        return false;
    ok =
        FAULT_AROUND("signal", error, v->backend->signal(v->ctx, info->domid, trigger, key, error));
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}
