/* The readers: a pool of read-only connections, one per call while it lasts.
 *
 * A call is one statement, hence one consistent state. Every statement is ended before its
 * connection goes back to the pool: one left open would pin an old state and the journal with it.
 */
#include "metastore/metastore_sqlite_private.h"

#include <assert.h>

#include "base/log.h"

#define READERS_MAX 16
#define TEXT_AFTER_ALL "\xFF" /* no UTF-8 text begins so */

/* ---- the pool -------------------------------------------------------------------------------- */

static struct sqlite_connection *take_idle(struct sqlite_store *store)
{
    struct sqlite_connection *reader = NULL;
    (void)pthread_mutex_lock(&store->pool_mutex);
    while (store->pool == NULL && store->readers_open == READERS_MAX)
        (void)pthread_cond_wait(&store->pool_filled, &store->pool_mutex);
    reader = store->pool;
    if (reader != NULL)
        store->pool = reader->next;
    else
        store->readers_open++; /* the caller opens it */
    store->readers_busy++;
    (void)pthread_mutex_unlock(&store->pool_mutex);
    return reader;
}

/* NULL: the caller's reader could not be opened. */
static void give_back(struct sqlite_store *store, struct sqlite_connection *reader)
{
    (void)pthread_mutex_lock(&store->pool_mutex);
    assert(store->readers_busy > 0);
    store->readers_busy--;
    if (reader != NULL) {
        reader->next = store->pool;
        store->pool = reader;
    } else {
        store->readers_open--;
    }
    (void)pthread_cond_signal(&store->pool_filled);
    (void)pthread_mutex_unlock(&store->pool_mutex);
}

struct sqlite_connection *sqlite_reader_checkout(struct sqlite_store *store, struct error *err)
{
    struct sqlite_connection *reader = take_idle(store);
    if (reader == NULL && connection_open(store->path, CONNECTION_READS, &reader, err) != 0) {
        give_back(store, NULL);
        return NULL;
    }
    assert(reader->rc == SQLITE_OK);
    return reader;
}

int sqlite_reader_checkin(struct sqlite_store *store, struct sqlite_connection *reader,
                          struct error *err)
{
    struct sqlite_failure failure = connection_take_error(reader);
    if (!sqlite3_get_autocommit(reader->handle)) { /* the snapshot of a longer read */
        connection_exec(reader, "ROLLBACK");
        (void)connection_take_error(reader);
    }
    assert(sqlite3_txn_state(reader->handle, NULL) == SQLITE_TXN_NONE);
    give_back(store, reader);
    if (failure.rc == SQLITE_OK)
        return 0;
    struct sqlite_verdict verdict = sqlite_judge(failure.rc, failure.system_errno, PHASE_CHANGE);
    log_error("a read of the catalog store failed: %s", failure.text);
    if (verdict.fail_stop)
        sqlite_writer_report_corrupt(store);
    error_set(err, verdict.fail_stop ? ERR_INTERNAL : ERR_UNAVAILABLE,
              "The catalog store cannot be read");
    return error_detail(err, "%s", failure.text);
}

struct sql_query sqlite_read_begin(struct metastore *base, const char *sql, struct error *err)
{
    struct sqlite_connection *reader = sqlite_reader_checkout(sqlite_store_of(base), err);
    return reader == NULL ? (struct sql_query){0} : sql_start(reader, sql);
}

int sqlite_read_end(struct metastore *base, struct sql_query *query, struct error *err)
{
    sql_end(query);
    return query->connection == NULL
               ? -1
               : sqlite_reader_checkin(sqlite_store_of(base), query->connection, err);
}

void sqlite_readers_close(struct sqlite_store *store)
{
    assert(store->readers_busy == 0);
    while (store->pool != NULL) {
        struct sqlite_connection *reader = store->pool;
        store->pool = reader->next;
        connection_close(reader, true);
    }
}

/* ---- lists that grow ------------------------------------------------------------------------- */

/* Asks for one row more than the page, to know whether there is more. */
static int64_t page_limit(const struct page_request *page)
{
    return page->limit == 0 || page->limit >= INT64_MAX ? -1 : (int64_t)page->limit + 1;
}

