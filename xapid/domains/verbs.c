/* What a worker does for each verb; see verbs.h. */
#include "config.h"

#include "xapid/domains/verbs-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/domains/argument.h"
#include "xapid/domains/image.h"
#include "xapid/domains/mark.h"
#include "xapid/domains/message.h"
#include "xapid/domains/ready.h"
#include "xapid/domains/retry.h"
#include "xapid/domains/verb-args.h"

GVariant *
verbs_no_result(void)
{
    return g_variant_new("a{sv}", NULL);
}

bool
verbs_bad_power_state(GError **error, const char *uuid, const char *expected, const char *actual)
{
    api_error_set(error, "VM_BAD_POWER_STATE", uuid, expected, actual, NULL);
    return false;
}

bool
verbs_check_aborted(struct verbs *v, GError **error)
{
    if (!atomic_load(v->aborted))
        return true;
    api_error_set(error, "TASK_CANCELLED", NULL);
    return false;
}

bool
verbs_is_half_built(const struct domain_info *info, const char *mark)
{
    return mark && info->nameless && info->state != DOMAIN_DYING;
}

bool
verbs_find_any(struct verbs *v, const char *uuid, struct domain_info **ret_info, GError **error)
{
    g_autoptr(GPtrArray) domains = NULL;
    struct domain_info *found = NULL;

    if (!v->backend->list(v->ctx, uuid, &domains, error))
        return false;
    for (guint i = 0; i < domains->len && !found; i++) {
        struct domain_info *info = domains->pdata[i];
        if (info->domid != 0 && info->state != DOMAIN_DYING)
            found = g_ptr_array_steal_index(domains, i);
    }
    *ret_info = found;
    return true;
}

bool
verbs_find(struct verbs *v, const char *uuid, struct domain_info **ret_info, GError **error)
{
    if (!verbs_find_any(v, uuid, ret_info, error))
        return false;
    if (*ret_info && ready_is(*ret_info))
        g_clear_pointer(ret_info, domain_info_free);
    return true;
}

/* Until it is gone, or has had its time to. */
bool
verbs_destroy(struct verbs *v, const char *uuid, int domid, GError **error)
{
    g_autoptr(GError) failed = NULL;
    int left = RETRY_DESTROYS;

    while (!v->backend->destroy(v->ctx, domid, &failed))
        if (!retry_again(v, "destroying a domain", v->backend->timed_out(v->ctx), &left,
                         RETRY_DESTROY_PAUSE_MS, &failed)) {
            g_propagate_error(error, g_steal_pointer(&failed));
            return false;
        }
    retry_wait_gone(v, uuid, domid);
    return true;
}

/* Removes what a broken build left and its mark.  A whole domain keeps and only loses the mark. */
bool
verbs_clean_up(struct verbs *v, const char *uuid, GError **error)
{
    g_autofree char *mark = mark_get(v->marks, uuid);
    g_autoptr(GPtrArray) domains = NULL;

    if (!mark)
        return true;
    if (!v->backend->list(v->ctx, uuid, &domains, error))
        return false;
    for (guint i = 0; i < domains->len; i++) {
        struct domain_info *info = domains->pdata[i];
        if (!verbs_is_half_built(info, mark))
            continue;
        log_info("domain %d of %s is half built: destroying it", info->domid, uuid);
        if (!FAULT_AROUND("recover.destroy", error, verbs_destroy(v, uuid, info->domid, error)))
            return false;
    }
    mark_clear(v->marks, uuid);
    return true;
}

GVariant *
verbs_domid_result(int domid)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "domid", "i", domid);
    return g_variant_dict_end(&dict);
}

