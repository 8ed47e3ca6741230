/* The sweeper removes exactly what a job names and nothing else; reports and history as lists. */
#include "tests/unit/catalog_fixture.h"

#include "catalog/orphans.h"

static void write_file(struct fixture *f, struct str location, struct str body)
{
    assert_ok(f, file_io_write_new(f->warehouse->io, location, body, &f->err));
}

static bool has_file(struct fixture *f, struct str location)
{
    bool exists;
    assert_ok(f, file_io_exists(f->warehouse->io, location, &exists, &f->err));
    return exists;
}

static size_t sweep(struct fixture *f)
{
    size_t done;
    assert_ok(f, catalog_sweep(f->catalog, 100, &done, &f->err));
    return done;
}

static struct job_row *all_jobs(struct fixture *f, size_t *count)
{
    struct job_row *jobs;
    assert_ok(f, metastore_job_list(f->store, INT64_MAX, 100, f->arena, &jobs, count, &f->err));
    return jobs;
}

static struct str below_root(struct fixture *f, const char *path)
{
    return arena_printf(f->arena, "%.*s/%s", STR_ARG(f->warehouse->root.text), path);
}

/* ---- purge-table ----------------------------------------------------------------------------- */

struct table_files {
    struct str location, current, old, statistics, partition_statistics, listed_outside;
    struct str neighbour, unnamed, data;
};

static struct str document_of(struct fixture *f, const struct table_files *files, const char *uuid)
{
    return arena_printf(
        f->arena,
        "{\"format-version\":2,\"table-uuid\":\"%s\",\"location\":\"%.*s\","
        "\"last-sequence-number\":1,\"last-updated-ms\":1600000000009,\"last-column-id\":1,"
        "\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\",\"schema-id\":0,\"fields\":"
        "[{\"id\":1,\"name\":\"x\",\"required\":true,\"type\":\"long\"}]}],\"default-spec-id\":0,"
        "\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],\"last-partition-id\":999,"
        "\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}],"
        "\"properties\":{},\"current-snapshot-id\":7,\"refs\":{\"main\":{\"snapshot-id\":7,"
        "\"type\":\"branch\"}},\"snapshots\":[{\"snapshot-id\":7,\"sequence-number\":1,"
        "\"timestamp-ms\":1600000000005,\"summary\":{\"operation\":\"append\"},"
        "\"manifest-list\":\"%.*s\",\"schema-id\":0}],"
        "\"statistics\":[{\"snapshot-id\":7,\"statistics-path\":\"%.*s\","
        "\"file-size-in-bytes\":1,\"file-footer-size-in-bytes\":1,\"blob-metadata\":[]}],"
        "\"partition-statistics\":[{\"snapshot-id\":7,\"statistics-path\":\"%.*s\","
        "\"file-size-in-bytes\":1}],"
        "\"snapshot-log\":[{\"timestamp-ms\":1600000000005,\"snapshot-id\":7}],"
        "\"metadata-log\":[{\"timestamp-ms\":1600000000001,\"metadata-file\":\"%.*s\"},"
        "{\"timestamp-ms\":1600000000002,\"metadata-file\":\"%.*s\"},"
        "{\"timestamp-ms\":1600000000003,\"metadata-file\":\"%.*s\"},"
        "{\"timestamp-ms\":1600000000004,\"metadata-file\":\"%.*s\"}]}",
        uuid, STR_ARG(files->location), STR_ARG(files->data), STR_ARG(files->statistics),
        STR_ARG(files->partition_statistics), STR_ARG(files->old), STR_ARG(files->listed_outside),
        STR_ARG(files->current), STR_ARG(files->location));
}

/* A table whose metadata names files inside and outside of it, the current file and the directory
 * itself; beside it files that nobody names. */
