/* xapid/host's side of storage drivers: what they answer, how they are run and ended; and the
 * handles and disks that come of it. */
#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/disk-handle.h"
#include "lib/error.h"
#include "lib/member.h"
#include "tests/unit/remove-tree.h"
#include "xapid/domains/guest-disks.h"
#include "xapid/host/answer.h"
#include "xapid/host/driver.h"
#include "xapid/host/volume.h"

#define A "aaaaaaaa-0000-4000-8000-000000000001"
#define B "aaaaaaaa-0000-4000-8000-000000000002"
#define DISK "aaaaaaaa-0000-4000-8000-0000000000d1"
#define OTHER_DISK "aaaaaaaa-0000-4000-8000-0000000000d2"

/* ---- answers ---- */

static void
test_answers(void)
{
    static const struct {
        const char *text, *expected;
    } answers[] = {
        {"{\"result\":{}}", "{}"},
        {"{\"result\":{\"virtual_size\":5,\"surprise\":[1]}}", "{'virtual_size': <int64 5>}"},
        {"{\"result\":{\"capabilities\":[\"A\",\"B\"]}}", "{'capabilities': <['A', 'B']>}"},
        {"{\"result\":{\"sm_config\":{\"k\":\"v\"}}}", "{'sm_config': <{'k': 'v'}>}"},
        {"{\"result\":{\"volumes\":[{\"uuid\":\"u\",\"x\":1}]}}",
         "{'volumes': <[{'uuid': <'u'>}]>}"},
        {"{\"error\":{\"code\":\"SR_FULL\",\"params\":[\"1\",\"2\"]}}", "SR_FULL [1, 2]"},
        {"{\"result\":{},\"error\":{\"code\":\"SR_FULL\"}}", "SR_FULL []"},
        {"{\"error\":{\"code\":\"no name\"}}",
         "SR_BACKEND_FAILURE [, the driver tells no error's name, ]"},
        {"{\"error\":{}}", "SR_BACKEND_FAILURE [, the driver tells no error's name, ]"},
        {"", "SR_BACKEND_FAILURE [, the driver talks nonsense, ]"},
        {"{\"result\":", "SR_BACKEND_FAILURE [, the driver talks nonsense, ]"},
        {"[]", "SR_BACKEND_FAILURE [, the driver talks nonsense, ]"},
        {"{\"result\":7}", "SR_BACKEND_FAILURE [, the driver talks nonsense, ]"},
        {"{\"result\":{\"virtual_size\":\"5\"}}",
         "SR_BACKEND_FAILURE [, the driver answers a virtual_size of another type, ]"},
        {"{\"result\":{\"capabilities\":[1]}}",
         "SR_BACKEND_FAILURE [, the driver answers a capabilities of another type, ]"},
        {"{\"result\":{\"volumes\":[[]]}}",
         "SR_BACKEND_FAILURE [, the driver answers a volumes of another type, ]"},
        {"{\"result\":{\"volumes\":[{\"volumes\":[]}]}}",
         "SR_BACKEND_FAILURE [, the driver answers a volumes of another type, ]"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) result = answer_parse(answers[i].text, strlen(answers[i].text), &error);
        g_autofree char *text = result ? g_variant_print(result, FALSE) : g_strdup(error->message);
        g_autoptr(GVariant) expected =
            result ? g_variant_parse(G_VARIANT_TYPE_VARDICT, answers[i].expected, NULL, NULL, NULL)
                   : NULL;
        g_test_message("%s -> %s", answers[i].text, text);
        if (result)
            g_assert_true(expected && g_variant_equal(result, expected));
        else
            g_assert_cmpstr(text, ==, answers[i].expected);
    }
}

/* ---- programs ---- */

struct bed {
    char *folder;
    GMainLoop *loop;
    char *outcome;
};

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    bed->folder = g_dir_make_tmp("xapid-drivers-XXXXXX", NULL);
    bed->loop = g_main_loop_new(NULL, FALSE);
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    remove_tree(bed->folder);
    g_main_loop_unref(bed->loop);
    g_free(bed->folder);
    g_free(bed->outcome);
}

static void
install(struct bed *bed, const char *name, const char *script, int mode)
{
    g_autofree char *path = g_build_filename(bed->folder, name, NULL);
    g_autofree char *text = g_strconcat("#!/bin/sh\n", script, "\n", NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, mode), ==, 0);
}

