/* Types: every spelling of every type, nesting, hostile JSON, comparison, printing. */
#include "tests/unit/iceberg_fixture.h"

#include "base/limits.h"
#include "iceberg/type.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct type *parse_type(struct arena *arena, const char *json)
{
    struct error err = {0};
    struct type *type = NULL;

    expect_success(json, type_parse(parse_json(arena, json), arena, &type, &err), &err);
    return type;
}

static struct str written(struct arena *arena, const struct type *type)
{
    struct buf buf = BUF_INIT(SIZE_MAX);

    type_write(type, &buf);
    struct str text = arena_str(arena, buf_str(&buf));
    buf_free(&buf);
    return text;
}

static const struct {
    const char *text;
    const char *canonical; /* NULL: refused */
    enum type_id id;
} texts[] = {
    {"boolean", "boolean", TYPE_BOOLEAN},
    {"int", "int", TYPE_INT},
    {"long", "long", TYPE_LONG},
    {"float", "float", TYPE_FLOAT},
    {"double", "double", TYPE_DOUBLE},
    {"date", "date", TYPE_DATE},
    {"time", "time", TYPE_TIME},
    {"timestamp", "timestamp", TYPE_TIMESTAMP},
    {"timestamptz", "timestamptz", TYPE_TIMESTAMPTZ},
    {"timestamp_ns", "timestamp_ns", TYPE_TIMESTAMP_NS},
    {"timestamptz_ns", "timestamptz_ns", TYPE_TIMESTAMPTZ_NS},
    {"string", "string", TYPE_STRING},
    {"uuid", "uuid", TYPE_UUID},
    {"binary", "binary", TYPE_BINARY},
    {"unknown", "unknown", TYPE_UNKNOWN},
    {"variant", "variant", TYPE_VARIANT},
    {"BOOLEAN", "boolean", TYPE_BOOLEAN},
    {"TimestampTZ_Ns", "timestamptz_ns", TYPE_TIMESTAMPTZ_NS},
    {"fixed[16]", "fixed[16]", TYPE_FIXED},
    {"FIXED[ 016 ]", "fixed[16]", TYPE_FIXED},
    {"fixed[2147483647]", "fixed[2147483647]", TYPE_FIXED},
    {"decimal(9,2)", "decimal(9, 2)", TYPE_DECIMAL},
    {"decimal(9, 2)", "decimal(9, 2)", TYPE_DECIMAL},
    {"Decimal( 38 , 0 )", "decimal(38, 0)", TYPE_DECIMAL},
    {"decimal(1,5)", "decimal(1, 5)", TYPE_DECIMAL},
    {"geometry", "geometry(OGC:CRS84)", TYPE_GEOMETRY},
    {"Geometry(EPSG:4326)", "geometry(EPSG:4326)", TYPE_GEOMETRY},
    {"geometry ( srid:3857 )", "geometry(srid:3857)", TYPE_GEOMETRY},
    {"geometry(a, b)", "geometry(a, b)", TYPE_GEOMETRY},
    {"geography", "geography(OGC:CRS84, spherical)", TYPE_GEOGRAPHY},
    {"geography(EPSG:4326)", "geography(EPSG:4326, spherical)", TYPE_GEOGRAPHY},
    {"geography(EPSG:4326,KARNEY)", "geography(EPSG:4326, karney)", TYPE_GEOGRAPHY},
    {"GEOGRAPHY (x , vincenty )", "geography(x, vincenty)", TYPE_GEOGRAPHY},
    {"geography(x, thomas)", "geography(x, thomas)", TYPE_GEOGRAPHY},
    {"geography(x, andoyer)", "geography(x, andoyer)", TYPE_GEOGRAPHY},
    {"geography(x, spherical)", "geography(x, spherical)", TYPE_GEOGRAPHY},
    {"", NULL, 0},
    {" int", NULL, 0},
    {"int ", NULL, 0},
    {"integer", NULL, 0},
    {"struct", NULL, 0},
    {"list", NULL, 0},
    {"map", NULL, 0},
    {"fixed", NULL, 0},
    {"fixed[]", NULL, 0},
    {"fixed[-1]", NULL, 0},
    {"fixed[+1]", NULL, 0},
    {"fixed[1.0]", NULL, 0},
    {"fixed[1]x", NULL, 0},
    {"fixed [1]", NULL, 0},
    {"fixed(1)", NULL, 0},
    {"fixed[2147483648]", NULL, 0},
    {"fixed[99999999999999999999999]", NULL, 0},
    {"fixed[", NULL, 0},
    {"fixed]", NULL, 0},
    {"]", NULL, 0},
    {"decimal", NULL, 0},
    {"decimal()", NULL, 0},
    {"decimal(9)", NULL, 0},
    {"decimal(9,)", NULL, 0},
    {"decimal(,2)", NULL, 0},
    {"decimal(9,2,1)", NULL, 0},
    {"decimal(39,2)", NULL, 0},
    {"decimal(0,0)", NULL, 0},
    {"decimal(9,-2)", NULL, 0},
    {"decimal(4294967305,2)", NULL, 0},
    {"int(3)", NULL, 0},
    {"geometry()", NULL, 0},
    {"geometry( )", NULL, 0},
    {"geometry(a)b)", NULL, 0},
    {"geometry(a)x", NULL, 0},
    {"geographyx", NULL, 0},
    {"geography(, karney)", NULL, 0},
    {"geography(x, )", NULL, 0},
    {"geography(x,)", NULL, 0},
    {"geography(x, flat)", NULL, 0},
    {"geography(x, karney, y)", NULL, 0},
};

