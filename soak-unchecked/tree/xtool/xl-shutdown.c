/* shutdown-all: before a host goes down. */
#include "config.h"

#include "lib/error.h"
#include "xtool/xl-verbs.h"

#define WAIT_SECONDS 300 /* for guests to end, when nothing is said */
#define WAIT_MAX_SECONDS 86400
#define LOOK_USEC (G_USEC_PER_SEC / 2)

struct shutting {
    struct xtool *x;
    GVariant *host;
    GHashTable *asked; /* references of VMs */
};

static bool
is_allowed(const struct object *vm, const char *operation)
{
    g_autoptr(GVariant) allowed = object_value(vm, dm_field_find(vm->cls, "allowed_operations"));
    g_autofree const char **operations = g_variant_get_strv(allowed, NULL);

    return g_strv_contains(operations, operation);
}

/* The VMs that run on the host and may be ended: those of other tools may not.  struct object,
 * borrowed, as they are now. */
static GPtrArray *
still_there(struct shutting *shutting, GError **error)
{
    const struct dm_class *cls = dm_class_find("VM", false);
    struct objects *objects = shutting->x->objects;
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    objects_forget(objects, cls);
    g_autoptr(GPtrArray) all = objects_all(objects, cls, error);
    for (guint i = 0; all && i < all->len; i++) {
        struct object *vm = all->pdata[i];
        if (g_str_equal(object_string(vm, "resident_on"),
                        g_variant_get_string(shutting->host, NULL)) &&
            (is_allowed(vm, "clean_shutdown") || is_allowed(vm, "hard_shutdown")))
            g_ptr_array_add(found, vm);
    }
    return all ? g_steal_pointer(&found) : NULL;
}

static void
tell(const struct object *vm, const char *what, const GError *error)
{
    fprintf(stderr, "%s (%s) %s%s%s\n", object_string(vm, "name_label"), object_string(vm, "uuid"),
            what, error ? ": " : "", error ? error->message : "");
}

/* Each once, without waiting for it.  False when none of them has been: a guest that is paused
 * cannot shut down. */
static bool
ask(struct shutting *shutting, const GPtrArray *vms)
{
    bool any = false;

    for (guint i = 0; i < vms->len; i++) {
        const struct object *vm = vms->pdata[i];
        g_autoptr(GError) error = NULL;
        bool was_asked = g_hash_table_contains(shutting->asked, vm->ref);
        any |= was_asked;
        if (was_asked || !is_allowed(vm, "clean_shutdown"))
            continue;
        g_hash_table_add(shutting->asked, g_strdup(vm->ref));
        any = true;
        g_autoptr(GVariant) self = g_variant_ref_sink(g_variant_new_string(vm->ref));
        g_autoptr(GVariant) task = server_begin(
            shutting->x->server, dm_method_find("VM.clean_shutdown"), &self, 1, &error);
        tell(vm, task ? "is asked to shut down" : "cannot be asked to shut down", error);
    }
    return any;
}

static void
end(struct shutting *shutting, const GPtrArray *vms)
{
    for (guint i = 0; i < vms->len; i++) {
        const struct object *vm = vms->pdata[i];
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) self = g_variant_ref_sink(g_variant_new_string(vm->ref));
        bool ok = call_message(shutting->x, "VM.hard_shutdown", &self, 1, &error);
        tell(vm, ok ? "did not shut down in time, and was ended" : "cannot be ended", error);
    }
}

static bool
shut_down(struct shutting *shutting, guint64 seconds, GError **error)
{
    gint64 until = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
    g_autoptr(GPtrArray) vms = still_there(shutting, error);

    while (vms && g_get_monotonic_time() < until && ask(shutting, vms)) {
        g_usleep(LOOK_USEC);
        g_ptr_array_unref(vms);
        vms = still_there(shutting, error);
    }
    if (!vms)
        return false;
    end(shutting, vms);
    g_autoptr(GPtrArray) left = still_there(shutting, error);
    if (left && left->len > 0)
        g_set_error(error, FAILED_ERROR, 0, "%u VMs still run.", left->len);
    return left && left->len == 0;
}

bool
xl_shutdown_all(struct xtool *x, GError **error)
{
    const char *text = xl_verb_word(x, 0);
    guint64 seconds = WAIT_SECONDS;

    if (text && !g_ascii_string_to_unsigned(text, 10, 0, WAIT_MAX_SECONDS, &seconds, NULL)) {
        usage_set(error, "SECONDS is a number from 0 to %d, not '%s'.", WAIT_MAX_SECONDS, text);
        return false;
    }
    if (!xtool_connect(x, false, error))
        return false;
    g_autoptr(GVariant) host = server_host(x->server, error);
    g_autoptr(GHashTable) asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct shutting shutting = {x, host, asked};
    return host && shut_down(&shutting, seconds, error);
}
