/* Conditions and ranges of requests, judged against what is there (RFC 9110 13 and 14, as S3 does
 * it). Pure. Threads: no shared state. */
#ifndef SERVER_S3_CONDITION_H
#define SERVER_S3_CONDITION_H

#include "base/arena.h"
#include "base/str.h"
#include "storage/file_stream.h"

struct s3_conditions { /* values of headers; STR_NONE: not sent */
    struct str if_match, if_none_match, if_modified_since, if_unmodified_since;
};

enum s3_condition { S3_CONDITION_HOLDS, S3_CONDITION_NOT_MODIFIED, S3_CONDITION_FAILED };

/* Dates that are none are ignored. */
enum s3_condition s3_conditions_judge(const struct s3_conditions *conditions,
                                      const struct file_stat *stat);

/* One range of bytes, as file_io_open wants it. */
struct s3_range {
    bool given; /* else all of it: absent, malformed, or several at once */
    int64_t offset, length;
};
struct s3_range s3_range_parse(struct str header);
/* The same where it must be "bytes=first-last": false otherwise. */
bool s3_range_parse_exact(struct str header, struct s3_range *out);

/* Brings the range to what an object of that size has of it; false: nothing (416). */
bool s3_range_resolve(struct s3_range *range, int64_t bytes);

/* May the range be used: If-Range absent, or the etag or the time of what is there. */
bool s3_if_range_holds(struct str if_range, const struct file_stat *stat);

struct str s3_http_date(int64_t time_ms, struct arena *arena);
bool s3_http_date_parse(struct str text, int64_t *time_ms);
struct str s3_iso_date(int64_t time_ms, struct arena *arena); /* 2026-11-25T01:02:03.004Z */

#endif
