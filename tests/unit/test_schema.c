/* Schemas: parsing, uniqueness, identifier fields, versions, look-ups, fresh ids, comparison. */
#include "tests/unit/schema_fixture.h"

static void test_parse_and_print(void **state)
{
    struct arena *arena = *state;
    struct schema schema = parse_schema(arena, nested_schema);

    assert_int_equal(schema.schema_id, 7);
    assert_int_equal(schema.identifier_field_count, 2);
    assert_int_equal(schema.identifier_field_ids[0], 10);
    assert_int_equal(schema.identifier_field_ids[1], 42);
    assert_int_equal(schema_highest_field_id(&schema), 51);

    struct schema empty = parse_schema(arena, "{'type':'struct','fields':[]}");
    assert_int_equal(schema_highest_field_id(&empty), 0);
    expect_text(written(arena, &empty), "{'type':'struct','schema-id':0,'fields':[]}");

    struct schema small =
        parse_schema(arena, "{'fields':[{'name':'a','id':3,'type':'INT','required':true}],"
                            "'type':'struct','identifier-field-ids':[3,3],'schema-id':2}");
    expect_text(written(arena, &small),
                "{'type':'struct','schema-id':2,'identifier-field-ids':[3],'fields':"
                "[{'id':3,'name':'a','required':true,'type':'int'}]}");
    struct schema again = parse_schema(arena, written(arena, &schema).ptr);
    assert_true(schema_same(&schema, &again));
    expect_text(written(arena, &again), written(arena, &schema).ptr);
}

static void test_nulls_are_absent(void **state)
{
    struct arena *arena = *state;
    struct schema schema = parse_schema(
        arena, "{'type':'struct','schema-id':null,'identifier-field-ids':null,'fields':["
               "{'id':1,'name':'a','required':false,'type':'int','doc':null,"
               "'initial-default':null,'write-default':null}]}");

    expect_text(written(arena, &schema), "{'type':'struct','schema-id':0,'fields':"
                                         "[{'id':1,'name':'a','required':false,'type':'int'}]}");
}

static void test_malformed(void **state)
{
    static const char *const cases[] = {
        "null",
        "[]",
        "'struct'",
        "7",
        "{}",
        "{'fields':[]}",
        "{'type':'list','element-id':1,'element':'int','element-required':true}",
        "{'type':'map','key-id':1,'key':'int','value-id':2,'value':'int','value-required':true}",
        "{'type':'struct'}",
        "{'type':'struct','fields':null}",
        "{'type':'struct','fields':{}}",
        "{'type':'struct','fields':[],'schema-id':'0'}",
        "{'type':'struct','fields':[],'schema-id':0.0}",
        "{'type':'struct','fields':[],'schema-id':2147483648}",
        "{'type':'struct','fields':[],'schema-id':-2147483649}",
        "{'type':'struct','fields':[],'schema-id':[]}",
        "{'type':'struct','fields':[],'identifier-field-ids':1}",
        "{'type':'struct','fields':[],'identifier-field-ids':{}}",
        "{'type':'struct','fields':[],'identifier-field-ids':['1']}",
        "{'type':'struct','fields':[],'identifier-field-ids':[null]}",
        "{'type':'struct','fields':[],'identifier-field-ids':[1.5]}",
        "{'type':'struct','fields':[],'identifier-field-ids':[9223372036854775807]}",
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct schema schema;
        int result = schema_parse(parse_json(arena, cases[i]), arena, &schema, &err);
        expect_error(cases[i], result, &err, ERR_ILLEGAL_ARGUMENT, "");
    }
    struct error err = {0};
    struct schema schema;
    expect_error("absent", schema_parse(NULL, arena, &schema, &err), &err, ERR_ILLEGAL_ARGUMENT,
                 "nothing");
}

