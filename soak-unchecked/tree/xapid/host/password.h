/* Passwords and PAM: the children --authenticate and --change-password of xapid-host. */
#ifndef XAPID_HOST_PASSWORD_H
#define XAPID_HOST_PASSWORD_H

#include <glib.h>
#include <stdbool.h>

#define PASSWORD_MAX 511 /* bytes: PAM's own limit of an answer */

/* outcome, message, user, uid, groups: as the signal Authenticated has them */
#define PASSWORD_ANSWER_TYPE "(sssuau)"

/* Reads service, user and password from standard input, asks PAM, answers and exits. */
G_NORETURN void password_child(bool change);

#endif
