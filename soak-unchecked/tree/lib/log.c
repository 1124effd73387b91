#include "config.h"

#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *program;
    enum log_level level;
    gboolean journal; /* standard error is the journal: priorities instead of times */
    gboolean hooked;  /* GLib takes its writer only once */
} log_state = {"xapid", LOG_LEVEL_INFO, FALSE, FALSE};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

int
log_level_parse(const char *name)
{
    for (int i = 0; i < (int)G_N_ELEMENTS(level_names); i++)
        if (g_str_equal(name, level_names[i]))
            return i;
    return -1;
}

bool
log_is_on(enum log_level level)
{
    return level <= log_state.level;
}

static void
write_line(enum log_level level, const char *text)
{
    static const int syslog_priority[] = {3, 4, 6, 7};
    g_autofree char *line = NULL;

    if (log_state.journal) {
        /* The stream is xapid-launch's, and its name is what the journal has for all. */
        line = g_strdup_printf("<%d>%s: %s\n", syslog_priority[level], log_state.program, text);
    } else {
        struct timespec now;
        struct tm tm;
        char stamp[32];

        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &tm);
        strftime(stamp, sizeof stamp, "%H:%M:%S", &tm);
        line = g_strdup_printf("%s.%03ld %s[%d] %s: %s\n", stamp, now.tv_nsec / 1000000,
                               log_state.program, (int)getpid(), level_names[level], text);
    }
    /* One write a line, so that lines of several programs do not mix. */
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        return; /* nowhere to complain to */
}

void
log_write(enum log_level level, const char *format, ...)
{
    va_list ap;

    if (!log_is_on(level))
        return;
    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    /* Text from outside cannot forge a second line. */
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    write_line(level, text);
}

static GLogWriterOutput
glib_writer(GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer data)
{
    enum log_level level = LOG_LEVEL_DEBUG;

    (void)data;
    if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        level = LOG_LEVEL_ERROR;
    else if (flags & G_LOG_LEVEL_WARNING)
        level = LOG_LEVEL_WARNING;
    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, "MESSAGE"))
            log_write(level, "%.*s",
                      fields[i].length < 0 ? 65536 : (int)MIN(fields[i].length, 65536),
                      (const char *)fields[i].value);
    return G_LOG_WRITER_HANDLED;
}

void
log_init(const char *program, enum log_level level)
{
    log_state.program = program;
    log_state.level = level;
    log_state.journal = g_log_writer_is_journald(STDERR_FILENO);
    if (!log_state.hooked)
        g_log_set_writer_func(glib_writer, NULL, NULL);
    log_state.hooked = TRUE;
}
