/* JSON text against jansson, which parses what our checker lets through.
 *
 * 1. Both accept the same texts, but for depth, where ours is the stricter one, for a byte of zero
 *    behind a number, which jansson passes over, and for numbers too large for a double, which ours
 *    leaves to whoever reads them.
 * 2. Walking the text tells what jansson's tree tells.
 * 3. A string that is written reads as what was written. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>

#include "base/raw_json.h"

static void compare(struct str text, const json_t *value, struct arena *arena);

static void compare_string(struct str got, const json_t *string)
{
    CHECK(str_equal(got, str_from(json_string_value(string), json_string_length(string))));
}

static void compare_object(struct str text, const json_t *object, struct arena *arena)
{
    struct str key, member;
    size_t count = 0;
    struct raw_json_cursor cursor = raw_json_enter(text);
    while (raw_json_next_member(&cursor, &key, &member)) {
        struct str name = raw_json_key(key, arena);
        const json_t *value = json_object_get(object, arena_cstr(arena, name));
        CHECK(value != NULL && raw_json_key_is(key, arena_cstr(arena, name)));
        CHECK(raw_json_member(text, arena_cstr(arena, name)).ptr == member.ptr);
        compare(member, value, arena);
        count++;
    }
    CHECK(count == json_object_size(object));
}

static void compare_array(struct str text, const json_t *array, struct arena *arena)
{
    struct str element;
    size_t count = 0;
    struct raw_json_cursor cursor = raw_json_enter(text);
    while (raw_json_next_element(&cursor, &element))
        compare(element, json_array_get(array, count++), arena);
    CHECK(count == json_array_size(array));
}

static void compare(struct str text, const json_t *value, struct arena *arena)
{
    int64_t number;
    bool truth;
    CHECK(value != NULL);
    CHECK(raw_json_int64(text, &number) == json_is_integer(value));
    CHECK(raw_json_bool(text, &truth) == json_is_boolean(value));
    switch (raw_json_kind(text)) {
    case RAW_JSON_NULL:
        CHECK(json_is_null(value));
        break;
    case RAW_JSON_BOOL:
        CHECK(truth == json_is_true(value));
        break;
    case RAW_JSON_NUMBER:
        CHECK(json_is_number(value));
        CHECK(!json_is_integer(value) || number == json_integer_value(value));
        break;
    case RAW_JSON_STRING:
        CHECK(json_is_string(value));
        compare_string(raw_json_string(text, arena), value);
        break;
    case RAW_JSON_ARRAY:
        CHECK(json_is_array(value));
        compare_array(text, value, arena);
        break;
    case RAW_JSON_OBJECT:
        CHECK(json_is_object(value));
        compare_object(text, value, arena);
        break;
    }
}

/* The input as the text of a string: what comes back is the same wherever it was UTF-8. */
static void write_and_read(struct str input, struct arena *arena)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    struct str value;
    struct error err = {0};
    raw_json_write_string(&out, input);
    bool has_nul = input.len > 0 && memchr(input.ptr, '\0', input.len) != NULL;
    CHECK((raw_json_check(buf_str(&out), &value, &err) != 0) == has_nul);
    if (!has_nul && str_is_utf8(input))
        CHECK(str_equal(raw_json_string(value, arena), input));
    buf_free(&out);
}

static bool is_expected_difference(struct str input, const char *ours, const json_error_t *theirs,
                                   bool accepted)
{
    if (accepted)
        return json_error_code(theirs) == json_error_numeric_overflow;
    return strstr(ours, "nested too deeply") != NULL || memchr(input.ptr, '\0', input.len) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = fuzz_copy(data, size), value;
    struct arena *arena = arena_new();
    struct error err = {0};
    json_error_t trouble = {0};
    json_t *tree =
        json_loadb(input.ptr, input.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &trouble);
    bool accepted = raw_json_check(input, &value, &err) == 0;
    if (!accepted)
        fuzz_check_error(&err);
    if (accepted && tree != NULL)
        compare(value, tree, arena);
    else if (accepted || tree != NULL)
        CHECK(is_expected_difference(input, err.message, &trouble, accepted));
    json_decref(tree);
    write_and_read(input, arena);
    arena_free(arena);
    free((char *)input.ptr);
    return 0;
}
