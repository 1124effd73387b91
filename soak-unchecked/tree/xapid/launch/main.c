/* xapid-launch: holds the listening sockets, keeps xapid, xapid-domains and xapid-host running, and
 * connects them to each other.  It reads nothing from outside but its configuration: whatever ends
 * or goes mad beside it, the ports stay open and the others keep running. */
#include "config.h"

#include "lib/faults.h"
#include "lib/peer/peer.h"
#include "lib/settings.h"
#include "xapid/launch/listen.h"
#include "xapid/launch/program.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_SECONDS 10 /* for each program, before SIGKILL */
#define EXIT_USAGE 2
#define CONTROL_TEXT_MAX 32

/* In the order in which they are ended; they are started the other way round. */
enum { PROGRAM_XAPID, PROGRAM_DOMAINS, PROGRAM_HOST, PROGRAM_MAX };

/* Who talks to whom. */
static const struct {
    int a, b;
} links[] = {{PROGRAM_XAPID, PROGRAM_DOMAINS}, {PROGRAM_XAPID, PROGRAM_HOST}};

struct launch {
    struct listeners listeners;
    struct program programs[PROGRAM_MAX];
    struct user user;
    char **environment;
    int signals;
    bool ready, stopping;
};

/* --- the service manager --- */

/* One datagram to $NOTIFY_SOCKET, when there is one. */
static void
notify(const char *text)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length;
    int fd;

    if (!path || (path[0] != '/' && path[0] != '@'))
        return;
    length = strlen(path);
    if (length >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract namespace */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
        log_warning("cannot notify the service manager: %s", g_strerror(errno));
    close(fd);
}

/* --- the programs --- */

/* A new socketpair to both sides of every link of `which` whose other side runs. */
static void
connect_links(struct launch *launch, int which)
{
    for (size_t i = 0; i < G_N_ELEMENTS(links); i++) {
        struct program *a = &launch->programs[links[i].a], *b = &launch->programs[links[i].b];
        int pair[2];

        if ((links[i].a != which && links[i].b != which) || a->control < 0 || b->control < 0)
            continue;
        if (!FAULT_POINT("launch.connect.before", NULL) ||
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
            /* Without a link the new one is of no use; its restart tries again. */
            log_error("cannot connect %s to %s: %s", a->name, b->name, g_strerror(errno));
            kill(launch->programs[which].pid, SIGKILL);
            return;
        }
        program_send(a, b->peer, pair[0]);
        program_send(b, a->peer, pair[1]);
        close(pair[0]);
        close(pair[1]);
    }
}

static void
start(struct launch *launch, int which)
{
    struct program *program = &launch->programs[which];

    if (!program_start(program, launch->environment))
        return;
    if (which == PROGRAM_XAPID)
        for (size_t i = 0; i < launch->listeners.count; i++)
            program_send(program, launch->listeners.items[i].name, launch->listeners.items[i].fd);
    connect_links(launch, which);
}

static void
read_control(struct launch *launch, int which)
{
    struct program *program = &launch->programs[which];
    char text[CONTROL_TEXT_MAX];
    ssize_t n = recv(program->control, text, sizeof text, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        /* It is ending; or it cannot be given a peer any more, and must.  Asked to end, it has its
         * time. */
        close(program->control);
        program->control = -1;
        if (!launch->stopping)
            kill(program->pid, SIGKILL);
        return;
    }
    if (which != PROGRAM_XAPID || n != 5 || memcmp(text, "ready", 5) != 0 || launch->ready)
        return;
    launch->ready = true;
    log_info("ready");
    notify("READY=1");
}

static void
reap(struct launch *launch)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < PROGRAM_MAX; i++)
            if (launch->programs[i].pid == pid)
                program_ended(&launch->programs[i], status);
}

/* Ends the next program; true when all have. */
static bool
stop_next(struct launch *launch)
{
    for (int i = 0; i < PROGRAM_MAX; i++) {
        if (launch->programs[i].pid == 0)
            continue;
        if (launch->programs[i].kill_at == 0)
            program_stop(&launch->programs[i], STOP_SECONDS);
        return false;
    }
    return true;
}

static void
read_signals(struct launch *launch)
{
    struct signalfd_siginfo info;

    while (read(launch->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD || launch->stopping)
            continue;
        log_info("signal %u: ending", info.ssi_signo);
        launch->stopping = true;
        notify("STOPPING=1");
    }
    reap(launch);
}

/* Does what is due; returns how long poll may wait, ms, -1: for ever. */
static int
run_timers(struct launch *launch)
{
    gint64 now = g_get_monotonic_time(), next = G_MAXINT64;

    for (int i = PROGRAM_MAX - 1; i >= 0; i--) {
        struct program *program = &launch->programs[i];

        if (program->restart_at && program->restart_at <= now && !launch->stopping)
            start(launch, i);
        if (program->kill_at && program->kill_at <= now) {
            log_warning("%s (pid %d) does not end: it is killed", program->name, (int)program->pid);
            kill(program->pid, SIGKILL);
            program->kill_at = now + STOP_SECONDS * G_USEC_PER_SEC;
        }
        if (program->restart_at && !launch->stopping)
            next = MIN(next, program->restart_at);
        if (program->kill_at)
            next = MIN(next, program->kill_at);
    }
    if (next == G_MAXINT64)
        return -1;
    return (int)MAX((next - now + 999) / 1000, 0);
}