static void
on_done(GVariant *result, const GError *error, void *data)
{
    struct bed *bed = data;

    g_free(bed->outcome);
    bed->outcome = result ? g_variant_print(result, FALSE) : g_strdup(error->message);
    g_main_loop_quit(bed->loop);
}

static const char *
outcome_of(struct bed *bed, const char *name, GVariant *args)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) sunk = args ? g_variant_ref_sink(args) : NULL;

    if (driver_run(bed->folder, name, "sr.scan", sunk, NULL, on_done, bed, &error)) {
        g_main_loop_run(bed->loop);
        return bed->outcome;
    }
    g_free(bed->outcome);
    bed->outcome = g_strdup(error->message);
    return bed->outcome;
}

static void
assert_outcome(struct bed *bed, const char *name, const char *expected)
{
    const char *outcome = outcome_of(bed, name, NULL);

    g_assert_cmpstr(outcome, ==, expected);
}

static void
test_programs(struct bed *bed, const void *data)
{
    static const struct {
        const char *script, *expected;
    } scripts[] = {
        {"cat >/dev/null; echo '{\"result\":{\"physical_size\":3}}'",
         "{'physical_size': <int64 3>}"},
        {"echo '{\"result\":{}}'", "{}"}, /* without having read its call */
        {"cat >/dev/null", "SR_BACKEND_FAILURE [, the driver talks nonsense, ]"},
        {"exit 1",
         "SR_BACKEND_FAILURE [, the driver drv did not answer sr.scan: it ended abnormally, ]"},
        {"kill -SEGV $$",
         "SR_BACKEND_FAILURE [, the driver drv did not answer sr.scan: it ended abnormally, ]"},
        {"cat /dev/zero",
         "SR_BACKEND_FAILURE [, the driver drv did not answer sr.scan: its answer is too long, ]"},
        {"echo \"{\\\"result\\\":{\\\"name_label\\\":\\\"$(ls /proc/self/fd | tr '\\n' ' ')$(env | "
         "grep -c HOME)\\\"}}\"",
         "{'name_label': <'0 1 2 3 0'>}"},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(scripts); i++) {
        install(bed, "drv", scripts[i].script, 0700);
        g_test_message("%s", scripts[i].script);
        assert_outcome(bed, "drv", scripts[i].expected);
    }
}

/* Its call is what xapid asked for, as JSON. */
static void
test_call(struct bed *bed, const void *data)
{
    g_autofree char *seen = g_build_filename(bed->folder, "seen", NULL);
    g_autofree char *script = g_strdup_printf("cat > %s; echo '{\"result\":{}}'", seen);
    g_autofree char *text = NULL;

    (void)data;
    install(bed, "drv", script, 0700);
    outcome_of(bed, "drv",
               g_variant_new_parsed("{'sr': <'" A "'>, 'device_config': <{'k': '\"v'}>}"));
    g_assert_true(g_file_get_contents(seen, &text, NULL, NULL));
    g_assert_cmpstr(text, ==,
                    "{\"call\":\"sr.scan\",\"args\":{\"sr\":\"" A
                    "\",\"device_config\":{\"k\":\"\\\"v\"}}}\n");
}

static void
test_not_run(struct bed *bed, const void *data)
{
    static const char *const names[] = {"",    ".",    "..",  "../drv", "/bin/true",
                                        "a/b", "none", "-rf", "1st",    "a b"};
    g_auto(GStrv) listed = NULL;

    (void)data;
    install(bed, "drv", "echo '{\"result\":{}}'", 0777); /* anybody may write it */
    install(bed, "good", "echo '{\"result\":{}}'", 0755);
    install(bed, "data", "", 0644);
    assert_outcome(bed, "drv", "SR_UNKNOWN_DRIVER [drv]");
    assert_outcome(bed, "data", "SR_UNKNOWN_DRIVER [data]");
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *expected = g_strdup_printf("SR_UNKNOWN_DRIVER [%s]", names[i]);
        assert_outcome(bed, names[i], expected);
    }
    listed = driver_list(bed->folder);
    g_assert_cmpuint(g_strv_length(listed), ==, 1);
    g_assert_cmpstr(listed[0], ==, "good");
    g_assert_cmpint(g_chmod(bed->folder, 0777), ==, 0);
    assert_outcome(bed, "good", "SR_UNKNOWN_DRIVER [good]");
}

static gboolean
kill_it(gpointer data)
{
    driver_run_kill(data);
    return G_SOURCE_REMOVE;
}