static void test_texts(void **state)
{
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct error err = {0};
        struct type *type = NULL;
        json_t *json = json_string(texts[i].text);
        int result = type_parse(json, arena, &type, &err);
        json_decref(json);
        if (texts[i].canonical == NULL) {
            expect_error(texts[i].text, result, &err, ERR_ILLEGAL_ARGUMENT, texts[i].text);
            continue;
        }
        expect_success(texts[i].text, result, &err);
        assert_int_equal(type->id, texts[i].id);
        expect_text(type_display(type, arena), texts[i].canonical);
        const char *json_text = arena_printf(arena, "'%s'", texts[i].canonical).ptr;
        expect_text(written(arena, type), json_text);
        assert_true(type_equal(type, parse_type(arena, json_text)));
    }
}

/* No two different types are equal, and each equals itself. */
static void test_equality_matrix(void **state)
{
    static const char *const types[] = {
        "'boolean'",
        "'int'",
        "'long'",
        "'string'",
        "'binary'",
        "'unknown'",
        "'variant'",
        "'fixed[1]'",
        "'fixed[2]'",
        "'decimal(9,2)'",
        "'decimal(9,3)'",
        "'decimal(8,2)'",
        "'geometry'",
        "'geometry(x)'",
        "'geography'",
        "'geography(x)'",
        "'geography(x, karney)'",
        "{'type':'struct','fields':[]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':2,'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'name':'b','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':false,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'long'}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'int','doc':''}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'int','doc':'d'}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'int',"
        "'initial-default':1}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'int',"
        "'write-default':1}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'int',"
        "'write-default':2}]}",
        "{'type':'list','element-id':1,'element':'int','element-required':true}",
        "{'type':'list','element-id':1,'element':'int','element-required':false}",
        "{'type':'list','element-id':2,'element':'int','element-required':true}",
        "{'type':'map','key-id':1,'key':'int','value-id':2,'value':'int','value-required':true}",
        "{'type':'map','key-id':1,'key':'int','value-id':2,'value':'int','value-required':false}",
        "{'type':'map','key-id':1,'key':'int','value-id':3,'value':'int','value-required':true}",
        "{'type':'map','key-id':1,'key':'long','value-id':2,'value':'int','value-required':true}",
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(types); i++) {
        for (size_t k = 0; k < COUNT(types); k++) {
            bool equal = type_equal(parse_type(arena, types[i]), parse_type(arena, types[k]));
            if (equal != (i == k))
                fail_msg("%s and %s", types[i], types[k]);
        }
        expect_text(
            written(arena, parse_type(arena, types[i])),
            written(arena, parse_type(arena, written(arena, parse_type(arena, types[i])).ptr)).ptr);
    }
    assert_true(
        type_equal(parse_type(arena, "'geometry(ogc:crs84)'"), parse_type(arena, "'geometry'")));
    assert_true(type_equal(parse_type(arena, "'geography(OGC:CRS84, SPHERICAL)'"),
                           parse_type(arena, "'geography'")));
}

