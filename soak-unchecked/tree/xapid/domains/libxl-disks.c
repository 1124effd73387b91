/* The disks of a domain as libxl and QEMU take them; see libxl-disks.h.
 *
 * What is raw goes by the kernel's back end, files through a loop device.  Images (qcow2) of PV and
 * PVH guests are served by a QEMU that is not confined, and starts for them alone.  The confined
 * QEMU of a whole machine emulates its disks and cannot serve Xen's own disk driver too: the
 * guest's drivers take raw ones over from the emulated disk, and an image stays emulated, see
 * libxl_config_fill ().  The format is always said, never found out by looking.
 *
 * What is below an image of a whole machine is said too, by descriptors.  A QEMU that is not
 * confined opens what the image names, after its driver saw to it that it is what it should be. */
#include "config.h"

#include "xapid/domains/libxl-disks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"

#define LOOP_TRIES 64 /* others take free devices, too */
#define OPEN_MS 10000
#define OPEN_POLL_MS 5
#define DISK_SCRIPT XAPID_LIBEXECDIR "/disk-hotplug"

static bool
failed(GError **error, const char *path)
{
    api_error_set(error, "INTERNAL_ERROR", path, g_strerror(errno), NULL);
    return false;
}

static void
close_fd(void *fd)
{
    close(*(int *)fd);
}

static bool
is_raw(const struct guest_disk *guest)
{
    return g_strcmp0(guest->disk.format, "raw") == 0;
}

/* A loop device of the file, open; it goes with its last user.  -1: errno. */
static int
loop_open(int file, bool read_only, char **ret_path)
{
    struct loop_config config = {.fd = (__u32)file};
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int fd = -1;

    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0);
    for (int i = 0; control >= 0 && fd < 0 && i < LOOP_TRIES; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        g_autofree char *path = g_strdup_printf("/dev/loop%d", number);

        if (number < 0 || (fd = open(path, read_only ? O_RDONLY : O_RDWR)) < 0)
            break;
        if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
            *ret_path = g_steal_pointer(&path);
            break;
        }
        int why = errno;
        close(fd);
        fd = -1;
        errno = why;
        if (why != EBUSY)
            break;
    }
    if (control >= 0)
        close(control);
    return fd;
}

int
libxl_disk_number(const char *vdev)
{
    static const int ide[] = {3 << 8, (3 << 8) + 64, 22 << 8, (22 << 8) + 64};
    int place = vdev[strlen(vdev) - 1] - 'a';

    return g_str_has_prefix(vdev, "hd") ? ide[place] : (202 << 8) + 16 * place;
}

/* The set of descriptors by which QEMU has the disk is numbered as the device is. */
static void
add_to_set(int fd, int set, GPtrArray *args, GArray *fds)
{
    g_array_append_val(fds, fd);
    g_ptr_array_add(args, g_strdup("-add-fd"));
    g_ptr_array_add(args, g_strdup_printf("fd=%d,set=%d", fd, set));
}

/* The images below it, from the last to the nearest, as nodes base-SET.  Their sets have the
 * numbers behind the device's, which no other device has. */
static bool
open_bases(const struct guest_disk *guest, GPtrArray *args, GArray *fds, GError **error)
{
    char **bases = guest->disk.bases;
    int number = libxl_disk_number(guest->vdev);

    G_STATIC_ASSERT(DISK_BASES_MAX < 16);
    for (int n = bases ? (int)g_strv_length(bases) : 0; n > 0; n--) {
        int fd = open(bases[n - 1], O_RDONLY), set = number + n;
        g_autofree char *below = bases[n] ? g_strdup_printf("\"base-%d\"", set + 1) : NULL;
        if (fd < 0)
            return failed(error, bases[n - 1]);
        add_to_set(fd, set, args, fds);
        g_ptr_array_add(args, g_strdup("-blockdev"));
        g_ptr_array_add(args, g_strdup_printf("{\"driver\":\"qcow2\",\"node-name\":\"base-%d\","
                                              "\"read-only\":true,\"file\":{\"driver\":\"%s\","
                                              "\"filename\":\"/dev/fdset/%d\"},\"backing\":%s}",
                                              set, guest->disk.block ? "host_device" : "file", set,
                                              below ? below : "null"));
    }
    return true;
}