static void collect_names(struct sql_query *query, const struct page_request *page,
                          struct arena *arena, struct name_list *out)
{
    *out = (struct name_list){0};
    while (sql_row(query)) {
        if (page->limit != 0 && out->count == page->limit) {
            out->more = true;
            break;
        }
        GROW(arena, out->names, out->count);
        out->names[out->count++] = sql_get_copy(query, 0, arena);
    }
}

static int64_t read_limit(size_t limit)
{
    return limit == 0 || limit > INT64_MAX ? -1 : (int64_t)limit;
}

/* ---- warehouses ------------------------------------------------------------------------------ */

static void get_warehouse(const struct sql_query *query, struct arena *arena,
                          struct warehouse_row *out)
{
    *out = (struct warehouse_row){.id = sql_get_int(query, 0),
                                  .name = sql_get_copy(query, 1, arena),
                                  .location = sql_get_copy(query, 2, arena),
                                  .options = sql_get_copy(query, 3, arena)};
}

int sqlite_warehouse_find(struct metastore *base, struct str name, struct arena *arena,
                          struct warehouse_row *out, bool *found, struct error *err)
{
    struct sql_query query = sqlite_read_begin(
        base, "SELECT id, name, location, options FROM warehouse WHERE name = ?", err);
    sql_text(&query, name);
    *found = sql_row(&query);
    if (*found)
        get_warehouse(&query, arena, out);
    return sqlite_read_end(base, &query, err);
}

int sqlite_warehouse_list(struct metastore *base, struct arena *arena, struct warehouse_row **out,
                          size_t *count, struct error *err)
{
    struct sql_query query = sqlite_read_begin(
        base, "SELECT id, name, location, options FROM warehouse ORDER BY name", err);
    *out = NULL;
    *count = 0;
    while (sql_row(&query)) {
        GROW(arena, *out, *count);
        get_warehouse(&query, arena, &(*out)[*count]);
        ++*count;
    }
    return sqlite_read_end(base, &query, err);
}

/* ---- namespaces ------------------------------------------------------------------------------ */

int sqlite_namespace_find(struct metastore *base, int64_t warehouse_id, struct str key,
                          struct arena *arena, struct namespace_row *out, bool *found,
                          struct error *err)
{
    struct sql_query query = sqlite_read_begin(base,
                                               "SELECT id, properties, version FROM namespace"
                                               " WHERE warehouse_id = ? AND levels = ? AND key = ?",
                                               err);
    sql_int(&query, warehouse_id);
    sql_int(&query, sqlite_namespace_levels(key));
    sql_text(&query, key);
    *found = sql_row(&query);
    if (*found)
        *out = (struct namespace_row){.id = sql_get_int(&query, 0),
                                      .key = arena_str(arena, key),
                                      .properties = sql_get_copy(&query, 1, arena),
                                      .version = sql_get_int(&query, 2)};
    return sqlite_read_end(base, &query, err);
}

int sqlite_namespace_list(struct metastore *base, int64_t warehouse_id, struct str parent_key,
                          const struct page_request *page, struct arena *arena,
                          struct name_list *out, struct error *err)
{
    bool top = parent_key.len == 0;
    /* Children begin with parent U+001F; parent ' ' is the first text behind all of them. */
    struct str begin = top ? STR("") : arena_printf(arena, "%.*s\x1F", STR_ARG(parent_key));
    struct str end =
        top ? STR(TEXT_AFTER_ALL) : arena_printf(arena, "%.*s\x20", STR_ARG(parent_key));
    if (page->after.ptr != NULL && str_compare(page->after, begin) > 0)
        begin = page->after;
    struct sql_query query =
        sqlite_read_begin(base,
                          "SELECT key FROM namespace WHERE warehouse_id = ? AND levels = ?"
                          " AND key > ? AND key < ? ORDER BY key LIMIT ?",
                          err);
    sql_int(&query, warehouse_id);
    sql_int(&query, top ? 1 : sqlite_namespace_levels(parent_key) + 1);
    sql_text(&query, begin);
    sql_text(&query, end);
    sql_int(&query, page_limit(page));
    collect_names(&query, page, arena, out);
    return sqlite_read_end(base, &query, err);
}

