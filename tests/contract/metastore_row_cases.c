/* The metastore's contract: history, idempotency records, jobs and reports. */
#include "tests/contract/metastore_cases.h"

static struct sha256 digest(char seed)
{
    struct sha256 value;
    memset(value.bytes, seed, sizeof(value.bytes));
    return value;
}

/* ---- history --------------------------------------------------------------------------------- */

static struct history_row history_of(size_t change_index, const char *operation, const char *id,
                                     int64_t time_ms)
{
    return (struct history_row){.change_index = change_index,
                                .operation = operation,
                                .commit_id = str_cstr(id),
                                .request_id = STR("r"),
                                .principal = STR("alice"),
                                .client = STR("10.0.0.1"),
                                .request_digest = digest('d'),
                                .detail = STR("{}"),
                                .time_ms = time_ms};
}

static void apply_with_history(struct metastore_fixture *f, struct change change,
                               const char *operation, const char *id, int64_t time_ms)
{
    struct history_row row = history_of(0, operation, id, time_ms);
    struct change_set set = {
        .changes = &change, .change_count = 1, .history = &row, .history_count = 1};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_APPLIED);
}

static size_t list_history(struct metastore_fixture *f, const char *key, const char *name,
                           int64_t before, size_t limit, struct history_row **out)
{
    struct object_name object = {
        .warehouse_id = f->warehouse_id, .namespace_key = str_cstr(key), .name = str_cstr(name)};
    struct error err;
    size_t count;
    assert_int_equal(
        metastore_history_list(f->store, &object, before, limit, f->arena, out, &count, &err), 0);
    return count;
}

static void make_chain(struct metastore_fixture *f)
{
    apply_with_history(f, make_namespace(f, "n"), "createNamespace", "c0", 1);
    apply_with_history(f, make_table(f, "n", "t", "s3://bucket/wh/t"), "createTable", "c1", 2);
    apply_with_history(f, make_table(f, "n", "u", "s3://bucket/wh/u"), "createTable", "c2", 3);
    struct object_row row = get_object(f, "n", "t");
    apply_with_history(f, move_pointer(&row, "m1"), "updateTable", "c3", 4);
    row = get_object(f, "n", "t");
    must_apply(f, move_pointer(&row, "m2")); /* without a row: the chain must hold all the same */
    row = get_object(f, "n", "t");
    struct change rename = move_pointer(&row, "");
    rename.kind = CHANGE_OBJECT_RENAME;
    rename.to_namespace_key = STR("n");
    rename.to_name = STR("t2");
    apply_with_history(f, rename, "renameTable", "c4", 5);
    row = get_object(f, "n", "t2");
    apply_with_history(f, move_pointer(&row, "m3"), "updateTable", "c5", 6);
}

static void history_follows_the_object(void **state)
{
    struct metastore_fixture *f = *state;
    make_chain(f);
    struct history_row *rows;
    assert_int_equal(list_history(f, "n", "t2", 0, 0, &rows), 4);
    static const char *const ids[] = {"c5", "c4", "c3", "c1"};
    for (size_t i = 0; i < 4; i++)
        assert_str(rows[i].commit_id, ids[i]);
    assert_string_equal(rows[0].operation, "updateTable");
    assert_str(rows[0].request_id, "r");
    assert_str(rows[0].principal, "alice");
    assert_str(rows[0].client, "10.0.0.1");
    assert_str(rows[0].detail, "{}");
    assert_int_equal(rows[0].time_ms, 6);
    assert_memory_equal(rows[0].request_digest.bytes, digest('d').bytes, SHA256_BYTES);
    assert_str(rows[0].namespace_key, "n");
    assert_str(rows[0].name, "t2");
    assert_str(rows[0].uuid, "uuid of n.t");
    assert_str(rows[0].parent_location, "m2");
    assert_str(rows[0].metadata_location, "m3");
    assert_int_equal(rows[0].version, 4);
    assert_int_equal(rows[0].object_id, get_object(f, "n", "t2").id);
    assert_int_equal(rows[0].warehouse_id, f->warehouse_id);
    assert_str(rows[1].name, "t");
    assert_str(rows[3].parent_location, "");
    assert_str(rows[3].metadata_location, "m0");
    assert_int_equal(rows[3].version, 1);
    assert_int_equal(list_history(f, "n", "t", 0, 0, &rows), 0);
}