int
verbs_open_disks(struct verbs *v, GError **error)
{
    int folder = open(v->disks, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (folder < 0)
        api_error_set(error, "INTERNAL_ERROR", v->disks, g_strerror(errno), NULL);
    return folder;
}

/* Whether it is what `built_by` built, whole or half; any domain when that is NULL. */
static bool
is_built_by(const struct domain_info *info, const char *mark, const char *built_by)
{
    if (!built_by)
        return true;
    return g_strcmp0(info->op_id, built_by) == 0 ||
           (g_strcmp0(mark, built_by) == 0 && verbs_is_half_built(info, mark));
}

static bool
verb_destroy(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
             GError **error)
{
    g_autoptr(GPtrArray) domains = NULL;
    g_autofree char *mark = mark_get(v->marks, uuid);
    const char *built_by = NULL;

    g_variant_lookup(args, "built_by", "&s", &built_by);
    if (!v->backend->list(v->ctx, uuid, &domains, error))
        return false;
    for (guint i = 0; i < domains->len; i++) {
        struct domain_info *info = domains->pdata[i];
        g_autoptr(GError) dying_error = NULL;

        if (info->domid == 0 || !is_built_by(info, mark, built_by))
            continue;
        if (ready_is(info)) {
            if (!verbs_drop_ready(v, info, error))
                return false;
            continue;
        }
        if (!FAULT_POINT("destroy.before", error))
            return false;
        /* A dying one may still have devices and xenstore keys, or be a zombie for good. */
        if (info->state != DOMAIN_DYING) {
            if (!verbs_destroy(v, uuid, info->domid, error))
                return false;
        } else if (!v->backend->destroy(v->ctx, info->domid, &dying_error)) {
            log_info("domain %d of %s is dying: %s", info->domid, uuid, dying_error->message);
        }
        if (!FAULT_POINT("destroy.after", error))
            return false;
    }
    if (!built_by || g_strcmp0(mark, built_by) == 0)
        mark_clear(v->marks, uuid);
    *ret_result = verbs_no_result();
    return true;
}

/* unpause (to running) and pause (to paused); nothing to do is a success. */
static bool
verb_switch(struct verbs *v, const char *uuid, bool run, GVariant **ret_result, GError **error)
{
    const char *expected = run ? "paused" : "running";
    enum domain_state from = run ? DOMAIN_PAUSED : DOMAIN_RUNNING;
    enum domain_state to = run ? DOMAIN_RUNNING : DOMAIN_PAUSED;
    struct domain_info *info = NULL;
    bool ok = true;

    if (!verbs_find(v, uuid, &info, error))
        return false;
    if (!info)
        return verbs_bad_power_state(error, uuid, expected, "halted");
    g_autofree char *mark = mark_get(v->marks, uuid);
    if (verbs_is_half_built(info, mark) || (info->state != from && info->state != to))
        ok = verbs_bad_power_state(error, uuid, expected, "halted");
    else if (info->state == from && run)
        ok = image_discard(v->images, uuid, error) &&
             FAULT_AROUND("unpause", error, v->backend->unpause(v->ctx, info->domid, error));
    else if (info->state == from)
        ok = FAULT_AROUND("pause", error, v->backend->pause(v->ctx, info->domid, error));
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}

/* Asks the guest, no more: the parent waits for what it does. */
static bool
verb_shutdown(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
              GError **error)
{
    struct domain_info *info = NULL;
    bool reboot, ok = true;
    int timeout;

    if (!shutdown_args_parse(args, &reboot, &timeout, error) || !verbs_find(v, uuid, &info, error))
        return false;
    if (!info)
        return verbs_bad_power_state(error, uuid, "running", "halted");
    if (info->state == DOMAIN_PAUSED)
        ok = verbs_bad_power_state(error, uuid, "running", "paused");
    else if (info->state == DOMAIN_RUNNING)
        ok = FAULT_AROUND("shutdown", error,
                          v->backend->shutdown(v->ctx, info->domid, uuid, reboot, error));
    if (ok)
        *ret_result = verbs_domid_result(info->domid);
    domain_info_free(info);
    return ok;
}

static GVariant *
domains_result(struct verbs *v, GPtrArray *domains, guint from, guint to)
{
    GVariantBuilder list;
    GVariantDict dict;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = from; i < to; i++) {
        struct domain_info *info = domains->pdata[i];
        g_autofree char *mark = info->nameless ? mark_get(v->marks, info->uuid) : NULL;
        bool half = verbs_is_half_built(info, mark);
        g_variant_builder_add_value(&list, domain_info_to_variant(info, half, half ? mark : NULL));
    }
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert_value(&dict, "domains", g_variant_builder_end(&list));
    return g_variant_dict_end(&dict);
}

static bool
add_suspended(struct verbs *v, const char *uuid, GPtrArray *domains, GError **error)
{
    g_autoptr(GPtrArray) images = images_list(v->images, error);

    for (guint i = 0; images && i < images->len; i++) {
        if (uuid && !g_str_equal(images->pdata[i], uuid))
            continue;
        struct domain_info *info = g_new0(struct domain_info, 1);
        info->domid = -1;
        info->state = DOMAIN_SUSPENDED;
        info->ours = true;
        info->name = g_strdup("");
        info->op_id = g_strdup("");
        g_strlcpy(info->uuid, images->pdata[i], sizeof info->uuid);
        g_ptr_array_add(domains, info);
    }
    return images != NULL;
}

static bool
verb_list(struct verbs *v, const char *uuid, verbs_part_fn part, void *data, GVariant **ret_result,
          GError **error)
{
    g_autoptr(GPtrArray) domains = NULL;
    guint from = 0;

    if (!v->backend->list(v->ctx, uuid, &domains, error) || !add_suspended(v, uuid, domains, error))
        return false;
    for (; domains->len - from > MESSAGE_LIST_DOMAINS; from += MESSAGE_LIST_DOMAINS)
        if (!part(domains_result(v, domains, from, from + MESSAGE_LIST_DOMAINS), data, error))
            return false;
    *ret_result = domains_result(v, domains, from, domains->len);
    return true;
}

/* Ends what a lost worker began to destroy: a domain that is dying does not always come to its end
 * without a toolstack. */
