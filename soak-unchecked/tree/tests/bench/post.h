/* Calls of xapid at its unix socket, prepared beforehand: what is sent is bytes, and of a reply
 * only that it is one, and a success, is looked at. */
#ifndef XAPID_BENCH_POST_H
#define XAPID_BENCH_POST_H

#include <glib.h>

/* A connection, blocking.  Ends the program when there is none. */
int post_connect(const char *path);
/* The whole request around a body of XML.  The caller's. */
char *post_request(const char *body);
void post_send(int fd, const char *request);
/* Reads a whole reply; its body, without what HTTP puts between, is in `body` afterwards, if that
 * is not NULL.  Returns its length.  Ends the program when it is none, or not a success. */
gsize post_receive(int fd, GString *body);

#endif
