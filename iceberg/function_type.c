/* Reads a function's type. Type strings stand as they were written, so they must be written the
 * canonical way: without spaces and quotes. The depth is bounded by that of JSON. */
#include "iceberg/function_type.h"

#include "iceberg/members.h"
#include "iceberg/type.h"

static int read_name(struct str text, struct arena *arena, struct buf *out, struct error *err)
{
    struct type type;
    for (size_t i = 0; i < text.len; i++)
        if (memchr(" \t\"'`", text.ptr[i], 5) != NULL)
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Cannot parse function type: spaces and quotes are not allowed: %.*s",
                             STR_ARG(str_utf8_cut(text, 200)));
    if (type_parse_text(text, arena, &type, err) != 0)
        return -1;
    buf_add(out, text);
    return 0;
}

static int read_fields(struct str array, struct arena *arena, struct buf *out, struct error *err)
{
    static const struct member_spec name = MEMBER("name", STRING, REQUIRED);
    struct str field, value;
    bool first = true;
    struct raw_json_cursor cursor = raw_json_enter(array);
    buf_add(out, STR("struct<"));
    while (raw_json_next_element(&cursor, &field)) {
        if (members_read(field, "function struct field", &name, 1, &value, err) != 0)
            return -1;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        buf_add(out, raw_json_string(value, arena));
        buf_add_char(out, ':');
        if (function_type_read(raw_json_member(field, "type"), arena, out, err) != 0)
            return -1;
    }
    buf_add_char(out, '>');
    return 0;
}

static int read_nested(struct str object, struct arena *arena, struct buf *out, struct error *err)
{
    static const struct member_spec type = MEMBER("type", STRING, REQUIRED);
    static const struct member_spec fields = MEMBER("fields", ARRAY, REQUIRED);
    struct str value;
    if (members_read(object, "function type", &type, 1, &value, err) != 0)
        return -1;
    struct str name = raw_json_string(value, arena);
    if (str_equal(name, STR("struct"))) {
        if (members_read(object, "function type", &fields, 1, &value, err) != 0)
            return -1;
        return read_fields(value, arena, out, err);
    }
    if (str_equal(name, STR("list"))) {
        buf_add(out, STR("list<"));
        if (function_type_read(raw_json_member(object, "element"), arena, out, err) != 0)
            return -1;
    } else if (str_equal(name, STR("map"))) {
        buf_add(out, STR("map<"));
        if (function_type_read(raw_json_member(object, "key"), arena, out, err) != 0)
            return -1;
        buf_add_char(out, ',');
        if (function_type_read(raw_json_member(object, "value"), arena, out, err) != 0)
            return -1;
    } else {
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse function type: neither list, map nor struct: %.*s",
                         STR_ARG(str_utf8_cut(name, 200)));
    }
    buf_add_char(out, '>');
    return 0;
}

int function_type_read(struct str json, struct arena *arena, struct buf *out, struct error *err)
{
    enum raw_json_kind kind = json.ptr == NULL ? RAW_JSON_NULL : raw_json_kind(json);
    if (kind == RAW_JSON_STRING)
        return read_name(raw_json_string(json, arena), arena, out, err);
    if (kind == RAW_JSON_OBJECT)
        return read_nested(json, arena, out, err);
    return error_set(err, ERR_ILLEGAL_ARGUMENT,
                     "Cannot parse function type: missing, or neither a string nor an object");
}
