#include "config.h"

#include "xenstore-helpers/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/error.h"

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "confine.c knows no system call numbers of this processor"
#endif

/* The sanitizers map terabytes and make system calls of their own. */
#if defined __SANITIZE_ADDRESS__
#define SANITIZED true
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

static bool
failed(GError **error, const char *what)
{
    api_error_set(error, "INTERNAL_ERROR", "xs-guestd", what, g_strerror(errno), NULL);
    return false;
}

/* An empty root without a name: it is removed before it becomes one, and nothing can be made in it.
 */
static bool
empty_root(GError **error)
{
    char from_inside[] = "../empty-XXXXXX", *name = from_inside + strlen("../");

    if (!mkdtemp(name) || chdir(name) < 0 || rmdir(from_inside) < 0 || chroot(".") < 0)
        return failed(error, "an empty root");
    return true;
}

static bool
leave_root(const char *user, GError **error)
{
    const struct passwd *account = getpwnam(user);

    if (!account)
        account = getpwnam("nobody");
    if (!account || account->pw_uid == 0 || account->pw_gid == 0) {
        api_error_set(error, "INTERNAL_ERROR", "xs-guestd", "there is no user nobody", NULL);
        return false;
    }
    uid_t uid = account->pw_uid;
    gid_t gid = account->pw_gid;
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
        return failed(error, "unshare");
    if (!empty_root(error))
        return false;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return failed(error, "setresuid");
    if (setuid(0) == 0 || setgid(0) == 0) {
        api_error_set(error, "INTERNAL_ERROR", "xs-guestd", "root came back", NULL);
        return false;
    }
    return true;
}

static bool
limit(int resource, rlim_t value, GError **error)
{
    const struct rlimit both = {value, value};

    return setrlimit(resource, &both) == 0 || failed(error, "setrlimit");
}

#define ALLOW(name)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static bool
filter_calls(GError **error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        /* the loop, with send () being sendto () */
        ALLOW(recvmsg),
        ALLOW(sendto),
        /* the log */
        ALLOW(write),
        ALLOW(clock_gettime),
        ALLOW(getpid),
        /* malloc and GLib's locks */
        ALLOW(brk),
        ALLOW(mmap),
        ALLOW(munmap),
        ALLOW(mremap),
        ALLOW(madvise),
        ALLOW(futex),
        ALLOW(getrandom),
        /* the end */
        ALLOW(exit_group),
        ALLOW(rt_sigreturn),
        ALLOW(restart_syscall),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog program = {.len = G_N_ELEMENTS(filter), .filter = filter};

    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return failed(error, "seccomp");
    return true;
}

bool
confine(const char *user, unsigned first_closed, GError **error)
{
    if (geteuid() == 0 && !leave_root(user, error))
        return false;
    if (close_range(first_closed, ~0u, 0) < 0)
        return failed(error, "close_range");
    /* Another uid forgets these two. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failed(error, "prctl");
    if (SANITIZED)
        return true;
    return limit(RLIMIT_AS, CONFINE_MEMORY, error) && limit(RLIMIT_NPROC, 0, error) &&
           limit(RLIMIT_CORE, 0, error) && limit(RLIMIT_NOFILE, 0, error) && filter_calls(error);
}
