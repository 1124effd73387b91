#include "config.h"

#include "tests/unit/bridges.h"

const char *
bridge_ensured(const struct bridge *bridge)
{
    g_autoptr(GError) error = NULL;
    const char *outcome = NULL;

    bridge_ensure(bridge, &outcome, &error);
    g_assert_no_error(error);
    return outcome;
}

bool
bridge_removed(const char *name)
{
    g_autoptr(GError) error = NULL;
    bool gone = false;

    bridge_remove(name, &gone, &error);
    g_assert_no_error(error);
    return gone;
}

struct link
link_found(const char *name)
{
    struct link link;

    g_assert_cmpint(link_find(name, &link), ==, 0);
    return link;
}