/* What QEMU is told of an image that it has by descriptors: the caller's. */
static char *
set_name(const struct guest_disk *guest)
{
    int set = libxl_disk_number(guest->vdev);
    bool based = guest->disk.bases && *guest->disk.bases;
    g_autofree char *below = based ? g_strdup_printf(",backing=base-%d", set + 1) : NULL;

    return g_strdup_printf("%s/dev/fdset/%d%s", guest->disk.block ? "host_device:" : "", set,
                           below ? below : "");
}

/* A raw disk as a device, open: its own, or a loop device of its file.  -1: errno. */
static int
device_open(const struct guest_disk *guest, char **ret_path)
{
    int fd = open(guest->disk.path, guest->read_only ? O_RDONLY : O_RDWR);

    if (fd < 0 || guest->disk.block) {
        *ret_path = g_strdup(guest->disk.path);
        return fd;
    }
    int file = fd;
    fd = loop_open(file, guest->read_only, ret_path);
    close(file);
    return fd;
}

/* By the kernel's back end. */
static void
set_device(libxl_device_disk *disk, const char *path)
{
    disk->backend = LIBXL_DISK_BACKEND_PHY;
    free(disk->pdev_path);
    disk->pdev_path = libxl_copy(path);
    free(disk->script);
    disk->script = libxl_copy(DISK_SCRIPT); /* tells QEMU's path, too */
}

/* One set a disk: QEMU takes a descriptor of it that is open as it wants the disk to be. */
static bool
open_for_model(const struct guest_disk *guest, libxl_device_disk *disk, GPtrArray *args,
               GArray *fds, GError **error)
{
    bool phy = is_raw(guest) && !guest->cdrom;
    g_autofree char *path = phy ? NULL : g_strdup(guest->disk.path);
    int fd = phy ? device_open(guest, &path) : open(path, guest->read_only ? O_RDONLY : O_RDWR);

    if (fd < 0)
        return failed(error, guest->disk.path);
    add_to_set(fd, libxl_disk_number(guest->vdev), args, fds);
    if (!guest->read_only) {
        fd = open(path, O_RDONLY);
        if (fd < 0)
            return failed(error, path);
        add_to_set(fd, libxl_disk_number(guest->vdev), args, fds);
    }
    if (phy) {
        set_device(disk, path);
    } else {
        free(disk->pdev_path);
        disk->backend = LIBXL_DISK_BACKEND_QDISK;
        g_autofree char *set = set_name(guest);
        disk->pdev_path = libxl_copy(set);
        return open_bases(guest, args, fds, error);
    }
    return true;
}

void
libxl_disk_fill(const struct guest_disk *guest, libxl_device_disk *disk)
{
    libxl_device_disk_init(disk);
    disk->vdev = libxl_copy(guest->vdev);
    disk->is_cdrom = guest->cdrom;
    disk->removable = guest->cdrom;
    disk->readwrite = !guest->read_only;
    if (!*guest->handle) {
        disk->format = LIBXL_DISK_FORMAT_EMPTY;
        return;
    }
    disk->pdev_path = libxl_copy(guest->disk.path);
    disk->format = is_raw(guest) ? LIBXL_DISK_FORMAT_RAW : LIBXL_DISK_FORMAT_QCOW2;
    disk->backend = LIBXL_DISK_BACKEND_QDISK;
}

/* Arguments of the QEMU; those of the life before go, as its descriptors have. */
static void
set_model_args(libxl_domain_build_info *b, GPtrArray *args)
{
    libxl_string_list_dispose(&b->extra_hvm);
    b->extra_hvm = libxl_allocate(args->len + 1, sizeof *b->extra_hvm);
    for (guint i = 0; i < args->len; i++)
        b->extra_hvm[i] = libxl_copy(args->pdata[i]);
}

