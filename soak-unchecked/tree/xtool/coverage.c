#include "config.h"

#include "xtool/coverage.h"

#include "lib/datamodel/datamodel.h"
#include "lib/error.h"

static bool
has(const char *const *list, const char *name)
{
    return g_strv_contains(list, name);
}

/* ---- all classes ---- */

static void
print_classes(FILE *out)
{
    unsigned custom = 0, registered = 0, proven = 0;

    fprintf(out, "%-20s %7s %11s %7s\n", "class", "custom", "registered", "proven");
    for (unsigned i = 0; i < dm_n_classes; i++) {
        const struct dm_class *cls = &dm_classes[i];
        unsigned its_custom = 0, its_registered = 0, its_proven = 0;
        for (unsigned j = 0; j < cls->n_messages; j++) {
            const struct dm_message *message = &cls->messages[j];
            if (message->kind != DM_CUSTOM)
                continue;
            its_custom++;
            its_registered += has(coverage_registered, message->full_name);
            its_proven += has(coverage_proven, message->full_name);
        }
        if (its_custom)
            fprintf(out, "%-20s %7u %11u %7u\n", cls->name, its_custom, its_registered, its_proven);
        custom += its_custom;
        registered += its_registered;
        proven += its_proven;
    }
    fprintf(out, "total: %u/%u proven, %u registered\n", proven, custom, registered);
}

/* ---- what a client calls ---- */

enum state {
    PROVEN,
    REGISTERED, /* has code, and no test */
    GENERIC,    /* served for all classes alike */
    REMOVED,    /* from the XenAPI itself: MESSAGE_REMOVED */
    MISSING,    /* NOT_IMPLEMENTED */
    STATES
};

static const char *const state_names[STATES] = {[PROVEN] = "proven",
                                                [REGISTERED] = "registered",
                                                [GENERIC] = "generic",
                                                [REMOVED] = "removed",
                                                [MISSING] = "missing"};

static enum state
state_of(const char *name)
{
    const struct dm_message *message = dm_method_find(name);

    if (has(coverage_proven, name))
        return PROVEN;
    if (has(coverage_registered, name))
        return REGISTERED;
    if (message && message->lifecycle == DM_REMOVED)
        return REMOVED;
    return message && message->kind != DM_CUSTOM ? GENERIC : MISSING;
}

static void
print_client(FILE *out, const char *const *methods)
{
    unsigned counts[STATES] = {0}, all = 0;

    for (; methods[all]; all++) {
        enum state state = state_of(methods[all]);
        counts[state]++;
        fprintf(out, "%-12s %s\n", state_names[state], methods[all]);
    }
    fprintf(out, "total: %u/%u served", counts[PROVEN] + counts[REGISTERED] + counts[GENERIC], all);
    for (enum state state = 0; state < STATES; state++)
        fprintf(out, ", %u %s", counts[state], state_names[state]);
    fputc('\n', out);
}

bool
coverage_print(FILE *out, const char *client, GError **error)
{
    if (!client) {
        print_classes(out);
    } else if (g_str_equal(client, "xencenter")) {
        print_client(out, coverage_xencenter);
    } else if (g_str_equal(client, "xo")) {
        print_client(out, coverage_xo);
    } else {
        api_error_set(error, "INVALID_VALUE", "client", client, NULL);
        return false;
    }
    return true;
}
