/* Local users and groups as subjects: "u<uid>" and "g<gid>".  Classes subject and auth. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/error.h"
#include "xapid/calls/call.h"

#define SUBJECTS_MAX 10000

static const struct dm_class *
subject_class(void)
{
    return dm_class_find("subject", false);
}

/* "u1000" -> ("user", 1000); false when it is no identifier of ours. */
static bool
identifier_parse(const char *identifier, const char **ret_kind, guint32 *ret_id)
{
    guint64 id;

    if ((identifier[0] != 'u' && identifier[0] != 'g') ||
        !g_ascii_string_to_unsigned(identifier + 1, 10, 0, G_MAXUINT32, &id, NULL))
        return false;
    *ret_kind = identifier[0] == 'u' ? "user" : "group";
    *ret_id = (guint32)id;
    return true;
}

/* ---- auth ---- */

static void
name_looked_up(const GError *error, GVariant *result, void *data)
{
    struct call *call = data;
    gboolean found;
    const char *kind;
    guint32 id;

    if (error) {
        call_fail(call, g_error_copy(error));
        return;
    }
    g_variant_get(result, "(b&su)", &found, &kind, &id);
    if (!found) {
        call_fail_code(call, "SUBJECT_CANNOT_BE_RESOLVED", NULL);
        return;
    }
    call_return(call, g_variant_new_take_string(
                          g_strdup_printf("%c%u", g_str_equal(kind, "user") ? 'u' : 'g', id)));
}

static void
get_subject_identifier(struct call *call)
{
    hostd_lookup_name(call->api->hostd, call_string(call, 0), name_looked_up, call);
}

static void
lookup_identifier(struct call *call, hostd_done_fn done)
{
    const char *kind;
    guint32 id;

    if (identifier_parse(call_string(call, 0), &kind, &id))
        hostd_lookup_id(call->api->hostd, kind, id, done, call);
    else
        call_fail_code(call, "SUBJECT_CANNOT_BE_RESOLVED", NULL);
}

/* Unpacks LookupId's answer; false: the call has failed. */
static bool
looked_up(struct call *call, const GError *error, GVariant *result, const char **ret_name,
          const char **ret_full_name, GVariant **ret_groups)
{
    gboolean found;

    if (error) {
        call_fail(call, g_error_copy(error));
        return false;
    }
    g_variant_get(result, "(b&s&s@au)", &found, ret_name, ret_full_name, ret_groups);
    if (found)
        return true;
    g_clear_pointer(ret_groups, g_variant_unref);
    call_fail_code(call, "SUBJECT_CANNOT_BE_RESOLVED", NULL);
    return false;
}

static void
information_found(const GError *error, GVariant *result, void *data)
{
    struct call *call = data;
    const char *name, *full_name;
    g_autoptr(GVariant) groups = NULL;
    GVariantBuilder out;

    if (!looked_up(call, error, result, &name, &full_name, &groups))
        return;
    bool group = call_string(call, 0)[0] == 'g';
    g_variant_builder_init(&out, G_VARIANT_TYPE("a{ss}"));
    g_variant_builder_add(&out, "{ss}", "subject-name", name);
    g_variant_builder_add(&out, "{ss}", "subject-displayname", *full_name ? full_name : name);
    g_variant_builder_add(&out, "{ss}", "subject-gecos", full_name);
    g_variant_builder_add(&out, "{ss}", "subject-sid", call_string(call, 0));
    g_variant_builder_add(&out, "{ss}", "subject-is-group", group ? "true" : "false");
    call_return(call, g_variant_builder_end(&out));
}

static void
get_subject_information(struct call *call)
{
    lookup_identifier(call, information_found);
}

static void
membership_found(const GError *error, GVariant *result, void *data)
{
    struct call *call = data;
    const char *name, *full_name;
    g_autoptr(GVariant) groups = NULL;
    GVariantBuilder out;
    gsize n;

    if (!looked_up(call, error, result, &name, &full_name, &groups))
        return;
    const guint32 *gids = g_variant_get_fixed_array(groups, &n, sizeof *gids);
    g_variant_builder_init(&out, G_VARIANT_TYPE("as"));
    for (gsize i = 0; i < n; i++) {
        g_autofree char *identifier = g_strdup_printf("g%u", gids[i]);
        g_variant_builder_add(&out, "s", identifier);
    }
    call_return(call, g_variant_builder_end(&out));
}

static void
get_group_membership(struct call *call)
{
    lookup_identifier(call, membership_found);
}

/* ---- subject ---- */

