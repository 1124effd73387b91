/* lib/passed-fd: what comes along a socket, and what of it is kept. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/passed-fd.h"

#define HELLO "hello"

struct bed {
    int ends[2]; /* of the socket */
    int pipe[2]; /* what is passed is its end for writing */
};

static void
set_up(struct bed *bed, gconstpointer data)
{
    (void)data;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, bed->ends), ==, 0);
    g_assert_cmpint(pipe2(bed->pipe, O_CLOEXEC | O_NONBLOCK), ==, 0);
}

static void
tear_down(struct bed *bed, gconstpointer data)
{
    (void)data;
    close(bed->ends[0]);
    close(bed->ends[1]);
    close(bed->pipe[0]);
}

/* Nobody else has the pipe's end for writing. */
static void
assert_all_closed(const struct bed *bed)
{
    char byte;

    g_assert_cmpint(read(bed->pipe[0], &byte, 1), ==, 0);
}

static void
test_one(struct bed *bed, gconstpointer data)
{
    char bytes[16];
    int fd;

    (void)data;
    g_assert_true(passed_fd_send(bed->ends[0], HELLO, strlen(HELLO), bed->pipe[1]));
    close(bed->pipe[1]);
    g_assert_cmpint(passed_fd_receive(bed->ends[1], bytes, sizeof bytes, &fd), ==, strlen(HELLO));
    g_assert_cmpmem(bytes, strlen(HELLO), HELLO, strlen(HELLO));
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    close(fd);
    assert_all_closed(bed);
}

static void
send_many(const struct bed *bed, size_t count)
{
    union {
        char room[CMSG_SPACE(16 * sizeof(int))];
        struct cmsghdr header;
    } ancillary = {0};
    struct iovec part = {.iov_base = (void *)HELLO, .iov_len = strlen(HELLO)};
    const struct msghdr message = {.msg_iov = &part,
                                   .msg_iovlen = 1,
                                   .msg_control = &ancillary,
                                   .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int *fds = (int *)CMSG_DATA(header);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        fds[i] = bed->pipe[1];
    g_assert_cmpint(sendmsg(bed->ends[0], &message, MSG_NOSIGNAL), >, 0);
}

/* Of several, one stays, however many a stranger sends. */
static void
test_many(struct bed *bed, gconstpointer data)
{
    static const size_t counts[] = {2, 4, 5, 16};
    char bytes[16];
    int fd;

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        send_many(bed, counts[i]);
        g_assert_cmpint(passed_fd_receive(bed->ends[1], bytes, sizeof bytes, &fd), ==,
                        strlen(HELLO));
        g_assert_cmpint(fd, >=, 0);
        close(fd);
    }
    close(bed->pipe[1]);
    assert_all_closed(bed);
}

static void
test_none(struct bed *bed, gconstpointer data)
{
    char bytes[16];
    int fd = 0;

    (void)data;
    close(bed->pipe[1]);
    g_assert_cmpint(passed_fd_receive(bed->ends[1], bytes, sizeof bytes, &fd), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    g_assert_cmpint(fd, ==, -1);
    g_assert_cmpint(send(bed->ends[0], HELLO, strlen(HELLO), 0), ==, strlen(HELLO));
    g_assert_cmpint(passed_fd_receive(bed->ends[1], bytes, 2, &fd), ==, 2); /* the rest is lost */
    g_assert_cmpint(fd, ==, -1);
    shutdown(bed->ends[0], SHUT_RDWR);
    g_assert_cmpint(passed_fd_receive(bed->ends[1], bytes, sizeof bytes, &fd), ==, 0);
    g_assert_false(passed_fd_send(bed->ends[1], HELLO, strlen(HELLO), bed->pipe[0]));
    g_assert_cmpint(errno, ==, EPIPE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/passed-fd/one", struct bed, NULL, set_up, test_one, tear_down);
    g_test_add("/passed-fd/many", struct bed, NULL, set_up, test_many, tear_down);
    g_test_add("/passed-fd/none", struct bed, NULL, set_up, test_none, tear_down);
    return g_test_run();
}
