/* What every storage driver is: a program that answers one call and ends.
 *
 * The call is a JSON object on standard input, the answer one on standard output; what is said to
 * people goes to standard error.  docs/storage-driver.md has the calls.  A call that was broken off
 * anywhere is simply made again, so each is idempotent.  One thread. */
#ifndef XAPID_STORAGE_DRIVER_H
#define XAPID_STORAGE_DRIVER_H

#include <glib.h>
#include <stdbool.h>

#define DRIVER_REQUEST_MAX (4 * 1024 * 1024) /* bytes of a call */

/* A key of device_config. */
struct driver_key {
    const char *name;
    const char *description;
    bool required; /* its absence is refused before the call is made */
};

/* args: a{sv} with what the call needs, whose sr and vdi are uuids.  What the call answers is
 * inserted into result.  False with an API_ERROR. */
struct driver_call {
    const char *name;
    bool (*run)(GVariant *args, GVariantDict *result, GError **error);
};

struct driver {
    const char *type; /* the name of the program, and SR.type */
    const char *name_label;
    const char *name_description;
    const char *const *capabilities;         /* as XenAPI's SM.capabilities, NULL terminated */
    const struct driver_key *keys;           /* until name == NULL */
    const struct driver_call *calls;         /* until name == NULL; `query` is answered for it */
    const struct driver_call *calls_of_kind; /* the same, of all drivers of its kind; NULL: none */
    /* Makes a call, with what all calls of this driver need around them; NULL: nothing. */
    bool (*make)(const struct driver_call *call, GVariant *args, GVariantDict *result,
                 GError **error);
};

/* The whole program. */
int driver_main(const struct driver *driver, int argc, char **argv);

/* A text of args' device_config; "" when it is not there. */
const char *driver_key(GVariant *args, const char *name);
/* INVALID_VALUE [name, ...] when it is missing or negative. */
bool driver_size(GVariant *args, const char *name, gint64 *ret_size, GError **error);
/* args' virtual_size, rounded up to a multiple of unit; INVALID_VALUE when it is no size. */
bool driver_disk_size(GVariant *args, gint64 unit, gint64 *ret_size, GError **error);
/* VDI_TOO_SMALL: a disk of `now` bytes would become one of `size`. */
bool driver_may_resize(const char *vdi, gint64 now, gint64 size, GError **error);
/* Inserts name_label, name_description and type of `from`, "" for what it does not have. */
void driver_insert_labels(GVariantDict *out, GVariant *from);

/* The failure of a backend as XenAPI clients know it: SR_BACKEND_FAILURE_<number> ["", text, ""],
 * with the numbers of SMAPIv1. */
enum driver_failure {
    FAILURE_SR_EXISTS = 42,
    FAILURE_VDI_EXISTS = 43,
    FAILURE_SR_NO_SPACE = 44,
    FAILURE_SR_UNAVAILABLE = 47,
    FAILURE_MOUNT = 52,
    FAILURE_UNMOUNT = 53,
    FAILURE_DEVICE_IN_USE = 56,
    FAILURE_FILE_SYSTEM = 57,
    FAILURE_SR_CREATE = 61,
    FAILURE_SR_DELETE = 62,
    FAILURE_VDI_LOAD = 65,
    FAILURE_ISCSI_LOGIN = 68,
    FAILURE_ISCSI_LOGOUT = 69,
    FAILURE_ISCSI_DAEMON = 71,
    FAILURE_NFS_VERSION = 72,
    FAILURE_NFS_MOUNT = 73,
    FAILURE_GROUP_CREATE = 77,
    FAILURE_VDI_CREATE = 78,
    FAILURE_VDI_DELETE = 80,
    FAILURE_VDI_CLONE = 81,
    FAILURE_CONFIG_INVALID = 91,
    FAILURE_CONFIG_MISSING = 94,
    FAILURE_TARGET = 95,
    FAILURE_CONFIG_IQN = 96,
    FAILURE_IQN = 106,
    FAILURE_CONFIG_SCSI_ID = 107,
    FAILURE_VDI_RESIZE = 110,
    FAILURE_SMB_MOUNT = 111,
    FAILURE_DNS = 140,
    FAILURE_ISCSI_TARGET = 141,
    FAILURE_PORT = 142,
    FAILURE_VDI_MISSING = 144,
    FAILURE_SMB_VERSION = 227,
    FAILURE_MOUNT_OPTIONS = 228,
};
void driver_fail(GError **error, enum driver_failure number, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* The same with a document, as clients of the XenAPI read it when they ask what there is:
 * ["", text, document]. */
void driver_fail_telling(GError **error, enum driver_failure number, const char *text,
                         const char *document);
/* The failure is this program's answer, and its end, whatever its other threads are at.  Any
 * thread. */
void driver_give_up(enum driver_failure number, const char *text) G_GNUC_NORETURN;

#endif
