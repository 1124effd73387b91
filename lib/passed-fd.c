/* Descriptors along a unix socket; see passed-fd.h. */
#include "config.h"

#include "lib/passed-fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVED_MAX 4 /* in one message; the kernel closes what is beyond */

/* Room for the header, aligned as one. */
union ancillary {
    char room[CMSG_SPACE(RECEIVED_MAX * sizeof(int))];
    struct cmsghdr header;
};

bool
passed_fd_send(int socket, const void *bytes, size_t length, int fd)
{
    union ancillary ancillary = {0};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    const struct msghdr message = {.msg_iov = &part,
                                   .msg_iovlen = 1,
                                   .msg_control = &ancillary,
                                   .msg_controllen = CMSG_SPACE(sizeof fd)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    ssize_t n;

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    do
        n = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n >= 0;
}

static ssize_t
receive(int socket, void *bytes, size_t size, int flags, int *ret_fd)
{
    union ancillary ancillary;
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &ancillary,
                             .msg_controllen = sizeof ancillary};
    ssize_t n;

    *ret_fd = -1;
    do
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        int fds[RECEIVED_MAX];
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof *fds;

        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        memcpy(fds, CMSG_DATA(header), count * sizeof *fds);
        for (size_t i = 0; i < count; i++)
            if (*ret_fd < 0)
                *ret_fd = fds[i];
            else
                close(fds[i]);
    }
    return n;
}

ssize_t
passed_fd_receive(int socket, void *bytes, size_t size, int *ret_fd)
{
    return receive(socket, bytes, size, MSG_DONTWAIT, ret_fd);
}

ssize_t
passed_fd_await(int socket, void *bytes, size_t size, int *ret_fd)
{
    return receive(socket, bytes, size, 0, ret_fd);
}
