/* Metadata of functions: what is accepted, and for every rule a document that breaks only it. */
#include "tests/unit/iceberg_fixture.h"

#include "iceberg/function_metadata.h"
#include "iceberg/function_type.h"

#define UUID "42fd3f91-bc10-41c1-8a52-92b57dd0a9b2"

/* A function of an int and one of a map, the second a table function. */
static json_t *good(void **state)
{
    return parse_json(
        *state,
        "{'function-uuid':'" UUID "','format-version':1,'location':'s3://b/f/','secure':true,"
        "'doc':'adds','properties':{'a':'b'},'definitions':["
        "{'definition-id':'int','specific-name':'add_int','doc':'d','return-nullable':false,"
        "'parameters':[{'name':'x','type':'int','doc':'p'}],'return-type':'int',"
        "'function-type':'udf','current-version-id':2,'versions':["
        "{'version-id':1,'timestamp-ms':1,'representations':[{'type':'sql','dialect':'trino',"
        "'sql':'x + 2'}]},"
        "{'version-id':2,'timestamp-ms':2,'deterministic':true,'on-null-input':'return-null',"
        "'representations':[{'type':'sql','dialect':'trino','sql':'x + 1'},{'type':'sql',"
        "'dialect':'spark','sql':'x + 1'}]}]},"
        "{'definition-id':'map<string,int>','specific-name':'rows','parameters':[{'name':'m',"
        "'type':{'type':'map','key':'string','value':'int','key-id':4}}],"
        "'return-type':{'type':'struct','fields':[{'name':'k','type':'string'}]},"
        "'function-type':'udtf','current-version-id':7,'versions':[{'version-id':7,"
        "'timestamp-ms':3,'on-null-input':'call','representations':[{'type':'sql',"
        "'dialect':'spark','sql':'select 1'}]}]}],"
        "'definition-log':[{'timestamp-ms':3,'definition-versions':[{'definition-id':'int',"
        "'version-id':2}]}],'future':[1]}");
}

static int parse(void **state, const json_t *json, struct function_metadata *out, struct error *err)
{
    char *text = json_dumps(json, JSON_COMPACT);
    arena_defer(*state, free, text);
    return function_metadata_parse(str_cstr(text), *state, out, err);
}

static void test_accepted(void **state)
{
    struct function_metadata metadata;
    struct error err;
    expect_success("all members", parse(state, good(state), &metadata, &err), &err);
    expect_text(metadata.function_uuid, UUID);
    expect_text(metadata.location, "s3://b/f");
    struct metadata_head head = function_metadata_head(&metadata);
    assert_int_equal(head.property_count, 0);
    json_t *least = parse_json(
        *state, "{'function-uuid':'" UUID "','format-version':1,'definition-log':[],"
                "'definitions':[{'definition-id':'','parameters':[],'return-type':'string',"
                "'function-type':'udf','current-version-id':1,'versions':[{'version-id':1,"
                "'timestamp-ms':1,'representations':[{'type':'sql','dialect':'d','sql':''}]}]}]}");
    expect_success("least", parse(state, least, &metadata, &err), &err);
    assert_null(metadata.location.ptr);
}

/* Walks "definitions/0/versions" from the document; the last step is the member to change. */
static json_t *find(json_t *json, const char *path, char last[64])
{
    char step[64];
    long long at;
    for (;;) {
        size_t n = strcspn(path, "/");
        assert_true(n < sizeof(step));
        memcpy(step, path, n);
        step[n] = '\0';
        if (path[n] == '\0')
            break;
        json = str_to_int64(str_cstr(step), &at) ? json_array_get(json, (size_t)at)
                                                 : json_object_get(json, step);
        if (json == NULL)
            fail_msg("no %s in the document", step);
        path += n + 1;
    }
    memcpy(last, step, sizeof(step));
    return json;
}

static void change(void **state, json_t *document, const char *path, const char *value)
{
    char last[64];
    json_t *parent = find(document, path, last);
    if (value == NULL)
        json_object_del(parent, last);
    else if (json_is_array(parent))
        json_array_append(parent, parse_json(*state, value));
    else
        json_object_set(parent, last, parse_json(*state, value));
}

