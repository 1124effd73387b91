#include "config.h"

#include "xapid/domains/question.h"

#include <gio/gunixfdlist.h>
#include <stdbool.h>

#include "lib/error.h"
#include "lib/log.h"
#include "lib/peer/bulk.h"

struct question {
    const char *verb;
    GVariant *(*value)(GPtrArray *parts);
    struct pool *pool; /* NULL: not yet */
    bool asked;        /* is with a worker, for `answering` */
    GQueue waiting;    /* GDBusMethodInvocation, came since it was asked */
    char *uuid;        /* what they ask about */
    GQueue answering;
};

static void question_ask(struct question *question);

static void
question_fail(struct question *question, const GError *failure)
{
    GDBusMethodInvocation *invocation;

    log_warning("%s: %s", question->verb, failure->message);
    while ((invocation = g_queue_pop_head(&question->answering)))
        g_dbus_method_invocation_return_error_literal(invocation, G_IO_ERROR, G_IO_ERROR_FAILED,
                                                      failure->message);
}

/* With a value behind a descriptor. */
static void
bulk_answer(struct question *question, GVariant *value)
{
    GDBusMethodInvocation *invocation;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) handle = bulk_pack(value, &fds, &error);

    if (!handle) {
        question_fail(question, error);
        return;
    }
    g_variant_ref_sink(handle);
    while ((invocation = g_queue_pop_head(&question->answering)))
        g_dbus_method_invocation_return_value_with_unix_fd_list(
            invocation, g_variant_new_tuple(&handle, 1), fds);
}

static void
question_answered(bool lost, GVariant *error, GPtrArray *parts, void *data)
{
    struct question *question = data;
    GDBusMethodInvocation *invocation;
    g_autoptr(GError) failure = NULL;

    question->asked = false;
    if (lost)
        api_error_set(&failure, "INTERNAL_ERROR", "xapid-domains", "the worker was lost", NULL);
    else if (g_variant_n_children(error) > 0)
        failure = api_error_from_variant(error);
    if (failure) {
        question_fail(question, failure);
    } else if (question->value) {
        bulk_answer(question, question->value(parts));
    } else {
        while ((invocation = g_queue_pop_head(&question->answering)))
            g_dbus_method_invocation_return_value(
                invocation, g_variant_new_tuple((GVariant **)&parts->pdata[0], 1));
    }
    question_ask(question);
}

static void
question_ask(struct question *question)
{
    GDBusMethodInvocation *invocation;

    if (!question->pool || question->asked || g_queue_is_empty(&question->waiting))
        return;
    while ((invocation = g_queue_pop_head(&question->waiting)))
        g_queue_push_tail(&question->answering, invocation);
    question->asked = true;
    pool_submit(question->pool, REQUEST_QUESTION, question->verb, question->uuid, "", NULL,
                question_answered, question);
}

void
question_add(struct question *question, GDBusMethodInvocation *invocation, const char *uuid)
{
    bool other = !g_queue_is_empty(&question->waiting) && !g_str_equal(question->uuid, uuid);

    g_free(question->uuid);
    question->uuid = g_strdup(other ? "" : uuid);
    g_queue_push_tail(&question->waiting, invocation);
    question_ask(question);
}

void
question_open(struct question *question, struct pool *pool)
{
    question->pool = pool;
    question_ask(question);
}

struct question *
question_new(const char *verb, GVariant *(*value)(GPtrArray *parts))
{
    struct question *question = g_new0(struct question, 1);

    question->verb = verb;
    question->value = value;
    g_queue_init(&question->waiting);
    g_queue_init(&question->answering);
    return question;
}

void
question_free(struct question *question)
{
    g_queue_clear_full(&question->waiting, g_object_unref);
    g_queue_clear_full(&question->answering, g_object_unref);
    g_free(question->uuid);
    g_free(question);
}
