/* Stands for xapid, xapid-domains or xapid-host under xapid-launch in tests: writes what happens to
 * it to $XAPID_TEST_DIR/log, one line an event, and misbehaves when a file there tells it to. */
#include "config.h"

#include "lib/peer/peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX 32
#define LIFETIME_SECONDS 120 /* a test that went wrong leaves nothing behind */

static struct {
    const char *name, *dir;
    struct pollfd fds[FDS_MAX];
    char kind[FDS_MAX][32];
    int count;
} self;

static void G_GNUC_PRINTF(1, 2) note(const char *format, ...)
{
    g_autofree char *path = g_strdup_printf("%s/log", self.dir), *text = NULL, *line = NULL;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    line = g_strdup_printf("%.3f %s %d %s\n", (double)g_get_monotonic_time() / 1e6, self.name,
                           (int)getpid(), text);
    if (fd < 0 || write(fd, line, strlen(line)) < 0)
        exit(9);
    close(fd);
}

/* "deaf": does not end with xapid-launch; "stubborn": not by SIGTERM; "crash": at once; "slow": a
 * moment after it has let its control go. */
static bool
is_told(const char *manner)
{
    g_autofree char *path = g_strdup_printf("%s/%s.%s", self.dir, self.name, manner);

    return access(path, F_OK) == 0;
}

static void
terminated(int number)
{
    (void)number;
    if (is_told("stubborn"))
        return;
    if (is_told("slow")) {
        close(CONTROL_FD);
        g_usleep(G_USEC_PER_SEC / 2);
    }
    note("term");
    _exit(0);
}

static void
note_self(char **argv)
{
    g_autofree char *args = g_strjoinv(" ", argv + 1), *status = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GString) fds = g_string_new("fds");
    DIR *dir = opendir("/proc/self/fd");

    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir))
            g_string_append_printf(fds, " %s", e->d_name);
    closedir(dir);
    note("start");
    note("args %s", args);
    note("%s", fds->str);
    for (char **v = environ; *v; v++)
        note("env %s", *v);
    if (g_file_get_contents("/proc/self/status", &status, NULL, NULL)) {
        lines = g_strsplit(status, "\n", -1);
        for (char **l = lines; *l; l++)
            note("status %s", *l);
    }
}

static void
add(int fd, const char *kind)
{
    if (self.count == FDS_MAX)
        exit(8);
    g_strlcpy(self.kind[self.count], kind, sizeof self.kind[0]);
    self.fds[self.count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void
read_control(void)
{
    union {
        char buffer[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char name[32] = "", pid[32];
    struct iovec iov = {.iov_base = name, .iov_len = sizeof name - 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t n = recvmsg(CONTROL_FD, &msg, MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    int fd;

    if (n < 0)
        return;
    if (n == 0) {
        if (is_told("deaf")) {
            self.fds[0].fd = -1;
            return;
        }
        note("gone");
        exit(0);
    }
    if (!c)
        return;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    note("got %s", name);
    if (g_str_has_prefix(name, "peer ")) {
        snprintf(pid, sizeof pid, "%d", (int)getpid());
        if (send(fd, pid, strlen(pid), MSG_NOSIGNAL) < 0)
            note("peer is gone already");
    }
    add(fd, name);
}

static void
serve(int i)
{
    char text[64];
    ssize_t n;

    if (g_str_has_prefix(self.kind[i], "listen ")) {
        int fd = accept4(self.fds[i].fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            return;
        snprintf(text, sizeof text, "%s %d\n", self.kind[i], (int)getpid());
        (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
        close(fd);
        return;
    }
    n = recv(self.fds[i].fd, text, sizeof text - 1, MSG_DONTWAIT);
    if (n > 0) {
        text[n] = '\0';
        note("linked %s %s", self.kind[i], text);
        return;
    }
    note("unlinked %s", self.kind[i]);
    close(self.fds[i].fd);
    self.fds[i].fd = -1;
}

int
main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = terminated};

    (void)argc;
    self.name = strrchr(argv[0], '/') + 1;
    self.dir = g_getenv("XAPID_TEST_DIR");
    if (!self.dir)
        return 7;
    alarm(LIFETIME_SECONDS);
    sigaction(SIGTERM, &action, NULL);
    note_self(argv);
    if (is_told("crash"))
        return 3;
    add(CONTROL_FD, "control");
    if (send(CONTROL_FD, "ready", 5, MSG_NOSIGNAL) < 0)
        note("no launcher");
    for (;;) {
        if (poll(self.fds, (nfds_t)self.count, -1) < 0)
            continue;
        for (int i = self.count - 1; i > 0; i--)
            if (self.fds[i].revents)
                serve(i);
        if (self.fds[0].revents)
            read_control();
    }
}
