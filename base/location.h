/* Where bytes lie: scheme://authority/path. One canonical form and one containment test for
 * everything that is read, written, vended or deleted (contract/reliability.md 3.1).
 *
 * Canonical form: scheme lower case and folded (s3a, s3n → s3); file locations as file:///path; no
 * trailing slash (s3://b/ is s3://b; only file:/// keeps its own). Rejected, never repaired:
 * control characters, '..',
 * '.', empty segments, '?', '#', '%' followed by 2e/2f/5c/00 in any case, backslash, userinfo, non
 * UTF-8, more than LOCATION_BYTES_MAX bytes. The text a client gave is kept elsewhere as it was.
 * Threads: immutable values. */
#ifndef BASE_LOCATION_H
#define BASE_LOCATION_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#define LOCATION_BYTES_MAX 2048

struct location {
    struct str text;      /* canonical whole: file:///a/b, s3://bucket/a */
    struct str scheme;    /* file, s3, hdfs, … (views into text) */
    struct str authority; /* empty for file */
    struct str path;      /* with its leading slash; empty when there is none */
};

/* Accepts file:/p, file:///p, bare /p, and scheme://authority/path. Errors: ERR_ILLEGAL_ARGUMENT
 * naming the location. */
MUST_USE int location_parse(struct str text, struct arena *arena, struct location *out,
                            struct error *err);

/* The same for a file below a place that passed location_parse: writers encode the values that they
 * partition by into names, so %2F, %5C and %2E may stand in them, as long as a reader who decoded
 * them by mistake would find no '.' or '..' segment and no NUL. Nothing is ever decoded here. */
MUST_USE int location_parse_file(struct str text, struct arena *arena, struct location *out,
                                 struct error *err);

/* Same place or below it, by whole components: /a/t1 does not contain /a/t10. */
bool location_contains(const struct location *parent, const struct location *child);

/* parent + "/" + child segments; `relative` is appended as it is and must pass location_parse. */
struct str location_join(struct arena *arena, struct str parent, struct str relative);

/* One path segment made from a free name: bytes outside [A-Za-z0-9_-] and '.' not first become %XX
 * with upper-case hex of a safe spelling: '%' is replaced by '~' so that nothing is ever decoded
 * (reliability.md L09). At most 200 bytes: longer names are cut; uniqueness comes from a uuid. */
struct str location_segment(struct arena *arena, struct str name);

#endif
