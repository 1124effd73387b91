/* labexec: run a shell command in a lab dom0 over one TCP connection.
 *
 *   labexec -l PORT             server (in dom0): fork one child per connection
 *   labexec HOST:PORT COMMAND   client (on the host): stdin is passed through,
 *                               stdout and stderr come back apart, the exit
 *                               status is the command's (255: no connection
 *                               or a connection lost before the end)
 *
 * Client to server:  "LEN\n" COMMAND stdin...           (half-close ends stdin)
 * Server to client:  frames of 1 byte type, 4 bytes big-endian length, payload:
 *                    'o' stdout, 'e' stderr, 'x' exit status (1 byte payload),
 *                    'k' nothing: sent about each second, to find a client gone
 * A client that goes away has its command's process group killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int
put(int fd, const void *b, size_t n)
{
    const char *p = b;

    while (n) {
        ssize_t r = write(fd, p, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0 && errno == EAGAIN) {
            struct pollfd q = {fd, POLLOUT, 0};
            poll(&q, 1, -1);
            continue;
        }
        if (r <= 0)
            return -1;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

static int
get(int fd, void *b, size_t n)
{
    char *p = b;

    while (n) {
        ssize_t r = read(fd, p, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -1;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

static int
frame(int s, char type, const void *b, uint32_t n)
{
    unsigned char h[5] = {(unsigned char)type, n >> 24, n >> 16, n >> 8, n};

    return put(s, h, 5) || put(s, b, n);
}

static void
serve(int s)
{
    char len[16], *cmd, buf[65536];
    size_t i = 0, n;
    int in[2], out[2], err[2], st, gone = 0;
    pid_t pid;

    do {
        if (i == sizeof len - 1 || get(s, len + i, 1))
            _exit(1);
    } while (len[i++] != '\n');
    len[i] = 0;
    n = strtoul(len, NULL, 10);
    if (n > 1 << 24 || !(cmd = calloc(1, n + 1)) || get(s, cmd, n))
        _exit(1);
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
        _exit(1);
    pid = fork();
    if (pid < 0)
        _exit(1);
    if (!pid) {
        setsid();
        signal(SIGPIPE, SIG_DFL);
        signal(SIGCHLD, SIG_DFL);
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        execl("/bin/sh", "sh", "-c", cmd, (char *)0);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    struct pollfd p[4] = {{s, POLLIN, 0}, {out[0], POLLIN, 0}, {err[0], POLLIN, 0}, {-1, 0, 0}};
    int sawend = 0, ticks = 0;
    time_t last = time(NULL);

    /* Until both pipes close; a command that left a daemon holding them is
     * over half a second after the command itself ended. */
    while (p[1].fd >= 0 || p[2].fd >= 0) {
        if (poll(p, 4, sawend ? 100 : 200) < 0 && errno != EINTR)
            break;
        if (time(NULL) != last) {
            last = time(NULL);
            if (frame(s, 'k', "", 0))
                break;
        }
        if (!sawend) {
            if (waitpid(pid, &st, WNOHANG) == pid)
                sawend = 1;
        } else if (!(p[1].revents | p[2].revents) && ++ticks > 5) {
            break;
        }
        if (p[0].revents) {
            ssize_t r = read(s, buf, sizeof buf);

            if (r > 0) {
                if (in[1] >= 0 && put(in[1], buf, (size_t)r)) {
                    close(in[1]);
                    in[1] = -1;
                }
            } else {
                if (in[1] >= 0)
                    close(in[1]);
                in[1] = -1;
                if (r < 0)
                    gone = 1;
                p[0].fd = -1;
                /* stdin ended: from here a hang-up means gone */
                p[3].fd = s;
                p[3].events = 0;
            }
        }
        if (p[3].fd >= 0 && (p[3].revents & (POLLHUP | POLLERR)))
            gone = 1;
        if (gone)
            break;
        for (i = 1; i < 3; i++)
            if (p[i].fd >= 0 && p[i].revents) {
                ssize_t r = read(p[i].fd, buf, sizeof buf);

                if (r <= 0)
                    p[i].fd = -1;
                else if (frame(s, i == 1 ? 'o' : 'e', buf, (uint32_t)r))
                    gone = 1;
            }
    }
    if (gone || p[1].fd >= 0 || p[2].fd >= 0) {
        if (!sawend)
            kill(-pid, SIGKILL);
    }
    if (!sawend)
        waitpid(pid, &st, 0);
    unsigned char rc = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
    frame(s, 'x', &rc, 1);
    _exit(0);
}

static int
server(const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (l < 0 || bind(l, (void *)&a, sizeof a) || listen(l, 64)) {
        perror("labexec");
        return 1;
    }
    for (;;) {
        int s = accept4(l, NULL, NULL, SOCK_CLOEXEC);

        if (s < 0)
            continue;
        setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!fork()) {
            signal(SIGCHLD, SIG_DFL);
            close(l);
            serve(s);
        }
        close(s);
    }
}

int
main(int argc, char **argv)
{
    char host[64], len[24], buf[65536], *colon;
    struct sockaddr_in a = {.sin_family = AF_INET};
    int s, one = 1;

    if (argc == 3 && !strcmp(argv[1], "-l"))
        return server(argv[2]);
    if (argc != 3 || !(colon = strrchr(argv[1], ':')) || (size_t)(colon - argv[1]) >= sizeof host) {
        fprintf(stderr, "usage: labexec -l PORT | labexec HOST:PORT COMMAND\n");
        return 255;
    }
    memcpy(host, argv[1], (size_t)(colon - argv[1]));
    host[colon - argv[1]] = 0;
    a.sin_port = htons(atoi(colon + 1));
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
        return 255;
    s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || connect(s, (void *)&a, sizeof a))
        return 255;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    signal(SIGPIPE, SIG_IGN);
    snprintf(len, sizeof len, "%zu\n", strlen(argv[2]));
    if (put(s, len, strlen(len)) || put(s, argv[2], strlen(argv[2])))
        return 255;
    struct pollfd p[2] = {{s, POLLIN, 0}, {0, POLLIN, 0}};

    for (;;) {
        if (poll(p, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return 255;
        }
        if (p[1].fd >= 0 && p[1].revents) {
            ssize_t r = read(0, buf, sizeof buf);

            if (r <= 0 || put(s, buf, (size_t)r)) {
                shutdown(s, SHUT_WR);
                p[1].fd = -1;
            }
        }
        if (p[0].revents) {
            unsigned char h[5];
            uint32_t n;

            if (get(s, h, 5))
                return 255;
            n = (uint32_t)h[1] << 24 | h[2] << 16 | h[3] << 8 | h[4];
            if (n > sizeof buf || get(s, buf, n))
                return 255;
            if (h[0] == 'x')
                return (unsigned char)buf[0];
            if (h[0] != 'k')
                put(h[0] == 'e' ? 2 : 1, buf, n);
        }
    }
}