static void
run(struct launch *launch)
{
    for (;;) {
        struct pollfd fds[PROGRAM_MAX + 1] = {{.fd = launch->signals, .events = POLLIN}};
        int wait;

        if (launch->stopping && stop_next(launch))
            return;
        wait = run_timers(launch);
        for (int i = 0; i < PROGRAM_MAX; i++)
            fds[i + 1] = (struct pollfd){.fd = launch->programs[i].control, .events = POLLIN};
        if (poll(fds, G_N_ELEMENTS(fds), wait) < 0)
            continue; /* EINTR alone: every descriptor is ours */
        for (int i = 0; i < PROGRAM_MAX; i++)
            if (fds[i + 1].revents)
                read_control(launch, i);
        if (fds[0].revents)
            read_signals(launch);
    }
}

/* --- start --- */

/* What the programs see of our environment. */
static char **
clean_environment(bool test)
{
    static const char *const kept[] = {"PATH=", "LANG=", "XAPID_FAULT="};
    static const char *const for_tests[] = {
        "NSS_WRAPPER_", "PAM_WRAPPER", "UID_WRAPPER_", "LD_PRELOAD=", "LD_LIBRARY_PATH=",
        "ASAN_",        "UBSAN_",      "LSAN_",        "TSAN_",       "XAPID_TEST_"};
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    for (char **variable = environ; *variable; variable++) {
        bool keep = false;

        for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
            keep |= g_str_has_prefix(*variable, kept[i]);
        for (size_t i = 0; test && i < G_N_ELEMENTS(for_tests); i++)
            keep |= g_str_has_prefix(*variable, for_tests[i]);
        if (keep)
            g_strv_builder_add(builder, *variable);
    }
    /* GLib's own pools (up to 2.74) would keep for good what thousands of clients took. */
    g_strv_builder_add(builder, "G_SLICE=always-malloc");
    return g_strv_builder_end(builder);
}

/* xapid's folder, its own and no one else's, from the moment that it has its name. */
static bool
make_state_dir(const char *path, const struct user *user, GError **error)
{
    g_autofree char *whole = g_canonicalize_filename(path, "/");
    g_autofree char *parent = g_path_get_dirname(whole);
    g_autofree char *new = g_strconcat(whole, ".new", NULL);
    int fd = -1;
    bool ok = access(path, F_OK) == 0;

    if (!ok && FAULT_POINT("launch.folder.before", NULL) &&
        g_mkdir_with_parents(parent, 0755) == 0 && (mkdir(new, 0700) == 0 || errno == EEXIST) &&
        FAULT_POINT("launch.folder.made", NULL) &&
        (fd = open(new, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) >= 0)
        ok = (!user || fchown(fd, user->uid, user->gid) == 0) && rename(new, path) == 0 &&
             FAULT_POINT("launch.folder.after", NULL);
    if (fd >= 0)
        close(fd);
    if (!ok)
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot make %s: %s", path,
                    g_strerror(errno));
    return ok;
}

static int
open_signals(void)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

struct options {
    char *config, *sim, *bindir;
    bool test;
    guint backoff_max_ms;
};

/* In a build tree xapid is xapid/xapid, since its folder has its name. */
static char *
program_file(const char *bindir, const char *name)
{
    g_autofree char *file = g_build_filename(bindir, name, NULL);

    if (g_file_test(file, G_FILE_TEST_IS_DIR))
        return g_build_filename(file, name, NULL);
    return g_steal_pointer(&file);
}

static void
set_programs(struct launch *launch, const struct options *options, const struct settings *settings)
{
    static const struct {
        const char *name, *peer;
    } names[PROGRAM_MAX] = {
        {"xapid", "peer xapid"}, {"xapid-domains", "peer domains"}, {"xapid-host", "peer host"}};
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    const char *sim = options->sim ? options->sim : settings->sim_dir;

    for (int i = 0; i < PROGRAM_MAX; i++) {
        g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
        g_autofree char *file = program_file(options->bindir, names[i].name);

        g_strv_builder_add(argv, file);
        if (*sim && i != PROGRAM_XAPID)
            g_strv_builder_add_many(argv, "--sim", sim, NULL);
        if (i == PROGRAM_DOMAINS) {
            /* A simulated guest needs no kernel. */
            if (!*sim)
                g_strv_builder_add_many(argv, "--kernels", settings->guest_kernels, NULL);
            g_strv_builder_add_many(argv, "--disks", settings->disk_handles, "--log-level",
                                    levels[settings->log_level], NULL);
        } else if (options->config) {
            g_strv_builder_add_many(argv, "--config", options->config, NULL);
        }
        launch->programs[i] =
            (struct program){.name = names[i].name,
                             .peer = names[i].peer,
                             .argv = g_strv_builder_end(argv),
                             .control = -1,
                             .backoff_ms = MIN(BACKOFF_FIRST_MS, options->backoff_max_ms),
                             .backoff_max_ms = options->backoff_max_ms,
                             .user = i == PROGRAM_XAPID && launch->user.uid ? &launch->user : NULL};
    }
}

