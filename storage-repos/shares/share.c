#include "config.h"

#include "storage-repos/shares/share.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/faults.h"
#include "lib/log.h"
#include "storage-repos/common/mount.h"
#include "storage-repos/common/tool.h"

#define NAME_LENGTH_MAX 1024 /* bytes */

void
share_clear(struct share *share)
{
    g_clear_pointer(&share->source, g_free);
    g_clear_pointer(&share->options, g_free);
    g_clear_pointer(&share->login, g_free);
}

void
share_add_options(struct share *share, const char *options)
{
    g_autofree char *old = share->options;

    share->options = g_strconcat(old, options, NULL);
}

/* ---- names ---- */

static bool
is_made_of(const char *name, const char *more)
{
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr(more, *c))
            return false;
    return *name && strlen(name) <= NAME_LENGTH_MAX;
}

bool
share_server_is_valid(const char *server)
{
    return is_made_of(server, strchr(server, ':') ? ":." : "-.") && *server != '-';
}

bool
share_path_is_valid(const char *path)
{
    return is_made_of(path, "/._-+=@:~%$ ") && !strstr(path, "..");
}

/* ---- mounting ---- */

/* In memory, and gone with the last who has it open; -1 with errno. */
static int
login_file(const char *text)
{
    int fd = memfd_create("xapid-login", MFD_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) == (ssize_t)strlen(text))
        return fd;
    close(fd);
    return -1;
}

static bool
run_tool(const struct share *share, const char *path, char **ret_words)
{
    int login = share->login ? login_file(share->login) : -1;
    g_autofree char *options =
        share->login ? g_strdup_printf("%s,credentials=/proc/self/fd/%d", share->options, login)
                     : g_strdup(share->options);
    const char *const argv[] = {share->tool, share->source, path, "-o", options, NULL};

    if (share->login && login < 0) {
        *ret_words = g_strdup(g_strerror(errno));
        return false;
    }
    bool ok = tool_run(login, argv, ret_words);
    if (login >= 0)
        close(login);
    return ok;
}

/* A server's link would lead to a file of this host. */
static bool
follow_no_link(const char *path)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSYMFOLLOW};

    return mount_setattr(AT_FDCWD, path, 0, &attributes, sizeof attributes) == 0;
}

bool
share_mount(const struct share *share, const char *path, GError **error)
{
    g_autofree char *words = NULL;

    if (!mount_is_there(path) &&
        !(mount_make_folder(path, error) &&
          FAULT_AROUND("share.mount", error, run_tool(share, path, &words)))) {
        if (error && !*error)
            driver_fail(error, share->failure, "%s: %s", share->source, words);
        return false;
    }
    /* Also of one that a broken call has mounted. */
    if (FAULT_AROUND("share.links", error, follow_no_link(path)))
        return true;
    if (error && !*error)
        driver_fail(error, share->failure, "%s: %s", share->source, g_strerror(errno));
    return false;
}

int
share_open_aside(const struct share *share, const char *path, GError **error)
{
    if (!mount_go_aside(error) || !share_mount(share, path, error))
        return -1;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", share->source, g_strerror(errno));
    return folder;
}

/* ---- the end ---- */

/* Asks the server, whatever the kernel remembers of it; soft, so this ends. */
static bool
answers(const char *path)
{
    struct statvfs figures;

    return statvfs(path, &figures) == 0;
}

bool
share_detach(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = mount_path(args);
    g_autoptr(GError) failed = NULL;

    (void)result;
    if (mount_end(path, &failed))
        return true;
    if (!mount_is_there(path) || answers(path)) {
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
    }
    log_warning("%s is taken away from who has files of it open, for its server is gone", path);
    return mount_leave(path, error);
}
