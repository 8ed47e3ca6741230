/* Documents of other programs: v1's oldest forms, invariants that do not hold, and hostile ones:
 * every value replaced by every kind of value, every prefix. */
#include "tests/unit/metadata_fixture.h"

static json_t *base_json(void **state, const char *name)
{
    return load(*state, name, read_base_text(*state, name));
}

static int parse_json_document(void **state, const json_t *json, struct error *err)
{
    struct table_metadata metadata;
    return table_metadata_parse(dump(*state, json), *state, &metadata, err);
}

/* --- v1 ------------------------------------------------------------------------------------------
 */

static void test_v1_without_lists(void **state)
{
    json_t *json = base_json(state, "v1");
    static const char *const gone[] = {"schemas",
                                       "current-schema-id",
                                       "partition-specs",
                                       "default-spec-id",
                                       "last-partition-id",
                                       "sort-orders",
                                       "default-sort-order-id",
                                       "refs",
                                       "table-uuid",
                                       "snapshot-log",
                                       "metadata-log",
                                       "statistics",
                                       "partition-statistics",
                                       "properties"};
    for (size_t i = 0; i < COUNT_OF(gone); i++)
        json_object_del(json, gone[i]);
    json_object_set_new(json_object_get(json, "schema"), "schema-id", json_integer(7));
    json_object_set_new(json, "partition-spec",
                        json_pack("[{s:s,s:s,s:i},{s:s,s:s,s:i}]", "name", "a", "transform",
                                  "bucket[3]", "source-id", 1, "name", "b", "transform", "day",
                                  "source-id", 3));
    struct table_metadata m = parse_metadata(*state, dump(*state, json));
    assert_true(m.schemas.count == 1 && m.current_schema_id == 7 && m.schemas.elements[0].id == 7);
    assert_true(m.partition_specs.count == 1 && m.default_spec_id == 0);
    assert_true(m.last_partition_id == 1001);
    assert_true(str_contains(m.partition_specs.elements[0].text, STR("\"field-id\":1001")));
    assert_true(m.sort_orders.count == 1 && m.default_sort_order_id == 0);
    assert_null(m.table_uuid.ptr);
    assert_true(m.ref_count == 1 && table_metadata_ref(&m, STR("main"))->snapshot_id == 44);
    struct table_metadata published;
    struct str document = publish(*state, &m, &published);
    assert_false(str_contains(document, STR("table-uuid")));
    parse_metadata(*state, document);
}

static void test_v1_without_schema_id(void **state)
{
    json_t *json = base_json(state, "v1");
    json_object_del(json, "schemas");
    json_object_del(json_object_get(json, "schema"), "schema-id");
    struct table_metadata m = parse_metadata(*state, dump(*state, json));
    assert_true(m.current_schema_id == 0);
    assert_true(str_contains(m.schemas.elements[0].text, STR("\"schema-id\":0")));
    json_object_set_new(json_object_get(json, "schema"), "schema-id", json_null());
    m = parse_metadata(*state, dump(*state, json));
    assert_true(str_contains(m.schemas.elements[0].text, STR("\"schema-id\":0")));
}

static void test_v1_last_partition_id_of_nothing(void **state)
{
    json_t *json = base_json(state, "v1");
    json_object_del(json, "last-partition-id");
    json_array_remove(json_object_get(json, "partition-specs"), 1);
    assert_true(parse_metadata(*state, dump(*state, json)).last_partition_id == 999);
}

static void test_v1_sequence_number_is_zero(void **state)
{
    json_t *json = base_json(state, "v1");
    json_object_set_new(json, "last-sequence-number", json_integer(12));
    assert_true(parse_metadata(*state, dump(*state, json)).last_sequence_number == 0);
}

/* --- spellings of nothing
 * --------------------------------------------------------------------------- */

