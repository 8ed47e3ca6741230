/* What the tests of schemas share. */
#ifndef TESTS_UNIT_SCHEMA_FIXTURE_H
#define TESTS_UNIT_SCHEMA_FIXTURE_H

#include "tests/unit/iceberg_fixture.h"

#include "iceberg/schema.h"
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define FIELD(id, name) "{'id':" #id ",'name':'" name "','required':false,'type':'int'}"
#define STRUCT(id, name, fields)                                                                 \
    "{'id':" #id ",'name':'" name "','required':false,'type':{'type':'struct','fields':[" fields \
    "]}}"
#define SCHEMA(fields) "{'type':'struct','fields':[" fields "]}"

/* Every place a column can be in: top, struct, list of structs, map of structs, list of maps. */
static const char nested_schema[] =
    "{'type':'struct','schema-id':7,'identifier-field-ids':[42,10],'fields':["
    "{'id':10,'name':'id','required':true,'type':'long','doc':'the key'},"
    "{'id':20,'name':'points','required':true,'type':{'type':'list','element-id':21,"
    "'element-required':true,'element':{'type':'struct','fields':["
    "{'id':22,'name':'x','required':true,'type':'int'},"
    "{'id':23,'name':'y','required':false,'type':'int','initial-default':1}]}}},"
    "{'id':30,'name':'props','required':false,'type':{'type':'map','key-id':31,'key':'string',"
    "'value-id':32,'value-required':false,'value':{'type':'struct','fields':["
    "{'id':33,'name':'v','required':true,'type':'variant'}]}}},"
    "{'id':40,'name':'s','required':true,'type':{'type':'struct','fields':["
    "{'id':41,'name':'o','required':false,'type':{'type':'struct','fields':["
    "{'id':43,'name':'z','required':true,'type':'int'}]}},"
    "{'id':42,'name':'k','required':true,'type':'string'}]}},"
    "{'id':50,'name':'ids','required':false,'type':{'type':'list','element-id':51,"
    "'element-required':false,'element':'long'}}]}";

static inline struct schema parse_schema(struct arena *arena, const char *json)
{
    struct error err = {0};
    struct schema schema;

    expect_success(json, schema_parse(parse_json(arena, json), arena, &schema, &err), &err);
    return schema;
}

static inline struct str written(struct arena *arena, const struct schema *schema)
{
    struct buf buf = BUF_INIT(SIZE_MAX);

    schema_write(schema, &buf);
    struct str text = arena_str(arena, buf_str(&buf));
    buf_free(&buf);
    return text;
}

static inline json_t *wide_schema(int count, const char *name_format)
{
    json_t *fields = json_array();
    char name[64];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%.8s%d", name_format, i);
        json_array_append_new(fields, json_pack("{s:i, s:s, s:b, s:s}", "id", count - i, "name",
                                                name, "required", 1, "type", "long"));
    }
    return json_pack("{s:s, s:o}", "type", "struct", "fields", fields);
}

#endif
