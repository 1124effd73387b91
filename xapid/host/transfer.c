#include "config.h"

#include "xapid/host/transfer-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/disk-handle.h"
#include "lib/error.h"
#include "lib/faults.h"
#include "lib/helper.h"
#include "lib/log.h"
#include "lib/member.h"
#include "xapid/stream/stream.h"

#define PROGRAM "xapid-stream"
#define BUFFER_BYTES                                                                               \
    (4 * 1024 * 1024)       /* of the connection, so that both sides run on for a while */
#define KEEP_DIR "/var/tmp" /* for what is kept beside a disk that is in no folder */

/* ---- loans ---- */

static void
loan_free(void *data)
{
    struct loan *loan = data;

    if (loan->fd >= 0)
        close(loan->fd);
    g_variant_unref(loan->ahead);
    g_free(loan);
}

struct transfers *
transfers_new(int handles, const char *path)
{
    struct transfers *transfers = g_new0(struct transfers, 1);

    transfers->handles = handles;
    transfers->folder = g_path_get_dirname(path);
    transfers->program = helper_path(PROGRAM);
    transfers->loans = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, loan_free);
    return transfers;
}

void
transfers_free(struct transfers *transfers)
{
    g_hash_table_unref(transfers->loans);
    g_queue_clear(&transfers->running);
    g_free(transfers->folder);
    g_free(transfers->program);
    g_free(transfers);
}

void
transfers_lend(struct transfers *transfers, const char *op_id, int fd, GVariant *ahead)
{
    if (g_hash_table_size(transfers->loans) + transfers->running.length >= TRANSFERS_MAX) {
        close(fd); /* the operation finds that it is not there */
        return;
    }
    struct loan *loan = g_new0(struct loan, 1);
    loan->fd = fd;
    loan->ahead = g_variant_ref(ahead);
    g_hash_table_insert(transfers->loans, g_strdup(op_id), loan);
}

void
transfers_end(struct transfers *transfers)
{
    g_hash_table_remove_all(transfers->loans);
    for (GList *item = transfers->running.head; item; item = item->next)
        transfer_kill(item->data);
}

/* ---- what it says ---- */

static void
read_line(struct transfer *transfer, const char *line)
{
    guint64 hundredths;

    if (g_str_has_prefix(line, "progress ") &&
        g_ascii_string_to_unsigned(line + strlen("progress "), 10, 0, 100, &hundredths, NULL)) {
        transfer->calls.moved((double)hundredths / 100, transfer->calls.data);
        return;
    }
    g_auto(GStrv) words = g_strsplit(line, "\t", -1);
    if (g_str_equal(line, "records") && transfer->records >= 0)
        transfer->calls.records(transfer->calls.data);
    else if (g_str_equal(line, "done"))
        transfer->done = true;
    else if (words[0] && g_str_equal(words[0], "failed") && words[1] && !transfer->error)
        transfer->error = api_error_newv(words[1], (const char *const *)words + 2);
}

static void
read_lines(struct transfer *transfer)
{
    char *begin = transfer->words, *end;

    while ((end = memchr(begin, '\n', transfer->length))) {
        *end = '\0';
        read_line(transfer, begin);
        transfer->length -= (gsize)(end + 1 - begin);
        begin = end + 1;
    }
    memmove(transfer->words, begin, transfer->length);
}

void
transfer_close_ends(struct transfer *transfer)
{
    if (transfer->orders >= 0)
        close(transfer->orders);
    if (transfer->records >= 0)
        close(transfer->records);
    transfer->orders = transfer->records = -1;
}

static void
close_one(struct transfer *transfer)
{
    g_autoptr(GError) error = NULL;

    if (--transfer->open > 0)
        return;
    if (transfer->cancelled)
        api_error_set(&error, "TASK_CANCELLED", "", NULL);
    else if (transfer->error)
        error = g_steal_pointer(&transfer->error);
    else if (!transfer->done || !g_subprocess_get_successful(transfer->process))
        api_error_set(&error, "INTERNAL_ERROR", PROGRAM " ended abnormally", NULL);
    g_queue_remove(&transfer->transfers->running, transfer);
    transfer->calls.done(error, transfer->calls.data);
    transfer_close_ends(transfer);
    g_object_unref(transfer->process);
    g_clear_error(&transfer->error);
    g_free(transfer);
}

static void read_more(struct transfer *transfer);

static void
was_read(GObject *source, GAsyncResult *result, gpointer data)
{
    struct transfer *transfer = data;
    gssize n = g_input_stream_read_finish(G_INPUT_STREAM(source), result, NULL);

    if (n <= 0) {
        close_one(transfer);
        return;
    }
    transfer->length += (gsize)n;
    read_lines(transfer);
    if (transfer->length == sizeof transfer->words) { /* no line of its is so long */
        transfer->length = 0;
        g_subprocess_force_exit(transfer->process);
    }
    read_more(transfer);
}

static void
read_more(struct transfer *transfer)
{
    g_input_stream_read_async(
        g_subprocess_get_stdout_pipe(transfer->process), transfer->words + transfer->length,
        sizeof transfer->words - transfer->length, G_PRIORITY_DEFAULT, NULL, was_read, transfer);
}

