/* guest: what the spikes do with libxl, one verb a run. A stand-in for a worker
 * process of xapid-domains: one context, plain blocking calls.
 *
 *   guest create NAME UUID TYPE DEVICES    builds it, paused; prints its domid.
 *                                          TYPE pvh pv hvm; DEVICES of d (raw disk
 *                                          by loop), q (qcow2 disk by QEMU), n (nic),
 *                                          or - for none
 *   guest killed MS VERB ...               the verb in a child that is SIGKILLed after
 *                                          MS milliseconds; with PIPE set it says when a
 *                                          pipe that this child had is closed everywhere
 *   guest list                             domid uuid name state, one a line
 *   guest unpause|shutdown|destroy UUID
 *   guest watch UUID                       enables death events, prints those that
 *                                          come until DOMAIN_DEATH; 60 s at most
 */
#define _GNU_SOURCE
#define LIBXL_API_VERSION 0x041400
#include <fcntl.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xentoollog.h>

static libxl_ctx *ctx;

static double
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
ctx_open(void)
{
    xentoollog_logger_stdiostream *log =
        xtl_createlogger_stdiostream(stderr, getenv("VERBOSE") ? XTL_DEBUG : XTL_ERROR, 0);

    if (libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, (xentoollog_logger *)log))
        exit(3);
}

static void
disk_add(libxl_domain_config *cfg, const char *vdev, libxl_disk_format format,
         libxl_disk_backend backend, const char *path)
{
    libxl_device_disk *d = realloc(cfg->disks, sizeof *d * (size_t)(cfg->num_disks + 1));

    cfg->disks = d;
    d += cfg->num_disks++;
    libxl_device_disk_init(d);
    d->vdev = strdup(vdev);
    d->pdev_path = strdup(path);
    d->format = format;
    d->backend = backend;
    d->readwrite = 1;
    d->is_cdrom = 0;
}

static void
nic_add(libxl_domain_config *cfg)
{
    cfg->nics = calloc(1, sizeof *cfg->nics);
    cfg->num_nics = 1;
    libxl_device_nic_init(&cfg->nics[0]);
    cfg->nics[0].nictype = LIBXL_NIC_TYPE_VIF;
    cfg->nics[0].script = strdup("/etc/xen/scripts/vif-openvswitch");
    cfg->nics[0].bridge = strdup("br0");
}

static void
config_fill(libxl_domain_config *cfg, char **arg)
{
    const char *name = arg[0], *uuid = arg[1], *type = arg[2], *devices = arg[3];
    libxl_domain_type t = !strcmp(type, "pv")    ? LIBXL_DOMAIN_TYPE_PV
                          : !strcmp(type, "hvm") ? LIBXL_DOMAIN_TYPE_HVM
                                                 : LIBXL_DOMAIN_TYPE_PVH;
    libxl_domain_build_info *b = &cfg->b_info;

    libxl_domain_config_init(cfg);
    cfg->c_info.type = t;
    cfg->c_info.name = strdup(name);
    if (libxl_uuid_from_string(&cfg->c_info.uuid, uuid))
        exit(2);
    libxl_domain_build_info_init_type(b, t);
    b->max_vcpus = 1;
    libxl_cpu_bitmap_alloc(ctx, &b->avail_vcpus, 1);
    libxl_bitmap_set(&b->avail_vcpus, 0);
    b->max_memkb = b->target_memkb = 128 << 10;
    libxl_defbool_set(&b->claim_mode, true);
    if (t == LIBXL_DOMAIN_TYPE_HVM) {
        b->max_memkb = b->target_memkb = 64 << 10;
        b->device_model_version = LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN;
        b->u.hvm.serial = strdup("pty");
        b->u.hvm.vga.kind = LIBXL_VGA_INTERFACE_TYPE_NONE;
        libxl_defbool_set(&b->u.hvm.nographic, true);
        libxl_defbool_set(&b->u.hvm.vnc.enable, false);
        disk_add(cfg, "hda", LIBXL_DISK_FORMAT_RAW, LIBXL_DISK_BACKEND_QDISK, "/root/hvm.img");
    } else {
        b->kernel = strdup("/var/lib/xcp/guest/vmlinux");
        b->ramdisk = strdup("/var/lib/xcp/guest/initrd");
        b->cmdline = strdup("console=hvc0 quiet");
    }
    if (strchr(devices, 'd'))
        disk_add(cfg, "xvda", LIBXL_DISK_FORMAT_RAW, LIBXL_DISK_BACKEND_UNKNOWN, "/root/raw.img");
    if (strchr(devices, 'q'))
        disk_add(cfg, "xvdb", LIBXL_DISK_FORMAT_QCOW2, LIBXL_DISK_BACKEND_QDISK,
                 "/root/disk.qcow2");
    if (strchr(devices, 'n'))
        nic_add(cfg);
}

