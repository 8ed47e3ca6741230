/* The tables, and how older stores become today's.
 *
 * PRAGMA user_version is the number of the newest migration that ran. Each runs in a transaction
 * of its own together with the new number, so a crash leaves one schema or the other. A migration
 * that has been released is never edited: the next one is added below it. A store that a newer
 * program has migrated is refused, and so is a file that is not ours. */
#include "metastore/metastore_sqlite_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

#define APPLICATION_ID 1718186606 /* "firn" */

/* Names are compared by bytes. `levels` makes the direct children of a namespace one range of its
 * unique index. object.location ends in a slash so that whatever lies below is one range too.
 *
 * History is only ever added to. A row per commit must not cost a page per commit, so what would
 * be scattered indexes are not: the rows of one object are a chain (object.history_newest,
 * history.previous); which warehouses have rows is noted once per slice of 1024 rows; and the index
 * that finds a repeated request begins with the slice, so that only its end is being written
 * (metastore_sqlite_history.c). commit_id has no index: it is unique by being random. */
static const char schema_1[] =
    "CREATE TABLE warehouse ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE,"
    " location TEXT NOT NULL,"
    " options TEXT NOT NULL) STRICT;"

    "CREATE TABLE namespace ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " warehouse_id INTEGER NOT NULL REFERENCES warehouse (id),"
    " levels INTEGER NOT NULL,"
    " key TEXT NOT NULL,"
    " properties TEXT NOT NULL,"
    " version INTEGER NOT NULL,"
    " UNIQUE (warehouse_id, levels, key)) STRICT;"

    "CREATE TABLE object ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " namespace_id INTEGER NOT NULL REFERENCES namespace (id),"
    " kind INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " version INTEGER NOT NULL,"
    " history_newest INTEGER NOT NULL,"
    " uuid TEXT NOT NULL,"
    " metadata_location TEXT NOT NULL,"
    " location TEXT UNIQUE," /* NULL: it has no files of its own */
    " UNIQUE (namespace_id, name)) STRICT;"
    "CREATE INDEX object_of_kind ON object (namespace_id, kind, name);"

    "CREATE TABLE history ("
    " sequence INTEGER PRIMARY KEY,"
    " previous INTEGER NOT NULL,"  /* of the same object; 0: none */
    " object_id INTEGER NOT NULL," /* 0: not about an object */
    " version INTEGER NOT NULL,"
    " warehouse_id INTEGER NOT NULL,"
    " time_ms INTEGER NOT NULL,"
    " operation TEXT NOT NULL,"
    " commit_id TEXT NOT NULL,"
    " request_id TEXT NOT NULL,"
    " principal TEXT NOT NULL,"
    " client TEXT NOT NULL,"
    " request_digest BLOB NOT NULL,"
    " detail TEXT NOT NULL,"
    " namespace_key TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " uuid TEXT NOT NULL,"
    " parent_location TEXT NOT NULL,"
    " metadata_location TEXT NOT NULL) STRICT;"
    "CREATE INDEX history_of_request"
    " ON history (sequence >> 10, substr(request_digest, 1, 8)) WHERE object_id > 0;"
    "CREATE TABLE history_slice ("
    " warehouse_id INTEGER NOT NULL,"
    " slice INTEGER NOT NULL,"
    " PRIMARY KEY (warehouse_id, slice)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE idempotency ("
    " key TEXT PRIMARY KEY,"
    " binding BLOB NOT NULL,"
    " status INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " body TEXT NOT NULL,"
    " metadata_location TEXT NOT NULL,"
    " warehouse_id INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX idempotency_expiry ON idempotency (expires_ms);"

    "CREATE TABLE job ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind TEXT NOT NULL,"
    " payload TEXT NOT NULL,"
    " warehouse_id INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " not_before_ms INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL) STRICT;"
    "CREATE INDEX job_due ON job (not_before_ms);"

    "CREATE TABLE report ("
    " sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
    " warehouse_id INTEGER NOT NULL,"
    " namespace_key TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " body TEXT NOT NULL,"
    " time_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX report_of_object ON report (warehouse_id, namespace_key, name);"

    /* Written to learn whether there is room again after the disk was full. */
    "CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;"
    "INSERT INTO probe VALUES (1, x'');";

/* AUTOINCREMENT: the id of a dropped principal is never given again, so its tokens fit nobody. */
static const char schema_2[] = "CREATE TABLE principal ("
                               " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                               " name TEXT NOT NULL UNIQUE,"
                               " client_id TEXT NOT NULL UNIQUE,"
                               " secret_digest BLOB NOT NULL,"
                               " is_admin INTEGER NOT NULL,"
                               " version INTEGER NOT NULL,"
                               " created_ms INTEGER NOT NULL) STRICT;"

                               "CREATE TABLE signing_key ("
                               " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                               " bytes BLOB NOT NULL,"
                               " created_ms INTEGER NOT NULL) STRICT;";

/* Functions get names of their own: a table and a function may be called the same. SQLite cannot
 * take a constraint away, so the table is made anew; ids go on from where they were. */
static const char schema_3[] =
    "CREATE TABLE object_3 ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " namespace_id INTEGER NOT NULL REFERENCES namespace (id),"
    " kind INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " version INTEGER NOT NULL,"
    " history_newest INTEGER NOT NULL,"
    " uuid TEXT NOT NULL,"
    " metadata_location TEXT NOT NULL,"
    " location TEXT UNIQUE) STRICT;" /* NULL: it has no place of its own */
    "INSERT INTO object_3 (id, namespace_id, kind, name, version, history_newest, uuid,"
    " metadata_location, location) SELECT id, namespace_id, kind, name, version, history_newest,"
    " uuid, metadata_location, location FROM object;"
    "DELETE FROM sqlite_sequence WHERE name = 'object_3';"
    "INSERT INTO sqlite_sequence (name, seq)"
    " SELECT 'object_3', seq FROM sqlite_sequence WHERE name = 'object';"
    "DROP TABLE object;"
    "ALTER TABLE object_3 RENAME TO object;"
    "CREATE UNIQUE INDEX object_of_name ON object (namespace_id, name, kind = 3);"
    "CREATE INDEX object_of_kind ON object (namespace_id, kind, name);";

