/* The database as a file: pool-dump-database and pool-restore-database by the server, db-fsck,
 * db-dump and db-restore by xapid-db, on a host whose xapid does not run. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixoutputstream.h>
#include <unistd.h>

#include "xtool/output.h"
#include "xtool/xtool.h"

#define DUMP_PATH "/pool/xmldbdump"
#define DATABASE_PROGRAM XAPID_LIBEXECDIR "/xapid-db"

/* ---- by the server ---- */

bool
database_dump(struct xtool *x, const struct xt_command *command, GError **error)
{
    struct output output;

    (void)command;
    const char *path = args_get(x->args, "file-name");
    if (!xtool_check_unused(x, error) || !xtool_connect(x, false, error) ||
        !output_open(&output, path, error))
        return false;
    g_autoptr(GOutputStream) stream = g_unix_output_stream_new(output.fd, FALSE);
    return output_close(&output, server_get(x->server, DUMP_PATH, stream, error), error);
}

bool
database_restore(struct xtool *x, const struct xt_command *command, GError **error)
{
    const char *path = args_get(x->args, "file-name");
    g_autofree char *text = NULL;
    gsize length;
    bool dry_run;

    (void)command;
    if (!args_flag(x->args, "dry-run", &dry_run, error) || !xtool_check_unused(x, error))
        return false;
    g_autoptr(GError) cause = NULL;
    const char *file = g_str_equal(path, OUTPUT_STANDARD) ? "/dev/stdin" : path;
    if (!g_file_get_contents(file, &text, &length, &cause)) {
        g_set_error(error, FAILED_ERROR, 0, "%s.", cause->message);
        return false;
    }
    g_autoptr(GBytes) body = g_bytes_new_take(g_steal_pointer(&text), length);
    return xtool_connect(x, false, error) &&
           server_put(x->server, dry_run ? DUMP_PATH "?dry_run=true" : DUMP_PATH, body, error);
}

/* ---- on a stopped host ---- */

/* xapid-db with these arguments (NULL-terminated) and descriptors (taken; -1: ours). */
static bool
run_program(const char *const *arguments, int in, int out, GError **error)
{
    const char *program = g_getenv("XTOOL_XAPID_DB");
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(in < 0 ? G_SUBPROCESS_FLAGS_STDIN_INHERIT : 0);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GError) cause = NULL;

    g_ptr_array_add(argv, (char *)(program ? program : DATABASE_PROGRAM));
    for (; *arguments; arguments++)
        g_ptr_array_add(argv, (char *)*arguments);
    g_ptr_array_add(argv, NULL);
    if (in >= 0)
        g_subprocess_launcher_take_stdin_fd(launcher, in);
    if (out >= 0)
        g_subprocess_launcher_take_stdout_fd(launcher, out);
    g_autoptr(GSubprocess) process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, &cause);
    if (!process) {
        g_set_error(error, FAILED_ERROR, 0, "%s. It is a part of xapid, not of xtool.",
                    cause->message);
        return false;
    }
    if (g_subprocess_wait_check(process, NULL, NULL))
        return true;
    g_set_error(error, FAILED_ERROR, 0, "%s failed.", *(char **)argv->pdata);
    return false;
}

static bool
local_fsck(const char *database, GError **error)
{
    return run_program((const char *const[]){"fsck", database, NULL}, -1, -1, error);
}

static bool
local_dump(const char *path, const char *database, GError **error)
{
    struct output output;

    if (!output_open(&output, path, error))
        return false;
    int fd = dup(output.fd); /* the program's ends with it */
    bool ok = fd >= 0 ? run_program((const char *const[]){"dump", database, NULL}, -1, fd, error)
                      : output_failed(path, error);
    return output_close(&output, ok, error);
}

static bool
local_restore(const char *path, const char *database, bool dry_run, GError **error)
{
    int fd =
        g_str_equal(path, OUTPUT_STANDARD) ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return output_failed(path, error);
    return run_program(dry_run ? (const char *const[]){"--dry-run", "restore", database, NULL}
                               : (const char *const[]){"restore", database, NULL},
                       fd, -1, error);
}

bool
database_is_local(const char *command)
{
    return g_str_equal(command, "db-fsck") || g_str_equal(command, "db-dump") ||
           g_str_equal(command, "db-restore");
}

bool
database_local(struct xtool *x, GError **error)
{
    const GPtrArray *words = x->args->words;
    bool fsck = g_str_equal(x->args->command, "db-fsck");
    bool restore = g_str_equal(x->args->command, "db-restore"), dry_run = false;
    guint n_files = fsck ? 0 : 1;

    if (restore && !args_flag(x->args, "dry-run", &dry_run, error))
        return false;
    if (!xtool_check_unused(x, error))
        return false;
    if (words->len < n_files || words->len > n_files + 1) {
        usage_set(error, "usage: %s %s%s [DATABASE]", x->name, x->args->command,
                  fsck      ? ""
                  : restore ? " [--dry-run] FILE"
                            : " FILE");
        return false;
    }
    const char *database = words->len > n_files ? words->pdata[n_files] : NULL;
    if (fsck)
        return local_fsck(database, error);
    return restore ? local_restore(words->pdata[0], database, dry_run, error)
                   : local_dump(words->pdata[0], database, error);
}
