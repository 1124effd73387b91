/* Values by descriptor: what a hostile or broken sender can hand over, and lists of a host that is
 * full, through the real xapid-domains. */
#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/peer/bulk.h"
#include "lib/peer/peer.h"
#include "tests/sim/domains-client.h"
#include "xapid/domains/sim-world.h"

#define DOMAINS 10000
#define OPERATIONS 9000
#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static GVariant *
strings(guint n)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < n; i++)
        g_variant_builder_add(&builder, "s", "a string of the list");
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

static void
test_round_trip(void)
{
    static const guint sizes[] = {0, 1, 1000, 1000 * 1000};

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GVariant) value = strings(sizes[i]);
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) handle = g_variant_ref_sink(bulk_pack(value, &fds, &error));
        g_assert_no_error(error);
        g_autoptr(GVariant) back = bulk_unpack(handle, fds, "as", &error);
        g_assert_no_error(error);
        g_assert_true(g_variant_equal(back, value));
    }
}

/* A memfd of these bytes. */
static int
memfd(const void *bytes, gsize size, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    g_assert_cmpint(write(fd, bytes, size), ==, (gssize)size);
    g_assert_cmpint(fcntl(fd, F_ADD_SEALS, seals), ==, 0);
    return fd;
}

/* Takes fd. */
static void
assert_refused(int fd, gint32 index, const char *why)
{
    g_autoptr(GVariant) handle = g_variant_ref_sink(g_variant_new_handle(index));
    g_autoptr(GUnixFDList) fds = fd < 0 ? NULL : g_unix_fd_list_new_from_array(&fd, 1);
    g_autoptr(GError) error = NULL;

    g_assert_null(bulk_unpack(handle, fds, "as", &error));
    g_assert_true(api_error_is(error, "INTERNAL_ERROR"));
    g_assert_nonnull(strstr(error->message, why));
}

static void
test_hostile(void)
{
    g_autoptr(GVariant) value = strings(100);
    const char *bytes = g_variant_get_data(value);
    gsize size = g_variant_get_size(value);
    int ends[2], fd;

    assert_refused(-1, 0, "missing");
    assert_refused(memfd(bytes, size, ALL_SEALS), 1, "missing");
    assert_refused(memfd(bytes, size, ALL_SEALS), -1, "missing");
    /* What could still change behind our back. */
    assert_refused(memfd(bytes, size, 0), 0, "not a sealed memfd");
    assert_refused(memfd(bytes, size, ALL_SEALS & ~F_SEAL_WRITE), 0, "not a sealed memfd");
    assert_refused(memfd(bytes, size, ALL_SEALS & ~F_SEAL_SHRINK), 0, "not a sealed memfd");
    assert_refused(memfd(bytes, size, ALL_SEALS & ~F_SEAL_SEAL), 0, "not a sealed memfd");
    /* What is no memfd at all. */
    assert_refused(open("/dev/zero", O_RDONLY | O_CLOEXEC), 0, "not a sealed memfd");
    assert_refused(open("/", O_RDONLY | O_CLOEXEC), 0, "not a sealed memfd");
    g_autofree char *name = NULL;
    fd = g_file_open_tmp(NULL, &name, NULL);
    g_unlink(name);
    assert_refused(fd, 0, "not a sealed memfd");
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    close(ends[1]);
    assert_refused(ends[0], 0, "not a sealed memfd");
    /* What is not such a value. */
    assert_refused(memfd(bytes, size - 1, ALL_SEALS), 0, "malformed");
    assert_refused(memfd(bytes, size / 2, ALL_SEALS), 0, "malformed");
    assert_refused(memfd("\xff\xfe no list", 10, ALL_SEALS), 0, "malformed");
    fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert_cmpint(ftruncate(fd, (off_t)BULK_MAX + 1), ==, 0);
    g_assert_cmpint(fcntl(fd, F_ADD_SEALS, ALL_SEALS), ==, 0);
    assert_refused(fd, 0, "too large");
}

static void
test_too_large(void)
{
    g_autofree guint8 *zeros = g_malloc0((gsize)BULK_MAX + 1);
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_null(
        bulk_pack(g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, zeros, (gsize)BULK_MAX + 1, 1),
                  &fds, &error));
    g_assert_nonnull(strstr(error->message, "too large"));
    g_assert_null(fds);
}

static void
remove_files(const char *dir)
{
    GDir *files = g_dir_open(dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(files))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_unlink(path);
    }
    g_dir_close(files);
    g_rmdir(dir);
}

static void
populate(const char *dir)
{
    struct world *world = world_open(dir, NULL);

    g_assert_nonnull(world);
    for (int i = 0; i < DOMAINS; i++) {
        g_autofree char *command =
            g_strdup_printf("xl-create cccccccc-0000-4000-8000-%012d guest-%d", i, i);
        g_assert_true(world_command(world, command));
    }
    world_free(world);
}

static void
assert_all_listed(struct domains_client *client)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) domains = client_list(client, "", &error);

    g_assert_no_error(error);
    g_assert_cmpuint(g_variant_get_size(domains), >, PEER_MESSAGE_MAX);
    for (gsize i = 0; i < g_variant_n_children(domains); i++) {
        g_autoptr(GVariant) domain = g_variant_get_child_value(domains, i);
        const char *uuid;
        g_assert_true(g_variant_lookup(domain, "uuid", "&s", &uuid));
        g_hash_table_add(seen, (char *)uuid); /* lives in the mapping */
    }
    g_assert_cmpuint(g_hash_table_size(seen), ==, DOMAINS + 1); /* and dom0 */
    g_assert_true(g_hash_table_contains(seen, "cccccccc-0000-4000-8000-000000009999"));
}

/* More ends that nobody has forgotten than one message takes. */
static void
assert_all_operations(struct domains_client *client)
{
    g_autoptr(GError) error = NULL;

    g_autofree char *op = NULL;
    for (int i = 0; i < OPERATIONS; i++) {
        g_free(op);
        op = g_strdup_printf("an-operation-with-a-name-as-long-as-it-may-be-%018d", i);
        g_assert_true(client_begin(client, op, "pause", "dddddddd-0000-4000-8000-000000000001",
                                   NULL, &error));
    }
    g_assert_false(client_wait(client, op, NULL, &error)); /* the last of them: no such domain */
    g_clear_error(&error);
    g_autoptr(GVariant) operations = client_operations(client, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_variant_n_children(operations), ==, OPERATIONS);
    g_assert_cmpuint(g_variant_get_size(operations), >, PEER_MESSAGE_MAX);
}

static void
test_full_host(void)
{
    const char *program = g_getenv("XAPID_DOMAINS");
    g_autofree char *dir = g_dir_make_tmp("xapid-sim-XXXXXX", NULL);
    const char *const args[] = {"--sim", dir, "--log-level", "error", NULL};
    g_autoptr(GError) error = NULL;

    populate(dir);
    struct domains_client *client =
        client_start(program ? program : "./xapid-domains", args, NULL, &error);
    g_assert_no_error(error);
    assert_all_listed(client);
    assert_all_operations(client);
    g_assert_true(client_stop(client));
    remove_files(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bulk/round-trip", test_round_trip);
    g_test_add_func("/bulk/hostile", test_hostile);
    g_test_add_func("/bulk/too-large", test_too_large);
    g_test_add_func("/bulk/full-host", test_full_host);
    return g_test_run();
}
