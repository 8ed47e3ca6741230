/* Default values: one row per type says how its JSON form is checked and made canonical.
 *
 * Rules: a value is accepted only if every reader of the table would read the same value from it;
 * what is printed is what the reference implementation prints. */
#include "iceberg/default_value.h"

#include "base/raw_json.h"
#include "iceberg/iso_time.h"
#include "iceberg/json_member.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Checks and makes canonical; false when the value does not fit. */
typedef bool read_fn(const json_t *json, const struct type *type, struct arena *arena,
                     struct str *out);

/* `precision` is of reals: significant digits. */
static struct str dump(const json_t *json, size_t precision, struct arena *arena)
{
    char text[64]; /* a number or a word */
    size_t len =
        json_dumpb(json, text, sizeof(text), JSON_ENCODE_ANY | JSON_REAL_PRECISION(precision));

    assert(len <= sizeof(text));
    return arena_str(arena, str_from(text, len));
}

/* With as few digits as read back as the same number. */
static struct str dump_real(double value, struct arena *arena)
{
    json_t *real = json_real(value);
    struct str text = STR_NONE;
    bool same = false;

    for (size_t precision = 15; !same; precision++) {
        text = dump(real, precision, arena);
        json_t *back = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
        same = json_real_value(back) == value;
        json_decref(back);
        assert(same || precision < 17);
    }
    json_decref(real);
    return text;
}

static struct str quote(struct str text, struct arena *arena)
{
    struct buf buf = BUF_INIT(SIZE_MAX);

    raw_json_write_string(&buf, text);
    struct str quoted = arena_str(arena, buf_str(&buf));
    buf_free(&buf);
    return quoted;
}

static struct str string_of(const json_t *json)
{
    assert(json_is_string(json));
    return str_from(json_string_value(json), json_string_length(json));
}

static bool read_boolean(const json_t *json, const struct type *type, struct arena *arena,
                         struct str *out)
{
    (void)type;
    if (!json_is_boolean(json))
        return false;
    *out = dump(json, 0, arena);
    return true;
}

static bool read_whole(const json_t *json, const struct type *type, struct arena *arena,
                       struct str *out)
{
    if (!json_is_integer(json))
        return false;
    json_int_t value = json_integer_value(json);
    if (type->id == TYPE_INT && (value < INT32_MIN || value > INT32_MAX))
        return false;
    *out = dump(json, 0, arena);
    return true;
}

static bool read_floating(const json_t *json, const struct type *type, struct arena *arena,
                          struct str *out)
{
    if (!json_is_number(json))
        return false;
    double value = json_number_value(json);
    if (!isfinite(value) || (type->id == TYPE_FLOAT && fabs(value) > (double)FLT_MAX))
        return false;
    *out = dump_real(value, arena);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* -?digits[.digits] with exactly `scale` digits behind the point and at most `precision` in all,
 * leading zeros not counted. */
static bool is_decimal(struct str text, int64_t precision, int64_t scale)
{
    if (text.len > 0 && text.ptr[0] == '-')
        text = str_skip(text, 1);
    struct str fraction = text;
    struct str whole = str_cut(&fraction, '.');
    if (whole.len == 0 || fraction.len != (size_t)scale || (scale == 0 && fraction.ptr != NULL))
        return false;
    int64_t digit_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (i == whole.len)
            continue; /* the point */
        if (!is_digit(text.ptr[i]))
            return false;
        digit_count += digit_count > 0 || text.ptr[i] != '0';
    }
    return digit_count <= precision;
}

static bool read_decimal(const json_t *json, const struct type *type, struct arena *arena,
                         struct str *out)
{
    if (!json_is_string(json) || !is_decimal(string_of(json), type->length, type->scale))
        return false;
    *out = quote(string_of(json), arena);
    return true;
}

static bool read_string(const json_t *json, const struct type *type, struct arena *arena,
                        struct str *out)
{
    (void)type;
    if (!json_is_string(json))
        return false;
    *out = quote(string_of(json), arena);
    return true;
}

