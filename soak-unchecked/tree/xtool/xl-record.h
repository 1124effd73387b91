/* A VM of xl's configuration: the record that the XenAPI takes, and its disks.  Pure: asks no
 * server.
 */
#ifndef XAPID_XTOOL_XL_RECORD_H
#define XAPID_XTOOL_XL_RECORD_H

#include <glib.h>
#include <stdbool.h>

#define XL_FILE_MAX (64 * 1024) /* bytes of a configuration */
#define XL_CPUS_MAX 4096        /* physical ones in a list, as xapid has it */

struct xl_disk {
    char *entry;  /* as the file has it, for messages */
    char *target; /* a path, or what else the user named; NULL: an empty CD drive */
    int position; /* 0: xvda, hda or sda */
    bool cd, writable;
};

struct xl_vm {
    char *name;
    GVariant *record; /* a{sv} of VM.create */
    GPtrArray *disks; /* struct xl_disk, in the file's order */
    char *left_out;   /* what was left out, "vif, vnc"; or "" */
};

void xl_disk_free(struct xl_disk *disk);
void xl_vm_clear(struct xl_vm *vm);
typedef struct xl_vm xl_vm_owned;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(xl_vm_owned, xl_vm_clear)

#define XL_ERROR (xl_error_quark()) /* what is no configuration, or cannot be had; says all */
GQuark xl_error_quark(void);

/* --- xl-record.c, xl-disks.c: in xtool-xl alone, which has Xen's libraries --- */

/* Of a file's text (name: for messages).  leave_out: names of what shall be left out, separated by
 * commas, or "all"; or "".  The error tells everything that cannot be had. */
bool xl_vm_convert(const char *name, const char *text, const char *leave_out, struct xl_vm *ret,
                   GError **error);
/* One disk, as an entry of disk=[].  The caller's, or NULL. */
struct xl_disk *xl_disk_convert(const char *entry, GError **error);

/* --- xl-read.c: the same by that program --- */

bool xl_vm_read(const char *name, const char *text, const char *leave_out, struct xl_vm *ret,
                GError **error);
struct xl_disk *xl_disk_read(const char *entry, GError **error);

/* --- xl-words.c --- */

#define XL_DISK_TYPE "(ssibb)"
#define XL_VM_TYPE "(sa{sv}a" XL_DISK_TYPE "s)"

/* As values between the two, floating; and back, from one of that type. */
GVariant *xl_disk_pack(const struct xl_disk *disk);
struct xl_disk *xl_disk_unpack(GVariant *value);
GVariant *xl_vm_pack(const struct xl_vm *vm);
void xl_vm_unpack(GVariant *value, struct xl_vm *ret);

/* Which drive "xvdb", "hdb", "sdb", "d1" or "1" is: 1; -1: none, or a partition. */
int xl_position_read(const char *device);
/* "0-3,^2", "2" as what VCPUs_params takes ("0,1,3"), "" for "all"; the caller's, or NULL. */
char *xl_cpus_read(const char *text);

#endif
