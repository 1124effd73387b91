/* The HTTP door, seen from raw sockets. tests/sim/http-abuse covers malformed input and slowness.
 */
#include "config.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http-fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define GET_LAST(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void
assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        g_error("\"%s\" is not in: %.400s", part, text);
}

static bool
nobody_connected(const struct http_stats *stats)
{
    return stats->connections == 0;
}

static bool
nothing_active(const struct http_stats *stats)
{
    return stats->requests_active == 0;
}

static void
test_routes(void)
{
    struct fixture *fixture = fixture_new(NULL, NULL);
    static const struct {
        const char *line;
        const char *expected;
    } cases[] = {
        {"GET /a", "\r\n\r\na"},
        {"GET /a/", "\r\n\r\na"},
        {"GET /a/b", "\r\n\r\nab"},
        {"GET /a/b/c?q", "\r\n\r\nabc"},
        {"GET /a/b/d", "\r\n\r\nab"},
        {"GET /%61/b", "\r\n\r\nab"},
        {"GET /", " 405 "},
        {"GET /z", " 405 "},
        {"POST /z", " 200 "},
        {"DELETE /a", " 405 "},
        {"CONNECT /none", " 405 "},
        {"CONNECT /console?ref=1", "\r\n\r\nconsole"},
        {"POST /a/b", " 200 "},
        {"OPTIONS *", " 405 "},
        {"GET /whole?q", "\r\n\r\nwhole"},
        {"GET /whole/", " 405 "},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *request =
            g_strdup_printf("%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", cases[i].line);
        g_autofree char *reply = client_ask(fixture->port, request);

        assert_contains(reply, cases[i].expected);
        assert_contains(reply, "Cache-Control: no-cache, no-store\r\n");
        assert_contains(reply, "Connection: close\r\n");
    }
    g_autofree char *refused = client_ask(fixture->port, GET_LAST("/"));
    assert_contains(refused, "\r\nAllow: POST\r\n");
    g_autofree char *injected = client_ask(fixture->port, GET_LAST("/a"));
    g_assert_null(strstr(injected, "\nX-Injected"));
    g_autofree char *json = client_ask(fixture->port, "POST / HTTP/1.1\r\nHost: x\r\nConnection: "
                                                      "close\r\nContent-Length: 2\r\n\r\n{}");
    assert_contains(json, "\r\nContent-Type: application/json\r\n");
    fixture_free(fixture);

    struct http_server *bare = http_server_new(NULL, NULL);
    http_server_free(bare);
}

static void
test_accessors(void)
{
    struct fixture *fixture = fixture_new(NULL, NULL);
    g_autofree char *reply = client_ask(
        fixture->port,
        "GET /see/%C3%A9%2Fx?a=1%26+2&b+b=%3D&&c&a=other HTTP/1.1\r\nhOST: x\r\nX-Dup: 1\r\n"
        "x-dup: \t2 \r\nCookie: session_id=OpaqueRef%3Aabc&task_id=t1\r\n"
        "Authorization: Basic cm9vdDpwOnc=\r\nConnection: Close\r\n\r\n");

    assert_contains(reply, "path=/see/\xc3\xa9/x|a=1& 2|b==|c=|dup=1, 2|s=OpaqueRef:abc|t=t1|"
                           "user=root|pw=p:w|peer=127.0.0.1|uid=-1|transport=0|");

    g_autofree char *other = client_ask(
        fixture->port, "GET http://h:80/see HTTP/1.1\r\nHost: x\r\nCookie: x=1; session_id=s1; "
                       "task_id=t2\r\nAuthorization: Basic !!!\r\nConnection: close\r\n\r\n");
    assert_contains(other, "path=/see|a=(null)|b=(null)|c=(null)|dup=(null)|s=s1|t=t2|"
                           "user=(null)|pw=(null)|");
    fixture_free(fixture);
}

