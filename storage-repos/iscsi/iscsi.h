/* Targets of iSCSI, for the drivers that find their disks there; open-iscsi speaks to them.
 *
 * A session with a target is shared by all that use it.  One that was there before is left as it
 * is; one that a driver began ends with its last user.  Who uses it is noted in SESSIONS: a folder
 * a target, with `ours` when a driver began its session, and a file for each repository that is
 * attached.  A call that needs it for its own length holds a lock on that folder. */
#ifndef STORAGE_REPOS_ISCSI_ISCSI_H
#define STORAGE_REPOS_ISCSI_ISCSI_H

#include <glib.h>
#include <stdbool.h>

#include "storage-repos/common/driver.h"

#define SESSIONS "/run/xapid/iscsi" /* root's alone */

/* --- target.c: device_config --- */

#define CHAP_LENGTH_MAX 255 /* characters, of a user's name or a password */

struct target {
    char *iqn;    /* "": which one is not said */
    char *portal; /* address:port, as open-iscsi has it */
    char *address;
    unsigned port;
    /* Borrowed; "": none.  The first two say who we are, the others who the target has to be. */
    const char *user, *password, *in_user, *in_password;
};

typedef struct target target_t;
void target_clear(struct target *target);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(target_t, target_clear)

/* Asks for the address of a name.  SR_BACKEND_FAILURE_95 (no name of a server), _140 (nobody knows
 * that name), _142 (port), _106 (IQN), _91 (user or password). */
bool target_read(GVariant *args, target_t *ret_target, GError **error);
/* Only that: device_config's targetIQN, which must be there (SR_BACKEND_FAILURE_96) and be one.
 * Borrowed; NULL with an error. */
const char *target_iqn(GVariant *args, GError **error);

/* --- session.c --- */

/* What a process holds while it uses a session. */
struct session_hold {
    int fd;
    bool was_there; /* the repository used it before */
};

/* There is a session, begun if need be, which this process uses until session_leave () or its end,
 * and `sr`, unless that is NULL, until session_forget (), or not when this fails and it did not
 * before.  SR_BACKEND_FAILURE_68 when the target cannot be logged in to, or does not answer any
 * more, _71 when iscsid does not run. */
bool session_enter(const struct target *target, const char *sr, struct session_hold *ret_hold,
                   GError **error);
/* The process that entered does not use it any more (closes what it holds), or `sr`, wherever it
 * is.  Who was the last ends the session, if a driver had begun it. */
bool session_leave(const struct target *target, const struct session_hold *hold, GError **error);
bool session_forget(const char *sr, GError **error);
/* The disks that come by the sessions with a target: the caller's.  Waits, within bounds, until
 * `id` is among them (NULL: any), unless there is no session. */
GPtrArray *session_disks(const char *iqn, const char *id);

/* --- discovery.c: what there is, as clients of the XenAPI read it --- */

/* Always false: with SR_BACKEND_FAILURE_96 and the targets at that portal, or _141 when it does not
 * answer. */
bool tell_targets(const struct target *target, GError **error);
/* Always false: with SR_BACKEND_FAILURE_107 and the disks. */
bool tell_disks(GPtrArray *disks, GError **error);

/* --- tool.c --- */

/* open-iscsi reads its settings from a file, among them passwords, which so are in nobody's list of
 * processes: from now on, for this process and what it runs, that file says what is needed for
 * `target`, behind what the administrator wrote. */
bool iscsi_configure(const struct target *target, GError **error);
/* Runs iscsiadm with these words, up to NULL.  What it printed is the caller's; NULL with
 * SR_BACKEND_FAILURE_71 or `number`. */
char *iscsi_ask(const char *const *words, enum driver_failure number, GError **error);

#endif
