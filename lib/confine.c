#include "config.h"

#include "lib/confine.h"

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
    api_error_set(error, "INTERNAL_ERROR", "confinement", what, g_strerror(errno), NULL);
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
        api_error_set(error, "INTERNAL_ERROR", "confinement", "there is no user nobody", NULL);
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
        api_error_set(error, "INTERNAL_ERROR", "confinement", "root came back", NULL);
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

/* What every program needs: the log, malloc and GLib's locks, the end. */
static const int always[] = {
    SYS_write,      SYS_clock_gettime, SYS_getpid,         SYS_brk,   SYS_mmap,
    SYS_munmap,     SYS_mremap,        SYS_madvise,        SYS_futex, SYS_getrandom,
    SYS_exit_group, SYS_rt_sigreturn,  SYS_restart_syscall};

static void
allow(GArray *filter, int number)
{
    const struct sock_filter both[] = {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
                                       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};

    g_array_append_vals(filter, both, G_N_ELEMENTS(both));
}

static bool
filter_calls(const int *calls, GError **error)
{
    const struct sock_filter begin[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    const struct sock_filter end = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    g_autoptr(GArray) filter = g_array_new(FALSE, FALSE, sizeof(struct sock_filter));

    g_array_append_vals(filter, begin, G_N_ELEMENTS(begin));
    for (unsigned i = 0; i < G_N_ELEMENTS(always); i++)
        allow(filter, always[i]);
    for (; *calls >= 0; calls++)
        allow(filter, *calls);
    g_array_append_val(filter, end);
    const struct sock_fprog program = {.len = (unsigned short)filter->len,
                                       .filter = (struct sock_filter *)(void *)filter->data};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return failed(error, "seccomp");
    return true;
}

bool
confine(const char *user, unsigned first_closed, unsigned descriptors, guint64 memory,
        const int *calls, GError **error)
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
    return limit(RLIMIT_AS, memory, error) && limit(RLIMIT_NPROC, 0, error) &&
           limit(RLIMIT_CORE, 0, error) && limit(RLIMIT_NOFILE, descriptors, error) &&
           filter_calls(calls, error);
}
