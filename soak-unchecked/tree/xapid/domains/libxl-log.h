/* What libxl says, to our log.  Its callback also runs in children that libxl forked, so it
 * formats on the stack and takes no lock. */
#ifndef XAPID_DOMAINS_LIBXL_LOG_H
#define XAPID_DOMAINS_LIBXL_LOG_H

#include <xentoollog.h>

#define LIBXL_LOG_LAST 256

struct libxl_log {
    xentoollog_logger logger; /* first: libxl holds a pointer to it */
    int pid;
    char last[LIBXL_LOG_LAST]; /* the newest error that this process's main thread saw */
};

void libxl_log_init(struct libxl_log *log);

#endif
