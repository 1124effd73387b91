/* What a client wants to hear of; see subscription.h. */
#include "config.h"

#include "xapid/calls/subscription.h"

#include <string.h>

#include "lib/error.h"

#define SUBSCRIPTIONS_MAX 1000 /* strings in one call */

struct subscription {
    bool all;
    GHashTable *classes; /* struct dm_class: every object */
    GHashTable *objects; /* reference -> struct dm_class */
};

void
subscription_free(struct subscription *subscription)
{
    if (!subscription)
        return;
    g_hash_table_unref(subscription->classes);
    g_hash_table_unref(subscription->objects);
    g_free(subscription);
}

bool
subscription_add(struct subscription *subscription, const char *text, GError **error)
{
    const char *slash = strchr(text, '/');
    g_autofree char *name = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
    const struct dm_class *cls = dm_class_find(name, true);

    if (g_str_equal(text, "*")) {
        subscription->all = true;
    } else if (!*name || (slash && !slash[1])) {
        api_error_set(error, "EVENT_SUBSCRIPTION_PARSE_FAILURE", text, NULL);
        return false;
    } else if (cls && slash) {
        g_hash_table_insert(subscription->objects, g_strdup(slash + 1), (void *)cls);
    } else if (cls) {
        g_hash_table_add(subscription->classes, (void *)cls);
    }
    return true;
}

struct subscription *
subscription_parse(GVariant *strings, GError **error)
{
    struct subscription *subscription = g_new0(struct subscription, 1);
    gsize n = g_variant_n_children(strings);

    subscription->classes = g_hash_table_new(NULL, NULL);
    subscription->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (n > SUBSCRIPTIONS_MAX) {
        api_error_set(error, "EVENT_SUBSCRIPTION_PARSE_FAILURE", "too many subscriptions", NULL);
        subscription_free(subscription);
        return NULL;
    }
    for (gsize i = 0; i < n; i++) {
        const char *text;
        g_variant_get_child(strings, i, "&s", &text);
        if (!subscription_add(subscription, text, error)) {
            subscription_free(subscription);
            return NULL;
        }
    }
    return subscription;
}

bool
subscription_wants_class(const struct subscription *subscription, const struct dm_class *cls)
{
    GHashTableIter iter;
    void *of;

    if (subscription->all || g_hash_table_contains(subscription->classes, cls))
        return true;
    g_hash_table_iter_init(&iter, subscription->objects);
    while (g_hash_table_iter_next(&iter, NULL, &of))
        if (of == cls)
            return true;
    return false;
}

bool
subscription_wants(const struct subscription *subscription, const struct dm_class *cls,
                   const char *ref)
{
    return subscription->all || g_hash_table_contains(subscription->classes, cls) ||
           g_hash_table_lookup(subscription->objects, ref) == cls;
}

bool
subscription_is_of_tasks(const struct subscription *subscription)
{
    const struct dm_class *task = dm_class_find("task", false);

    for (unsigned i = 0; i < dm_n_classes; i++)
        if (&dm_classes[i] != task && subscription_wants_class(subscription, &dm_classes[i]))
            return false;
    return true;
}

void
subscription_remove(struct subscription *subscription, const char *text)
{
    const char *slash = strchr(text, '/');

    if (g_str_equal(text, "*"))
        subscription->all = false;
    else if (slash)
        g_hash_table_remove(subscription->objects, slash + 1);
    else
        g_hash_table_remove(subscription->classes, dm_class_find(text, true));
}
