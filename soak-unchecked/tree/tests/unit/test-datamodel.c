/* The generated tables hold the whole model, and the look-ups find what is in them. */
#include "config.h"

#include <string.h>

#include "lib/datamodel/datamodel.h"
#include "tests/unit/random-value.h"

static void
test_counts(void)
{
    unsigned kinds[DM_FIELD_REMOVE + 1] = {0};
    unsigned async = 0, hidden = 0, pool_internal = 0, removed = 0, emergency = 0, internal = 0;
    unsigned in_database = 0, client_cert = 0, derived = 0;

    for (unsigned i = 0; i < dm_n_messages; i++) {
        const struct dm_message *m = &dm_messages[i];
        kinds[m->kind]++;
        async += m->async;
        hidden += m->hidden;
        pool_internal += m->pool_internal;
        removed += m->lifecycle == DM_REMOVED;
        emergency += m->emergency;
        client_cert += m->client_cert_ok;
    }
    for (unsigned i = 0; i < dm_n_fields; i++) {
        internal += dm_fields[i].internal_only;
        derived += dm_fields[i].storage == DM_DERIVED;
    }
    for (unsigned i = 0; i < dm_n_classes; i++)
        in_database += dm_classes[i].in_database;
    g_assert_cmpuint(dm_n_classes, ==, 73);
    g_assert_cmpuint(in_database, ==, 65);
    g_assert_cmpuint(dm_n_fields, ==, 950);
    g_assert_cmpuint(internal, ==, 29);
    g_assert_cmpuint(derived, ==, 62); /* 64 relations, two of them between a field and itself */
    g_assert_cmpuint(dm_n_messages, ==, 2258);
    g_assert_cmpuint(kinds[DM_CUSTOM], ==, 678);
    g_assert_cmpuint(kinds[DM_FIELD_GET], ==, 884);
    g_assert_cmpuint(kinds[DM_FIELD_SET], ==, 142);
    g_assert_cmpuint(kinds[DM_FIELD_ADD], ==, 58);
    g_assert_cmpuint(kinds[DM_FIELD_REMOVE], ==, 58);
    g_assert_cmpuint(kinds[DM_GET_BY_UUID], ==, 65);
    g_assert_cmpuint(kinds[DM_GET_RECORD], ==, 65);
    g_assert_cmpuint(kinds[DM_GET_ALL], ==, 62);
    g_assert_cmpuint(kinds[DM_GET_ALL_WHERE], ==, 62);
    g_assert_cmpuint(kinds[DM_GET_ALL_RECORDS], ==, 62);
    g_assert_cmpuint(kinds[DM_GET_ALL_RECORDS_WHERE], ==, 62);
    g_assert_cmpuint(kinds[DM_CREATE], ==, 18);
    g_assert_cmpuint(kinds[DM_DESTROY], ==, 18);
    g_assert_cmpuint(kinds[DM_GET_BY_NAME_LABEL], ==, 24);
    g_assert_cmpuint(async, ==, 530);
    g_assert_cmpuint(hidden, ==, 251);
    g_assert_cmpuint(pool_internal, ==, 49);
    g_assert_cmpuint(removed, ==, 96);
    g_assert_cmpuint(emergency, ==, 23);
    g_assert_cmpuint(client_cert, ==, 39);
    g_assert_cmpuint(dm_n_errors, ==, 605 + 30);
    g_assert_cmpuint(dm_n_alerts, ==, 108);
    g_assert_cmpuint(dm_n_http_actions, ==, 57);
}

/* Every pointer leads where it should, and every look-up finds each thing by its name. */
static void
test_links(void)
{
    for (unsigned i = 0; i < dm_n_classes; i++) {
        const struct dm_class *cls = &dm_classes[i];
        g_assert_cmpuint(cls->index, ==, i);
        g_assert_true(dm_class_find(cls->name, false) == cls);
        g_assert_true(dm_class_find(cls->lower_name, true) == cls);
        for (unsigned j = 0; j < cls->n_fields; j++) {
            g_assert_true(cls->fields[j].cls == cls);
            g_assert_cmpuint(cls->fields[j].index, ==, j);
            g_assert_true(dm_field_find(cls, cls->fields[j].name) == &cls->fields[j]);
        }
        for (unsigned j = 0; j < cls->n_messages; j++) {
            const struct dm_message *m = &cls->messages[j];
            g_assert_true(m->cls == cls);
            g_assert_true(dm_message_find(cls, m->name) == m);
            g_assert_true(dm_method_find(m->full_name) == m);
            g_autofree char *underscore = g_strdup_printf("%s_%s", cls->name, m->name);
            g_assert_true(dm_method_find(underscore) == m);
            g_autofree char *lower = g_ascii_strdown(m->full_name, -1);
            g_assert_cmpstr(m->permission, ==, lower);
            g_assert_cmpuint(m->n_required, <=, m->n_params);
            for (unsigned k = 0; k < m->n_params; k++)
                g_assert_cmpint(m->params[k].optional, ==, k >= m->n_required);
        }
    }
    for (unsigned i = 0; i < dm_n_errors; i++)
        g_assert_true(dm_error_find(dm_errors[i].code) == &dm_errors[i]);
    for (unsigned i = 0; i < dm_n_types; i++)
        g_assert_true(dm_type_find(dm_types[i].name) == &dm_types[i]);
}

