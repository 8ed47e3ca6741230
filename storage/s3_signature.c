/* AWS Signature Version 4.
 *
 * 1. One function makes the canonical request, for requests of ours and of others; nothing that
 *    comes from outside can end a line of it: paths and query items are percent-encoded, values of
 *    headers lose their line ends with all other white space, and names of headers hold none.
 * 2. The path is brought to one spelling: escapes of unreserved bytes are undone, all other bytes
 *    but '/' are escaped, in upper case; %2F stays what it is. So a path that is escaped as
 *    s3_uri_encode does it is left alone, and clients that send '=' or '+' plainly and sign them
 *    escaped, as S3 asks, are understood.
 * 3. Header values of one name keep the order in which they stand. */
#include "storage/s3_signature.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define CANONICAL_BYTES_MAX (16u << 20)

static const char upper_digits[] = "0123456789ABCDEF";

static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* The byte that an escape at text.ptr[i] stands for, -1 when there is none. */
static int escaped_byte(struct str text, size_t i)
{
    if (text.ptr[i] != '%' || text.len - i < 3)
        return -1;
    int high = str_hex_digit(text.ptr[i + 1]), low = str_hex_digit(text.ptr[i + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static char *put_escape(char *to, unsigned char c)
{
    *to++ = '%';
    *to++ = upper_digits[c >> 4];
    *to++ = upper_digits[c & 15];
    return to;
}

struct str s3_uri_encode(struct str text, bool keep_slash, struct arena *arena)
{
    char *out = arena_alloc_array(arena, text.len + 1, 3), *to = out;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved(c) || (c == '/' && keep_slash))
            *to++ = (char)c;
        else
            to = put_escape(to, c);
    }
    return str_from(out, (size_t)(to - out));
}

bool s3_uri_decode(struct str text, struct arena *arena, struct str *out)
{
    char *bytes = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        int c = (unsigned char)text.ptr[i];
        if (c == '%') {
            c = escaped_byte(text, i);
            i += 2;
        }
        if (c <= 0)
            return false;
        bytes[len++] = (char)c;
    }
    *out = str_from(bytes, len);
    return true;
}

/* Invariant 2. */
static struct str canonical_path(struct str raw, struct arena *arena)
{
    char *out = arena_alloc_array(arena, raw.len + 1, 3), *to = out;
    if (raw.len == 0)
        return STR("/");
    for (size_t i = 0; i < raw.len; i++) {
        int escaped = escaped_byte(raw, i);
        unsigned char c = (unsigned char)(escaped < 0 ? raw.ptr[i] : escaped);
        if (is_unreserved(c) || (c == '/' && escaped < 0))
            *to++ = (char)c;
        else
            to = put_escape(to, c);
        i += escaped < 0 ? 0 : 2;
    }
    return str_from(out, (size_t)(to - out));
}

/* A query item or a header in its canonical spelling, and its place among those of its name. */
struct field {
    struct str name, value;
    size_t order;
};

static int by_name_and_value(const void *left, const void *right)
{
    const struct field *a = left, *b = right;
    int order = str_compare(a->name, b->name);
    return order != 0 ? order : str_compare(a->value, b->value);
}

static int by_name_and_order(const void *left, const void *right)
{
    const struct field *a = left, *b = right;
    int order = str_compare(a->name, b->name);
    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static void add_canonical_query(const struct s3_to_sign *what, struct arena *arena, struct buf *out)
{
    struct field *fields = ARENA_ARRAY(arena, struct field, what->query_count);
    for (size_t i = 0; i < what->query_count; i++)
        fields[i] = (struct field){s3_uri_encode(what->query[i].name, false, arena),
                                   s3_uri_encode(what->query[i].value, false, arena), i};
    qsort(fields, what->query_count, sizeof(*fields), by_name_and_value);
    for (size_t i = 0; i < what->query_count; i++) {
        if (i > 0)
            buf_add_char(out, '&');
        buf_add(out, fields[i].name);
        buf_add_char(out, '=');
        buf_add(out, fields[i].value);
    }
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct str lower_case(struct str name, struct arena *arena)
{
    char *out = arena_alloc(arena, name.len + 1);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return str_from(out, name.len);
}

/* Without white space at both ends, every run of it inside one space. */
static struct str fold_spaces(struct str value, struct arena *arena)
{
    char *out = arena_alloc(arena, value.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_space(value.ptr[i]))
            out[len++] = value.ptr[i];
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
    }
    if (len > 0 && out[len - 1] == ' ')
        len--;
    return str_from(out, len);
}

static struct field *sorted_headers(const struct s3_to_sign *what, struct arena *arena)
{
    struct field *fields = ARENA_ARRAY(arena, struct field, what->header_count);
    for (size_t i = 0; i < what->header_count; i++)
        fields[i] = (struct field){lower_case(what->headers[i].name, arena),
                                   fold_spaces(what->headers[i].value, arena), i};
    qsort(fields, what->header_count, sizeof(*fields), by_name_and_order);
    return fields;
}

static bool begins_name(const struct field *fields, size_t i)
{
    return i == 0 || !str_equal(fields[i].name, fields[i - 1].name);
}

static void add_names(const struct field *fields, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (!begins_name(fields, i))
            continue;
        if (i > 0)
            buf_add_char(out, ';');
        buf_add(out, fields[i].name);
    }
}

