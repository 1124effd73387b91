/* Logins: the password is asked of xapid-host, the role of the subjects. */
#include "config.h"

#include <string.h>

#include "lib/log.h"
#include "xapid/calls/call.h"
#include "xapid/calls/login-turns.h"

/* The answer to a wrong password, or to one too many, waits, and nothing else does.  It comes so
 * long after the question, whatever the check took: when it comes tells nothing of who is known
 * here. */
#define WRONG_PASSWORD_SECONDS 5
#define NAME_MAX_LENGTH 256
#define PASSWORD_MAX_LENGTH 511 /* bytes; as xapid-host has it */

struct login {
    struct call *call;
    struct login_turn *turn; /* once it has come */
    gint64 came;             /* µs, monotonic */
    bool unchecked;          /* too many have come */
    char *user;
    char *originator;
};

static void
login_free(struct login *login)
{
    if (login->turn)
        login_turn_end(login->turn);
    g_free(login->user);
    g_free(login->originator);
    g_free(login);
}

static void
refuse_now(void *data)
{
    struct login *login = data;

    if (login->unchecked)
        call_fail_code(login->call, "TOO_BUSY", NULL);
    else
        call_fail_code(login->call, "SESSION_AUTHENTICATION_FAILED", login->user,
                       "Authentication failure", NULL);
    login_free(login);
}

/* Takes login.  The delay holds neither a thread nor a timer of its own. */
static void
refuse(struct login *login)
{
    login_turn_delay(login->turn, login->came + WRONG_PASSWORD_SECONDS * G_TIME_SPAN_SECOND,
                     refuse_now);
}

static bool
external_auth_enabled(struct api *api)
{
    g_autofree char *type = model_get_string(api->model, api->host, "external_auth_type");

    return g_str_equal(type, "PAM");
}

static void
password_checked(const struct hostd_auth *auth, void *data)
{
    struct login *login = data;
    struct api *api = login->call->api;
    struct session_identity identity = {
        .user = auth->user, .uid = auth->uid, .groups = auth->groups, .n_groups = auth->n_groups};

    login_turn_checked(login->turn, g_str_equal(auth->outcome, "denied"));
    if (g_str_equal(auth->outcome, "busy") || g_str_equal(auth->outcome, "error")) {
        call_fail_code(login->call, "SESSION_AUTHENTICATION_FAILED", login->user, auth->message,
                       NULL);
        login_free(login);
        return;
    }
    if (!g_str_equal(auth->outcome, "ok") || (auth->uid != 0 && !external_auth_enabled(api))) {
        log_info("login of %s refused: %s", login->user, auth->outcome);
        refuse(login);
        return;
    }
    g_autofree char *subject = NULL;
    identity.superuser = auth->uid == 0;
    if (!identity.superuser && session_subject_role(api->model, auth->uid, auth->groups,
                                                    auth->n_groups, &subject) == DM_ROLE_NONE) {
        call_fail_code(login->call, "SESSION_AUTHORIZATION_FAILED", login->user,
                       "The user has no role here", NULL);
        login_free(login);
        return;
    }
    identity.subject = subject;
    session_open(login->call, &identity, login->originator);
    login_free(login);
}

static void
check(struct login_turn *turn, bool refused, void *data)
{
    static const struct hostd_auth unchecked = {.outcome = "denied"};
    struct login *login = data;
    const char *user = call_string(login->call, 0), *password = call_string(login->call, 1);

    login->turn = turn;
    login->unchecked = refused;
    if (refused)
        refuse(login);
    else if (login->call->gone || !*user || !*password || strlen(user) > NAME_MAX_LENGTH ||
             strlen(password) > PASSWORD_MAX_LENGTH)
        password_checked(&unchecked, login);
    else
        hostd_authenticate(login->call->api->hostd, user, password, password_checked, login);
}

static void
login_with_password(struct call *call)
{
    const char *user = call_string(call, 0);
    const char *originator = call->message->n_params > 3 ? call_string(call, 3) : "";
    GError *error = NULL;

    if (call->origin.local_root) {
        const struct session_identity root = {.user = *user ? user : "root", .superuser = true};
        session_open(call, &root, originator);
        return;
    }
    if (!call_may_wait(call, &error)) {
        call_fail(call, error);
        return;
    }
    struct login *login = g_new0(struct login, 1);
    login->call = call;
    login->came = g_get_monotonic_time();
    login->user = g_strndup(user, NAME_MAX_LENGTH);
    login->originator = g_strndup(originator, NAME_MAX_LENGTH);
    if (login_turn_begin(call->api->logins, call->origin.address, check, login))
        return;
    call_fail_code(call, "TOO_BUSY", NULL);
    login_free(login);
}

static void
password_changed(const struct hostd_auth *auth, void *data)
{
    struct call *call = data;

    if (g_str_equal(auth->outcome, "ok"))
        call_return(call, NULL);
    else
        call_fail_code(call, "CHANGE_PASSWORD_REJECTED", auth->message, NULL);
}

static void
change_password(struct call *call)
{
    if (!call->caller.local_root) {
        call_fail_code(call, "USER_IS_NOT_LOCAL_SUPERUSER", "only root changes root's password",
                       NULL);
        return;
    }
    const char *password = call_string(call, 1);
    if (!*password || strlen(password) > PASSWORD_MAX_LENGTH) {
        call_fail_code(call, "CHANGE_PASSWORD_REJECTED", "empty or too long", NULL);
        return;
    }
    hostd_change_password(call->api->hostd, "root", password, password_changed, call);
}

const struct call_impl calls_login[] = {
    {"session.login_with_password", login_with_password},
    {"session.slave_local_login_with_password", login_with_password},
    {"session.change_password", change_password},
    {NULL, NULL},
};
