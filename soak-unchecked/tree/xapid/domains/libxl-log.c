/* libxl's messages; see libxl-log.h. */
#include "config.h"

#include "xapid/domains/libxl-log.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
message(xentoollog_logger *logger, xentoollog_level level, int errnoval, const char *context,
        const char *format, va_list ap)
{
    struct libxl_log *log = (struct libxl_log *)logger;
    char text[512], line[768];
    int n;

    if (level < XTL_WARN)
        return;
    vsnprintf(text, sizeof text, format, ap);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    n = snprintf(line, sizeof line, "xapid-domains[%d] libxl %s: %s%s%s%s%s\n", (int)getpid(),
                 level >= XTL_ERROR ? "error" : "warning", context ? context : "",
                 context ? ": " : "", text, errnoval > 0 ? ": " : "",
                 errnoval > 0 ? strerrordesc_np(errnoval) : "");
    if (n > (int)sizeof line - 1) {
        n = sizeof line - 1;
        line[n - 1] = '\n';
    }
    (void)!write(STDERR_FILENO, line, (size_t)n);
    if (level >= XTL_ERROR && syscall(SYS_gettid) == log->pid)
        snprintf(log->last, sizeof log->last, "%.*s", (int)sizeof log->last - 1, text);
}

static void
progress(xentoollog_logger *logger, const char *context, const char *doing_what, int percent,
         unsigned long done, unsigned long total)
{
    (void)logger;
    (void)context;
    (void)doing_what;
    (void)percent;
    (void)done;
    (void)total;
}

static void
destroy(xentoollog_logger *logger)
{
    (void)logger;
}

void
libxl_log_init(struct libxl_log *log)
{
    log->logger.vmessage = message;
    log->logger.progress = progress;
    log->logger.destroy = destroy;
    log->pid = (int)getpid();
    log->last[0] = '\0';
}
