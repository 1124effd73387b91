/* The simulator's world file; see sim-world.h.
 * The lock is an flock, which a killed process gives back.  A slot counts once `used` says so,
 * which is written last; a change is put in the ring, and the events process woken, before it is
 * made: whoever is killed in between caused a look too many, never one too few. */
#include "config.h"

#include "xapid/domains/sim-world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/error.h"

#define WORLD_MAGIC 0x646c726f77646961 /* "aidworld" */
#define WORLD_VERSION 6
#define WORLD_CHANGES 8192

struct world_file {
    uint64_t magic;
    uint32_t version;
    int32_t last_domid;
    int32_t high_water; /* slots from here on were never used */
    int32_t reserved;
    uint64_t changes; /* ever put in the ring */
    char ring[WORLD_CHANGES][UUID_LENGTH + 1];
    _Atomic uint8_t used[WORLD_DOMAINS_MAX];
    /* Copies of what is looked for, dense. */
    uint32_t uuid_hash[WORLD_DOMAINS_MAX];
    int64_t memory[WORLD_DOMAINS_MAX]; /* of the host's, in all */
    int64_t due_at_us[WORLD_DOMAINS_MAX];
    struct world_domain domains[WORLD_DOMAINS_MAX];
};

struct world {
    int dir, fd, socket;
    struct world_file *file;
    struct world_host host;
    struct timespec host_mtime;
    off_t host_size;
    int64_t boot_offset_us;
};

static const struct world_host default_host = {
    .memory = (int64_t)64 << 30, .dom0_memory = (int64_t)1 << 30, .cpus = 16};