static bool read_time(const json_t *json, const struct type *type, struct arena *arena,
                      struct str *out)
{
    bool fits = false;

    if (!json_is_string(json))
        return false;
    struct str text = string_of(json);
    switch (type->id) {
    case TYPE_DATE:
        fits = iso_is_date(text);
        break;
    case TYPE_TIME:
        fits = iso_is_time(text);
        break;
    case TYPE_TIMESTAMP:
        fits = iso_is_timestamp(text, 6);
        break;
    case TYPE_TIMESTAMP_NS:
        fits = iso_is_timestamp(text, 9);
        break;
    case TYPE_TIMESTAMPTZ:
        fits = iso_is_timestamptz(text, 6);
        break;
    case TYPE_TIMESTAMPTZ_NS:
        fits = iso_is_timestamptz(text, 9);
        break;
    default:
        assert(!"a type with a time");
    }
    if (fits)
        *out = quote(text, arena);
    return fits;
}

static bool is_hex_digit(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Quoted, with the letters moved from the range that starts at `from` to the one at `to`. */
static struct str quote_hex(struct str text, char from, char to, struct arena *arena)
{
    char *copy = arena_alloc(arena, text.len + 2);

    copy[0] = copy[text.len + 1] = '"';
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        copy[i + 1] = c >= from && c < from + 6 ? (char)(c - from + to) : c;
    }
    return str_from(copy, text.len + 2);
}

static bool read_uuid(const json_t *json, const struct type *type, struct arena *arena,
                      struct str *out)
{
    (void)type;
    if (!json_is_string(json) || json_string_length(json) != 36)
        return false;
    struct str text = string_of(json);
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.ptr[i] != '-' : !is_hex_digit(text.ptr[i]))
            return false;
    }
    *out = quote_hex(text, 'A', 'a', arena);
    return true;
}

static bool read_bytes(const json_t *json, const struct type *type, struct arena *arena,
                       struct str *out)
{
    if (!json_is_string(json))
        return false;
    struct str text = string_of(json);
    if (text.len % 2 != 0 || (type->id == TYPE_FIXED && (int64_t)(text.len / 2) != type->length))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_hex_digit(text.ptr[i]))
            return false;
    *out = quote_hex(text, 'a', 'A', arena);
    return true;
}

/* NULL: no default but null. */
static read_fn *const readers[] = {
    [TYPE_BOOLEAN] = read_boolean,
    [TYPE_INT] = read_whole,
    [TYPE_LONG] = read_whole,
    [TYPE_FLOAT] = read_floating,
    [TYPE_DOUBLE] = read_floating,
    [TYPE_DATE] = read_time,
    [TYPE_TIME] = read_time,
    [TYPE_TIMESTAMP] = read_time,
    [TYPE_TIMESTAMPTZ] = read_time,
    [TYPE_TIMESTAMP_NS] = read_time,
    [TYPE_TIMESTAMPTZ_NS] = read_time,
    [TYPE_STRING] = read_string,
    [TYPE_UUID] = read_uuid,
    [TYPE_BINARY] = read_bytes,
    [TYPE_FIXED] = read_bytes,
    [TYPE_DECIMAL] = read_decimal,
    [TYPE_MAP] = NULL,
};

int default_value_parse(const json_t *json, const struct type *type, struct str column,
                        struct arena *arena, struct str *out, struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];

    assert(json != NULL && !json_is_null(json));
    read_fn *read = readers[type->id];
    struct str type_text = type_display(type, arena);
    if (read == NULL) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid default value for %.*s: a column of type %.*s has none but null",
                         STR_ARG(column), STR_ARG(type_text));
    }
    if (!read(json, type, arena, out)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid default value for %.*s: cannot parse %s as %.*s", STR_ARG(column),
                         value_brief(json, brief), STR_ARG(type_text));
    }
    return 0;
}