static void test_uniqueness(void **state)
{
    static const struct {
        const char *json, *message; /* NULL: accepted */
    } cases[] = {
        {SCHEMA(FIELD(1, "a") "," FIELD(2, "A")), NULL},
        {SCHEMA(FIELD(1, "a") "," STRUCT(2, "s", FIELD(3, "a"))), NULL},
        {SCHEMA(STRUCT(1, "r", FIELD(2, "a")) "," STRUCT(3, "s", FIELD(4, "a"))), NULL},
        {SCHEMA(FIELD(1, "")), NULL},
        {SCHEMA(STRUCT(1, "", FIELD(2, ""))), NULL},
        {SCHEMA(FIELD(1, "a") "," FIELD(2, "a")),
         "Invalid schema: multiple fields for name a: 1 and 2"},
        {SCHEMA(FIELD(1, "") "," FIELD(2, "")),
         "Invalid schema: multiple fields for name : 1 and 2"},
        {SCHEMA(FIELD(1, "s.a") "," STRUCT(2, "s", FIELD(3, "a"))),
         "Invalid schema: multiple fields for name s.a: 1 and 3"},
        {SCHEMA(STRUCT(1, "s.a", FIELD(2, "b")) "," STRUCT(3, "s", FIELD(4, "a.b"))),
         "Invalid schema: multiple fields for name s.a.b: 2 and 4"},
        {SCHEMA("{'id':1,'name':'l','required':false,'type':{'type':'list','element-id':2,"
                "'element':'int','element-required':false}}," FIELD(3, "l.element")),
         "Invalid schema: multiple fields for name l.element: 2 and 3"},
        {SCHEMA(FIELD(1, "a") "," FIELD(1, "b")),
         "Invalid schema: multiple fields for id 1: a and b"},
        {SCHEMA(FIELD(1, "a") "," STRUCT(2, "s", FIELD(1, "b"))),
         "Invalid schema: multiple fields for id 1: a and s.b"},
        {SCHEMA(STRUCT(2, "s", FIELD(2, "b"))),
         "Invalid schema: multiple fields for id 2: s and s.b"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct schema schema;
        int result = schema_parse(parse_json(arena, cases[i].json), arena, &schema, &err);
        if (cases[i].message == NULL)
            expect_success(cases[i].json, result, &err);
        else
            expect_error(cases[i].json, result, &err, ERR_VALIDATION, cases[i].message);
    }
}

static void test_identifier_fields(void **state)
{
    static const struct {
        const char *field, *message; /* the field with id 9; NULL: accepted */
    } cases[] = {
        {"{'id':9,'name':'a','required':true,'type':'int'}", NULL},
        {"{'id':9,'name':'a','required':true,'type':'decimal(9,2)'}", NULL},
        {"{'id':1,'name':'s','required':true,'type':{'type':'struct','fields':["
         "{'id':2,'name':'t','required':true,'type':{'type':'struct','fields':["
         "{'id':9,'name':'a','required':true,'type':'string'}]}}]}}",
         NULL},
        {"{'id':1,'name':'a','required':true,'type':'int'}",
         "Cannot add fieldId 9 as an identifier field: field does not exist"},
        {"{'id':9,'name':'a','required':false,'type':'int'}",
         "Cannot add field a as an identifier field: not a required field"},
        {"{'id':9,'name':'a','required':true,'type':'float'}",
         "Cannot add field a as an identifier field: must not be float or double field"},
        {"{'id':9,'name':'a','required':true,'type':'double'}",
         "Cannot add field a as an identifier field: must not be float or double field"},
        {"{'id':9,'name':'a','required':true,'type':'variant'}",
         "Cannot add field a as an identifier field: not a primitive type field"},
        {"{'id':9,'name':'a','required':true,'type':{'type':'struct','fields':[]}}",
         "Cannot add field a as an identifier field: not a primitive type field"},
        {"{'id':1,'name':'s','required':false,'type':{'type':'struct','fields':["
         "{'id':9,'name':'a','required':true,'type':'int'}]}}",
         "Cannot add field s.a as an identifier field: must not be nested in an optional field"},
        {"{'id':1,'name':'s','required':true,'type':{'type':'struct','fields':["
         "{'id':2,'name':'t','required':false,'type':{'type':'struct','fields':["
         "{'id':9,'name':'a','required':true,'type':'int'}]}}]}}",
         "Cannot add field s.t.a as an identifier field: must not be nested in an optional field"},
        {"{'id':1,'name':'s','required':false,'type':{'type':'struct','fields':["
         "{'id':2,'name':'t','required':true,'type':{'type':'struct','fields':["
         "{'id':9,'name':'a','required':true,'type':'int'}]}}]}}",
         "Cannot add field s.t.a as an identifier field: must not be nested in an optional field"},
        {"{'id':1,'name':'l','required':true,'type':{'type':'list','element-id':9,"
         "'element':'int','element-required':true}}",
         "Cannot add field l.element as an identifier field: must not be nested in a list or map"},
        {"{'id':1,'name':'l','required':true,'type':{'type':'list','element-id':2,"
         "'element-required':true,'element':{'type':'struct','fields':["
         "{'id':9,'name':'a','required':true,'type':'int'}]}}}",
         "Cannot add field l.element.a as an identifier field: must not be nested in a list"},
        {"{'id':1,'name':'m','required':true,'type':{'type':'map','key-id':9,'key':'int',"
         "'value-id':3,'value':'int','value-required':true}}",
         "Cannot add field m.key as an identifier field: must not be nested in a list or map"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct schema schema;
        const char *json =
            arena_printf(arena, "{'type':'struct','identifier-field-ids':[9],'fields':[%s]}",
                         cases[i].field)
                .ptr;
        int result = schema_parse(parse_json(arena, json), arena, &schema, &err);
        if (cases[i].message == NULL)
            expect_success(json, result, &err);
        else
            expect_error(json, result, &err, ERR_VALIDATION, cases[i].message);
    }
}

static void test_version_by_type(void **state)
{
    static const struct {
        const char *type, *display; /* NULL: in every version */
    } cases[] = {
        {"boolean", NULL},
        {"int", NULL},
        {"long", NULL},
        {"float", NULL},
        {"double", NULL},
        {"date", NULL},
        {"time", NULL},
        {"timestamp", NULL},
        {"timestamptz", NULL},
        {"string", NULL},
        {"uuid", NULL},
        {"binary", NULL},
        {"fixed[4]", NULL},
        {"decimal(9,2)", NULL},
        {"timestamp_ns", "timestamp_ns"},
        {"timestamptz_ns", "timestamptz_ns"},
        {"variant", "variant"},
        {"unknown", "unknown"},
        {"geometry", "geometry(OGC:CRS84)"},
        {"geography(x)", "geography(x, spherical)"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        const char *json = arena_printf(arena,
                                        "{'type':'struct','fields':[{'id':1,'name':'col',"
                                        "'required':false,'type':'%s'}]}",
                                        cases[i].type)
                               .ptr;
        struct schema schema = parse_schema(arena, json);
        expect_success(json, schema_check_version(&schema, 3, &err), &err);
        for (int version = 1; version <= 2; version++) {
            int result = schema_check_version(&schema, version, &err);
            if (cases[i].display == NULL) {
                expect_success(json, result, &err);
                continue;
            }
            expect_error(json, result, &err, ERR_ILLEGAL_ARGUMENT, "");
            expect_text(str_cstr(err.message),
                        arena_printf(arena,
                                     "Invalid schema for v%d:\n- Invalid type for col: %s is not "
                                     "supported until v3",
                                     version, cases[i].display)
                            .ptr);
        }
    }
}

static void test_version_of_several_columns(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct schema schema = parse_schema(
        arena, "{'type':'struct','fields':["
               "{'id':9,'name':'v','required':false,'type':'variant'},"
               "{'id':1,'name':'d','required':false,'type':'int','initial-default':5},"
               "{'id':2,'name':'w','required':false,'type':'int','write-default':5},"
               "{'id':3,'name':'m','required':false,'type':{'type':'map','key-id':8,'key':"
               "'timestamp_ns','value-id':7,'value-required':false,'value':{'type':'struct',"
               "'fields':[{'id':4,'name':'u','required':false,'type':'unknown'}]}}}]}");

    expect_error("v2", schema_check_version(&schema, 2, &err), &err, ERR_ILLEGAL_ARGUMENT,
                 "variant is not supported until v3");
    expect_text(str_cstr(err.message),
                "Invalid schema for v2:\n"
                "- Invalid initial default for d: non-null default (5) is not supported until v3\n"
                "- Invalid type for m.value.u: unknown is not supported until v3\n"
                "- Invalid type for m.key: timestamp_ns is not supported until v3\n"
                "- Invalid type for v: variant is not supported until v3");
    expect_success("v3", schema_check_version(&schema, 3, &err), &err);
}

static void test_fresh_ids(void **state)
{
    struct arena *arena = *state;
    struct schema schema = parse_schema(arena, nested_schema);
    struct str before = written(arena, &schema);
    struct schema fresh;
    int64_t last;

    schema_assign_fresh_ids(&schema, arena, &fresh, &last);
    assert_int_equal(last, 15);
    assert_int_equal(schema_highest_field_id(&fresh), 15);
    expect_text(
        written(arena, &fresh),
        "{'type':'struct','schema-id':0,'identifier-field-ids':[1,13],'fields':["
        "{'id':1,'name':'id','required':true,'type':'long','doc':'the key'},"
        "{'id':2,'name':'points','required':true,'type':{'type':'list','element-id':6,'element':"
        "{'type':'struct','fields':["
        "{'id':7,'name':'x','required':true,'type':'int'},"
        "{'id':8,'name':'y','required':false,'type':'int','initial-default':1}]},"
        "'element-required':true}},"
        "{'id':3,'name':'props','required':false,'type':{'type':'map','key-id':9,'key':'string',"
        "'value-id':10,'value':{'type':'struct','fields':["
        "{'id':11,'name':'v','required':true,'type':'variant'}]},'value-required':false}},"
        "{'id':4,'name':'s','required':true,'type':{'type':'struct','fields':["
        "{'id':12,'name':'o','required':false,'type':{'type':'struct','fields':["
        "{'id':14,'name':'z','required':true,'type':'int'}]}},"
        "{'id':13,'name':'k','required':true,'type':'string'}]}},"
        "{'id':5,'name':'ids','required':false,'type':{'type':'list','element-id':15,'element':"
        "'long','element-required':false}}]}");
    expect_text(written(arena, &schema), before.ptr); /* the given one is left alone */

    int64_t id = 0;
    assert_true(schema_translate_id(&schema, &fresh, 43, &id));
    assert_int_equal(id, 14);
    assert_false(schema_translate_id(&schema, &fresh, 44, &id));

    /* Identifier ids stay ascending where numbering turns them round. */
    struct schema turned =
        parse_schema(arena, "{'type':'struct','identifier-field-ids':[10,20],'fields':["
                            "{'id':20,'name':'a','required':true,'type':'int'},"
                            "{'id':10,'name':'b','required':true,'type':'int'}]}");
    schema_assign_fresh_ids(&turned, arena, &fresh, &last);
    assert_int_equal(fresh.identifier_field_ids[0], 1);
    assert_int_equal(fresh.identifier_field_ids[1], 2);

    struct schema empty = parse_schema(arena, "{'type':'struct','schema-id':3,'fields':[]}");
    schema_assign_fresh_ids(&empty, arena, &fresh, &last);
    assert_int_equal(last, 0);
    assert_int_equal(fresh.schema_id, 0);
}

/* Keys of maps and nested lists: key id, value id, then the key's type, then the value's. */
static void test_fresh_ids_of_maps(void **state)
{
    struct arena *arena = *state;
    struct schema schema = parse_schema(
        arena,
        "{'type':'struct','fields':[{'id':1,'name':'m','required':true,'type':{'type':'map',"
        "'key-id':2,'key':{'type':'struct','fields':[" FIELD(
            3, "a") "]},'value-id':4,"
                    "'value':{'type':'list','element-id':5,'element':{'type':'list','element-id':6,"
                    "'element':'int','element-required':true},'element-required':true},"
                    "'value-required':true}}," FIELD(7, "z") "]}");
    static const struct {
        const char *name;
        int id;
    } want[] = {
        {"m", 1},
        {"z", 2},
        {"m.key", 3},
        {"m.value", 4},
        {"m.key.a", 5},
        {"m.value.element", 6},
        {"m.value.element.element", 7},
    };
    struct schema fresh;
    int64_t last;

    schema_assign_fresh_ids(&schema, arena, &fresh, &last);
    for (size_t i = 0; i < COUNT(want); i++) {
        struct column column;
        assert_true(schema_find_name(&fresh, str_cstr(want[i].name), arena, &column));
        assert_int_equal(column.field->id, want[i].id);
    }
    assert_int_equal(last, 7);
}

static void test_same(void **state)
{
    static const char *const different[] = {
        "{'type':'struct','fields':[]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','identifier-field-ids':[1],'fields':["
        "{'id':1,'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'int'},"
        "{'id':2,'name':'b','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':2,'name':'b','required':true,'type':'int'},"
        "{'id':1,'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','identifier-field-ids':[1],'fields':["
        "{'id':1,'name':'a','required':true,'type':'int'},"
        "{'id':2,'name':'b','required':true,'type':'int'}]}",
        "{'type':'struct','identifier-field-ids':[2],'fields':["
        "{'id':1,'name':'a','required':true,'type':'int'},"
        "{'id':2,'name':'b','required':true,'type':'int'}]}",
        "{'type':'struct','identifier-field-ids':[2,1],'fields':["
        "{'id':1,'name':'a','required':true,'type':'int'},"
        "{'id':2,'name':'b','required':true,'type':'int'}]}",
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(different); i++) {
        for (size_t k = 0; k < COUNT(different); k++) {
            struct schema a = parse_schema(arena, different[i]);
            struct schema b = parse_schema(arena, different[k]);
            b.schema_id = 99;
            assert_int_equal(schema_same(&a, &b), i == k);
        }
    }
    struct schema a = parse_schema(arena, different[7]);
    struct schema b = parse_schema(
        arena, "{'schema-id':4,'type':'struct','identifier-field-ids':[1,2,1],'fields':["
               "{'id':1,'name':'a','required':true,'type':'INT'},"
               "{'id':2,'name':'b','required':true,'type':'int'}]}");
    assert_true(schema_same(&a, &b));
}

/* Hundreds of problems with long names: the message is cut, and stays text. */
static void test_version_message_is_bounded(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct schema schema;
    json_t *json = wide_schema(500, "\xc3\xa9\xc3\xa9\xc3\xa9");
    json_t *fields = json_object_get(json, "fields");

    for (size_t i = 0; i < json_array_size(fields); i++)
        json_object_set_new(json_array_get(fields, i), "type", json_string("variant"));
    expect_success("500", schema_parse(json, arena, &schema, &err), &err);
    expect_error("500", schema_check_version(&schema, 1, &err), &err, ERR_ILLEGAL_ARGUMENT,
                 "Invalid schema for v1:\n- Invalid type for \xc3\xa9\xc3\xa9\xc3\xa9"
                 "499: variant is not supported until v3\n");
    assert_true(str_is_utf8(str_cstr(err.message)));
    json_decref(json);
}

/* Nothing of the JSON is kept. */
static void test_outlives_json(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct schema schema;
    struct arena *other = arena_new();

    expect_success("nested", schema_parse(parse_json(other, nested_schema), arena, &schema, &err),
                   &err);
    struct str before = written(arena, &schema);
    arena_free(other);
    expect_text(written(arena, &schema), before.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_parse_and_print),
        ARENA_TEST(test_nulls_are_absent),
        ARENA_TEST(test_malformed),
        ARENA_TEST(test_uniqueness),
        ARENA_TEST(test_identifier_fields),
        ARENA_TEST(test_version_by_type),
        ARENA_TEST(test_version_of_several_columns),
        ARENA_TEST(test_fresh_ids),
        ARENA_TEST(test_fresh_ids_of_maps),
        ARENA_TEST(test_same),
        ARENA_TEST(test_version_message_is_bounded),
        ARENA_TEST(test_outlives_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
