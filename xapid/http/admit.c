#include "config.h"

#include "xapid/http/admit.h"

#include <string.h>

#include "lib/error.h"

struct admission {
    struct api *api;
    struct http_request *request;
    const struct dm_http_action *action;
    admitted_fn admitted;
    admitted_hold_fn hold; /* in its place */
    void *data;
};

const struct dm_http_action *
admit_action(const char *name)
{
    for (unsigned i = 0; i < dm_n_http_actions; i++)
        if (g_str_equal(dm_http_actions[i].name, name))
            return &dm_http_actions[i];
    g_error("the data model has no HTTP action %s", name);
}

static void
refuse(struct http_request *request, unsigned status, const GError *error)
{
    g_autofree char *text = error ? g_strdup_printf("%s\n", error->message) : NULL;

    if (status == 401)
        http_reply_header(request, "WWW-Authenticate", "Basic realm=\"xapid\"");
    http_reply_error(request, status, text);
}

static void
let_in(const struct admission *admission, const struct caller *caller, char **held)
{
    if (admission->hold)
        admission->hold(admission->request, caller, held ? g_steal_pointer(held) : NULL,
                        admission->data);
    else
        admission->admitted(admission->request, caller, admission->data);
}

/* held: of a session that is the request's own, which `hold` may take; else NULL. */
static void
check_role(const struct admission *admission, const struct caller *caller, char **held)
{
    g_autofree char *permission = g_strconcat("http/", admission->action->name, NULL);
    g_autoptr(GError) error = NULL;

    if (rbac_check(caller, permission, admission->action->min_role, &error))
        let_in(admission, caller, held);
    else
        refuse(admission->request, 403, error);
}

static void
check_session(const struct admission *admission, const char *secret, char **held)
{
    struct caller caller = {0};
    g_autoptr(GError) error = NULL;

    if (!session_authenticate(admission->api, secret, &caller, &error)) {
        refuse(admission->request, 401, error);
        return;
    }
    check_role(admission, &caller, held);
    caller_clear(&caller);
}

/* ---- a user and password: a session of its own, which ends at once ---- */

/* A call of ours for who is at that address, with texts as parameters, up to NULL. */
static void
call_api(struct api *api, const char *address, const char *method, call_reply_fn reply, void *data,
         ...)
{
    const struct call_origin origin = {.address = address};
    struct rpc_request request = {.dialect = RPC_JSON2, .method = g_strdup(method)};
    GVariantBuilder params;
    const char *text;
    va_list ap;

    g_variant_builder_init(&params, G_VARIANT_TYPE("av"));
    va_start(ap, data);
    while ((text = va_arg(ap, const char *)))
        g_variant_builder_add(&params, "v", g_variant_new_string(text));
    va_end(ap);
    request.params = g_variant_ref_sink(g_variant_builder_end(&params));
    api_call(api, &request, &origin, reply, data);
    rpc_request_clear(&request);
}

static void
logged_out(const struct call_answer *answer, void *data)
{
    /* A session that stays ends when it has been idle. */
    (void)answer;
    (void)data;
}

static void
logged_in(const struct call_answer *answer, void *data)
{
    g_autofree struct admission *admission = data;

    if (answer->error) {
        refuse(admission->request, 401, answer->error);
        return;
    }
    g_autofree char *secret = g_variant_dup_string(answer->value, NULL);
    g_autofree char *held = g_strdup(secret);
    check_session(admission, secret, &held);
    if (held)
        admit_release(admission->api, held);
}

void
admit_release(struct api *api, const char *session)
{
    call_api(api, NULL, "session.logout", logged_out, NULL, session, NULL);
}

static void
decide(const struct admission *admission)
{
    struct http_request *request = admission->request;
    const char *secret = http_request_query(request, "session_id");
    g_autofree char *user = NULL;
    g_autofree char *password = NULL;

    if (!secret)
        secret = http_request_cookie(request, "session_id");
    if (secret) {
        check_session(admission, secret, NULL);
    } else if (http_request_basic_auth(request, &user, &password)) {
        call_api(admission->api, http_request_origin(request), "session.login_with_password",
                 logged_in, g_memdup2(admission, sizeof *admission), user, password, "", "http",
                 NULL);
        explicit_bzero(password, strlen(password));
    } else if (http_request_transport(request) == HTTP_UNIX &&
               http_request_peer_uid(request) == 0) {
        check_role(admission, &(struct caller){.local_root = true}, NULL);
    } else {
        refuse(request, 401, NULL);
    }
}

void
admit(struct api *api, struct http_request *request, const struct dm_http_action *action,
      admitted_fn admitted, void *data)
{
    decide(&(struct admission){
        .api = api, .request = request, .action = action, .admitted = admitted, .data = data});
}

void
admit_hold(struct api *api, struct http_request *request, const struct dm_http_action *action,
           admitted_hold_fn admitted, void *data)
{
    decide(&(struct admission){
        .api = api, .request = request, .action = action, .hold = admitted, .data = data});
}
