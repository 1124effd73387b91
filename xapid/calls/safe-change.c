#include "config.h"

#include "xapid/calls/safe-change.h"

#include <string.h>

#include "lib/error.h"
#include "lib/log.h"
#include "lib/member.h"
#include "xapid/model/journal.h"

#define ROW "row/" /* a PIF follows: of an entry, its fields */

/* What a change of addresses changes of a PIF, beside those. */
static const char *const management[] = {"managed", "currently_attached", "management", NULL};

enum state {
    NONE,
    WAITING, /* for a call, or until it is applied */
    UNDOING,
};

struct safe_change {
    struct api *api;
    guint seconds;
    enum state state;
    guint number;
    guint timer;     /* source */
    bool is_applied; /* as it is in this state */
    bool is_given;   /* back, what was the administrator's */
    bool is_giving;
};

struct safe_change *
safe_change_new(struct api *api, guint seconds)
{
    struct safe_change *change = g_new0(struct safe_change, 1);

    change->api = api;
    change->seconds = seconds;
    return change;
}

/* ---- the record ---- */

static GVariant *
entry_of(const struct model *model)
{
    return g_hash_table_lookup(model_journal(model), JOURNAL_ADDRESSES);
}

bool
safe_change_check_none(const struct model *model, GError **error)
{
    GVariant *entry = entry_of(model);

    if (entry)
        api_error_set(error, "OTHER_OPERATION_IN_PROGRESS", "PIF", member_text(entry, "pif"), NULL);
    return !entry;
}

static void
add_fields(GVariantDict *row, const struct model *model, const char *pif, const char *const *fields)
{
    for (; *fields; fields++) {
        g_autoptr(GVariant) value = model_get(model, pif, dm_field_find(pif_class(), *fields));
        g_variant_dict_insert_value(row, *fields, value);
    }
}

static void
add_row(GVariantDict *entry, const struct model *model, const char *pif)
{
    g_autofree char *key = g_strconcat(ROW, pif, NULL);
    GVariantDict row;

    g_variant_dict_init(&row, NULL);
    add_fields(&row, model, pif, management);
    add_fields(&row, model, pif, pif_addressing);
    g_variant_dict_insert_value(entry, key, g_variant_dict_end(&row));
}

void
safe_change_record(struct safe_change *change, struct txn *txn,
                   const struct safe_change_before *before)
{
    const struct model *model = change->api->model;
    gint64 until = g_get_monotonic_time() + (gint64)change->seconds * G_USEC_PER_SEC;
    GVariantDict entry;

    g_variant_dict_init(&entry, NULL);
    g_variant_dict_insert(&entry, "pif", "s", before->pifs[0]);
    g_variant_dict_insert(&entry, "until", "x", until); /* of the machine's clock since its boot */
    g_variant_dict_insert(&entry, "guarded", "b", before->is_guarded);
    g_variant_dict_insert(&entry, "taken", "b", before->is_taken);
    for (const char *const *pif = before->pifs; *pif; pif++)
        add_row(&entry, model, *pif);
    txn_journal(txn, JOURNAL_ADDRESSES, g_variant_dict_end(&entry));
}

/* ---- the time ---- */

static gboolean
time_is_up(void *data)
{
    struct safe_change *change = data;

    change->timer = 0;
    log_warning("no call has arrived at the new address: the change is undone");
    safe_change_undo(change);
    return G_SOURCE_REMOVE;
}

/* A clock that was set back by a reboot never makes the time longer. */
static void
wait_for_call(struct safe_change *change, GVariant *entry)
{
    gint64 left = member_int(entry, "until") - g_get_monotonic_time();

    change->state = WAITING;
    change->is_applied = false;
    change->number++;
    left = CLAMP(left, 0, (gint64)change->seconds * G_USEC_PER_SEC);
    g_clear_handle_id(&change->timer, g_source_remove);
    change->timer = g_timeout_add((guint)(left / 1000), time_is_up, change);
}

void
safe_change_begin(struct safe_change *change)
{
    GVariant *entry = entry_of(change->api->model);

    if (entry)
        wait_for_call(change, entry);
}

void
safe_change_resume(struct safe_change *change)
{
    safe_change_begin(change);
}

/* ---- the end ---- */

static bool
forget(struct safe_change *change)
{
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(change->api->model, &error);

    if (txn) {
        txn_journal(txn, JOURNAL_ADDRESSES, NULL);
        txn_commit(txn, &error);
    }
    if (error) {
        log_warning("a change of addresses is not forgotten yet: %s", error->message);
        return false;
    }
    g_clear_handle_id(&change->timer, g_source_remove);
    change->state = NONE;
    return true;
}

void
safe_change_seen(struct safe_change *change, const struct call_origin *origin)
{
    const struct model *model = change->api->model;

    if (change->state != WAITING || !change->is_applied || !origin->local_address)
        return;
    g_autofree char *pif = pif_of_management(model, change->api->host);
    g_autofree char *address = pif ? pif_address(model, pif) : NULL;
    if (address && g_str_equal(address, origin->local_address) && forget(change))
        log_info("the change of the management address is confirmed: a call has come to %s",
                 address);
}

/* ---- undoing ---- */