/* A sentence each, for readers of an API reference and of xtool's help.  (Messages: only those
 * that are implemented have one, which the linter checks.) */
static void
assert_described(const char *name, const char *description)
{
    if (!g_str_has_suffix(description, "."))
        g_error("%s is not described in the schema: \"%s\"", name, description);
    g_assert_true(g_utf8_validate(description, -1, NULL));
    g_assert_cmpuint(strlen(description), <=, 200);
}

static void
test_descriptions(void)
{
    for (unsigned i = 0; i < dm_n_classes; i++)
        assert_described(dm_classes[i].name, dm_classes[i].description);
    for (unsigned i = 0; i < dm_n_fields; i++) {
        const struct dm_field *f = &dm_fields[i];
        g_autofree char *name = g_strdup_printf("%s.%s", f->cls->name, f->name);
        assert_described(name, f->description);
    }
    for (unsigned i = 0; i < dm_n_errors; i++)
        assert_described(dm_errors[i].code, dm_errors[i].description);
}

static void
test_not_found(void)
{
    g_assert_null(dm_class_find("vm", false));
    g_assert_null(dm_class_find("", true));
    g_assert_null(
        dm_class_find("a_name_that_is_longer_than_any_class_name_of_the_model_by_a_lot_xx", true));
    g_assert_null(dm_method_find(""));
    g_assert_null(dm_method_find("VM"));
    g_assert_null(dm_method_find("VM."));
    g_assert_null(dm_method_find(".start"));
    g_assert_null(dm_method_find("vm.start"));
    g_assert_null(dm_method_find("VM.start.now"));
    g_assert_null(dm_method_find("________"));
    g_assert_null(dm_error_find("NO_SUCH_CODE"));
    g_assert_null(dm_field_find(dm_class_find("VM", false), "name"));
}

static void
test_methods(void)
{
    const struct dm_message *m = dm_method_find("VM.start");
    g_assert_cmpint(m->kind, ==, DM_CUSTOM);
    g_assert_true(m->async && m->session);
    g_assert_cmpint(m->min_role, ==, DM_ROLE_VM_OPERATOR);
    g_assert_cmpuint(m->n_params, ==, 3);
    g_assert_cmpstr(m->params[0].type->name, ==, "ref<VM>");

    m = dm_method_find("session.login_with_password");
    g_assert_false(m->session);
    g_assert_true(m->secret && m->not_forwarded && m->params[1].secret);
    g_assert_cmpuint(m->n_required, ==, 2);
    g_assert_cmpuint(m->n_params, ==, 4);

    /* The longest class name wins, and a class whose prefix is one does not hide the other. */
    g_assert_cmpstr(dm_method_find("VM_metrics_get_record")->full_name, ==,
                    "VM_metrics.get_record");
    g_assert_cmpstr(dm_method_find("VM_get_metrics")->full_name, ==, "VM.get_metrics");
    g_assert_cmpstr(dm_method_find("event_from")->full_name, ==, "event.from");
    g_assert_cmpint(dm_method_find("event.from")->result->kind, ==, DM_EVENT_BATCH);

    m = dm_method_find("pool.add_to_other_config");
    g_assert_cmpint(m->kind, ==, DM_FIELD_ADD);
    g_assert_cmpstr(m->field->name, ==, "other_config");
    g_assert_cmpuint(m->n_params, ==, 3);
    g_assert_cmpint(dm_method_find("VM.add_tags")->kind, ==, DM_FIELD_ADD);
    g_assert_cmpint(dm_method_find("VM.get_all_where")->hidden, ==, true);
    g_assert_null(dm_method_find("pool.get_by_name_label"));
    g_assert_null(dm_method_find("task.get_session"));
    g_assert_true(dm_method_find("secret.get_value")->secret);
    g_assert_cmpint(dm_method_find("VMPP.get_all")->lifecycle, ==, DM_REMOVED);
    g_assert_cmpint(dm_method_find("pool.is_slave")->emergency, ==, true);
    g_assert_cmpstr(dm_method_find("pool_update.apply")->extension, ==, "pool_update.apply");
    g_assert_false(dm_class_find("task", false)->task_per_call);
    g_assert_true(dm_class_find("VM", false)->task_per_call);
}

