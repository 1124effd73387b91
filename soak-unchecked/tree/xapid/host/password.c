/* Asks PAM about one password, in a child of xapid-host made for this alone. */
#include "config.h"

#include "xapid/host/password.h"

#include "lib/faults.h"
#include "lib/text.h"
#include "xapid/host/accounts.h"
#include "xapid/host/child.h"

#include <pwd.h>
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static GVariant *
refusal(const char *outcome, const char *message)
{
    g_autofree char *clean = text_clean(message, -1);

    return g_variant_new("(sssu@au)", outcome, clean, "", 0,
                         g_variant_new_array(G_VARIANT_TYPE_UINT32, NULL, 0));
}

/* The password answers every hidden question; a visible one is not for a machine. */
static int
converse(int count, const struct pam_message **messages, struct pam_response **ret_responses,
         void *data)
{
    const char *password = data;
    struct pam_response *responses;

    if (count <= 0 || count > PAM_MAX_NUM_MSG)
        return PAM_CONV_ERR;
    /* PAM frees these with free (). */
    responses = calloc((size_t)count, sizeof *responses);
    if (!responses)
        return PAM_BUF_ERR;
    for (int i = 0; i < count; i++) {
        if (messages[i]->msg_style == PAM_TEXT_INFO || messages[i]->msg_style == PAM_ERROR_MSG)
            continue;
        if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
            responses[i].resp = strdup(password);
        if (!responses[i].resp) {
            for (int j = 0; j < i; j++)
                if (responses[j].resp) {
                    explicit_bzero(responses[j].resp, strlen(responses[j].resp));
                    free(responses[j].resp);
                }
            free(responses);
            return PAM_CONV_ERR;
        }
    }
    *ret_responses = responses;
    return PAM_SUCCESS;
}

/* xapid delays the answer to a wrong password itself; a child that slept would hold one of the few
 * places. */
static void
no_delay(int status, unsigned microseconds, void *data)
{
    (void)status;
    (void)microseconds;
    (void)data;
}

static const char *
outcome_of(int status)
{
    switch (status) {
    case PAM_AUTH_ERR:
    case PAM_USER_UNKNOWN:
    case PAM_MAXTRIES:
    case PAM_PERM_DENIED:
    case PAM_CRED_INSUFFICIENT:
    case PAM_AUTHTOK_ERR: /* a new password that the system's rules refuse */
        return "denied";
    case PAM_ACCT_EXPIRED:
    case PAM_NEW_AUTHTOK_REQD:
    case PAM_AUTHTOK_EXPIRED:
    case PAM_CRED_EXPIRED:
        return "expired";
    default:
        return "error";
    }
}

/* The account that PAM let in. */
static GVariant *
accepted(pam_handle_t *pam)
{
    const void *item = NULL;
    const struct passwd *pw;
    GVariant *groups = NULL;

    if (pam_get_item(pam, PAM_USER, &item) != PAM_SUCCESS || !item)
        return refusal("error", "PAM did not say who the user is");
    pw = getpwnam(item);
    if (pw && text_is_valid(pw->pw_name, -1))
        groups = account_groups(pw->pw_name, pw->pw_gid);
    if (!groups)
        return refusal("error", "the user has no system account");
    return g_variant_new("(sssu@au)", "ok", "", pw->pw_name, (guint32)pw->pw_uid, groups);
}

static GVariant *
ask_pam(const char *service, const char *user, const char *password, bool change)
{
    const struct pam_conv conversation = {.conv = converse, .appdata_ptr = (void *)password};
    const int flags = PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK;
    pam_handle_t *pam = NULL;
    GVariant *answer;
    int status = pam_start(service, user, &conversation, &pam);

    if (status != PAM_SUCCESS)
        return refusal("error", "PAM cannot be started");
    pam_set_item(pam, PAM_FAIL_DELAY, (const void *)no_delay);
    if (change) {
        status = pam_chauthtok(pam, PAM_SILENT);
    } else {
        status = pam_authenticate(pam, flags);
        if (status == PAM_SUCCESS)
            status = pam_acct_mgmt(pam, flags);
    }
    answer = status == PAM_SUCCESS ? accepted(pam)
                                   : refusal(outcome_of(status), pam_strerror(pam, status));
    pam_end(pam, status);
    return answer;
}

void
password_child(bool change)
{
    char buffer[CHILD_REQUEST_MAX];
    const char *fields[3];
    int fd = child_begin();
    GVariant *answer;

    if (!faults_init(NULL) || !child_read(buffer, fields, G_N_ELEMENTS(fields)))
        _exit(EXIT_FAILURE);
    /* The parent has seen to this; a second look costs nothing. */
    if (!account_name_is_valid(fields[1]) || !*fields[2] || strlen(fields[2]) > PASSWORD_MAX)
        answer = refusal("denied", "");
    else if (change && !FAULT_POINT("host.change-password.before", NULL))
        answer = refusal("error", "fault injected");
    else if (!change && !FAULT_POINT("host.authenticate.before", NULL))
        answer = refusal("error", "fault injected");
    else
        answer = ask_pam(fields[0], fields[1], fields[2], change);
    explicit_bzero(buffer, sizeof buffer);
    child_answer(fd, answer);
    _exit(EXIT_SUCCESS);
}