static void
test_unix_socket(void)
{
    struct fixture *fixture = fixture_new(NULL, NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_autofree char *expected =
        g_strdup_printf("|peer=unix:uid=%d|uid=%d|transport=2|", (int)getuid(), (int)getuid());

    g_strlcpy(address.sun_path, fixture->socket_path, sizeof address.sun_path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    client_send(fd, "GET /see HTTP/1.0\r\n\r\n");
    g_autofree char *reply = client_rest(fd);
    assert_contains(reply, expected);
    close(fd);
    fixture_free(fixture);
}

static void
test_late_reply(void)
{
    struct fixture *fixture = fixture_new(NULL, NULL);
    int fd = client_connect(fixture->port);

    /* What is sent ahead waits for the reply before it. */
    client_send(fd, GET("/later") GET("/a") GET("/later"));
    g_autofree char *first = client_reply(fd);
    g_autofree char *second = client_reply(fd);
    g_autofree char *third = client_reply(fd);
    assert_contains(first, " 500 ");
    assert_contains(first, "as asked");
    assert_contains(second, " 200 ");
    assert_contains(third, " 500 ");
    close(fd);
    fixture_free(fixture);
}

static void
test_slices(void)
{
    struct fixture *fixture = fixture_new(NULL, NULL);
    int fd = client_connect(fixture->port);

    g_autofree char *old = client_ask(fixture->port, "GET /slices HTTP/1.0\r\n\r\n");
    assert_contains(old, "HTTP/1.0 200 OK\r\n");
    g_assert_true(g_str_has_suffix(old, "\r\n\r\n0123456789"));
    g_assert_null(strstr(old, "Transfer-Encoding"));

    client_send(fd, GET("/slices") GET_LAST("/a"));
    g_autofree char *both = client_rest(fd);
    assert_contains(both, "Transfer-Encoding: chunked\r\n");
    assert_contains(both, "\r\n1\r\n8\r\n1\r\n9\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n");
    close(fd);
    fixture_free(fixture);
}

static void *
read_long(void *data)
{
    const struct fixture *fixture = data;

    return client_ask(fixture->port, GET_LAST("/long"));
}

/* Many long replies share the turns of the loop: whoever asks for something short is not behind a
 * piece of each. */
static void
test_long_replies_take_turns(void)
{
    struct fixture *fixture = fixture_new(NULL, NULL);
    GThread *readers[20];

    fixture->long_left = G_N_ELEMENTS(readers);
    for (gsize i = 0; i < G_N_ELEMENTS(readers); i++)
        readers[i] = g_thread_new("reader", read_long, fixture);
    for (gsize i = 0; i < G_N_ELEMENTS(readers); i++) {
        g_autofree char *reply = g_thread_join(readers[i]);
        g_assert_cmpuint(strlen(reply), >, 100 * 64 * 1024);
    }
    g_test_message("%u pieces in a turn", fixture->pieces_most);
    g_assert_cmpuint(fixture->pieces_most, >, 0);
    g_assert_cmpuint(fixture->pieces_most, <=, 2); /* the rest of one, and the next */
    fixture_free(fixture);
}

static void
test_slices_without_reader(void)
{
    struct http_limits limits = http_limits_default;
    limits.reply_write_seconds = 1;
    struct fixture *fixture = fixture_new(&limits, NULL);
    int leaves = client_connect(fixture->port), stays = client_connect(fixture->port);
    gsize before = resident_kib();

    client_send(leaves, GET("/endless"));
    client_send(stays, GET("/endless"));
    g_usleep(300000);
    g_assert_cmpuint(resident_kib(), <, before + 2048);
    g_assert_cmpint(g_atomic_int_get(&fixture->freed), ==, 0);
    close(leaves);
    g_usleep(300000);
    g_assert_cmpint(g_atomic_int_get(&fixture->freed), ==, 1);
    /* The other one is cut off as it takes nothing. */
    g_assert_true(fixture_until(fixture, nobody_connected));
    g_usleep(100000);
    g_assert_cmpint(g_atomic_int_get(&fixture->freed), ==, 2);
    close(stays);
    fixture_free(fixture);
}

static void
answer_parked(struct fixture *fixture)
{
    for (guint i = 0; i < fixture->parked->len; i++)
        http_reply_error(fixture->parked->pdata[i], 200, "late");
    g_ptr_array_set_size(fixture->parked, 0);
}

/* The number of clients that the descriptors allow: two for each. */
static int
crowd_size(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (int)MIN(5000, (limit.rlim_max - 200) / 2);
}

static void
test_vanished_clients(void)
{
    struct http_limits limits = http_limits_default;
    limits.max_connections_per_address = 20000;
    struct fixture *fixture = fixture_new(&limits, NULL);
    int count = crowd_size();
    g_autofree int *fds = g_new(int, (gsize)count);
    gsize resident[2] = {0};

    for (int round = 0; round < 2; round++) {
        guint before = count_descriptors();

        for (int i = 0; i < count; i++) {
            fds[i] = client_connect(fixture->port);
            client_send(fds[i], GET("/park"));
        }
        struct http_stats stats;
        do
            fixture_stats(fixture, &stats);
        while ((int)stats.requests_active < count);
        g_assert_cmpint(g_atomic_int_get(&fixture->gone), ==, round * count);
        for (int i = 0; i < count; i++)
            close(fds[i]);
        g_assert_true(fixture_until(fixture, nobody_connected));
        g_assert_cmpint(g_atomic_int_get(&fixture->gone), ==, (round + 1) * count);
        g_assert_cmpuint(count_descriptors(), <=, before + 2);
        fixture_call(fixture, answer_parked);
        g_assert_true(fixture_until(fixture, nothing_active));
        malloc_trim(0);
        resident[round] = resident_kib();
    }
    /* The first round warms the allocator up; the second may not add to it. */
    g_test_message("%d clients, resident after one round %zu KiB, after two %zu KiB", count,
                   resident[0], resident[1]);
    g_assert_cmpuint(resident[1], <, resident[0] + 2048);
    fixture_free(fixture);
}

/* A client that only ends its requests: told or not, the handler can still reply. */
static void
test_half_closed(void)
{
    struct fixture *fixture = fixture_new(NULL, NULL);
    int waiting = client_connect(fixture->port), parked = client_connect(fixture->port);

    client_send(waiting, GET("/wait"));
    client_send(parked, GET("/park"));
    shutdown(waiting, SHUT_WR);
    shutdown(parked, SHUT_WR);
    for (int i = 0; i < 1000 && g_atomic_int_get(&fixture->gone) == 0; i++)
        g_usleep(10000);
    g_assert_cmpint(g_atomic_int_get(&fixture->gone), ==, 1);
    g_usleep(300000);
    fixture_call(fixture, answer_parked);
    g_autofree char *first = client_rest(waiting);
    g_autofree char *second = client_rest(parked);
    assert_contains(first, "late");
    assert_contains(second, "late");
    g_assert_cmpint(g_atomic_int_get(&fixture->gone), ==, 1);
    close(waiting);
    close(parked);
    fixture_free(fixture);
}

static void
test_caps(void)
{
    struct http_limits limits = http_limits_default;
    limits.max_connections = 12;
    limits.max_connections_per_address = 10;
    struct fixture *fixture = fixture_new(&limits, NULL);
    int fds[10];

    for (int i = 0; i < 10; i++)
        fds[i] = client_connect(fixture->port);
    client_send(fds[9], GET("/a"));
    g_autofree char *last = client_reply(fds[9]);
    assert_contains(last, " 200 ");
    int beyond = client_connect(fixture->port);
    g_autofree char *refused = client_rest(beyond);
    assert_contains(refused, "HTTP/1.1 503 ");
    assert_contains(refused, "Connection: close\r\n");
    close(beyond);
    /* One leaves, one may come. */
    close(fds[0]);
    for (int i = 0; i < 100; i++) {
        struct http_stats stats;

        fixture_stats(fixture, &stats);
        if (stats.connections == 9)
            break;
        g_usleep(10000);
    }
    g_autofree char *served = client_ask(fixture->port, GET_LAST("/a"));
    assert_contains(served, " 200 ");
    for (int i = 1; i < 10; i++)
        close(fds[i]);
    fixture_free(fixture);
}

static bool
two_bodies_held(const struct http_stats *stats)
{
    return stats->body_bytes == 2 * (1024 * 1024 - 1);
}

static void
test_bodies(void)
{
    struct http_limits limits = http_limits_default;
    limits.max_body = 1024 * 1024;
    limits.max_bodies_total = 2 * 1024 * 1024;
    struct fixture *fixture = fixture_new(&limits, NULL);
    g_autofree char *megabyte = g_strnfill(1024 * 1024, 'm');
    g_autofree char *head = g_strdup("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n"
                                     "Connection: close\r\n\r\n");
    int fds[3];

    int whole = client_connect(fixture->port);
    client_send(whole, head);
    client_send(whole, megabyte);
    g_autofree char *echoed = client_rest(whole);
    g_assert_cmpstr(strstr(echoed, "\r\n\r\n") + 4, ==, megabyte);
    close(whole);

    /* Two nearly whole bodies are held; a third one does not fit beside them. */
    megabyte[1024 * 1024 - 1] = '\0';
    for (int i = 0; i < 3; i++) {
        if (i == 2)
            g_assert_true(fixture_until(fixture, two_bodies_held));
        fds[i] = client_connect(fixture->port);
        client_send(fds[i], head);
        if (send(fds[i], megabyte, strlen(megabyte), MSG_NOSIGNAL) < 0)
            g_assert_cmpint(i, ==, 2);
    }
    g_autofree char *refused = client_reply(fds[2]);
    assert_contains(refused, " 503 ");
    client_send(fds[0], "m");
    g_autofree char *first = client_rest(fds[0]);
    assert_contains(first, " 200 ");
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    g_assert_true(fixture_until(fixture, nobody_connected));
    struct http_stats stats;
    fixture_stats(fixture, &stats);
    g_assert_cmpuint(stats.body_bytes, ==, 0);
    fixture_free(fixture);
}

/* Everything is still there when the server goes. */
static void
test_free_in_use(void)
{
    struct fixture *fixture = fixture_new(NULL, NULL);
    const char *requests[] = {GET("/park"),
                              GET("/wait"),
                              GET("/endless"),
                              "GET /ha",
                              "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1",
                              ""};
    int fds[G_N_ELEMENTS(requests)];
    struct http_stats stats;

    for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
        fds[i] = client_connect(fixture->port);
        client_send(fds[i], requests[i]);
    }
    do
        fixture_stats(fixture, &stats);
    while (stats.requests < 3 || stats.connections < G_N_ELEMENTS(requests));
    fixture_free(fixture);
    for (gsize i = 0; i < G_N_ELEMENTS(requests); i++)
        close(fds[i]);
}

static void
measure(struct fixture *fixture, int connections)
{
    enum { REQUESTS = 8000 };
    const char request[] = "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    int fds[8];
    gint64 start;

    for (int i = 0; i < connections; i++)
        fds[i] = client_connect(fixture->port);
    start = g_get_monotonic_time();
    for (int n = 0; n < REQUESTS / connections; n++) {
        for (int i = 0; i < connections; i++)
            client_send(fds[i], request);
        for (int i = 0; i < connections; i++) {
            char buffer[1024];
            gssize length = recv(fds[i], buffer, sizeof buffer, 0);

            g_assert_cmpint(length, >, 15);
            g_assert_cmpmem(buffer, 15, "HTTP/1.1 200 OK", 15);
        }
    }
    double seconds = (double)(g_get_monotonic_time() - start) / 1e6;
    g_test_message("%d connection%s: %.0f requests/s", connections, connections > 1 ? "s" : "",
                   REQUESTS / seconds);
    for (int i = 0; i < connections; i++)
        close(fds[i]);
}

static void
test_speed(void)
{
    struct fixture *fixture = fixture_new(NULL, NULL);

    measure(fixture, 1);
    measure(fixture, 8);
    fixture_free(fixture);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/http/routes", test_routes);
    g_test_add_func("/http/accessors", test_accessors);
    g_test_add_func("/http/unix-socket", test_unix_socket);
    g_test_add_func("/http/late-reply", test_late_reply);
    g_test_add_func("/http/slices", test_slices);
    g_test_add_func("/http/long-replies-take-turns", test_long_replies_take_turns);
    g_test_add_func("/http/slices-without-reader", test_slices_without_reader);
    g_test_add_func("/http/vanished-clients", test_vanished_clients);
    g_test_add_func("/http/half-closed", test_half_closed);
    g_test_add_func("/http/caps", test_caps);
    g_test_add_func("/http/bodies", test_bodies);
    g_test_add_func("/http/free-in-use", test_free_in_use);
    g_test_add_func("/http/speed", test_speed);
    return g_test_run();
}