static void test_nested_print(void **state)
{
    struct arena *arena = *state;
    const char *canonical =
        "{'type':'struct','fields':[{'id':1,'name':'a\\'b','required':true,'type':{'type':'list',"
        "'element-id':2,'element':{'type':'map','key-id':3,'key':'string','value-id':4,'value':"
        "'decimal(9, 2)','value-required':false},'element-required':true},'doc':'of a'},"
        "{'id':5,'name':'','required':false,'type':'long','initial-default':-7,"
        "'write-default':9223372036854775807}]}";
    const char *given =
        "{'fields':[{'doc':'of a','type':{'element-required':true,'element':{'value-required':"
        "false,'type':'map','key':'STRING','key-id':3,'value':'Decimal(9,2)','value-id':4},"
        "'element-id':2,'type':'list','extra':{}},'required':true,'name':'a\\'b','id':1},{'id':5,"
        "'name':'','required':false,'type':'long','initial-default':-7,'doc':null,"
        "'write-default':9223372036854775807}],'type':'struct','future':[1]}";

    expect_text(written(arena, parse_type(arena, given)), canonical);
    struct type *list =
        parse_type(arena, "{'type':'list','element-id':1,'element':'int','element-required':true}");
    expect_text(type_display(list, arena), "list");
    expect_text(list->fields[0].name, "element");
    struct type *map = parse_type(arena, "{'type':'map','key-id':1,'key':'int','value-id':2,"
                                         "'value':'int','value-required':false}");
    assert_true(map->fields[0].required);
    assert_false(map->fields[1].required);
    expect_text(map->fields[1].name, "value");
}

/* A CRS is free text: what it holds must come out as valid JSON. */
static void test_crs_is_escaped(void **state)
{
    struct arena *arena = *state;
    struct type *type = parse_type(arena, "'geometry(a\\'b\\\\)'");

    expect_text(written(arena, type), "'geometry(a\\'b\\\\)'");
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "null",
        "1",
        "true",
        "[]",
        "{}",
        "{'type':null}",
        "{'type':1}",
        "{'type':'int'}",
        "{'type':'STRUCT','fields':[]}",
        "{'type':{'type':'struct'},'fields':[]}",
        "{'type':'struct'}",
        "{'type':'struct','fields':null}",
        "{'type':'struct','fields':{}}",
        "{'type':'struct','fields':[null]}",
        "{'type':'struct','fields':[[]]}",
        "{'type':'struct','fields':['int']}",
        "{'type':'struct','fields':[{}]}",
        "{'type':'struct','fields':[{'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':null,'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':'1','name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':1.0,'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':-1,'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':2147483648,'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':4294967297,'name':'a','required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'name':null,'required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'name':5,'required':true,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':'true','type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':1,'type':'int'}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':null}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'int','doc':1}]}",
        "{'type':'struct','fields':[{'id':1,'name':'a','required':true,'type':'unknown'}]}",
        "{'type':'list','element':'int','element-required':true}",
        "{'type':'list','element-id':1,'element-required':true}",
        "{'type':'list','element-id':1,'element':'int'}",
        "{'type':'list','element-id':-1,'element':'int','element-required':true}",
        "{'type':'list','element-id':1,'element':'unknown','element-required':true}",
        "{'type':'map','key':'int','value-id':2,'value':'int','value-required':true}",
        "{'type':'map','key-id':1,'value-id':2,'value':'int','value-required':true}",
        "{'type':'map','key-id':1,'key':'int','value':'int','value-required':true}",
        "{'type':'map','key-id':1,'key':'int','value-id':2,'value-required':true}",
        "{'type':'map','key-id':1,'key':'int','value-id':2,'value':'int'}",
        "{'type':'map','key-id':1,'key':'unknown','value-id':2,'value':'int',"
        "'value-required':true}",
        "{'type':'map','key-id':1,'key':'int','value-id':2,'value':'unknown',"
        "'value-required':true}",
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct type *type;
        int result = type_parse(parse_json(arena, cases[i]), arena, &type, &err);
        expect_error(cases[i], result, &err, ERR_ILLEGAL_ARGUMENT, "");
        assert_true(str_is_utf8(str_cstr(err.message)));
    }
    parse_type(arena, "{'type':'list','element-id':1,'element':'unknown','element-required':"
                      "false}");
    parse_type(arena, "{'type':'struct','fields':[{'id':0,'name':'a','required':false,'type':"
                      "'unknown','initial-default':null}]}");
    parse_type(arena, "{'type':'struct','fields':[{'id':2147483647,'name':'a','required':false,"
                      "'type':'int'}]}");
}

