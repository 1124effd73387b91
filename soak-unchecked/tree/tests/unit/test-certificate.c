/* Certificates, and TLS as a client sees it. */
#include "config.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http-fixture.h"
#include "lib/error.h"
#include "tests/unit/remove-tree.h"

static const char *const addresses[] = {"127.0.0.1", "::1", "not-an-address", NULL};

static char *
folder_new(void)
{
    char *folder = g_dir_make_tmp("xapid-certificate-XXXXXX", NULL);

    g_assert_nonnull(folder);
    return folder;
}

static void
folder_remove(char *folder)
{
    remove_tree(folder);
    g_free(folder);
}

static GTlsCertificate *
make(const char *folder, const char *name, const char *hostname)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) error = NULL;
    GTlsCertificate *cert = certificate_load_or_make(path, hostname, addresses, &error);

    g_assert_no_error(error);
    return cert;
}

static void
test_make(void)
{
    char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "host.pem", NULL);
    mode_t old = umask(0);
    g_autoptr(GTlsCertificate) cert = make(folder, "host.pem", "dom0.example");
    g_autoptr(GTlsCertificate) again = make(folder, "host.pem", "other.example");
    g_autoptr(GPtrArray) names = NULL, ips = NULL;
    g_autoptr(GDateTime) end = NULL, start = NULL;
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    GStatBuf status;

    umask(old);
    g_assert_cmpint(g_stat(path, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 07777, ==, 0600);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_assert_cmpstr(g_dir_read_name(dir), ==, "host.pem");
    g_assert_null(g_dir_read_name(dir));

    g_object_get(cert, "dns-names", &names, "ip-addresses", &ips, "not-valid-after", &end,
                 "not-valid-before", &start, NULL);
    g_assert_cmpuint(names->len, ==, 1);
    g_assert_cmpuint(ips->len, ==, 2);
    g_assert_cmpint(g_date_time_compare(start, now), <, 0);
    g_assert_cmpint(g_date_time_difference(end, now) / G_TIME_SPAN_DAY, >=, 3649);
    g_autoptr(GSocketConnectable) name = g_network_address_new("dom0.example", 443);
    g_autoptr(GSocketConnectable) wrong = g_network_address_new("other.example", 443);
    g_assert_cmpint(g_tls_certificate_verify(cert, name, cert), ==, 0);
    g_assert_cmpint(g_tls_certificate_verify(cert, wrong, cert), ==,
                    G_TLS_CERTIFICATE_BAD_IDENTITY);

    /* The second call has read the file, and not made another. */
    g_assert_true(g_tls_certificate_is_same(cert, again));
    g_autofree char *one = certificate_fingerprint(cert);
    g_autofree char *two = certificate_fingerprint(again);
    g_assert_cmpstr(one, ==, two);
    g_assert_cmpuint(strlen(one), ==, 32 * 3 - 1);
    g_assert_true(g_regex_match_simple("^[0-9A-F]{2}(:[0-9A-F]{2}){31}$", one, 0, 0));
    folder_remove(folder);
}

static void
test_bad_files(void)
{
    char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "host.pem", NULL);
    g_autofree char *nowhere = g_build_filename(folder, "none", "host.pem", NULL);
    g_autofree char *kept = NULL;
    g_autoptr(GError) error = NULL;

    /* A damaged file is an error, and is not overwritten. */
    g_assert_true(g_file_set_contents(path, "-----BEGIN CERTIFICATE-----\n", -1, NULL));
    g_assert_null(certificate_load_or_make(path, "x", addresses, &error));
    g_assert_cmpstr(api_error_code(error), ==, "INTERNAL_ERROR");
    g_clear_error(&error);
    g_assert_true(g_file_get_contents(path, &kept, NULL, NULL));
    g_assert_cmpstr(kept, ==, "-----BEGIN CERTIFICATE-----\n");

    g_assert_null(certificate_load_or_make(nowhere, "x", addresses, &error));
    g_assert_cmpstr(api_error_code(error), ==, "INTERNAL_ERROR");
    folder_remove(folder);
}