static bool
prepare(struct launch *launch, const struct options *options, GError **error)
{
    struct settings *settings = settings_load(options->config, error);
    bool ok = false;

    log_init("xapid-launch", settings ? settings->log_level : LOG_LEVEL_INFO);
    if (!settings)
        return false;
    if (geteuid() == 0 && !user_find(settings->user, &launch->user, error))
        goto out;
    if (!make_state_dir(settings->state_dir, launch->user.uid ? &launch->user : NULL, error))
        goto out;
    launch->environment = clean_environment(options->test);
    set_programs(launch, options, settings);
    launch->signals = open_signals();
    ok = listeners_open(&launch->listeners, settings, error);
out:
    settings_free(settings);
    return ok;
}

static void
launch_clear(struct launch *launch)
{
    listeners_clear(&launch->listeners);
    for (int i = 0; i < PROGRAM_MAX; i++)
        g_strfreev(launch->programs[i].argv);
    g_strfreev(launch->environment);
    g_free(launch->user.groups);
    close(launch->signals);
}

static void
usage(FILE *out)
{
    fprintf(out,
            "usage: xapid-launch [--config FILE] [--sim DIR] [--bindir DIR] [--backoff-max MS]\n"
            "                    [--test-environment]\n"
            "Opens the XenAPI's sockets and keeps xapid, xapid-domains and xapid-host running.\n\n"
            "  --config FILE       configuration (default: %s)\n"
            "  --sim DIR           simulate a host; its state is kept in DIR\n"
            "  --bindir DIR        where the other programs are (default: %s)\n"
            "  --backoff-max MS    longest wait before a program that ended is started again "
            "(default: %d)\n"
            "  --test-environment  hand test variables (LD_PRELOAD, *_WRAPPER_*, ...) on\n"
            "  --fault-points, --help, --version\n",
            SETTINGS_FILE, XAPID_LIBEXECDIR, BACKOFF_MAX_MS);
}

/* A program must mean the same files as we do, wherever it runs. */
static void
set_path(char **option, const char *text)
{
    g_free(*option);
    *option = g_canonicalize_filename(text, NULL);
}

static bool
parse_milliseconds(const char *text, guint *ret_ms)
{
    guint64 ms;

    if (!g_ascii_string_to_unsigned(text, 10, 1, BACKOFF_MAX_MS, &ms, NULL))
        return false;
    *ret_ms = (guint)ms;
    return true;
}

static void
parse_options(struct options *options, int argc, char **argv)
{
    static const struct option table[] = {{"config", required_argument, NULL, 'c'},
                                          {"sim", required_argument, NULL, 's'},
                                          {"bindir", required_argument, NULL, 'b'},
                                          {"test-environment", no_argument, NULL, 't'},
                                          {"backoff-max", required_argument, NULL, 'm'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {"fault-points", no_argument, NULL, 'f'},
                                          {NULL, 0, NULL, 0}};
    int c;

    options->bindir = g_strdup(XAPID_LIBEXECDIR);
    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (c) {
        case 'c':
            set_path(&options->config, optarg);
            break;
        case 's':
            set_path(&options->sim, optarg);
            break;
        case 'b':
            set_path(&options->bindir, optarg);
            break;
        case 't':
            options->test = true;
            break;
        case 'm':
            if (!parse_milliseconds(optarg, &options->backoff_max_ms)) {
                usage(stderr);
                exit(EXIT_USAGE);
            }
            break;
        case 'f':
            faults_list();
            exit(EXIT_SUCCESS);
        case 'h':
            usage(stdout);
            exit(EXIT_SUCCESS);
        case 'v':
            printf("xapid-launch %s\n", PACKAGE_VERSION);
            exit(EXIT_SUCCESS);
        default:
            usage(stderr);
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc) {
        usage(stderr);
        exit(EXIT_USAGE);
    }
}

int
main(int argc, char **argv)
{
    struct options options = {.backoff_max_ms = BACKOFF_MAX_MS};
    struct launch launch = {.signals = -1};
    g_autoptr(GError) error = NULL;
    int status = EXIT_FAILURE;

    /* Whatever we were started with stays here. */
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    umask(0022);
    parse_options(&options, argc, argv);
    if (!faults_init(&error) || !prepare(&launch, &options, &error)) {
        log_error("%s", error->message);
    } else if (chdir("/") == 0) {
        for (int i = PROGRAM_MAX - 1; i >= 0; i--)
            start(&launch, i);
        run(&launch);
        status = EXIT_SUCCESS;
    }
    launch_clear(&launch);
    g_free(options.config);
    g_free(options.sim);
    g_free(options.bindir);
    return status;
}