static void test_messages(void **state)
{
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"'intt'", "Cannot parse type string to primitive: intt"},
        {"7", "Cannot parse type from 7"},
        {"{'type':'row'}", "Cannot parse type from an object of type \"row\""},
        {"{'type':'struct','fields':[{'id':'one'}]}",
         "Cannot parse to an integer value: id: \"one\""},
        {"{'type':'struct','fields':[{'id':[]}]}",
         "Cannot parse to an integer value: id: an array"},
        {"{'type':'struct','fields':[{}]}", "Cannot parse missing int: id"},
        {"{'type':'struct','fields':[{'id':1}]}", "Cannot parse missing string: name"},
        {"{'type':'struct','fields':[{'id':1,'name':'n'}]}",
         "Cannot parse missing boolean: required"},
        {"{'type':'struct','fields':[{'id':1,'name':'n','required':false}]}",
         "Cannot parse type from nothing"},
        {"{'type':'struct','fields':[{'id':1,'name':'n','required':true,'type':'unknown'}]}",
         "Cannot create required field with unknown type: n"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct type *type;
        int result = type_parse(parse_json(arena, cases[i].json), arena, &type, &err);
        expect_error(cases[i].json, result, &err, ERR_ILLEGAL_ARGUMENT, cases[i].message);
    }
}

/* A list of a list of … int, `depth` types in all. */
static int parse_depth(struct arena *arena, int depth, struct error *err)
{
    json_t *json = json_string("int");
    struct type *type;

    for (int i = 1; i < depth; i++) {
        json = json_pack("{s:s, s:i, s:o, s:b}", "type", "list", "element-id", i, "element", json,
                         "element-required", 0);
    }
    int result = type_parse(json, arena, &type, err);
    json_decref(json);
    return result;
}

static void test_depth(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};

    expect_success("depth max", parse_depth(arena, SCHEMA_DEPTH_MAX, &err), &err);
    expect_error("depth max + 1", parse_depth(arena, SCHEMA_DEPTH_MAX + 1, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "nested deeper than 60");
    expect_error("depth 2000", parse_depth(arena, 2000, &err), &err, ERR_ILLEGAL_ARGUMENT,
                 "nested deeper than 60");
}

/* A struct of `count` fields, the first of which is a map: count + 2 columns. */
static int parse_columns(struct arena *arena, int count, struct error *err)
{
    json_t *fields = json_array();
    struct type *type;

    for (int i = 0; i < count; i++) {
        json_t *column =
            i > 0 ? json_string("int")
                  : json_pack("{s:s, s:i, s:s, s:i, s:s, s:b}", "type", "map", "key-id", 1, "key",
                              "int", "value-id", 2, "value", "int", "value-required", 0);
        json_array_append_new(fields, json_pack("{s:i, s:s, s:b, s:o}", "id", i + 3, "name", "c",
                                                "required", 0, "type", column));
    }
    json_t *json = json_pack("{s:s, s:o}", "type", "struct", "fields", fields);
    int result = type_parse(json, arena, &type, err);
    json_decref(json);
    return result;
}

static void test_column_count(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};

    expect_success("20000", parse_columns(arena, SCHEMA_COLUMNS_MAX - 2, &err), &err);
    expect_error("20001", parse_columns(arena, SCHEMA_COLUMNS_MAX - 1, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "more than 20000 columns");
    expect_error("40000", parse_columns(arena, 2 * SCHEMA_COLUMNS_MAX, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "more than 20000 columns");
}

/* Long foreign text is cut in messages, between characters. */
static void test_long_texts(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct type *type;
    char text[5001];

    for (size_t i = 0; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[5000] = '\0';
    json_t *json = json_string(text);
    expect_error("long text", type_parse(json, arena, &type, &err), &err, ERR_ILLEGAL_ARGUMENT,
                 "Cannot parse type string to primitive: \xc3\xa9");
    assert_true(str_is_utf8(str_cstr(err.message)));
    text[0] = 'x'; /* behind it characters begin at odd offsets */
    memmove(text + 1, text + 2, 4999);
    for (size_t shift = 0; shift < 2; shift++) {
        json_t *field =
            json_pack("{s:s, s:[{s:s}]}", "type", "struct", "fields", "id", text + shift);
        expect_error("long id", type_parse(field, arena, &type, &err), &err, ERR_ILLEGAL_ARGUMENT,
                     "...\"");
        assert_true(str_is_utf8(str_cstr(err.message)));
        json_decref(field);
    }
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_texts),        ARENA_TEST(test_equality_matrix),
        ARENA_TEST(test_nested_print), ARENA_TEST(test_crs_is_escaped),
        ARENA_TEST(test_refused),      ARENA_TEST(test_messages),
        ARENA_TEST(test_depth),        ARENA_TEST(test_column_count),
        ARENA_TEST(test_long_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
