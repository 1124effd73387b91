/* From what xapid-domains tells of guests to VM_guest_metrics: only of the domain that the VM has,
 * only what may be said, and seldom enough. */
#include "config.h"

#include <string.h>
#include <sys/socket.h>

#include "lib/peer/bulk.h"
#include "lib/peer/domains1.h"
#include "lib/peer/peer.h"
#include "tests/unit/fake-store.h"
#include "xapid/vm/vm.h"

#define PATH "/org/xapid/Domains1"
#define UUID "aaaaaaaa-0000-4000-8000-000000000001"

struct bed {
    struct model *model;
    struct fake_store store;
    struct vm_world world;
    char *vm;
    PeerDomains1 *object; /* a fake xapid-domains */
    GDBusConnection *connection;
    const char *tells; /* a(sia{sv}) as text, whatever it is asked */
    guint64 now;
    GString *asked; /* since what, each time */
};

static gboolean
on_guests(PeerDomains1 *object, GDBusMethodInvocation *invocation, GUnixFDList *none, guint64 since,
          void *data)
{
    struct bed *bed = data;
    g_autoptr(GUnixFDList) fds = NULL;
    GVariant *guests = g_variant_parse(G_VARIANT_TYPE("a(sia{sv})"), bed->tells, NULL, NULL, NULL);

    (void)none;
    g_assert_nonnull(guests);
    g_string_append_printf(bed->asked, "%" G_GUINT64_FORMAT " ", since);
    GVariant *handle = bulk_pack(guests, &fds, NULL);
    peer_domains1_complete_guests(object, invocation, fds, handle, ++bed->now);
    return TRUE;
}

static void
on_changed(const char *uuid, void *data)
{
    (void)uuid;
    (void)data;
}

static void
server_connected(GObject *source, GAsyncResult *result, void *data)
{
    struct bed *bed = data;

    (void)source;
    bed->connection = peer_connect_finish(result, NULL);
    g_assert_true(g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(bed->object),
                                                   bed->connection, PATH, NULL));
}

static void
server_connect(struct bed *bed)
{
    int ends[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    peer_connect(ends[0], true, NULL, server_connected, bed);
    domains_attach(bed->world.domains, ends[1]);
}

static void
server_die(struct bed *bed)
{
    g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(bed->object));
    g_dbus_connection_close_sync(bed->connection, NULL, NULL);
    g_clear_object(&bed->connection);
}

static void
set_up(struct bed *bed, gconstpointer data)
{
    (void)data;
    memset(bed, 0, sizeof *bed);
    bed->model = model_new();
    fake_store_init(&bed->store, bed->model);
    bed->store.automatic = true;
    bed->vm = row_create(bed->model, "VM", fields_of("uuid", UUID, "power_state", "Running", NULL));
    row_set(bed->model, bed->vm, "domid", g_variant_new_int64(7));
    bed->asked = g_string_new(NULL);
    bed->tells = "[]";
    bed->object = peer_domains1_skeleton_new();
    g_signal_connect(bed->object, "handle-guests", G_CALLBACK(on_guests), bed);
    bed->world.model = bed->model;
    bed->world.domains = domains_new(on_changed, NULL);
    vm_guests_follow(&bed->world);
    server_connect(bed);
}

static gboolean
wake(void *data)
{
    (void)data;
    return G_SOURCE_CONTINUE;
}

/* Runs the loop until it was asked `times` times in all, and has taken the last answer. */
static void
wait_asked(struct bed *bed, guint64 times)
{
    guint source = g_timeout_add(10, wake, NULL);
    gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC, settled = 0;

    while (g_get_monotonic_time() < end && (!settled || g_get_monotonic_time() < settled)) {
        g_main_context_iteration(NULL, TRUE);
        if (bed->now >= times && !settled)
            settled = g_get_monotonic_time() + 200 * 1000;
    }
    g_source_remove(source);
    g_assert_cmpuint(bed->now, >=, times);
}

