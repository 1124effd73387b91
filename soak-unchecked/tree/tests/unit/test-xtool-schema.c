/* xtool's schema against the data model: every name in it exists, and what follows from both. */
#include "config.h"

#include <glib.h>
#include <string.h>

#include "xtool/fields.h"
#include "xtool/xl.h"

static void
test_every_field_resolves(void)
{
    g_assert_cmpuint(xt_n_classes, ==, 55);
    for (unsigned i = 0; i < xt_n_classes; i++) {
        const struct xt_class *cls = &xt_classes[i];
        g_assert_nonnull(class_api(cls));
        /* A source that leads nowhere ends the program. */
        g_autoptr(GPtrArray) fields = fields_of(cls);
        g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
        for (unsigned j = 0; j < fields->len; j++) {
            const struct field *field = fields->pdata[j];
            if (!g_hash_table_add(names, field->name))
                g_error("%s has %s twice", cls->name, field->name);
        }
        for (unsigned j = 0; cls->columns[j]; j++) {
            const struct field *field = fields->pdata[j];
            g_assert_cmpstr(field->name, ==, cls->columns[j]);
        }
        for (unsigned j = 0; cls->hidden[j]; j++)
            g_assert_nonnull(g_hash_table_lookup(names, cls->hidden[j]));
        for (unsigned j = 0; cls->deprecated[j]; j++)
            g_assert_nonnull(g_hash_table_lookup(names, cls->deprecated[j]));
        for (unsigned j = 0; cls->filter[j]; j++) {
            g_auto(GStrv) pair = g_strsplit(cls->filter[j], "=", 2);
            g_assert_nonnull(g_hash_table_lookup(names, pair[0]));
        }
    }
}

static bool
is_listed(const struct xt_command *command, const char *name)
{
    return g_strv_contains(command->need, name) || g_strv_contains(command->may, name);
}

/* The arguments of a call: declared by the command, not too many, objects where objects belong. */
static void
check_call(const struct xt_command *command, const struct xt_call *call)
{
    const struct dm_message *message = dm_method_find(call->method);
    unsigned n = 0;

    if (!message)
        g_error("%s calls %s, which does not exist", command->name, call->method);
    for (; call->args[n]; n++) {
        const char *source = call->args[n];
        if (n >= message->n_params)
            g_error("%s gives %s too many parameters", command->name, call->method);
        const struct dm_type *type = message->params[n].type;
        if (g_str_equal(source, "@")) {
            g_assert_nonnull(command->select);
            if (type->kind != DM_REF || type->cls != class_api(class_find(command->select)))
                g_error("%s: %s takes no %s", command->name, call->method, command->select);
        } else if (*source == '{') {
            g_assert_cmpint(type->kind, ==, DM_RECORD);
            if (source[1] == '@') {
                g_autofree char *selected = g_strndup(source + 2, strlen(source) - 3);
                const struct dm_field *field = dm_field_find(type->cls, selected);
                g_assert_nonnull(field);
                g_assert_true(field->type->cls == class_api(class_find(command->select)));
            }
        } else if (g_str_has_suffix(source, ":")) {
            g_assert_cmpint(type->kind, ==, DM_MAP);
        }
        /* vm-start takes paused= and vm-resume too, which xe's help leaves out. */
        g_auto(GStrv) names = g_strsplit(source, "/", -1);
        for (unsigned i = 0; names[i]; i++)
            if (*source != '@' && *source != '{' && !is_listed(command, names[i]) &&
                !g_str_equal(source, "paused"))
                g_error("%s uses %s, which it does not take", command->name, names[i]);
    }
    if (n < message->n_required)
        g_error("%s gives %s too few parameters", command->name, call->method);
}