static gboolean
accept_any(GTlsConnection *connection, GTlsCertificate *peer, GTlsCertificateFlags flags,
           gpointer data)
{
    (void)connection;
    (void)flags;
    g_set_object((GTlsCertificate **)data, peer);
    return TRUE;
}

/* Asks over TLS and returns the whole reply; *ret_peer is the certificate shown. */
static char *
tls_ask(int port, const char *request, GTlsCertificate **ret_peer)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) socket =
        g_socket_client_connect_to_host(client, "127.0.0.1", (guint16)port, NULL, NULL);
    g_autoptr(GIOStream) tls = g_tls_client_connection_new(G_IO_STREAM(socket), NULL, NULL);
    g_autoptr(GOutputStream) all = g_memory_output_stream_new_resizable();
    g_autoptr(GError) error = NULL;

    g_signal_connect(tls, "accept-certificate", G_CALLBACK(accept_any), ret_peer);
    g_assert_true(g_output_stream_write_all(g_io_stream_get_output_stream(tls), request,
                                            strlen(request), NULL, NULL, &error));
    g_assert_no_error(error);
    g_output_stream_splice(all, g_io_stream_get_input_stream(tls), 0, NULL, &error);
    g_assert_no_error(error); /* an end without close_notify is an error here */
    g_output_stream_write(all, "", 1, NULL, NULL);
    g_output_stream_close(all, NULL, NULL);
    return g_memory_output_stream_steal_data(G_MEMORY_OUTPUT_STREAM(all));
}

static GTlsCertificate *next_certificate;

static void
swap(struct fixture *fixture)
{
    http_server_set_certificate(fixture->server, next_certificate);
}

static void
test_swap(void)
{
    char *folder = folder_new();
    g_autoptr(GTlsCertificate) one = make(folder, "1.pem", "one");
    g_autoptr(GTlsCertificate) two = make(folder, "2.pem", "two");
    g_autoptr(GTlsCertificate) seen = NULL;
    struct fixture *fixture = fixture_new(NULL, one);
    const char *request = "GET /see HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    g_autofree char *before = tls_ask(fixture->tls_port, request, &seen);
    g_assert_nonnull(strstr(before, "|peer=127.0.0.1|uid=-1|transport=1|"));
    g_assert_true(g_tls_certificate_is_same(seen, one));
    next_certificate = two;
    fixture_call(fixture, swap);
    g_autofree char *after = tls_ask(fixture->tls_port, request, &seen);
    g_assert_nonnull(strstr(after, " 200 "));
    g_assert_true(g_tls_certificate_is_same(seen, two));
    fixture_free(fixture);
    folder_remove(folder);
}

static void
test_large(void)
{
    char *folder = folder_new();
    g_autoptr(GTlsCertificate) cert = make(folder, "1.pem", "one");
    g_autoptr(GTlsCertificate) seen = NULL;
    struct fixture *fixture = fixture_new(NULL, cert);
    gsize size = 3 * 1000 * 1000;
    g_autofree char *body = g_malloc(size + 1);
    for (gsize i = 0; i < size; i++)
        body[i] = (char)('a' + i % 23 + i / 100000 % 3);
    body[size] = '\0';
    g_autofree char *request = g_strdup_printf("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                               "Content-Length: %zu\r\n\r\n%s",
                                               size, body);

    g_autofree char *reply = tls_ask(fixture->tls_port, request, &seen);
    g_assert_true(strcmp(strstr(reply, "\r\n\r\n") + 4, body) == 0);
    fixture_free(fixture);
    folder_remove(folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/certificate/make", test_make);
    g_test_add_func("/certificate/bad-files", test_bad_files);
    g_test_add_func("/certificate/swap", test_swap);
    g_test_add_func("/certificate/large", test_large);
    return g_test_run();
}