bool
libxl_disk_fill_open(const struct guest_disk *guest, libxl_device_disk *disk, int *ret_fd,
                     GError **error)
{
    g_autofree char *path = NULL;

    *ret_fd = -1;
    libxl_disk_fill(guest, disk);
    if (!is_raw(guest))
        return true;
    *ret_fd = device_open(guest, &path);
    if (*ret_fd < 0)
        return failed(error, guest->disk.path);
    fcntl(*ret_fd, F_SETFD, FD_CLOEXEC); /* a QEMU for other disks would keep it */
    set_device(disk, path);
    return true;
}

bool
libxl_disk_wait_open(int domid, const libxl_device_disk *disk, GError **error)
{
    g_autofree char *path =
        g_strdup_printf("/sys/bus/xen-backend/devices/vbd-%d-%d/physical_device", domid,
                        libxl_disk_number(disk->vdev));

    if (disk->backend != LIBXL_DISK_BACKEND_PHY)
        return true;
    for (int ms = 0; ms < OPEN_MS; ms += OPEN_POLL_MS) {
        if (access(path, F_OK) == 0)
            return true;
        g_usleep(OPEN_POLL_MS * 1000);
    }
    api_error_set(error, "DEVICE_ATTACH_TIMEOUT", "VBD", disk->vdev, NULL);
    return false;
}

/* A loop device may have lost its file, or have got another one, since it was put there. */
static bool
is_loop_of(const char *path, const struct stat *file)
{
    struct loop_info64 info = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool same = fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 &&
                info.lo_device == file->st_dev && info.lo_inode == file->st_ino;

    if (fd >= 0)
        close(fd);
    return same;
}

bool
libxl_disk_serves(const libxl_device_disk *disk, const struct guest_disk *guest)
{
    struct stat wanted;

    if (!disk->pdev_path || stat(guest->disk.path, &wanted) < 0)
        return false;
    if (is_raw(guest) && !guest->disk.block)
        return is_loop_of(disk->pdev_path, &wanted);
    return g_str_equal(disk->pdev_path, guest->disk.path);
}

static bool
fill_for_model(const struct guest_disk *guest, libxl_device_disk *disk, GPtrArray *args,
               GArray *fds, GError **error)
{
    libxl_disk_fill(guest, disk);
    return !*guest->handle || open_for_model(guest, disk, args, fds, error);
}

static bool
fill_for_kernel(const struct guest_disk *guest, libxl_device_disk *disk, GPtrArray *args,
                GArray *fds, GError **error)
{
    int fd;
    bool ok = libxl_disk_fill_open(guest, disk, &fd, error);

    (void)args;
    if (fd >= 0)
        g_array_append_val(fds, fd);
    return ok;
}

bool
libxl_disks_open(const struct guest_config *guest, libxl_domain_config *config, GArray **ret_fds,
                 GError **error)
{
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GPtrArray) args = g_ptr_array_new_with_free_func(g_free);

    g_array_set_clear_func(fds, close_fd);
    for (int i = 0; i < config->num_disks; i++)
        libxl_device_disk_dispose(&config->disks[i]);
    free(config->disks);
    config->num_disks = 0;
    config->disks = libxl_allocate(guest->disks->len + 1, sizeof *config->disks);
    for (guint i = 0; i < guest->disks->len; i++) {
        const struct guest_disk *one = guest->disks->pdata[i];
        libxl_device_disk *disk = &config->disks[config->num_disks++];

        if (!(guest->type == GUEST_HVM ? fill_for_model : fill_for_kernel)(one, disk, args, fds,
                                                                           error))
            return false;
    }
    if (guest->type == GUEST_HVM)
        set_model_args(&config->b_info, args);
    *ret_fds = g_steal_pointer(&fds);
    return true;
}

bool
libxl_disks_wait_open(const libxl_domain_config *config, int domid, GError **error)
{
    for (int i = 0; i < config->num_disks; i++)
        if (!libxl_disk_wait_open(domid, &config->disks[i], error))
            return false;
    return true;
}

bool
libxl_disks_grow(const libxl_domain_config *config)
{
    for (int i = 0; i < config->num_disks; i++)
        if (config->disks[i].backend == LIBXL_DISK_BACKEND_QDISK && config->disks[i].readwrite)
            return true;
    return false;
}
