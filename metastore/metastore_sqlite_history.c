/* Reading history: the chain of one object, all of a warehouse, and a repeated request.
 *
 * A call reads in one transaction, so that all its rows are of one state. */
#include "metastore/metastore_sqlite_private.h"

#include <assert.h>

#define SLICES_PER_CHECK 8
#define ROW_COLUMNS                                                                         \
    " sequence, previous, object_id, version, warehouse_id, time_ms, operation, commit_id," \
    " request_id, principal, client, request_digest, detail, namespace_key, name, uuid,"    \
    " parent_location, metadata_location"

static void get_row(const struct sql_query *query, struct arena *arena, struct history_row *out)
{
    *out = (struct history_row){
        .sequence = sql_get_int(query, 0),
        .object_id = sql_get_int(query, 2),
        .version = sql_get_int(query, 3),
        .warehouse_id = sql_get_int(query, 4),
        .time_ms = sql_get_int(query, 5),
        .operation = arena_cstr(arena, sql_get(query, 6)),
        .commit_id = sql_get_copy(query, 7, arena),
        .request_id = sql_get_copy(query, 8, arena),
        .principal = sql_get_copy(query, 9, arena),
        .client = sql_get_copy(query, 10, arena),
        .detail = sql_get_copy(query, 12, arena),
        .namespace_key = sql_get_copy(query, 13, arena),
        .name = sql_get_copy(query, 14, arena),
        .uuid = sql_get_copy(query, 15, arena),
        .parent_location = sql_get_copy(query, 16, arena),
        .metadata_location = sql_get_copy(query, 17, arena),
    };
    struct str digest = sql_get(query, 11);
    if (digest.len == SHA256_BYTES)
        memcpy(out->request_digest.bytes, digest.ptr, SHA256_BYTES);
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct history_list {
    struct arena *arena;
    struct history_row *rows;
    size_t count, capacity;
};

static struct history_row *add_row(struct history_list *list)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct history_row *rows = ARENA_ARRAY(list->arena, struct history_row, capacity);
        if (list->count > 0)
            memcpy(rows, list->rows, list->count * sizeof(*rows));
        list->rows = rows;
        list->capacity = capacity;
    }
    return &list->rows[list->count++];
}

/* The newest slice up to this one that holds rows of the warehouse, or -1. */
static int64_t slice_of_warehouse(struct sqlite_connection *reader, int64_t warehouse_id,
                                  int64_t slice_max)
{
    struct sql_query query =
        sql_start(reader, "SELECT slice FROM history_slice WHERE warehouse_id = ? AND slice <= ?"
                          " ORDER BY slice DESC LIMIT 1");
    sql_int(&query, warehouse_id);
    sql_int(&query, slice_max);
    int64_t slice = sql_row(&query) ? sql_get_int(&query, 0) : -1;
    sql_end(&query);
    return slice;
}

static void list_warehouse(struct sqlite_connection *reader, int64_t warehouse_id, int64_t before,
                           size_t limit, struct history_list *list)
{
    int64_t slice = slice_of_warehouse(reader, warehouse_id, before >> SLICE_BITS);
    while (slice >= 0 && (limit == 0 || list->count < limit)) {
        struct sql_query query =
            sql_start(reader, "SELECT" ROW_COLUMNS " FROM history WHERE sequence >= ?"
                              " AND sequence < ? AND warehouse_id = ? ORDER BY sequence DESC");
        int64_t end = (slice + 1) << SLICE_BITS;
        sql_int(&query, slice << SLICE_BITS);
        sql_int(&query, end < before ? end : before);
        sql_int(&query, warehouse_id);
        while ((limit == 0 || list->count < limit) && sql_row(&query))
            get_row(&query, list->arena, add_row(list));
        sql_end(&query);
        slice = slice_of_warehouse(reader, warehouse_id, slice - 1);
    }
}

static void find_newest(struct sqlite_connection *reader, const struct object_name *object,
                        int64_t *id, int64_t *newest)
{
    struct sql_query query = sql_start(
        reader, "SELECT o.id, o.history_newest"
                " FROM namespace n JOIN object o ON o.namespace_id = n.id AND o.name = ?"
                " AND (o.kind = 3) = ? WHERE n.warehouse_id = ? AND n.levels = ? AND n.key = ?");
    sql_text(&query, object->name);
    sql_int(&query, object->kind == OBJECT_FUNCTION);
    sql_int(&query, object->warehouse_id);
    sql_int(&query, sqlite_namespace_levels(object->namespace_key));
    sql_text(&query, object->namespace_key);
    if (sql_row(&query)) {
        *id = sql_get_int(&query, 0);
        *newest = sql_get_int(&query, 1);
    }
    sql_end(&query);
}

/* Where the chain of the object goes on below `before`, when that is a row of it; else 0. */
static int64_t previous_of(struct sqlite_connection *reader, int64_t before, int64_t object_id)
{
    struct sql_query query =
        sql_start(reader, "SELECT previous FROM history WHERE sequence = ? AND object_id = ?");
    sql_int(&query, before);
    sql_int(&query, object_id);
    int64_t previous = sql_row(&query) ? sql_get_int(&query, 0) : 0;
    sql_end(&query);
    return previous;
}

