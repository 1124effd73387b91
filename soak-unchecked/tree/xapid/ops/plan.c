#include "config.h"

#include "xapid/ops/plan.h"

static void
step_free(void *data)
{
    struct step *step = data;

    g_free(step->kind);
    g_variant_unref(step->args);
    g_free(step);
}

struct plan *
plan_new(const char *operation, const char *object)
{
    struct plan *plan = g_new0(struct plan, 1);

    plan->operation = g_strdup(operation);
    plan->object = g_strdup(object);
    plan->shown_by = g_ptr_array_new_with_free_func(g_free);
    plan_show_also(plan, object);
    plan->steps = g_ptr_array_new_with_free_func(step_free);
    return plan;
}

void
plan_free(struct plan *plan)
{
    if (!plan)
        return;
    g_free(plan->operation);
    g_free(plan->object);
    g_ptr_array_unref(plan->shown_by);
    g_ptr_array_unref(plan->steps);
    g_free(plan);
}

void
plan_show_by(struct plan *plan, const char *row)
{
    g_ptr_array_set_size(plan->shown_by, 0);
    plan_show_also(plan, row);
}

void
plan_show_also(struct plan *plan, const char *row)
{
    g_ptr_array_add(plan->shown_by, g_strdup(row));
}

void
plan_add(struct plan *plan, const char *kind, GVariant *args)
{
    struct step *step = g_new0(struct step, 1);

    g_assert(plan->steps->len < PLAN_MAX_STEPS);
    step->kind = g_strdup(kind);
    step->args =
        g_variant_ref_sink(args ? args : g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
    g_ptr_array_add(plan->steps, step);
}

GVariant *
plan_to_variant(const struct plan *plan)
{
    GVariantBuilder steps;

    g_variant_builder_init(&steps, G_VARIANT_TYPE("a(sa{sv})"));
    for (guint i = 0; i < plan->steps->len; i++) {
        const struct step *step = plan->steps->pdata[i];
        g_variant_builder_add(&steps, "(s@a{sv})", step->kind, step->args);
    }
    GVariant *shown_by =
        g_variant_new_strv((const char *const *)plan->shown_by->pdata, plan->shown_by->len);
    return g_variant_new("(ss@asa(sa{sv}))", plan->operation, plan->object, shown_by, &steps);
}

struct plan *
plan_from_variant(GVariant *variant)
{
    const char *operation, *object, *kind;
    g_autofree const char **shown_by = NULL;
    GVariant *args;

    if (!g_variant_is_of_type(variant, G_VARIANT_TYPE(PLAN_TYPE)))
        return NULL;
    g_autoptr(GVariantIter) steps = NULL;
    g_variant_get(variant, "(&s&s^a&sa(sa{sv}))", &operation, &object, &shown_by, &steps);
    if (g_variant_iter_n_children(steps) > PLAN_MAX_STEPS)
        return NULL;
    struct plan *plan = plan_new(operation, object);
    g_ptr_array_set_size(plan->shown_by, 0);
    for (gsize i = 0; shown_by[i]; i++)
        plan_show_also(plan, shown_by[i]);
    while (g_variant_iter_next(steps, "(&s@a{sv})", &kind, &args)) {
        plan_add(plan, kind, args);
        g_variant_unref(args);
    }
    return plan;
}
