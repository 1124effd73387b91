/* vbd-unplug: a guest that does not let go of its drive is asked again until its time is over. */
#include "config.h"

#include "lib/error.h"
#include "xtool/xtool.h"

#define AGAIN_SECONDS 1
#define TIMEOUT_MAX_SECONDS (24 * 3600)

static bool
call_drive(struct xtool *x, const char *method, const struct object *drive, GError **error)
{
    g_autoptr(GVariant) self = g_variant_ref_sink(g_variant_new_string(drive->ref));

    return call_message(x, method, &self, 1, error);
}

/* 0: it is asked once. */
static bool
read_timeout(struct xtool *x, guint64 *ret_seconds, GError **error)
{
    const char *text = args_get(x->args, "timeout");

    *ret_seconds = 0;
    if (!text || g_ascii_string_to_unsigned(text, 10, 0, TIMEOUT_MAX_SECONDS, ret_seconds, NULL))
        return true;
    usage_set(error, "timeout= takes seconds, %u at most.", TIMEOUT_MAX_SECONDS);
    return false;
}

static bool
ask(struct xtool *x, const struct object *drive, guint64 seconds, GError **error)
{
    gint64 end = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
    GError *refused = NULL;

    while (!call_drive(x, "VBD.unplug", drive, &refused)) {
        bool again = (api_error_is(refused, "DEVICE_DETACH_REJECTED") ||
                      api_error_is(refused, "DEVICE_DETACH_TIMEOUT")) &&
                     !server_interrupted(x->server);
        if (!again || g_get_monotonic_time() >= end) {
            g_propagate_error(error, refused);
            return false;
        }
        g_clear_error(&refused);
        g_usleep(AGAIN_SECONDS * G_USEC_PER_SEC);
    }
    return true;
}

bool
unplug_drive(struct xtool *x, const struct xt_command *command, GError **error)
{
    const char *name = args_get(x->args, "uuid");
    g_autoptr(GError) refused = NULL;
    guint64 seconds;

    (void)command;
    if (!read_timeout(x, &seconds, error) || !xtool_check_unused(x, error) ||
        !xtool_connect(x, false, error))
        return false;
    const struct object *drive =
        objects_named(x->objects, dm_class_find("VBD", false), name, error);
    if (!drive)
        return false;
    if (x->force && !seconds)
        return call_drive(x, "VBD.unplug_force", drive, error);
    if (ask(x, drive, seconds, &refused))
        return true;
    if (x->force && (api_error_is(refused, "DEVICE_DETACH_REJECTED") ||
                     api_error_is(refused, "DEVICE_DETACH_TIMEOUT")))
        return call_drive(x, "VBD.unplug_force", drive, error);
    g_propagate_error(error, g_steal_pointer(&refused));
    return false;
}
