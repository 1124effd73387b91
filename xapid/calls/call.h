/* A call of the API: from a parsed request to its answer.
 *
 * dispatch.c checks what the data model says (session, number and types of parameters, role, that
 * the references exist), then runs the generic implementation or the one that a class file
 * registered.  An implementation answers by exactly one call_return () or call_fail (), now or
 * later; the answer leaves when everything it can show is durable.
 *
 * Main loop only. */
#ifndef XAPID_CALLS_CALL_H
#define XAPID_CALLS_CALL_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/settings.h"
#include "lib/wire/value.h"
#include "xapid/calls/hostd.h"
#include "xapid/model/model.h"
#include "xapid/ops/ops.h"
#include "xapid/vm/vm.h"

struct call;
struct events;
struct login_turns;
struct exchange;
struct rows;
struct safe_change;
struct texts;

/* What the transport knows of the other end. */
struct call_origin {
    bool local_root;     /* the unix socket, peer uid 0: no password needed */
    const char *address; /* who is counted as one; borrowed, good until api_call () returns */
    /* At which it has arrived, as long; NULL: at a unix socket, or from this machine. */
    const char *local_address;
};

/* What the calls need of the process; filled once by main. */
struct api {
    struct model *model;
    struct ops *ops;
    struct vm_world *vm;
    struct storage_world *storage;
    struct hostd *hostd;
    struct events *events;
    struct login_turns *logins;
    const struct settings_limits *limits;
    const char *host; /* references of this host's and the pool's rows */
    const char *pool;
    const char *certificate;     /* PEM of what we show to clients over TLS, without its key */
    const char *address;         /* of the host, unless its management PIF is ours */
    char *managed_address;       /* of that; NULL without one */
    struct safe_change *change;  /* NULL: none is kept */
    guint plugging;              /* PIFs that are; uplinks.c */
    bool networks_wait;          /* for that */
    GPtrArray *networks_waiting; /* who waits for networks; uplinks.c */
    GHashTable *impls;           /* full name -> const struct call_impl */
    guint parked;                /* calls without an answer yet */
    guint64 calls;
    gsize rows_held; /* bytes of rows in answers that clients are still taking: see rows.h */
    struct texts *texts;
    void (*shutdown)(void *data); /* ends the process; xapid-launch starts it again */
    void *shutdown_data;
};

/* The caller, as the session says. */
struct caller {
    char *session; /* reference of the session's row; NULL: the message takes no session */
    enum dm_role role;
    bool local_root; /* local superuser: no role check */
    bool pool;       /* pool session */
};

struct call {
    struct api *api;
    const struct dm_message *message;
    struct caller caller;
    struct call_origin origin;
    GVariant **args; /* message->n_params values; optional ones have their default */
    char *task;      /* reference of its task, or NULL */
    bool gone;       /* the client hung up */
    void (*on_gone)(struct call *call); /* set by a call that waits */
    void *waiting;                      /* what on_gone needs */
    struct exchange *exchange;          /* NULL: asynchronous, the result goes into the task */
};

/* What a call answers: exactly one of error, (type, value) and rows.  Borrowed, but rows is the
 * receiver's to free. */
struct call_answer {
    const GError *error;
    const struct dm_type *type;
    GVariant *value;
    bool bare;         /* the value alone (system.listMethods) */
    struct rows *rows; /* many records or events, to be encoded in pieces */
};
typedef void (*call_reply_fn)(const struct call_answer *answer, void *data);

typedef void (*call_fn)(struct call *call);

struct call_impl {
    const char *name; /* "VM.start" */
    call_fn run;
};

/* --- dispatch.c: what the data model asks before a message runs --- */

void api_init(struct api *api);
/* Registers a table that ends with name == NULL; a name that the data model does not have, or a
 * second implementation, aborts. */
void api_register(struct api *api, const struct call_impl *impls);

/* Gives the parameters of a large request their types ahead of api_call (), in any thread; an error
 * is kept until its turn comes. */
void api_convert(struct rpc_request *request);
/* Runs a request.  reply is called exactly once, perhaps before this returns: then the result is
 * NULL, else what call_gone () takes until reply is called. */
struct exchange *api_call(struct api *api, const struct rpc_request *request,
                          const struct call_origin *origin, call_reply_fn reply, void *reply_data);

/* --- call.c --- */

/* The client hung up; reply is still called. */
void call_gone(struct exchange *exchange);