static struct table_files make_real_table(struct fixture *f, const char *name)
{
    char uuid[UUID_TEXT_BYTES];
    struct table_files files = {
        .location = below_root(f, "t1"),
        .current = below_root(f, "t1/metadata/00002-b.metadata.json"),
        .old = below_root(f, "t1/metadata/00001-a.metadata.json"),
        .statistics = below_root(f, "t1/metadata/s.puffin"),
        .partition_statistics = below_root(f, "t1/metadata/p.parquet"),
        .listed_outside = below_root(f, "t10/metadata/00001-x.metadata.json"),
        .neighbour = below_root(f, "t10/metadata/00002-y.metadata.json"),
        .unnamed = below_root(f, "t1/metadata/00000-z.metadata.json"),
        .data = below_root(f, "t1/data/list.avro"),
    };
    const struct str plain[] = {files.old,
                                files.statistics,
                                files.partition_statistics,
                                files.listed_outside,
                                files.neighbour,
                                files.unnamed,
                                files.data};
    const struct identifier *ident = id(f, name);
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        write_file(f, plain[i], STR("x"));
    random_uuid4(&random_system, uuid);
    write_file(f, files.current, document_of(f, &files, uuid));
    struct change change = {
        .kind = CHANGE_OBJECT_CREATE,
        .warehouse_id = f->warehouse->id,
        .namespace_key = namespace_key(&ident->ns, f->arena),
        .name = ident->name,
        .object_kind = OBJECT_TABLE,
        .uuid = arena_str(f->arena, str_cstr(uuid)),
        .location = files.location,
        .metadata_location = files.current,
    };
    assert_int_equal(apply_change(f, &change), CHANGE_APPLIED);
    return files;
}

static void drop_with_purge(struct fixture *f, const char *name)
{
    assert_ok(f,
              catalog_table_drop(f->catalog, f->warehouse, &f->caller, id(f, name), true, &f->err));
}

static void assert_nothing_removed(struct fixture *f, const struct table_files *files)
{
    assert_true(has_file(f, files->old));
    assert_true(has_file(f, files->statistics));
    assert_true(has_file(f, files->partition_statistics));
    assert_true(has_file(f, files->listed_outside));
    assert_true(has_file(f, files->neighbour));
    assert_true(has_file(f, files->unnamed));
    assert_true(has_file(f, files->data));
}

static void test_purge(void **state)
{
    struct fixture *f = *state;
    size_t count;
    make_ns(f, "a");
    struct table_files files = make_real_table(f, "a.t");
    assert_int_equal(sweep(f), 0);
    drop_with_purge(f, "a.t");
    assert_nothing_removed(f, &files); /* a request never deletes */
    assert_int_equal(sweep(f), 1);
    assert_false(has_file(f, files.old));
    assert_false(has_file(f, files.statistics));
    assert_false(has_file(f, files.partition_statistics));
    assert_true(has_file(f, files.current));
    assert_true(has_file(f, files.listed_outside));
    assert_true(has_file(f, files.neighbour));
    assert_true(has_file(f, files.unnamed));
    assert_true(has_file(f, files.data));
    struct job_row *jobs = all_jobs(f, &count);
    assert_int_equal(count, 1);
    assert_str(jobs[0].kind, "purge-manifests");
    assert_true(str_contains(jobs[0].payload, files.current));
    atomic_fetch_add(&f->now_ms, 1000ll * 24 * 3600 * 1000);
    assert_int_equal(sweep(f), 0);
}

static void test_drop_without_purge_keeps_files(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    struct table_files files = make_real_table(f, "a.t");
    assert_ok(
        f, catalog_table_drop(f->catalog, f->warehouse, &f->caller, id(f, "a.t"), false, &f->err));
    assert_int_equal(sweep(f), 0);
    assert_nothing_removed(f, &files);
}

static void register_again(struct fixture *f, const char *name, const struct object_row *row)
{
    struct change again = {
        .kind = CHANGE_OBJECT_CREATE,
        .warehouse_id = f->warehouse->id,
        .namespace_key = STR("a"),
        .name = str_cstr(name),
        .object_kind = OBJECT_TABLE,
        .uuid = row->uuid,
        .location = row->location,
        .metadata_location = row->metadata_location,
    };
    assert_int_equal(apply_change(f, &again), CHANGE_APPLIED);
}

