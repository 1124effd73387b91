/* xapid-terminal: the text console of one guest; see terminal.h.  It gives up all that it could do
 * harm with before it reads a byte. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "lib/confine.h"
#include "lib/error.h"
#include "lib/helper.h"
#include "lib/log.h"
#include "lib/passed-fd.h"
#include "xapid/terminal/viewers.h"

#define USER "nobody"
#define PIECE 4096     /* of what the guest writes, at a time */
#define FRAME_MS 30    /* between two pictures */
#define TYPED_MAX 4096 /* bytes that the guest has not read; further ones are lost */

static const int calls[] = {
    SYS_read,        SYS_recvfrom, SYS_recvmsg, SYS_sendto,     SYS_poll,
    SYS_select,      SYS_pselect6, SYS_fcntl,   SYS_setsockopt, SYS_getpeername,
    SYS_getsockname, SYS_shutdown, SYS_close,   SYS_setitimer,  -1};

enum { VIEWERS, DEVICE, OTHERS }; /* in what is waited for */

struct terminal {
    struct screen *screen;
    struct viewers *viewers;
    GByteArray *typed; /* for the guest */
    gint64 drawn;      /* µs, when the last picture was */
    gint64 alone;      /* since when nobody looks; 0: somebody does */
    bool changed;      /* since then */
};

static void
type(const char *bytes, gsize length, void *data)
{
    struct terminal *terminal = data;

    if (terminal->typed->len + length <= TYPED_MAX)
        g_byte_array_append(terminal->typed, (const guint8 *)bytes, (guint)length);
    terminal->changed = true;
}

static void
ring(void *data)
{
    struct terminal *terminal = data;

    if (terminal->viewers)
        viewers_bell(terminal->viewers);
}

/* ---- the guest ---- */

/* False: it has gone. */
static bool
read_guest(struct terminal *terminal)
{
    guint8 bytes[PIECE];
    gssize n = read(TERMINAL_DEVICE_FD, bytes, sizeof bytes);

    if (n > 0) {
        screen_write(terminal->screen, bytes, (gsize)n);
        viewers_show(terminal->viewers, bytes, (gsize)n);
        terminal->changed = true;
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool
write_guest(struct terminal *terminal)
{
    if (terminal->typed->len == 0)
        return true;
    gssize n = write(TERMINAL_DEVICE_FD, terminal->typed->data, terminal->typed->len);
    if (n > 0)
        g_byte_array_remove_range(terminal->typed, 0, (guint)n);
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* ---- viewers ---- */

/* False: xapid-domains has gone. */
static bool
take_viewer(struct terminal *terminal)
{
    char kind = 0;
    int fd;
    ssize_t n = passed_fd_receive(TERMINAL_VIEWERS_FD, &kind, 1, &fd);

    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    if (fd < 0)
        return true;
    viewers_add(terminal->viewers, kind, fd);
    return true;
}

static gint64
milliseconds_until(gint64 at)
{
    return MAX((at - g_get_monotonic_time() + 999) / 1000, 0);
}

/* How long to wait, ms; -1: for ever. */
static int
patience(const struct terminal *terminal)
{
    if (terminal->changed)
        return (int)milliseconds_until(terminal->drawn + FRAME_MS * 1000);
    if (terminal->alone)
        return (int)milliseconds_until(terminal->alone +
                                       TERMINAL_ALONE_SECONDS * G_TIME_SPAN_SECOND);
    return -1;
}

static void
draw_when_due(struct terminal *terminal)
{
    gint64 now = g_get_monotonic_time();

    if (!terminal->changed || now - terminal->drawn < FRAME_MS * 1000)
        return;
    viewers_draw(terminal->viewers);
    terminal->drawn = now;
    terminal->changed = false;
}

/* False: it is over. */
static bool
look_who_is_there(struct terminal *terminal)
{
    gint64 now = g_get_monotonic_time();

    if (viewers_count(terminal->viewers))
        terminal->alone = 0;
    else if (!terminal->alone)
        terminal->alone = now;
    return !terminal->alone || now - terminal->alone < TERMINAL_ALONE_SECONDS * G_TIME_SPAN_SECOND;
}

/* Whatever a guest or a viewer makes it do, it does not do for ever: SIGPROF ends it. */
static void
limit_turn(void)
{
    const struct itimerval limit = {.it_value = {.tv_sec = TERMINAL_TURN_CPU_SECONDS}};

    setitimer(ITIMER_PROF, &limit, NULL);
}

/* What nobody looks at is left where it is, for another program that reads the console. */
static void
serve(struct terminal *terminal)
{
    struct pollfd fds[OTHERS + TERMINAL_VIEWERS_MAX];

    while (look_who_is_there(terminal)) {
        bool looked_at = viewers_count(terminal->viewers) > 0;
        short events = (short)((looked_at ? POLLIN : 0) | (terminal->typed->len ? POLLOUT : 0));

        fds[VIEWERS] = (struct pollfd){.fd = TERMINAL_VIEWERS_FD, .events = POLLIN};
        fds[DEVICE] = (struct pollfd){.fd = TERMINAL_DEVICE_FD, .events = events};
        guint n = OTHERS + viewers_wait(terminal->viewers, fds + OTHERS);
        if (poll(fds, n, patience(terminal)) < 0 && errno != EINTR)
            return;
        limit_turn();
        if (fds[VIEWERS].revents && !take_viewer(terminal))
            return;
        if ((fds[DEVICE].revents & POLLIN) && !read_guest(terminal))
            return;
        if ((fds[DEVICE].revents & (POLLHUP | POLLERR)) && !(fds[DEVICE].revents & POLLIN))
            return;
        draw_when_due(terminal);
        viewers_serve(terminal->viewers);
        if (!write_guest(terminal))
            return;
    }
}

/* Nothing of what passes means anything to dom0's own terminal. */
static bool
make_raw(GError **error)
{
    struct termios mode;

    if (tcgetattr(TERMINAL_DEVICE_FD, &mode) == 0) {
        cfmakeraw(&mode);
        if (tcsetattr(TERMINAL_DEVICE_FD, TCSANOW, &mode) == 0 &&
            fcntl(TERMINAL_DEVICE_FD, F_SETFL, O_NONBLOCK) == 0)
            return true;
    }
    api_error_set(error, "INTERNAL_ERROR", "the guest's terminal device", g_strerror(errno), NULL);
    return false;
}

int
main(int argc, char **argv)
{
    static const struct screen_callbacks callbacks = {.send = type, .bell = ring};
    g_autoptr(GError) error = NULL;
    struct terminal terminal = {.typed = g_byte_array_new()};
    int status;

    if (!helper_begin("xapid-terminal", argc, argv, &status))
        return status;
    signal(SIGPIPE, SIG_IGN);
    struct font *font = font_load(FONT_FILE, &error);
    if (font && make_raw(&error)) {
        terminal.screen = screen_new(font, &callbacks, &terminal);
        terminal.viewers = viewers_new(terminal.screen, type, &terminal);
        terminal.changed = true;
        if (confine(USER, TERMINAL_VIEWERS_FD + 1, TERMINAL_VIEWERS_MAX * 2, TERMINAL_MEMORY, calls,
                    &error))
            serve(&terminal);
    }
    if (error)
        log_error("%s", error->message);
    _exit(error ? EXIT_FAILURE : EXIT_SUCCESS);
}
