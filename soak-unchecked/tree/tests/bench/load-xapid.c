/* load-xapid SOCKET BODIES CLIENTS: calls of xapid; see load.h.
 *
 * BODIES is a file with the body of a call on each line.  The clients share the lines out among
 * them, and each goes through its own again and again. */
#include "config.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load.h"
#include "tests/bench/post.h"

struct caller {
    int fd;
    GPtrArray *requests;
};

static const char *socket_path;
static char **bodies;
static guint n_clients;

static void *
caller_open(guint client)
{
    struct caller *caller = g_new(struct caller, 1);
    guint n = g_strv_length(bodies);

    caller->fd = post_connect(socket_path);
    caller->requests = g_ptr_array_new();
    for (guint i = client % n; i < n; i += n_clients)
        g_ptr_array_add(caller->requests, post_request(bodies[i]));
    return caller;
}

static gsize
caller_call(void *connection, guint turn)
{
    struct caller *caller = connection;

    post_send(caller->fd, caller->requests->pdata[turn % caller->requests->len]);
    return post_receive(caller->fd, NULL);
}

int
main(int argc, char **argv)
{
    static const struct load load = {caller_open, caller_call};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    if (argc != 4)
        errx(2, "usage: load-xapid SOCKET BODIES CLIENTS");
    if (!g_file_get_contents(argv[2], &text, NULL, &error))
        errx(1, "%s", error->message);
    socket_path = argv[1];
    n_clients = (guint)strtoul(argv[3], NULL, 10);
    bodies = g_strsplit(g_strchomp(text), "\n", -1);
    return load_run(&load, n_clients);
}