/* Answers; value (of the message's result type) is sunk when floating, NULL for void. */
void call_return(struct call *call, GVariant *value);
void call_return_string(struct call *call, const char *value);
void call_return_ref(struct call *call, const char *ref);
void call_return_bool(struct call *call, bool value);
/* Answers with the records or events of rows (taken); false: no, but with TOO_BUSY.  For messages
 * without an asynchronous form. */
bool call_return_rows(struct call *call, struct rows *rows);
/* Takes the error. */
void call_fail(struct call *call, GError *error);
void call_fail_code(struct call *call, const char *code, ...) G_GNUC_NULL_TERMINATED;
/* Commits txn and answers, or fails with what the commit said. */
void call_commit(struct call *call, struct txn *txn, GVariant *value);
/* model_begin, or fails the call and returns NULL. */
struct txn *call_begin(struct call *call);
/* Gives up txn and fails the call with error (taken). */
void call_abort(struct call *call, struct txn *txn, GError *error);
/* The call's effect is a plan: task, journal, current_operations and what else the caller writes in
 * one commit, answered (with what the operation's finish calls its value) when the operation has
 * ended.  call_begin_plan: TOO_BUSY, or what call_begin fails with.  call_submit takes txn and
 * plan.
 */
struct txn *call_begin_plan(struct call *call);
void call_submit(struct call *call, struct txn *txn, struct plan *plan);
/* Both at once; plan NULL: fails the call with error (taken). */
void call_run_plan(struct call *call, struct plan *plan, GError *error);

const char *call_string(const struct call *call, unsigned arg);
gint64 call_int(const struct call *call, unsigned arg);
bool call_bool(const struct call *call, unsigned arg);
double call_double(const struct call *call, unsigned arg);
#define call_ref call_string

/* Is there such a row (a reference among the parameters may be null), and does this parameter name
 * this host?  Else the call has failed: HANDLE_INVALID. */
bool call_has_row(struct call *call, const struct dm_class *cls, const char *ref);
bool call_is_here(struct call *call, unsigned arg);

/* To be asked before a call waits for more than the store: TOO_BUSY when too many wait already.
 * Calls that are answered at once are always taken. */
bool call_may_wait(const struct call *call, GError **error);

/* A new pending task of the caller within txn; borrowed until that ends.  NULL with an error. */
const char *call_new_task(struct call *call, struct txn *txn, const char *label,
                          const char *description, GError **error);
/* The task of a call that is going to take a while, made within txn when there is none yet;
 * NULL with an error. */
const char *call_task(struct call *call, struct txn *txn, GError **error);

/* --- task.c --- */

/* The caller's own, or a role that may touch any. */
bool task_may_touch(struct api *api, const struct caller *caller, const char *task, GError **error);

/* --- system.c --- */

/* Answers system.listMethods and system.isAlive; false: the method is another one. */
bool system_call(const struct rpc_request *request, call_reply_fn reply, void *reply_data);

/* --- rbac.c --- */

/* RBAC_PERMISSION_DENIED [permission, message] unless the caller may. */
bool rbac_check(const struct caller *caller, const char *permission, enum dm_role needed,
                GError **error);
/* Role of the row `ref` of class role when it is one of the real roles; DM_ROLE_NONE otherwise. */
enum dm_role rbac_role_of(const struct model *model, const char *ref);
/* Names of every permission that a role has, and of itself ("as", floating); none for root, who
 * needs none. */
GVariant *rbac_permissions(enum dm_role role);

/* --- session.c --- */

/* The caller behind a session reference as the client sent it; SESSION_INVALID [ref]. */
bool session_authenticate(struct api *api, const char *secret, struct caller *ret_caller,
                          GError **error);
void caller_clear(struct caller *caller);
/* The row's reference of a session's secret reference; the caller frees. */
char *session_public_ref(const char *secret);
/* The role that subjects give to a user with these groups; DM_ROLE_NONE when none does.
 * ret_subject (may be NULL): the user's own subject row or that of a group; the caller frees. */
enum dm_role session_subject_role(const struct model *model, guint32 uid, const guint32 *groups,
                                  gsize n_groups, char **ret_subject);
struct session_identity {
    const char *user;
    bool superuser;
    bool pool;
    guint32 uid;
    const guint32 *groups;
    gsize n_groups;
    const char *subject; /* or NULL */
};
/* Makes a session and answers the call with its secret. */
void session_open(struct call *call, const struct session_identity *identity,
                  const char *originator);
/* The role behind a session's row, as its subject's roles are now. */
enum dm_role session_role(struct api *api, const char *session);
/* At start-up: sessions count as used now, for last_active is not kept on disk. */
void session_begin_all(struct api *api, gint64 now_usec);
/* Ends sessions that were idle too long and own no open task. */
void session_collect(struct api *api, gint64 now_usec);

