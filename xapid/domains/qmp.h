/* A client of a QEMU's monitor (QMP) on its unix socket, one command at a time.  Calls block, each
 * for no longer than QMP_SECONDS without a word.  What QEMU says is not trusted: a guest may have
 * got hold of it.  Errors are API_ERRORs.  Any thread, one at a time for each connection. */
#ifndef XAPID_DOMAINS_QMP_H
#define XAPID_DOMAINS_QMP_H

#include <glib.h>
#include <stdbool.h>
#include <yajl/yajl_tree.h>

#define QMP_SECONDS 20
#define QMP_MESSAGE_MAX (4 * 1024 * 1024) /* bytes */
#define QMP_EVENTS_MAX 1000               /* told before an answer */

struct qmp;

/* NULL with INTERNAL_ERROR when nobody listens there. */
struct qmp *qmp_open(const char *path, GError **error);
void qmp_close(struct qmp *monitor);
typedef struct qmp qmp;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qmp, qmp_close)

/* arguments: a JSON object, or NULL.  The message with the answer, which is its "return": to be
 * freed by yajl_tree_free ().  NULL with INTERNAL_ERROR. */
yajl_val qmp_run(struct qmp *monitor, const char *command, const char *arguments, GError **error);

#endif
