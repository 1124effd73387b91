/* The events process: its own context, and one message up for each domain that needs a look. */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/log.h"
#include "xapid/domains/message.h"
#include "xapid/domains/worker.h"

static void
changed(const char *uuid, void *data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    if (message_send(CHILD_WORK_FD, g_variant_new(MESSAGE_EVENT, uuid), &error))
        return;
    /* The parent has gone, or what it misses cannot be told: a new process says "all". */
    log_warning("events: %s", error->message);
    _exit(EXIT_FAILURE);
}

int
events_main(const struct child_options *options)
{
    g_autoptr(GError) error = NULL;
    struct backend_ctx *ctx = options->backend->open(&options->backend_options, &error);
    bool ok = ctx && options->backend->watch(ctx, CHILD_WORK_FD, changed, NULL, &error);

    if (!ok)
        log_error("events: %s", error->message);
    options->backend->close(ctx);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