static void
tell(struct bed *bed, const char *guests)
{
    bed->tells = guests;
    peer_domains1_emit_guests_changed(bed->object);
    wait_asked(bed, bed->now + 1);
}

static void
tear_down(struct bed *bed, gconstpointer data)
{
    (void)data;
    server_die(bed);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    vm_guests_leave(&bed->world);
    domains_free(bed->world.domains);
    g_object_unref(bed->object);
    g_string_free(bed->asked, TRUE);
    model_free(bed->model);
    fake_store_clear(&bed->store);
    g_free(bed->vm);
}

/* os_version.name of the VM's row; "none": it has no row. */
static void
assert_name(struct bed *bed, const char *expected)
{
    g_autofree char *row = model_get_string(bed->model, bed->vm, "guest_metrics");
    g_autofree char *name = NULL;

    if (model_class(bed->model, row))
        name = model_get_map_value(bed->model, row, "os_version", "name");
    else
        name = g_strdup("none");
    g_assert_cmpstr(name, ==, expected);
}

static void
test_of_its_domain(struct bed *bed, gconstpointer data)
{
    (void)data;
    wait_asked(bed, 1);
    tell(bed, "[('" UUID "', 7, @a{sv} {})]"); /* nothing said: no row */
    assert_name(bed, "none");
    tell(bed, "[('" UUID "', 6, {'os_version': <{'name': 'dead'}>})]");
    assert_name(bed, "none");
    tell(bed, "[('" UUID "', 7, {'os_version': <{'name': 'first'}>})]");
    assert_name(bed, "first");
    /* Of a domain that the record does not name yet: it is kept until it does. */
    tell(bed, "[('" UUID "', 8, {'os_version': <{'name': 'next'}>})]");
    assert_name(bed, "first");
    row_set(bed->model, bed->vm, "domid", g_variant_new_int64(8));
    bed->tells = "[]";
    wait_asked(bed, bed->now + 1);
    assert_name(bed, "next");
    tell(bed, "[('bbbbbbbb-0000-4000-8000-000000000002', 8, {'os_version': <{'name': 'x'}>})]");
    assert_name(bed, "next");
}

static void
test_what_may_not_be_said(struct bed *bed, gconstpointer data)
{
    (void)data;
    wait_asked(bed, 1);
    tell(bed, "[('" UUID "', 7, {'os_version': <{'name': 'good'}>})]");
    tell(bed, "[('" UUID "', 7, {'os_version': <{'name': '\\u0007'}>})]");
    assert_name(bed, "good");
    tell(bed, "[('" UUID "', 7, {'os_version': <'text'>})]");
    assert_name(bed, "good");
    tell(bed, "[('" UUID "', 7, {'uuid': <'x'>})]");
    assert_name(bed, "good");
}

/* A new connection knows nothing of the numbers of the last. */
static void
test_from_the_start_again(struct bed *bed, gconstpointer data)
{
    (void)data;
    wait_asked(bed, 1);
    tell(bed, "[]");
    server_die(bed);
    server_connect(bed);
    wait_asked(bed, 3);
    g_assert_cmpstr(bed->asked->str, ==, "0 1 0 ");
}

static void
test_seldom(struct bed *bed, gconstpointer data)
{
    guint source = g_timeout_add(10, wake, NULL);
    gint64 end;

    (void)data;
    wait_asked(bed, 1);
    end = g_get_monotonic_time() + 3 * G_USEC_PER_SEC;
    while (g_get_monotonic_time() < end) {
        peer_domains1_emit_guests_changed(bed->object);
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(source);
    g_assert_cmpuint(bed->now, >=, 3);
    g_assert_cmpuint(bed->now, <=, 5);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(struct bed *, gconstpointer);
    } tests[] = {{"of-its-domain", test_of_its_domain},
                 {"what-may-not-be-said", test_what_may_not_be_said},
                 {"from-the-start-again", test_from_the_start_again},
                 {"seldom", test_seldom}};

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/vm-guests/%s", tests[i].name);
        g_test_add(path, struct bed, NULL, set_up, tests[i].test, tear_down);
    }
    return g_test_run();
}
