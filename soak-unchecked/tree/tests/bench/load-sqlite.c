/* load-sqlite FILE BYTES CLIENTS: durable commits of a row of so many bytes each, without anything
 * around SQLite; see load.h.
 *
 * The clients share one connection, with the settings of ours, and take turns at a lock: SQLite's
 * own way to wait for another writer is to sleep, and would be measured in its place. */
#include "config.h"

#include <err.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load.h"

static sqlite3 *db;
static sqlite3_stmt *put;
static pthread_mutex_t put_lock = PTHREAD_MUTEX_INITIALIZER; /* for both */
static int bytes;

struct caller {
    guint client;
    char fields[];
};

static void
good(int result)
{
    if (result != SQLITE_OK && result != SQLITE_DONE)
        errx(1, "%s", sqlite3_errmsg(db));
}

static void *
caller_open(guint client)
{
    struct caller *caller = g_malloc0(sizeof *caller + (gsize)bytes);

    caller->client = client;
    return caller;
}

static gsize
caller_call(void *connection, guint turn)
{
    struct caller *caller = connection;

    memset(caller->fields, (int)turn, (gsize)bytes);
    pthread_mutex_lock(&put_lock);
    good(sqlite3_bind_int(put, 1, (int)caller->client));
    good(sqlite3_bind_blob(put, 2, caller->fields, bytes, SQLITE_STATIC));
    good(sqlite3_step(put));
    good(sqlite3_reset(put));
    pthread_mutex_unlock(&put_lock);
    return 0;
}

int
main(int argc, char **argv)
{
    static const struct load load = {caller_open, caller_call};

    if (argc != 4)
        errx(2, "usage: load-sqlite FILE BYTES CLIENTS");
    bytes = atoi(argv[2]);
    good(sqlite3_open(argv[1], &db));
    good(sqlite3_exec(db,
                      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                      "PRAGMA synchronous = FULL;"
                      "CREATE TABLE row (id INTEGER PRIMARY KEY, fields BLOB NOT NULL)",
                      NULL, NULL, NULL));
    good(sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO row (id, fields) VALUES (?1, ?2)", -1, &put,
                            NULL));
    int status = load_run(&load, (guint)strtoul(argv[3], NULL, 10));
    sqlite3_finalize(put);
    sqlite3_close(db);
    return status;
}
