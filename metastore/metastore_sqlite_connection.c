/* SQLite connections: opening them right, their cached statements, and the sql_ helpers.
 *
 * One connection writes and checkpoints; all others are read-only and never checkpoint, not even
 * when closed: SQLite 3.40.1 can corrupt a database whose journal two connections reset at once.
 * What a pragma was meant to set is read back: a store that is not WAL and FULL is not opened.
 * Out of memory ends the process, whichever call meets it. */
#include "metastore/metastore_sqlite_connection.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define BUSY_TIMEOUT_MS 2000 /* only a foreign tool can hold a lock against us */

static void abort_without_memory(int rc)
{
    if ((rc & 0xFF) == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
        log_fatal("out of memory in SQLite (%d)", rc);
}

void connection_fail(struct sqlite_connection *connection, int rc)
{
    assert(rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE);
    if (connection->rc != SQLITE_OK)
        return;
    abort_without_memory(rc);
    connection->rc = rc;
    connection->system_errno = 0;
    (void)snprintf(connection->text, sizeof(connection->text), "%s", sqlite3_errstr(rc));
}

/* The errno of the file that was written last with an error. sqlite3_system_errno does not know it
 * after a COMMIT (3.40). */
static int last_errno(sqlite3 *handle, int file_pointer)
{
    sqlite3_file *file = NULL;
    int last = 0;
    if (sqlite3_file_control(handle, NULL, file_pointer, &file) != SQLITE_OK || file == NULL ||
        file->pMethods == NULL ||
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &last) != SQLITE_OK)
        return 0;
    return last;
}

void connection_note_error(struct sqlite_connection *connection, int rc, bool of_database)
{
    if (connection->rc != SQLITE_OK)
        return;
    connection_fail(connection, rc);
    if ((rc & 0xFF) == SQLITE_IOERR)
        connection->system_errno =
            last_errno(connection->handle,
                       of_database ? SQLITE_FCNTL_FILE_POINTER : SQLITE_FCNTL_JOURNAL_POINTER);
    (void)snprintf(connection->text, sizeof(connection->text), "%s (%d, errno %d)",
                   sqlite3_errmsg(connection->handle), rc, connection->system_errno);
}

/* Transactions write to the journal only. */
static void note_error(struct sqlite_connection *connection, int rc)
{
    connection_note_error(connection, rc, false);
}

struct sqlite_failure connection_take_error(struct sqlite_connection *connection)
{
    struct sqlite_failure failure = {connection->rc, connection->system_errno, ""};
    memcpy(failure.text, connection->text, sizeof(failure.text));
    connection->rc = SQLITE_OK;
    connection->system_errno = 0;
    connection->text[0] = '\0';
    return failure;
}

/* ---- opening and closing --------------------------------------------------------------------- */