/* What an object has besides its location; keyed as object.location. An object of an older store
 * gets its places with its next change. No cascade: dropping `object` in a migration would follow
 * it. */
static const char schema_4[] = "CREATE TABLE object_place ("
                               " location TEXT PRIMARY KEY,"
                               " object_id INTEGER NOT NULL REFERENCES object (id))"
                               " STRICT, WITHOUT ROWID;"
                               "CREATE INDEX object_place_of_object ON object_place (object_id);";

/* Places that are kept for who may come (back) there; keyed as object.location. No two objects and
 * no two reservations for different ones have the same place, so the place is the key. The uuid of
 * functions says nothing: they may share one. */
static const char schema_5[] = "CREATE TABLE reservation ("
                               " location TEXT PRIMARY KEY,"
                               " uuid TEXT NOT NULL,"
                               " holder TEXT NOT NULL," /* '': none */
                               " expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
                               "CREATE INDEX reservation_expiry ON reservation (expires_ms);"
                               "CREATE INDEX object_of_uuid ON object (uuid) WHERE kind <> 3;";

const struct sqlite_migration sqlite_migrations[] = {
    {schema_1}, {schema_2}, {schema_3}, {schema_4}, {schema_5}};
const size_t sqlite_migration_count = sizeof(sqlite_migrations) / sizeof(sqlite_migrations[0]);

static int64_t read_int(struct sqlite_connection *connection, const char *sql)
{
    struct sql_query query = sql_start(connection, sql);
    int64_t value = sql_row(&query) ? sql_get_int(&query, 0) : 0;
    sql_end(&query);
    return value;
}

static int failed(struct sqlite_connection *connection, const char *path, const char *what,
                  struct error *err)
{
    struct sqlite_failure failure = connection_take_error(connection);
    error_set(err, ERR_INTERNAL, "Cannot %s the catalog store %s", what, path);
    return error_detail(err, "%s", failure.text);
}

/* A copy of the store as it was, beside it: <db>.schema-N. One that exists is kept. */
static int back_up(struct sqlite_connection *connection, const char *path, int64_t version,
                   struct error *err)
{
    char *copy = NULL;
    if (asprintf(&copy, "%s.schema-%" PRId64, path, version) < 0)
        log_fatal("out of memory");
    if (access(copy, F_OK) != 0) {
        char *partial = NULL;
        if (asprintf(&partial, "%s.partial", copy) < 0)
            log_fatal("out of memory");
        (void)unlink(partial); /* VACUUM INTO wants a new file; this one is a crash's */
        char *sql = sqlite3_mprintf("VACUUM INTO %Q", partial);
        if (sql == NULL)
            log_fatal("out of memory in SQLite");
        connection_exec(connection, sql);
        sqlite3_free(sql);
        if (connection->rc == SQLITE_OK && rename(partial, copy) != 0)
            connection_fail(connection, SQLITE_CANTOPEN);
        free(partial);
    }
    free(copy);
    return connection->rc == SQLITE_OK ? 0 : failed(connection, path, "back up", err);
}

static int run_migration(struct sqlite_connection *connection, const char *path, const char *sql,
                         int64_t version, struct error *err)
{
    char numbers[128];
    (void)snprintf(numbers, sizeof(numbers),
                   "PRAGMA application_id=%d; PRAGMA user_version=%" PRId64, APPLICATION_ID,
                   version);
    connection_exec(connection, "BEGIN EXCLUSIVE");
    connection_exec(connection, sql);
    connection_exec(connection, numbers);
    connection_exec(connection, "COMMIT");
    if (connection->rc == SQLITE_OK)
        return 0;
    (void)failed(connection, path, "migrate", err);
    if (!sqlite3_get_autocommit(connection->handle))
        connection_exec(connection, "ROLLBACK");
    (void)connection_take_error(connection); /* the first one tells more */
    return -1;
}

int sqlite_migrate_with(struct sqlite_connection *connection, const char *path,
                        const struct sqlite_migration *list, size_t count, struct error *err)
{
    int64_t version = read_int(connection, "PRAGMA user_version");
    int64_t application = read_int(connection, "PRAGMA application_id");
    int64_t tables = read_int(connection, "SELECT count(*) FROM sqlite_schema");
    if (connection->rc != SQLITE_OK)
        return failed(connection, path, "read", err);
    if (application != APPLICATION_ID && (version != 0 || tables != 0))
        return error_set(err, ERR_INTERNAL, "%s is a database, but not a catalog store", path);
    if (version < 0 || (uint64_t)version > count)
        return error_set(err, ERR_INTERNAL,
                         "The catalog store %s has schema %" PRId64
                         ", this program knows schemas up to %zu: use a newer program",
                         path, version, count);
    if (version > 0 && (uint64_t)version < count && back_up(connection, path, version, err) != 0)
        return -1;
    for (; (uint64_t)version < count; version++) {
        if (run_migration(connection, path, list[version].sql, version + 1, err) != 0)
            return -1;
        log_info("catalog store %s: schema %" PRId64, path, version + 1);
    }
    return 0;
}

int sqlite_migrate(struct sqlite_connection *connection, const char *path, struct error *err)
{
    return sqlite_migrate_with(connection, path, sqlite_migrations, sqlite_migration_count, err);
}