/* Registered again before the sweeper came: the files are in use. */
static void test_purge_of_what_lives_again(void **state)
{
    struct fixture *f = *state;
    size_t count;
    make_ns(f, "a");
    struct table_files files = make_real_table(f, "a.t");
    struct object_row row = row_of(f, "a.t");
    drop_with_purge(f, "a.t");
    register_again(f, "t", &row);
    assert_int_equal(sweep(f), 1);
    assert_nothing_removed(f, &files);
    (void)all_jobs(f, &count);
    assert_int_equal(count, 0);
}

/* The same under another name; and then dropped, without a wish to lose the files. */
static void test_purge_of_what_lives_elsewhere(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    struct table_files files = make_real_table(f, "a.t");
    struct object_row row = row_of(f, "a.t");
    drop_with_purge(f, "a.t");
    register_again(f, "other", &row);
    assert_int_equal(sweep(f), 1);
    assert_nothing_removed(f, &files);

    drop_with_purge(f, "a.other");
    row.uuid = STR("00000000-0000-4000-8000-000000000000"); /* of a file that had none */
    register_again(f, "third", &row);
    assert_ok(f, catalog_table_drop(f->catalog, f->warehouse, &f->caller, id(f, "a.third"), false,
                                    &f->err));
    assert_int_equal(sweep(f), 1);
    assert_nothing_removed(f, &files);
}

/* Without its metadata a table cannot be purged; the drop itself was fine. */
static void test_purge_without_metadata(void **state)
{
    struct fixture *f = *state;
    size_t count;
    make_ns(f, "a");
    struct table_files files = make_real_table(f, "a.t");
    assert_ok(f, file_io_remove(f->warehouse->io, files.current, &f->err));
    drop_with_purge(f, "a.t");
    assert_int_equal(sweep(f), 1);
    assert_nothing_removed(f, &files);
    (void)all_jobs(f, &count);
    assert_int_equal(count, 0);
}

static void test_unregister(void **state)
{
    struct fixture *f = *state;
    struct object_version *version;
    struct idempotency_row record;
    enum idempotency_state key_state;
    struct idempotency_waiter waiter = {0};
    struct caller caller = f->caller;
    caller.idempotency = (struct idempotency_claim){.key = STR("k"), .status = 200};
    make_ns(f, "a");
    struct table_files files = make_real_table(f, "a.t");
    assert_ok(f, catalog_table_unregister(f->catalog, f->warehouse, &caller, id(f, "a.t"), &version,
                                          &f->err));
    assert_true(str_equal(version->row.metadata_location, files.current));
    assert_true(str_equal(version->metadata.table.location, files.location));
    object_version_unref(version);
    assert_int_equal(sweep(f), 0);
    assert_nothing_removed(f, &files);
    assert_refused(f,
                   catalog_table_unregister(f->catalog, f->warehouse, &caller, id(f, "a.t"),
                                            &version, &f->err),
                   ERR_NO_SUCH_TABLE, "Table does not exist: a.t");
    assert_null(version);
    assert_ok(f, catalog_idempotency_begin(f->catalog, &caller.idempotency, &waiter, f->arena,
                                           &key_state, &record, &f->err));
    assert_int_equal(key_state, IDEMPOTENCY_REPLAY);
    assert_true(str_equal(record.metadata_location, files.current));
}

/* ---- remove-file ----------------------------------------------------------------------------- */

static void add_job(struct fixture *f, struct job_row job)
{
    struct catalog_change change = {.set = {.jobs = &job, .job_count = 1}};
    assert_int_equal(catalog_apply(f->catalog, &change), CHANGE_APPLIED);
}

static void test_remove_file(void **state)
{
    struct fixture *f = *state;
    struct str dead = below_root(f, "t/metadata/00001-dead.metadata.json");
    struct str other = below_root(f, "t/metadata/00001-other.metadata.json");
    size_t count;
    write_file(f, dead, STR("x"));
    write_file(f, other, STR("x"));
    add_job(f, orphan_job(f->warehouse->id, dead, f->now_ms));
    assert_int_equal(sweep(f), 0);
    atomic_fetch_add(&f->now_ms, SWEEP_GRACE_MS - 1);
    assert_int_equal(sweep(f), 0);
    assert_true(has_file(f, dead));
    atomic_fetch_add(&f->now_ms, 1);
    assert_int_equal(sweep(f), 1);
    assert_false(has_file(f, dead));
    assert_true(has_file(f, other));
    (void)all_jobs(f, &count);
    assert_int_equal(count, 0);
}

