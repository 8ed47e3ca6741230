/* Finding columns by id and name: nested ones, short names, many, and names that are long. */
#include "tests/unit/schema_fixture.h"

#include "base/limits.h"

static const struct {
    const char *name;
    int id;
    bool structs, required;
} columns[] = {
    {"id", 10, true, true},
    {"points", 20, true, true},
    {"points.element", 21, false, true},
    {"points.element.x", 22, false, true},
    {"points.element.y", 23, false, true},
    {"props", 30, true, true},
    {"props.key", 31, false, false},
    {"props.value", 32, false, false},
    {"props.value.v", 33, false, false},
    {"s", 40, true, true},
    {"s.o", 41, true, true},
    {"s.k", 42, true, true},
    {"s.o.z", 43, true, false},
    {"ids", 50, true, true},
    {"ids.element", 51, false, false},
};
static const char *const no_columns[] = {
    "",
    ".",
    "x",
    "Id",
    "id.",
    ".id",
    "points.",
    "points.element.",
    "s.o.z.z",
    "o",
    "k",
    "element.x",
    "points.element.element",
    "props.keys",
    "idid",
    "i",
};

static void test_find(void **state)
{
    struct arena *arena = *state;
    struct schema schema = parse_schema(arena, nested_schema);
    struct column column;

    for (size_t i = 0; i < COUNT(columns); i++) {
        assert_true(schema_find_name(&schema, str_cstr(columns[i].name), arena, &column));
        assert_int_equal(column.field->id, columns[i].id);
        expect_text(column.full_name, columns[i].name);
        assert_true(schema_find_id(&schema, columns[i].id, arena, &column));
        assert_int_equal(column.field->id, columns[i].id);
        expect_text(column.full_name, columns[i].name);
        if (column.ancestors_structs != columns[i].structs ||
            column.ancestors_required != columns[i].required)
            fail_msg("ancestors of %s", columns[i].name);
        assert_true(schema_find_id(&schema, columns[i].id, NULL, &column));
        assert_null(column.full_name.ptr);
    }
    for (size_t i = 0; i < COUNT(no_columns); i++)
        if (schema_find_name(&schema, str_cstr(no_columns[i]), arena, &column))
            fail_msg("found %s", no_columns[i]);
    for (int id = -1; id <= 60; id++) {
        bool known = false;
        for (size_t i = 0; i < COUNT(columns); i++)
            known |= columns[i].id == id;
        assert_int_equal(schema_find_id(&schema, id, arena, &column), known);
    }
    assert_false(schema_find_id(&schema, INT64_MAX, arena, &column));
    assert_false(schema_find_id(&schema, INT64_MIN, arena, &column));
}

static void test_find_short_names(void **state)
{
    struct arena *arena = *state;
    struct schema schema = parse_schema(arena, nested_schema);
    struct column column;

    assert_true(schema_find_name(&schema, STR("points.x"), arena, &column));
    assert_int_equal(column.field->id, 22);
    expect_text(column.full_name, "points.element.x");
    assert_true(schema_find_name(&schema, STR("props.v"), arena, &column));
    assert_int_equal(column.field->id, 33);

    /* A struct that is a map's key is not left out. */
    schema = parse_schema(
        arena, SCHEMA("{'id':1,'name':'m','required':false,'type':{'type':'map','key-id':2,'key':{"
                      "'type':'struct','fields':[" FIELD(3, "a") "]},'value-id':4,'value':'int',"
                                                                 "'value-required':false}}"));
    assert_true(schema_find_name(&schema, STR("m.key.a"), arena, &column));
    assert_false(schema_find_name(&schema, STR("m.a"), arena, &column));

    /* A full name wins over a short one, whichever comes first. */
    schema = parse_schema(
        arena, SCHEMA("{'id':1,'name':'l','required':false,'type':{'type':'list','element-id':2,"
                      "'element-required':false,'element':{'type':'struct','fields':[" FIELD(
                          3, "a") "," FIELD(4, "b") "]}}}," FIELD(5, "l.a")));
    assert_true(schema_find_name(&schema, STR("l.a"), arena, &column));
    assert_int_equal(column.field->id, 5);
    assert_true(schema_find_name(&schema, STR("l.b"), arena, &column));
    assert_int_equal(column.field->id, 4);
}

/* The largest schema, with every column an identifier: each is looked up. */
static void test_wide(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct schema schema, fresh;
    struct column column;
    int64_t last;
    json_t *json = wide_schema(SCHEMA_COLUMNS_MAX, "c");
    json_t *ids = json_array();

    for (int i = 1; i <= SCHEMA_COLUMNS_MAX; i++)
        json_array_append_new(ids, json_integer(i));
    json_object_set_new(json, "identifier-field-ids", ids);
    expect_success("20000", schema_parse(json, arena, &schema, &err), &err);
    assert_int_equal(schema.identifier_field_count, SCHEMA_COLUMNS_MAX);
    assert_true(schema_find_name(&schema, STR("c19999"), arena, &column));
    assert_int_equal(column.field->id, 1);
    for (int id = 1; id <= SCHEMA_COLUMNS_MAX; id++) {
        assert_true(schema_find_id(&schema, id, arena, &column));
        assert_true(schema_find_name(&schema, column.full_name, NULL, &column));
        assert_int_equal(column.field->id, id);
    }
    schema_assign_fresh_ids(&schema, arena, &fresh, &last);
    assert_int_equal(last, SCHEMA_COLUMNS_MAX);
    assert_true(schema_find_name(&fresh, STR("c19999"), arena, &column));
    assert_int_equal(column.field->id, SCHEMA_COLUMNS_MAX);
    json_decref(json);

    json = wide_schema(SCHEMA_COLUMNS_MAX + 1, "c");
    expect_error("20001", schema_parse(json, arena, &schema, &err), &err, ERR_ILLEGAL_ARGUMENT,
                 "20000 columns");
    json_decref(json);
}

/* Long names high up in a deep schema must not be copied for every column below them. */
static void test_long_names_cost_little(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct schema schema;
    json_t *json = wide_schema(10000, "c");
    char *name = malloc(100001);

    memset(name, 'n', 100000);
    name[100000] = '\0';
    for (int level = 0; level < 20; level++) {
        json = json_pack("{s:s, s:[{s:i, s:s, s:b, s:o}]}", "type", "struct", "fields", "id",
                         20000 + level, "name", name, "required", 1, "type", json);
    }
    expect_success("deep", schema_parse(json, arena, &schema, &err), &err);
    assert_true(arena_bytes(arena) < 8 * 1000 * 1000);
    struct column column;
    assert_true(schema_find_id(&schema, 1, arena, &column));
    assert_int_equal(column.full_name.len, 20 * 100001 + strlen("c9999"));
    assert_true(schema_find_name(&schema, column.full_name, NULL, &column));
    assert_int_equal(column.field->id, 1);
    json_decref(json);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_find),
        ARENA_TEST(test_find_short_names),
        ARENA_TEST(test_wide),
        ARENA_TEST(test_long_names_cost_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