static void
ended(GObject *source, GAsyncResult *result, gpointer data)
{
    struct transfer *transfer = data;

    g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL);
    if (!FAULT_POINT("host.transfer.after", transfer->error ? NULL : &transfer->error))
        transfer->done = false;
    close_one(transfer);
}

void
transfer_kill(struct transfer *transfer)
{
    transfer->cancelled = true;
    g_subprocess_force_exit(transfer->process);
}

/* ---- the start ---- */

bool
transfer_failed(GError **error, const char *what)
{
    g_autofree char *text = g_strdup_printf("%s: %s", what, g_strerror(errno));

    api_error_set(error, "SR_BACKEND_FAILURE", "", text, "", NULL);
    return false;
}

int
transfer_open_disk(const char *path, bool block, int flags)
{
    int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC | (block ? 0 : O_NOFOLLOW));
    struct stat status;

    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && (block ? S_ISBLK(status.st_mode) : S_ISREG(status.st_mode)))
        return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

/* The bytes in a file of memory that is read from its beginning; -1 with errno. */
static int
file_of(GVariant *bytes)
{
    gsize n;
    const guint8 *data = g_variant_get_fixed_array(bytes, &n, 1);
    int fd = memfd_create("ahead", MFD_CLOEXEC);

    if (fd >= 0 && write(fd, data, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* A file without a name beside the disk, for what must be whole before it is read. */
static int
open_keep(const struct disk_handle *handle)
{
    g_autofree char *dir = handle->block ? g_strdup(KEEP_DIR) : g_path_get_dirname(handle->path);

    return open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* How many images below it are needed: for qcow2 that comes, a whole new image is made. */
static unsigned
count_bases(const struct disk_handle *handle, bool import, const char *format)
{
    return (import && g_str_equal(format, "qcow2")) || !handle->bases
               ? 0
               : g_strv_length(handle->bases);
}

bool
transfer_give_bases(GSubprocessLauncher *launcher, const struct disk_handle *handle, unsigned n,
                    int *next, GError **error)
{
    for (unsigned i = 0; i < n; i++) {
        int base = transfer_open_disk(handle->bases[i], handle->block, O_RDONLY);
        if (base < 0)
            return transfer_failed(error, "opening an image below the disk");
        g_subprocess_launcher_take_fd(launcher, base, (*next)++);
    }
    return true;
}

bool
transfer_give_client(GSubprocessLauncher *launcher, struct loan *loan, bool import, GError **error)
{
    int ahead = file_of(loan->ahead);
    const int buffer = BUFFER_BYTES;

    if (ahead < 0)
        return transfer_failed(error, "what was read of the body");
    /* More than the client's own process may have; where it cannot be, it goes on with less. */
    setsockopt(loan->fd, SOL_SOCKET, import ? SO_RCVBUFFORCE : SO_SNDBUFFORCE, &buffer,
               sizeof buffer);
    g_subprocess_launcher_take_fd(launcher, loan->fd, CLIENT_FD);
    loan->fd = -1;
    g_subprocess_launcher_take_fd(launcher, ahead, AHEAD_FD);
    return true;
}

/* Opens it all, each at its place. */
static bool
give_descriptors(GSubprocessLauncher *launcher, struct loan *loan, const struct disk_handle *handle,
                 const struct disk_handle *since, bool import, const char *format, GError **error)
{
    int disk = transfer_open_disk(handle->path, handle->block, import ? O_RDWR : O_RDONLY);
    int next = MORE_FD;

    if (disk < 0)
        return transfer_failed(error, "opening the disk");
    g_subprocess_launcher_take_fd(launcher, disk, DISK_FD);
    if (!transfer_give_client(launcher, loan, import, error))
        return false;
    if (!transfer_give_bases(launcher, handle, count_bases(handle, import, format), &next, error))
        return false;
    if (since) {
        int fd = transfer_open_disk(since->path, since->block, O_RDONLY);
        if (fd < 0)
            return transfer_failed(error, "opening the disk to compare with");
        g_subprocess_launcher_take_fd(launcher, fd, next++);
        return transfer_give_bases(launcher, since, count_bases(since, false, format), &next,
                                   error);
    }
    if (import && g_str_equal(format, "qcow2")) {
        int keep = open_keep(handle);
        if (keep < 0)
            return transfer_failed(error, "opening a file for the image");
        g_subprocess_launcher_take_fd(launcher, keep, MORE_FD);
    }
    return true;
}

static void
in_child(gpointer data)
{
    (void)data;
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

void
transfer_add_number(GPtrArray *argv, gint64 value)
{
    g_ptr_array_add(argv, g_strdup_printf("%" G_GINT64_FORMAT, value));
}

void
transfer_add_volume(GPtrArray *argv, const struct disk_handle *handle, gint64 size,
                    unsigned n_bases)
{
    g_ptr_array_add(argv, g_strdup(handle ? handle->vdi : "-"));
    g_ptr_array_add(argv, g_strdup(handle ? handle->format : "-"));
    transfer_add_number(argv, size);
    transfer_add_number(argv, n_bases);
}

static GPtrArray *
arguments(const struct transfers *transfers, const struct disk_handle *handle,
          const struct disk_handle *since, bool import, GVariant *args)
{
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
    const char *format = member_text(args, "format");
    guint32 silent = 0;

    g_variant_lookup(args, "silent", "u", &silent);
    g_ptr_array_add(argv, g_strdup(transfers->program));
    g_ptr_array_add(argv, g_strdup(import ? "import" : "export"));
    g_ptr_array_add(argv, g_strdup(format));
    transfer_add_volume(argv, handle, member_int(args, "size"),
                        count_bases(handle, import, format));
    transfer_add_volume(argv, since, member_int(args, "since_size"),
                        since ? count_bases(since, false, format) : 0);
    transfer_add_number(argv, member_int(args, "offset"));
    transfer_add_number(argv, member_int(args, "length"));
    transfer_add_number(argv, member_flag(args, "part"));
    transfer_add_number(argv, silent);
    g_ptr_array_add(argv, NULL);
    return argv;
}

GSubprocessLauncher *
transfer_launcher(const struct transfers *transfers)
{
    GSubprocessLauncher *launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    const char *const own[] = {"LC_ALL=C", NULL};
    g_auto(GStrv) environment = faults_environ(own);

    g_subprocess_launcher_set_environ(launcher, environment);
    g_subprocess_launcher_set_cwd(launcher, transfers->folder);
    g_subprocess_launcher_set_child_setup(launcher, in_child, NULL, NULL);
    return launcher;
}

GSubprocess *
transfer_spawn(GSubprocessLauncher *launcher, const GPtrArray *argv, GError **error)
{
    return FAULT_POINT("host.transfer.before", error)
               ? g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, error)
               : NULL;
}

static GSubprocess *
spawn(const struct transfers *transfers, struct loan *loan, const struct disk_handle *handle,
      const struct disk_handle *since, bool import, GVariant *args, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = transfer_launcher(transfers);
    g_autoptr(GPtrArray) argv = arguments(transfers, handle, since, import, args);

    return give_descriptors(launcher, loan, handle, since, import, member_text(args, "format"),
                            error)
               ? transfer_spawn(launcher, argv, error)
               : NULL;
}

bool
transfer_read_handle(const struct transfers *transfers, const char *name, const char *vdi,
                     bool import, struct disk_handle *ret_handle, GError **error)
{
    g_auto(disk_handle) handle = {0};

    if (!disk_handle_read(transfers->handles, name, &handle, error))
        return false;
    if (!g_str_equal(handle.vdi, vdi) || (import && handle.read_only)) {
        api_error_set(error, "INVALID_VALUE", "handle", name, NULL);
        return false;
    }
    *ret_handle = handle;
    handle = (disk_handle){0};
    return true;
}

/* Of one disk. */
static GSubprocess *
start_disk(const struct transfers *transfers, struct loan *loan, bool import, GVariant *args,
           GError **error)
{
    g_auto(disk_handle) handle = {0}, other = {0};
    const char *since = import ? "" : member_text(args, "since");

    return transfer_read_handle(transfers, member_text(args, "handle"), member_text(args, "vdi"),
                                import, &handle, error) &&
                   (!*since || disk_handle_read(transfers->handles, since, &other, error))
               ? spawn(transfers, loan, &handle, *since ? &other : NULL, import, args, error)
               : NULL;
}

struct transfer *
transfer_start(struct transfers *transfers, const char *op_id, const char *call, GVariant *args,
               const struct transfer_calls *calls, GError **error)
{
    struct loan *loan = g_hash_table_lookup(transfers->loans, op_id);
    struct transfer *transfer = g_new0(struct transfer, 1);
    g_autoptr(GError) cause = NULL;

    transfer->transfers = transfers;
    transfer->orders = transfer->records = -1;
    if (!loan)
        api_error_set(&cause, "INTERNAL_ERROR", "the client's connection was lost", NULL);
    else if (g_str_equal(call, "vm.export"))
        transfer->process = vm_export_start(transfers, loan, args, &cause);
    else if (g_str_equal(call, "vm.import"))
        transfer->process = vm_import_start(transfer, loan, args, &cause);
    else
        transfer->process =
            start_disk(transfers, loan, g_str_equal(call, "vdi.import"), args, &cause);
    g_hash_table_remove(transfers->loans, op_id);
    if (!transfer->process) {
        if (cause->domain == API_ERROR)
            g_propagate_error(error, g_steal_pointer(&cause));
        else
            api_error_set(error, "INTERNAL_ERROR", PROGRAM, cause->message, NULL);
        g_free(transfer);
        return NULL;
    }
    transfer->open = 2;
    transfer->calls = *calls;
    g_queue_push_tail(&transfers->running, transfer);
    read_more(transfer);
    g_subprocess_wait_async(transfer->process, NULL, ended, transfer);
    return transfer;
}
