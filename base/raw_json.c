/* Walking and writing JSON text that passed raw_json_check.
 *
 * Nothing here reads outside the view it is given, whatever the view holds; on text that did not
 * pass the check the answers are merely useless. Nothing here allocates but raw_json_string and
 * raw_json_key for text with escapes. */
#include "base/raw_json.h"

#include <assert.h>

#include "base/raw_json_text.h"

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && raw_json_is_space(*at))
        at++;
    return at;
}

/* `at` is behind the opening quote; the result behind the closing one. */
static const char *skip_string(const char *at, const char *end)
{
    for (;;) {
        at = raw_json_scan_string(at, end, 0);
        if (at == end)
            return end;
        if (*at == '"')
            return at + 1;
        at += end - at >= 2 ? 2 : 1;
    }
}

static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        char c = *at++;
        if (c == '"')
            at = skip_string(at, end);
        else if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            break;
    }
    return at;
}

static const char *skip_value(const char *at, const char *end)
{
    if (at == end)
        return end;
    if (*at == '"')
        return skip_string(at + 1, end);
    if (*at == '{' || *at == '[')
        return skip_container(at, end);
    while (at < end && *at != ',' && *at != '}' && *at != ']' && !raw_json_is_space(*at))
        at++;
    return at;
}

enum raw_json_kind raw_json_kind(struct str value)
{
    assert(value.len > 0);
    switch (value.ptr[0]) {
    case '{':
        return RAW_JSON_OBJECT;
    case '[':
        return RAW_JSON_ARRAY;
    case '"':
        return RAW_JSON_STRING;
    case 't':
    case 'f':
        return RAW_JSON_BOOL;
    case 'n':
        return RAW_JSON_NULL;
    default:
        return RAW_JSON_NUMBER;
    }
}

struct raw_json_cursor raw_json_enter(struct str object_or_array)
{
    struct str s = object_or_array;
    if (s.len == 0 || (s.ptr[0] != '{' && s.ptr[0] != '['))
        return (struct raw_json_cursor){NULL, NULL};
    return (struct raw_json_cursor){s.ptr + 1, s.ptr + s.len};
}

/* To the first byte of the next key or element; false at the end. */
static bool next_start(struct raw_json_cursor *cursor)
{
    const char *at = skip_space(cursor->at, cursor->end);
    if (at < cursor->end && *at == ',')
        at = skip_space(at + 1, cursor->end);
    cursor->at = at;
    return at < cursor->end && *at != '}' && *at != ']';
}

static struct str next_value(struct raw_json_cursor *cursor)
{
    const char *start = cursor->at;
    cursor->at = skip_value(start, cursor->end);
    return str_from(start, (size_t)(cursor->at - start));
}

bool raw_json_next_member(struct raw_json_cursor *cursor, struct str *key, struct str *value)
{
    if (!next_start(cursor) || *cursor->at != '"')
        return false;
    const char *name = cursor->at + 1;
    const char *at = skip_string(name, cursor->end);
    *key = str_from(name, (size_t)(at - name) - (at > name ? 1 : 0));
    at = skip_space(at, cursor->end);
    if (at == cursor->end || *at != ':')
        return false;
    cursor->at = skip_space(at + 1, cursor->end);
    *value = next_value(cursor);
    return value->len > 0;
}

bool raw_json_next_element(struct raw_json_cursor *cursor, struct str *value)
{
    if (!next_start(cursor))
        return false;
    *value = next_value(cursor);
    return value->len > 0;
}

size_t raw_json_element_count(struct str array)
{
    size_t count = 0;
    struct str element;
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (raw_json_next_element(&cursor, &element))
        count++;
    return count;
}

static bool has_escape(struct str text)
{
    return text.len > 0 && memchr(text.ptr, '\\', text.len) != NULL;
}

static bool escaped_key_is(struct str key, struct str name)
{
    const char *at = key.ptr, *end = key.ptr + key.len;
    while (at < end) {
        char decoded[4] = {*at};
        size_t bytes = 1;
        if (*at == '\\')
            bytes = raw_json_unescape(&at, end, decoded);
        else
            at++;
        if (!str_starts_with(name, str_from(decoded, bytes)))
            return false;
        name = str_skip(name, bytes);
    }
    return name.len == 0;
}

