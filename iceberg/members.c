/* Typed members of a raw JSON object: one walk, then the kinds.
 *
 * Keys are compared as bytes first; only a key with an escape is unescaped. Foreign bytes were
 * checked before they came here, so a walk cannot fail. */
#include "iceberg/members.h"

#include <assert.h>

#define SPEC_NONE ((size_t)-1)

static size_t spec_find(const struct member_spec *specs, size_t spec_count, struct str key)
{
    for (size_t i = 0; i < spec_count; i++)
        if (str_equal(specs[i].name, key))
            return i;
    if (memchr(key.ptr, '\\', key.len) == NULL)
        return SPEC_NONE;
    for (size_t i = 0; i < spec_count; i++)
        if (raw_json_key_is(key, specs[i].name.ptr))
            return i;
    return SPEC_NONE;
}

static bool all_strings(struct str value)
{
    struct str key, element;
    struct raw_json_cursor cursor = raw_json_enter(value);
    if (raw_json_kind(value) == RAW_JSON_OBJECT) {
        while (raw_json_next_member(&cursor, &key, &element))
            if (raw_json_kind(element) != RAW_JSON_STRING)
                return false;
    } else {
        while (raw_json_next_element(&cursor, &element))
            if (raw_json_kind(element) != RAW_JSON_STRING)
                return false;
    }
    return true;
}

static bool all_ints(struct str array)
{
    struct str element;
    int64_t number;
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (raw_json_next_element(&cursor, &element))
        if (!raw_json_int64(element, &number))
            return false;
    return true;
}

static bool kind_matches(struct str value, enum member_kind kind)
{
    int64_t number;
    switch (kind) {
    case MEMBER_INT:
        return raw_json_int64(value, &number);
    case MEMBER_STRING:
        return raw_json_kind(value) == RAW_JSON_STRING;
    case MEMBER_BOOL:
        return raw_json_kind(value) == RAW_JSON_BOOL;
    case MEMBER_OBJECT:
        return raw_json_kind(value) == RAW_JSON_OBJECT;
    case MEMBER_ARRAY:
        return raw_json_kind(value) == RAW_JSON_ARRAY;
    case MEMBER_STRING_MAP:
        return raw_json_kind(value) == RAW_JSON_OBJECT && all_strings(value);
    case MEMBER_INT_ARRAY:
        return raw_json_kind(value) == RAW_JSON_ARRAY && all_ints(value);
    case MEMBER_STRING_ARRAY:
        return raw_json_kind(value) == RAW_JSON_ARRAY && all_strings(value);
    }
    assert(!"a kind without a row");
    return false;
}

static const char *kind_name(enum member_kind kind)
{
    static const char *const names[] = {
        [MEMBER_INT] = "a 64-bit integer",
        [MEMBER_STRING] = "a string",
        [MEMBER_BOOL] = "true or false",
        [MEMBER_OBJECT] = "an object",
        [MEMBER_ARRAY] = "an array",
        [MEMBER_STRING_MAP] = "an object of strings",
        [MEMBER_INT_ARRAY] = "an array of 64-bit integers",
        [MEMBER_STRING_ARRAY] = "an array of strings",
    };
    assert(kind < sizeof(names) / sizeof(names[0]));
    return names[kind];
}

static int check_kinds(const char *what, const struct member_spec *specs, size_t spec_count,
                       struct str *values, struct error *err)
{
    for (size_t i = 0; i < spec_count; i++) {
        if (values[i].ptr != NULL && raw_json_kind(values[i]) == RAW_JSON_NULL)
            values[i] = STR_NONE;
        if (values[i].ptr == NULL) {
            if (specs[i].need == MEMBER_REQUIRED)
                return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse %s: missing %s", what,
                                 specs[i].name.ptr);
        } else if (!kind_matches(values[i], specs[i].kind)) {
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse %s: %s must be %s", what,
                             specs[i].name.ptr, kind_name(specs[i].kind));
        }
    }
    return 0;
}

static void unknown_add(struct unknown_members *unknown, struct str name, struct str value,
                        struct arena *arena)
{
    if (unknown->count == unknown->capacity) {
        size_t capacity = unknown->capacity == 0 ? 8 : unknown->capacity * 2;
        struct metadata_member *grown = ARENA_ARRAY(arena, struct metadata_member, capacity);
        if (unknown->count > 0)
            memcpy(grown, unknown->members, unknown->count * sizeof(*grown));
        unknown->members = grown;
        unknown->capacity = capacity;
    }
    unknown->members[unknown->count++] = (struct metadata_member){name, value};
}

int members_read_all(struct str object, const char *what, const struct member_spec *specs,
                     size_t spec_count, struct str *values, struct arena *arena,
                     struct unknown_members *unknown, struct error *err)
{
    assert(what != NULL);
    assert(spec_count == 0 || (specs != NULL && values != NULL));
    assert(unknown == NULL || arena != NULL);
    for (size_t i = 0; i < spec_count; i++)
        values[i] = STR_NONE;
    if (raw_json_kind(object) != RAW_JSON_OBJECT)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse %s: not an object", what);
    struct str key, value;
    struct raw_json_cursor cursor = raw_json_enter(object);
    while (raw_json_next_member(&cursor, &key, &value)) {
        size_t at = spec_find(specs, spec_count, key);
        if (at != SPEC_NONE)
            values[at] = value;
        else if (unknown != NULL)
            unknown_add(unknown, key, value, arena);
    }
    return check_kinds(what, specs, spec_count, values, err);
}

int members_read(struct str object, const char *what, const struct member_spec *specs,
                 size_t spec_count, struct str *values, struct error *err)
{
    return members_read_all(object, what, specs, spec_count, values, NULL, NULL, err);
}

int members_count(struct str array, size_t max, const char *what, size_t *out, struct error *err)
{
    struct str element;
    struct raw_json_cursor cursor = raw_json_enter(array);
    *out = 0;
    while (raw_json_next_element(&cursor, &element))
        if (++*out > max)
            return error_set(err, ERR_BAD_REQUEST, "A commit has at most %zu %s", max, what);
    return 0;
}

int64_t member_int64(struct str value)
{
    int64_t number = 0;
    bool integral = raw_json_int64(value, &number);
    assert(integral);
    (void)integral;
    return number;
}

int64_t member_int64_or(struct str value, int64_t otherwise)
{
    return value.ptr == NULL ? otherwise : member_int64(value);
}

struct str members_without_nulls(struct str object, const struct member_spec *specs,
                                 size_t spec_count, struct arena *arena)
{
    struct str key, value;
    bool found = false;
    struct raw_json_cursor cursor = raw_json_enter(object);
    while (raw_json_next_member(&cursor, &key, &value))
        if (raw_json_kind(value) == RAW_JSON_NULL && spec_find(specs, spec_count, key) != SPEC_NONE)
            found = true;
    if (!found)
        return object;

    char *copy = ARENA_ARRAY(arena, char, object.len + 1);
    size_t len = 0;
    copy[len++] = '{';
    cursor = raw_json_enter(object);
    while (raw_json_next_member(&cursor, &key, &value)) {
        if (raw_json_kind(value) == RAW_JSON_NULL && spec_find(specs, spec_count, key) != SPEC_NONE)
            continue;
        if (len > 1)
            copy[len++] = ',';
        copy[len++] = '"';
        memcpy(copy + len, key.ptr, key.len);
        len += key.len;
        memcpy(copy + len, "\":", 2);
        len += 2;
        memcpy(copy + len, value.ptr, value.len);
        len += value.len;
    }
    copy[len++] = '}';
    assert(len <= object.len);
    return str_from(copy, len);
}