static void test_no_current_snapshot(void **state)
{
    static const char *const names[] = {"v1", "v2", "v3"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (int spelling = 0; spelling < 3; spelling++) {
            json_t *json = base_json(state, names[i]);
            json_object_del(json_object_get(json, "refs"), "main");
            json_object_del(json, "current-snapshot-id");
            if (spelling > 0)
                json_object_set_new(json, "current-snapshot-id",
                                    spelling == 1 ? json_null() : json_integer(-1));
            struct table_metadata published;
            struct table_metadata m = parse_metadata(*state, dump(*state, json));
            assert_true(m.current_snapshot_id == SNAPSHOT_NONE);
            struct str document = publish(*state, &m, &published);
            assert_true(str_contains(document, i == 2 ? STR("\"current-snapshot-id\":null")
                                                      : STR("\"current-snapshot-id\":-1")));
        }
}

static void test_main_is_made_from_the_current_snapshot(void **state)
{
    json_t *json = base_json(state, "v2");
    json_object_del(json_object_get(json, "refs"), "main");
    struct table_metadata m = parse_metadata(*state, dump(*state, json));
    assert_true(table_metadata_ref(&m, STR("main"))->snapshot_id == 44);
    assert_int_equal(m.ref_count, 3);
    json_object_del(json, "refs");
    m = parse_metadata(*state, dump(*state, json));
    assert_int_equal(m.ref_count, 1);
}

static void test_lists_may_be_absent_or_null(void **state)
{
    static const char *const names[] = {"snapshot-log",         "metadata-log", "statistics",
                                        "partition-statistics", "properties",   "encryption-keys"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        json_t *json = base_json(state, "v3");
        json_object_del(json, names[i]);
        parse_metadata(*state, dump(*state, json));
        json_object_set_new(json, names[i], json_null());
        parse_metadata(*state, dump(*state, json));
    }
}

static void test_old_snapshots_with_manifests_in_v2(void **state)
{
    json_t *json = base_json(state, "v2");
    json_t *snapshot = json_array_get(json_object_get(json, "snapshots"), 0);
    json_object_del(snapshot, "manifest-list");
    json_object_del(snapshot, "sequence-number");
    json_object_set_new(snapshot, "manifests", json_pack("[s]", "s3://b/m.avro"));
    parse_metadata(*state, dump(*state, json));
}

/* --- invariants
 * ------------------------------------------------------------------------------------- */

/* Sets the value at a path like "refs/main/snapshot-id"; "" removes it. */
static void set_path(json_t *json, const char *path, const char *value)
{
    char part[64];
    const char *slash;
    while ((slash = strchr(path, '/')) != NULL) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        json = json_is_array(json) ? json_array_get(json, (size_t)strtol(part, NULL, 10))
                                   : json_object_get(json, part);
        assert_non_null(json);
        path = slash + 1;
    }
    json_t *parsed = value[0] == '\0' ? NULL : json_loads(value, JSON_DECODE_ANY, NULL);
    if (json_is_array(json) && parsed == NULL)
        json_array_remove(json, (size_t)strtol(path, NULL, 10));
    else if (json_is_array(json))
        json_array_set_new(json, (size_t)strtol(path, NULL, 10), parsed);
    else if (parsed == NULL)
        json_object_del(json, path);
    else
        json_object_set_new(json, path, parsed);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *base, *path, *value;
        enum error_kind kind;
        const char *message;
    } cases[] = {
        {"v2", "format-version", "4", ERR_ILLEGAL_ARGUMENT, "unsupported version 4"},
        {"v2", "format-version", "0", ERR_ILLEGAL_ARGUMENT, "unsupported version 0"},
        {"v2", "format-version", "\"2\"", ERR_ILLEGAL_ARGUMENT, "format-version must be"},
        {"v2", "format-version", "", ERR_ILLEGAL_ARGUMENT, "missing format-version"},
        {"v2", "location", "", ERR_ILLEGAL_ARGUMENT, "missing location"},
        {"v2", "location", "\"\"", ERR_VALIDATION, "Table location is required"},
        {"v2", "last-column-id", "", ERR_ILLEGAL_ARGUMENT, "missing last-column-id"},
        {"v2", "last-column-id", "-1", ERR_ILLEGAL_ARGUMENT, "negative"},
        {"v2", "last-updated-ms", "", ERR_ILLEGAL_ARGUMENT, "missing last-updated-ms"},
        {"v2", "last-sequence-number", "", ERR_ILLEGAL_ARGUMENT, "last-sequence-number must exist"},
        {"v2", "last-sequence-number", "3", ERR_VALIDATION,
         "Invalid snapshot with sequence number"},
        {"v2", "table-uuid", "", ERR_ILLEGAL_ARGUMENT, "table-uuid must exist in format v2"},
        {"v2", "table-uuid", "null", ERR_ILLEGAL_ARGUMENT, "table-uuid must exist"},
        {"v2", "table-uuid", "\"\"", ERR_VALIDATION, "UUID is required"},
        {"v2", "schemas", "", ERR_ILLEGAL_ARGUMENT, "schemas must exist in format v2"},
        {"v2", "current-schema-id", "", ERR_ILLEGAL_ARGUMENT, "current-schema-id must exist"},
        {"v2", "current-schema-id", "9", ERR_VALIDATION, "Cannot find current schema"},
        {"v2", "schemas/1/schema-id", "0", ERR_VALIDATION, "two schemas with id 0"},
        {"v2", "schemas/1/fields/0/id", "2", ERR_VALIDATION, ""},
        {"v2", "schemas/1/fields/0/type", "\"quux\"", ERR_ILLEGAL_ARGUMENT, ""},
        {"v2", "partition-specs", "", ERR_ILLEGAL_ARGUMENT, "partition-specs must exist"},
        {"v2", "partition-specs", "[]", ERR_VALIDATION, "Partition specs cannot be empty"},
        {"v2", "default-spec-id", "", ERR_ILLEGAL_ARGUMENT, "default-spec-id must exist"},
        {"v2", "default-spec-id", "5", ERR_VALIDATION, "Cannot find default partition spec"},
        {"v2", "partition-specs/1/spec-id", "0", ERR_VALIDATION, "two partition specs with id 0"},
        {"v2", "partition-specs/1/spec-id", "-3", ERR_ILLEGAL_ARGUMENT, ""},
        {"v2", "last-partition-id", "", ERR_ILLEGAL_ARGUMENT, "last-partition-id must exist"},
        {"v2", "sort-orders", "", ERR_ILLEGAL_ARGUMENT, "sort-orders must exist"},
        {"v2", "sort-orders", "[]", ERR_VALIDATION, "Sort orders cannot be empty"},
        {"v2", "default-sort-order-id", "", ERR_ILLEGAL_ARGUMENT, "default-sort-order-id must"},
        {"v2", "default-sort-order-id", "5", ERR_VALIDATION, "Cannot find default sort order"},
        {"v2", "properties/owner", "null", ERR_ILLEGAL_ARGUMENT, "properties must be"},
        {"v2", "properties/owner", "1", ERR_ILLEGAL_ARGUMENT, "properties must be"},
        {"v2", "current-snapshot-id", "43", ERR_VALIDATION, "does not match main branch"},
        {"v2", "current-snapshot-id", "-1", ERR_VALIDATION, "main branch exists"},
        {"v2", "current-snapshot-id", "null", ERR_VALIDATION, "main branch exists"},
        {"v2", "snapshots/3", "", ERR_VALIDATION, "Snapshot for reference main does not exist"},
        {"v2", "snapshots/1", "", ERR_VALIDATION, "Snapshot for reference release does not exist"},
        {"v2", "snapshots/0/snapshot-id", "42", ERR_VALIDATION, "two snapshots with id 42"},
        {"v2", "snapshots/0/timestamp-ms", "", ERR_ILLEGAL_ARGUMENT, "missing timestamp-ms"},
        {"v2", "snapshots/0/manifest-list", "", ERR_ILLEGAL_ARGUMENT, "missing manifest-list"},
        {"v2", "refs/main/type", "\"tag\"", ERR_ILLEGAL_ARGUMENT, "Tags do not support"},
        {"v3", "refs/dev/type", "\"bookmark\"", ERR_ILLEGAL_ARGUMENT, "type must be branch or tag"},
        {"v2", "refs/dev/max-ref-age-ms", "0", ERR_ILLEGAL_ARGUMENT, "must be > 0"},
        {"v2", "snapshot-log/1/timestamp-ms", "1699999900000", ERR_VALIDATION, "Expected sorted"},
        {"v2", "metadata-log/0/timestamp-ms", "1800000000000", ERR_VALIDATION, "Expected sorted"},
        {"v2", "snapshot-log/3/timestamp-ms", "1700000060001", ERR_VALIDATION, "Invalid update"},
        {"v2", "metadata-log/1/timestamp-ms", "1700000060001", ERR_VALIDATION, "Invalid update"},
        {"v2", "metadata-log/1/metadata-file", "7", ERR_ILLEGAL_ARGUMENT, "metadata-file must be"},
        {"v3", "next-row-id", "", ERR_ILLEGAL_ARGUMENT, "next-row-id must exist in format v3"},
        {"v3", "next-row-id", "-1", ERR_ILLEGAL_ARGUMENT, "negative"},
        {"v1", "schemas", "{}", ERR_ILLEGAL_ARGUMENT, "schemas must be an array"},
        {"v1", "snapshots/0/sequence-number", "1", ERR_VALIDATION, "sequence number"},
        {"v2", "statistics", "[{}]", ERR_ILLEGAL_ARGUMENT, "missing snapshot-id"},
        {"v2", "encryption-keys", "[{\"key-id\":\"a\"}]", ERR_ILLEGAL_ARGUMENT,
         "missing encrypted"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {0};
        json_t *json = base_json(state, cases[i].base);
        set_path(json, cases[i].path, cases[i].value);
        expect_error(cases[i].path, parse_json_document(state, json, &err), &err, cases[i].kind,
                     cases[i].message);
    }
}