static void history_comes_in_pages(void **state)
{
    struct metastore_fixture *f = *state;
    make_chain(f);
    struct history_row *all, *rows;
    assert_int_equal(list_history(f, "n", "t2", 0, 2, &rows), 2);
    assert_str(rows[1].commit_id, "c4");
    assert_int_equal(list_history(f, "n", "t2", rows[1].sequence, 5, &rows), 2);
    assert_str(rows[0].commit_id, "c3");
    assert_str(rows[1].commit_id, "c1");
    assert_int_equal(list_history(f, "n", "t2", rows[1].sequence, 5, &rows), 0);

    assert_int_equal(list_history(f, "", "", 0, 0, &all), 6);
    for (size_t i = 1; i < 6; i++)
        assert_true(all[i].sequence < all[i - 1].sequence);
    assert_str(all[5].commit_id, "c0");
    assert_string_equal(all[5].operation, "createNamespace");
    assert_int_equal(all[5].object_id, 0);
    assert_int_equal(list_history(f, "", "", all[2].sequence, 2, &rows), 2);
    assert_str(rows[0].commit_id, "c2");
    /* From the place of another object's row the chain is found too. */
    assert_int_equal(list_history(f, "n", "t2", rows[0].sequence, 0, &rows), 1);
}

static void warehouses_keep_their_history_apart(void **state)
{
    struct metastore_fixture *f = *state;
    struct history_row *rows;
    make_chain(f);
    struct change change = {.kind = CHANGE_WAREHOUSE_CREATE, .name = STR("other")};
    apply_with_history(f, change, "createWarehouse", "w1", 7);
    change.kind = CHANGE_WAREHOUSE_DROP;
    apply_with_history(f, change, "dropWarehouse", "w2", 8);
    assert_int_equal(list_history(f, "", "", 0, 0, &rows), 6);
    f->warehouse_id++;
    assert_int_equal(list_history(f, "", "", 0, 0, &rows), 2);
    assert_str(rows[0].commit_id, "w2");
    assert_str(rows[0].name, "other");
    f->warehouse_id++;
    assert_int_equal(list_history(f, "", "", 0, 0, &rows), 0);
    f->warehouse_id -= 2;
}

static void folded_commits_are_rows_of_one_change(void **state)
{
    struct metastore_fixture *f = *state;
    apply_with_history(f, make_namespace(f, "n"), "createNamespace", "c0", 1);
    apply_with_history(f, make_table(f, "n", "t", "s3://bucket/wh/t"), "createTable", "c1", 1);
    apply_with_history(f, make_table(f, "n", "u", "s3://bucket/wh/u"), "createTable", "c1", 1);
    struct object_row t = get_object(f, "n", "t"), u = get_object(f, "n", "u");
    struct change changes[] = {move_pointer(&t, "m1"), move_pointer(&u, "m1")};
    struct history_row rows[] = {
        history_of(0, "updateTable", "t1", 2), history_of(1, "updateTable", "u1", 2),
        history_of(0, "updateTable", "t2", 2), history_of(0, "updateTable", "t3", 2)};
    struct change_set set = {
        .changes = changes, .change_count = 2, .history = rows, .history_count = COUNT_OF(rows)};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_APPLIED);
    assert_true(rows[0].sequence > 0 && rows[3].sequence == rows[0].sequence + 3);
    struct history_row *got;
    assert_int_equal(list_history(f, "n", "t", 0, 0, &got), 4);
    assert_str(got[0].commit_id, "t3");
    assert_str(got[1].commit_id, "t2");
    assert_str(got[2].commit_id, "t1");
    assert_str(got[3].commit_id, "c1");
    assert_int_equal(list_history(f, "n", "u", 0, 0, &got), 2);
    assert_str(got[0].commit_id, "u1");
}

