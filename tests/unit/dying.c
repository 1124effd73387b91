#include "config.h"

#include "tests/unit/dying.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/faults.h"

void
dies_at(const char *fault, bool (*act)(void *data), void *data)
{
    pid_t pid = fork();
    int status;

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        g_setenv("XAPID_FAULT", fault, TRUE);
        g_assert_true(faults_init(NULL));
        _exit(act(data) ? 0 : 1);
    }
    while (waitpid(pid, &status, 0) < 0)
        g_assert_cmpint(errno, ==, EINTR);
    /* Reached, or else this shows nothing. */
    g_assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 1);
}
