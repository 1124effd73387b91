#include "config.h"

#include "lib/ovsdb.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <yajl/yajl_parse.h>

#define DATABASE "Open_vSwitch"
#define READ_SIZE 65536 /* bytes at once */

static int failed(struct ovsdb *ovsdb, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int
failed(struct ovsdb *ovsdb, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ovsdb->text, sizeof ovsdb->text, format, args);
    va_end(args);
    return rc;
}

/* ---- the connection ---- */

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
ovsdb_open(const char *path, struct ovsdb *ret_ovsdb)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    *ret_ovsdb = (struct ovsdb){.fd = fd, .deadline = now_ms() + OVSDB_MS};
    return 0;
}

void
ovsdb_close(struct ovsdb *ovsdb)
{
    close(ovsdb->fd);
}

static int
wait_for(struct ovsdb *ovsdb, short events)
{
    int64_t left = ovsdb->deadline - now_ms();
    struct pollfd one = {.fd = ovsdb->fd, .events = events};
    int r = left > 0 ? poll(&one, 1, (int)left) : 0;

    if (r < 0 && errno != EINTR)
        return failed(ovsdb, -errno, "%s", strerror(errno));
    return r == 0 ? failed(ovsdb, -ETIMEDOUT, "ovsdb-server does not answer") : 0;
}