/* ---- objects --------------------------------------------------------------------------------- */

/* The canonical location from the key of the overlap index: without the slash at its end, which
 * only the root of a scheme keeps. */
static struct str location_of_key(struct str key)
{
    if (key.len > 0 && !str_ends_with(key, STR("///")))
        key.len--;
    return key;
}

#define OBJECT_COLUMNS                                                          \
    "o.id, o.kind, o.version, o.uuid, o.metadata_location, o.location, o.name," \
    " n.warehouse_id, n.key"

static bool get_object(struct sql_query *query, struct arena *arena, struct object_row *out)
{
    if (!sql_row(query))
        return false;
    *out = (struct object_row){
        .id = sql_get_int(query, 0),
        .kind = (enum object_kind)sql_get_int(query, 1),
        .version = sql_get_int(query, 2),
        .uuid = sql_get_copy(query, 3, arena),
        .metadata_location = sql_get_copy(query, 4, arena),
        .location = location_of_key(sql_get_copy(query, 5, arena)),
        .name = sql_get_copy(query, 6, arena),
        .warehouse_id = sql_get_int(query, 7),
        .namespace_key = sql_get_copy(query, 8, arena),
    };
    return true;
}

int sqlite_object_find(struct metastore *base, const struct object_name *name, struct arena *arena,
                       struct object_row *out, bool *found, struct error *err)
{
    struct sql_query query = sqlite_read_begin(
        base,
        "SELECT " OBJECT_COLUMNS " FROM namespace n JOIN object o ON o.namespace_id = n.id"
        " AND o.name = ? AND (o.kind = 3) = ?"
        " WHERE n.warehouse_id = ? AND n.levels = ? AND n.key = ?",
        err);
    sql_text(&query, name->name);
    sql_int(&query, name->kind == OBJECT_FUNCTION);
    sql_int(&query, name->warehouse_id);
    sql_int(&query, sqlite_namespace_levels(name->namespace_key));
    sql_text(&query, name->namespace_key);
    *found = get_object(&query, arena, out);
    return sqlite_read_end(base, &query, err);
}

int sqlite_object_find_at(struct metastore *base, struct str location, struct arena *arena,
                          struct object_row *out, bool *found, struct error *err)
{
    bool is_key = str_ends_with(location, STR("/"));
    struct sql_query query = sqlite_read_begin(
        base,
        "SELECT " OBJECT_COLUMNS " FROM object o JOIN namespace n ON n.id = o.namespace_id"
        " WHERE o.location = ?",
        err);
    sql_text(&query, is_key ? location : arena_printf(arena, "%.*s/", STR_ARG(location)));
    *found = get_object(&query, arena, out);
    return sqlite_read_end(base, &query, err);
}

int sqlite_object_find_uuid(struct metastore *base, struct str uuid, struct arena *arena,
                            struct object_row *out, bool *found, struct error *err)
{
    struct sql_query query = sqlite_read_begin(
        base,
        "SELECT " OBJECT_COLUMNS " FROM object o JOIN namespace n ON n.id = o.namespace_id"
        " WHERE o.uuid = ? AND o.kind <> 3 LIMIT 1",
        err);
    sql_text(&query, uuid);
    *found = get_object(&query, arena, out);
    return sqlite_read_end(base, &query, err);
}

int sqlite_object_list(struct metastore *base, const struct object_name *in_namespace,
                       const struct page_request *page, struct arena *arena, struct name_list *out,
                       struct error *err)
{
    struct sql_query query =
        sqlite_read_begin(base,
                          "SELECT name FROM object WHERE namespace_id = (SELECT id FROM namespace"
                          " WHERE warehouse_id = ? AND levels = ? AND key = ?)"
                          " AND kind = ? AND name > ? ORDER BY name LIMIT ?",
                          err);
    sql_int(&query, in_namespace->warehouse_id);
    sql_int(&query, sqlite_namespace_levels(in_namespace->namespace_key));
    sql_text(&query, in_namespace->namespace_key);
    sql_int(&query, in_namespace->kind);
    sql_text(&query, page->after); /* names are never empty */
    sql_int(&query, page_limit(page));
    collect_names(&query, page, arena, out);
    return sqlite_read_end(base, &query, err);
}

