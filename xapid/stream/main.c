/* xapid-stream: moves the contents of one disk, or a VM with all of its disks, to or from one
 * client.  Started by xapid-host with both as descriptors; gives up everything else before it reads
 * a byte, for the bytes are a stranger's.  On standard output: "progress HUNDREDTHS", and at the
 * end "done", or "failed" with code and parameters of an error, between tabs. */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/confine.h"
#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/stream/vm.h"

#define USER "nobody"
#define MEMORY ((guint64)512 << 20) /* bytes of address space */
#define ARGUMENTS 14
#define VOLUME_ARGUMENTS 4
#define VM_ARGUMENTS 3
#define VM_IMPORT_ARGUMENTS 4
#define DISK_MAX ((gint64)1 << 50) /* bytes */
#define NONE "-"

static const int calls[] = {
    SYS_read,      SYS_pread64,    SYS_pwrite64,        SYS_lseek,      SYS_fstat, SYS_sendfile,
    SYS_sendto,    SYS_recvfrom,   SYS_shutdown,        SYS_setsockopt, SYS_fsync, SYS_fdatasync,
    SYS_ftruncate, SYS_newfstatat, SYS_sync_file_range, SYS_recvmsg,    -1};

bool
import_failed(GError **error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    api_error_set(error, "IMPORT_ERROR", text, NULL);
    return false;
}

bool
import_fits(const struct disk *disk, guint64 size, GError **error)
{
    g_autofree char *has = g_strdup_printf("%" G_GINT64_FORMAT, disk->size);
    g_autofree char *needs = g_strdup_printf("%" G_GUINT64_FORMAT, size);

    if (size <= (guint64)disk->size)
        return true;
    api_error_set(error, "VDI_TOO_SMALL", has, needs, NULL);
    return false;
}

static bool
transfer(const struct job *job, GError **error)
{
    static const struct {
        const char *format;
        bool (*import)(struct client *client, struct disk *disk, GError **error);
        bool (*export)(struct client *client, struct disk *disk, GError **error);
    } formats[] = {{"raw", raw_import, raw_export},
                   {"chunks", chunks_import, NULL},
                   {"vhd", vhd_import, vhd_export},
                   {"qcow2", qcow2_import, qcow2_export}};
    struct client client;
    struct disk disk = {0}, since;
    bool ok = false;

    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        bool (*move)(struct client *, struct disk *, GError **) =
            job->import ? formats[i].import : formats[i].export;
        if (move && g_str_equal(formats[i].format, job->format))
            ok = client_open(&client, job, error) && disk_open(&disk, job, error) &&
                 (!job->since.uuid || disk_open_since(&disk, &since, error)) &&
                 move(&client, &disk, error);
    }
    disk_close(&disk);
    if (!ok && error && !*error)
        api_error_set(error, "INTERNAL_ERROR", "xapid-stream", "an unknown format", NULL);
    return ok;
}

static void
report(const GError *error)
{
    g_autoptr(GString) line = g_string_new(error ? "failed" : "done");

    if (error) {
        g_autoptr(GVariant) texts = g_variant_ref_sink(api_error_to_variant(error));
        g_autofree const char **all = g_variant_get_strv(texts, NULL);
        for (const char **text = all; *text; text++) {
            g_autofree char *clean = g_strdelimit(g_strdup(*text), "\t\n", ' ');
            g_string_append_printf(line, "\t%s", clean);
        }
    }
    g_string_append_c(line, '\n');
    (void)!write(STDOUT_FILENO, line->str, line->len);
}

static bool
parse_number(const char *text, gint64 low, gint64 high, gint64 *ret)
{
    char *end;
    gint64 value = g_ascii_strtoll(text, &end, 10);

    if (!*text || *end || value < low || value > high)
        return false;
    *ret = value;
    return true;
}

/* uuid, format, size, number of images below it. */
static bool
parse_volume(char **argv, struct volume *volume)
{
    gint64 bases;

    *volume = (struct volume){.uuid = argv[0], .format = argv[1]};
    if (!g_uuid_string_is_valid(argv[0]) || !parse_number(argv[2], 0, DISK_MAX, &volume->size) ||
        !parse_number(argv[3], 0, QCOW2_CHAIN_MAX - 1, &bases))
        return false;
    volume->bases = (unsigned)bases;
    return true;
}