static void test_default_spec_is_bound_to_the_current_schema(void **state)
{
    struct error err = {0};
    json_t *json = base_json(state, "v2");
    set_path(json, "partition-specs/1/fields/0/source-id", "77");
    assert_int_equal(parse_json_document(state, json, &err), 0); /* not the default one */
    set_path(json, "default-spec-id", "1");
    expect_error("spec", parse_json_document(state, json, &err), &err, ERR_VALIDATION, "");
    json = base_json(state, "v2");
    set_path(json, "sort-orders/1/fields/0/source-id", "77");
    set_path(json, "default-sort-order-id", "1");
    expect_error("order", parse_json_document(state, json, &err), &err, ERR_VALIDATION, "");
}

static void test_many_refs(void **state)
{
    struct error err = {0};
    json_t *json = base_json(state, "v2");
    json_t *refs = json_object_get(json, "refs");
    for (int i = 0; i < 100; i++)
        json_object_set_new(refs, arena_printf(*state, "t%d", i).ptr,
                            json_pack("{s:i,s:s}", "snapshot-id", 41 + i % 4, "type", "tag"));
    assert_int_equal(parse_json_document(state, json, &err), 0);
    set_path(json, "refs/t57/snapshot-id", "40");
    expect_error("refs", parse_json_document(state, json, &err), &err, ERR_VALIDATION,
                 "Snapshot for reference t57 does not exist");
}