static bool find_request(struct metastore_fixture *f, int64_t object_id, char seed,
                         const char *principal, int64_t since_ms, struct history_row *out)
{
    struct sha256 wanted = digest(seed);
    struct error err;
    bool found;
    assert_int_equal(metastore_history_find(f->store, object_id, &wanted, str_cstr(principal),
                                            since_ms, f->arena, out, &found, &err),
                     0);
    return found;
}

/* More rows than one slice of an index holds: 3 * 5000, most of them of another request. */
static void repeated_requests_are_found(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    struct history_row out;
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/t"));
    must_apply(f, make_table(f, "n", "u", "s3://bucket/wh/u"));
    int64_t t = get_object(f, "n", "t").id, u = get_object(f, "n", "u").id;
    assert_false(find_request(f, t, 'd', "alice", 0, &out));
    static struct history_row rows[5000];
    for (int round = 0; round < 3; round++) {
        struct object_row row = get_object(f, "n", "t");
        struct change change = move_pointer(&row, "m");
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            rows[i] = history_of(0, "updateTable", "c", 1000 + round);
            memcpy(rows[i].request_digest.bytes, &i, sizeof(i)); /* all differ */
        }
        rows[100].request_digest = digest((char)('a' + round));
        rows[200].request_digest = digest('z');
        rows[200].detail = arena_printf(f->arena, "%d", round);
        struct change_set set = {.changes = &change,
                                 .change_count = 1,
                                 .history = rows,
                                 .history_count = COUNT_OF(rows)};
        assert_int_equal(metastore_apply(f->store, &set), CHANGE_APPLIED);
    }
    for (int round = 0; round < 3; round++) {
        assert_true(find_request(f, t, (char)('a' + round), "alice", 0, &out));
        assert_int_equal(out.time_ms, 1000 + round);
        assert_true(find_request(f, t, (char)('a' + round), "alice", 1000 + round, &out));
        assert_false(find_request(f, t, (char)('a' + round), "alice", 1001 + round, &out));
        assert_false(find_request(f, t, (char)('a' + round), "bob", 0, &out));
        assert_false(find_request(f, u, (char)('a' + round), "alice", 0, &out));
    }
    assert_true(find_request(f, 0, 'b', "alice", 0, &out));
    assert_int_equal(out.object_id, t);
    assert_false(find_request(f, 0, 'b', "bob", 0, &out));
    assert_true(find_request(f, t, 'z', "alice", 0, &out));
    assert_str(out.detail, "2"); /* the newest */
    struct sha256 almost = digest('a');
    almost.bytes[SHA256_BYTES - 1] ^= 1;
    struct error err;
    bool found;
    assert_int_equal(
        metastore_history_find(f->store, t, &almost, STR("alice"), 0, f->arena, &out, &found, &err),
        0);
    assert_false(found);
}

static void history_goes_on_after_reopening(void **state)
{
    struct metastore_fixture *f = *state;
    make_chain(f);
    struct history_row *before, *after;
    assert_int_equal(list_history(f, "n", "t2", 0, 0, &before), 4);
    fixture_reopen(f);
    struct object_row row = get_object(f, "n", "t2");
    apply_with_history(f, move_pointer(&row, "m9"), "updateTable", "c9", 7);
    assert_int_equal(list_history(f, "n", "t2", 0, 0, &after), 5);
    assert_int_equal(after[0].sequence, before[0].sequence + 1);
    row = get_object(f, "n", "t2");
    struct change drop = move_pointer(&row, "");
    drop.kind = CHANGE_OBJECT_DROP;
    apply_with_history(f, drop, "dropTable", "c10", 8);
    assert_int_equal(list_history(f, "n", "t2", 0, 0, &after), 0);
    assert_int_equal(list_history(f, "", "", 0, 1, &after), 1);
    assert_str(after[0].commit_id, "c10");
    assert_str(after[0].parent_location, "m9");
}

