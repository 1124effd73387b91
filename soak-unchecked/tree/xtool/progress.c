/* The line of a call that takes its time; see progress.h.  A question about it that fails means
 * only that no percent is shown: the call itself tells what is wrong. */
#include "config.h"

#include "xtool/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "lib/wire/jsonrpc.h"
#include "xtool/print.h"

#define BAR_MIN 8 /* columns between its ends */
#define BAR_MAX 30
#define BAR_ENDS 4      /* "  [" and "]" */
#define CUT "..."       /* where a name is too long */
#define WIPE "\r\033[K" /* what every terminal takes: to the line's beginning, and clear it */

struct progress {
    SoupSession *http;
    GVariant *session; /* NULL: nobody to ask */
    progress_request_fn request;
    void *data;
    unsigned part, parts;
};

/* One call that waits for its answer. */
struct wait {
    struct progress *progress;
    gint64 began;
    char *name; /* the message's, later the task's */
    double fraction;
    bool drawn;
    GAsyncResult *sent; /* NULL: no answer yet */

    bool asking; /* a question is under way */
    GCancellable *questions;
    GVariant *tasks; /* of the session, as references; NULL: not known */
    gsize task;      /* the one of them that is, or may be, the call's */
};

struct question {
    struct wait *wait;
    const struct dm_message *message;
    SoupMessage *request;
    void (*answered)(struct wait *wait, GVariant *result); /* NULL: it failed */
    char reply[PROGRESS_REPLY_MAX];
};

struct progress *
progress_new(SoupSession *http, GVariant *session, progress_request_fn request, void *data)
{
    struct progress *progress = g_new0(struct progress, 1);

    progress->http = http;
    progress->session = session ? g_variant_ref(session) : NULL;
    progress->request = request;
    progress->data = data;
    return progress;
}

void
progress_free(struct progress *progress)
{
    if (!progress)
        return;
    g_clear_pointer(&progress->session, g_variant_unref);
    g_free(progress);
}

void
progress_part(struct progress *progress, unsigned part, unsigned parts)
{
    progress->part = part;
    progress->parts = parts;
}

/* ---- the line ---- */

/* As much of a text as fits into `width` columns. */
static char *
cut(const char *text, unsigned width)
{
    const char *end = text, *next;
    unsigned used = 0, more;

    if (text_width(text) <= width)
        return g_strdup(text);
    if (width <= strlen(CUT))
        return g_strndup(CUT, width);
    for (; *end; end = next, used += more) {
        next = g_utf8_next_char(end);
        g_autofree char *letter = g_strndup(end, (gsize)(next - end));
        more = text_width(letter);
        if (used + more > width - strlen(CUT))
            break;
    }
    g_autofree char *begin = g_strndup(text, (gsize)(end - text));
    return g_strconcat(begin, CUT, NULL);
}

char *
progress_line(const char *name, double fraction, unsigned seconds, unsigned width)
{
    bool known = fraction >= 0; /* and a number */
    g_autofree char *percent =
        known ? g_strdup_printf("%3u%%  ", (unsigned)(MIN(fraction, 1.0) * 100)) : g_strdup("");
    g_autofree char *end = g_strdup_printf("  %s%u s", percent, seconds);
    unsigned after = (unsigned)strlen(end), left = width > after ? width - after : 0;
    g_autofree char *printable = text_printable(name);
    g_autofree char *begin = cut(printable, left);
    g_autoptr(GString) line = g_string_new(begin);

    left -= MIN(left, text_width(begin));
    if (known && left >= BAR_MIN + BAR_ENDS) {
        unsigned bar = MIN(left - BAR_ENDS, BAR_MAX);
        unsigned done = (unsigned)(MIN(fraction, 1.0) * bar);
        g_string_append(line, "  [");
        for (unsigned i = 0; i < bar; i++)
            g_string_append_c(line, i < done ? '#' : '.');
        g_string_append_c(line, ']');
    }
    g_string_append(line, end);
    return cut(line->str, width);
}

/* In the background the terminal is another's to write on. */
static bool
in_front(void)
{
    pid_t front = tcgetpgrp(STDERR_FILENO);

    return front < 0 || front == getpgrp();
}

void
progress_draw(const char *name, double fraction, gint64 began)
{
    unsigned seconds = (unsigned)((g_get_monotonic_time() - began) / G_USEC_PER_SEC);
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col;

    if (!in_front())
        return;
    /* In the last column some terminals go on to the next line. */
    g_autofree char *line =
        progress_line(name, fraction, seconds, (known ? size.ws_col : PROGRESS_WIDTH) - 1U);
    g_autofree char *text = g_strconcat(WIPE, line, NULL);
    fputs(text, stderr);
}

void
progress_wipe(void)
{
    if (in_front())
        fputs(WIPE, stderr);
}

static void
draw(struct wait *wait)
{
    const struct progress *progress = wait->progress;
    g_autofree char *part =
        progress->parts > 1 ? g_strdup_printf("%u of %u: ", progress->part, progress->parts) : NULL;
    g_autofree char *name = g_strconcat(part ? part : "", wait->name, NULL);

    progress_draw(name, wait->fraction, wait->began);
    wait->drawn = true;
}

