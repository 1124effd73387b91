/* What changed after a token: the changed lists and the tombstones. */
#include "config.h"

#include "xapid/model/internal.h"

void
tombstone_free(struct tombstone *tombstone)
{
    g_free(tombstone->ref);
    g_free(tombstone);
}

void
tombstone_add(struct table *table, const struct node *node, guint64 generation)
{
    struct tombstone *tombstone = g_new(struct tombstone, 1);

    *tombstone = (struct tombstone){
        .ref = g_strdup(node->ref), .created = node->created, .deleted = generation};
    g_queue_push_tail(&table->tombstones, tombstone);
    if (table->tombstones.length <= MODEL_TOMBSTONES_MAX)
        return;
    struct tombstone *oldest = g_queue_pop_head(&table->tombstones);
    table->lost = MAX(table->lost, oldest->deleted);
    tombstone_free(oldest);
}

void
tombstones_undo(struct table *table, guint64 generation)
{
    struct tombstone *newest;

    while ((newest = g_queue_peek_tail(&table->tombstones)) && newest->deleted >= generation)
        tombstone_free(g_queue_pop_tail(&table->tombstones));
}

static void
rows_report(const struct table *table, guint64 since, model_change_fn each, void *data)
{
    const struct node *node = since ? table->newest : table->oldest;

    /* Back to the first that is new, then forward: oldest change first. */
    while (since && node && node->previous && node->previous->modified > since)
        node = node->previous;
    for (; node; node = node->next)
        if (node->shown > since)
            each(node->created > since ? MODEL_ADD : MODEL_MOD, table->cls, node->ref, node->shown,
                 data);
}

void
model_changes_since(const struct model *model, const struct dm_class *cls, guint64 since,
                    model_change_fn each, void *data, bool *ret_lost)
{
    const struct table *table = table_of(model, cls);
    bool lost = since && since < table->lost;

    rows_report(table, since, each, data);
    GList *first = NULL;
    for (GList *link = since ? table->tombstones.tail : NULL; link; link = link->prev) {
        if (((const struct tombstone *)link->data)->deleted <= since)
            break;
        first = link;
    }
    for (GList *link = first; link; link = link->next) {
        const struct tombstone *tombstone = link->data;
        const struct node *again = node_find(model, tombstone->ref);

        /* Not what came and went between two looks, nor what was made again. */
        if (tombstone->deleted > model->durable || tombstone->created > since ||
            (again && again->table == table && again->shown))
            continue;
        each(MODEL_DEL, cls, tombstone->ref, tombstone->deleted, data);
    }
    if (ret_lost)
        *ret_lost = lost;
}

guint64
model_class_changed(const struct model *model, const struct dm_class *cls)
{
    return table_of(model, cls)->changed;
}
