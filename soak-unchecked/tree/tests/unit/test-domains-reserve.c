/* Reservations of memory: no two builds count on the same, and none outlives its process. */
#include "config.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/domains/reserve.h"

#define A "aaaaaaaa-0000-4000-8000-000000000001"
#define B "aaaaaaaa-0000-4000-8000-000000000002"

struct host {
    char *dir;
    int reserves;
    uint64_t available, allocated_to_a;
    struct memory_view view;
};

static bool
allocated(const char *uuid, uint64_t *ret_kb, void *data, GError **error)
{
    struct host *host = data;

    (void)error;
    *ret_kb = g_str_equal(uuid, A) ? host->allocated_to_a : 0;
    return true;
}

static bool
available(uint64_t *ret_kb, void *data, GError **error)
{
    struct host *host = data;

    (void)error;
    *ret_kb = host->available;
    return true;
}

/* Says that it is asked, and never answers. */
static bool
hang(uint64_t *ret_kb, void *data, GError **error)
{
    const int *told = data;

    (void)ret_kb;
    (void)error;
    (void)!write(*told, "x", 1);
    while (pause() < 0)
        ;
    return false;
}

static void
set_up(struct host *host, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    host->dir = g_dir_make_tmp("xapid-reserve-XXXXXX", NULL);
    host->reserves = reserves_open(host->dir, &error);
    g_assert_no_error(error);
    host->view = (struct memory_view){allocated, available, host};
    host->available = 1000;
}

static void
tear_down(struct host *host, gconstpointer data)
{
    static const char *const files[] = {"reserved/lock", "reserved/" A, "reserved/" B, "reserved"};

    (void)data;
    close(host->reserves);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(host->dir, files[i], NULL);
        g_remove(path);
    }
    g_assert_cmpint(g_rmdir(host->dir), ==, 0);
    g_free(host->dir);
}

static int
take(struct host *host, const char *uuid, uint64_t kb, const char *expected)
{
    g_autoptr(GError) error = NULL;
    int fd = reserve_take(host->reserves, uuid, kb, &host->view, &error);

    g_assert_cmpstr(error ? error->message : NULL, ==, expected);
    g_assert_true((fd >= 0) == !expected);
    return fd;
}

static void
test_two_builds(struct host *host, gconstpointer data)
{
    (void)data;
    int a = take(host, A, 600, NULL);
    take(host, B, 600, "HOST_NOT_ENOUGH_FREE_MEMORY [614400, 409600]");
    int b = take(host, B, 400, NULL);
    reserve_end(host->reserves, A, a);
    reserve_end(host->reserves, B, b);
    b = take(host, B, 1000, NULL);
    reserve_end(host->reserves, B, b);
}

/* What a build has been given counts once. */
static void
test_halfway(struct host *host, gconstpointer data)
{
    (void)data;
    int a = take(host, A, 600, NULL);
    host->allocated_to_a = 500;
    host->available = 500;
    int b = take(host, B, 400, NULL);
    host->allocated_to_a = 700; /* more than it asked for */
    reserve_end(host->reserves, B, b);
    b = take(host, B, 500, NULL);
    reserve_end(host->reserves, A, a);
    reserve_end(host->reserves, B, b);
}

static void
test_holder_dies(struct host *host, gconstpointer data)
{
    int pipe_fds[2];
    char byte;

    (void)data;
    g_assert_cmpint(pipe(pipe_fds), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (reserve_take(host->reserves, A, 800, &host->view, NULL) >= 0)
            (void)!write(pipe_fds[1], "x", 1);
        pause();
        _exit(0);
    }
    g_assert_cmpint(read(pipe_fds[0], &byte, 1), ==, 1);
    take(host, B, 600, "HOST_NOT_ENOUGH_FREE_MEMORY [614400, 204800]");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    int b = take(host, B, 600, NULL);
    reserve_end(host->reserves, B, b);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* One that hangs while it counts holds up the others for so long and no longer; when it is killed,
 * they go on. */
static void
test_holder_hangs(struct host *host, gconstpointer data)
{
    struct host hanging = *host;
    g_autoptr(GError) error = NULL;
    int pipe_fds[2];
    char byte;

    (void)data;
    g_assert_cmpint(pipe(pipe_fds), ==, 0);
    hanging.view.available = hang;
    hanging.view.data = &pipe_fds[1];
    pid_t pid = fork();
    if (pid == 0) {
        reserve_take(host->reserves, A, 800, &hanging.view, NULL);
        _exit(0);
    }
    g_assert_cmpint(read(pipe_fds[0], &byte, 1), ==, 1);
    g_assert_cmpint(reserve_take_within(host->reserves, B, 100, &host->view, 300, &error), ==, -1);
    g_assert_cmpstr(error->message, ==,
                    "INTERNAL_ERROR [xapid-domains, reservations of memory, another start or "
                    "change of memory does not come to an end]");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    int b = take(host, B, 100, NULL);
    reserve_end(host->reserves, B, b);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* Many processes that all want the half: never do more than two hold it. */
static void
test_race(struct host *host, gconstpointer data)
{
    struct {
        atomic_int holders, most, won;
    } *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)data;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 6; i++) {
            if (fork() != 0)
                continue;
            g_autofree char *uuid = g_strdup_printf("aaaaaaaa-0000-4000-8000-00000000010%d", i);
            int fd = reserve_take(host->reserves, uuid, 500, &host->view, NULL);
            if (fd < 0)
                _exit(0);
            int holders = atomic_fetch_add(&shared->holders, 1) + 1;
            if (holders > atomic_load(&shared->most))
                atomic_store(&shared->most, holders);
            atomic_fetch_add(&shared->won, 1);
            g_usleep(10 * 1000);
            atomic_fetch_sub(&shared->holders, 1);
            reserve_end(host->reserves, uuid, fd);
            _exit(0);
        }
        while (wait(NULL) > 0)
            ;
    }
    g_assert_cmpint(atomic_load(&shared->most), ==, 2);
    g_assert_cmpint(atomic_load(&shared->won), >=, 40);
    munmap(shared, 4096);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(struct host *, gconstpointer);
    } tests[] = {{"two-builds", test_two_builds},
                 {"halfway", test_halfway},
                 {"holder-dies", test_holder_dies},
                 {"holder-hangs", test_holder_hangs},
                 {"race", test_race}};

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/domains/reserve/%s", tests[i].name);
        g_test_add(path, struct host, NULL, set_up, tests[i].test, tear_down);
    }
    return g_test_run();
}
