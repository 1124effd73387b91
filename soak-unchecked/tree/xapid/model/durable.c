/* The two generations: what is applied and not yet durable, who waits for it, and the undoing of it
 * when the store failed. */
#include "config.h"

#include "lib/error.h"
#include "xapid/model/internal.h"

struct waiter {
    guint64 generation;
    void (*done)(const GError *error, void *data);
    void *data;
};

struct observer {
    guint id;
    void (*changed)(void *data);
    void *data;
};

static const GError *
failure_find(const struct model *model, guint64 generation)
{
    for (guint i = model->failed->len; i-- > 0;) {
        const struct failed_range *range = &g_array_index(model->failed, struct failed_range, i);
        if (generation > range->last)
            return NULL;
        if (generation > range->after)
            return range->error;
    }
    return NULL;
}

static void
waiters_wake(struct model *model)
{
    struct waiter *waiter;

    while ((waiter = g_queue_peek_head(&model->waiters)) && waiter->generation <= model->durable) {
        g_queue_pop_head(&model->waiters);
        const GError *failure = failure_find(model, waiter->generation);
        /* A copy: what the callback does may make the list of failures move. */
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        waiter->done(error, waiter->data);
        g_free(waiter);
    }
}

void
model_when_durable(struct model *model, guint64 generation,
                   void (*done)(const GError *error, void *data), void *data)
{
    if (generation <= model->durable) {
        const GError *failure = failure_find(model, generation);
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        done(error, data);
        return;
    }
    struct waiter *waiter = g_new(struct waiter, 1);
    *waiter = (struct waiter){.generation = generation, .done = done, .data = data};
    GList *after = model->waiters.tail;
    while (after && ((struct waiter *)after->data)->generation > generation)
        after = after->prev;
    if (after)
        g_queue_insert_after(&model->waiters, after, waiter);
    else
        g_queue_push_head(&model->waiters, waiter);
}

static gboolean
observers_call(void *data)
{
    struct model *model = data;
    guint last = model->next_observer;

    g_clear_pointer(&model->observing, g_source_unref);
    /* By id: an observer may add or remove observers, itself too. */
    for (guint id = 1; id <= last; id++)
        for (guint i = 0; i < model->observers->len; i++) {
            const struct observer *observer = model->observers->pdata[i];
            if (observer->id != id)
                continue;
            observer->changed(observer->data);
            break;
        }
    return G_SOURCE_REMOVE;
}

static void
observers_schedule(struct model *model)
{
    if (model->observing || model->observers->len == 0)
        return;
    model->observing = g_idle_source_new();
    g_source_set_priority(model->observing, G_PRIORITY_DEFAULT);
    g_source_set_callback(model->observing, observers_call, model, NULL);
    g_source_attach(model->observing, model->context);
}

guint
model_observe(struct model *model, void (*changed)(void *data), void *data)
{
    struct observer *observer = g_new(struct observer, 1);

    *observer = (struct observer){.id = ++model->next_observer, .changed = changed, .data = data};
    g_ptr_array_add(model->observers, observer);
    return observer->id;
}

void
model_unobserve(struct model *model, guint id)
{
    for (guint i = 0; i < model->observers->len; i++)
        if (((struct observer *)model->observers->pdata[i])->id == id) {
            g_ptr_array_remove_index(model->observers, i);
            return;
        }
}

/* The oldest entry of the undo log is durable now. */
static void
settle(struct model *model)
{
    struct applied *applied = g_queue_pop_head(&model->applied);

    model->durable = applied->generation;
    for (guint i = 0; i < applied->rows->len; i++) {
        const struct delta *delta = &g_array_index(applied->rows, struct delta, i);
        struct node *node = delta->node;

        node->table->changed = applied->generation;
        if (delta->before && !delta->after)
            node_free(node);
        else
            node->shown = applied->generation;
    }
    applied_free(applied);
}

/* Settles what the store reported, and the volatile transactions that follow. */
static void
settle_up_to(struct model *model, guint64 generation)
{
    const struct applied *applied;
    bool any = false;

    while ((applied = g_queue_peek_head(&model->applied)) &&
           (applied->generation <= generation || !applied->stored)) {
        settle(model);
        any = true;
    }
    if (!any)
        return;
    observers_schedule(model);
    waiters_wake(model);
}

void
durable_push(struct model *model, struct applied *applied)
{
    g_queue_push_tail(&model->applied, applied);
    settle_up_to(model, 0);
}

static void
failure_add(struct model *model, const GError *error)
{
    GArray *failed = model->failed;
    struct failed_range range = {
        .after = model->durable, .last = model->head, .error = g_error_copy(error)};

    if (failed->len == MODEL_FAILED_MAX)
        g_array_remove_index(failed, 0);
    g_array_append_val(failed, range);
}

static void
undo_all(struct model *model, const GError *error)
{
    struct applied *applied;

    while ((applied = g_queue_pop_tail(&model->applied))) {
        applied_undo(model, applied);
        applied_free(applied);
    }
    failure_add(model, error);
    /* The generations that failed are not used again: what they showed is gone, and whoever reads
     * from now on sees only what is on disk, under a generation of its own. */
    model->durable = ++model->head;
    model->undone++;
    g_clear_error(&model->read_only);
    model->read_only =
        api_error_new("INTERNAL_ERROR", "the database cannot be written", error->message, NULL);
}

void
model_committed(struct model *model, guint64 generation, const GError *error)
{
    const struct applied *oldest = g_queue_peek_head(&model->applied);

    /* A report on what was undone already, after an earlier one's failure. */
    if (!oldest || generation < oldest->generation)
        return;
    if (!error) {
        settle_up_to(model, generation);
        return;
    }
    undo_all(model, error);
    observers_schedule(model);
    waiters_wake(model);
}

void
model_set_writable(struct model *model)
{
    g_clear_error(&model->read_only);
}

bool
model_is_writable(const struct model *model)
{
    return !model->read_only;
}

guint64
model_head(const struct model *model)
{
    return model->head;
}

guint64
model_durable(const struct model *model)
{
    return model->durable;
}

static void
failed_range_clear(void *data)
{
    struct failed_range *range = data;

    g_clear_error(&range->error);
}

void
durable_init(struct model *model)
{
    g_queue_init(&model->applied);
    g_queue_init(&model->waiters);
    model->failed = g_array_new(FALSE, FALSE, sizeof(struct failed_range));
    g_array_set_clear_func(model->failed, failed_range_clear);
    model->observers = g_ptr_array_new_with_free_func(g_free);
    model->context = g_main_context_ref_thread_default();
}

void
durable_clear(struct model *model)
{
    struct applied *applied;

    while ((applied = g_queue_pop_head(&model->applied))) {
        for (guint i = 0; i < applied->rows->len; i++) {
            const struct delta *delta = &g_array_index(applied->rows, struct delta, i);
            if (delta->before && !delta->after)
                node_free(delta->node);
        }
        applied_free(applied);
    }
    g_queue_clear_full(&model->waiters, g_free);
    g_array_unref(model->failed);
    g_ptr_array_unref(model->observers);
    if (model->observing) {
        g_source_destroy(model->observing);
        g_source_unref(model->observing);
    }
    g_main_context_unref(model->context);
    g_clear_error(&model->read_only);
}
