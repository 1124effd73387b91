#include "config.h"

#include "tests/unit/plan-bed.h"

#include <string.h>

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    memset(bed, 0, sizeof *bed);
    bed->model = model_new();
    fake_store_init(&bed->store, bed->model);
    bed->store.automatic = true;
    bed->host = row_create(bed->model, "host", fields_of("name_label", "host", NULL));
    row_set(bed->model, bed->host, "enabled", g_variant_new_boolean(TRUE));
    bed->vm = row_create(bed->model, "VM",
                         fields_of("name_label", "guest", "PV_kernel", "vmlinux", "domain_type",
                                   "pvh", "power_state", "Halted", NULL));
    row_set(bed->model, bed->vm, "memory_static_max", g_variant_new_int64(64 << 20));
    row_set(bed->model, bed->vm, "VCPUs_max", g_variant_new_int64(1));
    row_set(bed->model, bed->vm, "VCPUs_at_startup", g_variant_new_int64(1));
    bed->world.model = bed->model;
    bed->world.host = bed->host;
    bed->world.guest_kernels = "/kernels";
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    model_free(bed->model);
    fake_store_clear(&bed->store);
    g_free(bed->vm);
    g_free(bed->host);
}

void
bed_set_text(struct bed *bed, const char *field, const char *value)
{
    row_set(bed->model, bed->vm, field, g_variant_new_string(value));
}

char *
plan_text(struct plan *plan)
{
    if (!plan)
        return g_strdup("");
    GString *text = g_string_new(plan->operation);
    g_string_append_c(text, ':');
    for (guint i = 0; i < plan->steps->len; i++) {
        const struct step *step = plan->steps->pdata[i];
        const char *how;
        g_string_append_printf(text, " %s", step->kind);
        if (g_variant_lookup(step->args, "how", "&s", &how))
            g_string_append_printf(text, "=%s", how);
    }
    if (plan->interrupts)
        g_string_append(text, " (interrupts)");
    plan_free(plan);
    return g_string_free(text, FALSE);
}

int
bed_run_tests(int argc, char **argv, const char *suite, const struct bed_test *tests, gsize n_tests)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < n_tests; i++) {
        g_autofree char *path = g_strdup_printf("/%s/%s", suite, tests[i].name);
        g_test_add(path, struct bed, NULL, bed_setup, tests[i].run, bed_teardown);
    }
    return g_test_run();
}
