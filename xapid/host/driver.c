#include "config.h"

#include "xapid/host/driver.h"

#include <gio/gio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/wire/jsonrpc.h"
#include "xapid/host/answer.h"

#define CHUNK 65536
#define NAME_LENGTH_MAX 32
#define DRIVER_MEMORY_MAX ((rlim_t)4 << 30) /* bytes of address space */
#define DRIVER_FILES_MAX 256

struct driver_run {
    char *name, *call;
    GSubprocess *process;
    GByteArray *answer;
    GBytes *request; /* what is left to be written */
    char *buffer;    /* CHUNK bytes */
    const char *why; /* we ended it */
    bool cancelled;
    guint timer;
    unsigned open; /* of: reading, writing, waiting */
    driver_moved_fn moved;
    driver_done_fn done;
    void *data;
};

/* ---- names ---- */

bool
driver_name_is_valid(const char *name)
{
    gsize length = strlen(name);

    return length <= NAME_LENGTH_MAX && g_ascii_isalpha(*name) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
               length;
}

/* The folder and its programs are ours alone to change. */
static bool
is_ours(const char *path, mode_t type)
{
    struct stat status;

    return lstat(path, &status) == 0 && (status.st_mode & S_IFMT) == type &&
           status.st_uid == geteuid() && !(status.st_mode & (S_IWGRP | S_IWOTH)) &&
           access(path, X_OK) == 0;
}

static char *
driver_path(const char *folder, const char *name)
{
    g_autofree char *path =
        driver_name_is_valid(name) ? g_build_filename(folder, name, NULL) : NULL;

    return path && is_ours(folder, S_IFDIR) && is_ours(path, S_IFREG) ? g_steal_pointer(&path)
                                                                      : NULL;
}

static int
compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **
driver_list(const char *folder)
{
    GPtrArray *names = g_ptr_array_new();
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = driver_path(folder, name);
        if (path)
            g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, compare);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

/* ---- the end ---- */

static GVariant *
judge(const struct driver_run *run, GError **error)
{
    g_autofree char *text = NULL;

    if (run->cancelled) {
        api_error_set(error, "TASK_CANCELLED", "", NULL);
        return NULL;
    }
    if (!run->why && g_subprocess_get_successful(run->process))
        return answer_parse((const char *)run->answer->data, run->answer->len, error);
    text = g_strdup_printf("the driver %s did not answer %s: %s", run->name, run->call,
                           run->why ? run->why : "it ended abnormally");
    api_error_set(error, "SR_BACKEND_FAILURE", "", text, "", NULL);
    return NULL;
}

/* One of the three is over. */
static void
run_close(struct driver_run *run)
{
    g_autoptr(GError) error = NULL;

    if (--run->open > 0)
        return;
    g_autoptr(GVariant) result = judge(run, &error);
    if (error)
        log_info("%s of %s: %s", run->call, run->name, error->message);
    run->done(result, error, run->data);
    g_clear_handle_id(&run->timer, g_source_remove);
    g_clear_object(&run->process);
    g_byte_array_unref(run->answer);
    g_bytes_unref(run->request);
    g_free(run->buffer);
    g_free(run->name);
    g_free(run->call);
    g_free(run);
}

static void
end(struct driver_run *run, const char *why)
{
    const char *pid = g_subprocess_get_identifier(run->process);

    run->why = why;
    /* With what it may have started, which shares its session. */
    if (pid)
        kill(-(pid_t)atoi(pid), SIGKILL);
    g_subprocess_force_exit(run->process);
}

void
driver_run_kill(struct driver_run *run)
{
    run->cancelled = true;
    end(run, "cancelled");
}

static gboolean
late(gpointer data)
{
    struct driver_run *run = data;

    run->timer = 0;
    end(run, "no answer in time");
    return G_SOURCE_REMOVE;
}

static void
ended(GObject *source, GAsyncResult *result, gpointer data)
{
    struct driver_run *run = data;

    g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL);
    if (!FAULT_POINT("host.driver.after", NULL))
        run->why = "a fault";
    g_clear_handle_id(&run->timer, g_source_remove);
    run_close(run);
}

/* ---- in and out ---- */

static void read_more(struct driver_run *run);

/* Lines in front of the answer tell how far it is. */
static void
take_progress(struct driver_run *run)
{
    static const char begin[] = "{\"progress\":";
    const gsize length = sizeof begin - 1;
    const guint8 *end;

    while (run->answer->len > length && memcmp(run->answer->data, begin, length) == 0 &&
           (end = memchr(run->answer->data, '\n', run->answer->len))) {
        gsize line = (gsize)(end - run->answer->data);
        g_autofree char *text = g_strndup((const char *)run->answer->data + length, line - length);
        double fraction = g_ascii_strtod(text, NULL);
        g_byte_array_remove_range(run->answer, 0, (guint)line + 1);
        if (run->moved && fraction >= 0 && fraction <= 1)
            run->moved(fraction, run->data);
    }
}

