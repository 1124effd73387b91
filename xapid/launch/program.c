/* Starts, ends and feeds one program; used by xapid-launch's main loop. */
#include "config.h"

#include "xapid/launch/program.h"

#include "lib/faults.h"
#include "lib/log.h"
#include "lib/passed-fd.h"
#include "lib/peer/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAPABILITY_MAX 64
#define EXIT_NOT_STARTED 127

bool
user_find(const char *name, struct user *ret_user, GError **error)
{
    struct passwd *pw = getpwnam(name);
    struct user user = {0};

    if (!pw) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "there is no user \"%s\"; make it with: adduser --system --group "
                    "--no-create-home %s",
                    name, name);
        return false;
    }
    if (pw->pw_uid == 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "user = %s: xapid does not run as root", name);
        return false;
    }
    user.uid = pw->pw_uid;
    user.gid = pw->pw_gid;
    getgrouplist(name, user.gid, NULL, &user.n_groups);
    user.groups = g_new0(gid_t, MAX(user.n_groups, 1));
    if (getgrouplist(name, user.gid, user.groups, &user.n_groups) < 0) {
        g_free(user.groups);
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the groups of user \"%s\" changed",
                    name);
        return false;
    }
    *ret_user = user;
    return true;
}

/* For good: neither exec nor anything else gives a privilege back. */
static bool
drop_privileges(const struct user *user)
{
    for (int capability = 0; capability < CAPABILITY_MAX; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
            return false;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        setgroups((size_t)user->n_groups, user->groups) < 0 ||
        setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0)
        return false;
    umask(0077);
    return setresuid(0, 0, 0) < 0;
}

/* The new process, up to exec. */
G_NORETURN static void
become(const struct program *program, int control, pid_t launcher, char **environment)
{
    sigset_t none;
    int null;

    setsid(); /* a terminal's Ctrl-C is for xapid-launch, which ends the programs in order */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        goto failed;
    if (control == CONTROL_FD ? fcntl(control, F_SETFD, 0) < 0 : dup2(control, CONTROL_FD) < 0)
        goto failed;
    if (program->user) {
        if (!drop_privileges(program->user))
            goto failed;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
            goto failed;
    }
    /* After the change of user, which clears it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        goto failed;
    if (getppid() != launcher)
        _exit(EXIT_NOT_STARTED);
    execve(program->argv[0], program->argv, environment);
failed:
    log_error("cannot start %s: %s", program->argv[0], g_strerror(errno));
    _exit(EXIT_NOT_STARTED);
}

static void
plan_restart(struct program *program)
{
    program->restart_at = g_get_monotonic_time() + program->backoff_ms * (gint64)1000;
    program->backoff_ms = MIN(program->backoff_ms * 2, program->backoff_max_ms);
}

bool
program_start(struct program *program, char **environment)
{
    pid_t launcher = getpid(), pid = -1;
    int pair[2] = {-1, -1};

    program->restart_at = 0;
    program->started = g_get_monotonic_time();
    if (FAULT_POINT("launch.start.before", NULL) &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0)
        pid = fork();
    if (pid == 0)
        become(program, pair[1], launcher, environment);
    if (pid < 0) {
        log_error("cannot start %s: %s", program->name, g_strerror(errno));
        if (pair[0] >= 0) {
            close(pair[0]);
            close(pair[1]);
        }
        plan_restart(program);
        return false;
    }
    close(pair[1]);
    program->pid = pid;
    program->control = pair[0];
    log_info("%s started (pid %d)", program->name, (int)pid);
    if (!FAULT_POINT("launch.start.after", NULL))
        kill(pid, SIGKILL);
    return true;
}

void
program_send(struct program *program, const char *name, int fd)
{
    if (program->control < 0)
        return;
    if (FAULT_POINT("launch.send.before", NULL) &&
        (passed_fd_send(program->control, name, strlen(name), fd) || errno == EPIPE ||
         errno == ECONNRESET))
        return; /* a hang-up is handled where it is read */
    log_warning("%s does not take its descriptors (%s): it is killed", program->name,
                g_strerror(errno));
    kill(program->pid, SIGKILL);
}

void
program_ended(struct program *program, int status)
{
    gint64 alive = g_get_monotonic_time() - program->started;
    bool asked = program->kill_at != 0;

    if (program->control >= 0)
        close(program->control);
    program->control = -1;
    if (alive >= BACKOFF_FORGET_SECONDS * G_USEC_PER_SEC)
        program->backoff_ms = MIN(BACKOFF_FIRST_MS, program->backoff_max_ms);
    program->kill_at = 0;
    if (WIFSIGNALED(status))
        log_write(asked ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s (pid %d) was ended by signal %d",
                  program->name, (int)program->pid, WTERMSIG(status));
    else
        log_write(asked ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s (pid %d) ended with status %d",
                  program->name, (int)program->pid, WEXITSTATUS(status));
    program->pid = 0;
    plan_restart(program);
}

void
program_stop(struct program *program, guint seconds)
{
    kill(program->pid, SIGTERM);
    program->kill_at = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
}