/* ---- idempotency, jobs, reports -------------------------------------------------------------- */

static void get_digest(const struct sql_query *query, int column, struct sha256 *out)
{
    struct str bytes = sql_get(query, column);
    if (bytes.len == sizeof(out->bytes))
        memcpy(out->bytes, bytes.ptr, sizeof(out->bytes));
}

int sqlite_idempotency_find(struct metastore *base, struct str key, int64_t now_ms,
                            struct arena *arena, struct idempotency_row *out, bool *found,
                            struct error *err)
{
    struct sql_query query =
        sqlite_read_begin(base,
                          "SELECT binding, status, kind, body, metadata_location, warehouse_id,"
                          " created_ms, expires_ms FROM idempotency"
                          " WHERE key = ? AND expires_ms > ?",
                          err);
    sql_text(&query, key);
    sql_int(&query, now_ms);
    *found = sql_row(&query);
    if (*found) {
        *out = (struct idempotency_row){
            .key = arena_str(arena, key),
            .status = (int)sql_get_int(&query, 1),
            .kind = sql_get_copy(&query, 2, arena),
            .body = sql_get_copy(&query, 3, arena),
            .metadata_location = sql_get_copy(&query, 4, arena),
            .warehouse_id = sql_get_int(&query, 5),
            .created_ms = sql_get_int(&query, 6),
            .expires_ms = sql_get_int(&query, 7),
        };
        get_digest(&query, 0, &out->binding);
    }
    return sqlite_read_end(base, &query, err);
}

int sqlite_job_list(struct metastore *base, int64_t now_ms, size_t limit, struct arena *arena,
                    struct job_row **out, size_t *count, struct error *err)
{
    struct sql_query query =
        sqlite_read_begin(base,
                          "SELECT id, kind, payload, warehouse_id, created_ms, not_before_ms,"
                          " attempts FROM job WHERE not_before_ms <= ?"
                          " ORDER BY not_before_ms, id LIMIT ?",
                          err);
    sql_int(&query, now_ms);
    sql_int(&query, read_limit(limit));
    *out = NULL;
    *count = 0;
    while (sql_row(&query)) {
        GROW(arena, *out, *count);
        (*out)[(*count)++] = (struct job_row){
            .id = sql_get_int(&query, 0),
            .kind = sql_get_copy(&query, 1, arena),
            .payload = sql_get_copy(&query, 2, arena),
            .warehouse_id = sql_get_int(&query, 3),
            .created_ms = sql_get_int(&query, 4),
            .not_before_ms = sql_get_int(&query, 5),
            .attempts = sql_get_int(&query, 6),
        };
    }
    return sqlite_read_end(base, &query, err);
}

int sqlite_report_list(struct metastore *base, const struct object_name *object,
                       int64_t before_sequence, size_t limit, struct arena *arena,
                       struct report_row **out, size_t *count, struct error *err)
{
    struct sql_query query =
        sqlite_read_begin(base,
                          "SELECT sequence, body, time_ms FROM report"
                          " WHERE warehouse_id = ? AND namespace_key = ? AND name = ?"
                          " AND sequence < ? ORDER BY sequence DESC LIMIT ?",
                          err);
    sql_int(&query, object->warehouse_id);
    sql_text(&query, object->namespace_key);
    sql_text(&query, object->name);
    sql_int(&query, before_sequence == 0 ? INT64_MAX : before_sequence);
    sql_int(&query, read_limit(limit));
    *out = NULL;
    *count = 0;
    while (sql_row(&query)) {
        GROW(arena, *out, *count);
        (*out)[(*count)++] = (struct report_row){
            .sequence = sql_get_int(&query, 0),
            .warehouse_id = object->warehouse_id,
            .namespace_key = arena_str(arena, object->namespace_key),
            .name = arena_str(arena, object->name),
            .body = sql_get_copy(&query, 1, arena),
            .time_ms = sql_get_int(&query, 2),
        };
    }
    return sqlite_read_end(base, &query, err);
}