static bool
restore_row(struct txn *txn, const char *pif, GVariant *row, GError **error)
{
    GVariantIter iter;
    const char *field;
    GVariant *value;

    g_variant_iter_init(&iter, row);
    while (g_variant_iter_next(&iter, "{&sv}", &field, &value)) {
        const struct dm_field *its = dm_field_find(pif_class(), field);
        bool ok = !its || txn_set(txn, pif, its, value, error);
        g_variant_unref(value);
        if (!ok)
            return false;
    }
    return true;
}

static bool
restore_rows(struct api *api, GVariant *entry, GError **error)
{
    struct txn *txn = model_begin(api->model, error);
    GVariantIter iter;
    const char *key;
    GVariant *row;
    bool ok = txn != NULL;

    g_variant_iter_init(&iter, entry);
    while (ok && g_variant_iter_next(&iter, "{&sv}", &key, &row)) {
        const char *pif = key + strlen(ROW);
        if (g_str_has_prefix(key, ROW) && model_has(api->model, pif_class(), pif))
            ok = restore_row(txn, pif, row, error);
        g_variant_unref(row);
    }
    if (ok)
        return txn_commit(txn, error) != 0;
    if (txn)
        txn_abort(txn);
    return false;
}

static void undo_on(struct safe_change *change);

static gboolean
undo_again(void *data)
{
    struct safe_change *change = data;

    change->timer = 0;
    undo_on(change);
    return G_SOURCE_REMOVE;
}

static void
given(const GError *error, GVariant *result, void *data)
{
    struct safe_change *change = data;

    (void)result;
    change->is_giving = false;
    change->is_given = !error;
    if (error)
        log_warning("giving an interface back, again soon: %s", error->message);
    else if (change->state == UNDOING)
        uplinks_look(change->api);
}

static void
append_text(GPtrArray *texts, const char *text)
{
    if (*text)
        g_ptr_array_add(texts, g_strdup(text));
}

static GVariant *
take_texts(GPtrArray *texts)
{
    return g_variant_new_strv((const char *const *)texts->pdata, (gssize)texts->len);
}

/* What the administrator's interface had is in the record. */
static void
released(const GError *error, GVariant *result, void *data)
{
    struct safe_change *change = data;
    const struct model *model = change->api->model;
    GVariant *entry = entry_of(model);
    const char *pif = entry ? member_text(entry, "pif") : "";

    (void)result;
    if (error || !entry || !model_has(model, pif_class(), pif)) {
        change->is_giving = false;
        return;
    }
    g_autofree char *key = g_strconcat(ROW, pif, NULL);
    g_autoptr(GVariant) row = g_variant_lookup_value(entry, key, G_VARIANT_TYPE_VARDICT);
    g_autofree char *device = model_get_string(model, pif, "device");
    g_autofree char *prefix =
        addressing_prefix(member_text(row, "IP"), member_text(row, "netmask"));
    g_autoptr(GVariant) ipv6 = g_variant_lookup_value(row, "IPv6", G_VARIANT_TYPE_STRING_ARRAY);
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) gateways = g_ptr_array_new_with_free_func(g_free);
    append_text(addresses, prefix);
    for (gsize i = 0; i < g_variant_n_children(ipv6); i++) {
        const char *one;
        g_variant_get_child(ipv6, i, "&s", &one);
        append_text(addresses, one);
    }
    append_text(gateways, member_text(row, "gateway"));
    append_text(gateways, member_text(row, "ipv6_gateway"));
    hostd_give_interface(change->api->hostd, device, take_texts(addresses), take_texts(gateways),
                         given, change);
}

static void
give_back(struct safe_change *change, const char *pif)
{
    const struct model *model = change->api->model;
    g_autofree char *network = model_get_string(model, pif, "network");
    g_autofree char *bridge = model_get_string(model, network, "bridge");

    change->is_giving = true;
    hostd_remove_bridge(change->api->hostd, bridge, released, change);
}

/* Whatever fails is tried again; the record stays until all of it is done. */
static void
undo_on(struct safe_change *change)
{
    const struct model *model = change->api->model;
    GVariant *entry = entry_of(model);
    g_autoptr(GError) error = NULL;

    if (!entry) {
        change->state = NONE;
        return;
    }
    change->timer = g_timeout_add_seconds(SAFE_CHANGE_RETRY_SECONDS, undo_again, change);
    const char *pif = member_text(entry, "pif");
    if (!restore_rows(change->api, entry, &error))
        log_warning("a change of addresses is undone later: %s", error->message);
    else if (change->is_giving)
        return;
    else if (member_flag(entry, "taken") && !change->is_given && model_has(model, pif_class(), pif))
        give_back(change, pif);
    else
        uplinks_look(change->api);
}

void
safe_change_undo(struct safe_change *change)
{
    g_clear_handle_id(&change->timer, g_source_remove);
    change->state = UNDOING;
    change->is_applied = change->is_given = false;
    change->number++;
    undo_on(change);
}

/* ---- applied ---- */

guint
safe_change_number(const struct safe_change *change)
{
    return change->number;
}

void
safe_change_applied(struct safe_change *change, guint number)
{
    GVariant *entry = entry_of(change->api->model);

    if (change->state == NONE || number != change->number || !entry)
        return;
    change->is_applied = true;
    if (change->state == UNDOING) {
        if ((!member_flag(entry, "taken") || change->is_given) && forget(change))
            log_info("the addresses are as they were before");
    } else if (!member_flag(entry, "guarded")) {
        forget(change);
    }
}
