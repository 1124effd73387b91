/* The verbs that build domains: create, restore, and prepare, which builds ahead.  See ready.h. */
#include "config.h"

#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/domains/argument.h"
#include "xapid/domains/image.h"
#include "xapid/domains/mark.h"
#include "xapid/domains/ready.h"
#include "xapid/domains/retry.h"
#include "xapid/domains/verbs-internal.h"

static bool
build_once(struct verbs *v, const char *uuid, const char *op_id, const struct guest_config *config,
           int image, int *ret_domid, GError **error)
{
    int domid;

    if (!FAULT_POINT("create.before", error) || !mark_set(v->marks, uuid, op_id, error) ||
        !FAULT_POINT("create.after-mark", error) || !verbs_check_aborted(v, error) ||
        !v->backend->build(v->ctx, uuid, config, image, &domid, error) ||
        !FAULT_POINT("create.after-build", error) || !verbs_check_aborted(v, error) ||
        !v->backend->complete(v->ctx, domid, uuid, op_id, config, error))
        return false;
    *ret_domid = domid;
    return true;
}

static bool
build_or_restore(struct verbs *v, const char *uuid, const char *op_id,
                 const struct guest_config *config, bool restore, int *ret_domid, GError **error)
{
    int image = -1;
    bool ok;

    if (restore && (image = image_open(v->images, uuid, error)) < 0)
        return false;
    ok = build_once(v, uuid, op_id, config, image, ret_domid, error);
    if (image >= 0)
        close(image);
    return ok;
}

/* Who has no disks does without the folder. */
static bool
find_disks(struct verbs *v, const struct guest_config *config, GError **error)
{
    int folder;
    bool ok;

    if (!config->disks->len)
        return true;
    folder = verbs_open_disks(v, error);
    if (folder < 0)
        return false;
    ok = guest_disks_resolve(config->disks, folder, error);
    close(folder);
    return ok;
}

/* Whole or not at all: a paused domain that op_id built. */
static bool
build(struct verbs *v, const char *uuid, const char *op_id, const struct guest_config *config,
      bool restore, int *ret_domid, GError **error)
{
    g_autoptr(GError) cleaning = NULL, failed = NULL;
    int left = RETRY_BUILDS;

    if (!find_disks(v, config, error))
        return false;
    while (!build_or_restore(v, uuid, op_id, config, restore, ret_domid, &failed)) {
        bool late = v->backend->timed_out(v->ctx);
        if (!verbs_clean_up(v, uuid, &cleaning)) {
            log_warning("what is left of %s stays until its next operation: %s", uuid,
                        cleaning->message);
            left = 0;
        }
        if (retry_again(v, "building a domain", late, &left, RETRY_BUILD_PAUSE_MS, &failed))
            continue;
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
    }
    if (!FAULT_POINT("create.after-record", NULL))
        log_debug("a fault after the record changes nothing");
    mark_clear(v->marks, uuid);
    return true;
}

/* ---- domains that are built ahead ---- */

/* What is left of it when that is broken off shows as what a broken build leaves. */
bool
verbs_drop_ready(struct verbs *v, const struct domain_info *ready, GError **error)
{
    log_info("domain %d, which was built ahead for %s, goes", ready->domid, ready->uuid);
    if (!mark_set(v->marks, ready->uuid, ready->op_id, error) ||
        !FAULT_AROUND("ready.drop", error, verbs_destroy(v, ready->uuid, ready->domid, error)))
        return false;
    mark_clear(v->marks, ready->uuid);
    return true;
}

/* Its record makes it the operation's, and from then on it is a domain like any other. */
static bool
take_ready(struct verbs *v, const struct domain_info *ready, const char *op_id,
           const struct guest_config *config, GError **error)
{
    return verbs_check_aborted(v, error) &&
           FAULT_AROUND(
               "ready.take", error,
               v->backend->complete(v->ctx, ready->domid, ready->uuid, op_id, config, error));
}

/* Only what would be built now is taken; what was is removed.  *ret_taken: nothing is to be built.
 */
static bool
use_ready(struct verbs *v, const struct domain_info *ready, const char *op_id, GVariant *args,
          const struct guest_config *config, bool restore, bool *ret_taken, GError **error)
{
    g_autofree char *wanted = NULL;

    if (!restore && !(wanted = ready_op_id(args, config, v->kernels_dir, error)))
        return false;
    *ret_taken = g_strcmp0(wanted, ready->op_id) == 0;
    return *ret_taken ? take_ready(v, ready, op_id, config, error)
                      : verbs_drop_ready(v, ready, error);
}

bool
verb_prepare(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
             GError **error)
{
    g_auto(guest_config) config = {0};
    g_autoptr(domain_info) info = NULL;
    GVariantDict dict;
    int domid;

    if (!guest_config_parse(args, &config, error))
        return false;
    g_autofree char *op_id = ready_op_id(args, &config, v->kernels_dir, error);
    if (!op_id || !verbs_clean_up(v, uuid, error) || !verbs_find_any(v, uuid, &info, error))
        return false;
    if (info && !ready_is(info))
        return verbs_bad_power_state(error, uuid, "halted", domain_power_state(info));
    if (info && !g_str_equal(info->op_id, op_id)) {
        if (!verbs_drop_ready(v, info, error))
            return false;
        g_clear_pointer(&info, domain_info_free);
    }
    if (!info && !build(v, uuid, op_id, &config, /* restore= */ false, &domid, error))
        return false;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "op_id", "s", op_id);
    *ret_result = g_variant_dict_end(&dict);
    return true;
}

/* ---- the operation ---- */

bool
verb_create(struct verbs *v, const char *uuid, const char *op_id, GVariant *args, bool restore,
            GVariant **ret_result, GError **error)
{
    g_auto(guest_config) config = {0};
    g_autoptr(domain_info) info = NULL;
    bool is_there = false;
    int domid;

    if (g_str_has_prefix(op_id, READY_PREFIX))
        return argument_refuse(error, "op_id", op_id);
    if (!guest_config_parse(args, &config, error) || !verbs_clean_up(v, uuid, error) ||
        !verbs_find_any(v, uuid, &info, error))
        return false;
    if (info && ready_is(info)) {
        if (!use_ready(v, info, op_id, args, &config, restore, &is_there, error))
            return false;
    } else if (info) {
        is_there = info->ours && g_str_equal(info->op_id, op_id);
        if (!is_there)
            return verbs_bad_power_state(error, uuid, "halted", domain_power_state(info));
    }
    if (is_there)
        domid = info->domid;
    else if (!build(v, uuid, op_id, &config, restore, &domid, error))
        return false;
    *ret_result = verbs_domid_result(domid);
    return true;
}
