#include "config.h"

#include "xapid/domains/consoles.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/member.h"
#include "xapid/domains/argument.h"
#include "xapid/domains/pictures.h"
#include "xapid/domains/terminals.h"

struct consoles {
    struct pool *pool; /* NULL: not yet */
    struct terminals *terminals;
    struct pictures *pictures;
};

enum kind { KIND_SCREEN, KIND_TEXT, KIND_PICTURE };

/* One who waits for the answer of a worker. */
struct viewer {
    struct consoles *consoles;
    GDBusMethodInvocation *invocation;
    char *uuid;
    enum kind kind;
};

static void
refuse(GDBusMethodInvocation *invocation, const GError *error)
{
    g_dbus_method_invocation_return_error_literal(invocation, G_IO_ERROR, G_IO_ERROR_FAILED,
                                                  error->message);
}

/* -1 with an error. */
static int
open_screen(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = -1;

    /* A QEMU that accepts nobody must not hold us up. */
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) < sizeof address.sun_path &&
        (fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) >= 0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    api_error_set(error, "INTERNAL_ERROR", "the guest's screen", g_strerror(errno), NULL);
    if (fd >= 0)
        close(fd);
    return -1;
}

static void
answer(GDBusMethodInvocation *invocation, int fd)
{
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);

    g_dbus_method_invocation_return_value_with_unix_fd_list(invocation, g_variant_new("(h)", 0),
                                                            fds);
}

/* The screen is its QEMU's if it has one, else its text console, shown as one. */
static int
open_console(struct consoles *consoles, const struct viewer *viewer, GVariant *where,
             GError **error)
{
    const char *screen = member_text(where, "screen"), *device = member_text(where, "text");
    bool text = viewer->kind == KIND_TEXT;
    int fd = !text && *screen
                 ? open_screen(screen, error)
                 : terminals_look(consoles->terminals, viewer->uuid, device, text, error);

    return fd >= 0 && viewer->kind == KIND_PICTURE ? pictures_take(consoles->pictures, fd, error)
                                                   : fd;
}

static void
found(bool lost, GVariant *failure, GPtrArray *parts, void *data)
{
    struct viewer *viewer = data;
    g_autoptr(GError) error = NULL;
    int fd = -1;

    if (lost)
        api_error_set(&error, "INTERNAL_ERROR", "xapid-domains", "the worker was lost", NULL);
    else if (g_variant_n_children(failure) > 0)
        error = api_error_from_variant(failure);
    else if (FAULT_POINT("console.open.before", &error))
        fd = open_console(viewer->consoles, viewer, parts->pdata[0], &error);
    if (fd >= 0 && !FAULT_POINT("console.open.after", &error)) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        answer(viewer->invocation, fd);
    else
        refuse(viewer->invocation, error);
    g_free(viewer->uuid);
    g_free(viewer);
}

static bool
kind_parse(const char *text, enum kind *ret_kind)
{
    static const char *const kinds[] = {
        [KIND_SCREEN] = "screen", [KIND_TEXT] = "text", [KIND_PICTURE] = "picture"};

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_str_equal(kinds[i], text)) {
            *ret_kind = (enum kind)i;
            return true;
        }
    }
    return false;
}

void
consoles_open(struct consoles *consoles, GDBusMethodInvocation *invocation, const char *uuid,
              const char *kind)
{
    g_autoptr(GError) error = NULL;
    enum kind number = KIND_SCREEN;

    if (!consoles->pool)
        api_error_set(&error, "INTERNAL_ERROR", "xapid-domains", "is starting", NULL);
    else if (!kind_parse(kind, &number))
        argument_refuse(&error, "kind", kind);
    else
        uuid_check(uuid, &error);
    if (error) {
        refuse(invocation, error);
        return;
    }
    struct viewer *viewer = g_new0(struct viewer, 1);
    *viewer = (struct viewer){consoles, invocation, g_strdup(uuid), number};
    pool_submit(consoles->pool, REQUEST_QUESTION, "consoles", uuid, "", NULL, found, viewer);
}

void
consoles_attend(struct consoles *consoles, struct pool *pool)
{
    consoles->pool = pool;
}

struct consoles *
consoles_new(const char *run_dir)
{
    struct consoles *consoles = g_new0(struct consoles, 1);

    consoles->terminals = terminals_new(run_dir);
    consoles->pictures = pictures_new(run_dir);
    return consoles;
}

void
consoles_free(struct consoles *consoles)
{
    if (!consoles)
        return;
    pictures_free(consoles->pictures);
    terminals_free(consoles->terminals);
    g_free(consoles);
}