#define D0 "definitions/0/"
#define V0 D0 "versions/0/"
#define R0 V0 "representations/0/"
#define SECOND                                                                                   \
    "{'definition-id':'long','specific-name':'other','parameters':[{'name':'x','type':'long'}]," \
    "'return-type':'long','function-type':'udf','current-version-id':1,'versions':[{"            \
    "'version-id':1,'timestamp-ms':1,'representations':[{'type':'sql','dialect':'d',"            \
    "'sql':'1'}]}]}"

static void test_refused(void **state)
{
    static const struct {
        const char *path, *value; /* NULL: the member is taken out */
        enum error_kind kind;
        const char *message;
    } cases[] = {
        {"function-uuid", NULL, ERR_ILLEGAL_ARGUMENT, "missing function-uuid"},
        {"function-uuid", "'x'", ERR_ILLEGAL_ARGUMENT, "not a uuid"},
        {"format-version", NULL, ERR_ILLEGAL_ARGUMENT, "missing format-version"},
        {"format-version", "2", ERR_ILLEGAL_ARGUMENT, "unsupported version 2"},
        {"format-version", "'1'", ERR_ILLEGAL_ARGUMENT, "format-version must be"},
        {"definitions", NULL, ERR_ILLEGAL_ARGUMENT, "missing definitions"},
        {"definitions", "[]", ERR_VALIDATION, "definitions is empty"},
        {"definitions", "[1]", ERR_ILLEGAL_ARGUMENT, "not an object"},
        {"definition-log", NULL, ERR_ILLEGAL_ARGUMENT, "missing definition-log"},
        {"definition-log", "[{}]", ERR_ILLEGAL_ARGUMENT, "missing timestamp-ms"},
        {"definition-log", "[{'timestamp-ms':1}]", ERR_ILLEGAL_ARGUMENT,
         "missing definition-versions"},
        {"definition-log/0/definition-versions", "[{'definition-id':'int'}]", ERR_ILLEGAL_ARGUMENT,
         "missing version-id"},
        {"location", "1", ERR_ILLEGAL_ARGUMENT, "location must be"},
        {"properties", "{'a':1}", ERR_ILLEGAL_ARGUMENT, "properties must be"},
        {"secure", "'true'", ERR_ILLEGAL_ARGUMENT, "secure must be true or false"},
        {"doc", "[]", ERR_ILLEGAL_ARGUMENT, "doc must be"},
        {D0 "definition-id", NULL, ERR_ILLEGAL_ARGUMENT, "missing definition-id"},
        {D0 "definition-id", "'long'", ERR_VALIDATION, "make the definition-id int"},
        {D0 "definition-id", "'int '", ERR_VALIDATION, "make the definition-id int"},
        {"definitions/1/definition-id", "'map<string, int>'", ERR_VALIDATION,
         "make the definition-id map<string,int>"},
        {"definitions/1/definition-id", "'int'", ERR_VALIDATION, "one definition-id"},
        {"definitions/1/specific-name", "'add_int'", ERR_VALIDATION, "one specific-name"},
        {D0 "specific-name", "1", ERR_ILLEGAL_ARGUMENT, "specific-name must be"},
        {D0 "parameters", NULL, ERR_ILLEGAL_ARGUMENT, "missing parameters"},
        {D0 "parameters", "[{'type':'int'}]", ERR_ILLEGAL_ARGUMENT, "missing name"},
        {D0 "parameters", "[{'name':'x'}]", ERR_ILLEGAL_ARGUMENT, "function type: missing"},
        {D0 "parameters", "[{'name':'x','type':'number'}]", ERR_ILLEGAL_ARGUMENT, "number"},
        {D0 "return-type", NULL, ERR_ILLEGAL_ARGUMENT, "function type: missing"},
        {D0 "return-type", "'decimal(9, 2)'", ERR_ILLEGAL_ARGUMENT, "spaces and quotes"},
        {D0 "return-type", "{'type':'array'}", ERR_ILLEGAL_ARGUMENT, "neither list, map nor"},
        {D0 "return-nullable", "1", ERR_ILLEGAL_ARGUMENT, "return-nullable must be"},
        {D0 "function-type", NULL, ERR_ILLEGAL_ARGUMENT, "missing function-type"},
        {D0 "function-type", "'udaf'", ERR_VALIDATION, "neither udf nor udtf"},
        {D0 "function-type", "'udtf'", ERR_VALIDATION, "a udtf returns a struct"},
        {D0 "current-version-id", NULL, ERR_ILLEGAL_ARGUMENT, "missing current-version-id"},
        {D0 "current-version-id", "3", ERR_VALIDATION, "names no version"},
        {D0 "versions", NULL, ERR_ILLEGAL_ARGUMENT, "missing versions"},
        {D0 "versions", "[]", ERR_VALIDATION, "names no version"},
        {D0 "versions/1/version-id", "1", ERR_VALIDATION, "one version-id"},
        {V0 "version-id", NULL, ERR_ILLEGAL_ARGUMENT, "missing version-id"},
        {V0 "timestamp-ms", NULL, ERR_ILLEGAL_ARGUMENT, "missing timestamp-ms"},
        {V0 "deterministic", "'no'", ERR_ILLEGAL_ARGUMENT, "deterministic must be"},
        {V0 "on-null-input", "'returns'", ERR_VALIDATION, "neither call nor return-null"},
        {V0 "representations", NULL, ERR_ILLEGAL_ARGUMENT, "missing representations"},
        {V0 "representations", "[]", ERR_VALIDATION, "has no representation"},
        {R0 "type", "'python'", ERR_VALIDATION, "not of type sql"},
        {R0 "type", NULL, ERR_ILLEGAL_ARGUMENT, "missing type"},
        {R0 "dialect", NULL, ERR_ILLEGAL_ARGUMENT, "missing dialect"},
        {R0 "sql", NULL, ERR_ILLEGAL_ARGUMENT, "missing sql"},
        {D0 "versions/1/representations/1/dialect", "'TRINO'", ERR_VALIDATION,
         "two representations of one dialect"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct function_metadata metadata;
        struct error err;
        json_t *document = good(state);
        change(state, document, cases[i].path, cases[i].value);
        expect_error(cases[i].path, parse(state, document, &metadata, &err), &err, cases[i].kind,
                     cases[i].message);
    }
}

static void test_more_definitions(void **state)
{
    struct function_metadata metadata;
    struct error err;
    json_t *document = good(state);
    change(state, document, "definitions/-", SECOND);
    expect_success("three", parse(state, document, &metadata, &err), &err);
    change(state, document, "definitions/-", SECOND);
    expect_error("twice", parse(state, document, &metadata, &err), &err, ERR_VALIDATION,
                 "one definition-id");
}

static void test_not_json(void **state)
{
    struct function_metadata metadata;
    struct error err;
    expect_error("not JSON", function_metadata_parse(STR("{"), *state, &metadata, &err), &err,
                 ERR_BAD_REQUEST, "Malformed JSON");
    expect_error("array", function_metadata_parse(STR("[]"), *state, &metadata, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "not an object");
}

static void test_types(void **state)
{
    static const struct {
        const char *json, *text; /* NULL: refused */
    } cases[] = {
        {"'int'", "int"},
        {"'decimal(9,2)'", "decimal(9,2)"},
        {"'variant'", "variant"},
        {"{'type':'list','element':'int'}", "list<int>"},
        {"{'type':'list','element-id':3,'element-required':true,'element':'int'}", "list<int>"},
        {"{'type':'map','key':'string','value':{'type':'list','element':'date'}}",
         "map<string,list<date>>"},
        {"{'type':'struct','fields':[{'name':'a','type':'int'},{'name':'b','type':'string'}]}",
         "struct<a:int,b:string>"},
        {"{'type':'struct','fields':[]}", "struct<>"},
        {"{'type':'struct'}", NULL},
        {"{'type':'list'}", NULL},
        {"{'type':'map','key':'int'}", NULL},
        {"{'type':'struct','fields':[{'type':'int'}]}", NULL},
        {"{'element':'int'}", NULL},
        {"'list<int>'", NULL},
        {"'int\\u0009'", NULL},
        {"''", NULL},
        {"1", NULL},
        {"null", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err;
        struct buf text = BUF_INIT(1 << 16);
        char *json = json_dumps(parse_json(*state, cases[i].json), JSON_ENCODE_ANY | JSON_COMPACT);
        int result = function_type_read(str_cstr(json), *state, &text, &err);
        if (cases[i].text == NULL)
            expect_error(cases[i].json, result, &err, ERR_ILLEGAL_ARGUMENT, "");
        else
            expect_success(cases[i].json, result, &err);
        if (cases[i].text != NULL)
            expect_text(buf_str(&text), cases[i].text);
        buf_free(&text);
        free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_accepted), ARENA_TEST(test_refused), ARENA_TEST(test_more_definitions),
        ARENA_TEST(test_not_json), ARENA_TEST(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
