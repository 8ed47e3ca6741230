/* Types: nested types from JSON, comparison, printing.
 *
 * Rules: recursion is as deep as the type, which SCHEMA_DEPTH_MAX bounds; nothing points into the
 * JSON it was read from; list and map carry their parts as fields, so that whoever walks a type
 * needs one loop. Not here: whether ids and names are unique (schema_index.c). */
#include "iceberg/type.h"

#include "base/limits.h"
#include "base/raw_json.h"
#include "iceberg/default_value.h"
#include "iceberg/json_member.h"

#include <assert.h>

struct reader {
    struct arena *arena;
    struct error *err;
    size_t column_count;
};

static int read_type(struct reader *reader, const json_t *json, int depth, struct type **out);

static struct type *new_nested(struct reader *reader, enum type_id id, size_t field_count)
{
    struct type *type = ARENA_NEW(reader->arena, struct type);

    type->id = id;
    type->field_count = field_count;
    type->fields = ARENA_ARRAY(reader->arena, struct field, field_count);
    return type;
}

static int count_columns(struct reader *reader, size_t more)
{
    if (more > SCHEMA_COLUMNS_MAX - reader->column_count) {
        return error_set(reader->err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid schema: more than %d columns, nested ones included",
                         SCHEMA_COLUMNS_MAX);
    }
    reader->column_count += more;
    return 0;
}

static int read_field_id(struct reader *reader, const json_t *json, const char *member, int64_t *id)
{
    if (member_int32(json, member, id, reader->err) != 0)
        return -1;
    if (*id < 0) {
        return error_set(reader->err, ERR_ILLEGAL_ARGUMENT, "Invalid field id: %s: %lld", member,
                         (long long)*id);
    }
    return 0;
}

/* Whatever the field is, list element or map key included. */
static int check_field(struct reader *reader, const struct field *field)
{
    if (field->required && field->type->id == TYPE_UNKNOWN) {
        return error_set(reader->err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot create required field with unknown type: %.*s",
                         STR_ARG(field->name));
    }
    return 0;
}

static int read_default(struct reader *reader, const json_t *json, const char *member,
                        const struct field *field, struct str *out)
{
    const json_t *value = json_object_get(json, member);

    if (value == NULL || json_is_null(value)) {
        *out = STR_NONE;
        return 0;
    }
    return default_value_parse(value, field->type, field->name, reader->arena, out, reader->err);
}

static int read_struct_field(struct reader *reader, const json_t *json, int depth,
                             struct field *out)
{
    char brief[VALUE_BRIEF_BYTES];

    if (!json_is_object(json)) {
        return error_set(reader->err, ERR_ILLEGAL_ARGUMENT, "Cannot parse struct field from %s",
                         value_brief(json, brief));
    }
    if (read_field_id(reader, json, "id", &out->id) != 0 ||
        member_string(json, "name", reader->arena, &out->name, reader->err) != 0 ||
        member_bool(json, "required", &out->required, reader->err) != 0 ||
        read_type(reader, json_object_get(json, "type"), depth + 1, &out->type) != 0 ||
        member_string_optional(json, "doc", reader->arena, &out->doc, reader->err) != 0 ||
        read_default(reader, json, "initial-default", out, &out->initial_default) != 0 ||
        read_default(reader, json, "write-default", out, &out->write_default) != 0)
        return -1;
    return check_field(reader, out);
}

static int read_struct(struct reader *reader, const json_t *json, int depth, struct type **out)
{
    const json_t *fields;

    if (member_array(json, "fields", &fields, reader->err) != 0 ||
        count_columns(reader, json_array_size(fields)) != 0)
        return -1;
    *out = new_nested(reader, TYPE_STRUCT, json_array_size(fields));
    for (size_t i = 0; i < (*out)->field_count; i++)
        if (read_struct_field(reader, json_array_get(fields, i), depth, &(*out)->fields[i]) != 0)
            return -1;
    return 0;
}

/* One part of a list or map: id and type members by name; required from a member, or NULL: always.
 */
static int read_part(struct reader *reader, const json_t *json, int depth,
                     const char *const names[4], struct field *out)
{
    const char *name = names[0], *id = names[1], *type = names[2], *required = names[3];

    out->name = str_cstr(name);
    out->required = true;
    if (read_field_id(reader, json, id, &out->id) != 0 ||
        read_type(reader, json_object_get(json, type), depth + 1, &out->type) != 0)
        return -1;
    if (required != NULL && member_bool(json, required, &out->required, reader->err) != 0)
        return -1;
    return check_field(reader, out);
}

static const char *const element_names[4] = {"element", "element-id", "element",
                                             "element-required"};
static const char *const key_names[4] = {"key", "key-id", "key", NULL};
static const char *const value_names[4] = {"value", "value-id", "value", "value-required"};

static int read_list(struct reader *reader, const json_t *json, int depth, struct type **out)
{
    if (count_columns(reader, 1) != 0)
        return -1;
    *out = new_nested(reader, TYPE_LIST, 1);
    return read_part(reader, json, depth, element_names, &(*out)->fields[0]);
}