static void add_canonical_headers(const struct field *fields, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        bool begins = begins_name(fields, i);
        if (begins)
            buf_add(out, fields[i].name);
        buf_add_char(out, begins ? ':' : ',');
        buf_add(out, fields[i].value);
        if (i + 1 == count || begins_name(fields, i + 1))
            buf_add_char(out, '\n');
    }
    buf_add_char(out, '\n');
}

struct str s3_signed_headers(const struct s3_to_sign *what, struct arena *arena)
{
    struct buf names = BUF_INIT(CANONICAL_BYTES_MAX);
    add_names(sorted_headers(what, arena), what->header_count, &names);
    struct str out = arena_str(arena, buf_str(&names));
    assert(!names.overflowed);
    buf_free(&names);
    return out;
}

static struct sha256 canonical_digest(const struct s3_to_sign *what, struct arena *arena)
{
    struct buf out = BUF_INIT(CANONICAL_BYTES_MAX);
    struct field *headers = sorted_headers(what, arena);
    buf_add(&out, what->method);
    buf_add_char(&out, '\n');
    buf_add(&out, canonical_path(what->path, arena));
    buf_add_char(&out, '\n');
    add_canonical_query(what, arena, &out);
    buf_add_char(&out, '\n');
    add_canonical_headers(headers, what->header_count, &out);
    add_names(headers, what->header_count, &out);
    buf_add_char(&out, '\n');
    buf_add(&out, what->payload_hash);
    assert(!out.overflowed); /* heads are bounded where they are read */
    struct sha256 digest = sha256_of(buf_str(&out));
    buf_free(&out);
    return digest;
}

static struct str key_bytes(const struct s3_signing_key *key)
{
    return str_from((const char *)key->key.bytes, SHA256_BYTES);
}

struct s3_signing_key s3_signing_key_derive(struct str secret, struct str yyyymmdd,
                                            struct str region, struct str service)
{
    const struct str steps[] = {yyyymmdd, region, service, STR("aws4_request")};
    struct buf first = BUF_INIT(SIZE_MAX);
    buf_add(&first, STR("AWS4"));
    buf_add(&first, secret);
    struct str key = buf_str(&first);
    struct s3_signing_key out;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        out.key = hmac_sha256(key, steps[i]);
        key = key_bytes(&out);
    }
    explicit_bzero(first.ptr, first.len);
    buf_free(&first);
    return out;
}

static struct str scope_of(const struct s3_to_sign *what, struct arena *arena)
{
    struct str day = str_from(what->amz_date.ptr, what->amz_date.len < 8 ? what->amz_date.len : 8);
    return arena_printf(arena, "%.*s/%.*s/%.*s/aws4_request", STR_ARG(day), STR_ARG(what->region),
                        STR_ARG(what->service));
}

static struct str mac_hex(const struct s3_signing_key *key, struct str text, struct arena *arena)
{
    struct sha256 mac = hmac_sha256(key_bytes(key), text);
    return hex_encode(arena, mac.bytes, SHA256_BYTES);
}

static struct str digest_hex(const struct sha256 *digest, struct arena *arena)
{
    return hex_encode(arena, digest->bytes, SHA256_BYTES);
}

struct str s3_signature(const struct s3_to_sign *what, const struct s3_signing_key *key,
                        struct arena *arena)
{
    struct sha256 digest = canonical_digest(what, arena);
    struct str text =
        arena_printf(arena, ALGORITHM "\n%.*s\n%.*s\n%.*s", STR_ARG(what->amz_date),
                     STR_ARG(scope_of(what, arena)), STR_ARG(digest_hex(&digest, arena)));
    return mac_hex(key, text, arena);
}

