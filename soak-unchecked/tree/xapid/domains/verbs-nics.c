/* Network cards of a domain that runs; see verbs.h. */
#include "config.h"

#include "lib/faults.h"
#include "xapid/domains/verb-args.h"
#include "xapid/domains/verbs-internal.h"

bool
verb_plug_nic(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
              GError **error)
{
    struct domain_info *info;
    struct guest_nic nic;
    bool ok;

    if (!guest_nic_parse(args, &nic, error) ||
        !(info = verbs_find_live(v, uuid, /* may_be_paused= */ true, error)))
        return false;
    ok = FAULT_AROUND("nic.plug", error, v->backend->plug_nic(v->ctx, info, &nic, error));
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}

bool
verb_set_nic(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
             GError **error)
{
    struct domain_info *info;
    struct guest_nic nic;
    bool ok;

    if (!guest_nic_parse(args, &nic, error) ||
        !(info = verbs_find_live(v, uuid, /* may_be_paused= */ true, error)))
        return false;
    ok = FAULT_AROUND("nic.set", error, v->backend->set_nic(v->ctx, info->domid, &nic, error));
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}

/* A domain that is gone has no cards. */
bool
verb_unplug_nic(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                GError **error)
{
    struct domain_info *info = NULL;
    bool force, ok;
    int device;

    if (!unplug_nic_args_parse(args, &device, &force, error) || !verbs_find(v, uuid, &info, error))
        return false;
    ok = !info || FAULT_AROUND("nic.unplug", error,
                               v->backend->unplug_nic(v->ctx, info->domid, device, force, error));
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}