/* --- event.c --- */

struct events *events_new(struct api *api);
void events_free(struct events *events);
/* A session has ended: its waiting calls fail with SESSION_INVALID. */
void events_session_ended(struct events *events, const char *session);

/* --- generic.c --- */

/* Runs any message whose kind is not DM_CUSTOM. */
void generic_run(struct call *call);
/* Custom messages that only write a field of their class: set_F, add_to_F, add_F, remove_from_F,
 * remove_F, with F taken from the message's name. */
void generic_write_field(struct call *call);
/* What of a client's record makes a new row: clients send whole records back, of which the
 * server's own fields are left out. a{sv}, floating. */
GVariant *generic_constructor(const struct dm_class *cls, GVariant *record);
/* May the caller have the keys in maps of a new row that he brings otherwise than by a call?
 * `permission` and `least` are those of what he does. */
bool generic_may_have_keys(const struct caller *caller, const char *permission, enum dm_role least,
                           const struct dm_class *cls, GVariant *fields, GError **error);
/* The maps of a new row: each key asks for its own role and, where it does something, has a value
 * that it can have. */
bool generic_check_maps(struct call *call, GVariant *fields, GError **error);
/* The same, and that no field without a default is missing: INVALID_VALUE [field, "missing"]. */
bool generic_check_new(struct call *call, GVariant *fields, GError **error);

/* --- vif-lock.c --- */

/* Answers a call that gives the card which it names another value (taken) of a field: with the
 * guest that has it, or in its row alone. */
void vif_change(struct call *call, const char *field, GVariant *value);

/* --- network.c --- */

/* The cards on it that guests have (borrowed; the caller frees the array); NULL with an error while
 * one comes or goes. */
GPtrArray *network_attached_cards(const struct model *model, const char *network, GError **error);
/* Has a bridge of ours removed, with what leads it out; nobody waits for that. */
void network_remove_bridge(struct api *api, const char *bridge);

/* --- pif.c --- */

/* Puts a PIF's interface into its network's bridge, and answers the call with value (sunk, or NULL)
 * when the row says so.  When it cannot be, the call fails, and rows that were made for it go. */
void pif_plug(struct call *call, const char *pif, GVariant *value, bool is_new);
/* What a call fails with for what became of a PIF's bridge; NULL: it is plugged. */
GError *pif_outcome_error(const char *pif, const char *bridge, const GError *error,
                          const char *outcome);
/* Is no guest on its network, nor about to be?  VIF_IN_USE [network, VIF]. */
bool pif_has_no_cards(const struct model *model, const char *pif, GError **error);
/* Answers a call that ends a VLAN, by the PIF that stands for it. */
void pif_remove_vlan(struct call *call, const char *pif);

/* --- uplinks.c --- */

/* When xapid-host is there, and now and then: the rows of PIFs get what it tells of interfaces, and
 * this host's networks become what the model has. */
void uplinks_look(struct api *api);
/* At start-up, once the rows are there. */
void uplinks_begin(struct api *api);
/* This host's networks become what the model has; then done is told the outcome of one of them (""
 * of none), as org.xapid.Host1.xml has it, or an error. */
typedef void (*uplinks_done_fn)(const GError *error, const char *outcome, void *data);
void uplinks_apply(struct api *api, const char *network, uplinks_done_fn done, void *data);
/* Around the plugging of a PIF, until its row says what is. */
void uplinks_hold(struct api *api);
void uplinks_release(struct api *api);
/* This machine's addresses become what the rows say; done (may be NULL) is told when that is so. */
typedef void (*uplinks_addressed_fn)(const GError *error, void *data);
void uplinks_apply_addresses(struct api *api, uplinks_addressed_fn done, void *data);

/* --- the class files: one table each, ending with name == NULL --- */

extern const struct call_impl calls_addresses[], calls_appliance[], calls_auth[], calls_bond[],
    calls_evacuate[], calls_event[], calls_external_auth[], calls_host[], calls_licence[],
    calls_login[], calls_message[], calls_network[], calls_pbd[], calls_pif[], calls_plugins[],
    calls_pool[], calls_recovery[], calls_role[], calls_session[], calls_sr[], calls_subject[],
    calls_task[], calls_vbd[], calls_vdi[], calls_vif[], calls_vif_lock[], calls_vlan[], calls_vm[],
    calls_vm_lifecycle[], calls_vm_memory[], calls_vm_resources[], calls_vm_settings[];

#endif