void connection_exec(struct sqlite_connection *connection, const char *sql)
{
    if (connection->rc != SQLITE_OK)
        return;
    int rc = sqlite3_exec(connection->handle, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        note_error(connection, rc);
}

static bool pragma_is(struct sqlite_connection *connection, const char *pragma, const char *wanted)
{
    sqlite3_stmt *stmt = NULL;
    bool equal = false;
    int rc = sqlite3_prepare_v2(connection->handle, pragma, -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        equal = text != NULL && strcmp(text, wanted) == 0;
    } else {
        note_error(connection, rc == SQLITE_DONE ? SQLITE_ERROR : rc);
    }
    (void)sqlite3_finalize(stmt);
    return equal;
}

static int configure(struct sqlite_connection *connection, enum connection_use use)
{
    sqlite3 *handle = connection->handle;
    (void)sqlite3_extended_result_codes(handle, 1);
    (void)sqlite3_busy_timeout(handle, BUSY_TIMEOUT_MS);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (use == CONNECTION_READS) {
        (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        connection_exec(connection, "PRAGMA cache_size=-1024");
        return connection->rc == SQLITE_OK ? 0 : -1;
    }
    /* The writer thread checkpoints itself, when it has answered and can see errors. No
     * journal_size_limit: a journal that is written over is twice as fast as one that grows. */
    connection_exec(connection, "PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON;"
                                "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4096;"
                                "PRAGMA wal_autocheckpoint=0");
    bool durable =
        connection->rc == SQLITE_OK && pragma_is(connection, "PRAGMA journal_mode=WAL", "wal");
    connection_exec(connection, "PRAGMA synchronous=FULL");
    durable = durable && pragma_is(connection, "PRAGMA synchronous", "2") &&
              pragma_is(connection, "PRAGMA foreign_keys", "1");
    if (!durable && connection->rc == SQLITE_OK)
        connection_fail(connection, SQLITE_NOLFS);
    return connection->rc == SQLITE_OK ? 0 : -1;
}

int connection_open(const char *path, enum connection_use use, struct sqlite_connection **out,
                    struct error *err)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    flags |= use == CONNECTION_WRITES ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                      : SQLITE_OPEN_READONLY;
    struct sqlite_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        log_fatal("out of memory");
    int rc = sqlite3_open_v2(path, &connection->handle, flags, NULL);
    if (connection->handle == NULL)
        log_fatal("out of memory in SQLite (%d)", rc);
    if (rc != SQLITE_OK)
        note_error(connection, rc);
    if (rc == SQLITE_OK && configure(connection, use) == 0) {
        *out = connection;
        return 0;
    }
    error_set(err, ERR_INTERNAL, "Cannot open the catalog store %s", path);
    error_detail(err, "%s", connection->text);
    connection_close(connection, true);
    return -1;
}

void connection_close(struct sqlite_connection *connection, bool keep_wal)
{
    if (connection == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_SLOTS; i++)
        (void)sqlite3_finalize(connection->statements[i].stmt);
    if (keep_wal)
        (void)sqlite3_db_config(connection->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int rc = sqlite3_close(connection->handle);
    assert(rc == SQLITE_OK); /* BUSY: a statement outside the cache was left open */
    (void)rc;
    free(connection);
}

/* ---- statements ------------------------------------------------------------------------------ */

static sqlite3_stmt *statement_of(struct sqlite_connection *connection, const char *sql)
{
    size_t slot = ((uintptr_t)sql >> 3) * 0x9E3779B1u;
    for (size_t tries = 0; tries < STATEMENT_SLOTS; tries++) {
        size_t at = (slot + tries) % STATEMENT_SLOTS;
        if (connection->statements[at].sql == sql)
            return connection->statements[at].stmt;
        if (connection->statements[at].sql != NULL)
            continue;
        sqlite3_stmt *stmt = NULL;
        int rc =
            sqlite3_prepare_v3(connection->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
        if (rc != SQLITE_OK) {
            note_error(connection, rc);
            return NULL;
        }
        connection->statements[at].sql = sql;
        connection->statements[at].stmt = stmt;
        return stmt;
    }
    log_fatal("more SQL statements than STATEMENT_SLOTS");
}

struct sql_query sql_start(struct sqlite_connection *connection, const char *sql)
{
    struct sql_query query = {connection, NULL, 0};
    if (connection->rc == SQLITE_OK)
        query.stmt = statement_of(connection, sql);
    assert(query.stmt == NULL || !sqlite3_stmt_busy(query.stmt)); /* the last run was ended */
    return query;
}

static void bound(struct sql_query *query, int rc)
{
    assert((rc & 0xFF) != SQLITE_RANGE && (rc & 0xFF) != SQLITE_MISUSE);
    if (rc != SQLITE_OK)
        note_error(query->connection, rc);
}

void sql_int(struct sql_query *query, int64_t value)
{
    query->parameters++;
    if (query->stmt != NULL)
        bound(query, sqlite3_bind_int64(query->stmt, query->parameters, value));
}

void sql_text(struct sql_query *query, struct str text)
{
    query->parameters++;
    if (query->stmt != NULL)
        bound(query,
              sqlite3_bind_text64(query->stmt, query->parameters, text.ptr == NULL ? "" : text.ptr,
                                  text.len, SQLITE_STATIC, SQLITE_UTF8));
}

void sql_text_or_null(struct sql_query *query, struct str text)
{
    if (text.ptr != NULL) {
        sql_text(query, text);
        return;
    }
    query->parameters++;
    if (query->stmt != NULL)
        bound(query, sqlite3_bind_null(query->stmt, query->parameters));
}

void sql_blob(struct sql_query *query, const void *bytes, size_t len)
{
    query->parameters++;
    if (query->stmt != NULL)
        bound(query, sqlite3_bind_blob64(query->stmt, query->parameters, len == 0 ? "" : bytes, len,
                                         SQLITE_STATIC));
}

bool sql_row(struct sql_query *query)
{
    if (query->stmt == NULL || query->connection->rc != SQLITE_OK)
        return false;
    assert(query->parameters == sqlite3_bind_parameter_count(query->stmt));
    int rc = sqlite3_step(query->stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        note_error(query->connection, rc);
    return rc == SQLITE_ROW;
}

int64_t sql_get_int(const struct sql_query *query, int column)
{
    assert(column < sqlite3_data_count(query->stmt));
    return sqlite3_column_int64(query->stmt, column);
}

struct str sql_get(const struct sql_query *query, int column)
{
    assert(column < sqlite3_data_count(query->stmt));
    if (sqlite3_column_type(query->stmt, column) == SQLITE_NULL)
        return STR_NONE;
    const void *bytes = sqlite3_column_blob(query->stmt, column); /* text as it lies in the row */
    size_t len = (size_t)sqlite3_column_bytes(query->stmt, column);
    if (len > 0 && bytes == NULL)
        abort_without_memory(SQLITE_NOMEM);
    return str_from(len == 0 ? "" : bytes, len);
}

struct str sql_get_copy(const struct sql_query *query, int column, struct arena *arena)
{
    struct str text = sql_get(query, column);
    return text.ptr == NULL ? STR_NONE : arena_str(arena, text);
}

void sql_end(struct sql_query *query)
{
    if (query->stmt != NULL)
        (void)sqlite3_reset(query->stmt); /* repeats the error of the last step: noted there */
    query->stmt = NULL;
}

void sql_run(struct sql_query *query)
{
    bool row = sql_row(query);
    assert(!row);
    (void)row;
    sql_end(query);
}