/* --- hostile
 * ------------------------------------------------------------------------------------------ */

static void test_no_json(void **state)
{
    static const char *const texts[] = {"",    " ",    "{",    "nul",
                                        "{}x", "\xff", "[1,2", "{\"a\":1,\"a\":2}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct table_metadata m;
        struct error err = {0};
        int result = table_metadata_parse(str_cstr(texts[i]), *state, &m, &err);
        expect_error(texts[i], result, &err, ERR_BAD_REQUEST, "");
    }
    static const char *const values[] = {"[]", "1", "\"x\"", "null", "true", "{}"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct table_metadata m;
        struct error err = {0};
        int result = table_metadata_parse(str_cstr(values[i]), *state, &m, &err);
        expect_error(values[i], result, &err, ERR_ILLEGAL_ARGUMENT, "Cannot parse table metadata");
    }
}

static void test_every_prefix(void **state)
{
    struct table_metadata m;
    struct str text = dump(*state, base_json(state, "v3"));
    for (size_t len = 0; len < text.len; len++) {
        struct error err = {0};
        char *copy = malloc(len + 1); /* so that reading past the end is seen */
        memcpy(copy, text.ptr, len);
        struct arena *arena = arena_new();
        int result = table_metadata_parse(str_from(copy, len), arena, &m, &err);
        expect_error("prefix", result, &err, ERR_BAD_REQUEST, "");
        arena_free(arena);
        free(copy);
    }
}

