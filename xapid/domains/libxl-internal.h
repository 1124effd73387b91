/* What the files of the libxl backend share. */
#ifndef XAPID_DOMAINS_LIBXL_INTERNAL_H
#define XAPID_DOMAINS_LIBXL_INTERNAL_H

#include <xenstore.h>

#include "xapid/domains/backend.h"
#include "xapid/domains/guest-keys.h"
#include "xapid/domains/libxl-config.h"
#include "xapid/domains/libxl-log.h"

struct backend_ctx {
    libxl_ctx *ctx;
    struct xs_handle *xs; /* for what libxl does not tell */
    struct libxl_log log;
    int kernels_dir, reserves;
    bool timed_out; /* of the backend's question */
    int unanswered; /* calls that libxl still waits for although they returned */
};

/* A failed libxl call as an error: the one table between its codes and XenAPI's. */
bool libxl_failed(struct backend_ctx *ctx, int rc, const char *call, GError **error);

/* Reserves memory for a domain that is built or grows: see reserve_take (). */
int libxl_reserve(struct backend_ctx *ctx, const char *uuid, uint64_t need_kb, GError **error);

/* Builds a domain with the guest's disks, from the stream behind the header of an image when that
 * is not -1. */
bool libxl_create(struct backend_ctx *ctx, const char *uuid, const struct guest_config *guest,
                  libxl_domain_config *config, int image, int *ret_domid, GError **error);

/* --- libxl-model.c --- */

#define LIBXL_MODEL_PID_KEY "/local/domain/%d/image/device-model-pid" /* libxl writes it */

/* The pid of a domain's device model that is there, else NULL; free it. */
char *libxl_model_pid(struct backend_ctx *ctx, int domid);

/* Lifts the limit on how far into a file the confined QEMU of a domain may write.  It has no file
 * but the guest's disks and its log. */
bool libxl_let_model_write(struct backend_ctx *ctx, int domid, GError **error);

/* The socket of a domain's screen, if it has one; NULL when there is no such domain. */
char *libxl_model_screen(struct backend_ctx *ctx, int domid);

/* After a domain was destroyed: ends device models of it that are left, and removes what they had.
 */
void libxl_end_device_models(struct backend_ctx *ctx, int domid, const char *screen);

/* --- libxl-drives.c --- */

bool libxl_backend_plug(struct backend_ctx *ctx, const struct domain_info *info,
                        const struct guest_disk *disk, GError **error);
bool libxl_backend_unplug(struct backend_ctx *ctx, const struct domain_info *info, const char *vdev,
                          bool force, GError **error);
bool libxl_backend_set_medium(struct backend_ctx *ctx, const struct domain_info *info,
                              const struct guest_disk *disk, GError **error);

/* --- libxl-follow.c --- */

bool libxl_backend_follow(struct backend_ctx *ctx, const struct domain_info *info,
                          const GPtrArray *disks, bool only_check, GError **error);

/* --- libxl-cards.c --- */

bool libxl_backend_plug_nic(struct backend_ctx *ctx, const struct domain_info *info,
                            const struct guest_nic *nic, GError **error);
bool libxl_backend_unplug_nic(struct backend_ctx *ctx, int domid, int device, bool force,
                              GError **error);
bool libxl_backend_set_nic(struct backend_ctx *ctx, int domid, const struct guest_nic *nic,
                           GError **error);

/* --- libxl-image.c --- */

bool libxl_restore(struct backend_ctx *ctx, const char *uuid, const struct guest_config *guest,
                   int image, int *ret_domid, GError **error);
bool libxl_backend_save(struct backend_ctx *ctx, const struct domain_info *info, int fd,
                        GError **error);
bool libxl_backend_dump(struct backend_ctx *ctx, int domid, int fd, GError **error);
bool libxl_backend_resume(struct backend_ctx *ctx, int domid, GError **error);

/* --- libxl-features.c --- */

/* Fills in the feature sets. */
bool libxl_read_features(struct backend_ctx *ctx, struct host_info *info, GError **error);

extern const struct guest_store libxl_guest_store;

/* --- libxl-live.c --- */

/* Has the host any of them?  INVALID_VALUE. */
bool libxl_check_cpus(struct backend_ctx *ctx, GVariant *cpus, GError **error);
bool libxl_backend_adjust(struct backend_ctx *ctx, const struct domain_info *info,
                          const struct adjustment *wanted, GError **error);
bool libxl_backend_signal(struct backend_ctx *ctx, int domid, enum guest_trigger trigger, char key,
                          GError **error);
bool libxl_backend_list(struct backend_ctx *ctx, const char *uuid, GPtrArray **ret_domains,
                        GError **error);
bool libxl_backend_probe(struct backend_ctx *ctx, GError **error);
bool libxl_backend_host_info(struct backend_ctx *ctx, struct host_info *ret_info, GError **error);
bool libxl_backend_console(struct backend_ctx *ctx, bool clear, GByteArray *ret_text,
                           GError **error);
bool libxl_backend_consoles(struct backend_ctx *ctx, const struct domain_info *info,
                            struct guest_consoles *ret_consoles, GError **error);
bool libxl_backend_watch(struct backend_ctx *ctx, int stop_fd,
                         void (*changed)(const char *uuid, void *), void *data, GError **error);

#endif