/* ---- the questions ---- */

/* Ends a question.  result is taken; NULL: it failed. */
static void
question_end(struct question *question, GVariant *result)
{
    struct wait *wait = question->wait;

    wait->asking = false;
    if (!g_cancellable_is_cancelled(wait->questions))
        question->answered(wait, result);
    g_clear_pointer(&result, g_variant_unref);
    g_object_unref(question->request);
    g_free(question);
}

static void
question_read(GObject *source, GAsyncResult *done, void *data)
{
    struct question *question = data;
    GVariant *result = NULL;
    gsize length = 0;

    if (g_input_stream_read_all_finish(G_INPUT_STREAM(source), done, &length, NULL) &&
        length < sizeof question->reply)
        result = jsonrpc_reply_parse(question->message->result, question->reply, length, NULL);
    question_end(question, result);
}

static void
question_sent(GObject *source, GAsyncResult *done, void *data)
{
    struct question *question = data;
    g_autoptr(GInputStream) stream = soup_session_send_finish(SOUP_SESSION(source), done, NULL);

    if (stream && soup_message_get_status(question->request) == SOUP_STATUS_OK)
        g_input_stream_read_all_async(stream, question->reply, sizeof question->reply,
                                      G_PRIORITY_DEFAULT, question->wait->questions, question_read,
                                      question);
    else
        question_end(question, NULL);
}

static void
ask(struct wait *wait, const char *method, GVariant *self,
    void (*answered)(struct wait *wait, GVariant *result))
{
    const struct progress *progress = wait->progress;
    const struct dm_message *message = dm_method_find(method);
    SoupMessage *request = progress->request(progress->data, message, self);

    if (!request)
        return;
    struct question *question = g_new(struct question, 1);
    question->wait = wait;
    question->message = message;
    question->request = request;
    question->answered = answered;
    wait->asking = true;
    soup_session_send_async(progress->http, request, G_PRIORITY_DEFAULT, wait->questions,
                            question_sent, question);
}

static void ask_task(struct wait *wait);

/* Another task than the one that goes on is left by a call before. */
static void
on_task(struct wait *wait, GVariant *record)
{
    const char *status = "", *name = "";

    if (record && g_variant_lookup(record, "status", "&s", &status) &&
        g_variant_lookup(record, "name_label", "&s", &name) && g_str_equal(status, "pending") &&
        g_variant_lookup(record, "progress", "d", &wait->fraction)) {
        g_free(wait->name);
        wait->name = g_strdup(name);
        draw(wait);
        return;
    }
    wait->task++;
    ask_task(wait);
}

static void
ask_task(struct wait *wait)
{
    if (wait->task >= MIN(g_variant_n_children(wait->tasks), PROGRESS_TASKS_MAX)) {
        g_clear_pointer(&wait->tasks, g_variant_unref); /* it may come yet */
        return;
    }
    g_autoptr(GVariant) task = g_variant_get_child_value(wait->tasks, wait->task);
    ask(wait, "task.get_record", task, on_task);
}

static void
on_tasks(struct wait *wait, GVariant *tasks)
{
    if (!tasks)
        return;
    wait->tasks = g_variant_ref(tasks);
    wait->task = 0;
    ask_task(wait);
}

/* ---- one call ---- */

static gboolean
tick(void *data)
{
    struct wait *wait = data;

    draw(wait);
    if (wait->asking || !wait->progress->session)
        return G_SOURCE_CONTINUE;
    if (wait->tasks)
        ask_task(wait);
    else
        ask(wait, "session.get_tasks", wait->progress->session, on_tasks);
    return G_SOURCE_CONTINUE;
}

static void
on_sent(GObject *source, GAsyncResult *done, void *data)
{
    struct wait *wait = data;

    (void)source;
    wait->sent = g_object_ref(done);
}

GInputStream *
progress_send(struct progress *progress, SoupMessage *request, const char *name,
              GCancellable *interrupt, GError **error)
{
    struct wait wait = {.progress = progress,
                        .began = g_get_monotonic_time(),
                        .name = g_strdup(name),
                        .fraction = PROGRESS_UNKNOWN,
                        .questions = g_cancellable_new()};
    guint ticks = g_timeout_add(PROGRESS_AFTER_MS, tick, &wait);

    soup_session_send_async(progress->http, request, G_PRIORITY_DEFAULT, interrupt, on_sent, &wait);
    while (!wait.sent)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(ticks);
    if (wait.drawn)
        progress_wipe();
    g_cancellable_cancel(wait.questions);
    while (wait.asking)
        g_main_context_iteration(NULL, TRUE);
    GInputStream *stream = soup_session_send_finish(progress->http, wait.sent, error);
    g_object_unref(wait.sent);
    g_object_unref(wait.questions);
    g_clear_pointer(&wait.tasks, g_variant_unref);
    g_free(wait.name);
    return stream;
}
