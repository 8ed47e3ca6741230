/* The SQLite metastore: the contract of all backends, and what is its own: one owner, schemas,
 * broken files, sets that the database refuses. */
#include "tests/contract/metastore_cases.h"
#include "tests/contract/sqlite_fixture.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "metastore/metastore_sqlite_private.h"

/* ---- one owner ------------------------------------------------------------------------------- */

/* F18 */
static void a_second_owner_is_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct metastore *store = must_open(), *second = NULL;
    struct error err;
    assert_str(metastore_sqlite_owner(store_path, arena), "127.0.0.1:8181");
    metastore_sqlite_set_owner(store, "127.0.0.1:9999");
    assert_str(metastore_sqlite_owner(store_path, arena), "127.0.0.1:9999");
    assert_int_equal(open_store(&second, &err), -1); /* in this process ... */
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "127.0.0.1:9999"));
    pid_t child = fork();
    if (child == 0) /* ... and in another */
        _exit(open_store(&second, &err) == -1 && err.kind == ERR_UNAVAILABLE ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fill_store(store); /* the owner is not disturbed */
    metastore_close(store);
    assert_null(metastore_sqlite_owner(store_path, arena).ptr);
    metastore_close(must_open());
    arena_free(arena);
}

/* ---- what is not opened ---------------------------------------------------------------------- */