static int read_map(struct reader *reader, const json_t *json, int depth, struct type **out)
{
    if (count_columns(reader, 2) != 0)
        return -1;
    *out = new_nested(reader, TYPE_MAP, 2);
    if (read_part(reader, json, depth, key_names, &(*out)->fields[0]) != 0)
        return -1;
    return read_part(reader, json, depth, value_names, &(*out)->fields[1]);
}

static int read_type(struct reader *reader, const json_t *json, int depth, struct type **out)
{
    char brief[VALUE_BRIEF_BYTES];

    if (depth > SCHEMA_DEPTH_MAX) {
        return error_set(reader->err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid schema: types are nested deeper than %d", SCHEMA_DEPTH_MAX);
    }
    if (json_is_string(json)) {
        *out = ARENA_NEW(reader->arena, struct type);
        return type_parse_text(str_from(json_string_value(json), json_string_length(json)),
                               reader->arena, *out, reader->err);
    }
    const json_t *name = json_object_get(json, "type");
    const char *text = json_string_value(name);
    if (text != NULL && strcmp(text, "struct") == 0)
        return read_struct(reader, json, depth, out);
    if (text != NULL && strcmp(text, "list") == 0)
        return read_list(reader, json, depth, out);
    if (text != NULL && strcmp(text, "map") == 0)
        return read_map(reader, json, depth, out);
    return error_set(reader->err, ERR_ILLEGAL_ARGUMENT, "Cannot parse type from %s%s",
                     name == NULL ? "" : "an object of type ",
                     value_brief(name == NULL ? json : name, brief));
}

int type_parse(const json_t *json, struct arena *arena, struct type **out, struct error *err)
{
    struct reader reader = {arena, err, 0};

    return read_type(&reader, json, 1, out);
}

/* For texts where absent and empty are different things. */
static bool optional_equal(struct str a, struct str b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && str_equal(a, b);
}

static bool field_equal(const struct field *a, const struct field *b)
{
    return a->id == b->id && a->required == b->required && str_equal(a->name, b->name) &&
           optional_equal(a->doc, b->doc) &&
           optional_equal(a->initial_default, b->initial_default) &&
           optional_equal(a->write_default, b->write_default) && type_equal(a->type, b->type);
}

bool type_equal(const struct type *a, const struct type *b)
{
    if (a->id != b->id || a->length != b->length || a->scale != b->scale ||
        !str_equal_ignore_case(a->crs, b->crs) || !str_equal(a->algorithm, b->algorithm) ||
        a->field_count != b->field_count)
        return false;
    for (size_t i = 0; i < a->field_count; i++)
        if (!field_equal(&a->fields[i], &b->fields[i]))
            return false;
    return true;
}

static void write_key(struct buf *out, const char *key)
{
    buf_add_char(out, ',');
    buf_add_char(out, '"');
    buf_add_cstr(out, key);
    buf_add_cstr(out, "\":");
}

static void write_bool(struct buf *out, const char *key, bool value)
{
    write_key(out, key);
    buf_add_cstr(out, value ? "true" : "false");
}

static void write_struct_field(const struct field *field, struct buf *out)
{
    buf_add_cstr(out, "{\"id\":");
    buf_add_int64(out, field->id);
    write_key(out, "name");
    raw_json_write_string(out, field->name);
    write_bool(out, "required", field->required);
    write_key(out, "type");
    type_write(field->type, out);
    if (field->doc.ptr != NULL) {
        write_key(out, "doc");
        raw_json_write_string(out, field->doc);
    }
    if (field->initial_default.ptr != NULL) {
        write_key(out, "initial-default");
        buf_add(out, field->initial_default);
    }
    if (field->write_default.ptr != NULL) {
        write_key(out, "write-default");
        buf_add(out, field->write_default);
    }
    buf_add_char(out, '}');
}

static void write_part(const struct field *field, const char *const names[4], struct buf *out)
{
    write_key(out, names[1]);
    buf_add_int64(out, field->id);
    write_key(out, names[2]);
    type_write(field->type, out);
    if (names[3] != NULL)
        write_bool(out, names[3], field->required);
}

static void write_text(const struct type *type, struct buf *out)
{
    struct arena *scratch = arena_new();

    raw_json_write_string(out, type_display(type, scratch));
    arena_free(scratch);
}

void type_write_fields(const struct type *type, struct buf *out)
{
    assert(type->id == TYPE_STRUCT);
    buf_add_char(out, '[');
    for (size_t i = 0; i < type->field_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        write_struct_field(&type->fields[i], out);
    }
    buf_add_char(out, ']');
}

void type_write(const struct type *type, struct buf *out)
{
    switch (type->id) {
    case TYPE_STRUCT:
        buf_add_cstr(out, "{\"type\":\"struct\"");
        write_key(out, "fields");
        type_write_fields(type, out);
        break;
    case TYPE_LIST:
        buf_add_cstr(out, "{\"type\":\"list\"");
        write_part(&type->fields[0], element_names, out);
        break;
    case TYPE_MAP:
        buf_add_cstr(out, "{\"type\":\"map\"");
        write_part(&type->fields[0], key_names, out);
        write_part(&type->fields[1], value_names, out);
        break;
    default:
        write_text(type, out);
        return;
    }
    buf_add_char(out, '}');
}
