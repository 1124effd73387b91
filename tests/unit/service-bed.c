#include "config.h"

#include "tests/unit/service-bed.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/remove-tree.h"
#include "xapid/domains/sim-world.h"

static const char *program = "./xapid-domains";

void
service_start(struct service_bed *bed, const char *fault, const char *timeout)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--sim",     bed->dir, "--log-level", "error",
                          "--workers", "3",      "--timeout",   timeout ? timeout : "30",
                          NULL};

    bed->client = client_start(program, args, fault, &error);
    g_assert_no_error(error);
}

void
service_restart(struct service_bed *bed, const char *fault, const char *timeout)
{
    client_kill(g_steal_pointer(&bed->client));
    service_start(bed, fault, timeout);
}

static void
set_up(struct service_bed *bed, gconstpointer data)
{
    (void)data;
    bed->dir = g_dir_make_tmp("xapid-sim-XXXXXX", NULL);
    service_start(bed, NULL, NULL);
}

static void
tear_down(struct service_bed *bed, gconstpointer data)
{
    g_autofree char *violations = g_build_filename(bed->dir, "violations", NULL);

    (void)data;
    if (bed->client)
        g_assert_true(client_stop(bed->client));
    g_assert_false(g_file_test(violations, G_FILE_TEST_EXISTS));
    remove_tree(bed->dir);
    g_free(bed->dir);
}

void
service_conf(struct service_bed *bed, const char *text)
{
    g_autofree char *path = g_build_filename(bed->dir, "host.conf", NULL);
    g_autofree char *whole = g_strdup_printf("[host]\n%s\n", text);

    g_assert_true(g_file_set_contents(path, whole, -1, NULL));
}

void
service_send(struct service_bed *bed, const char *command)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_snprintf(address.sun_path, sizeof address.sun_path, "%s/control", bed->dir);
    g_assert_cmpint(
        sendto(fd, command, strlen(command), 0, (struct sockaddr *)&address, sizeof address), ==,
        (gssize)strlen(command));
    close(fd);
}

void
service_tell(struct service_bed *bed, const char *command)
{
    g_autoptr(GError) error = NULL;
    struct world *world = world_open(bed->dir, &error);

    g_assert_no_error(error);
    g_assert_true(world_command(world, command));
    world_free(world);
}

char *
service_next_op(struct service_bed *bed)
{
    return g_strdup_printf("op-%d", ++bed->op);
}

GVariant *
service_guest_args(void)
{
    return client_guest_args("pvh", "vmlinux", "initrd", "console=hvc0", MEMORY);
}

GVariant *
service_run(struct service_bed *bed, const char *verb, const char *uuid, GVariant *args)
{
    g_autofree char *op = service_next_op(bed);
    g_autoptr(GError) error = NULL;
    GVariant *result = NULL;

    client_run(bed->client, op, verb, uuid, args, &result, &error);
    g_assert_no_error(error);
    return result;
}

int
service_create(struct service_bed *bed, const char *uuid)
{
    g_autoptr(GVariant) result = service_run(bed, "create", uuid, service_guest_args());
    int domid = -1;

    g_assert_true(g_variant_lookup(result, "domid", "i", &domid));
    return domid;
}

void
service_act(struct service_bed *bed, const char *verb, const char *uuid)
{
    g_variant_unref(service_run(bed, verb, uuid, NULL));
}

void
service_refused(struct service_bed *bed, const char *verb, const char *uuid, GVariant *args,
                const char *expected)
{
    g_autofree char *op = service_next_op(bed);
    g_autoptr(GError) error = NULL;

    g_assert_false(client_run(bed->client, op, verb, uuid, args, NULL, &error));
    g_assert_cmpstr(error->message, ==, expected);
}

void
assert_state(struct service_bed *bed, const char *uuid, const char *expected)
{
    g_autofree char *state = client_state(bed->client, uuid);

    g_assert_cmpstr(state, ==, expected);
}

void
assert_reason(struct service_bed *bed, const char *uuid, const char *expected)
{
    g_autoptr(GVariant) domain = client_domain(bed->client, uuid);
    const char *reason;

    g_assert_nonnull(domain);
    g_variant_lookup(domain, "reason", "&s", &reason);
    g_assert_cmpstr(reason, ==, expected);
}

int
service_run_tests(int argc, char **argv, const char *suite, const struct service_test *tests,
                  gsize n_tests)
{
    g_test_init(&argc, &argv, NULL);
    if (g_getenv("XAPID_DOMAINS"))
        program = g_getenv("XAPID_DOMAINS");
    for (gsize i = 0; i < n_tests; i++) {
        g_autofree char *path = g_strdup_printf("/domains/%s/%s", suite, tests[i].name);
        g_test_add(path, struct service_bed, NULL, set_up, tests[i].test, tear_down);
    }
    return g_test_run();
}
