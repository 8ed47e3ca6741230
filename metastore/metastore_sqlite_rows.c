/* The rows beside the changes of a set: history, idempotency records, jobs, reports. They share the
 * set's fate. Runs on the writer thread; errors stick to the connection. */
#include "metastore/metastore_sqlite_private.h"

#include <assert.h>

/* ---- idempotency ----------------------------------------------------------------------------- */

/* A record is live until its time; the new record's own beginning is the "now" it is compared with,
 * so that no other clock takes part. */
static bool key_is_live(struct sqlite_connection *writer, const struct idempotency_row *row)
{
    struct sql_query query =
        sql_start(writer, "SELECT 1 FROM idempotency WHERE key = ? AND expires_ms > ?");
    sql_text(&query, row->key);
    sql_int(&query, row->created_ms);
    bool live = sql_row(&query);
    sql_end(&query);
    return live;
}

bool sqlite_rows_keys_free(struct sqlite_connection *writer, const struct change_set *set)
{
    for (size_t i = 0; i < set->idempotency_count; i++)
        if (key_is_live(writer, &set->idempotency[i]))
            return false;
    return true;
}

void sqlite_rows_idempotency(struct sqlite_connection *writer, const struct change_set *set)
{
    for (size_t i = 0; i < set->idempotency_count; i++) {
        const struct idempotency_row *row = &set->idempotency[i];
        struct sql_query query = sql_start(
            writer, "INSERT OR REPLACE INTO idempotency (key, binding, status, kind, body,"
                    " metadata_location, warehouse_id, created_ms, expires_ms)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
        sql_text(&query, row->key);
        sql_blob(&query, row->binding.bytes, sizeof(row->binding.bytes));
        sql_int(&query, row->status);
        sql_text(&query, row->kind);
        sql_text(&query, row->body);
        sql_text(&query, row->metadata_location);
        sql_int(&query, row->warehouse_id);
        sql_int(&query, row->created_ms);
        sql_int(&query, row->expires_ms);
        sql_run(&query);
    }
}

/* ---- history --------------------------------------------------------------------------------- */

static bool is_about_object(const struct change *change)
{
    return change->kind == CHANGE_OBJECT_CREATE || change->kind == CHANGE_OBJECT_UPDATE ||
           change->kind == CHANGE_OBJECT_DROP || change->kind == CHANGE_OBJECT_RENAME;
}

/* Takes from the change what the row does not bring itself. */
static void fill_from_change(struct history_row *row, const struct change *change)
{
    bool object = is_about_object(change);
    row->object_id = object ? change->id : 0;
    row->version = change->version;
    bool warehouse =
        change->kind == CHANGE_WAREHOUSE_CREATE || change->kind == CHANGE_WAREHOUSE_DROP;
    row->warehouse_id = warehouse ? change->id : change->warehouse_id;
    row->namespace_key = change->namespace_key;
    row->name = change->name;
    row->uuid = change->uuid;
    row->parent_location = object ? change->expect_metadata_location : STR_NONE;
    row->metadata_location = object ? change->metadata_location : STR_NONE;
}

static void insert_history(struct sqlite_connection *writer, const struct history_row *row,
                           int64_t previous)
{
    struct sql_query query = sql_start(
        writer,
        "INSERT INTO history (sequence, previous, object_id, version, warehouse_id, time_ms,"
        " operation, commit_id, request_id, principal, client, request_digest, detail,"
        " namespace_key, name, uuid, parent_location, metadata_location)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    sql_int(&query, row->sequence);
    sql_int(&query, previous);
    sql_int(&query, row->object_id);
    sql_int(&query, row->version);
    sql_int(&query, row->warehouse_id);
    sql_int(&query, row->time_ms);
    sql_text(&query, str_cstr(row->operation));
    sql_text(&query, row->commit_id);
    sql_text(&query, row->request_id);
    sql_text(&query, row->principal);
    sql_text(&query, row->client);
    sql_blob(&query, row->request_digest.bytes, sizeof(row->request_digest.bytes));
    sql_text(&query, row->detail);
    sql_text(&query, row->namespace_key);
    sql_text(&query, row->name);
    sql_text(&query, row->uuid);
    sql_text(&query, row->parent_location);
    sql_text(&query, row->metadata_location);
    sql_run(&query);
}

static void note_slice(struct sqlite_connection *writer, const struct history_row *row,
                       struct noted_slice *noted)
{
    int64_t slice = row->sequence >> SLICE_BITS;
    if (noted->slice == slice && noted->warehouse_id == row->warehouse_id)
        return;
    struct sql_query query = sql_start(
        writer, "INSERT OR IGNORE INTO history_slice (warehouse_id, slice) VALUES (?, ?)");
    sql_int(&query, row->warehouse_id);
    sql_int(&query, slice);
    sql_run(&query);
    *noted = (struct noted_slice){row->warehouse_id, slice};
}

void sqlite_rows_history(struct sqlite_connection *writer, struct change_set *set,
                         int64_t first_sequence, int64_t *before, struct noted_slice *noted)
{
    for (size_t i = 0; i < set->history_count; i++) {
        struct history_row *row = &set->history[i];
        assert(row->change_index < set->change_count);
        fill_from_change(row, &set->changes[row->change_index]);
        row->sequence = first_sequence + (int64_t)i;
        insert_history(writer, row, before[row->change_index]);
        note_slice(writer, row, noted);
        before[row->change_index] = row->sequence; /* several rows of one change are a chain too */
    }
}

/* ---- jobs and reports ------------------------------------------------------------------------ */

void sqlite_rows_jobs(struct sqlite_connection *writer, struct change_set *set)
{
    for (size_t i = 0; i < set->jobs_done_count; i++) {
        struct sql_query query = sql_start(writer, "DELETE FROM job WHERE id = ?");
        sql_int(&query, set->jobs_done[i]);
        sql_run(&query);
    }
    for (size_t i = 0; i < set->job_count; i++) {
        struct job_row *row = &set->jobs[i];
        struct sql_query query =
            sql_start(writer, "INSERT INTO job (kind, payload, warehouse_id, created_ms,"
                              " not_before_ms, attempts) VALUES (?, ?, ?, ?, ?, ?)");
        sql_text(&query, row->kind);
        sql_text(&query, row->payload);
        sql_int(&query, row->warehouse_id);
        sql_int(&query, row->created_ms);
        sql_int(&query, row->not_before_ms);
        sql_int(&query, row->attempts);
        sql_run(&query);
        row->id = sqlite3_last_insert_rowid(writer->handle);
    }
}

void sqlite_rows_reports(struct sqlite_connection *writer, const struct change_set *set)
{
    for (size_t i = 0; i < set->report_count; i++) {
        const struct report_row *row = &set->reports[i];
        struct sql_query query = sql_start(writer, "INSERT INTO report (warehouse_id,"
                                                   " namespace_key, name, body, time_ms)"
                                                   " VALUES (?, ?, ?, ?, ?)");
        sql_int(&query, row->warehouse_id);
        sql_text(&query, row->namespace_key);
        sql_text(&query, row->name);
        sql_text(&query, row->body);
        sql_int(&query, row->time_ms);
        sql_run(&query);
    }
}