int64_t
world_now(void)
{
    struct timespec now;

    /* Since the machine's boot: the same in every process. */
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static int64_t
host_value(GKeyFile *file, const char *key, int64_t fallback)
{
    g_autoptr(GError) error = NULL;
    int64_t value = g_key_file_get_int64(file, "host", key, &error);

    return error || value < 0 ? fallback : value;
}

static void
host_read(struct world *world)
{
    static const struct {
        const char *key;
        size_t offset;
    } delays[] = {
        {"create_ms", G_STRUCT_OFFSET(struct world_host, create_ms)},
        {"destroy_ms", G_STRUCT_OFFSET(struct world_host, destroy_ms)},
        {"pause_ms", G_STRUCT_OFFSET(struct world_host, pause_ms)},
        {"unpause_ms", G_STRUCT_OFFSET(struct world_host, unpause_ms)},
        {"shutdown_ms", G_STRUCT_OFFSET(struct world_host, shutdown_ms)},
        {"save_ms", G_STRUCT_OFFSET(struct world_host, save_ms)},
        {"boot_ms", G_STRUCT_OFFSET(struct world_host, boot_ms)},
        {"list_ms", G_STRUCT_OFFSET(struct world_host, list_ms)},
    };
    g_autoptr(GKeyFile) file = g_key_file_new();
    char text[8192];
    struct stat st;
    int fd = openat(world->dir, "host.conf", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 &&
        (st.st_mtim.tv_sec != world->host_mtime.tv_sec ||
         st.st_mtim.tv_nsec != world->host_mtime.tv_nsec || st.st_size != world->host_size)) {
        world->host_mtime = st.st_mtim;
        world->host_size = st.st_size;
        n = read(fd, text, sizeof text);
        if (n >= 0 && g_key_file_load_from_data(file, text, (gsize)n, G_KEY_FILE_NONE, NULL)) {
            world->host.memory = host_value(file, "memory", default_host.memory);
            world->host.dom0_memory = host_value(file, "dom0_memory", default_host.dom0_memory);
            world->host.overhead = host_value(file, "overhead", 0);
            world->host.vcpu_overhead = host_value(file, "vcpu_overhead", 0);
            world->host.cpus = (int)MIN(host_value(file, "cpus", default_host.cpus), 4096);
            for (size_t i = 0; i < G_N_ELEMENTS(delays); i++)
                G_STRUCT_MEMBER(int, &world->host, delays[i].offset) =
                    (int)MIN(host_value(file, delays[i].key, 0), 3600 * 1000);
        }
    }
    close(fd);
}

const struct world_host *
world_host(struct world *world)
{
    host_read(world);
    return &world->host;
}

static bool
open_failed(GError **error, const char *what)
{
    g_autofree char *text = g_strdup_printf("simulator: %s: %s", what, g_strerror(errno));

    api_error_set(error, "INTERNAL_ERROR", text, NULL);
    return false;
}

static bool
world_map(struct world *world, GError **error)
{
    struct stat st;
    struct world_file *file;

    world->fd = openat(world->dir, "world", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (world->fd < 0)
        return open_failed(error, "world");
    flock(world->fd, LOCK_EX);
    if (fstat(world->fd, &st) < 0 ||
        (st.st_size < (off_t)sizeof *file && ftruncate(world->fd, sizeof *file) < 0))
        return open_failed(error, "world");
    file = mmap(NULL, sizeof *file, PROT_READ | PROT_WRITE, MAP_SHARED, world->fd, 0);
    if (file == MAP_FAILED)
        return open_failed(error, "mmap");
    world->file = file;
    if (file->magic == 0) {
        file->version = WORLD_VERSION;
        file->magic = WORLD_MAGIC;
    }
    flock(world->fd, LOCK_UN);
    if (file->magic != WORLD_MAGIC || file->version != WORLD_VERSION) {
        api_error_set(error, "INTERNAL_ERROR", "simulator: DIR/world is not ours", NULL);
        return false;
    }
    return true;
}

struct world *
world_open(const char *dir, GError **error)
{
    struct world *world = g_new0(struct world, 1);

    world->fd = world->socket = -1;
    world->host = default_host;
    world->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (world->dir < 0) {
        open_failed(error, dir);
        goto fail;
    }
    world->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (world->socket < 0) {
        open_failed(error, "socket");
        goto fail;
    }
    if (!world_map(world, error))
        goto fail;
    host_read(world);
    return world;
fail:
    world_free(world);
    return NULL;
}

void
world_free(struct world *world)
{
    if (!world)
        return;
    if (world->file)
        munmap(world->file, sizeof *world->file);
    if (world->fd >= 0)
        close(world->fd);
    if (world->socket >= 0)
        close(world->socket);
    if (world->dir >= 0)
        close(world->dir);
    g_free(world);
}

int
world_dir(struct world *world)
{
    return world->dir;
}

static int
slot_of(struct world *world, const struct world_domain *domain)
{
    return (int)(domain - world->file->domains);
}

/* DIR may be a long path: the socket is reached through our descriptor of it. */
static socklen_t
control_address(struct world *world, struct sockaddr_un *ret_address)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/control", world->dir);
    *ret_address = address;
    return sizeof *ret_address;
}

static void
changed(struct world *world, const char *uuid)
{
    struct world_file *file = world->file;
    struct sockaddr_un address;
    socklen_t length = control_address(world, &address);

    memcpy(file->ring[file->changes % WORLD_CHANGES], uuid, UUID_LENGTH + 1);
    atomic_thread_fence(memory_order_release);
    file->changes++;
    /* A full queue wakes as well; with nobody there, nobody has to be woken. */
    (void)!sendto(world->socket, "wake", 4, MSG_DONTWAIT | MSG_NOSIGNAL,
                  (struct sockaddr *)&address, length);
}

void
world_violation(struct world *world, const char *format, ...)
{
    va_list ap;
    int fd = openat(world->dir, "violations", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_autofree char *line = g_strdup_printf("VIOLATION %s\n", text);
    if (fd < 0)
        g_error("simulator: cannot write down: %s", text);
    (void)!write(fd, line, strlen(line));
    close(fd);
}

/* Adds the CPU time up to now. */
static void
account(struct world_domain *domain)
{
    int64_t now = world_now();

    if (domain->state == DOMAIN_RUNNING)
        domain->ran_us += now - domain->since_us;
    domain->since_us = now;
}

void
world_set_state(struct world *world, struct world_domain *domain, enum domain_state state,
                enum shutdown_reason reason)
{
    if (state != DOMAIN_RUNNING && state != DOMAIN_PAUSED)
        changed(world, domain->uuid);
    account(domain);
    if (state != DOMAIN_PAUSED)
        domain->due_at_us = world->file->due_at_us[slot_of(world, domain)] = 0;
    domain->reason = (uint8_t)reason;
    domain->state = (uint8_t)state;
}

void
world_schedule(struct world *world, struct world_domain *domain, enum shutdown_reason reason)
{
    if (world->host.shutdown_ms == 0) {
        world_set_state(world, domain, DOMAIN_SHUTDOWN, reason);
        return;
    }
    domain->due_reason = (uint8_t)reason;
    domain->due_at_us = world_now() + world->host.shutdown_ms * 1000ll;
    changed(world, domain->uuid); /* the events process has a new time to wake at */
    world->file->due_at_us[slot_of(world, domain)] = domain->due_at_us;
}

/* Lets happen what is due. */
static void
settle(struct world *world)
{
    struct world_file *file = world->file;
    int64_t now = world_now();

    for (int i = 0; i < file->high_water; i++) {
        struct world_domain *domain = &file->domains[i];

        if (!file->due_at_us[i] || file->due_at_us[i] > now || !file->used[i])
            continue;
        if (domain->state == DOMAIN_RUNNING)
            world_set_state(world, domain, DOMAIN_SHUTDOWN, domain->due_reason);
    }
}

void
world_lock(struct world *world)
{
    while (flock(world->fd, LOCK_EX) < 0)
        g_assert(errno == EINTR);
    settle(world);
}

void
world_unlock(struct world *world)
{
    flock(world->fd, LOCK_UN);
}

struct world_domain *
world_find(struct world *world, int domid)
{
    struct world_file *file = world->file;

    for (int i = 0; i < file->high_water; i++)
        if (file->used[i] && file->domains[i].domid == domid)
            return &file->domains[i];
    return NULL;
}

static struct world_domain *
find_uuid_but(struct world *world, const char *uuid, const struct world_domain *but)
{
    struct world_file *file = world->file;
    uint32_t hash = g_str_hash(uuid);

    for (int i = 0; i < file->high_water; i++) {
        struct world_domain *domain = &file->domains[i];

        if (file->used[i] && file->uuid_hash[i] == hash && domain != but &&
            domain->state != DOMAIN_DYING && g_str_equal(domain->uuid, uuid))
            return domain;
    }
    return NULL;
}

struct world_domain *
world_find_uuid(struct world *world, const char *uuid)
{
    return find_uuid_but(world, uuid, NULL);
}

void
world_each(struct world *world, const char *uuid,
           void (*each)(const struct world_domain *domain, void *data), void *data)
{
    struct world_file *file = world->file;
    uint32_t hash = uuid ? g_str_hash(uuid) : 0;

    for (int i = 0; i < file->high_water; i++)
        if (file->used[i] &&
            (!uuid || (file->uuid_hash[i] == hash && g_str_equal(file->domains[i].uuid, uuid))))
            each(&file->domains[i], data);
}

int64_t
world_memory_free(struct world *world)
{
    struct world_file *file = world->file;
    int64_t available = world->host.memory - world->host.dom0_memory - world->host.overhead;

    for (int i = 0; i < file->high_water; i++)
        if (file->used[i])
            available -= file->memory[i];
    return MAX(available, 0);
}

struct world_domain *
world_introduce(struct world *world, const struct world_domain *template)
{
    struct world_file *file = world->file;
    struct world_domain *twin;
    int i = 0;

    while (i < file->high_water && file->used[i])
        i++;
    if (i == WORLD_DOMAINS_MAX)
        return NULL;
    changed(world, template->uuid);
    file->last_domid++;
    file->domains[i] = *template;
    file->domains[i].domid = file->last_domid;
    file->domains[i].state = DOMAIN_PAUSED;
    file->uuid_hash[i] = g_str_hash(template->uuid);
    file->memory[i] = world_memory_need(&world->host, template->memory, template->vcpus_max);
    file->due_at_us[i] = 0;
    if (i == file->high_water)
        file->high_water = i + 1;
    twin = find_uuid_but(world, template->uuid, &file->domains[i]);
    if (twin)
        world_violation(world, "domain %d made while domain %d of uuid %s exists", file->last_domid,
                        twin->domid, template->uuid);
    atomic_store(&file->used[i], 1);
    return &file->domains[i];
}

void
world_remove(struct world *world, struct world_domain *domain)
{
    changed(world, domain->uuid);
    world->file->due_at_us[slot_of(world, domain)] = 0;
    atomic_store(&world->file->used[slot_of(world, domain)], 0);
}

void
world_set_memory(struct world *world, struct world_domain *domain, int64_t memory)
{
    domain->memory = memory;
    world->file->memory[slot_of(world, domain)] =
        world_memory_need(&world->host, memory, domain->vcpus_max);
}

int
world_next_due(struct world *world)
{
    struct world_file *file = world->file;
    int64_t first = 0, now;

    world_lock(world);
    for (int i = 0; i < file->high_water; i++)
        if (file->used[i] && file->due_at_us[i] && file->domains[i].state == DOMAIN_RUNNING &&
            (!first || file->due_at_us[i] < first))
            first = file->due_at_us[i];
    world_unlock(world);
    now = world_now();
    return !first ? -1 : first <= now ? 0 : (int)((first - now + 999) / 1000);
}

uint64_t
world_cursor(struct world *world)
{
    uint64_t cursor;

    world_lock(world);
    cursor = world->file->changes;
    world_unlock(world);
    return cursor;
}

GPtrArray *
world_changes(struct world *world, uint64_t *cursor)
{
    struct world_file *file = world->file;
    GPtrArray *uuids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    world_lock(world);
    if (file->changes - *cursor > WORLD_CHANGES) {
        g_ptr_array_add(uuids, g_strdup(""));
        *cursor = file->changes;
    }
    for (; *cursor < file->changes; ++*cursor) {
        const char *uuid = file->ring[*cursor % WORLD_CHANGES];
        if (!g_hash_table_contains(seen, uuid)) {
            char *copy = g_strdup(uuid);
            g_ptr_array_add(uuids, copy);
            g_hash_table_add(seen, copy);
        }
    }
    world_unlock(world);
    return uuids;
}

int
world_control_bind(struct world *world, GError **error)
{
    struct sockaddr_un address;
    socklen_t length = control_address(world, &address);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        open_failed(error, "socket");
        return -1;
    }
    unlinkat(world->dir, "control", 0);
    if (bind(fd, (struct sockaddr *)&address, length) < 0) {
        open_failed(error, "control");
        close(fd);
        return -1;
    }
    return fd;
}
