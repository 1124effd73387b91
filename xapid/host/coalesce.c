/* When sr.coalesce may run: beside nothing that has to do with the images of its disks, and until
 * such a call comes, for which it is ended.  So nobody waits for it. */
#include "config.h"

#include "lib/member.h"
#include "xapid/host/storage-internal.h"
#include "xapid/host/storage.h"

/* Does it touch no image that another disk could stand on? */
static bool
goes_beside_coalescing(const struct operation *operation)
{
    static const char *const calls[] = {"sr.scan",    "sr.stat",  "sr.probe",   "sr.chains",
                                        "vdi.create", "vdi.copy", "vdi.detach", "vdi.import",
                                        "vdi.export", NULL};

    return g_strv_contains(calls, operation->call);
}

/* May it touch what a call that coalesces is about?  The source of a clone is attached, so that is
 * none of its disks. */
static bool
concerns(const struct operation *operation, const struct operation *coalescing)
{
    if (operation_is(operation, "sr.coalesce") || goes_beside_coalescing(operation) ||
        !g_str_equal(member_text(operation->args, "sr"), member_text(coalescing->args, "sr")))
        return false;
    if (g_str_has_prefix(operation->call, "sr."))
        return true;
    g_autoptr(GVariant) value =
        g_variant_lookup_value(coalescing->args, "disks", G_VARIANT_TYPE_STRING_ARRAY);
    g_autofree const char **disks = g_variant_get_strv(value, NULL);
    return g_strv_contains(disks, member_text(operation->args, "vdi")) ||
           g_strv_contains(disks, member_text(operation->args, "with"));
}

/* Is there such a one that concerns it, or which it concerns? */
static bool
is_there(const struct operation *of, enum operation_state state)
{
    bool coalescing = operation_is(of, "sr.coalesce");
    GHashTableIter iter;
    struct operation *other;

    g_hash_table_iter_init(&iter, of->storage->operations);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&other))
        if (other->state == state &&
            (coalescing ? concerns(other, of)
                        : operation_is(other, "sr.coalesce") && concerns(of, other)))
            return true;
    return false;
}

bool
coalescing_delays(const struct operation *operation)
{
    if (!operation_is(operation, "sr.coalesce"))
        return is_there(operation, OPERATION_RUNNING);
    return operation->storage->coalescing >= STORAGE_COALESCING_MAX ||
           is_there(operation, OPERATION_RUNNING) || is_there(operation, OPERATION_WAITING);
}

void
coalescing_make_way(const struct operation *operation)
{
    bool ends = operation_is(operation, "sr.detach") || operation_is(operation, "sr.destroy");
    GHashTableIter iter;
    struct operation *other;

    g_hash_table_iter_init(&iter, operation->storage->operations);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&other)) {
        if (!operation_is(other, "sr.coalesce") || other->state == OPERATION_DONE ||
            !concerns(operation, other))
            continue;
        if (ends) {
            operation_abort(other);
        } else if (other->run) {
            other->gives_way = true;
            driver_run_kill(other->run);
        }
    }
}