static void
was_read(GObject *source, GAsyncResult *result, gpointer data)
{
    struct driver_run *run = data;
    gssize length = g_input_stream_read_finish(G_INPUT_STREAM(source), result, NULL);

    if (length <= 0) {
        run_close(run);
        return;
    }
    if (run->answer->len + (gsize)length > DRIVER_ANSWER_MAX)
        end(run, "its answer is too long");
    else
        g_byte_array_append(run->answer, (const guint8 *)run->buffer, (guint)length);
    take_progress(run);
    read_more(run);
}

static void
read_more(struct driver_run *run)
{
    g_input_stream_read_async(g_subprocess_get_stdout_pipe(run->process), run->buffer, CHUNK,
                              G_PRIORITY_DEFAULT, NULL, was_read, run);
}

static void
was_written(GObject *source, GAsyncResult *result, gpointer data)
{
    struct driver_run *run = data;

    /* A driver may answer without having read all of its call. */
    g_output_stream_write_all_finish(G_OUTPUT_STREAM(source), result, NULL, NULL);
    g_output_stream_close(G_OUTPUT_STREAM(source), NULL, NULL);
    run_close(run);
}

/* ---- the start ---- */

static void
limit(int resource, rlim_t value)
{
    const struct rlimit both = {value, value};

    setrlimit((__rlimit_resource_t)resource, &both);
}

/* In the child, between fork and exec. */
static void
in_child(gpointer data)
{
    (void)data;
    setsid();
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, DRIVER_FILES_MAX);
#ifndef __SANITIZE_ADDRESS__ /* it maps terabytes */
    limit(RLIMIT_AS, DRIVER_MEMORY_MAX);
#endif
}

static GSubprocess *
spawn(const char *path, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    const char *const argv[] = {path, NULL};
    const char *const own[] = {"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    g_auto(GStrv) environment = faults_environ(own);

    g_subprocess_launcher_set_environ(launcher, environment);
    g_subprocess_launcher_set_cwd(launcher, "/");
    g_subprocess_launcher_set_child_setup(launcher, in_child, NULL, NULL);
    return FAULT_POINT("host.driver.before", error)
               ? g_subprocess_launcher_spawnv(launcher, argv, error)
               : NULL;
}

/* It takes as long as a disk is big. */
static bool
is_long(const char *call)
{
    return g_str_equal(call, "vdi.copy") || g_str_equal(call, "sr.coalesce");
}

static GBytes *
request_text(const char *call, GVariant *args)
{
    GString *text = g_string_new("{\"call\":");

    json_text_append(text, call);
    g_string_append(text, ",\"args\":");
    if (args)
        json_untyped_encode(text, args);
    else
        g_string_append(text, "{}");
    g_string_append(text, "}\n");
    return g_string_free_to_bytes(text);
}

struct driver_run *
driver_run(const char *folder, const char *name, const char *call, GVariant *args,
           driver_moved_fn moved, driver_done_fn done, void *data, GError **error)
{
    g_autofree char *path = driver_path(folder, name);
    g_autoptr(GError) failed = NULL;

    if (!path) {
        api_error_set(error, "SR_UNKNOWN_DRIVER", name, NULL);
        return NULL;
    }
    GSubprocess *process = spawn(path, &failed);
    if (!process) {
        api_error_set(error, "SR_BACKEND_FAILURE", "", failed->message, "", NULL);
        return NULL;
    }
    struct driver_run *run = g_new0(struct driver_run, 1);
    run->name = g_strdup(name);
    run->call = g_strdup(call);
    run->process = process;
    run->answer = g_byte_array_new();
    run->request = request_text(call, args);
    run->buffer = g_malloc(CHUNK);
    run->moved = moved;
    run->done = done;
    run->data = data;
    run->open = 3;
    run->timer =
        g_timeout_add_seconds(is_long(call) ? DRIVER_COPY_SECONDS : DRIVER_SECONDS, late, run);
    gsize length;
    const void *bytes = g_bytes_get_data(run->request, &length);
    g_output_stream_write_all_async(g_subprocess_get_stdin_pipe(process), bytes, length,
                                    G_PRIORITY_DEFAULT, NULL, was_written, run);
    read_more(run);
    g_subprocess_wait_async(process, NULL, ended, run);
    return run;
}