/* ---- idempotency ----------------------------------------------------------------------------- */

static struct idempotency_row record(const char *key, int64_t created_ms, int64_t expires_ms)
{
    return (struct idempotency_row){.key = str_cstr(key),
                                    .binding = digest('b'),
                                    .status = 409,
                                    .kind = STR("already_exists"),
                                    .body = STR("body"),
                                    .metadata_location = STR("m"),
                                    .warehouse_id = 7,
                                    .created_ms = created_ms,
                                    .expires_ms = expires_ms};
}

static enum change_outcome apply_record(struct metastore_fixture *f, struct idempotency_row row)
{
    struct change nothing = {.kind = CHANGE_NOTHING};
    struct change_set set = {
        .changes = &nothing, .change_count = 1, .idempotency = &row, .idempotency_count = 1};
    return metastore_apply(f->store, &set);
}

static bool find_record(struct metastore_fixture *f, const char *key, int64_t now_ms,
                        struct idempotency_row *out)
{
    struct error err;
    bool found;
    assert_int_equal(
        metastore_idempotency_find(f->store, str_cstr(key), now_ms, f->arena, out, &found, &err),
        0);
    return found;
}

static void keys_are_used_once_in_their_time(void **state)
{
    struct metastore_fixture *f = *state;
    struct idempotency_row row;
    assert_int_equal(apply_record(f, record("k", 1000, 2000)), CHANGE_APPLIED);
    assert_int_equal(apply_record(f, record("k", 1999, 3000)), CHANGE_KEY_USED);
    assert_true(find_record(f, "k", 1999, &row));
    assert_int_equal(row.status, 409);
    assert_str(row.key, "k");
    assert_str(row.kind, "already_exists");
    assert_str(row.body, "body");
    assert_str(row.metadata_location, "m");
    assert_int_equal(row.warehouse_id, 7);
    assert_int_equal(row.created_ms, 1000);
    assert_int_equal(row.expires_ms, 2000);
    assert_memory_equal(row.binding.bytes, digest('b').bytes, SHA256_BYTES);
    assert_false(find_record(f, "k", 2000, &row));
    assert_false(find_record(f, "K", 1500, &row));
    assert_int_equal(apply_record(f, record("k", 2000, 3000)), CHANGE_APPLIED); /* as new */
    assert_true(find_record(f, "k", 2500, &row));
    assert_int_equal(row.created_ms, 2000);
}

static void a_used_key_hides_the_conflict(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    struct change create = make_table(f, "n", "t", "s3://bucket/wh/t");
    struct idempotency_row row = record("k", 1, 100);
    struct change_set set = {
        .changes = &create, .change_count = 1, .idempotency = &row, .idempotency_count = 1};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_APPLIED);
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_KEY_USED);
    row = record("other", 1, 100);
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_EXISTS);
    assert_false(find_record(f, "other", 1, &row)); /* it went with its set */
}

static void old_keys_are_expired(void **state)
{
    struct metastore_fixture *f = *state;
    struct idempotency_row row;
    static struct idempotency_row many[2500]; /* more than one round of the janitor */
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = record(arena_printf(f->arena, "k%zu", i).ptr, 1, 100);
    struct change_set set = {.idempotency = many, .idempotency_count = COUNT_OF(many)};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_APPLIED);
    assert_int_equal(apply_record(f, record("young", 1, 200)), CHANGE_APPLIED);
    struct error err;
    assert_int_equal(metastore_expire(f->store, 99, &err), 0);
    assert_true(find_record(f, "k2499", 50, &row));
    assert_int_equal(metastore_expire(f->store, 100, &err), 0);
    for (size_t i = 0; i < COUNT_OF(many); i += 100)
        assert_false(find_record(f, arena_printf(f->arena, "k%zu", i).ptr, 50, &row));
    assert_true(find_record(f, "young", 50, &row));
}