static void
test_every_call_resolves(void)
{
    g_assert_cmpuint(xt_n_commands, ==, 387);
    for (unsigned i = 0; i < xt_n_commands; i++) {
        const struct xt_command *command = &xt_commands[i];
        g_assert_true(i == 0 || strcmp(xt_commands[i - 1].name, command->name) < 0);
        g_assert_true(!command->select || class_find(command->select));
        g_assert_true(command_find(command->name) == command);
        for (const struct xt_call *call = command->calls; call->method; call++) {
            check_call(command, call);
        }
    }
    for (unsigned i = 0; i < xt_n_aliases; i++) {
        const struct xt_class *cls;
        enum generic_op op;
        g_assert_true(!xt_aliases[i].as == !!xt_aliases[i].text);
        if (!xt_aliases[i].as)
            continue;
        const struct xt_command *command = command_find(xt_aliases[i].as);
        g_assert_true(command || generic_find(xt_aliases[i].as, &cls, &op));
        g_autoptr(GPtrArray) fields = command ? NULL : fields_of(cls);
        for (const struct xt_column *column = xt_aliases[i].columns; column->title; column++)
            g_assert_nonnull(field_find(fields, column->field));
        for (unsigned j = 0; xt_aliases[i].words[j]; j++) {
            g_autofree char *key = xl_word(&xt_aliases[i], j);
            g_assert_true(!command || is_listed(command, key) || g_str_equal(key, command->select));
        }
    }
}

static void
test_enums_have_what_is_respelled(void)
{
    for (unsigned i = 0; i < xt_n_spellings; i++) {
        g_autofree char *name = g_strdup_printf("enum<%s>", xt_spellings[i].en);
        const struct dm_type *type = dm_type_find(name);
        g_assert_nonnull(type);
        g_assert_true(dm_enum_has(type->en, xt_spellings[i].value));
    }
}

static const char *
mark_of(const char *cls, const char *name)
{
    g_autoptr(GPtrArray) fields = fields_of(class_find(cls));

    return field_mark(field_find(fields, name));
}

static void
test_marks_follow_from_the_model(void)
{
    g_assert_cmpstr(mark_of("vm", "uuid"), ==, "( RO)");
    g_assert_cmpstr(mark_of("vm", "name-label"), ==, "( RW)");
    g_assert_cmpstr(mark_of("vm", "memory-static-max"), ==, "( RW)");
    g_assert_cmpstr(mark_of("vm", "other-config"), ==, "(MRW)");
    g_assert_cmpstr(mark_of("vm", "snapshot-info"), ==, "(MRO)");
    g_assert_cmpstr(mark_of("vm", "tags"), ==, "(SRW)");
    g_assert_cmpstr(mark_of("vm", "allowed-operations"), ==, "(SRO)");
    g_assert_cmpstr(mark_of("vm", "current-operations"), ==, "(SRO)");
    g_assert_cmpstr(mark_of("vm", "memory-actual"), ==, "( RO)");
    g_assert_cmpstr(mark_of("vm", "suspend-SR-uuid"), ==, "( RW)");
    g_assert_cmpstr(mark_of("vif", "vm-name-label"), ==, "( RO)");
    g_assert_cmpstr(mark_of("sr", "host"), ==, "(SRO)");
}

static void
test_names_of_generic_commands(void)
{
    const struct xt_class *cls;
    enum generic_op op;

    g_assert_true(generic_find("host-cpu-param-list", &cls, &op));
    g_assert_cmpstr(cls->name, ==, "host-cpu");
    g_assert_cmpint(op, ==, GENERIC_PARAM_LIST);
    g_assert_true(generic_find("vm-list", &cls, &op) && op == GENERIC_LIST);
    g_assert_false(generic_find("nothing-list", &cls, &op));
    g_assert_false(generic_find("-list", &cls, &op));
    g_assert_false(generic_find("vm", &cls, &op));
}

static void
test_what_was_meant(void)
{
    const struct xtool x = {.name = "xtool"};
    g_autofree char *near = help_similar(&x, "vm-statr");
    g_autofree char *far = help_similar(&x, "qqqqqqqqqq");

    g_assert_true(g_str_has_prefix(near, "vm-start"));
    g_assert_cmpstr(far, ==, "");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xtool-schema/every-field-resolves", test_every_field_resolves);
    g_test_add_func("/xtool-schema/every-call-resolves", test_every_call_resolves);
    g_test_add_func("/xtool-schema/enums-have-what-is-respelled",
                    test_enums_have_what_is_respelled);
    g_test_add_func("/xtool-schema/marks-follow-from-the-model", test_marks_follow_from_the_model);
    g_test_add_func("/xtool-schema/names-of-generic-commands", test_names_of_generic_commands);
    g_test_add_func("/xtool-schema/what-was-meant", test_what_was_meant);
    return g_test_run();
}
