/* Descriptors that go from one program to another along a unix socket, each with a few bytes that
 * tell what it is.
 *
 * Any thread; safe between fork and exec. */
#ifndef XAPID_PASSED_FD_H
#define XAPID_PASSED_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Sends `length` > 0 bytes and a descriptor, which stays the caller's, in one message; waits for
 * nothing.  False with errno, EPIPE and ECONNRESET for a hang-up. */
bool passed_fd_send(int socket, const void *bytes, size_t length, int fd);

/* Receives one message of at most `size` bytes, and the descriptor that came with it, close-on-exec
 * and the caller's (-1: none; those beyond the first are closed); waits for nothing.  Returns the
 * number of bytes, 0 at a hang-up, -1 with errno. */
ssize_t passed_fd_receive(int socket, void *bytes, size_t size, int *ret_fd);
/* The same, but waits for the message. */
ssize_t passed_fd_await(int socket, void *bytes, size_t size, int *ret_fd);

#endif
