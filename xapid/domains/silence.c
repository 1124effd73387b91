#include "config.h"

#include "xapid/domains/silence.h"

#include "lib/log.h"
#include "xapid/domains/domains.h"

static gboolean
silent(gpointer data)
{
    struct silence *silence = data;

    silence->source = 0;
    silence->told = true;
    log_warning("%s: a worker has been silent for %d s; libxl or xenstored may hang", silence->work,
                WORKER_HANGS_S);
    silence->changed(silence->data);
    return G_SOURCE_REMOVE;
}

void
silence_watch(struct silence *silence, const char *work)
{
    silence_clear(silence);
    silence->work = g_strdup(work);
    silence->source = g_timeout_add_seconds(WORKER_HANGS_S, silent, silence);
}

void
silence_end(struct silence *silence)
{
    bool told = silence->told;

    if (told)
        log_warning("%s: a worker goes on", silence->work);
    silence_clear(silence);
    if (told)
        silence->changed(silence->data);
}

void
silence_clear(struct silence *silence)
{
    g_clear_handle_id(&silence->source, g_source_remove);
    g_clear_pointer(&silence->work, g_free);
    silence->told = false;
}
