/* The metastore's contract: principals and signing keys. */
#include "tests/contract/metastore_cases.h"

static struct principal_row principal_of(const char *client_id, char seed)
{
    struct principal_row row = {
        .client_id = str_cstr(client_id), .is_admin = seed == 'a', .created_ms = 7};
    memset(row.secret_digest.bytes, seed, sizeof(row.secret_digest.bytes));
    return row;
}

static enum change_outcome create(struct metastore_fixture *f, const char *name,
                                  const char *client_id, char seed, struct change *out)
{
    const struct principal_row row = principal_of(client_id, seed);
    *out =
        (struct change){.kind = CHANGE_PRINCIPAL_CREATE, .name = str_cstr(name), .principal = &row};
    return apply_one(f, out);
}

static enum change_outcome drop(struct metastore_fixture *f, const char *name, struct change *out)
{
    *out = (struct change){.kind = CHANGE_PRINCIPAL_DROP, .name = str_cstr(name)};
    return apply_one(f, out);
}

static enum change_outcome rotate(struct metastore_fixture *f, const char *name, char seed,
                                  struct change *out)
{
    const struct principal_row row = principal_of("unused", seed);
    *out =
        (struct change){.kind = CHANGE_PRINCIPAL_ROTATE, .name = str_cstr(name), .principal = &row};
    return apply_one(f, out);
}

static size_t list(struct metastore_fixture *f, struct principal_row **rows)
{
    struct error err;
    size_t count;
    assert_int_equal(metastore_principal_list(f->store, f->arena, rows, &count, &err), 0);
    return count;
}

static void principals_are_made_listed_and_dropped(void **state)
{
    struct metastore_fixture *f = *state;
    struct principal_row *rows;
    struct change change;
    assert_int_equal(list(f, &rows), 0);
    assert_int_equal(create(f, "b", "id-b", 'b', &change), CHANGE_APPLIED);
    int64_t id_of_b = change.id;
    assert_true(id_of_b > 0);
    assert_int_equal(change.version, 1);
    assert_int_equal(create(f, "a", "id-a", 'a', &change), CHANGE_APPLIED);
    fixture_reopen(f);
    assert_int_equal(list(f, &rows), 2);
    assert_str(rows[0].name, "a");
    assert_true(rows[0].is_admin);
    assert_str(rows[1].name, "b");
    assert_str(rows[1].client_id, "id-b");
    assert_false(rows[1].is_admin);
    assert_int_equal(rows[1].id, id_of_b);
    assert_int_equal(rows[1].version, 1);
    assert_int_equal(rows[1].created_ms, 7);
    assert_memory_equal(rows[1].secret_digest.bytes, principal_of("", 'b').secret_digest.bytes,
                        SHA256_BYTES);
    assert_int_equal(drop(f, "b", &change), CHANGE_APPLIED);
    assert_int_equal(change.id, id_of_b);
    assert_int_equal(drop(f, "b", &change), CHANGE_MISSING);
    assert_int_equal(list(f, &rows), 1);
}

static void names_and_client_ids_are_unique(void **state)
{
    struct metastore_fixture *f = *state;
    struct principal_row *rows;
    struct change change;
    assert_int_equal(create(f, "a", "id-a", 'a', &change), CHANGE_APPLIED);
    assert_int_equal(create(f, "a", "id-b", 'b', &change), CHANGE_EXISTS);
    assert_int_equal(create(f, "b", "id-a", 'b', &change), CHANGE_EXISTS);
    assert_int_equal(create(f, "A", "ID-A", 'b', &change), CHANGE_APPLIED);
    assert_int_equal(list(f, &rows), 2);
}

static void an_id_is_never_given_again(void **state)
{
    struct metastore_fixture *f = *state;
    struct change first, second, change;
    assert_int_equal(create(f, "a", "id-a", 'a', &first), CHANGE_APPLIED);
    assert_int_equal(drop(f, "a", &change), CHANGE_APPLIED);
    fixture_reopen(f);
    assert_int_equal(create(f, "a", "id-a", 'a', &second), CHANGE_APPLIED);
    assert_true(second.id > first.id);
}

static void rotating_counts_up(void **state)
{
    struct metastore_fixture *f = *state;
    struct principal_row *rows;
    struct change made, change;
    assert_int_equal(create(f, "a", "id-a", 'a', &made), CHANGE_APPLIED);
    assert_int_equal(rotate(f, "a", 'x', &change), CHANGE_APPLIED);
    assert_int_equal(change.id, made.id);
    assert_int_equal(change.version, 2);
    assert_int_equal(rotate(f, "b", 'x', &change), CHANGE_MISSING);
    assert_int_equal(list(f, &rows), 1);
    assert_int_equal(rows[0].version, 2);
    assert_str(rows[0].client_id, "id-a");
    assert_int_equal(rows[0].secret_digest.bytes[5], 'x');
}

static void signing_keys_come_newest_first(void **state)
{
    struct metastore_fixture *f = *state;
    struct signing_key_row *rows, key = {.created_ms = 3};
    struct change change = {.kind = CHANGE_SIGNING_KEY_ADD, .signing_key = &key};
    struct error err;
    size_t count;
    memset(key.bytes, 1, sizeof(key.bytes));
    assert_int_equal(apply_one(f, &change), CHANGE_APPLIED);
    int64_t first = change.id;
    memset(key.bytes, 2, sizeof(key.bytes));
    assert_int_equal(apply_one(f, &change), CHANGE_APPLIED);
    fixture_reopen(f);
    assert_int_equal(metastore_signing_key_list(f->store, f->arena, &rows, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].bytes[SIGNING_KEY_BYTES - 1], 2);
    assert_int_equal(rows[1].bytes[0], 1);
    assert_int_equal(rows[1].id, first);
    assert_int_equal(rows[1].created_ms, 3);
}

static void the_trail_tells_of_principals(void **state)
{
    struct metastore_fixture *f = *state;
    const struct principal_row row = principal_of("id-a", 'a');
    struct change change = {.kind = CHANGE_PRINCIPAL_CREATE, .name = STR("a"), .principal = &row};
    struct history_row history = {.operation = "createPrincipal",
                                  .commit_id = STR("c"),
                                  .request_id = STR("r"),
                                  .principal = STR("root"),
                                  .client = STR("here"),
                                  .detail = STR("{}")};
    struct change_set set = {
        .changes = &change, .change_count = 1, .history = &history, .history_count = 1};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_APPLIED);
    assert_true(history.sequence > 0);
    assert_int_equal(history.warehouse_id, 0);
}

const struct CMUnitTest metastore_principal_cases[] = {
    METASTORE_CASE(principals_are_made_listed_and_dropped),
    METASTORE_CASE(names_and_client_ids_are_unique),
    METASTORE_CASE(an_id_is_never_given_again),
    METASTORE_CASE(rotating_counts_up),
    METASTORE_CASE(signing_keys_come_newest_first),
    METASTORE_CASE(the_trail_tells_of_principals),
};
const size_t metastore_principal_case_count = COUNT_OF(metastore_principal_cases);