static bool
parse(char **argv, struct job *job)
{
    gint64 part, silent;

    *job = (struct job){.import = g_str_equal(argv[1], "import"), .format = argv[2]};
    if (!parse_volume(argv + 3, &job->disk) ||
        (!g_str_equal(argv[7], NONE) && !parse_volume(argv + 7, &job->since)) ||
        !parse_number(argv[11], 0, job->disk.size, &job->offset) ||
        !parse_number(argv[12], -1, G_MAXINT64 / 4, &job->length) ||
        !parse_number(argv[13], 0, 1, &part) || !parse_number(argv[14], 1, 86400, &silent))
        return false;
    job->part = part;
    job->silent = (unsigned)silent;
    return !job->import || !job->since.uuid;
}

/* "vm-export", how it is packed, silent, and of each disk its name and what parse_volume () takes.
 */
static bool
parse_vm(int argc, char **argv, struct vm_job *job)
{
    int n = argc - VM_ARGUMENTS - 1, each = VOLUME_ARGUMENTS + 1;
    gint64 silent;

    if (n < 0 || n % each || n / each > VM_DISKS_MAX || !parse_number(argv[3], 1, 86400, &silent))
        return false;
    *job = (struct vm_job){.packing = argv[2], .n_disks = (unsigned)(n / each), .end_fd = MORE_FD};
    job->job = (struct job){.silent = (unsigned)silent, .length = -1};
    argv += VM_ARGUMENTS + 1;
    for (unsigned i = 0; i < job->n_disks; i++, argv += each) {
        struct vm_disk *disk = &job->disks[i];
        *disk = (struct vm_disk){.name = argv[0], .fd = job->end_fd};
        if (strlen(disk->name) > VM_DISK_NAME_MAX || !parse_volume(argv + 1, &disk->volume))
            return false;
        job->end_fd += 1 + (int)disk->volume.bases;
    }
    return true;
}

/* "vm-import", whether it is forced, silent, length of the body. */
static bool
parse_vm_import(int argc, char **argv, struct vm_job *job)
{
    gint64 forced, silent, length;

    if (argc != VM_IMPORT_ARGUMENTS + 1 || !parse_number(argv[2], 0, 1, &forced) ||
        !parse_number(argv[3], 1, 86400, &silent) ||
        !parse_number(argv[4], -1, G_MAXINT64 / 4, &length))
        return false;
    *job = (struct vm_job){.forced = forced, .end_fd = RECORDS_FD + 1};
    job->job = (struct job){.import = true, .silent = (unsigned)silent, .length = length};
    return true;
}

/* The descriptors from MORE_FD on. */
static unsigned
count_more(const struct job *job)
{
    if (job->import && g_str_equal(job->format, "qcow2"))
        return 1;
    return job->disk.bases + (job->since.uuid ? 1 + job->since.bases : 0);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    static struct vm_job vm;
    struct job job;

    log_init("xapid-stream", LOG_LEVEL_INFO);
    if (argc == 2 && g_str_equal(argv[1], "--fault-points")) {
        faults_list();
        return EXIT_SUCCESS;
    }
    bool vm_out = argc > 1 && g_str_equal(argv[1], "vm-export");
    bool vm_in = argc > 1 && g_str_equal(argv[1], "vm-import");
    if (vm_out  ? !parse_vm(argc, argv, &vm)
        : vm_in ? !parse_vm_import(argc, argv, &vm)
                : argc != ARGUMENTS + 1 || !parse(argv, &job)) {
        fprintf(stderr, "usage: %s [--fault-points]\nPart of xapid; xapid-host starts it.\n",
                argv[0]);
        return 2;
    }
    tzset(); /* the log's clock needs a file for it */
    signal(SIGPIPE, SIG_IGN);
    fcntl(CLIENT_FD, F_SETFL, 0); /* calls that wait */
    unsigned end = vm_out || vm_in ? (unsigned)vm.end_fd : MORE_FD + count_more(&job);
    bool ok = faults_init(&error) &&
              confine(USER, end, vm_in ? end + VM_DISKS_MAX : 0, MEMORY, calls, &error) &&
              (vm_out  ? vm_export(&vm, &error)
               : vm_in ? vm_import(&vm, &error)
                       : transfer(&job, &error));
    client_close(ok && !vm_in); /* xapid ends that connection, when all of the VM is there */
    report(error);
    _exit(EXIT_SUCCESS); /* what else runs at an end may make calls that are not allowed */
}
