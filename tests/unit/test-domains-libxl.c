/* The libxl backend, without Xen: the record on a domain, libxl's time-outs, and the hypervisor's
 * console. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <xenctrl.h>

#include "xapid/domains/libxl-internal.h"
#include "xapid/domains/libxl-log.h"
#include "xapid/domains/libxl-record.h"

#define UUID "aaaaaaaa-0000-4000-8000-000000000001"

/* A ring of text, in the hypervisor's pieces. */
static const char *ring;
static int ring_cleared;

__attribute__((visibility("default"), used)) int
xc_readconsolering(xc_interface *xch, char *buffer, unsigned *count, int clear, int incremental,
                   uint32_t *index)
{
    (void)xch;
    g_assert_true(incremental);
    if (!ring) {
        errno = EPERM;
        return -1;
    }
    *count = (unsigned)MIN(*count, strlen(ring) - *index);
    memcpy(buffer, ring + *index, *count);
    *index += *count;
    ring_cleared += clear;
    return 0;
}

static void
test_record(void)
{
    g_autofree char *text = record_format(UUID, "op:1", "it's a \"label\" \\ \303\274", GUEST_PVH);
    struct record record = {0};

    g_assert_true(record_parse(text, strlen(text), UUID, &record));
    g_assert_cmpint(record.type, ==, GUEST_PVH);
    g_assert_cmpstr(record.op_id, ==, "op:1");
    g_assert_cmpstr(record.name_label, ==, "it's a \"label\" \\ \303\274");
    g_free(record.op_id);
    g_free(record.name_label);
}

static void
test_bad_records(void)
{
    g_autofree char *text = record_format(UUID, "op:1", "label", GUEST_PV);
    g_autofree char *huge = g_strnfill(RECORD_MAX + 1, ' ');
    struct record record = {0};

    g_assert_false(
        record_parse(text, strlen(text), "aaaaaaaa-0000-4000-8000-000000000002", &record));
    for (gsize cut = 0; cut < strlen(text); cut++)
        g_assert_false(record_parse(text, cut, UUID, &record));
    g_assert_false(record_parse(huge, RECORD_MAX + 1, UUID, &record));
    g_assert_false(record_parse("{}", 2, UUID, &record));
    g_assert_false(record_parse("\0\1\2", 3, UUID, &record));
    g_assert_null(record.op_id);
    g_assert_null(record.name_label);
}

/* What retry.c goes by: libxl's own time-out, told once. */
static void
test_timed_out(void)
{
    static const struct {
        int rc;
        bool told;
    } cases[] = {{ERROR_TIMEDOUT, true}, {ERROR_FAIL, false}, {ERROR_ABORTED, false}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct backend_ctx ctx = {0};
        g_autoptr(GError) error = NULL;
        g_assert_false(libxl_failed(&ctx, cases[i].rc, "a call", &error));
        g_assert_nonnull(error);
        g_assert_cmpint(backend_libxl.timed_out(&ctx), ==, cases[i].told);
        g_assert_false(backend_libxl.timed_out(&ctx));
    }
}

static void
assert_console(bool clear)
{
    struct backend_ctx ctx = {0};
    g_autoptr(GByteArray) text = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    libxl_log_init(&ctx.log);
    ring_cleared = 0;
    g_assert_true(libxl_backend_console(&ctx, clear, text, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(text->data, text->len, ring, strlen(ring));
    g_assert_cmpint(ring_cleared, ==, clear);
}

static void
test_console(void)
{
    static const size_t sizes[] = {0, 5, 65536, 200000};
    struct backend_ctx ctx = {0};
    g_autoptr(GByteArray) none = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *text = g_strnfill(sizes[i], 'x');
        ring = text;
        assert_console(false);
        assert_console(true);
    }
    ring = NULL;
    libxl_log_init(&ctx.log);
    g_assert_false(libxl_backend_console(&ctx, false, none, &error));
    g_assert_nonnull(strstr(error->message, "xc_readconsolering"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/domains/libxl/record", test_record);
    g_test_add_func("/domains/libxl/bad-records", test_bad_records);
    g_test_add_func("/domains/libxl/timed-out", test_timed_out);
    g_test_add_func("/domains/libxl/console", test_console);
    return g_test_run();
}