static int
send_all(struct ovsdb *ovsdb, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(ovsdb->fd, bytes, size, MSG_NOSIGNAL);
        int rc = 0;

        if (n >= 0) {
            bytes += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            rc = wait_for(ovsdb, POLLOUT);
        } else if (errno != EINTR) {
            rc = failed(ovsdb, -errno, "ovsdb-server: %s", strerror(errno));
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- messages ---- */

static int
deeper(void *data)
{
    return ++*(int *)data <= OVSDB_DEPTH_MAX;
}

/* Stops where the outermost one ends. */
static int
shallower(void *data)
{
    return --*(int *)data > 0;
}

/* Looks for the end of a message, in bytes that come piece by piece. */
struct scanner {
    yajl_handle parser;
    int depth;
};

static void
scanner_clear(struct scanner *scanner)
{
    if (scanner->parser)
        yajl_free(scanner->parser);
    *scanner = (struct scanner){NULL, 0};
}

/* As ovsdb_message_length () for the message's next piece. */
static long
scan(struct scanner *scanner, const char *bytes, size_t size)
{
    static const yajl_callbacks callbacks = {.yajl_start_map = deeper,
                                             .yajl_end_map = shallower,
                                             .yajl_start_array = deeper,
                                             .yajl_end_array = shallower};

    if (!scanner->parser)
        scanner->parser = yajl_alloc(&callbacks, NULL, &scanner->depth);
    if (!scanner->parser)
        return -1;
    switch (yajl_parse(scanner->parser, (const unsigned char *)bytes, size)) {
    case yajl_status_ok:
        return 0;
    case yajl_status_client_canceled:
        return scanner->depth == 0 ? (long)yajl_get_bytes_consumed(scanner->parser) : -1;
    default:
        return -1;
    }
}

long
ovsdb_message_length(const char *bytes, size_t size)
{
    struct scanner scanner = {NULL, 0};
    long length = scan(&scanner, bytes, size);

    scanner_clear(&scanner);
    return length;
}

static yajl_val
get(yajl_val object, const char *name, yajl_type type)
{
    const char *path[] = {name, NULL};

    return object ? yajl_tree_get(object, path, type) : NULL;
}

static int
refused(struct ovsdb *ovsdb, yajl_val error)
{
    const char *what = ovsdb_text(get(error, "error", yajl_t_string));
    const char *details = ovsdb_text(get(error, "details", yajl_t_string));
    int rc = strcmp(what, "timed out") == 0 ? -ETIME : -EREMOTEIO;

    return failed(ovsdb, rc, "%s%s%s", *what ? what : "refused", *details ? ": " : "", details);
}

/* An operation that failed has an error in its place; a commit that failed one more at the end. */
static int
check_results(struct ovsdb *ovsdb, yajl_val results)
{
    if (!YAJL_IS_ARRAY(results))
        return failed(ovsdb, -EPROTO, "ovsdb-server: not an answer");
    for (size_t i = 0; i < results->u.array.len; i++)
        if (get(results->u.array.values[i], "error", yajl_t_string))
            return refused(ovsdb, results->u.array.values[i]);
    return 0;
}

/* Takes the value of a member out of its object. */
static yajl_val
steal(yajl_val object, const char *name)
{
    for (size_t i = 0; i < object->u.object.len; i++)
        if (strcmp(object->u.object.keys[i], name) == 0) {
            yajl_val value = object->u.object.values[i];
            object->u.object.values[i] = NULL;
            return value;
        }
    return NULL;
}

int
ovsdb_answer_parse(struct ovsdb *ovsdb, const char *message, yajl_val *ret_results)
{
    yajl_val answer = yajl_tree_parse(message, NULL, 0), error, results = NULL;
    int rc;

    if (!YAJL_IS_OBJECT(answer)) {
        yajl_tree_free(answer);
        return failed(ovsdb, -EPROTO, "ovsdb-server: not an answer");
    }
    error = get(answer, "error", yajl_t_any);
    if (get(answer, "method", yajl_t_any) ||
        ovsdb_number(get(answer, "id", yajl_t_number), 0) != ovsdb->id) {
        rc = 1;
    } else if (error && !YAJL_IS_NULL(error)) {
        rc = refused(ovsdb, error);
    } else {
        results = steal(answer, "result");
        rc = check_results(ovsdb, results);
    }
    yajl_tree_free(answer);
    if (rc == 0)
        *ret_results = results;
    else
        yajl_tree_free(results);
    return rc;
}

struct received {
    char *bytes;
    size_t size, room;
    size_t scanned; /* of them */
    struct scanner scanner;
};

static int
receive(struct ovsdb *ovsdb, struct received *received)
{
    ssize_t n;

    if (received->room - received->size < READ_SIZE) {
        size_t room = received->room * 2 + READ_SIZE;
        char *bytes = received->size < OVSDB_ANSWER_MAX ? realloc(received->bytes, room) : NULL;

        if (!bytes)
            return failed(ovsdb, -EMSGSIZE, "ovsdb-server: an answer that is too long");
        received->bytes = bytes;
        received->room = room;
    }
    n = recv(ovsdb->fd, received->bytes + received->size, READ_SIZE, 0);
    if (n == 0)
        return failed(ovsdb, -EPIPE, "ovsdb-server has gone");
    if (n > 0)
        received->size += (size_t)n;
    else if (errno == EAGAIN)
        return wait_for(ovsdb, POLLIN);
    else if (errno != EINTR)
        return failed(ovsdb, -errno, "ovsdb-server: %s", strerror(errno));
    return 0;
}

static int
take_message(struct ovsdb *ovsdb, struct received *received, size_t length, yajl_val *ret_results)
{
    char *message = strndup(received->bytes, length);
    int rc;

    if (!message)
        return failed(ovsdb, -ENOMEM, "%s", strerror(ENOMEM));
    received->size -= length;
    received->scanned = 0;
    scanner_clear(&received->scanner);
    memmove(received->bytes, received->bytes + length, received->size);
    rc = ovsdb_answer_parse(ovsdb, message, ret_results);
    free(message);
    return rc;
}

/* The answer, if it is there; else 1. */
static int
take_answer(struct ovsdb *ovsdb, struct received *received, yajl_val *ret_results)
{
    int rc = 1;

    while (rc == 1 && received->scanned < received->size) {
        long n = scan(&received->scanner, received->bytes + received->scanned,
                      received->size - received->scanned);

        if (n < 0)
            return failed(ovsdb, -EPROTO, "ovsdb-server: not JSON");
        if (n > 0)
            rc = take_message(ovsdb, received, received->scanned + (size_t)n, ret_results);
        else
            received->scanned = received->size;
    }
    return rc;
}

int
ovsdb_transact(struct ovsdb *ovsdb, const char *operations, yajl_val *ret_results)
{
    struct received received = {0};
    char *request;
    int rc;

    if (strlen(operations) > OVSDB_REQUEST_MAX)
        return failed(ovsdb, -EMSGSIZE, "too many operations at once");
    if (asprintf(&request, "{\"id\":%d,\"method\":\"transact\",\"params\":[\"" DATABASE "\",%s]}",
                 ++ovsdb->id, operations) < 0)
        return failed(ovsdb, -ENOMEM, "%s", strerror(ENOMEM));
    rc = send_all(ovsdb, request, strlen(request));
    free(request);
    if (rc == 0)
        rc = 1;
    while (rc == 1) {
        rc = receive(ovsdb, &received);
        if (rc == 0)
            rc = take_answer(ovsdb, &received, ret_results);
    }
    scanner_clear(&received.scanner);
    free(received.bytes);
    return rc;
}

int
ovsdb_settle(struct ovsdb *ovsdb, long long next_cfg)
{
    char operations[512];
    yajl_val answer;
    int rc;

    snprintf(operations, sizeof operations,
             "{\"op\":\"wait\",\"timeout\":%d,\"table\":\"Open_vSwitch\","
             "\"where\":[[\"cur_cfg\",\">=\",%lld]],\"columns\":[\"next_cfg\"],"
             "\"until\":\"!=\",\"rows\":[]}",
             OVSDB_SETTLE_MS, next_cfg);
    rc = ovsdb_transact(ovsdb, operations, &answer);
    if (rc == 0)
        yajl_tree_free(answer);
    else if (rc == -ETIME)
        failed(ovsdb, rc, "ovs-vswitchd does not answer");
    return rc;
}

/* ---- what answers have ---- */

static yajl_val
item(yajl_val array, size_t i)
{
    return YAJL_IS_ARRAY(array) && i < array->u.array.len ? array->u.array.values[i] : NULL;
}

static yajl_val
rows_of(yajl_val results, size_t place)
{
    return get(item(results, place), "rows", yajl_t_array);
}

size_t
ovsdb_rows(yajl_val results, size_t place)
{
    yajl_val rows = rows_of(results, place);

    return rows ? rows->u.array.len : 0;
}

yajl_val
ovsdb_row(yajl_val results, size_t place, size_t row)
{
    return item(rows_of(results, place), row);
}

long long
ovsdb_count(yajl_val results, size_t place)
{
    return ovsdb_number(get(item(results, place), "count", yajl_t_number), -1);
}

yajl_val
ovsdb_column(yajl_val row, const char *name)
{
    return get(row, name, yajl_t_any);
}

long long
ovsdb_next_cfg(yajl_val results, size_t place)
{
    return ovsdb_number(ovsdb_column(ovsdb_row(results, place, 0), "next_cfg"), 0);
}

const char *
ovsdb_text(yajl_val value)
{
    return YAJL_IS_STRING(value) ? value->u.string : "";
}

bool
ovsdb_true(yajl_val value)
{
    return YAJL_IS_TRUE(value);
}

long long
ovsdb_number(yajl_val value, long long none)
{
    return YAJL_IS_INTEGER(value) ? value->u.number.i : none;
}

const char *
ovsdb_uuid(yajl_val value)
{
    const char *text = ovsdb_text(item(value, 1));

    if (strcmp(ovsdb_text(item(value, 0)), "uuid") != 0 || strlen(text) != OVSDB_UUID_LENGTH ||
        strspn(text, "0123456789abcdefABCDEF-") != OVSDB_UUID_LENGTH)
        return NULL;
    return text;
}

/* The array in ["set",[...]] or ["map",[...]]. */
static yajl_val
inside(yajl_val value, const char *kind)
{
    yajl_val items = item(value, 1);

    return strcmp(ovsdb_text(item(value, 0)), kind) == 0 && YAJL_IS_ARRAY(items) ? items : NULL;
}

size_t
ovsdb_set_size(yajl_val set)
{
    yajl_val items = inside(set, "set");

    if (!set)
        return 0;
    return items ? items->u.array.len : 1;
}

yajl_val
ovsdb_set_at(yajl_val set, size_t i)
{
    yajl_val items = inside(set, "set");

    return items ? item(items, i) : i == 0 ? set : NULL;
}

const char *
ovsdb_map_text(yajl_val map, const char *key)
{
    yajl_val pairs = inside(map, "map");

    for (size_t i = 0; pairs && i < pairs->u.array.len; i++)
        if (strcmp(ovsdb_text(item(pairs->u.array.values[i], 0)), key) == 0)
            return ovsdb_text(item(pairs->u.array.values[i], 1));
    return "";
}
