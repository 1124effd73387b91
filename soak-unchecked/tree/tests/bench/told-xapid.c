/* told-xapid SOCKET SESSION VM SUBSCRIBERS: clients that wait in event.from for changes of VMs,
 * while another one changes the description of one; see told.h. */
#include "config.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "tests/bench/load.h"
#include "tests/bench/post.h"
#include "tests/bench/told.h"

#define WAIT_SECONDS 600
#define DESCRIPTION "<name>name_description</name><value>change "
#define EVENTS 64

static const char *session, *vm;

static char *
from_request(const char *token)
{
    g_autofree char *body = g_strdup_printf(
        "<?xml version=\"1.0\"?><methodCall><methodName>event.from</methodName><params>"
        "<param><value>%s</value></param>"
        "<param><value><array><data><value>vm</value></data></array></value></param>"
        "<param><value>%s</value></param><param><value><double>%d.0</double></value></param>"
        "</params></methodCall>",
        session, token, *token ? WAIT_SECONDS : 0);

    return post_request(body);
}

static char *
change_request(guint number)
{
    g_autofree char *body = g_strdup_printf(
        "<?xml "
        "version=\"1.0\"?><methodCall><methodName>VM.set_name_description</methodName><params>"
        "<param><value>%s</value></param><param><value>%s</value></param>"
        "<param><value>change %u</value></param></params></methodCall>",
        session, vm, number);

    return post_request(body);
}

/* Takes the reply that has come, and waits again from its token.  Returns the newest change in it;
 * 0: it shows none. */
static guint
hear(int fd, GString *reply, gsize *bytes)
{
    static const char mark[] = "<name>token</name><value>";
    guint change = 0;

    *bytes += post_receive(fd, reply);
    const char *description = strstr(reply->str, DESCRIPTION);
    if (description)
        change = (guint)strtoul(description + strlen(DESCRIPTION), NULL, 10);
    char *token = strstr(reply->str, mark);
    if (!token)
        errx(1, "no token: %.200s", reply->str);
    token += strlen(mark);
    *strchr(token, '<') = '\0';
    g_autofree char *request = from_request(token);
    post_send(fd, request);
    return change;
}

static void
watch(int poll, int fd, guint number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};

    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0)
        err(1, "epoll");
}

/* Serves what has come within that time; the one who changes has the number after the last
 * subscriber.  True when its answer was there. */
static bool
serve(struct told *told, int poll, const int *fds, GString *reply, double seconds)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(poll, events, EVENTS, seconds > 0 ? (int)(seconds * 1000) + 1 : 0);
    bool answered = false;

    for (int i = 0; i < n; i++) {
        guint number = events[i].data.u32;
        if (number < told->n_subscribers) {
            guint change = hear(fds[number], reply, &told->bytes);
            told_know(told, number, change);
        } else {
            post_receive(fds[number], NULL);
            told_answer(told);
            answered = true;
        }
    }
    return answered;
}

int
main(int argc, char **argv)
{
    struct told told;
    guint changes, pause_ms;

    if (argc != 5)
        errx(2, "usage: told-xapid SOCKET SESSION VM SUBSCRIBERS");
    session = argv[2];
    vm = argv[3];
    told_init(&told, (guint)strtoul(argv[4], NULL, 10));
    g_autofree int *fds = g_new(int, told.n_subscribers + 1);
    g_autoptr(GString) reply = g_string_new(NULL);
    g_autofree char *first = from_request("");
    int poll = epoll_create1(EPOLL_CLOEXEC);
    gsize ignored = 0;
    for (guint i = 0; i <= told.n_subscribers; i++) {
        fds[i] = post_connect(argv[1]);
        watch(poll, fds[i], i);
        if (i == told.n_subscribers)
            continue;
        post_send(fds[i], first);
        hear(fds[i], reply, &ignored);
    }
    while (told_round(&changes, &pause_ms)) {
        for (guint i = 0; i < changes; i++) {
            double begin = load_now() + pause_ms / 1000.0;
            while (load_now() < begin)
                serve(&told, poll, fds, reply, begin - load_now());
            g_autofree char *request = change_request(told_send(&told));
            post_send(fds[told.n_subscribers], request);
            while (!serve(&told, poll, fds, reply, WAIT_SECONDS))
                ;
        }
        while (told.behind)
            serve(&told, poll, fds, reply, WAIT_SECONDS);
        told_report(&told);
    }
    return 0;
}