/* More history than the sweeper reads at once. */
static void make_much_history(struct fixture *f)
{
    enum { ROWS = 2500 };
    struct change change = {.kind = CHANGE_NAMESPACE_CREATE,
                            .warehouse_id = f->warehouse->id,
                            .namespace_key = STR("busy"),
                            .properties = STR("{}")};
    struct history_row *rows = ARENA_ARRAY(f->arena, struct history_row, ROWS);
    struct catalog_change set = {
        .set = {.changes = &change, .change_count = 1, .history = rows, .history_count = ROWS}};
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = catalog_history(f->catalog, &f->caller, 0, f->arena);
    assert_int_equal(catalog_apply(f->catalog, &set), CHANGE_APPLIED);
}

/* A file that a row or the history names is kept, also when it was spelt in another way and when
 * the row has moved on since. */
static void test_named_files_are_kept(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    make_table(f, "a.t");
    struct object_row row = row_of(f, "a.t");
    struct str past = row.metadata_location;
    struct str now =
        arena_printf(f->arena, "%.*s/metadata/00001-b.metadata.json", STR_ARG(row.location));
    struct str dead =
        arena_printf(f->arena, "%.*s/metadata/00001-c.metadata.json", STR_ARG(row.location));
    struct str spelt = str_skip(now, strlen("file://")); /* a bare path */
    assert_int_equal(swing(f, id(f, "a.t"), &row, spelt, f->arena), CHANGE_APPLIED);
    write_file(f, past, STR("x"));
    write_file(f, now, STR("x"));
    write_file(f, dead, STR("x"));
    add_job(f, orphan_job(f->warehouse->id, past, f->now_ms));
    add_job(f, orphan_job(f->warehouse->id, now, f->now_ms));
    add_job(f, orphan_job(f->warehouse->id, dead, f->now_ms));
    atomic_fetch_add(&f->now_ms, SWEEP_GRACE_MS);
    make_much_history(f);
    assert_int_equal(sweep(f), 3);
    assert_true(has_file(f, past));
    assert_true(has_file(f, now));
    assert_false(has_file(f, dead));
}

/* Jobs that make no sense delete nothing and do not stand in the way. */
static void test_strange_jobs(void **state)
{
    struct fixture *f = *state;
    struct str file = below_root(f, "t/x");
    struct str outside = fixture_path(f, "catalog.db");
    size_t count;
    write_file(f, file, STR("x"));
    add_job(f, (struct job_row){.kind = STR("purge-table"),
                                .payload = STR("not json"),
                                .warehouse_id = f->warehouse->id,
                                .not_before_ms = f->now_ms});
    add_job(f, (struct job_row){.kind = STR("purge-table"),
                                .payload = arena_printf(f->arena,
                                                        "{\"location\":\"file://%s\","
                                                        "\"metadata-location\":\"%.*s\"}",
                                                        f->dir, STR_ARG(file)),
                                .warehouse_id = f->warehouse->id,
                                .not_before_ms = f->now_ms});
    add_job(f, (struct job_row){.kind = STR("remove-file"),
                                .payload = outside,
                                .warehouse_id = f->warehouse->id,
                                .not_before_ms = f->now_ms});
    add_job(f, (struct job_row){.kind = STR("remove-file"),
                                .payload = STR("../x"),
                                .warehouse_id = f->warehouse->id,
                                .not_before_ms = f->now_ms});
    add_job(f, (struct job_row){.kind = STR("remove-file"),
                                .payload = file,
                                .warehouse_id = 999,
                                .not_before_ms = f->now_ms});
    add_job(f, (struct job_row){.kind = STR("of-a-newer-program"),
                                .payload = file,
                                .warehouse_id = f->warehouse->id,
                                .not_before_ms = f->now_ms});
    assert_int_equal(sweep(f), 5);
    assert_true(has_file(f, file));
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/catalog.db", f->dir);
    assert_int_equal(access(path, F_OK), 0);
    struct job_row *jobs = all_jobs(f, &count);
    assert_int_equal(count, 1);
    assert_str(jobs[0].kind, "of-a-newer-program");
    assert_int_equal(jobs[0].attempts, 1);
    assert_true(jobs[0].not_before_ms > f->now_ms);
}