/* With what it started. */
static void
test_killed(struct bed *bed, const void *data)
{
    g_autofree char *pids = g_build_filename(bed->folder, "pids", NULL);
    g_autofree char *script = g_strdup_printf("sleep 60 & echo $! > %s; wait", pids);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    install(bed, "drv", script, 0700);
    struct driver_run *run =
        driver_run(bed->folder, "drv", "sr.scan", NULL, NULL, on_done, bed, &error);
    g_assert_no_error(error);
    g_timeout_add(300, kill_it, run);
    g_main_loop_run(bed->loop);
    g_assert_cmpstr(bed->outcome, ==, "TASK_CANCELLED []");
    g_assert_true(g_file_get_contents(pids, &text, NULL, NULL));
    g_autofree char *proc = g_strdup_printf("/proc/%s/exe", g_strstrip(text));
    for (int i = 0; i < 100 && g_file_test(proc, G_FILE_TEST_IS_SYMLINK); i++)
        g_usleep(20000);
    g_assert_false(g_file_test(proc, G_FILE_TEST_EXISTS));
}

/* ---- handles ---- */

static int
open_folder(struct bed *bed)
{
    g_autoptr(GError) error = NULL;
    int folder = volumes_open(bed->folder, &error);

    g_assert_no_error(error);
    return folder;
}

static GVariant *
attach_args(const char *vdi, const char *handle, bool read_only, bool sharable)
{
    return g_variant_ref_sink(g_variant_new_parsed(
        "{'sr': <'" A "'>, 'vdi': <%s>, 'handle': <%s>, 'read_only': <%b>, 'sharable': <%b>}", vdi,
        handle, read_only, sharable));
}

static const char *
attach(int folder, const char *vdi, const char *handle, bool read_only, bool sharable)
{
    g_autoptr(GVariant) args = attach_args(vdi, handle, read_only, sharable);
    g_autoptr(GVariant) answer = g_variant_ref_sink(
        g_variant_new_parsed("{'kind': <'file'>, 'path': <'/srv/a.raw'>, 'format': <'raw'>}"));
    g_autoptr(GError) error = NULL;
    static char *outcome;

    g_free(outcome);
    outcome = NULL;
    if (!volume_may_attach(folder, args, &error) ||
        !volume_attached(folder, "drv", args, answer, &error))
        outcome = g_strdup(error->message);
    return outcome ? outcome : "";
}

static void
test_handles(struct bed *bed, const void *data)
{
    int folder = open_folder(bed);
    g_autoptr(GVariant) first = attach_args(DISK, A, false, false);
    g_autoptr(GVariant) second = attach_args(DISK, B, true, false);
    g_autoptr(GError) error = NULL;
    g_auto(disk_handle) handle = {0};

    (void)data;
    g_assert_cmpstr(attach(folder, DISK, A, false, false), ==, "");
    g_assert_cmpstr(attach(folder, DISK, A, false, false), ==, ""); /* again */
    g_assert_cmpstr(attach(folder, DISK, B, true, false), ==, "VDI_IN_USE [" DISK ", attach]");
    g_assert_cmpstr(attach(folder, OTHER_DISK, B, true, false), ==, "");
    g_assert_true(disk_handle_read(folder, A, &handle, &error));
    g_assert_cmpstr(handle.path, ==, "/srv/a.raw");
    g_assert_cmpstr(handle.vdi, ==, DISK);
    g_assert_false(handle.read_only || handle.block || handle.sharable);
    g_assert_true(volume_of_sr(folder, A));
    g_assert_false(volume_of_sr(folder, B));
    g_assert_true(volume_is_last(folder, first));
    g_assert_true(volume_detached(folder, first, &error) && volume_detached(folder, first, &error));
    g_assert_false(disk_handle_read(folder, A, &handle, &error));
    g_clear_error(&error);
    /* Any number that read, or that share. */
    g_assert_true(volume_detached(folder, second, &error));
    g_assert_cmpstr(attach(folder, DISK, A, true, false), ==, "");
    g_assert_cmpstr(attach(folder, DISK, B, true, false), ==, "");
    g_assert_false(volume_is_last(folder, first));
    g_assert_true(volume_detached(folder, first, &error) &&
                  volume_detached(folder, second, &error));
    g_assert_cmpstr(attach(folder, DISK, A, false, true), ==, "");
    g_assert_cmpstr(attach(folder, DISK, B, false, true), ==, "");
    close(folder);
}

