/* Looks local users and groups up, in a child of xapid-host. */
#include "config.h"

#include "xapid/host/accounts.h"

#include "lib/text.h"
#include "xapid/host/child.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUPS_FIRST_GUESS 64

bool
account_name_is_valid(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length > ACCOUNT_NAME_MAX || strchr("-.@+$", name[0]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!g_ascii_isalnum(name[i]) && !strchr("_.@+-", name[i]) &&
            !(name[i] == '$' && i == length - 1))
            return false;
    return true;
}

GVariant *
account_groups(const char *name, guint32 gid)
{
    int count = GROUPS_FIRST_GUESS;
    g_autofree gid_t *groups = g_new(gid_t, (gsize)count);

    if (getgrouplist(name, gid, groups, &count) < 0) {
        if (count > ACCOUNT_GROUPS_MAX)
            return NULL;
        groups = g_renew(gid_t, groups, (gsize)count);
        if (getgrouplist(name, gid, groups, &count) < 0)
            return NULL;
    }
    G_STATIC_ASSERT(sizeof(gid_t) == sizeof(guint32));
    return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, groups, (gsize)count, sizeof(gid_t));
}

static GVariant *
nobody(void)
{
    return g_variant_new("(bssus@au)", FALSE, "", "", 0, "",
                         g_variant_new_array(G_VARIANT_TYPE_UINT32, NULL, 0));
}

static GVariant *
user_answer(const struct passwd *pw)
{
    GVariant *groups;
    g_auto(GStrv) gecos = NULL;
    g_autofree char *full_name = NULL;

    if (!pw || !text_is_valid(pw->pw_name, -1))
        return nobody();
    groups = account_groups(pw->pw_name, pw->pw_gid);
    if (!groups)
        return nobody();
    gecos = g_strsplit(pw->pw_gecos ? pw->pw_gecos : "", ",", 2);
    full_name = text_clean(gecos[0] ? gecos[0] : "", -1);
    return g_variant_new("(bssus@au)", TRUE, "user", pw->pw_name, (guint32)pw->pw_uid, full_name,
                         groups);
}

static GVariant *
group_answer(const struct group *gr)
{
    if (!gr || !text_is_valid(gr->gr_name, -1))
        return nobody();
    return g_variant_new("(bssus@au)", TRUE, "group", gr->gr_name, (guint32)gr->gr_gid, "",
                         g_variant_new_array(G_VARIANT_TYPE_UINT32, NULL, 0));
}

/* what: "name", or "user" or "group" with a number. */
static GVariant *
look_up(const char *what, const char *key)
{
    guint64 id = 0;

    if (g_str_equal(what, "name")) {
        const struct passwd *pw;

        if (!account_name_is_valid(key))
            return nobody();
        pw = getpwnam(key);
        return pw ? user_answer(pw) : group_answer(getgrnam(key));
    }
    /* The highest one means "no id" to the system. */
    if (!g_ascii_string_to_unsigned(key, 10, 0, G_MAXUINT32 - 1, &id, NULL))
        return nobody();
    if (g_str_equal(what, "user"))
        return user_answer(getpwuid((uid_t)id));
    return group_answer(getgrgid((gid_t)id));
}

void
account_lookup_child(void)
{
    char buffer[CHILD_REQUEST_MAX];
    const char *fields[2];
    int fd = child_begin();

    if (!child_read(buffer, fields, G_N_ELEMENTS(fields)))
        _exit(EXIT_FAILURE);
    child_answer(fd, look_up(fields[0], fields[1]));
    _exit(EXIT_SUCCESS);
}
