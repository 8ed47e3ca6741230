/* Partition specs: parse, check against a schema, number, compare, print.
 *
 * Rules: transforms are canonical text once parsed; a field id of 0 means "not given", and either
 * all fields have one or none; a void field keeps its name and source but asks nothing of the
 * source, which may be gone. */
#include "iceberg/partition_spec.h"

#include "base/raw_json.h"
#include "iceberg/json_member.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_FIELD_ID 1000

/* *out is 0 when there is none. */
static int read_field_id(const json_t *json, int64_t *out, struct error *err)
{
    const json_t *id = json_object_get(json, "field-id");

    *out = 0;
    if (id == NULL || json_is_null(id))
        return 0;
    if (value_int32(id, "field-id", out, err) != 0)
        return -1;
    if (*out < 1) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid partition field id: %lld",
                         (long long)*out);
    }
    return 0;
}

static int read_field(const json_t *json, struct arena *arena, struct partition_field *out,
                      struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];
    struct str transform;

    if (!json_is_object(json)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse partition field from %s",
                         value_brief(json, brief));
    }
    if (member_string(json, "name", arena, &out->name, err) != 0 ||
        member_string(json, "transform", arena, &transform, err) != 0 ||
        transform_parse(transform, arena, &out->transform, err) != 0 ||
        member_int32(json, "source-id", &out->source_id, err) != 0)
        return -1;
    return read_field_id(json, &out->field_id, err);
}

int partition_spec_parse_fields(const json_t *array, struct arena *arena,
                                struct partition_spec *out, struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];
    size_t missing = 0;

    if (!json_is_array(array)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse partition spec fields, not an array: %s",
                         value_brief(array, brief));
    }
    size_t count = json_array_size(array);
    *out = (struct partition_spec){0, ARENA_ARRAY(arena, struct partition_field, count), count};
    for (size_t i = 0; i < count; i++) {
        if (read_field(json_array_get(array, i), arena, &out->fields[i], err) != 0)
            return -1;
        missing += out->fields[i].field_id == 0;
    }
    if (missing != 0 && missing != count) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse spec with missing field IDs: %zu missing of %zu fields",
                         missing, count);
    }
    return 0;
}

int partition_spec_parse(const json_t *json, struct arena *arena, struct partition_spec *out,
                         struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];
    const json_t *fields;
    int64_t spec_id;

    if (!json_is_object(json)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse partition spec from %s",
                         value_brief(json, brief));
    }
    if (member_int32_or(json, "spec-id", 0, &spec_id, err) != 0 ||
        member_array(json, "fields", &fields, err) != 0 ||
        partition_spec_parse_fields(fields, arena, out, err) != 0)
        return -1;
    out->spec_id = spec_id;
    return 0;
}

/* The source column of a field that is not void. */
static int check_source(const struct partition_field *field, const struct schema *schema,
                        struct arena *arena, struct error *err)
{
    struct column source;

    if (!schema_find_id(schema, field->source_id, NULL, &source)) {
        return error_set(
            err, ERR_VALIDATION, "Cannot find source column for partition field: %.*s: %.*s(%lld)",
            STR_ARG(field->name), STR_ARG(field->transform), (long long)field->source_id);
    }
    struct str type = type_display(source.field->type, arena);
    if (!type_is_primitive(source.field->type)) {
        return error_set(err, ERR_VALIDATION,
                         "Cannot partition by non-primitive source field: %.*s of type %.*s",
                         STR_ARG(source.field->name), STR_ARG(type));
    }
    if (!transform_applies_to(field->transform, source.field->type)) {
        return error_set(err, ERR_VALIDATION, "Invalid source type %.*s for transform: %.*s",
                         STR_ARG(type), STR_ARG(field->transform));
    }
    if (!source.ancestors_structs) {
        return error_set(err, ERR_VALIDATION,
                         "Invalid partition field parent: %.*s is inside a list or map",
                         STR_ARG(source.field->name));
    }
    return 0;
}

/* Its name alone: not empty, and not that of a column other than its source. */
static int check_name(const struct partition_field *field, const struct schema *schema,
                      struct error *err)
{
    struct column column;

    if (field->name.len == 0)
        return error_set(err, ERR_VALIDATION, "Cannot use empty partition name");
    if (schema_find_name(schema, field->name, NULL, &column) &&
        column.field->id != field->source_id) {
        return error_set(err, ERR_VALIDATION,
                         "Cannot create partition from name that exists in schema: %.*s",
                         STR_ARG(field->name));
    }
    return 0;
}