static bool
finish_dying(struct verbs *v, const char *uuid, GError **error)
{
    g_autoptr(GPtrArray) domains = NULL;

    if (!v->backend->list(v->ctx, uuid, &domains, error))
        return false;
    for (guint i = 0; i < domains->len; i++) {
        struct domain_info *info = domains->pdata[i];
        g_autoptr(GError) failed = NULL;
        if (info->domid == 0 || info->state != DOMAIN_DYING)
            continue;
        if (!FAULT_AROUND("recover.finish", &failed,
                          v->backend->destroy(v->ctx, info->domid, &failed)))
            log_info("domain %d of %s is dying: %s", info->domid, uuid, failed->message);
    }
    return true;
}

static bool
verb_recover(struct verbs *v, const char *uuid, GError **error)
{
    if (*uuid)
        return finish_dying(v, uuid, error) && verbs_clean_up(v, uuid, error) &&
               verbs_undo_save(v, uuid, error) && image_discard_part(v->cores, uuid, error);
    g_autoptr(GPtrArray) uuids = marks_list(v->marks);
    const int folders[] = {v->images, v->cores};
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        GPtrArray *broken_off = images_partial(folders[i], error);
        if (!broken_off)
            return false;
        g_ptr_array_extend_and_steal(uuids, broken_off);
    }
    for (guint i = 0; i < uuids->len; i++) {
        g_autoptr(GError) one = NULL;
        /* One that resists must not keep the others from being served. */
        if (!verb_recover(v, uuids->pdata[i], &one))
            log_warning("recovery of %s: %s", (char *)uuids->pdata[i], one->message);
    }
    return true;
}

static bool
verb_host_info(struct verbs *v, GVariant **ret_result, GError **error)
{
    struct host_info info = {0};

    if (!v->backend->host_info(v->ctx, &info, error))
        return false;
    *ret_result = host_info_to_variant(&info, v->backend->name);
    host_info_clear(&info);
    return true;
}

static const struct {
    const char *verb;
    bool (*run)(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                GError **error);
} with_args[] = {
    {"destroy", verb_destroy}, {"shutdown", verb_shutdown}, {"adjust", verb_adjust},
    {"signal", verb_signal},   {"plug", verb_plug},         {"unplug", verb_unplug},
    {"medium", verb_medium},   {"plug_nic", verb_plug_nic}, {"unplug_nic", verb_unplug_nic},
    {"set_nic", verb_set_nic}, {"hold", verb_hold},         {"release", verb_release}};

bool
verbs_run(struct verbs *v, const char *verb, const char *uuid, const char *op_id, GVariant *args,
          verbs_part_fn part, void *data, GVariant **ret_result, GError **error)
{
    if (g_str_equal(verb, "probe")) {
        *ret_result = verbs_no_result();
        return v->backend->probe(v->ctx, error);
    }
    v->backend->timed_out(v->ctx); /* what another one had is over */
    if (g_str_equal(verb, "list"))
        return (!*uuid || uuid_check(uuid, error)) &&
               verb_list(v, *uuid ? uuid : NULL, part, data, ret_result, error);
    if (g_str_equal(verb, "host_info"))
        return verb_host_info(v, ret_result, error);
    if (g_str_equal(verb, "guest_memory"))
        return verb_guest_memory(v, uuid, args, ret_result, error);
    if (g_str_equal(verb, "dmesg") || g_str_equal(verb, "dmesg_clear"))
        return verb_dmesg(v, g_str_equal(verb, "dmesg_clear"), part, data, ret_result, error);
    if (g_str_equal(verb, "consoles"))
        return uuid_check(uuid, error) && verb_consoles(v, uuid, ret_result, error);
    if (g_str_equal(verb, "recover") && !*uuid) {
        *ret_result = verbs_no_result();
        return verb_recover(v, uuid, error);
    }
    if (g_str_equal(verb, "recover"))
        return uuid_check(uuid, error) && verb_recover(v, uuid, error) &&
               verb_list(v, uuid, part, data, ret_result, error);
    if (!op_id_check(op_id, error) || !verb_check(verb, uuid, args, error))
        return false;
    if (g_str_equal(verb, "create") || g_str_equal(verb, "restore"))
        return verb_create(v, uuid, op_id, args, g_str_equal(verb, "restore"), ret_result, error);
    if (g_str_equal(verb, "prepare"))
        return verb_prepare(v, uuid, args, ret_result, error);
    for (gsize i = 0; i < G_N_ELEMENTS(with_args); i++)
        if (g_str_equal(verb, with_args[i].verb))
            return with_args[i].run(v, uuid, args, ret_result, error);
    if (g_str_equal(verb, "save"))
        return verb_save(v, uuid, ret_result, error);
    if (g_str_equal(verb, "continue"))
        return verb_continue(v, uuid, ret_result, error);
    if (g_str_equal(verb, "dump"))
        return verb_dump(v, uuid, ret_result, error);
    if (g_str_equal(verb, "discard"))
        return verb_discard(v, uuid, ret_result, error);
    return verb_switch(v, uuid, g_str_equal(verb, "unpause"), ret_result, error);
}