/* What a copy's source is told by its handle, and a clone's, which nobody may write to meanwhile.
 */
static void
test_sources(struct bed *bed, const void *data)
{
    int folder = open_folder(bed);
    g_autoptr(GVariant) answer = g_variant_ref_sink(
        g_variant_new_parsed("{'kind': <'file'>, 'path': <'/srv/a.qcow2'>, 'format': <'qcow2'>, "
                             "'bases': <['/srv/b.qcow2', '/srv/c.qcow2']>}"));
    g_autoptr(GVariant) reads = attach_args(DISK, A, true, true);
    g_autoptr(GVariant) writes = attach_args(DISK, B, false, true);
    g_autoptr(GVariant) of_reader = g_variant_ref_sink(
        g_variant_new_parsed("{'sr': <'" A "'>, 'vdi': <%s>, 'source': <'" A "'>}", OTHER_DISK));
    g_autoptr(GVariant) of_writer = g_variant_ref_sink(
        g_variant_new_parsed("{'sr': <'" A "'>, 'vdi': <%s>, 'source': <'" B "'>}", OTHER_DISK));
    g_autoptr(GVariant) elsewhere = g_variant_ref_sink(
        g_variant_new_parsed("{'sr': <'" B "'>, 'vdi': <%s>, 'source': <'" A "'>}", OTHER_DISK));
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(volume_attached(folder, "drv", reads, answer, &error));
    g_autoptr(GVariant) copy = volume_resolve_source(folder, of_reader, &error);
    g_assert_no_error(error);
    g_autofree char *text = g_variant_print(copy, FALSE);
    g_assert_nonnull(strstr(text, "'bases': <['/srv/b.qcow2', '/srv/c.qcow2']>"));
    g_autoptr(GVariant) clone = volume_resolve_shared(folder, "drv", of_reader, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(member_text(clone, "source"), ==, DISK);
    g_assert_null(volume_resolve_shared(folder, "other", of_reader, &error));
    g_assert_cmpstr(error->message, ==, "INVALID_VALUE [source, " A "]");
    g_clear_error(&error);
    g_assert_null(volume_resolve_shared(folder, "drv", elsewhere, NULL));
    g_assert_true(volume_attached(folder, "drv", writes, answer, NULL));
    g_assert_null(volume_resolve_shared(folder, "drv", of_reader, &error));
    g_assert_cmpstr(error->message, ==, "VDI_IN_USE [" DISK ", clone]");
    g_clear_error(&error);
    /* Who writes may stand still, and be the source itself; not of a copy, nor beside another one.
     */
    g_assert_null(volume_resolve_source(folder, of_writer, &error));
    g_assert_cmpstr(error->message, ==, "INVALID_VALUE [source, " B "]");
    g_clear_error(&error);
    g_autoptr(GVariant) live = volume_resolve_shared(folder, "drv", of_writer, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(member_text(live, "source"), ==, DISK);
    g_autoptr(GVariant) too = attach_args(DISK, OTHER_DISK, false, true);
    g_assert_true(volume_attached(folder, "drv", too, answer, NULL));
    g_assert_null(volume_resolve_shared(folder, "drv", of_writer, &error));
    g_assert_cmpstr(error->message, ==, "VDI_IN_USE [" DISK ", clone]");
    close(folder);
}

static void
test_handles_of_others(struct bed *bed, const void *data)
{
    static const char *const texts[] = {"",
                                        "nonsense",
                                        "[disk]\npath=relative\nformat=raw\n",
                                        "[disk]\npath=/a\nformat=vmdk\n",
                                        "[disk]\npath=/a,readonly=off\nformat=raw\n",
                                        "[disk]\npath=/a\nformat=raw\nbases=/b;\n",
                                        "[disk]\npath=/a\nformat=qcow2\nbases=b;\n",
                                        "[disk]\npath=/a\nformat=qcow2\nbases=/b;/c,d;\n",
                                        "[disk]\npath=/a\nformat=qcow2\nbases="
                                        "/1;/2;/3;/4;/5;/6;/7;/8;/9;/a;/b;/c;/d;/e;/f;/g;\n"};
    static const char *const names[] = {"", "..", "../" A, "/etc/passwd", "a"};
    g_autofree char *path = g_build_filename(bed->folder, A, NULL);
    int folder = open_folder(bed);
    g_auto(disk_handle) handle = {0};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_false(disk_handle_read(folder, names[i], &handle, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_true(
            g_file_set_contents_full(path, texts[i], -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
        g_assert_false(disk_handle_read(folder, A, &handle, NULL));
    }
    g_assert_cmpstr(attach(folder, DISK, A, false, false), ==, "");
    g_assert_cmpint(g_chmod(path, 0622), ==, 0);
    g_assert_false(disk_handle_read(folder, A, &handle, NULL));
    g_unlink(path);
    g_assert_cmpint(symlink("/etc/passwd", path), ==, 0);
    g_assert_false(disk_handle_read(folder, A, &handle, NULL));
    close(folder);
    g_assert_cmpint(g_chmod(bed->folder, 0777), ==, 0);
    g_assert_cmpint(volumes_open(bed->folder, NULL), ==, -1);
}

/* ---- the disks of a guest ---- */

static void
test_guest_disks(struct bed *bed, const void *data)
{
    static const struct {
        const char *disks, *expected;
    } cases[] = {
        {"[{'vdev': <'xvda'>, 'handle': <'" A "'>, 'read_only': <false>, 'cdrom': <false>}]", ""},
        {"[{'vdev': <'hdd'>, 'handle': <''>, 'read_only': <true>, 'cdrom': <true>}]", ""},
        {"[{'vdev': <'xvdq'>, 'handle': <'" A "'>, 'read_only': <false>, 'cdrom': <false>}]",
         "INVALID_VALUE [vdev, xvdq]"},
        {"[{'vdev': <'/dev/sda'>, 'handle': <'" A "'>, 'read_only': <false>, 'cdrom': <false>}]",
         "INVALID_VALUE [vdev, /dev/sda]"},
        {"[{'vdev': <'xvda'>, 'handle': <'../" A "'>, 'read_only': <false>, 'cdrom': <false>}]",
         "INVALID_VALUE [handle, ../" A "]"},
        {"[{'vdev': <'xvda'>, 'handle': <''>, 'read_only': <true>, 'cdrom': <false>}]",
         "INVALID_VALUE [handle, ]"},
        {"[{'vdev': <'xvda'>, 'handle': <'" A "'>, 'read_only': <false>, 'cdrom': <true>}]",
         "INVALID_VALUE [read_only, a CD drive that writes]"},
        {"[{'vdev': <'xvda'>, 'handle': <'" A
         "'>, 'read_only': <false>, 'cdrom': <false>, 'path': <'/x'>}]",
         "INVALID_VALUE [disks, too many keys]"},
        {"[{'vdev': <'xvda'>, 'handle': <'" B "'>, 'read_only': <false>, 'cdrom': <false>}]",
         "INVALID_VALUE [handle, " B "]"}, /* it only reads */
        {"[{'vdev': <'xvda'>, 'handle': <'" DISK "'>, 'read_only': <true>, 'cdrom': <false>}]",
         "INVALID_VALUE [handle, " DISK "]"}, /* there is none */
        {"[{'vdev': <'xvda'>, 'handle': <'" A "'>, 'read_only': <false>, 'cdrom': <false>}, "
         "{'vdev': <'hda'>, 'handle': <''>, 'read_only': <true>, 'cdrom': <true>}]",
         "INVALID_VALUE [vdev, hda]"},
    };
    int folder = open_folder(bed);

    (void)data;
    g_assert_cmpstr(attach(folder, DISK, A, false, false), ==, "");
    g_assert_cmpstr(attach(folder, OTHER_DISK, B, true, false), ==, "");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) args =
            g_variant_parse(G_VARIANT_TYPE("aa{sv}"), cases[i].disks, NULL, NULL, &error);
        g_assert_no_error(error);
        g_autoptr(GPtrArray) disks = guest_disks_parse(args, &error);
        if (disks)
            guest_disks_resolve(disks, folder, &error);
        g_test_message("%s", cases[i].disks);
        g_assert_cmpstr(error ? error->message : "", ==, cases[i].expected);
    }
    close(folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    g_test_add_func("/drivers/answers", test_answers);
#define TEST(name, function)                                                                       \
    g_test_add("/drivers/" name, struct bed, NULL, bed_setup, function, bed_teardown)
    TEST("programs", test_programs);
    TEST("call", test_call);
    TEST("not-run", test_not_run);
    TEST("killed", test_killed);
    TEST("handles", test_handles);
    TEST("handles-of-others", test_handles_of_others);
    TEST("sources", test_sources);
    TEST("guest-disks", test_guest_disks);
#undef TEST
    return g_test_run();
}
