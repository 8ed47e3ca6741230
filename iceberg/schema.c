/* Schemas: parse, check, find, number, compare, print.
 *
 * Rules: a struct schema that left schema_parse or schema_assign_fresh_ids is valid by the rules
 * that need no format version; identifier ids are an ascending set; every look-up goes through the
 * index. Not here: what a spec or an order asks of a column. */
#include "iceberg/schema.h"

#include "iceberg/json_member.h"
#include "iceberg/schema_index.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_VERSION_WITH_NEW_TYPES 3
#define FIRST_VERSION_WITH_DEFAULTS 3

static int order_int64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void make_set(int64_t *ids, size_t *count)
{
    size_t kept = 0;

    qsort(ids, *count, sizeof(*ids), order_int64);
    for (size_t i = 0; i < *count; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    *count = kept;
}

static int read_identifier_ids(const json_t *json, struct arena *arena, struct schema *out,
                               struct error *err)
{
    const json_t *ids = json_object_get(json, "identifier-field-ids");

    out->identifier_field_ids = NULL;
    out->identifier_field_count = 0;
    if (ids == NULL || json_is_null(ids))
        return 0;
    if (member_array(json, "identifier-field-ids", &ids, err) != 0)
        return -1;
    out->identifier_field_count = json_array_size(ids);
    out->identifier_field_ids = ARENA_ARRAY(arena, int64_t, out->identifier_field_count);
    for (size_t i = 0; i < out->identifier_field_count; i++)
        if (value_int32(json_array_get(ids, i), "identifier-field-ids",
                        &out->identifier_field_ids[i], err) != 0)
            return -1;
    make_set(out->identifier_field_ids, &out->identifier_field_count);
    return 0;
}

/* NULL when the column may be an identifier. */
static const char *identifier_problem(const struct column *column)
{
    enum type_id type = column->field->type->id;

    if (!type_is_primitive(column->field->type))
        return "not a primitive type field";
    if (!column->field->required)
        return "not a required field";
    if (type == TYPE_FLOAT || type == TYPE_DOUBLE)
        return "must not be float or double field";
    if (!column->ancestors_structs)
        return "must not be nested in a list or map";
    if (!column->ancestors_required)
        return "must not be nested in an optional field";
    return NULL;
}

static int check_identifiers(const struct schema *schema, struct arena *arena, struct error *err)
{
    for (size_t i = 0; i < schema->identifier_field_count; i++) {
        int64_t id = schema->identifier_field_ids[i];
        struct column column;
        if (!schema_find_id(schema, id, NULL, &column)) {
            return error_set(err, ERR_VALIDATION,
                             "Cannot add fieldId %lld as an identifier field: field does not exist",
                             (long long)id);
        }
        const char *problem = identifier_problem(&column);
        if (problem != NULL) {
            schema_find_id(schema, id, arena, &column);
            return error_set(err, ERR_VALIDATION,
                             "Cannot add field %.*s as an identifier field: %s",
                             STR_ARG(column.full_name), problem);
        }
    }
    return 0;
}

int schema_parse(const json_t *json, struct arena *arena, struct schema *out, struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];

    if (!json_is_object(json)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse schema from %s",
                         value_brief(json, brief));
    }
    if (type_parse(json, arena, &out->root, err) != 0)
        return -1;
    if (out->root->id != TYPE_STRUCT) {
        struct str type = type_display(out->root, arena);
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot create schema, not a struct type: %.*s",
                         STR_ARG(type));
    }
    if (member_int32_or(json, "schema-id", 0, &out->schema_id, err) != 0 ||
        read_identifier_ids(json, arena, out, err) != 0)
        return -1;
    out->index = schema_index_build(out->root, arena);
    if (schema_index_check(out->index, arena, err) != 0)
        return -1;
    return check_identifiers(out, arena, err);
}

static bool is_new_type(enum type_id id)
{
    return id == TYPE_TIMESTAMP_NS || id == TYPE_TIMESTAMPTZ_NS || id == TYPE_VARIANT ||
           id == TYPE_UNKNOWN || id == TYPE_GEOMETRY || id == TYPE_GEOGRAPHY;
}

/* Adds a line about the column, if there is something to say. */
static void add_version_problem(const struct schema *schema, uint32_t entry, int format_version,
                                struct arena *arena, struct buf *out)
{
    const struct field *field = schema->index->entries[entry].field;

    if (is_new_type(field->type->id) && format_version < FIRST_VERSION_WITH_NEW_TYPES) {
        struct str name = schema_index_full_name(schema->index, entry, arena);
        struct str type = type_display(field->type, arena);
        buf_add_format(out, "\n- Invalid type for %.*s: %.*s is not supported until v%d",
                       STR_ARG(name), STR_ARG(type), FIRST_VERSION_WITH_NEW_TYPES);
    } else if (field->initial_default.ptr != NULL && format_version < FIRST_VERSION_WITH_DEFAULTS) {
        struct str name = schema_index_full_name(schema->index, entry, arena);
        buf_add_format(out,
                       "\n- Invalid initial default for %.*s: non-null default (%.*s) is not "
                       "supported until v%d",
                       STR_ARG(name), STR_ARG(field->initial_default), FIRST_VERSION_WITH_DEFAULTS);
    }
}