static int
guest_create(char **arg)
{
    libxl_domain_config cfg;
    uint32_t domid = 0;
    double t = now_ms();
    int rc;

    ctx_open();
    config_fill(&cfg, arg);
    rc = libxl_domain_create_new(ctx, &cfg, &domid, NULL, NULL);
    if (!rc)
        rc = libxl_userdata_store(ctx, domid, "xapid", (const uint8_t *)"spike", 5);
    printf("created rc=%d domid=%u ms=%.0f\n", rc, domid, now_ms() - t);
    fflush(stdout);
    libxl_domain_config_dispose(&cfg);
    return rc != 0;
}

static int
guest_list(void)
{
    libxl_dominfo *l;
    int n;

    ctx_open();
    l = libxl_list_domain(ctx, &n);
    for (int i = 0; l && i < n; i++) {
        char *name = libxl_domid_to_name(ctx, l[i].domid);

        printf("%u " LIBXL_UUID_FMT " %s%s%s%s%s cpu=%llums mem=%lluK name=%s\n", l[i].domid,
               LIBXL_UUID_BYTES(l[i].uuid), l[i].running ? "r" : "-", l[i].blocked ? "b" : "-",
               l[i].paused ? "p" : "-", l[i].shutdown ? "s" : "-", l[i].dying ? "d" : "-",
               (unsigned long long)l[i].cpu_time / 1000000, (unsigned long long)l[i].current_memkb,
               name ? name : "(null)");
        free(name);
    }
    libxl_dominfo_list_free(l, n);
    return !l;
}

/* By uuid, as recovery does: never by a remembered domid. */
static int
domid_find(const char *uuid)
{
    libxl_dominfo *l;
    int n, domid = -1;

    l = libxl_list_domain(ctx, &n);
    for (int i = 0; l && i < n; i++) {
        char u[64];

        snprintf(u, sizeof u, LIBXL_UUID_FMT, LIBXL_UUID_BYTES(l[i].uuid));
        if (!strcmp(u, uuid) && !l[i].dying)
            domid = (int)l[i].domid;
    }
    libxl_dominfo_list_free(l, n);
    return domid;
}

static int
guest_act(const char *verb, const char *uuid)
{
    double t = now_ms();
    int domid, rc;

    ctx_open();
    domid = domid_find(uuid);
    if (domid < 0) {
        printf("%s: no domain\n", verb);
        return 0;
    }
    if (!strcmp(verb, "destroy"))
        rc = libxl_domain_destroy(ctx, (uint32_t)domid, NULL);
    else if (!strcmp(verb, "shutdown"))
        rc = libxl_domain_shutdown(ctx, (uint32_t)domid, NULL);
    else
        rc = libxl_domain_unpause(ctx, (uint32_t)domid, NULL);
    printf("%s domid=%d rc=%d ms=%.0f\n", verb, domid, rc, now_ms() - t);
    return rc != 0;
}

static int
guest_watch(const char *uuid)
{
    libxl_evgen_domain_death *gen;
    libxl_event *ev;
    int domid, over = 0;
    double t = now_ms();

    alarm(60);
    ctx_open();
    domid = domid_find(uuid);
    if (domid < 0 || libxl_evenable_domain_death(ctx, (uint32_t)domid, 0, &gen))
        return 1;
    printf("watching domid=%d\n", domid);
    fflush(stdout);
    while (!over && !libxl_event_wait(ctx, &ev, LIBXL_EVENTMASK_ALL, NULL, NULL)) {
        printf("event %s domid=%u", libxl_event_type_to_string(ev->type), ev->domid);
        if (ev->type == LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN)
            printf(" reason=%d", ev->u.domain_shutdown.shutdown_reason);
        over = ev->type == LIBXL_EVENT_TYPE_DOMAIN_DEATH;
        printf(" after %.0f ms\n", now_ms() - t);
        fflush(stdout);
        libxl_event_free(ctx, ev);
    }
    return !over;
}

static int run(int argc, char **argv);

static int
guest_killed(long ms, int argc, char **argv)
{
    struct timespec d = {ms / 1000, ms % 1000 * 1000000};
    int end[2], st;
    pid_t pid;
    double t;

    if (pipe2(end, O_CLOEXEC))
        return 1;
    pid = fork();
    if (!pid) {
        run(argc, argv);
        pause();
        _exit(0);
    }
    close(end[1]);
    nanosleep(&d, NULL);
    kill(pid, SIGKILL);
    waitpid(pid, &st, 0);
    t = now_ms();
    if (getenv("PIPE")) {
        struct pollfd p = {.fd = end[0], .events = POLLIN};

        if (poll(&p, 1, 3000))
            printf("pipe closed %.0f ms after the end of its process\n", now_ms() - t);
        else
            printf("pipe still open 3 s after the end of its process\n");
    }
    return 0;
}

static int
run(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[0], "create"))
        return guest_create(argv + 1);
    if (argc >= 3 && !strcmp(argv[0], "killed"))
        return guest_killed(atol(argv[1]), argc - 2, argv + 2);
    if (argc == 1 && !strcmp(argv[0], "list"))
        return guest_list();
    if (argc == 2 && !strcmp(argv[0], "watch"))
        return guest_watch(argv[1]);
    if (argc == 2)
        return guest_act(argv[0], argv[1]);
    fprintf(stderr, "usage: see guest.c\n");
    return 2;
}

int
main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    return run(argc - 1, argv + 1);
}
