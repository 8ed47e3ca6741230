/* Conditions, ranges, dates.
 *
 * 1. Etags are compared whole, as opaque texts; quotes that a client left out do not matter, weak
 * ones are never equal.
 * 2. A range that was resolved lies within the object and is not empty. */
#include "server/s3_condition.h"

#include <assert.h>
#include <time.h>

static struct str unquoted(struct str etag)
{
    if (etag.len >= 2 && etag.ptr[0] == '"' && etag.ptr[etag.len - 1] == '"')
        return str_from(etag.ptr + 1, etag.len - 2);
    return etag;
}

static bool list_has(struct str list, const char *etag)
{
    if (str_equal(str_trim(list), STR("*")))
        return true;
    while (list.len > 0) {
        struct str one = str_trim(str_cut(&list, ','));
        if (one.len > 0 && str_equal(unquoted(one), unquoted(str_cstr(etag))))
            return true;
    }
    return false;
}

/* Whole seconds, as clients know it. */
static int64_t seconds_of(const struct file_stat *stat)
{
    return stat->modified_ms / 1000 * 1000;
}

enum s3_condition s3_conditions_judge(const struct s3_conditions *conditions,
                                      const struct file_stat *stat)
{
    int64_t time_ms;
    if (conditions->if_match.ptr != NULL) {
        if (!list_has(conditions->if_match, stat->etag))
            return S3_CONDITION_FAILED;
    } else if (s3_http_date_parse(conditions->if_unmodified_since, &time_ms) &&
               seconds_of(stat) > time_ms) {
        return S3_CONDITION_FAILED;
    }
    if (conditions->if_none_match.ptr != NULL) {
        if (list_has(conditions->if_none_match, stat->etag))
            return S3_CONDITION_NOT_MODIFIED;
    } else if (s3_http_date_parse(conditions->if_modified_since, &time_ms) &&
               seconds_of(stat) <= time_ms) {
        return S3_CONDITION_NOT_MODIFIED;
    }
    return S3_CONDITION_HOLDS;
}

static bool parse_number(struct str text, int64_t *out)
{
    long long value;
    if (text.len == 0 || text.ptr[0] < '0' || text.ptr[0] > '9' || !str_to_int64(text, &value))
        return false;
    *out = value;
    return true;
}

struct s3_range s3_range_parse(struct str header)
{
    static const struct str unit = STR("bytes=");
    struct s3_range all = {.length = FILE_TO_END}, range = {.given = true, .length = FILE_TO_END};
    if (header.len < unit.len || !str_equal_ignore_case(str_from(header.ptr, unit.len), unit))
        return all;
    struct str last = str_trim(str_skip(header, unit.len));
    struct str first = str_cut(&last, '-');
    if (last.ptr == NULL)
        return all;
    if (first.len == 0) {
        if (!parse_number(last, &range.offset))
            return all;
        range.offset = -range.offset;
        if (range.offset == 0)
            range.length = 0; /* the last 0 bytes: there are none */
        return range;
    }
    int64_t end;
    if (!parse_number(first, &range.offset))
        return all;
    if (last.len == 0)
        return range;
    if (!parse_number(last, &end) || end < range.offset)
        return all;
    range.length = end - range.offset == INT64_MAX ? FILE_TO_END : end - range.offset + 1;
    return range;
}

bool s3_range_parse_exact(struct str header, struct s3_range *out)
{
    *out = s3_range_parse(header);
    return out->given && out->offset >= 0 && out->length != FILE_TO_END;
}

bool s3_range_resolve(struct s3_range *range, int64_t bytes)
{
    if (!range->given) {
        range->offset = 0;
        range->length = bytes;
        return true;
    }
    if (range->offset < 0)
        range->offset = range->offset <= -bytes ? 0 : bytes + range->offset;
    if (range->offset >= bytes || range->length == 0)
        return false;
    if (range->length > bytes - range->offset)
        range->length = bytes - range->offset;
    assert(range->length > 0 && range->offset + range->length <= bytes);
    return true;
}

bool s3_if_range_holds(struct str if_range, const struct file_stat *stat)
{
    int64_t time_ms;
    if (if_range.ptr == NULL)
        return true;
    if (s3_http_date_parse(if_range, &time_ms))
        return time_ms == seconds_of(stat);
    return str_equal(unquoted(if_range), unquoted(str_cstr(stat->etag)));
}

/* ---- dates ----------------------------------------------------------------------------------- */

#define DATE_BYTES_MAX 64

static struct tm broken_down(int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return tm;
}

struct str s3_http_date(int64_t time_ms, struct arena *arena)
{
    struct tm tm = broken_down(time_ms);
    char text[DATE_BYTES_MAX];
    size_t len = strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return arena_str(arena, str_from(text, len));
}

struct str s3_iso_date(int64_t time_ms, struct arena *arena)
{
    struct tm tm = broken_down(time_ms);
    char text[DATE_BYTES_MAX];
    size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    return arena_printf(arena, "%.*s.%03dZ", (int)len, text, (int)(time_ms % 1000));
}

bool s3_http_date_parse(struct str text, int64_t *time_ms)
{
    char date[DATE_BYTES_MAX];
    struct tm tm = {0};
    if (text.len == 0 || text.len >= sizeof(date))
        return false;
    memcpy(date, text.ptr, text.len);
    date[text.len] = '\0';
    const char *end = strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (end == NULL || *end != '\0')
        return false;
    *time_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}