/* ---- reports and history --------------------------------------------------------------------- */

static void test_reports(void **state)
{
    struct fixture *f = *state;
    struct report_row *rows;
    size_t count;
    const struct str one = STR("{\"report-type\":\"scan-report\",\"n\":1}");
    const struct str two = STR(" {\"n\":2,\"report-type\":\"other\"} ");
    make_ns(f, "a");
    make_table(f, "a.t");
    make_view(f, "a.v");
    assert_ok(f, catalog_report_add(f->catalog, f->warehouse, id(f, "a.t"), one, &f->err));
    assert_ok(f, catalog_report_add(f->catalog, f->warehouse, id(f, "a.t"), two, &f->err));
    assert_refused(f, catalog_report_add(f->catalog, f->warehouse, id(f, "a.v"), one, &f->err),
                   ERR_NO_SUCH_TABLE, "Table does not exist: a.v");
    assert_refused(f,
                   catalog_report_add(f->catalog, f->warehouse, id(f, "a.t"), STR("[]"), &f->err),
                   ERR_ILLEGAL_ARGUMENT, "Cannot parse metrics report: not an object");
    assert_refused(f,
                   catalog_report_add(f->catalog, f->warehouse, id(f, "a.t"),
                                      STR("{\"report-type\":1}"), &f->err),
                   ERR_ILLEGAL_ARGUMENT,
                   "Cannot parse metrics report: missing string: report-type");
    assert_int_equal(catalog_report_add(f->catalog, f->warehouse, id(f, "a.t"), STR("{"), &f->err),
                     -1);
    assert_int_equal(f->err.kind, ERR_BAD_REQUEST);
    assert_ok(f, catalog_report_list(f->catalog, f->warehouse, id(f, "a.t"), 0, 10, f->arena, &rows,
                                     &count, &f->err));
    assert_int_equal(count, 2);
    assert_true(str_equal(rows[0].body, two));
    assert_true(str_equal(rows[1].body, one));
    assert_ok(f, catalog_report_list(f->catalog, f->warehouse, id(f, "a.t"), rows[0].sequence, 10,
                                     f->arena, &rows, &count, &f->err));
    assert_int_equal(count, 1);
    assert_true(str_equal(rows[0].body, one));
}

static void test_history(void **state)
{
    struct fixture *f = *state;
    struct history_row *rows;
    size_t count;
    make_ns(f, "a");
    make_table(f, "a.t");
    make_table(f, "a.u");
    assert_ok(f, catalog_table_rename(f->catalog, f->warehouse, &f->caller, id(f, "a.t"),
                                      id(f, "a.w"), &f->err));
    assert_ok(f, catalog_history_list(f->catalog, f->warehouse, id(f, "a.w"), 0, 10, f->arena,
                                      &rows, &count, &f->err));
    assert_int_equal(count, 2);
    assert_str(rows[0].detail, "{\"destination\":{\"namespace\":[\"a\"],\"name\":\"w\"}}");
    assert_ok(f, catalog_history_list(f->catalog, f->warehouse, NULL, 0, 3, f->arena, &rows, &count,
                                      &f->err));
    assert_int_equal(count, 3);
    assert_true(rows[0].sequence > rows[1].sequence && rows[1].sequence > rows[2].sequence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(test_purge),
        CATALOG_TEST(test_drop_without_purge_keeps_files),
        CATALOG_TEST(test_purge_of_what_lives_again),
        CATALOG_TEST(test_purge_of_what_lives_elsewhere),
        CATALOG_TEST(test_purge_without_metadata),
        CATALOG_TEST(test_unregister),
        CATALOG_TEST(test_remove_file),
        CATALOG_TEST(test_named_files_are_kept),
        CATALOG_TEST(test_strange_jobs),
        CATALOG_TEST(test_reports),
        CATALOG_TEST(test_history),
    };
    return cmocka_run_group_tests_name("catalog_sweeper", tests, NULL, NULL);
}
