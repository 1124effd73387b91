/* The server at the other end: one HTTP session, one XenAPI session, calls that wait for their
 * answer.  Every failure to reach it is in CONNECTION_ERROR, with a message for the user. */
#ifndef XAPID_XTOOL_SERVER_H
#define XAPID_XTOOL_SERVER_H

#include <gio/gio.h>
#include <stdbool.h>

#include "lib/datamodel/datamodel.h"
#include "xtool/args.h"

#define SERVER_SOCKET "/var/lib/xcp/xapi"
#define SERVER_CONNECT_SECONDS 20       /* until connection and TLS stand */
#define SERVER_REPLY_MAX (1024UL << 20) /* bytes of one reply */

/* A call takes as long as the daemon takes for it; that the host at the other end is gone shows
 * after 30 + 3 * 10 seconds. */
#define SERVER_PROBE_AFTER_SECONDS 30
#define SERVER_PROBE_EVERY_SECONDS 10
#define SERVER_PROBES 3

#define CONNECTION_ERROR (connection_error_quark())
GQuark connection_error_quark(void);

#define REFUSED_ERROR (refused_error_quark()) /* an HTTP action said no; the message is its own */
GQuark refused_error_quark(void);

#define INTERRUPT_ERROR (interrupt_error_quark()) /* the user pressed Ctrl-C */
GQuark interrupt_error_quark(void);

struct server;

/* Connects as the arguments say (server=, port=, username=, password=, passwordfile=, nossl,
 * fingerprint=, trust), asks on the terminal for a password that is missing, and logs in.  local:
 * a local session, which needs no database of the pool.  A server that is a path is a unix socket.
 */
struct server *server_open(struct args *args, bool local, GError **error);
/* Logs out and frees; NULL is fine. */
void server_close(struct server *server);
typedef struct server server_owned;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(server_owned, server_close)

/* Calls with the session before `params` (n of them, borrowed).  The result, a full reference; or
 * the API's error. */
GVariant *server_call(struct server *server, const struct dm_message *message,
                      GVariant *const *params, unsigned n, GError **error);

/* The same without waiting for what it does: a reference of a task. */
GVariant *server_begin(struct server *server, const struct dm_message *message,
                       GVariant *const *params, unsigned n, GError **error);

/* From now on the terminal shows of each call that takes longer than a second how far it is, and
 * for which of several objects it is. */
void server_show_progress(struct server *server);
void server_show_part(struct server *server, unsigned part, unsigned parts);

/* An HTTP action, with the session: the body of its answer into a stream; a body (borrowed) to it.
 */
bool server_get(struct server *server, const char *path, GOutputStream *to, GError **error);
bool server_put(struct server *server, const char *path, GBytes *body, GError **error);

/* The same for what is long: who looks on (moved may be NULL) is told a few times a second how many
 * bytes there were, of `whole` (0: not known); a body is a file of `length` bytes. */
typedef void (*server_moved_fn)(goffset done, goffset whole, void *data);
bool server_download(struct server *server, const char *path, GOutputStream *to,
                     server_moved_fn moved, void *data, GError **error);
bool server_upload(struct server *server, const char *path, GFileInputStream *from, goffset length,
                   server_moved_fn moved, void *data, GError **error);

/* Is it this host's, by its socket? */
bool server_is_here(const struct server *server);

/* From the login on, Ctrl-C ends the call that waits, and those that follow, with INTERRUPT_ERROR;
 * pressed once more, it ends the process.  True when it was pressed, until server_resume (). */
bool server_interrupted(const struct server *server);
/* After Ctrl-C calls work again: to look after what was interrupted, and to log out;
 * of these no progress is shown. */
void server_resume(struct server *server);
/* What this session began and is not finished: an array of references (as), or NULL. */
GVariant *server_tasks(struct server *server, GError **error);
/* The host at the other end: its reference. */
GVariant *server_host(struct server *server, GError **error);

#endif