/* ---- jobs and reports ------------------------------------------------------------------------ */

static void jobs_come_when_due_and_go_when_done(void **state)
{
    struct metastore_fixture *f = *state;
    struct job_row jobs[] = {{.kind = STR("purge-table"),
                              .payload = STR("later"),
                              .warehouse_id = 3,
                              .created_ms = 1,
                              .not_before_ms = 200},
                             {.kind = STR("remove-file"),
                              .payload = STR("soon"),
                              .created_ms = 1,
                              .not_before_ms = 100,
                              .attempts = 4}};
    struct change_set set = {.jobs = jobs, .job_count = 2};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_APPLIED);
    assert_true(jobs[0].id > 0 && jobs[1].id > jobs[0].id);
    struct job_row *due;
    size_t count;
    struct error err;
    assert_int_equal(metastore_job_list(f->store, 99, 10, f->arena, &due, &count, &err), 0);
    assert_int_equal(count, 0);
    assert_int_equal(metastore_job_list(f->store, 300, 10, f->arena, &due, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_str(due[0].payload, "soon");
    assert_int_equal(due[0].attempts, 4);
    assert_str(due[1].kind, "purge-table");
    assert_int_equal(due[1].warehouse_id, 3);
    assert_int_equal(metastore_job_list(f->store, 300, 1, f->arena, &due, &count, &err), 0);
    assert_int_equal(count, 1);

    int64_t done[] = {jobs[1].id, 12345};
    struct change_set finish = {.jobs_done = done, .jobs_done_count = 2};
    assert_int_equal(metastore_apply(f->store, &finish), CHANGE_APPLIED);
    assert_int_equal(metastore_job_list(f->store, 300, 10, f->arena, &due, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(due[0].id, jobs[0].id);
}

static void reports_are_listed_newest_first(void **state)
{
    struct metastore_fixture *f = *state;
    struct report_row reports[5];
    for (size_t i = 0; i < COUNT_OF(reports); i++)
        reports[i] = (struct report_row){.warehouse_id = f->warehouse_id,
                                         .namespace_key = STR("n"),
                                         .name = i == 3 ? STR("u") : STR("t"),
                                         .body = arena_printf(f->arena, "r%zu", i),
                                         .time_ms = (int64_t)i};
    struct change_set set = {.reports = reports, .report_count = COUNT_OF(reports)};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_APPLIED);
    struct object_name object = {
        .warehouse_id = f->warehouse_id, .namespace_key = STR("n"), .name = STR("t")};
    struct report_row *rows;
    size_t count;
    struct error err;
    assert_int_equal(metastore_report_list(f->store, &object, 0, 3, f->arena, &rows, &count, &err),
                     0);
    assert_int_equal(count, 3);
    assert_str(rows[0].body, "r4");
    assert_str(rows[1].body, "r2");
    assert_int_equal(rows[1].time_ms, 2);
    int64_t last = rows[2].sequence;
    assert_int_equal(
        metastore_report_list(f->store, &object, last, 3, f->arena, &rows, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_str(rows[0].body, "r0");
}

const struct CMUnitTest metastore_row_cases[] = {
    METASTORE_CASE(history_follows_the_object),
    METASTORE_CASE(history_comes_in_pages),
    METASTORE_CASE(warehouses_keep_their_history_apart),
    METASTORE_CASE(folded_commits_are_rows_of_one_change),
    METASTORE_CASE(repeated_requests_are_found),
    METASTORE_CASE(history_goes_on_after_reopening),
    METASTORE_CASE(keys_are_used_once_in_their_time),
    METASTORE_CASE(a_used_key_hides_the_conflict),
    METASTORE_CASE(old_keys_are_expired),
    METASTORE_CASE(jobs_come_when_due_and_go_when_done),
    METASTORE_CASE(reports_are_listed_newest_first),
};
const size_t metastore_row_case_count = COUNT_OF(metastore_row_cases);