int schema_check_version(const struct schema *schema, int format_version, struct error *err)
{
    struct buf problems = BUF_INIT(SIZE_MAX);
    struct arena *arena = arena_new();
    int result = 0;

    /* What does not fit the message need not be written. */
    for (uint32_t i = 0; i < schema->index->count && problems.len < ERROR_MESSAGE_BYTES_MAX; i++)
        add_version_problem(schema, schema->index->by_id[i], format_version, arena, &problems);
    if (problems.len > 0) {
        result = error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid schema for v%d:%.*s", format_version,
                           STR_ARG(buf_str(&problems)));
    }
    arena_free(arena);
    buf_free(&problems);
    return result;
}

int64_t schema_highest_field_id(const struct schema *schema)
{
    const struct schema_index *index = schema->index;

    return index->count == 0 ? 0 : index->entries[index->by_id[index->count - 1]].field->id;
}

bool schema_same(const struct schema *a, const struct schema *b)
{
    if (a->identifier_field_count != b->identifier_field_count)
        return false;
    for (size_t i = 0; i < a->identifier_field_count; i++)
        if (a->identifier_field_ids[i] != b->identifier_field_ids[i])
            return false;
    return type_equal(a->root, b->root);
}

static bool fill_column(const struct schema *schema, uint32_t at, struct arena *arena,
                        struct column *out)
{
    if (at == SCHEMA_ENTRY_NONE)
        return false;
    const struct schema_entry *entry = &schema->index->entries[at];
    out->field = entry->field;
    out->full_name = arena == NULL ? STR_NONE : schema_index_full_name(schema->index, at, arena);
    out->ancestors_structs = entry->ancestors_structs;
    out->ancestors_required = entry->ancestors_required;
    return true;
}

bool schema_find_id(const struct schema *schema, int64_t field_id, struct arena *arena,
                    struct column *out)
{
    return fill_column(schema, schema_index_find_id(schema->index, field_id), arena, out);
}

bool schema_find_name(const struct schema *schema, struct str full_name, struct arena *arena,
                      struct column *out)
{
    return fill_column(schema, schema_index_find_name(schema->index, full_name), arena, out);
}

/* A copy of the type in which all fields of one level are numbered before those below them. */
static struct type *number_fields(const struct type *type, struct arena *arena, int64_t *last_id)
{
    struct type *copy = ARENA_NEW(arena, struct type);

    *copy = *type;
    if (type->field_count == 0)
        return copy;
    copy->fields = ARENA_ARRAY(arena, struct field, type->field_count);
    for (size_t i = 0; i < type->field_count; i++) {
        copy->fields[i] = type->fields[i];
        copy->fields[i].id = ++*last_id;
    }
    for (size_t i = 0; i < type->field_count; i++)
        copy->fields[i].type = number_fields(type->fields[i].type, arena, last_id);
    return copy;
}

void schema_assign_fresh_ids(const struct schema *in, struct arena *arena, struct schema *out,
                             int64_t *last_column_id)
{
    int64_t last_id = 0;

    *out = (struct schema){
        .schema_id = 0,
        .root = number_fields(in->root, arena, &last_id),
        .identifier_field_count = in->identifier_field_count,
        .identifier_field_ids = ARENA_ARRAY(arena, int64_t, in->identifier_field_count),
    };
    out->index = schema_index_build(out->root, arena);
    for (size_t i = 0; i < in->identifier_field_count; i++) {
        bool found = schema_translate_id(in, out, in->identifier_field_ids[i],
                                         &out->identifier_field_ids[i]);
        assert(found);
        (void)found;
    }
    make_set(out->identifier_field_ids, &out->identifier_field_count);
    *last_column_id = last_id;
}

bool schema_translate_id(const struct schema *from, const struct schema *to, int64_t field_id,
                         int64_t *out)
{
    uint32_t entry = schema_index_find_id(from->index, field_id);

    assert(from->index->count == to->index->count);
    if (entry == SCHEMA_ENTRY_NONE)
        return false;
    *out = to->index->entries[entry].field->id;
    return true;
}

void schema_write(const struct schema *schema, struct buf *out)
{
    buf_add_cstr(out, "{\"type\":\"struct\",\"schema-id\":");
    buf_add_int64(out, schema->schema_id);
    for (size_t i = 0; i < schema->identifier_field_count; i++) {
        buf_add_cstr(out, i == 0 ? ",\"identifier-field-ids\":[" : ",");
        buf_add_int64(out, schema->identifier_field_ids[i]);
    }
    buf_add_cstr(out, schema->identifier_field_count == 0 ? ",\"fields\":" : "],\"fields\":");
    type_write_fields(schema->root, out);
    buf_add_char(out, '}');
}