static const char *const replacements[] = {
    "null",
    "true",
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "1e2",
    "\"\"",
    "\"x\"",
    "[]",
    "[1]",
    "[\"x\"]",
    "[[]]",
    "[{}]",
    "{}",
    "{\"a\":1}",
    "{\"a\":{}}",
};

/* Either refused, or what is accepted can be published and read again. */
static void try_document(const json_t *root)
{
    struct arena *arena = arena_new();
    struct table_metadata m, published;
    struct error err = {0};
    if (table_metadata_parse(dump(arena, root), arena, &m, &err) == 0)
        parse_metadata(arena, publish(arena, &m, &published));
    else
        assert_int_equal(error_status(err.kind), 400);
    arena_free(arena);
}

static void replace_each(json_t *root, json_t *value)
{
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            json_t *old = json_incref(json_array_get(value, i));
            for (size_t j = 0; j < COUNT_OF(replacements); j++) {
                json_array_set_new(value, i, json_loads(replacements[j], JSON_DECODE_ANY, NULL));
                try_document(root);
            }
            json_array_set_new(value, i, old);
            replace_each(root, old);
        }
    } else if (json_is_object(value)) {
        for (void *at = json_object_iter(value); at != NULL;
             at = json_object_iter_next(value, at)) {
            json_t *old = json_incref(json_object_iter_value(at));
            for (size_t j = 0; j < COUNT_OF(replacements); j++) {
                json_object_iter_set_new(value, at,
                                         json_loads(replacements[j], JSON_DECODE_ANY, NULL));
                try_document(root);
            }
            json_object_iter_set_new(value, at, old);
            replace_each(root, old);
        }
    }
}

static void test_every_value_of_another_kind(void **state)
{
    static const char *const names[] = {"v1", "v2", "v3"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        json_t *json = base_json(state, names[i]);
        replace_each(json, json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_v1_without_lists),
        ARENA_TEST(test_v1_without_schema_id),
        ARENA_TEST(test_v1_last_partition_id_of_nothing),
        ARENA_TEST(test_v1_sequence_number_is_zero),
        ARENA_TEST(test_no_current_snapshot),
        ARENA_TEST(test_main_is_made_from_the_current_snapshot),
        ARENA_TEST(test_lists_may_be_absent_or_null),
        ARENA_TEST(test_old_snapshots_with_manifests_in_v2),
        ARENA_TEST(test_refusals),
        ARENA_TEST(test_default_spec_is_bound_to_the_current_schema),
        ARENA_TEST(test_many_refs),
        ARENA_TEST(test_no_json),
        ARENA_TEST(test_every_prefix),
        ARENA_TEST(test_every_value_of_another_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
