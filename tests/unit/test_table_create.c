/* Creating a table: the request's shape, the first metadata from minimal to full, properties. */
#include "tests/unit/iceberg_fixture.h"

#include "base/limits.h"
#include "iceberg/table_create.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UUID "f79c3e09-677c-4bbd-a479-3f349cb785e7"
#define NOW_MS 1700000000123

#define MINIMAL_SCHEMA "'schema':{'type':'struct','fields':[]}"

static int build(struct arena *arena, const char *json, struct table_metadata *out,
                 struct error *err)
{
    struct table_create create;

    if (table_create_parse(parse_json(arena, json), arena, &create, err) != 0)
        return -1;
    return table_create_build(&create, STR("file:///w/ns/t/"), UUID, NOW_MS, arena, out, err);
}

static void expect_document(struct arena *arena, const struct table_metadata *metadata,
                            const char *want)
{
    struct buf buf = BUF_INIT(SIZE_MAX);
    struct table_metadata published;

    table_metadata_publish(metadata, arena, &buf, &published);
    expect_text(buf_str(&buf), want);
    buf_free(&buf);
}

static void test_parse(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct table_create create;
    json_t *minimal = parse_json(arena, "{'name':'t'," MINIMAL_SCHEMA "}");

    expect_success("minimal", table_create_parse(minimal, arena, &create, &err), &err);
    expect_text(create.name, "t");
    assert_null(create.location.ptr);
    assert_false(create.stage_create);
    assert_ptr_equal(create.schema, json_object_get(minimal, "schema"));
    assert_null(create.partition_spec);
    assert_null(create.write_order);
    assert_null(create.properties);

    json_t *full = parse_json(arena, "{'name':'a.b/c','location':'s3://b/t/','stage-create':true,"
                                     "'partition-spec':{},'write-order':{},'properties':{'k':''},"
                                     "'future':[1]," MINIMAL_SCHEMA "}");
    expect_success("full", table_create_parse(full, arena, &create, &err), &err);
    expect_text(create.name, "a.b/c");
    expect_text(create.location, "s3://b/t/");
    assert_true(create.stage_create);
    assert_ptr_equal(create.partition_spec, json_object_get(full, "partition-spec"));
    assert_ptr_equal(create.write_order, json_object_get(full, "write-order"));
    assert_ptr_equal(create.properties, json_object_get(full, "properties"));

    json_t *nulls = parse_json(arena, "{'name':'t','location':null,'stage-create':null,"
                                      "'partition-spec':null,'write-order':null,"
                                      "'properties':null," MINIMAL_SCHEMA "}");
    expect_success("nulls", table_create_parse(nulls, arena, &create, &err), &err);
    assert_null(create.location.ptr);
    assert_null(create.partition_spec);
    assert_null(create.write_order);
    assert_null(create.properties);

    json_t *empty = parse_json(arena, "{'name':'t','location':''," MINIMAL_SCHEMA "}");
    expect_success("empty location", table_create_parse(empty, arena, &create, &err), &err);
    assert_null(create.location.ptr);
}

