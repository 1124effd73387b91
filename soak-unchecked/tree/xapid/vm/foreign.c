/* Domains that another tool made (xl, libvirt): each has a VM's row for as long as it is there, so
 * that its memory, its name and its state are seen; no operation of ours touches it. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/model/journal.h"
#include "xapid/vm/vm.h"

#define DESCRIPTION "Made by another tool, such as xl: xapid shows it and leaves it alone."

bool
vm_is_foreign(const struct model *model, const char *vm)
{
    g_autofree char *key = g_strconcat(JOURNAL_FOREIGN, vm, NULL);

    return g_hash_table_contains(model_journal(model), key);
}

bool
vm_is_not_foreign(const struct model *model, const char *vm, GError **error)
{
    if (!vm_is_foreign(model, vm))
        return true;
    api_error_set(error, "OPERATION_NOT_ALLOWED",
                  "The domain was made by another tool, which alone may change it", NULL);
    return false;
}

bool
vm_is_ours(const struct model *model, const char *vm, GError **error)
{
    if (!model_get_bool(model, vm, "is_control_domain"))
        return vm_is_not_foreign(model, vm, error);
    api_error_set(error, "OPERATION_NOT_ALLOWED",
                  "This operation is not allowed on the control domain", NULL);
    return false;
}

static void
mark(struct txn *txn, const char *vm, bool foreign)
{
    g_autofree char *key = g_strconcat(JOURNAL_FOREIGN, vm, NULL);

    txn_journal(txn, key, foreign ? g_variant_new_boolean(TRUE) : NULL);
}

/* Whether it is a guest that another tool has built. */
static bool
is_foreign_domain(GVariant *domain)
{
    gboolean ours = TRUE;
    gint32 domid = 0;

    return g_variant_lookup(domain, "ours", "b", &ours) && !ours &&
           g_variant_lookup(domain, "domid", "i", &domid) && domid > 0;
}

/* A row without a domain, as yet; *ret_vm is the model's. */
static bool
add_row(struct model *model, const char *uuid, const char **ret_vm, GError **error)
{
    g_autoptr(GVariant) none =
        g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
    const char *metrics, *vm = NULL;
    GVariantDict fields;
    struct txn *txn = model_begin(model, error);

    if (!txn)
        return false;
    metrics = txn_create(txn, dm_class_find("VM_metrics", false), NULL, none, error);
    if (metrics) {
        g_variant_dict_init(&fields, NULL);
        g_variant_dict_insert(&fields, "uuid", "s", uuid);
        g_variant_dict_insert(&fields, "name_description", "s", DESCRIPTION);
        g_variant_dict_insert(&fields, "power_state", "s", "Halted");
        g_variant_dict_insert(&fields, "domid", "x", (gint64)-1);
        g_variant_dict_insert(&fields, "metrics", "s", metrics);
        g_autoptr(GVariant) row = g_variant_ref_sink(g_variant_dict_end(&fields));
        vm = txn_create(txn, vm_class(), NULL, row, error);
    }
    if (!vm) {
        txn_abort(txn);
        return false;
    }
    mark(txn, vm, true);
    if (!txn_commit(txn, error))
        return false;
    *ret_vm = model_by_uuid(model, vm_class(), uuid);
    return true;
}

static void
set_ints(struct txn *txn, const char *vm, GVariant *domain, const char *fact,
         const char *const *fields)
{
    gint64 number = vm_domain_int(domain, fact);

    for (; number >= 0 && *fields; fields++)
        txn_set_value(txn, vm, *fields, g_variant_new_int64(number));
}

