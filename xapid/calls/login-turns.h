/* Whose password is checked next.  A check costs a process and the time to hash, so that clients
 * who try passwords could keep all others out: an address that gave a wrong one is a suspect for a
 * while, suspects are checked one at a time, each address in its turn, and only so many of their
 * logins wait.  Who has given no wrong password has his own checked at once beside them.  Main loop
 * only. */
#ifndef XAPID_CALLS_LOGIN_TURNS_H
#define XAPID_CALLS_LOGIN_TURNS_H

#include <glib.h>
#include <stdbool.h>

#define LOGIN_CHECKS_MAX 32            /* passwords checked at once; xapid-host takes more */
#define LOGIN_SUSPECT_CHECKS_MAX 1     /* those of suspects among them */
#define LOGIN_SUSPECT_SECONDS 60       /* after the last wrong password */
#define LOGIN_PENDING_MAX 4000         /* logins without an answer, */
#define LOGIN_SUSPECT_PENDING_MAX 1000 /* with so many no more of suspects are checked, */
#define LOGIN_ADDRESS_PENDING_MAX 100  /* nor of a suspect that has so many itself */
#define LOGIN_ADDRESSES_MAX                                                                        \
    10000 /* known; beyond, those of which nothing is pending are forgotten */

struct login_turns;
struct login_turn;

struct login_turns *login_turns_new(void);
/* None may be pending. */
void login_turns_free(struct login_turns *turns);

/* Its turn has come, or, refused, never will: it is answered unchecked. */
typedef void (*login_turn_fn)(struct login_turn *turn, bool refused, void *data);
/* A login from this address (copied) has come; check () is called once, perhaps before this
 * returns. False, and no call, when too many are pending. */
bool login_turn_begin(struct login_turns *turns, const char *address, login_turn_fn check,
                      void *data);
/* It has been checked: another one may be.  Once, unless it was refused. */
void login_turn_checked(struct login_turn *turn, bool wrong);
/* Has it answered at that time (µs, monotonic) by answer (), which gets check ()'s data and ends
 * it. However many wait, the main loop has one timer for them. */
void login_turn_delay(struct login_turn *turn, gint64 due, void (*answer)(void *data));
/* It has been answered; frees the turn. */
void login_turn_end(struct login_turn *turn);

#endif