static const struct dm_field *
field(const char *class_name, const char *name)
{
    const struct dm_field *found = dm_field_find(dm_class_find(class_name, false), name);
    g_assert_nonnull(found);
    return found;
}

static void
test_storage(void)
{
    g_assert_cmpint(field("VM", "name_label")->storage, ==, DM_DURABLE);
    g_assert_cmpint(field("VM", "allowed_operations")->storage, ==, DM_VOLATILE);
    g_assert_cmpint(field("VM", "VBDs")->storage, ==, DM_DERIVED);
    g_assert_true(field("VM", "VBDs")->reverse_of == field("VBD", "VM"));
    g_assert_true(field("VBD", "VM")->mirrored_by == field("VM", "VBDs"));
    g_assert_null(field("VBD", "VM")->reverse_of);
    g_assert_cmpint(field("subject", "roles")->storage, ==, DM_DURABLE);
    g_assert_cmpint(field("role", "subroles")->storage, !=, DM_DERIVED);
    g_assert_null(field("role", "subroles")->reverse_of);
    g_assert_cmpint(field("PVS_site", "cache_storage")->storage, ==, DM_DERIVED);
    g_assert_cmpint(field("task", "progress")->storage, ==, DM_VOLATILE);
    g_assert_cmpint(field("task", "status")->storage, ==, DM_DURABLE);
    g_assert_cmpint(field("session", "last_active")->storage, ==, DM_VOLATILE);
    g_assert_cmpint(field("session", "originator")->storage, ==, DM_DURABLE);
    g_assert_cmpint(field("VBD_metrics", "last_updated")->storage, ==, DM_VOLATILE);
    g_assert_cmpint(field("VM_guest_metrics", "networks")->storage, ==, DM_VOLATILE);
    g_assert_true(dm_class_find("session", false)->persistent);
    g_assert_true(dm_class_find("task", false)->persistent);
    for (unsigned i = 0; i < dm_n_fields; i++) {
        const struct dm_field *f = &dm_fields[i];
        if (!f->reverse_of)
            continue;
        g_assert_cmpint(f->type->kind, ==, DM_SET);
        g_assert_true(f->type->elem->cls == f->reverse_of->cls);
        const struct dm_type *other = f->reverse_of->type;
        g_assert_true((other->kind == DM_SET ? other->elem : other)->cls == f->cls);
        g_assert_true(f->reverse_of->mirrored_by == f);
        g_assert_cmpint(f->reverse_of->storage, !=, DM_DERIVED);
    }
}

static void
assert_default(const char *class_name, const char *name, const char *expected)
{
    g_autoptr(GVariant) value = dm_field_default(field(class_name, name));
    g_autofree char *text = g_variant_print(value, FALSE);

    g_assert_cmpstr(text, ==, expected);
}

static void
test_defaults(void)
{
    assert_default("VM", "power_state", "'Halted'");
    assert_default("VM", "snapshot_of", "'OpaqueRef:NULL'");
    assert_default("VM", "affinity", "'OpaqueRef:NULL'");
    assert_default("VM", "HVM_shadow_multiplier", "1.0");
    assert_default("VM", "domid", "0");
    assert_default("VM", "tags", "[]");
    assert_default("VM", "snapshot_time", "0");
    assert_default("VM", "has_vendor_device", "true");
    assert_default("Bond", "mode", "'balance-slb'");
    assert_default("host", "virtual_hardware_platform_versions", "[0]");
    assert_default("task", "status", "'pending'");
    assert_default("task", "backtrace", "'()'");
    g_assert_true(field("VM", "affinity")->required);
    g_assert_false(field("VM", "tags")->required);
    g_assert_false(field("VM", "uuid")->required);
    g_assert_false(field("console", "port")->required); /* internal: no constructor takes it */

    /* All of them parse, are values of their types, and are shared. */
    for (unsigned i = 0; i < dm_n_fields; i++) {
        g_autoptr(GVariant) one = dm_field_default(&dm_fields[i]);
        g_autoptr(GVariant) two = dm_field_default(&dm_fields[i]);
        g_assert_true(one == two);
        g_assert_false(g_variant_is_floating(one));
        g_assert_true(dm_type_check(dm_fields[i].type, one));
    }
    for (unsigned i = 0; i < dm_n_params; i++) {
        g_autoptr(GVariant) value = dm_param_default(&dm_params[i]);
        g_assert_cmpint(value != NULL, ==, dm_params[i].optional);
        if (value)
            g_assert_true(dm_type_check(dm_params[i].type, value));
    }
    for (unsigned i = 0; i < dm_n_types; i++) {
        g_autoptr(GVariant) value = dm_type_empty(&dm_types[i]);
        g_assert_true(g_variant_is_of_type(value, G_VARIANT_TYPE(dm_types[i].gvariant)));
    }
}

