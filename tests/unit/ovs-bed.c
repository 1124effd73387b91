#include "config.h"

#include "tests/unit/ovs-bed.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/ovsdb.h"
#include "tests/unit/remove-tree.h"

#define DATABASE_PROGRAM "/usr/sbin/ovsdb-server"
#define SCHEMA "/usr/share/openvswitch/vswitch.ovsschema"
#define POLL_US 10000

bool
ovs_bed_is_possible(void)
{
    return g_file_test(OVS_PROGRAM, G_FILE_TEST_IS_EXECUTABLE) &&
           g_file_test(DATABASE_PROGRAM, G_FILE_TEST_IS_EXECUTABLE) &&
           access("/dev/net/tun", R_OK | W_OK) == 0;
}

/* Both end with the test. */
static pid_t
start(const char *const *words)
{
    pid_t parent = getpid(), pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() == parent)
        execv(words[0], (char *const *)words);
    _exit(127);
}

static void
end(pid_t *pid)
{
    int status;

    if (*pid == 0)
        return;
    kill(*pid, SIGKILL);
    while (waitpid(*pid, &status, 0) < 0)
        g_assert_cmpint(errno, ==, EINTR);
    *pid = 0;
}

/* Until it answers. */
static void
wait_for_database(const struct ovs_bed *bed)
{
    struct ovsdb ovsdb;
    int rc = -1;

    for (gint64 us = 0; us < OVS_BED_SECONDS * G_USEC_PER_SEC && rc < 0; us += POLL_US) {
        g_usleep(POLL_US);
        rc = ovsdb_open(bed->socket, &ovsdb);
    }
    g_assert_cmpint(rc, ==, 0);
    ovsdb_close(&ovsdb);
}

void
ovs_bed_start_database(struct ovs_bed *bed)
{
    g_autofree char *file = g_build_filename(bed->dir, "conf.db", NULL);
    g_autofree char *remote = g_strconcat("--remote=punix:", bed->socket, NULL);
    g_autofree char *control = g_strconcat("--unixctl=", bed->dir, "/database.ctl", NULL);
    g_autofree char *log = g_strconcat("--log-file=", bed->dir, "/database.log", NULL);
    const char *const words[] = {DATABASE_PROGRAM, file,           remote, control,
                                 "-vconsole:off",  "-vsyslog:off", log,    NULL};

    g_unlink(bed->socket);
    bed->database = start(words);
    wait_for_database(bed);
}

void
ovs_bed_start_daemon(struct ovs_bed *bed)
{
    g_autofree char *remote = g_strconcat("unix:", bed->socket, NULL);
    g_autofree char *control = g_strconcat("--unixctl=", bed->dir, "/daemon.ctl", NULL);
    g_autofree char *log = g_strconcat("--log-file=", bed->dir, "/daemon.log", NULL);
    const char *const words[] = {OVS_PROGRAM,    remote, control, "-vconsole:off",
                                 "-vsyslog:off", log,    NULL};

    bed->daemon = start(words);
}

void
ovs_bed_kill_database(struct ovs_bed *bed)
{
    end(&bed->database);
}

void
ovs_bed_kill_daemon(struct ovs_bed *bed)
{
    end(&bed->daemon);
}

char *
ovs_bed_vsctl(struct ovs_bed *bed, const char *words)
{
    g_autofree char *line = g_strdup_printf("/usr/bin/ovs-vsctl --timeout=%d --db=unix:%s %s",
                                            OVS_BED_SECONDS, bed->socket, words);
    g_autofree char *wrong = NULL;
    g_autoptr(GError) error = NULL;
    char *out = NULL;
    int status;

    g_spawn_command_line_sync(line, &out, &wrong, &status, &error);
    g_assert_no_error(error);
    if (status != 0)
        g_error("%s: %s", line, wrong);
    return g_strchomp(out);
}

void
ovs_bed_init(struct ovs_bed *bed)
{
    g_autoptr(GError) error = NULL;
    int status;

    *bed = (struct ovs_bed){.dir = g_dir_make_tmp("xapid-ovs-XXXXXX", &error)};
    g_assert_no_error(error);
    g_setenv("OVS_RUNDIR", bed->dir, TRUE);
    bed->socket = g_build_filename(bed->dir, "db.sock", NULL);
    bed->ovs = (struct ovs){bed->socket, OVS_BED_DATAPATH};
    g_autofree char *create =
        g_strdup_printf("/usr/bin/ovsdb-tool create %s/conf.db " SCHEMA, bed->dir);
    g_spawn_command_line_sync(create, NULL, NULL, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    ovs_bed_start_database(bed);
    g_free(ovs_bed_vsctl(bed, "--no-wait init"));
    ovs_bed_start_daemon(bed);
}

void
ovs_bed_clear(struct ovs_bed *bed)
{
    end(&bed->daemon);
    end(&bed->database);
    remove_tree(bed->dir);
    g_free(bed->dir);
    g_free(bed->socket);
}