static void
create(struct call *call)
{
    struct model *model = call->api->model;
    g_autoptr(GPtrArray) all = model_all(model, subject_class());
    const char *identifier = "", *kind;
    guint32 id;
    GError *error = NULL;

    g_variant_lookup(call->args[0], "subject_identifier", "&s", &identifier);
    if (!identifier_parse(identifier, &kind, &id)) {
        call_fail_code(call, "INVALID_VALUE", "subject_identifier", identifier, NULL);
        return;
    }
    for (guint i = 0; i < all->len; i++) {
        g_autofree char *its = model_get_string(model, all->pdata[i], "subject_identifier");
        if (g_str_equal(its, identifier)) {
            call_fail_code(call, "SUBJECT_ALREADY_EXISTS", NULL);
            return;
        }
    }
    if (all->len >= SUBJECTS_MAX) {
        call_fail_code(call, "TOO_BUSY", NULL);
        return;
    }
    /* A new subject has no role until it is given one; XAPI makes it an administrator. */
    g_autoptr(GVariant) given =
        g_variant_ref_sink(generic_constructor(subject_class(), call->args[0]));
    GVariantDict dict;
    g_variant_dict_init(&dict, given);
    g_variant_dict_insert_value(&dict, "roles", g_variant_new_strv(NULL, 0));
    g_autoptr(GVariant) fields = g_variant_ref_sink(g_variant_dict_end(&dict));
    struct txn *txn = call_begin(call);
    if (!txn)
        return;
    const char *ref = txn_create(txn, subject_class(), NULL, fields, &error);
    if (!ref) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, g_variant_new_string(ref));
}

/* The subject's roles with or without one of them; *ret_found: it was there. */
static GVariant *
roles_with(struct call *call, const char *role, bool with, bool *ret_found)
{
    g_autoptr(GVariant) old =
        model_get(call->api->model, call_ref(call, 0), dm_field_find(subject_class(), "roles"));
    GVariantBuilder out;
    GVariantIter iter;
    const char *its;

    *ret_found = false;
    g_variant_builder_init(&out, G_VARIANT_TYPE("as"));
    g_variant_iter_init(&iter, old);
    while (g_variant_iter_next(&iter, "&s", &its)) {
        if (g_str_equal(its, role))
            *ret_found = true;
        else
            g_variant_builder_add(&out, "s", its);
    }
    if (with)
        g_variant_builder_add(&out, "s", role);
    return g_variant_builder_end(&out);
}

static void
write_roles(struct call *call, GVariant *roles)
{
    struct txn *txn = call_begin(call);

    if (!txn) {
        g_variant_unref(g_variant_ref_sink(roles));
        return;
    }
    txn_set_value(txn, call_ref(call, 0), "roles", roles);
    call_commit(call, txn, NULL);
}

static void
add_to_roles(struct call *call)
{
    const char *role = call_ref(call, 1);
    bool found;

    if (rbac_role_of(call->api->model, role) == DM_ROLE_NONE) {
        call_fail_code(call, "ROLE_NOT_FOUND", role, NULL);
        return;
    }
    g_autoptr(GVariant) roles = g_variant_ref_sink(roles_with(call, role, true, &found));
    if (found)
        call_fail_code(call, "ROLE_ALREADY_EXISTS", NULL);
    else
        write_roles(call, roles);
}

static void
remove_from_roles(struct call *call)
{
    const char *role = call_ref(call, 1);
    bool found;
    g_autoptr(GVariant) roles = g_variant_ref_sink(roles_with(call, role, false, &found));

    if (found)
        write_roles(call, roles);
    else
        call_fail_code(call, "ROLE_NOT_FOUND", role, NULL);
}

static void
get_permissions_name_label(struct call *call)
{
    g_autoptr(GVariant) roles =
        model_get(call->api->model, call_ref(call, 0), dm_field_find(subject_class(), "roles"));
    enum dm_role best = DM_ROLE_NONE;

    for (gsize i = 0; i < g_variant_n_children(roles); i++) {
        const char *role;
        g_variant_get_child(roles, i, "&s", &role);
        best = MAX(best, rbac_role_of(call->api->model, role));
    }
    call_return(call, rbac_permissions(best));
}

const struct call_impl calls_subject[] = {
    {"subject.create", create},
    {"subject.add_to_roles", add_to_roles},
    {"subject.remove_from_roles", remove_from_roles},
    {"subject.get_permissions_name_label", get_permissions_name_label},
    {NULL, NULL},
};

const struct call_impl calls_auth[] = {
    {"auth.get_subject_identifier", get_subject_identifier},
    {"auth.get_subject_information_from_identifier", get_subject_information},
    {"auth.get_group_membership", get_group_membership},
    {NULL, NULL},
};