/* Follows the chain. It only leads downwards, so it ends. */
static void list_object(struct sqlite_connection *reader, const struct object_name *object,
                        int64_t before, size_t limit, struct history_list *list)
{
    int64_t id = 0, sequence = 0;
    find_newest(reader, object, &id, &sequence);
    if (sequence >= before) { /* the next page: no need to walk there */
        int64_t previous = previous_of(reader, before, id);
        sequence = previous != 0 ? previous : sequence;
    }
    while (sequence != 0 && (limit == 0 || list->count < limit)) {
        struct sql_query query =
            sql_start(reader, "SELECT" ROW_COLUMNS " FROM history WHERE sequence = ?");
        sql_int(&query, sequence);
        int64_t next = 0;
        if (sql_row(&query)) {
            next = sql_get_int(&query, 1);
            if (sequence < before)
                get_row(&query, list->arena, add_row(list));
        }
        sql_end(&query);
        assert(next < sequence || sequence == 0);
        sequence = next;
    }
}

int sqlite_history_list(struct metastore *base, const struct object_name *object,
                        int64_t before_sequence, size_t limit, struct arena *arena,
                        struct history_row **out, size_t *count, struct error *err)
{
    struct sqlite_store *store = sqlite_store_of(base);
    struct sqlite_connection *reader = sqlite_reader_checkout(store, err);
    if (reader == NULL)
        return -1;
    struct history_list list = {.arena = arena};
    int64_t before = before_sequence == 0 ? INT64_MAX : before_sequence;
    connection_exec(reader, "BEGIN");
    if (object->name.len == 0)
        list_warehouse(reader, object->warehouse_id, before, limit, &list);
    else
        list_object(reader, object, before, limit, &list);
    *out = list.rows;
    *count = list.count;
    return sqlite_reader_checkin(store, reader, err);
}

/* ---- a repeated request ---------------------------------------------------------------------- */

struct request_key {
    int64_t object_id;
    const struct sha256 *digest;
    struct str principal;
    int64_t since_ms;
};

static bool find_in_slice(struct sqlite_connection *reader, int64_t slice,
                          const struct request_key *key, struct arena *arena,
                          struct history_row *out)
{
    struct sql_query query =
        sql_start(reader, "SELECT" ROW_COLUMNS " FROM history INDEXED BY history_of_request"
                          " WHERE sequence >> 10 = ? AND substr(request_digest, 1, 8) = ?"
                          " AND object_id > 0 AND (? = 0 OR object_id = ?) AND request_digest = ?"
                          " AND principal = ? AND time_ms >= ? ORDER BY sequence DESC LIMIT 1");
    sql_int(&query, slice);
    sql_blob(&query, key->digest->bytes, 8);
    sql_int(&query, key->object_id);
    sql_int(&query, key->object_id);
    sql_blob(&query, key->digest->bytes, SHA256_BYTES);
    sql_text(&query, key->principal);
    sql_int(&query, key->since_ms);
    bool found = sql_row(&query);
    if (found)
        get_row(&query, arena, out);
    sql_end(&query);
    return found;
}

/* The newest sequence, 0 in an empty history. */
static int64_t newest_sequence(struct sqlite_connection *reader)
{
    struct sql_query query = sql_start(reader, "SELECT coalesce(max(sequence), 0) FROM history");
    int64_t newest = sql_row(&query) ? sql_get_int(&query, 0) : 0;
    sql_end(&query);
    return newest;
}

/* Were all rows before this slice written before the time? Its first row tells. */
static bool slice_begins_before(struct sqlite_connection *reader, int64_t slice, int64_t time_ms)
{
    struct sql_query query = sql_start(
        reader, "SELECT time_ms FROM history WHERE sequence >= ? ORDER BY sequence LIMIT 1");
    sql_int(&query, slice << SLICE_BITS);
    bool before = sql_row(&query) && sql_get_int(&query, 0) < time_ms;
    sql_end(&query);
    return before;
}

int sqlite_history_find(struct metastore *base, int64_t object_id, const struct sha256 *digest,
                        struct str principal, int64_t since_ms, struct arena *arena,
                        struct history_row *out, bool *found, struct error *err)
{
    struct sqlite_store *store = sqlite_store_of(base);
    struct sqlite_connection *reader = sqlite_reader_checkout(store, err);
    if (reader == NULL)
        return -1;
    struct request_key key = {object_id, digest, principal, since_ms};
    *found = false;
    connection_exec(reader, "BEGIN");
    for (int64_t slice = newest_sequence(reader) >> SLICE_BITS; slice >= 0; slice--) {
        *found = find_in_slice(reader, slice, &key, arena, out);
        if (*found || reader->rc != SQLITE_OK)
            break;
        /* It is cheaper to look into a few slices too many than to ask at each. */
        if (slice % SLICES_PER_CHECK == 0 && slice_begins_before(reader, slice, since_ms))
            break;
    }
    return sqlite_reader_checkin(store, reader, err);
}