static int order_by_name(const void *a, const void *b)
{
    const struct partition_field *const *x = a, *const *y = b;

    return str_compare((*x)->name, (*y)->name);
}

static int order_by_field_id(const void *a, const void *b)
{
    const struct partition_field *const *x = a, *const *y = b;

    return ((*x)->field_id > (*y)->field_id) - ((*x)->field_id < (*y)->field_id);
}

static int check_unique(const struct partition_spec *spec, struct arena *arena, struct error *err)
{
    const struct partition_field **sorted =
        ARENA_ARRAY(arena, const struct partition_field *, spec->field_count);

    for (size_t i = 0; i < spec->field_count; i++)
        sorted[i] = &spec->fields[i];
    qsort(sorted, spec->field_count, sizeof(*sorted), order_by_name);
    for (size_t i = 1; i < spec->field_count; i++) {
        if (str_equal(sorted[i - 1]->name, sorted[i]->name)) {
            return error_set(err, ERR_VALIDATION, "Cannot use partition name more than once: %.*s",
                             STR_ARG(sorted[i]->name));
        }
    }
    qsort(sorted, spec->field_count, sizeof(*sorted), order_by_field_id);
    for (size_t i = 1; i < spec->field_count; i++) {
        if (sorted[i]->field_id != 0 && sorted[i - 1]->field_id == sorted[i]->field_id) {
            return error_set(err, ERR_VALIDATION,
                             "Cannot use partition field id more than once: %lld",
                             (long long)sorted[i]->field_id);
        }
    }
    return 0;
}

int partition_spec_check(const struct partition_spec *spec, const struct schema *schema,
                         struct arena *arena, struct error *err)
{
    for (size_t i = 0; i < spec->field_count; i++) {
        const struct partition_field *field = &spec->fields[i];
        if (check_name(field, schema, err) != 0)
            return -1;
        if (!transform_is_void(field->transform) && check_source(field, schema, arena, err) != 0)
            return -1;
    }
    return check_unique(spec, arena, err);
}

void partition_spec_number(struct partition_spec *spec)
{
    if (spec->field_count == 0 || spec->fields[0].field_id != 0)
        return;
    for (size_t i = 0; i < spec->field_count; i++) {
        assert(spec->fields[i].field_id == 0);
        spec->fields[i].field_id = FIRST_FIELD_ID + (int64_t)i;
    }
}

int64_t partition_spec_highest_field_id(const struct partition_spec *spec)
{
    int64_t highest = FIRST_FIELD_ID - 1;

    for (size_t i = 0; i < spec->field_count; i++)
        if (spec->fields[i].field_id > highest)
            highest = spec->fields[i].field_id;
    return highest;
}

bool partition_spec_same(const struct partition_spec *a, const struct partition_spec *b)
{
    if (a->field_count != b->field_count)
        return false;
    for (size_t i = 0; i < a->field_count; i++) {
        const struct partition_field *x = &a->fields[i], *y = &b->fields[i];
        if (x->source_id != y->source_id || !str_equal(x->transform, y->transform) ||
            !str_equal(x->name, y->name))
            return false;
    }
    return true;
}

static void write_field(const struct partition_field *field, struct buf *out)
{
    buf_add_cstr(out, "{\"name\":");
    raw_json_write_string(out, field->name);
    buf_add_cstr(out, ",\"transform\":");
    raw_json_write_string(out, field->transform);
    buf_add_cstr(out, ",\"source-id\":");
    buf_add_int64(out, field->source_id);
    if (field->field_id != 0) {
        buf_add_cstr(out, ",\"field-id\":");
        buf_add_int64(out, field->field_id);
    }
    buf_add_char(out, '}');
}

void partition_spec_write_fields(const struct partition_spec *spec, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < spec->field_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        write_field(&spec->fields[i], out);
    }
    buf_add_char(out, ']');
}

void partition_spec_write(const struct partition_spec *spec, struct buf *out)
{
    buf_add_cstr(out, "{\"spec-id\":");
    buf_add_int64(out, spec->spec_id);
    buf_add_cstr(out, ",\"fields\":");
    partition_spec_write_fields(spec, out);
    buf_add_char(out, '}');
}