static void test_malformed(void **state)
{
    static const char *const cases[] = {
        "null",
        "[]",
        "'t'",
        "{}",
        "{'name':'t'}",
        "{'name':'t','schema':null}",
        "{'name':'t','schema':[]}",
        "{'name':'t','schema':'struct'}",
        "{" MINIMAL_SCHEMA "}",
        "{'name':null," MINIMAL_SCHEMA "}",
        "{'name':''," MINIMAL_SCHEMA "}",
        "{'name':1," MINIMAL_SCHEMA "}",
        "{'name':['t']," MINIMAL_SCHEMA "}",
        "{'name':'a\\u001fb'," MINIMAL_SCHEMA "}",
        "{'name':'t','location':1," MINIMAL_SCHEMA "}",
        "{'name':'t','location':{}," MINIMAL_SCHEMA "}",
        "{'name':'t','stage-create':'true'," MINIMAL_SCHEMA "}",
        "{'name':'t','stage-create':1," MINIMAL_SCHEMA "}",
        "{'name':'t','partition-spec':[]," MINIMAL_SCHEMA "}",
        "{'name':'t','partition-spec':0," MINIMAL_SCHEMA "}",
        "{'name':'t','write-order':[]," MINIMAL_SCHEMA "}",
        "{'name':'t','write-order':'x'," MINIMAL_SCHEMA "}",
        "{'name':'t','properties':[]," MINIMAL_SCHEMA "}",
        "{'name':'t','properties':'k=v'," MINIMAL_SCHEMA "}",
        "{'name':'t','properties':{'k':null}," MINIMAL_SCHEMA "}",
        "{'name':'t','properties':{'k':1}," MINIMAL_SCHEMA "}",
        "{'name':'t','properties':{'k':true}," MINIMAL_SCHEMA "}",
        "{'name':'t','properties':{'k':{}}," MINIMAL_SCHEMA "}",
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct table_create create;
        int result = table_create_parse(parse_json(arena, cases[i]), arena, &create, &err);
        expect_error(cases[i], result, &err, ERR_ILLEGAL_ARGUMENT, "");
    }
    struct error err = {0};
    struct table_create create;
    expect_error("absent", table_create_parse(NULL, arena, &create, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "nothing");
}

static void test_property_ceilings(void **state)
{
    struct arena *arena = *state;
    json_t *body = parse_json(arena, "{'name':'t','properties':{}," MINIMAL_SCHEMA "}");
    json_t *properties = json_object_get(body, "properties");
    struct error err = {0};
    struct table_create create;
    char *text = malloc(PROPERTY_BYTES_MAX + 2);

    memset(text, 'p', PROPERTY_BYTES_MAX + 1);
    text[PROPERTY_BYTES_MAX + 1] = '\0';
    json_object_set_new(properties, text + 1, json_string(text + 1));
    expect_success("longest", table_create_parse(body, arena, &create, &err), &err);
    json_object_set_new(properties, "k", json_string(text));
    expect_error("long value", table_create_parse(body, arena, &create, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "too long, at most 65536 bytes: k");
    json_object_clear(properties);
    json_object_set_new(properties, text, json_string("v"));
    expect_error("long key", table_create_parse(body, arena, &create, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "too long");
    json_object_clear(properties);
    for (int i = 0; i <= PROPERTIES_MAX; i++) {
        if (i == PROPERTIES_MAX)
            expect_success("most", table_create_parse(body, arena, &create, &err), &err);
        snprintf(text, PROPERTY_BYTES_MAX, "k%d", i);
        json_object_set_new(properties, text, json_string("v"));
    }
    expect_error("many", table_create_parse(body, arena, &create, &err), &err, ERR_ILLEGAL_ARGUMENT,
                 "Too many table properties: 5001");
    free(text);
}

static void test_minimal(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct table_metadata metadata;

    expect_success("minimal", build(arena, "{'name':'t'," MINIMAL_SCHEMA "}", &metadata, &err),
                   &err);
    assert_int_equal(metadata.format_version, 2);
    assert_int_equal(metadata.last_updated_ms, NOW_MS);
    assert_int_equal(metadata.last_column_id, 0);
    assert_int_equal(metadata.last_partition_id, 999);
    assert_int_equal(metadata.current_snapshot_id, SNAPSHOT_NONE);
    assert_int_equal(metadata.schemas.count, 1);
    assert_int_equal(metadata.metadata_log.count, 0);
    expect_text(metadata.table_uuid, UUID);
    expect_text(metadata.location, "file:///w/ns/t");
    expect_text(metadata.schemas.elements[0].text, "{'type':'struct','schema-id':0,'fields':[]}");
    expect_text(metadata.partition_specs.elements[0].text, "{'spec-id':0,'fields':[]}");
    expect_text(metadata.sort_orders.elements[0].text, "{'order-id':0,'fields':[]}");
    assert_int_equal(metadata.property_count, 1);
    expect_text(metadata.properties[0].key, "write.parquet.compression-codec");
    expect_text(metadata.properties[0].value, "zstd");
}

/* Ids of the client, all odd, in every place where they are replaced. */
static const char full_request[] =
    "{'name':'t','schema':{'type':'struct','schema-id':7,'identifier-field-ids':[30,70],'fields':["
    "{'id':50,'name':'s','required':true,'type':{'type':'struct','fields':["
    "{'id':70,'name':'k','required':true,'type':'string','doc':'deep'},"
    "{'id':1,'name':'x','required':false,'type':'int','write-default':4}]}},"
    "{'id':30,'name':'id','required':true,'type':'LONG'},"
    "{'id':2,'name':'l','required':false,'type':{'type':'list','element-id':3,'element':'double',"
    "'element-required':false}},"
    "{'id':40,'name':'ts','required':false,'type':'timestamptz'}]},"
    "'partition-spec':{'spec-id':9,'fields':["
    "{'name':'ts_day','transform':'DAY','source-id':40,'field-id':77},"
    "{'name':'k','transform':'Bucket[08]','source-id':70,'field-id':66}]},"
    "'write-order':{'order-id':5,'fields':["
    "{'transform':'identity','source-id':3,'direction':'DESC','null-order':'NULLS-LAST'},"
    "{'transform':'identity','source-id':1,'direction':'asc','null-order':'nulls-first'}]},"
    "'properties':{'z':'1','format-version':'%d','a':'','uuid':'x','snapshot-count':'x',"
    "'current-snapshot-id':'x','current-snapshot-summary':'x','current-snapshot-timestamp-ms':'x',"
    "'current-schema':'x','default-partition-spec':'x','default-sort-order':'x',"
    "'write.parquet.compression-codec':'snappy','commit.retry.num-retries':'0',"
    "'write.metadata.metrics.column.l.element':'none','write.metadata.metrics.column.s.k':'full'}}";

static void test_full(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct table_metadata metadata;
    const char *json = arena_printf(arena, full_request, 2).ptr;

    expect_success("full", build(arena, json, &metadata, &err), &err);
    assert_int_equal(metadata.default_sort_order_id, 1);
    assert_int_equal(metadata.sort_orders.elements[0].id, 1);
    expect_document(
        arena, &metadata,
        "{'format-version':2,'table-uuid':'" UUID "','location':'file:///w/ns/t',"
        "'last-sequence-number':0,'last-updated-ms':1700000000123,'last-column-id':7,"
        "'current-schema-id':0,'schemas':[{'type':'struct','schema-id':0,"
        "'identifier-field-ids':[2,5],'fields':["
        "{'id':1,'name':'s','required':true,'type':{'type':'struct','fields':["
        "{'id':5,'name':'k','required':true,'type':'string','doc':'deep'},"
        "{'id':6,'name':'x','required':false,'type':'int','write-default':4}]}},"
        "{'id':2,'name':'id','required':true,'type':'long'},"
        "{'id':3,'name':'l','required':false,'type':{'type':'list','element-id':7,'element':"
        "'double','element-required':false}},"
        "{'id':4,'name':'ts','required':false,'type':'timestamptz'}]}],"
        "'default-spec-id':0,'partition-specs':[{'spec-id':0,'fields':["
        "{'name':'ts_day','transform':'day','source-id':4,'field-id':1000},"
        "{'name':'k','transform':'bucket[8]','source-id':5,'field-id':1001}]}],"
        "'last-partition-id':1001,'default-sort-order-id':1,'sort-orders':[{'order-id':1,"
        "'fields':[{'transform':'identity','source-id':7,'direction':'desc','null-order':"
        "'nulls-last'},{'transform':'identity','source-id':6,'direction':'asc','null-order':"
        "'nulls-first'}]}],'properties':{'z':'1','a':'','write.parquet.compression-codec':'snappy',"
        "'commit.retry.num-retries':'0','write.metadata.metrics.column.l.element':'none',"
        "'write.metadata.metrics.column.s.k':'full'},'current-snapshot-id':-1,'refs':{},"
        "'snapshots':[],'statistics':[],'partition-statistics':[],'snapshot-log':[],"
        "'metadata-log':[]}");
    for (int version = 1; version <= 3; version += 2) {
        json = arena_printf(arena, full_request, version).ptr;
        expect_success("other versions", build(arena, json, &metadata, &err), &err);
        assert_int_equal(metadata.format_version, version);
        assert_int_equal(metadata.next_row_id, 0);
    }
}

/* What comes out of create must be readable again, in every version. */
static void test_reads_back(void **state)
{
    struct arena *arena = *state;

    for (int version = 1; version <= FORMAT_VERSION_MAX; version++) {
        struct error err = {0};
        struct table_metadata metadata, published, again;
        struct buf buf = BUF_INIT(SIZE_MAX);
        const char *json =
            arena_printf(arena,
                         "{'name':'t'," MINIMAL_SCHEMA ",'properties':{'format-version':'%d'}}",
                         version)
                .ptr;
        expect_success(json, build(arena, json, &metadata, &err), &err);
        table_metadata_publish(&metadata, arena, &buf, &published);
        expect_success(json, table_metadata_parse(buf_str(&buf), arena, &again, &err), &err);
        assert_int_equal(again.format_version, version);
        assert_int_equal(again.last_partition_id, 999);
        buf_free(&buf);
    }
}

#define COLUMNS                                                                               \
    "'schema':{'type':'struct','fields':[{'id':1,'name':'id','required':true,'type':'long'}," \
    "{'id':2,'name':'pts','required':false,'type':{'type':'list','element-id':3,"             \
    "'element-required':true,'element':{'type':'struct','fields':["                           \
    "{'id':4,'name':'x','required':true,'type':'int'}]}}},"                                   \
    "{'id':5,'name':'s','required':false,'type':{'type':'struct','fields':["                  \
    "{'id':6,'name':'e','required':false,'type':'string'}]}}]}"

static void test_build_refused(void **state)
{
    static const struct {
        const char *members; /* besides name and schema */
        enum error_kind kind;
        const char *message;
    } cases[] = {
        {"'properties':{'format-version':'0'}", ERR_ILLEGAL_ARGUMENT,
         "Unsupported format version: 0"},
        {"'properties':{'format-version':'4'}", ERR_ILLEGAL_ARGUMENT,
         "Unsupported format version: 4"},
        {"'properties':{'format-version':'-1'}", ERR_ILLEGAL_ARGUMENT, "Unsupported format"},
        {"'properties':{'format-version':'two'}", ERR_ILLEGAL_ARGUMENT, "Unsupported format"},
        {"'properties':{'format-version':''}", ERR_ILLEGAL_ARGUMENT, "Unsupported format"},
        {"'properties':{'format-version':'2.0'}", ERR_ILLEGAL_ARGUMENT, "Unsupported format"},
        {"'properties':{'format-version':'4294967298'}", ERR_ILLEGAL_ARGUMENT,
         "Unsupported format"},
        {"'partition-spec':{}", ERR_ILLEGAL_ARGUMENT, "Cannot parse missing list: fields"},
        {"'partition-spec':{'fields':[{'name':'p','transform':'void','source-id':9}]}",
         ERR_VALIDATION, "Cannot find source column for partition field: p: void(9)"},
        {"'partition-spec':{'fields':[{'name':'p','transform':'day','source-id':1}]}",
         ERR_VALIDATION, "Invalid source type long for transform: day"},
        {"'partition-spec':{'fields':[{'name':'s','transform':'bucket[2]','source-id':1}]}",
         ERR_VALIDATION, "Cannot create partition from name that exists in schema: s"},
        {"'partition-spec':{'fields':[{'name':'p','transform':'identity','source-id':4}]}",
         ERR_VALIDATION, "inside a list or map"},
        {"'write-order':{}", ERR_ILLEGAL_ARGUMENT, "Cannot parse missing list: fields"},
        {"'write-order':{'order-id':[],'fields':[]}", ERR_ILLEGAL_ARGUMENT, "order-id"},
        {"'write-order':{'order-id':1,'fields':[{'transform':'identity','source-id':9,"
         "'direction':'asc','null-order':'nulls-first'}]}",
         ERR_VALIDATION, "Cannot find source column for sort field: identity(9)"},
        {"'write-order':{'order-id':1,'fields':[{'transform':'hour','source-id':1,"
         "'direction':'asc','null-order':'nulls-first'}]}",
         ERR_VALIDATION, "Invalid source type long for transform: hour"},
        {"'properties':{'write.metadata.metrics.column.nope':'none'}", ERR_VALIDATION,
         "Invalid metrics config, could not find column nope from table prop "
         "write.metadata.metrics.column.nope"},
        {"'properties':{'write.metadata.metrics.column.':'none'}", ERR_VALIDATION,
         "could not find column "},
        {"'properties':{'write.metadata.metrics.column.ID':'none'}", ERR_VALIDATION,
         "could not find column ID"},
        {"'properties':{'commit.retry.num-retries':'-1'}", ERR_VALIDATION,
         "Table property commit.retry.num-retries must have non negative integer value"},
        {"'properties':{'commit.retry.min-wait-ms':'x'}", ERR_VALIDATION,
         "Table property commit.retry.min-wait-ms must have integer value"},
        {"'properties':{'commit.retry.max-wait-ms':''}", ERR_VALIDATION, "must have integer value"},
        {"'properties':{'commit.retry.total-timeout-ms':'2147483648'}", ERR_VALIDATION,
         "must have integer value"},
        {"'properties':{'encryption.key-id':'k'}", ERR_VALIDATION,
         "Invalid property for v2: encryption.key-id is not supported until v3"},
        {"'properties':{'encryption.data-key-length':'16'}", ERR_VALIDATION,
         "encryption.data-key-length"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct table_metadata metadata;
        const char *json = arena_printf(arena, "{'name':'t'," COLUMNS ",%s}", cases[i].members).ptr;
        expect_error(json, build(arena, json, &metadata, &err), &err, cases[i].kind,
                     cases[i].message);
    }
}

static void test_build_accepted(void **state)
{
    static const char *const cases[] = {
        "'properties':{}",
        "'properties':{'format-version':'3','encryption.key-id':'k',"
        "'encryption.data-key-length':'16'}",
        "'properties':{'commit.retry.num-retries':'2147483647','commit.retry.min-wait-ms':'0',"
        "'commit.retry.max-wait-ms':'1','commit.retry.total-timeout-ms':'1'}",
        "'properties':{'commit.retry.other':'x','write.metadata.metrics.default':'none'}",
        "'properties':{'write.metadata.metrics.column.pts.element.x':'none'}",
        "'properties':{'write.metadata.metrics.column.pts.x':'none'}",
        "'properties':{'write.metadata.metrics.column.s.e':'none'}",
        "'partition-spec':{'fields':[]}",
        "'partition-spec':{'fields':[{'name':'p','transform':'void','source-id':2}]}",
        "'partition-spec':{'fields':[{'name':'p','transform':'rare','source-id':1}]}",
        "'write-order':{'fields':[]}",
        "'write-order':{'order-id':8,'fields':[]}",
        "'write-order':{'order-id':0,'fields':[{'transform':'identity','source-id':4,"
        "'direction':'asc','null-order':'nulls-first'}]}",
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct table_metadata metadata;
        const char *json = arena_printf(arena, "{'name':'t'," COLUMNS ",%s}", cases[i]).ptr;
        expect_success(json, build(arena, json, &metadata, &err), &err);
        assert_int_equal(metadata.default_sort_order_id, i == COUNT(cases) - 1);
        assert_int_equal(metadata.last_column_id, 6);
    }
}

static void test_schema_refused(void **state)
{
    static const struct {
        const char *request;
        enum error_kind kind;
        const char *message;
    } cases[] = {
        {"{'name':'t','schema':{}}", ERR_ILLEGAL_ARGUMENT, "Cannot parse type"},
        {"{'name':'t','schema':{'type':'struct','fields':[{'id':9,'name':'v','required':false,"
         "'type':'variant'}]}}",
         ERR_ILLEGAL_ARGUMENT,
         "Invalid schema for v2:\n- Invalid type for v: variant is not supported until v3"},
        {"{'name':'t','schema':{'type':'struct','fields':["
         "{'id':1,'name':'a','required':false,'type':'int'},"
         "{'id':2,'name':'a','required':false,'type':'int'}]}}",
         ERR_VALIDATION, "multiple fields for name a"},
        {"{'name':'t','schema':{'type':'struct','identifier-field-ids':[1],'fields':["
         "{'id':1,'name':'a','required':false,'type':'int'}]}}",
         ERR_VALIDATION, "not a required field"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct table_metadata metadata;
        expect_error(cases[i].request, build(arena, cases[i].request, &metadata, &err), &err,
                     cases[i].kind, cases[i].message);
    }
}

static void test_location(void **state)
{
    static const char *const cases[][2] = {
        {"s3://b/t", "s3://b/t"},
        {"s3://b/t///", "s3://b/t"},
        {"s3://", "s3://"},
        {"/a/b/", "/a/b"},
        {"/", "/"},
    };
    struct arena *arena = *state;
    struct error err = {0};
    struct table_create create;
    struct table_metadata metadata;

    expect_success("parse",
                   table_create_parse(parse_json(arena, "{'name':'t'," MINIMAL_SCHEMA "}"), arena,
                                      &create, &err),
                   &err);
    for (size_t i = 0; i < COUNT(cases); i++) {
        expect_success(cases[i][0],
                       table_create_build(&create, str_cstr(cases[i][0]), UUID, NOW_MS, arena,
                                          &metadata, &err),
                       &err);
        expect_text(metadata.location, cases[i][1]);
    }
    expect_error("none", table_create_build(&create, STR(""), UUID, NOW_MS, arena, &metadata, &err),
                 &err, ERR_VALIDATION, "location");
}

/* --- every value of a request replaced by every kind of value --------------------------------- */

struct walk {
    struct arena *arena;
    json_t *request;
    int accepted, refused;
};

/* The request as it stands: refused in the words of a 400, or its metadata can be read back. */
static void try_request(struct walk *walk)
{
    struct arena *arena = arena_new();
    struct error err = {0};
    struct table_create create;
    struct table_metadata metadata, published, again;
    struct buf buf = BUF_INIT(SIZE_MAX);

    int result = table_create_parse(walk->request, arena, &create, &err);
    if (result == 0)
        result = table_create_build(&create, STR("/t"), UUID, NOW_MS, arena, &metadata, &err);
    if (result != 0) {
        assert_int_equal(error_status(err.kind), 400);
        assert_true(err.message[0] != '\0' && str_is_utf8(str_cstr(err.message)));
        walk->refused++;
    } else {
        table_metadata_publish(&metadata, arena, &buf, &published);
        expect_success("again", table_metadata_parse(buf_str(&buf), arena, &again, &err), &err);
        walk->accepted++;
    }
    buf_free(&buf);
    arena_free(arena);
}

static const char *const replacements[] = {
    "null", "true", "0",  "-1", "1.5",    "1099511627776",
    "'x'",  "''",   "[]", "{}", "[null]", "{'type':1}",
};

static void replace_below(struct walk *walk, json_t *node);

static void replace_member(struct walk *walk, json_t *object, const char *key)
{
    json_t *original = json_incref(json_object_get(object, key));

    replace_below(walk, original);
    for (size_t i = 0; i < COUNT(replacements); i++) {
        json_object_set(object, key, parse_json(walk->arena, replacements[i]));
        try_request(walk);
    }
    json_object_set_new(object, key, original);
}

static void replace_element(struct walk *walk, json_t *array, size_t index)
{
    json_t *original = json_incref(json_array_get(array, index));

    replace_below(walk, original);
    for (size_t i = 0; i < COUNT(replacements); i++) {
        json_array_set(array, index, parse_json(walk->arena, replacements[i]));
        try_request(walk);
    }
    json_array_set_new(array, index, original);
}

static void replace_below(struct walk *walk, json_t *node)
{
    const char *key;
    json_t *member;
    void *next;

    json_object_foreach_safe(node, next, key, member) replace_member(walk, node, key);
    for (size_t i = 0; i < json_array_size(node); i++)
        replace_element(walk, node, i);
}

static void test_every_value_replaced(void **state)
{
    const char *json = arena_printf(*state, full_request, 3).ptr;
    struct walk walk = {*state, parse_json(*state, json), 0, 0};

    try_request(&walk);
    assert_int_equal(walk.accepted, 1);
    replace_below(&walk, walk.request);
    try_request(&walk); /* all is back in its place */
    assert_true(walk.accepted > 50 && walk.refused > 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_parse),
        ARENA_TEST(test_malformed),
        ARENA_TEST(test_property_ceilings),
        ARENA_TEST(test_minimal),
        ARENA_TEST(test_full),
        ARENA_TEST(test_reads_back),
        ARENA_TEST(test_build_refused),
        ARENA_TEST(test_build_accepted),
        ARENA_TEST(test_schema_refused),
        ARENA_TEST(test_location),
        ARENA_TEST(test_every_value_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