static void
test_roles(void)
{
    const struct dm_key_role *roles = field("VM", "other_config")->key_roles;

    g_assert_cmpint(dm_key_role(roles, "pci", DM_ROLE_VM_ADMIN), ==, DM_ROLE_POOL_ADMIN);
    g_assert_cmpint(dm_key_role(roles, "folder", DM_ROLE_VM_ADMIN), ==, DM_ROLE_VM_OPERATOR);
    g_assert_cmpint(dm_key_role(roles, "XenCenter.CustomFields.a", DM_ROLE_VM_ADMIN), ==,
                    DM_ROLE_VM_OPERATOR);
    g_assert_cmpint(dm_key_role(roles, "XenCenter.CustomField", DM_ROLE_VM_ADMIN), ==,
                    DM_ROLE_VM_ADMIN);
    g_assert_cmpint(dm_key_role(roles, "", DM_ROLE_VM_ADMIN), ==, DM_ROLE_VM_ADMIN);
    g_assert_cmpint(dm_key_role(NULL, "pci", DM_ROLE_READ_ONLY), ==, DM_ROLE_READ_ONLY);

    static const struct dm_key_role nested[] = {
        {"a*", DM_ROLE_VM_ADMIN}, {"ab*", DM_ROLE_POOL_ADMIN}, {NULL, DM_ROLE_NONE}};
    g_assert_cmpint(dm_key_role(nested, "abc", DM_ROLE_NONE), ==, DM_ROLE_POOL_ADMIN);
    g_assert_cmpint(dm_key_role(nested, "ac", DM_ROLE_NONE), ==, DM_ROLE_VM_ADMIN);
    g_assert_cmpstr(dm_role_names[DM_ROLE_POOL_ADMIN], ==, "pool-admin");
    g_assert_cmpstr(dm_role_names[DM_ROLE_READ_ONLY], ==, "read-only");
    g_assert_null(dm_role_names[DM_ROLE_NONE]);
}

static void
test_check_random(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);

    for (unsigned i = 0; i < dm_n_types; i++)
        for (int n = 0; n < 10; n++) {
            g_autoptr(GVariant) value = random_value(random, &dm_types[i]);
            g_assert_true(dm_type_check(&dm_types[i], value));
        }
}

static void
assert_check(const char *type, const char *text, bool expected)
{
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(text));

    g_assert_cmpint(dm_type_check(dm_type_find(type), value), ==, expected);
}

static void
test_check_wrong(void)
{
    assert_check("string", "'a'", true);
    assert_check("string", "'a\001'", false);
    assert_check("string", "int64 1", false);
    assert_check("int", "int32 1", false);
    assert_check("enum<vm_power_state>", "'Running'", true);
    assert_check("enum<vm_power_state>", "'running'", false);
    assert_check("set<string>", "['a', 'b\002']", false);
    assert_check("map<string,string>", "{'a\001': 'b'}", false);
    assert_check("record<VBD>", "{'device': <'xvda'>}", true);
    assert_check("record<VBD>", "{'device': <int64 1>}", false);
    assert_check("record<VBD>", "{'no_such': <'xvda'>}", false);
    assert_check("record<console>", "{'port': <int64 1>}", false);
    assert_check("event_batch", "@a{sv} {}", false);
    assert_check("record<event>",
                 "{'id': <'1'>, 'timestamp': <''>, 'class': <'vm'>, "
                 "'operation': <'del'>, 'ref': <'r'>}",
                 true);
    assert_check("record<event>",
                 "{'id': <'1'>, 'timestamp': <''>, 'class': <'vm'>, "
                 "'operation': <'mod'>, 'ref': <'r'>, "
                 "'snapshot': <{'no_such': <''>}>}",
                 false);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/datamodel/counts", test_counts);
    g_test_add_func("/datamodel/links", test_links);
    g_test_add_func("/datamodel/descriptions", test_descriptions);
    g_test_add_func("/datamodel/not-found", test_not_found);
    g_test_add_func("/datamodel/methods", test_methods);
    g_test_add_func("/datamodel/storage", test_storage);
    g_test_add_func("/datamodel/defaults", test_defaults);
    g_test_add_func("/datamodel/roles", test_roles);
    g_test_add_func("/datamodel/check-random", test_check_random);
    g_test_add_func("/datamodel/check-wrong", test_check_wrong);
    return g_test_run();
}
