/* The verbs over a simulated host of their own, for tests. */
#include "config.h"

#include "tests/unit/verbs-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/domains/image.h"
#include "xapid/domains/mark.h"

void
verbs_set_up(struct verbs_fixture *f, gconstpointer data)
{
    struct backend_options options = {.kernels_dir = -1};
    g_autoptr(GError) error = NULL;

    (void)data;
    f->dir = g_dir_make_tmp("xapid-verbs-XXXXXX", NULL);
    options.sim_dir = f->dir;
    f->verbs.backend = &backend_sim;
    f->verbs.ctx = backend_sim.open(&options, &error);
    g_assert_no_error(error);
    f->verbs.marks = marks_open(f->dir, &error);
    g_assert_no_error(error);
    f->verbs.images = images_open(f->dir, "images", &error);
    g_assert_no_error(error);
    f->verbs.cores = images_open(f->dir, "cores", &error);
    g_assert_no_error(error);
    f->verbs.aborted = &f->aborted;
    f->verbs.kernels_dir = options.kernels_dir;
    f->world = world_open(f->dir, &error);
    g_assert_no_error(error);
}

void
verbs_tear_down(struct verbs_fixture *f, gconstpointer data)
{
    static const char *const files[] = {"world",    "violations", "control",
                                        "building", "images",     "cores"};

    (void)data;
    backend_sim.close(f->verbs.ctx);
    mark_clear(f->verbs.marks, UUID);
    close(f->verbs.marks);
    g_assert_true(image_discard(f->verbs.images, UUID, NULL));
    close(f->verbs.images);
    g_assert_true(image_discard(f->verbs.cores, UUID, NULL));
    close(f->verbs.cores);
    world_free(f->world);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(f->dir, files[i], NULL);
        g_remove(path);
    }
    g_rmdir(f->dir);
    g_free(f->dir);
}

static bool
no_part(GVariant *part, void *data, GError **error)
{
    (void)part;
    (void)data;
    (void)error;
    g_assert_not_reached();
}

GVariant *
verbs_guest(void)
{
    return g_variant_ref_sink(g_variant_new_parsed(
        "@a{sv} {'type': <'pv'>, 'memory_static_max': <int64 33554432>, 'memory_target': "
        "<int64 33554432>, 'vcpus_max': <1>, 'vcpus': <1>, 'kernel': <'k'>}"));
}

char *
verbs_run_text(struct verbs_fixture *f, const char *verb, const char *uuid, const char *op_id,
               const char *args_text)
{
    g_autoptr(GVariant) args = NULL;
    g_autoptr(GError) error = NULL;
    GVariant *result = NULL;

    if (args_text)
        args = g_variant_parse(G_VARIANT_TYPE("a{sv}"), args_text, NULL, NULL, &error);
    else if (g_str_equal(verb, "create") || g_str_equal(verb, "restore"))
        args = verbs_guest();
    else
        args = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    g_assert_no_error(error);
    if (!verbs_run(&f->verbs, verb, uuid, op_id, args, no_part, NULL, &result, &error))
        return g_strdup(error->message);
    g_variant_unref(g_variant_ref_sink(result));
    return NULL;
}

void
verbs_assert_runs(struct verbs_fixture *f, const char *verb, const char *uuid, const char *op_id)
{
    g_autofree char *failure = verbs_run_text(f, verb, uuid, op_id, NULL);

    g_assert_cmpstr(failure, ==, NULL);
}

int
verbs_domid_of(struct verbs_fixture *f, const char *uuid)
{
    struct world_domain *domain;
    int domid;

    world_lock(f->world);
    domain = world_find_uuid(f->world, uuid);
    domid = domain ? domain->domid : -1;
    world_unlock(f->world);
    return domid;
}
