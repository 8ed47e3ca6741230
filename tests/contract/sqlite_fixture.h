/* What the tests of the SQLite metastore share: a store in a directory of its own with one table,
 * whose commits number its pointers m1, m2, …; and checks of what a file holds. */
#ifndef TESTS_CONTRACT_SQLITE_FIXTURE_H
#define TESTS_CONTRACT_SQLITE_FIXTURE_H

#include "tests/unit/unit.h"

#include <sqlite3.h>
#include <unistd.h>

#include "metastore/metastore_sqlite.h"
#include "tests/contract/directory.h"

static char store_directory[] = "/tmp/firn-test-XXXXXX";
static char store_path[100];
static _Atomic int fatal_calls;
static int64_t warehouse_id;

static inline void count_fatal(void *arg, const char *reason)
{
    (void)arg;
    assert_true(reason[0] != '\0');
    fatal_calls++;
}

/* It comes after the answers. */
static inline void wait_for_fatal(void)
{
    for (int i = 0; i < 5000 && fatal_calls == 0; i++)
        (void)usleep(1000);
    assert_int_equal(fatal_calls, 1);
}

static inline int open_store(struct metastore **out, struct error *err)
{
    struct metastore_sqlite_options options = {
        .path = store_path, .owner = "127.0.0.1:8181", .fatal = count_fatal};
    return metastore_sqlite_open(&options, out, err);
}

static inline struct metastore *must_open(void)
{
    struct metastore *store = NULL;
    struct error err;
    if (open_store(&store, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    return store;
}

static inline enum change_outcome apply_change(struct metastore *store, struct change *change)
{
    struct change_set set = {.changes = change, .change_count = 1};
    return metastore_apply(store, &set);
}

/* Makes warehouse "wh", namespace "n", table "t" at m0. */
static inline void fill_store(struct metastore *store)
{
    struct change change = {
        .kind = CHANGE_WAREHOUSE_CREATE, .name = STR("wh"), .location = STR("s3://bucket")};
    assert_int_equal(apply_change(store, &change), CHANGE_APPLIED);
    warehouse_id = change.id;
    change = (struct change){.kind = CHANGE_NAMESPACE_CREATE,
                             .warehouse_id = warehouse_id,
                             .namespace_key = STR("n"),
                             .properties = STR("{}")};
    assert_int_equal(apply_change(store, &change), CHANGE_APPLIED);
    change = (struct change){.kind = CHANGE_OBJECT_CREATE,
                             .warehouse_id = warehouse_id,
                             .namespace_key = STR("n"),
                             .name = STR("t"),
                             .object_kind = OBJECT_TABLE,
                             .metadata_location = STR("m0"),
                             .location = STR("s3://bucket/t")};
    assert_int_equal(apply_change(store, &change), CHANGE_APPLIED);
}

/* Returns false when the read itself fails. */
static inline bool read_table(struct metastore *store, struct arena *arena, struct object_row *out)
{
    struct object_name name = {
        .warehouse_id = warehouse_id, .namespace_key = STR("n"), .name = STR("t")};
    struct error err;
    bool found = false;
    return metastore_object_find(store, &name, arena, out, &found, &err) == 0 && found;
}

/* One commit of the table, with its history row and `bytes` more. */
static inline enum change_outcome commit_next(struct metastore *store, size_t bytes)
{
    struct arena *arena = arena_new();
    struct object_row row;
    assert_true(read_table(store, arena, &row));
    struct str next = arena_printf(arena, "m%lld", (long long)row.version);
    struct change change = {.kind = CHANGE_OBJECT_UPDATE,
                            .warehouse_id = warehouse_id,
                            .namespace_key = STR("n"),
                            .name = STR("t"),
                            .expect_id = row.id,
                            .expect_version = row.version,
                            .expect_metadata_location = row.metadata_location,
                            .metadata_location = next};
    char *filler = arena_alloc(arena, bytes + 1);
    memset(filler, 'x', bytes);
    struct history_row history = {
        .operation = "updateTable", .commit_id = next, .detail = str_from(filler, bytes)};
    struct change_set set = {
        .changes = &change, .change_count = 1, .history = &history, .history_count = 1};
    enum change_outcome outcome = metastore_apply(store, &set);
    arena_free(arena);
    return outcome;
}

static inline int64_t table_version(struct metastore *store)
{
    struct arena *arena = arena_new();
    struct object_row row;
    assert_true(read_table(store, arena, &row));
    int64_t version = row.version;
    arena_free(arena);
    return version;
}

/* Pointer, version and history of the table are of one piece. */
static inline void check_chain(struct metastore *store)
{
    struct arena *arena = arena_new();
    struct object_row row;
    struct history_row *rows;
    size_t count;
    struct error err;
    assert_true(read_table(store, arena, &row));
    assert_str(row.metadata_location, arena_printf(arena, "m%lld", (long long)row.version - 1).ptr);
    struct object_name name = {
        .warehouse_id = warehouse_id, .namespace_key = STR("n"), .name = STR("t")};
    assert_int_equal(metastore_history_list(store, &name, 0, 0, arena, &rows, &count, &err), 0);
    assert_int_equal(count, row.version - 1);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rows[i].version, row.version - (int64_t)i);
        assert_str(rows[i].metadata_location,
                   arena_printf(arena, "m%lld", (long long)rows[i].version - 1).ptr);
        assert_str(rows[i].parent_location,
                   arena_printf(arena, "m%lld", (long long)rows[i].version - 2).ptr);
    }
    arena_free(arena);
}

/* SQLite finds nothing wrong in the closed store. */
static inline void check_integrity(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(store_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
}

static inline void run_sql_on_file(const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(store_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

static inline int begin_case(void **state)
{
    (void)state;
    fatal_calls = 0;
    directory_empty(store_directory);
    return 0;
}

static inline void make_store_directory(void)
{
    if (mkdtemp(store_directory) == NULL)
        abort();
    (void)snprintf(store_path, sizeof(store_path), "%s/firn.db", store_directory);
}

static inline void remove_store_directory(void)
{
    directory_empty(store_directory);
    (void)rmdir(store_directory);
}

#endif
