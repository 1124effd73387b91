/* The steps of a snapshot of a disk that a guest goes on with: see vdi_plan_add_shared ().  Called
 * by ops only. */
#include "config.h"

#include "lib/error.h"
#include "lib/member.h"
#include "xapid/storage/steps.h"

/* What follows may move the disk: going back ends with a handle that tells where it is. */
static void
renew_back_run(struct op *op, GVariant *args)
{
    (void)args;
    op_step_done(op, NULL);
}

/* A disk that a guest writes to is not copied in full. */
static void
shared_run(struct op *op, GVariant *args)
{
    const struct storage_world *world = op_room_data(op);

    if (steps_made(op, args)) {
        op_step_done(op, NULL);
        return;
    }
    g_autofree char *uuid = model_get_string(world->model, member_text(args, "of"), "uuid");
    g_autofree char *why = g_strdup_printf("The disk %s cannot be snapshotted while a guest writes "
                                           "to it.",
                                           uuid);
    op_step_done(op, api_error_new("OPERATION_NOT_ALLOWED", why, NULL));
}

const struct step_kind vdi_renew_kind = {.name = "vdi.renew", .weight = 1, .run = steps_attach};
const struct step_kind vdi_renew_back_kind = {
    .name = "vdi.renew_back", .weight = 0, .run = renew_back_run, .undo = steps_attach};
const struct step_kind vdi_shared_kind = {.name = "vdi.shared", .weight = 0, .run = shared_run};