/* What a record of ours says beforehand, its domain says of it. */
static void
set_shape(struct txn *txn, const char *vm, GVariant *domain)
{
    static const char *const memory[] = {"memory_static_max", "memory_dynamic_max",
                                         "memory_dynamic_min", NULL};
    static const char *const vcpus_max[] = {"VCPUs_max", NULL};
    static const char *const vcpus[] = {"VCPUs_at_startup", NULL};
    const char *name, *type;

    /* One that is going has lost it. */
    if (g_variant_lookup(domain, "name", "&s", &name) && *name)
        txn_set_string(txn, vm, "name_label", name);
    if (g_variant_lookup(domain, "type", "&s", &type)) {
        txn_set_string(txn, vm, "domain_type", type);
        txn_set_string(txn, vm, "HVM_boot_policy", g_str_equal(type, "hvm") ? "BIOS order" : "");
    }
    set_ints(txn, vm, domain, "memory_max", memory);
    set_ints(txn, vm, domain, "vcpus_max", vcpus_max);
    set_ints(txn, vm, domain, "vcpus", vcpus);
}

static bool
follow(const struct vm_world *world, const char *vm, GVariant *domain, GError **error)
{
    static const char *const memory_target[] = {"memory_target", NULL};
    g_autofree char *metrics = model_get_string(world->model, vm, "metrics");
    const char *state = vm_observed_state(domain), *type = "unspecified";
    gint32 domid = -1;
    struct txn *txn = model_begin(world->model, error);

    if (!txn)
        return false;
    g_variant_lookup(domain, "domid", "i", &domid);
    g_variant_lookup(domain, "type", "&s", &type);
    set_shape(txn, vm, domain);
    /* One that has shut down and is kept, or is going, still has its memory. */
    vm_record_state(world, txn, vm, state ? state : "Paused", domid,
                    domid != model_get_int(world->model, vm, "domid"));
    /* At the first look its tool may have been at the beginning of its work. */
    set_ints(txn, vm, domain, "memory", memory_target);
    txn_set_string(txn, metrics, "current_domain_type", type);
    return txn_commit(txn, error) && vm_record_facts(world, vm, domain, error);
}

static bool
remove_row(const struct vm_world *world, const char *vm, GError **error)
{
    struct txn *txn = model_begin(world->model, error);

    if (!txn)
        return false;
    if (!vm_destroy_rows(world->model, txn, vm, error)) {
        txn_abort(txn);
        return false;
    }
    mark(txn, vm, false);
    return txn_commit(txn, error) != 0;
}

static bool
look_at(const struct vm_world *world, const char *uuid, GVariant *domain, GError **error)
{
    const char *vm = model_by_uuid(world->model, vm_class(), uuid);
    bool there = domain && is_foreign_domain(domain);

    if (vm && !vm_is_foreign(world->model, vm))
        return true;
    if (vm && !there)
        return remove_row(world, vm, error);
    if (!there || (!vm && !vm_observed_state(domain)))
        return true;
    if (!vm) {
        log_info("domain %s was made by another tool", uuid);
        if (!add_row(world->model, uuid, &vm, error))
            return false;
    }
    return follow(world, vm, domain, error);
}

static void
look(struct vm_world *world, GHashTable *domains, const char *uuid)
{
    g_autoptr(GError) error = NULL;

    if (look_at(world, uuid, g_hash_table_lookup(domains, uuid), &error))
        return;
    log_warning("looking at domain %s, again soon: %s", uuid, error->message);
    vm_look_again(world, uuid);
}

static void
look_at_all(struct vm_world *world, GHashTable *domains)
{
    g_autoptr(GPtrArray) vms = model_all(world->model, vm_class());
    GHashTableIter iter;
    void *uuid, *domain;

    for (guint i = 0; i < vms->len; i++) {
        g_autofree char *its = model_get_string(world->model, vms->pdata[i], "uuid");
        if (!g_hash_table_contains(domains, its))
            look(world, domains, its);
    }
    g_hash_table_iter_init(&iter, domains);
    while (g_hash_table_iter_next(&iter, &uuid, &domain))
        if (is_foreign_domain(domain))
            look(world, domains, uuid);
}

void
vm_foreign_look(struct vm_world *world, GHashTable *domains, GHashTable *uuids)
{
    GHashTableIter iter;
    void *uuid;

    if (g_hash_table_contains(uuids, "")) {
        look_at_all(world, domains);
        return;
    }
    g_hash_table_iter_init(&iter, uuids);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        look(world, domains, uuid);
}