struct str s3_authorization(const struct s3_to_sign *what, struct str access_key_id,
                            struct str secret, struct arena *arena)
{
    assert(what->amz_date.len == strlen("YYYYMMDDTHHMMSSZ"));
    struct str day = str_from(what->amz_date.ptr, 8);
    struct s3_signing_key key = s3_signing_key_derive(secret, day, what->region, what->service);
    struct str signature = s3_signature(what, &key, arena);
    explicit_bzero(&key, sizeof(key));
    return arena_printf(arena,
                        ALGORITHM " Credential=%.*s/%.*s, SignedHeaders=%.*s, Signature=%.*s",
                        STR_ARG(access_key_id), STR_ARG(scope_of(what, arena)),
                        STR_ARG(s3_signed_headers(what, arena)), STR_ARG(signature));
}

/* Days since 1970-01-01 of a date in the Gregorian calendar: years begin in March, so that the day
 * that some years lack is the last. */
static int64_t days_of_date(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static void date_of_days(int64_t days, int *year, int *month, int *day)
{
    int64_t y = (days + 719468) / 366; /* at most that */
    while (days_of_date(y + 1, 3, 1) <= days)
        y++;
    int64_t day_of_year = days - days_of_date(y, 3, 1);
    int m = (int)((5 * day_of_year + 2) / 153);
    *day = (int)(day_of_year - (153 * m + 2) / 5) + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = (int)(*month <= 2 ? y + 1 : y);
}

struct str s3_amz_date(int64_t time_ms, struct arena *arena)
{
    static const int64_t last = INT64_C(253402300799); /* of the year 9999 */
    int64_t seconds = time_ms < 0 ? 0 : time_ms / 1000;
    int year, month, day;
    if (seconds > last)
        seconds = last;
    date_of_days(seconds / 86400, &year, &month, &day);
    int in_day = (int)(seconds % 86400);
    return arena_printf(arena, "%04d%02d%02dT%02d%02d%02dZ", year, month, day, in_day / 3600,
                        in_day / 60 % 60, in_day % 60);
}

/* Of digits; -1 when there is something else among them. */
static int number_at(struct str text, size_t from, size_t digits)
{
    int value = 0;
    for (size_t i = from; i < from + digits; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        value = value * 10 + (text.ptr[i] - '0');
    }
    return value;
}

static bool in_range(int value, int min, int max)
{
    return value >= min && value <= max;
}

bool s3_amz_date_parse(struct str text, int64_t *time_ms)
{
    if (text.len != 16 || text.ptr[8] != 'T' || text.ptr[15] != 'Z')
        return false;
    int year = number_at(text, 0, 4), month = number_at(text, 4, 2), day = number_at(text, 6, 2);
    int hour = number_at(text, 9, 2), minute = number_at(text, 11, 2);
    int second = number_at(text, 13, 2);
    if (year < 1970 || !in_range(month, 1, 12) || !in_range(day, 1, 31) || !in_range(hour, 0, 23) ||
        !in_range(minute, 0, 59) || !in_range(second, 0, 59))
        return false;
    int64_t days = days_of_date(year, month, day);
    int same_year, same_month, same_day;
    date_of_days(days, &same_year, &same_month, &same_day);
    if (same_day != day) /* February 30th */
        return false;
    *time_ms = (days * 86400 + hour * 3600 + minute * 60 + second) * 1000;
    return true;
}

struct str s3_chunk_signature(const struct s3_signing_key *key, struct str amz_date,
                              struct str scope, struct str previous, const struct sha256 *chunk,
                              struct arena *arena)
{
    struct str text = arena_printf(
        arena, ALGORITHM "-PAYLOAD\n%.*s\n%.*s\n%.*s\n" S3_EMPTY_SHA256 "\n%.*s", STR_ARG(amz_date),
        STR_ARG(scope), STR_ARG(previous), STR_ARG(digest_hex(chunk, arena)));
    return mac_hex(key, text, arena);
}

struct str s3_trailer_signature(const struct s3_signing_key *key, struct str amz_date,
                                struct str scope, struct str previous, const struct sha256 *trailer,
                                struct arena *arena)
{
    struct str text =
        arena_printf(arena, ALGORITHM "-TRAILER\n%.*s\n%.*s\n%.*s\n%.*s", STR_ARG(amz_date),
                     STR_ARG(scope), STR_ARG(previous), STR_ARG(digest_hex(trailer, arena)));
    return mac_hex(key, text, arena);
}
