/* What the files of the libxl backend share. */
#ifndef XAPID_DOMAINS_LIBXL_INTERNAL_H
#define XAPID_DOMAINS_LIBXL_INTERNAL_H

#include <xenstore.h>

#include "xapid/domains/backend.h"
#include "xapid/domains/libxl-config.h"
#include "xapid/domains/libxl-log.h"

struct backend_ctx {
    libxl_ctx *ctx;
    struct xs_handle *xs; /* for what libxl does not tell */
    struct libxl_log log;
    int kernels_dir;
};

/* A failed libxl call as an error: the one table between its codes and XenAPI's. */
bool libxl_failed(struct backend_ctx *ctx, int rc, const char *call, GError **error);

bool libxl_backend_list(struct backend_ctx *ctx, const char *uuid, GPtrArray **ret_domains,
                        GError **error);
bool libxl_backend_host_info(struct backend_ctx *ctx, struct host_info *ret_info, GError **error);
bool libxl_backend_watch(struct backend_ctx *ctx, int stop_fd,
                         void (*changed)(const char *uuid, void *), void *data, GError **error);

#endif
