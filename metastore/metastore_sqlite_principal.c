/* Principals and signing keys: the changes (on the writer thread) and the readers.
 *
 * A secret is kept as its digest only. An id is never given twice, and a principal's version counts
 * up with its secret, so that (id, version) tells one secret of one principal for ever. */
#include "metastore/metastore_sqlite_private.h"

/* ---- changes --------------------------------------------------------------------------------- */

enum change_outcome sqlite_principal_create(struct change_run *run)
{
    struct change *change = run->change;
    const struct principal_row *row = change->principal;
    struct sql_query query =
        sql_start(run->writer, "SELECT 1 FROM principal WHERE name = ? OR client_id = ?");
    sql_text(&query, change->name);
    sql_text(&query, row->client_id);
    bool exists = sql_row(&query);
    sql_end(&query);
    if (exists)
        return CHANGE_EXISTS;
    query = sql_start(run->writer, "INSERT INTO principal (name, client_id, secret_digest,"
                                   " is_admin, version, created_ms) VALUES (?, ?, ?, ?, 1, ?)");
    sql_text(&query, change->name);
    sql_text(&query, row->client_id);
    sql_blob(&query, row->secret_digest.bytes, sizeof(row->secret_digest.bytes));
    sql_int(&query, row->is_admin);
    sql_int(&query, row->created_ms);
    sql_run(&query);
    change->id = sqlite3_last_insert_rowid(run->writer->handle);
    change->version = 1;
    return CHANGE_APPLIED;
}

enum change_outcome sqlite_principal_drop(struct change_run *run)
{
    struct change *change = run->change;
    struct sql_query query =
        sql_start(run->writer, "DELETE FROM principal WHERE name = ? RETURNING id, version");
    sql_text(&query, change->name);
    bool found = sql_row(&query);
    change->id = found ? sql_get_int(&query, 0) : 0;
    change->version = found ? sql_get_int(&query, 1) : 0;
    sql_end(&query);
    return found ? CHANGE_APPLIED : CHANGE_MISSING;
}

enum change_outcome sqlite_principal_rotate(struct change_run *run)
{
    struct change *change = run->change;
    const struct sha256 *digest = &change->principal->secret_digest;
    struct sql_query query =
        sql_start(run->writer, "UPDATE principal SET secret_digest = ?, version = version + 1"
                               " WHERE name = ? RETURNING id, version");
    sql_blob(&query, digest->bytes, sizeof(digest->bytes));
    sql_text(&query, change->name);
    bool found = sql_row(&query);
    change->id = found ? sql_get_int(&query, 0) : 0;
    change->version = found ? sql_get_int(&query, 1) : 0;
    sql_end(&query);
    return found ? CHANGE_APPLIED : CHANGE_MISSING;
}

enum change_outcome sqlite_signing_key_add(struct change_run *run)
{
    struct change *change = run->change;
    struct sql_query query =
        sql_start(run->writer, "INSERT INTO signing_key (bytes, created_ms) VALUES (?, ?)");
    sql_blob(&query, change->signing_key->bytes, sizeof(change->signing_key->bytes));
    sql_int(&query, change->signing_key->created_ms);
    sql_run(&query);
    change->id = sqlite3_last_insert_rowid(run->writer->handle);
    return CHANGE_APPLIED;
}

/* ---- readers --------------------------------------------------------------------------------- */

static void get_bytes(const struct sql_query *query, int column, uint8_t *out, size_t len)
{
    struct str bytes = sql_get(query, column);
    if (bytes.len == len)
        memcpy(out, bytes.ptr, len);
    else
        connection_fail(query->connection, SQLITE_CORRUPT);
}

int sqlite_principal_list(struct metastore *base, struct arena *arena, struct principal_row **out,
                          size_t *count, struct error *err)
{
    struct sql_query query =
        sqlite_read_begin(base,
                          "SELECT id, name, client_id, secret_digest, is_admin, version, created_ms"
                          " FROM principal ORDER BY name",
                          err);
    *out = NULL;
    *count = 0;
    while (sql_row(&query)) {
        GROW(arena, *out, *count);
        struct principal_row *row = &(*out)[(*count)++];
        *row = (struct principal_row){
            .id = sql_get_int(&query, 0),
            .name = sql_get_copy(&query, 1, arena),
            .client_id = sql_get_copy(&query, 2, arena),
            .is_admin = sql_get_int(&query, 4) != 0,
            .version = sql_get_int(&query, 5),
            .created_ms = sql_get_int(&query, 6),
        };
        get_bytes(&query, 3, row->secret_digest.bytes, sizeof(row->secret_digest.bytes));
    }
    return sqlite_read_end(base, &query, err);
}

int sqlite_signing_key_list(struct metastore *base, struct arena *arena,
                            struct signing_key_row **out, size_t *count, struct error *err)
{
    struct sql_query query = sqlite_read_begin(
        base, "SELECT id, bytes, created_ms FROM signing_key ORDER BY id DESC", err);
    *out = NULL;
    *count = 0;
    while (sql_row(&query)) {
        GROW(arena, *out, *count);
        struct signing_key_row *row = &(*out)[(*count)++];
        *row = (struct signing_key_row){.id = sql_get_int(&query, 0),
                                        .created_ms = sql_get_int(&query, 2)};
        get_bytes(&query, 1, row->bytes, sizeof(row->bytes));
    }
    return sqlite_read_end(base, &query, err);
}
