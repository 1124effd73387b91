#include "config.h"

#include "lib/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"

#define SPECS "XAPID_FAULT" /* variables of the environment */
#define FOLDER "XAPID_TEST_FAULT_DIR"

/* Bounds of the section that FAULT_POINT fills; weak: a program may have no points. */
extern const struct fault_point __start_fault_points[] __attribute__((weak));
extern const struct fault_point __stop_fault_points[] __attribute__((weak));

enum fault_mode { FAULT_KILL, FAULT_ERROR, FAULT_DELAY };

struct fault {
    char *name;
    enum fault_mode mode;
    unsigned delay_ms;
    int at;     /* only this hit, counted from 1; 0 = every one */
    int hits;   /* atomic: points are reached on several threads */
    gint *mark; /* shared, atomic: whether it has acted; NULL: it may act again and again */
};

bool faults_armed;
static bool faults_traced;
static GPtrArray *faults;

static bool
point_exists(const char *name)
{
    for (const struct fault_point *p = __start_fault_points; p < __stop_fault_points; p++)
        if (g_str_equal(p->name, name))
            return true;
    return false;
}

static bool
fault_parse(const char *spec, struct fault *ret_fault)
{
    g_auto(GStrv) halves = g_strsplit(spec, "=", 2);

    if (!halves[0] || !halves[1])
        return false;
    char *at = strchr(halves[1], '@');
    struct fault fault = {0};
    if (at) {
        *at++ = '\0';
        guint64 n;
        if (!g_ascii_string_to_unsigned(at, 10, 1, G_MAXINT, &n, NULL))
            return false;
        fault.at = (int)n;
    }
    if (g_str_equal(halves[1], "kill")) {
        fault.mode = FAULT_KILL;
    } else if (g_str_equal(halves[1], "error")) {
        fault.mode = FAULT_ERROR;
    } else if (g_str_has_prefix(halves[1], "delay:")) {
        guint64 ms;
        if (!g_ascii_string_to_unsigned(halves[1] + strlen("delay:"), 10, 0, 600000, &ms, NULL))
            return false;
        fault.mode = FAULT_DELAY;
        fault.delay_ms = (unsigned)ms;
    } else {
        return false;
    }
    fault.name = g_strdup(halves[0]);
    *ret_fault = fault;
    return true;
}

/* With XAPID_TEST_FAULT_DIR a fault acts once in the life of that folder, whatever is started
 * again.  In memory, for some of our programs give up all files before they reach a point.  The
 * file is any user's, as our programs are. */
static bool
map_mark(struct fault *fault, GError **error)
{
    const char *dir = getenv(FOLDER);

    if (!dir || !*dir)
        return true;
    g_autofree char *path = g_build_filename(dir, fault->name, NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    void *mark = MAP_FAILED;
    if (fd >= 0) {
        fchmod(fd, 0666);
        if (ftruncate(fd, sizeof *fault->mark) == 0)
            mark = mmap(NULL, sizeof *fault->mark, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }
    if (mark == MAP_FAILED) {
        api_error_set(error, "INTERNAL_ERROR", path, g_strerror(errno), NULL);
        return false;
    }
    fault->mark = mark;
    return true;
}

bool
faults_init(GError **error)
{
    const char *env = getenv(SPECS);

    if (!env || !*env)
        return true;
    faults = g_ptr_array_new();
    faults_traced = false;
    g_auto(GStrv) specs = g_strsplit(env, ",", -1);
    for (char **spec = specs; *spec; spec++) {
        struct fault fault;
        if (g_str_equal(*spec, "trace")) {
            faults_traced = true;
            continue;
        }
        if (!fault_parse(*spec, &fault)) {
            api_error_set(error, "INTERNAL_ERROR", "bad XAPID_FAULT", *spec, NULL);
            return false;
        }
        /* A spec may be for another of our programs, which read the same environment. */
        bool ours = point_exists(fault.name);
        if (!ours || !map_mark(&fault, error)) {
            g_free(fault.name);
            if (ours)
                return false;
            continue;
        }
        g_ptr_array_add(faults, g_memdup2(&fault, sizeof fault));
    }
    faults_armed = faults->len > 0 || faults_traced;
    return true;
}

char **
faults_environ(const char *const *environment)
{
    static const char *const variables[] = {SPECS, FOLDER};
    char **all = g_strdupv((char **)environment);

    for (unsigned i = 0; i < G_N_ELEMENTS(variables); i++)
        if (getenv(variables[i]))
            all = g_environ_setenv(all, variables[i], getenv(variables[i]), TRUE);
    return all;
}

/* Of the system calls that sleep, locks are allowed in every jail. */
static void
sleep_ms(unsigned ms)
{
    gint64 end = g_get_monotonic_time() + ms * G_TIME_SPAN_MILLISECOND;
    GMutex mutex;
    GCond never;

    g_mutex_init(&mutex);
    g_cond_init(&never);
    g_mutex_lock(&mutex);
    while (g_cond_wait_until(&never, &mutex, end))
        ;
    g_mutex_unlock(&mutex);
    g_cond_clear(&never);
    g_mutex_clear(&mutex);
}

bool
faults_hit(const struct fault_point *point, GError **error)
{
    if (faults_traced)
        (void)!write(-1, point->name, strlen(point->name));
    for (guint i = 0; i < faults->len; i++) {
        struct fault *fault = faults->pdata[i];

        if (!g_str_equal(fault->name, point->name))
            continue;
        int hit = g_atomic_int_add(&fault->hits, 1) + 1;
        if ((fault->at && hit != fault->at) ||
            (fault->mark && !g_atomic_int_compare_and_exchange(fault->mark, 0, 1)))
            continue;
        switch (fault->mode) {
        case FAULT_KILL: /* a jail that does not allow the call ends it as well */
            kill(getpid(), SIGKILL);
            break;
        case FAULT_DELAY:
            sleep_ms(fault->delay_ms);
            break;
        case FAULT_ERROR:
            api_error_set(error, "INTERNAL_ERROR", "fault", point->name, NULL);
            return false;
        }
    }
    return true;
}

static int
point_compare(const void *a, const void *b)
{
    return strcmp(((const struct fault_point *)a)->name, ((const struct fault_point *)b)->name);
}

void
faults_list(void)
{
    size_t n = (size_t)(__stop_fault_points - __start_fault_points);
    g_autofree struct fault_point *sorted = g_memdup2(__start_fault_points, n * sizeof *sorted);

    if (n)
        qsort(sorted, n, sizeof *sorted, point_compare);
    for (size_t i = 0; i < n; i++)
        printf("%s %s:%d\n", sorted[i].name, sorted[i].file, sorted[i].line);
}
