/* Typed access to members of JSON objects.
 *
 * Rules: null is absent; nothing is converted; what is returned as text is a copy in the arena. */
#include "iceberg/json_member.h"

#include <assert.h>
#include <stdio.h>

static const json_t *member(const json_t *object, const char *name)
{
    assert(json_is_object(object));
    const json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

struct str value_string(const json_t *string, struct arena *arena)
{
    assert(json_is_string(string));
    return arena_str(arena, str_from(json_string_value(string), json_string_length(string)));
}

/* The longest prefix of at most `bytes` bytes that does not end inside a UTF-8 character. */
static size_t utf8_prefix(const char *text, size_t bytes)
{
    if (strnlen(text, bytes + 1) <= bytes)
        return strlen(text);
    while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80)
        bytes--;
    return bytes;
}

const char *value_brief(const json_t *value, char out[VALUE_BRIEF_BYTES])
{
    const char *dots = "";
    size_t len;

    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        len = utf8_prefix(text, VALUE_BRIEF_BYTES - sizeof("\"\"..."));
        dots = text[len] == '\0' ? "" : "...";
        snprintf(out, VALUE_BRIEF_BYTES, "\"%.*s%s\"", (int)len, text, dots);
    } else if (json_is_object(value)) {
        snprintf(out, VALUE_BRIEF_BYTES, "an object");
    } else if (json_is_array(value)) {
        snprintf(out, VALUE_BRIEF_BYTES, "an array");
    } else if (value == NULL) {
        snprintf(out, VALUE_BRIEF_BYTES, "nothing");
    } else {
        len = json_dumpb(value, out, VALUE_BRIEF_BYTES - 1, JSON_ENCODE_ANY);
        assert(len < VALUE_BRIEF_BYTES); /* numbers are at most 25 bytes */
        out[len] = '\0';
    }
    return out;
}

int value_int32(const json_t *value, const char *what, int64_t *out, struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];

    if (!json_is_integer(value) || json_integer_value(value) < INT32_MIN ||
        json_integer_value(value) > INT32_MAX) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse to an integer value: %s: %s",
                         what, value_brief(value, brief));
    }
    *out = json_integer_value(value);
    return 0;
}

int member_int32(const json_t *object, const char *name, int64_t *out, struct error *err)
{
    const json_t *value = member(object, name);

    if (value == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse missing int: %s", name);
    return value_int32(value, name, out, err);
}

int member_int32_or(const json_t *object, const char *name, int64_t otherwise, int64_t *out,
                    struct error *err)
{
    const json_t *value = member(object, name);

    if (value == NULL) {
        *out = otherwise;
        return 0;
    }
    return value_int32(value, name, out, err);
}

int member_bool_or(const json_t *object, const char *name, bool otherwise, bool *out,
                   struct error *err)
{
    const json_t *value = member(object, name);
    char brief[VALUE_BRIEF_BYTES];

    if (value == NULL) {
        *out = otherwise;
        return 0;
    }
    if (!json_is_boolean(value)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse to a boolean value: %s: %s", name,
                         value_brief(value, brief));
    }
    *out = json_is_true(value);
    return 0;
}

int member_bool(const json_t *object, const char *name, bool *out, struct error *err)
{
    if (member(object, name) == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse missing boolean: %s", name);
    return member_bool_or(object, name, false, out, err);
}

int member_string_optional(const json_t *object, const char *name, struct arena *arena,
                           struct str *out, struct error *err)
{
    const json_t *value = member(object, name);
    char brief[VALUE_BRIEF_BYTES];

    if (value == NULL) {
        *out = STR_NONE;
        return 0;
    }
    if (!json_is_string(value)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse to a string value: %s: %s", name,
                         value_brief(value, brief));
    }
    *out = value_string(value, arena);
    return 0;
}

int member_string(const json_t *object, const char *name, struct arena *arena, struct str *out,
                  struct error *err)
{
    if (member(object, name) == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse missing string: %s", name);
    return member_string_optional(object, name, arena, out, err);
}

int member_array(const json_t *object, const char *name, const json_t **out, struct error *err)
{
    const json_t *value = member(object, name);
    char brief[VALUE_BRIEF_BYTES];

    if (value == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse missing list: %s", name);
    if (!json_is_array(value)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse from non-array value: %s: %s",
                         name, value_brief(value, brief));
    }
    *out = value;
    return 0;
}

int member_object_optional(const json_t *object, const char *name, const json_t **out,
                           struct error *err)
{
    const json_t *value = member(object, name);
    char brief[VALUE_BRIEF_BYTES];

    if (value != NULL && !json_is_object(value)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse from non-object value: %s: %s",
                         name, value_brief(value, brief));
    }
    *out = value;
    return 0;
}
