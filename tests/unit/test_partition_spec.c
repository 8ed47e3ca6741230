/* Transforms and partition specs: spellings, every transform on every type, names, numbering. */
#include "tests/unit/iceberg_fixture.h"

#include "base/limits.h"
#include "iceberg/partition_spec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_transform_texts(void **state)
{
    static const struct {
        const char *text, *canonical; /* NULL: refused */
    } cases[] = {
        {"identity", "identity"},
        {"IDENTITY", "identity"},
        {"Void", "void"},
        {"year", "year"},
        {"Month", "month"},
        {"DAY", "day"},
        {"hour", "hour"},
        {"bucket[16]", "bucket[16]"},
        {"BUCKET[016]", "bucket[16]"},
        {"bucket[2147483647]", "bucket[2147483647]"},
        {"truncate[4]", "truncate[4]"},
        {"Truncate[4]", "truncate[4]"},
        {"bucket[0]", NULL},
        {"truncate[0]", NULL},
        {"bucket[2147483648]", NULL},
        {"bucket[99999999999999999999999999]", NULL},
        /* From here on unknown, kept as they are. */
        {"bucket", "bucket"},
        {"Bucket[]", "Bucket[]"},
        {"bucket[ 16 ]", "bucket[ 16 ]"},
        {"bucket[-1]", "bucket[-1]"},
        {"bucket[1", "bucket[1"},
        {"bucket]1[", "bucket]1["},
        {"bucket[1][2]", "bucket[1][2]"},
        {"identity[1]", "identity[1]"},
        {"YEARS", "YEARS"},
        {" identity", " identity"},
        {"zorder[3]", "zorder[3]"},
        {"Custom\"One", "Custom\"One"},
        {"", ""},
        {"]", "]"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct str canonical;
        int result = transform_parse(str_cstr(cases[i].text), arena, &canonical, &err);
        if (cases[i].canonical == NULL) {
            expect_error(cases[i].text, result, &err, ERR_ILLEGAL_ARGUMENT, cases[i].text);
        } else {
            expect_success(cases[i].text, result, &err);
            expect_text(canonical, cases[i].canonical);
            assert_int_equal(transform_is_void(canonical), strcmp(cases[i].canonical, "void") == 0);
        }
    }
}

static const char *const all_types[] = {
    "'boolean'",
    "'int'",
    "'long'",
    "'float'",
    "'double'",
    "'date'",
    "'time'",
    "'timestamp'",
    "'timestamptz'",
    "'timestamp_ns'",
    "'timestamptz_ns'",
    "'string'",
    "'uuid'",
    "'binary'",
    "'fixed[4]'",
    "'decimal(9,2)'",
    "'unknown'",
    "'variant'",
    "'geometry'",
    "'geography'",
    "{'type':'struct','fields':[]}",
    "{'type':'list','element-id':8,'element':'int','element-required':true}",
    "{'type':'map','key-id':8,'key':'int','value-id':9,'value':'int','value-required':true}",
};

/* One row per transform, one column per type in the order above: y applies, n does not. */
static const struct {
    const char *transform, *applies;
} applicability[] = {
    /* numbers, then times, then texts and bytes, decimal and unknown, variant and geo, nested */
    {"identity", "yyyyy"
                 "yyyyy"
                 "yyyyy"
                 "yy"
                 "nnn"
                 "nnn"},
    {"void", "yyyyy"
             "yyyyy"
             "yyyyy"
             "yy"
             "yyy"
             "yyy"},
    {"year", "nnnnn"
             "ynyyy"
             "ynnnn"
             "nn"
             "nnn"
             "nnn"},
    {"month", "nnnnn"
              "ynyyy"
              "ynnnn"
              "nn"
              "nnn"
              "nnn"},
    {"day", "nnnnn"
            "ynyyy"
            "ynnnn"
            "nn"
            "nnn"
            "nnn"},
    {"hour", "nnnnn"
             "nnyyy"
             "ynnnn"
             "nn"
             "nnn"
             "nnn"},
    {"bucket[4]", "nyynn"
                  "yyyyy"
                  "yyyyy"
                  "yn"
                  "nnn"
                  "nnn"},
    {"truncate[4]", "nyynn"
                    "nnnnn"
                    "nynyn"
                    "yn"
                    "nnn"
                    "nnn"},
    {"zorder[4]", "yyyyy"
                  "yyyyy"
                  "yyyyy"
                  "yy"
                  "yyy"
                  "yyy"},
    {"bucket", "yyyyy"
               "yyyyy"
               "yyyyy"
               "yy"
               "yyy"
               "yyy"},
};

static void test_applicability(void **state)
{
    struct arena *arena = *state;

    assert_int_equal(COUNT(all_types), 23);
    for (size_t row = 0; row < COUNT(applicability); row++) {
        assert_int_equal(strlen(applicability[row].applies), COUNT(all_types));
        for (size_t i = 0; i < COUNT(all_types); i++) {
            struct error err = {0};
            struct type *type;
            expect_success(all_types[i],
                           type_parse(parse_json(arena, all_types[i]), arena, &type, &err), &err);
            bool applies = transform_applies_to(str_cstr(applicability[row].transform), type);
            if (applies != (applicability[row].applies[i] == 'y'))
                fail_msg("%s on %s", applicability[row].transform, all_types[i]);
        }
    }
}

/* The same through a spec: nested columns are refused even for unknown transforms. */
static void test_applicability_in_spec(void **state)
{
    struct arena *arena = *state;

    for (size_t row = 0; row < COUNT(applicability); row++) {
        for (size_t i = 0; i < COUNT(all_types); i++) {
            struct error err = {0};
            struct schema schema;
            struct partition_spec spec;
            bool is_void = strcmp(applicability[row].transform, "void") == 0;
            bool is_nested = i >= 20 || strcmp(all_types[i], "'variant'") == 0;
            const char *json = arena_printf(arena,
                                            "{'type':'struct','fields':[{'id':1,'name':'c',"
                                            "'required':false,'type':%s}]}",
                                            all_types[i])
                                   .ptr;
            expect_success(json, schema_parse(parse_json(arena, json), arena, &schema, &err), &err);
            json = arena_printf(arena, "{'fields':[{'name':'p','source-id':1,'transform':'%s'}]}",
                                applicability[row].transform)
                       .ptr;
            expect_success(json, partition_spec_parse(parse_json(arena, json), arena, &spec, &err),
                           &err);
            int result = partition_spec_check(&spec, &schema, arena, &err);
            if (is_void || (applicability[row].applies[i] == 'y' && !is_nested)) {
                expect_success(json, result, &err);
            } else if (is_nested) {
                expect_error(json, result, &err, ERR_VALIDATION,
                             "Cannot partition by non-primitive source field: c");
            } else {
                expect_error(json, result, &err, ERR_VALIDATION, "Invalid source type");
            }
        }
    }
}

static const char schema_json[] =
    "{'type':'struct','fields':["
    "{'id':1,'name':'id','required':true,'type':'long'},"
    "{'id':2,'name':'ts','required':false,'type':'timestamptz'},"
    "{'id':3,'name':'s','required':false,'type':{'type':'struct','fields':["
    "{'id':4,'name':'a','required':false,'type':'string'},"
    "{'id':5,'name':'l','required':false,'type':{'type':'list','element-id':6,"
    "'element-required':false,'element':{'type':'struct','fields':["
    "{'id':7,'name':'b','required':false,'type':'int'}]}}}]}},"
    "{'id':8,'name':'m','required':false,'type':{'type':'map','key-id':9,'key':'int','value-id':10,"
    "'value':'int','value-required':false}}]}";

static int check_fields(struct arena *arena, const char *fields, struct error *err)
{
    struct schema schema;
    struct partition_spec spec;
    struct error ignored = {0};

    expect_success("schema", schema_parse(parse_json(arena, schema_json), arena, &schema, &ignored),
                   &ignored);
    const char *json = arena_printf(arena, "{'spec-id':0,'fields':[%s]}", fields).ptr;
    expect_success(json, partition_spec_parse(parse_json(arena, json), arena, &spec, &ignored),
                   &ignored);
    return partition_spec_check(&spec, &schema, arena, err);
}

#define P(source, transform, name) \
    "{'source-id':" #source ",'transform':'" transform "','name':'" name "'}"
#define PF(source, transform, name, id) \
    "{'source-id':" #source ",'transform':'" transform "','name':'" name "','field-id':" #id "}"

static void test_check(void **state)
{
    static const struct {
        const char *fields, *message; /* NULL: accepted */
    } cases[] = {
        {"", NULL},
        {P(1, "identity", "id"), NULL},
        {P(1, "bucket[4]", "id"), NULL}, /* its own source's name, whatever the transform */
        {P(1, "void", "id"), NULL},
        {P(1, "identity", "other"), NULL},
        {P(2, "day", "ts_day") "," P(2, "hour", "ts_hour"), NULL},
        {P(2, "day", "a") "," P(2, "day", "b"), NULL},
        {P(4, "truncate[3]", "s.a"), NULL},
        {P(4, "identity", "a"), NULL},
        {P(99, "void", "gone"), NULL},
        {P(9, "void", "key"), NULL},
        {P(1, "custom", "x"), NULL},
        {PF(1, "identity", "x", 1000) "," PF(1, "bucket[2]", "y", 1001), NULL},
        {PF(1, "identity", "x", 5) "," PF(1, "bucket[2]", "y", 2147483647), NULL},
        {P(2, "day", "id"), "Cannot create partition from name that exists in schema: id"},
        {P(2, "identity", "id"), "Cannot create partition from name that exists in schema: id"},
        {P(2, "void", "id"), "Cannot create partition from name that exists in schema: id"},
        {P(99, "void", "id"), "Cannot create partition from name that exists in schema: id"},
        {P(1, "bucket[4]", "s.a"), "Cannot create partition from name that exists in schema: s.a"},
        {P(1, "custom", "s.l.element.b"), "Cannot create partition from name that exists"},
        {P(1, "identity", ""), "Cannot use empty partition name"},
        {P(1, "void", ""), "Cannot use empty partition name"},
        {P(1, "identity", "p") "," P(2, "day", "p"), "Cannot use partition name more than once: p"},
        {P(1, "void", "p") "," P(2, "void", "q") "," P(2, "void", "p"),
         "Cannot use partition name more than once: p"},
        {P(99, "identity", "p"), "Cannot find source column for partition field: p: identity(99)"},
        {P(-1, "identity", "p"), "Cannot find source column"},
        {P(99, "custom", "p"), "Cannot find source column"},
        {P(3, "identity", "p"), "Cannot partition by non-primitive source field: s of type struct"},
        {P(5, "custom", "p"), "Cannot partition by non-primitive source field: l of type list"},
        {P(8, "bucket[1]", "p"), "Cannot partition by non-primitive source field: m of type map"},
        {P(1, "day", "p"), "Invalid source type long for transform: day"},
        {P(2, "truncate[4]", "p"), "Invalid source type timestamptz for transform: truncate[4]"},
        {P(7, "identity", "p"), "Invalid partition field parent: b is inside a list or map"},
        {P(9, "identity", "p"), "Invalid partition field parent: key is inside a list or map"},
        {P(10, "custom", "p"), "Invalid partition field parent: value is inside a list or map"},
        {PF(1, "identity", "x", 1000) "," PF(2, "day", "y", 1001) "," PF(2, "hour", "z", 1000),
         "Cannot use partition field id more than once: 1000"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        int result = check_fields(arena, cases[i].fields, &err);
        if (cases[i].message == NULL)
            expect_success(cases[i].fields, result, &err);
        else
            expect_error(cases[i].fields, result, &err, ERR_VALIDATION, cases[i].message);
    }
}

static void test_malformed(void **state)
{
    static const char *const cases[] = {
        "null",
        "[]",
        "1",
        "'spec'",
        "{}",
        "{'spec-id':0}",
        "{'spec-id':0,'fields':null}",
        "{'spec-id':0,'fields':{}}",
        "{'spec-id':0,'fields':'[]'}",
        "{'spec-id':'0','fields':[]}",
        "{'spec-id':0.0,'fields':[]}",
        "{'spec-id':2147483648,'fields':[]}",
        "{'spec-id':[],'fields':[]}",
        "{'fields':[null]}",
        "{'fields':[[]]}",
        "{'fields':['identity']}",
        "{'fields':[{}]}",
        "{'fields':[{'transform':'identity','source-id':1}]}",
        "{'fields':[{'name':null,'transform':'identity','source-id':1}]}",
        "{'fields':[{'name':1,'transform':'identity','source-id':1}]}",
        "{'fields':[{'name':'p','source-id':1}]}",
        "{'fields':[{'name':'p','transform':null,'source-id':1}]}",
        "{'fields':[{'name':'p','transform':1,'source-id':1}]}",
        "{'fields':[{'name':'p','transform':'bucket[0]','source-id':1}]}",
        "{'fields':[{'name':'p','transform':'identity'}]}",
        "{'fields':[{'name':'p','transform':'identity','source-id':null}]}",
        "{'fields':[{'name':'p','transform':'identity','source-id':'1'}]}",
        "{'fields':[{'name':'p','transform':'identity','source-id':1.5}]}",
        "{'fields':[{'name':'p','transform':'identity','source-id':4294967297}]}",
        "{'fields':[{'name':'p','transform':'identity','source-id':1,'field-id':'1000'}]}",
        "{'fields':[{'name':'p','transform':'identity','source-id':1,'field-id':1000.0}]}",
        "{'fields':[{'name':'p','transform':'identity','source-id':1,'field-id':0}]}",
        "{'fields':[{'name':'p','transform':'identity','source-id':1,'field-id':-1}]}",
        "{'fields':[{'name':'p','transform':'identity','source-id':1,'field-id':2147483648}]}",
        "{'fields':[{'name':'p','transform':'void','source-id':1,'field-id':1000},"
        "{'name':'q','transform':'void','source-id':1}]}",
        "{'fields':[{'name':'p','transform':'void','source-id':1},"
        "{'name':'q','transform':'void','source-id':1,'field-id':1000}]}",
        "{'fields':[{'name':'p','transform':'void','source-id':1,'field-id':null},"
        "{'name':'q','transform':'void','source-id':1,'field-id':1000}]}",
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct partition_spec spec;
        int result = partition_spec_parse(parse_json(arena, cases[i]), arena, &spec, &err);
        expect_error(cases[i], result, &err, ERR_ILLEGAL_ARGUMENT, "");
    }
    struct error err = {0};
    struct partition_spec spec;
    expect_error("absent", partition_spec_parse(NULL, arena, &spec, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "nothing");
    expect_error("absent", partition_spec_parse_fields(NULL, arena, &spec, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "not an array");
    expect_error("object", partition_spec_parse_fields(parse_json(arena, "{}"), arena, &spec, &err),
                 &err, ERR_ILLEGAL_ARGUMENT, "not an array");
    int result = partition_spec_parse(
        parse_json(arena, "{'fields':[" P(1, "void", "p") "," PF(1, "void", "q", 7) "]}"), arena,
        &spec, &err);
    expect_error("mixed", result, &err, ERR_ILLEGAL_ARGUMENT,
                 "Cannot parse spec with missing field IDs: 1 missing of 2 fields");
}

static struct partition_spec parse_spec(struct arena *arena, const char *json)
{
    struct error err = {0};
    struct partition_spec spec;

    expect_success(json, partition_spec_parse(parse_json(arena, json), arena, &spec, &err), &err);
    return spec;
}

static void test_number_and_print(void **state)
{
    struct arena *arena = *state;
    struct partition_spec spec =
        parse_spec(arena, "{'fields':[" P(1, "Identity", "a\\'b") "," P(2, "BUCKET[08]", "c") "]}");
    struct buf buf = BUF_INIT(SIZE_MAX);

    assert_int_equal(spec.spec_id, 0);
    partition_spec_number(&spec);
    assert_int_equal(partition_spec_highest_field_id(&spec), 1001);
    partition_spec_write(&spec, &buf);
    expect_text(buf_str(&buf),
                "{'spec-id':0,'fields':["
                "{'name':'a\\'b','transform':'identity','source-id':1,'field-id':1000},"
                "{'name':'c','transform':'bucket[8]','source-id':2,'field-id':1001}]}");
    struct partition_spec again = parse_spec(arena, arena_str(arena, buf_str(&buf)).ptr);
    assert_true(partition_spec_same(&spec, &again));
    assert_int_equal(again.fields[1].field_id, 1001);

    spec = parse_spec(arena, "{'spec-id':5,'fields':[" PF(1, "x\\'y", "a",
                                                          2000) "," PF(2, "day", "c", 1500) "]}");
    partition_spec_number(&spec); /* given ids stay */
    assert_int_equal(partition_spec_highest_field_id(&spec), 2000);
    buf_clear(&buf);
    partition_spec_write_fields(&spec, &buf);
    expect_text(buf_str(&buf), "[{'name':'a','transform':'x\\'y','source-id':1,'field-id':2000},"
                               "{'name':'c','transform':'day','source-id':2,'field-id':1500}]");

    spec = parse_spec(arena, "{'spec-id':-3,'fields':[]}");
    partition_spec_number(&spec);
    assert_int_equal(partition_spec_highest_field_id(&spec), 999);
    buf_clear(&buf);
    partition_spec_write(&spec, &buf);
    expect_text(buf_str(&buf), "{'spec-id':-3,'fields':[]}");

    spec = parse_spec(arena, "{'fields':[" PF(1, "day", "a", 7) "]}");
    assert_int_equal(partition_spec_highest_field_id(&spec), 999);
    buf_free(&buf);
}

static void test_bare_fields(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct partition_spec spec = {.spec_id = 9};

    expect_success("v1",
                   partition_spec_parse_fields(parse_json(arena, "[" P(1, "year", "y") "]"), arena,
                                               &spec, &err),
                   &err);
    assert_int_equal(spec.spec_id, 0);
    assert_int_equal(spec.field_count, 1);
    assert_int_equal(spec.fields[0].field_id, 0);
    expect_text(spec.fields[0].transform, "year");
}

static void test_same(void **state)
{
    static const char *const specs[] = {
        "{'fields':[]}",
        "{'fields':[" P(1, "day", "a") "]}",
        "{'fields':[" P(2, "day", "a") "]}",
        "{'fields':[" P(1, "hour", "a") "]}",
        "{'fields':[" P(1, "bucket[1]", "a") "]}",
        "{'fields':[" P(1, "bucket[2]", "a") "]}",
        "{'fields':[" P(1, "day", "b") "]}",
        "{'fields':[" P(1, "day", "a") "," P(1, "day", "b") "]}",
        "{'fields':[" P(1, "day", "b") "," P(1, "day", "a") "]}",
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(specs); i++) {
        for (size_t k = 0; k < COUNT(specs); k++) {
            struct partition_spec a = parse_spec(arena, specs[i]);
            struct partition_spec b = parse_spec(arena, specs[k]);
            assert_int_equal(partition_spec_same(&a, &b), i == k);
        }
    }
    struct partition_spec a = parse_spec(arena, "{'fields':[" PF(1, "Bucket[2]", "a", 1000) "]}");
    struct partition_spec b =
        parse_spec(arena, "{'spec-id':3,'fields':[" PF(1, "bucket[02]", "a", 1007) "]}");
    assert_true(partition_spec_same(&a, &b));
}

/* Many fields on the widest schema: names and sources are looked up, not searched for. */
static void test_wide(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct schema schema;
    struct partition_spec spec;
    json_t *columns = json_array(), *fields = json_array();
    char name[32];

    for (int i = 0; i < SCHEMA_COLUMNS_MAX; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        json_array_append_new(columns, json_pack("{s:i, s:s, s:b, s:s}", "id", i, "name", name,
                                                 "required", 1, "type", "long"));
        json_array_append_new(fields, json_pack("{s:s, s:s, s:i}", "name", name, "transform",
                                                "identity", "source-id", i));
    }
    json_t *json = json_pack("{s:s, s:o}", "type", "struct", "fields", columns);
    expect_success("schema", schema_parse(json, arena, &schema, &err), &err);
    json_decref(json);
    expect_success("fields", partition_spec_parse_fields(fields, arena, &spec, &err), &err);
    expect_success("check", partition_spec_check(&spec, &schema, arena, &err), &err);
    partition_spec_number(&spec);
    assert_int_equal(partition_spec_highest_field_id(&spec), 999 + SCHEMA_COLUMNS_MAX);
    spec.fields[7].name = spec.fields[19000].name;
    spec.fields[7].source_id = 19000;
    expect_error("twice", partition_spec_check(&spec, &schema, arena, &err), &err, ERR_VALIDATION,
                 "more than once: c19000");
    json_decref(fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_transform_texts),
        ARENA_TEST(test_applicability),
        ARENA_TEST(test_applicability_in_spec),
        ARENA_TEST(test_check),
        ARENA_TEST(test_malformed),
        ARENA_TEST(test_number_and_print),
        ARENA_TEST(test_bare_fields),
        ARENA_TEST(test_same),
        ARENA_TEST(test_wide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