bool raw_json_key_is(struct str key, const char *name)
{
    if (has_escape(key))
        return escaped_key_is(key, str_cstr(name));
    return str_equal_cstr(key, name);
}

struct str raw_json_member(struct str object, const char *name)
{
    struct raw_json_cursor cursor = raw_json_enter(object);
    struct str key, value;
    if (object.len == 0 || object.ptr[0] != '{')
        return STR_NONE;
    while (raw_json_next_member(&cursor, &key, &value))
        if (raw_json_key_is(key, name))
            return value;
    return STR_NONE;
}

bool raw_json_int64(struct str value, int64_t *out)
{
    long long number;
    if (!str_to_int64(value, &number))
        return false;
    *out = number;
    return true;
}

bool raw_json_bool(struct str value, bool *out)
{
    *out = str_equal(value, STR("true"));
    return *out || str_equal(value, STR("false"));
}

struct str raw_json_key(struct str key, struct arena *arena)
{
    if (!has_escape(key))
        return key;
    char *text = arena_alloc(arena, key.len); /* decoding never makes text longer */
    size_t len = 0;
    const char *at = key.ptr, *end = key.ptr + key.len;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape == NULL ? end : escape) - at);
        memcpy(text + len, at, plain);
        len += plain;
        at += plain;
        if (at < end) {
            char decoded[4];
            size_t bytes = raw_json_unescape(&at, end, decoded);
            memcpy(text + len, decoded, bytes);
            len += bytes;
        }
    }
    return str_from(text, len);
}

struct str raw_json_string(struct str value, struct arena *arena)
{
    assert(value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"');
    return raw_json_key(str_from(value.ptr + 1, value.len - 2), arena);
}

static void write_escaped(struct buf *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\', 0, '0', '0', digits[c >> 4], digits[c & 0x0F]};
    switch (c) {
    case '"':
    case '\\':
        text[1] = (char)c;
        break;
    case '\n':
        text[1] = 'n';
        break;
    case '\r':
        text[1] = 'r';
        break;
    case '\t':
        text[1] = 't';
        break;
    default:
        text[1] = 'u';
        break;
    }
    buf_add(out, str_from(text, text[1] == 'u' ? 6 : 2));
}

void raw_json_write_string(struct buf *out, struct str text)
{
    const char *at = text.ptr, *end = text.len == 0 ? at : at + text.len;
    const char *run = at; /* what is copied as it is, not yet written */
    buf_add_char(out, '"');
    while (at < end) {
        at = raw_json_scan_string(at, end, 1);
        size_t bytes = at < end ? str_utf8_char(str_from(at, (size_t)(end - at))) : 0;
        if (at < end && bytes >= 2) {
            at += bytes;
            continue;
        }
        buf_add(out, str_from(run, (size_t)(at - run)));
        if (at < end) {
            if (bytes == 0)
                buf_add(out, STR("\xEF\xBF\xBD"));
            else
                write_escaped(out, (unsigned char)*at);
            at++;
        }
        run = at;
    }
    buf_add(out, str_from(run, (size_t)(at - run)));
    buf_add_char(out, '"');
}

static int hex4(const char *at, const char *end)
{
    int code = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = str_hex_digit(at[i]);
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

static size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* The four digits at *at, and the second half when they are the first half of a surrogate pair. */
static size_t unescape_unicode(const char **at, const char *end, char out[4])
{
    int code = hex4(*at, end);
    if (code < 0)
        return 0;
    *at += 4;
    if (code >= 0xDC00 && code <= 0xDFFF)
        return 0;
    if (code < 0xD800 || code > 0xDBFF)
        return utf8_encode((uint32_t)code, out);
    if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return 0;
    int low = hex4(*at + 2, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return 0;
    *at += 6;
    return utf8_encode(0x10000 + ((uint32_t)(code - 0xD800) << 10) + (uint32_t)(low - 0xDC00), out);
}

size_t raw_json_unescape(const char **at, const char *end, char out[4])
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    assert(*at < end && **at == '\\');
    ++*at;
    if (*at == end)
        return 0;
    char letter = *(*at)++;
    if (letter == 'u')
        return unescape_unicode(at, end, out);
    const char *found = letter == '\0' ? NULL : strchr(letters, letter);
    if (found == NULL)
        return 0;
    out[0] = meanings[found - letters];
    return 1;
}