static void refuses_to_open(const char *message_part)
{
    struct metastore *store = NULL;
    struct error err;
    assert_int_equal(open_store(&store, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    if (strstr(err.message, message_part) == NULL)
        fail_msg("%s", err.message);
    struct arena *arena = arena_new(); /* the lock is free again */
    assert_null(metastore_sqlite_owner(store_path, arena).ptr);
    arena_free(arena);
}

/* F39 */
static void newer_schemas_are_refused(void **state)
{
    (void)state;
    metastore_close(must_open());
    run_sql_on_file("PRAGMA user_version = 99");
    refuses_to_open("has schema 99");
}

static void other_databases_are_refused(void **state)
{
    (void)state;
    run_sql_on_file("CREATE TABLE theirs (x)");
    refuses_to_open("not a catalog store");
    (void)begin_case(state);
    FILE *file = fopen(store_path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        assert_true(fputs("this is no database", file) >= 0);
    assert_int_equal(fclose(file), 0);
    refuses_to_open("Cannot");
    (void)begin_case(state);
    assert_int_equal(mkdir(store_path, 0700), 0);
    refuses_to_open("Cannot open");
}

/* F16: a scribbled page is found, by a reader or the writer, and the store takes no more writes. */
static void broken_pages_stop_the_store(void **state)
{
    (void)state;
    struct metastore *store = must_open();
    fill_store(store);
    for (int i = 0; i < 3; i++)
        assert_int_equal(commit_next(store, 20000), CHANGE_APPLIED);
    metastore_close(store);
    int fd = open(store_path, O_WRONLY);
    assert_true(fd >= 0);
    char garbage[4096];
    memset(garbage, 0xA5, sizeof(garbage));
    for (off_t page = 1; page < 12; page++) /* not the first: it holds the schema */
        assert_int_equal(pwrite(fd, garbage, sizeof(garbage), page * 4096), sizeof(garbage));
    assert_int_equal(close(fd), 0);

    struct error err;
    if (open_store(&store, &err) != 0) { /* found so early */
        assert_int_equal(err.kind, ERR_INTERNAL);
        return;
    }
    struct arena *arena = arena_new();
    struct object_name name = {
        .warehouse_id = warehouse_id, .namespace_key = STR("n"), .name = STR("t")};
    struct object_row row;
    bool found;
    assert_int_equal(metastore_object_find(store, &name, arena, &row, &found, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    wait_for_fatal();
    struct change change = {.kind = CHANGE_WAREHOUSE_CREATE, .name = STR("x")};
    assert_int_equal(apply_change(store, &change), CHANGE_UNAVAILABLE);
    metastore_close(store);
    arena_free(arena);
}

/* ---- migrations ------------------------------------------------------------------------------ */

static int migrate(const struct sqlite_migration *list, size_t count, struct error *err)
{
    struct sqlite_connection *connection = NULL;
    assert_int_equal(connection_open(store_path, CONNECTION_WRITES, &connection, err), 0);
    int result = sqlite_migrate_with(connection, store_path, list, count, err);
    connection_close(connection, false);
    return result;
}

static void migrations_run_once_in_order(void **state)
{
    (void)state;
    static const struct sqlite_migration list[] = {
        {"CREATE TABLE a (x); INSERT INTO a VALUES (1)"},
        {"ALTER TABLE a ADD COLUMN y DEFAULT 2; INSERT INTO a VALUES (3, 4)"},
        {"INSERT INTO a VALUES (5, 6); INSERT INTO missing VALUES (1)"},
    };
    struct error err;
    char backup[200];
    assert_int_equal(migrate(list, 1, &err), 0);
    assert_int_equal(migrate(list, 1, &err), 0);
    assert_int_equal(migrate(list, 2, &err), 0);
    (void)snprintf(backup, sizeof(backup), "%s.schema-1", store_path);
    assert_int_equal(access(backup, R_OK), 0); /* as it was before */
    assert_int_equal(migrate(list, 3, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    assert_int_equal(migrate(list, 2, &err), 0); /* the failed one left nothing */
    assert_int_equal(migrate(list, 1, &err), -1);

    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(store_path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT count(*), sum(x), sum(y) FROM a", -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0), 2);
    assert_int_equal(sqlite3_column_int(stmt, 1), 4);
    assert_int_equal(sqlite3_column_int(stmt, 2), 6);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
}

/* A store of schema 2 with a table, a view, and an id that was given and is free again. */
static void make_store_of_schema_2(void)
{
    struct error err;
    sqlite3 *db = NULL;
    assert_int_equal(migrate(sqlite_migrations, 2, &err), 0);
    assert_int_equal(sqlite3_open(store_path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO warehouse VALUES (1, 'wh', 's3://b/wh', '{}');"
                     "INSERT INTO namespace VALUES (1, 1, 1, 'n', '{}', 1);"
                     "INSERT INTO object VALUES (4, 1, 1, 't', 7, 0, 'u4', 'm4', 's3://b/wh/t/');"
                     "INSERT INTO object VALUES (5, 1, 2, 'v', 2, 0, 'u5', 'm5', NULL);"
                     "INSERT INTO object VALUES (9, 1, 1, 'gone', 1, 0, 'u9', 'm9', NULL);"
                     "DELETE FROM object WHERE id = 9",
                     NULL, NULL, NULL),
        SQLITE_OK);
    (void)sqlite3_close(db);
}

/* From schema 3 on, functions have names of their own; what was there stays what it was. */
static void functions_come_with_schema_3(void **state)
{
    (void)state;
    struct error err;
    struct object_row row;
    bool found;
    make_store_of_schema_2();
    struct metastore *store = must_open();
    struct arena *arena = arena_new();
    struct object_name name = {.warehouse_id = 1, .namespace_key = STR("n"), .name = STR("t")};
    assert_int_equal(metastore_object_find(store, &name, arena, &row, &found, &err), 0);
    assert_true(found && row.id == 4 && row.kind == OBJECT_TABLE && row.version == 7);
    assert_true(str_equal(row.uuid, STR("u4")) && str_equal(row.metadata_location, STR("m4")));
    assert_true(str_equal(row.location, STR("s3://b/wh/t")));
    name.name = STR("v");
    assert_int_equal(metastore_object_find(store, &name, arena, &row, &found, &err), 0);
    assert_true(found && row.id == 5 && row.kind == OBJECT_VIEW);

    struct change change = {.kind = CHANGE_OBJECT_CREATE,
                            .warehouse_id = 1,
                            .namespace_key = STR("n"),
                            .name = STR("t"),
                            .object_kind = OBJECT_FUNCTION,
                            .uuid = STR("u"),
                            .metadata_location = STR("m")};
    assert_int_equal(apply_change(store, &change), CHANGE_APPLIED);
    assert_int_equal(change.id, 10); /* no id is given twice */
    assert_int_equal(apply_change(store, &change), CHANGE_EXISTS);
    change.object_kind = OBJECT_VIEW;
    assert_int_equal(apply_change(store, &change), CHANGE_EXISTS_OTHER_KIND);
    change.name = STR("x");
    change.location = STR("s3://b/wh/t/below");
    assert_int_equal(apply_change(store, &change), CHANGE_LOCATION_TAKEN);
    metastore_close(store);
    arena_free(arena);
    check_integrity();
}

/* What an older store holds has no places until its next change. */
static void places_come_with_schema_4(void **state)
{
    (void)state;
    struct str place = STR("s3://b/wh/beside");
    make_store_of_schema_2();
    struct metastore *store = must_open();
    struct change change = {.kind = CHANGE_OBJECT_UPDATE,
                            .warehouse_id = 1,
                            .namespace_key = STR("n"),
                            .name = STR("t"),
                            .object_kind = OBJECT_TABLE,
                            .expect_id = 4,
                            .expect_version = 7,
                            .expect_metadata_location = STR("m4"),
                            .metadata_location = STR("m5"),
                            .places = &place,
                            .place_count = 1};
    assert_int_equal(apply_change(store, &change), CHANGE_APPLIED);
    struct change other = {.kind = CHANGE_OBJECT_CREATE,
                           .warehouse_id = 1,
                           .namespace_key = STR("n"),
                           .name = STR("x"),
                           .object_kind = OBJECT_VIEW,
                           .metadata_location = STR("m"),
                           .location = STR("s3://b/wh/beside/v")};
    assert_int_equal(apply_change(store, &other), CHANGE_LOCATION_TAKEN);
    metastore_close(store);
    check_integrity();
}

/* ---- sets that the database refuses ---------------------------------------------------------- */

#define GROUP 5

struct group {
    struct metastore *store;
    struct change first;
    struct change_set first_set;
    struct change changes[GROUP];
    struct change_set sets[GROUP];
    _Atomic int done;
};

static void note_done(struct change_set *set)
{
    struct group *group = set->arg;
    group->done++;
}

/* On the writer thread: what is submitted here makes one transaction. */
static void submit_group(struct change_set *set)
{
    struct group *group = set->arg;
    for (size_t i = 0; i < GROUP; i++)
        metastore_submit(group->store, &group->sets[i]);
}

/* One set of a group meets an error of the database itself; the others must not notice. */
static void a_refused_set_does_not_hurt_its_group(void **state)
{
    (void)state;
    struct group group = {.store = must_open()};
    fill_store(group.store);
    static const char *const names[GROUP] = {"a", "b", "too long", "d", "a"};
    for (size_t i = 0; i < GROUP; i++) {
        group.changes[i] = (struct change){.kind = CHANGE_NAMESPACE_CREATE,
                                           .warehouse_id = warehouse_id,
                                           .namespace_key = str_cstr(names[i]),
                                           .properties = STR("{}")};
        group.sets[i] = (struct change_set){
            .changes = &group.changes[i], .change_count = 1, .done = note_done, .arg = &group};
    }
    group.changes[2].properties.len = 2000000000; /* above SQLite's limit: never looked at */
    group.first_set = (struct change_set){.done = submit_group, .arg = &group};
    metastore_submit(group.store, &group.first_set);
    for (int i = 0; i < 5000 && group.done < GROUP; i++)
        (void)usleep(1000);
    assert_int_equal(group.done, GROUP);
    static const enum change_outcome outcomes[GROUP] = {
        CHANGE_APPLIED, CHANGE_APPLIED, CHANGE_UNAVAILABLE, CHANGE_APPLIED, CHANGE_EXISTS};
    for (size_t i = 0; i < GROUP; i++)
        assert_int_equal(group.sets[i].outcome, outcomes[i]);
    assert_int_equal(group.sets[2].error.kind, ERR_UNAVAILABLE);
    assert_int_equal(fatal_calls, 0);
    assert_int_equal(commit_next(group.store, 10), CHANGE_APPLIED);
    check_chain(group.store);
    metastore_close(group.store);
    check_integrity();
}

/* ---- running --------------------------------------------------------------------------------- */

static struct metastore *open_for_cases(void *arg)
{
    (void)arg;
    return must_open();
}

static void wipe_for_cases(void *arg)
{
    (void)arg;
    directory_empty(store_directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_second_owner_is_refused, begin_case),
        cmocka_unit_test_setup(newer_schemas_are_refused, begin_case),
        cmocka_unit_test_setup(other_databases_are_refused, begin_case),
        cmocka_unit_test_setup(broken_pages_stop_the_store, begin_case),
        cmocka_unit_test_setup(migrations_run_once_in_order, begin_case),
        cmocka_unit_test_setup(functions_come_with_schema_3, begin_case),
        cmocka_unit_test_setup(places_come_with_schema_4, begin_case),
        cmocka_unit_test_setup(a_refused_set_does_not_hurt_its_group, begin_case),
    };
    make_store_directory();
    struct metastore_opener opener = {open_for_cases, wipe_for_cases, NULL};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    failed += metastore_cases_run("sqlite", &opener);
    remove_store_directory();
    return failed;
}
