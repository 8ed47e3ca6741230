/* SQLite connections and their cached statements, for the files of the SQLite metastore only. */
#ifndef METASTORE_METASTORE_SQLITE_CONNECTION_H
#define METASTORE_METASTORE_SQLITE_CONNECTION_H

#include "base/arena.h"
#include "base/error.h"
#include <sqlite3.h>
#include <stdint.h>

#define STATEMENT_SLOTS 128 /* a power of two, well above the number of statements in this room */

/* One thread at a time. The first error sticks: until it is taken (connection_take_error) every
 * query on the connection does nothing and finds nothing, so that code reads straight on and asks
 * once at the end. Running out of memory is fatal here already. */
struct sqlite_connection {
    sqlite3 *handle;
    int rc;           /* extended code of the first error, or SQLITE_OK */
    int system_errno; /* of the system call behind it, 0 when unknown */
    char text[256];   /* what SQLite says about it */
    struct {
        const char *sql; /* the address is the key: statements are literals */
        sqlite3_stmt *stmt;
    } statements[STATEMENT_SLOTS];
    struct sqlite_connection *next; /* in the pool */
};

enum connection_use { CONNECTION_WRITES, CONNECTION_READS };

MUST_USE int connection_open(const char *path, enum connection_use use,
                             struct sqlite_connection **out, struct error *err);
/* Without checkpointing when `keep_wal`. NULL is allowed. */
void connection_close(struct sqlite_connection *connection, bool keep_wal);

/* Runs text that is used once: pragmas, the schema. */
void connection_exec(struct sqlite_connection *connection, const char *sql);
/* Notes an error of a call that was not made here; `of_database`: it met the database file, not the
 * journal. */
void connection_note_error(struct sqlite_connection *connection, int rc, bool of_database);
/* Notes an error that SQLite did not report itself (failpoints). */
void connection_fail(struct sqlite_connection *connection, int rc);

struct sqlite_failure {
    int rc; /* SQLITE_OK: none */
    int system_errno;
    char text[256];
};
struct sqlite_failure connection_take_error(struct sqlite_connection *connection);

/* A run of one cached statement: start, give the parameters in order, ask for rows, end. Between
 * start and end the bound views and the columns got must not be kept. */
struct sql_query {
    struct sqlite_connection *connection;
    sqlite3_stmt *stmt; /* NULL: the connection has failed */
    int parameters;
};

struct sql_query sql_start(struct sqlite_connection *connection, const char *sql);
void sql_int(struct sql_query *query, int64_t value);
void sql_text(struct sql_query *query, struct str text);         /* absent is empty */
void sql_text_or_null(struct sql_query *query, struct str text); /* absent is NULL */
void sql_blob(struct sql_query *query, const void *bytes, size_t len);
bool sql_row(struct sql_query *query); /* is there a next row? */
int64_t sql_get_int(const struct sql_query *query, int column);
struct str sql_get(const struct sql_query *query, int column); /* a view, until the next call */
struct str sql_get_copy(const struct sql_query *query, int column, struct arena *arena);
void sql_end(struct sql_query *query);
void sql_run(struct sql_query *query); /* for statements without rows: steps and ends */

/* Room for one more element at the end: the array doubles at powers of two. */
#define GROW(arena, array, count)                                                           \
    do {                                                                                    \
        if (((count) & ((count)-1)) == 0) {                                                 \
            void *moved =                                                                   \
                arena_alloc_array((arena), (count) == 0 ? 4 : (count)*2, sizeof(*(array))); \
            if ((count) > 0)                                                                \
                memcpy(moved, (array), (count) * sizeof(*(array)));                         \
            (array) = moved;                                                                \
        }                                                                                   \
    } while (0)

#endif
