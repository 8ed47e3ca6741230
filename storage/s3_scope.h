/* What of a bucket a client may touch, and whether a request keeps to it: asked before a request is
 * signed (contract/reliability.md 3.3 S01–S05, S09). Pure. Threads: no shared state. */
#ifndef STORAGE_S3_SCOPE_H
#define STORAGE_S3_SCOPE_H

#include "storage/access.h"
#include "storage/s3_request.h"

#define S3_DELETE_KEYS_MAX 1000

struct s3_scope {
    struct str bucket;
    const struct str *prefixes; /* of keys, each ending in '/' */
    size_t prefix_count;
    const struct str *guarded; /* keys */
    size_t guarded_count;
    bool write, removes_only;
};

/* Errors: ERR_ILLEGAL_ARGUMENT (a location that is none), ERR_FORBIDDEN (of another bucket, or a
 * whole bucket). */
MUST_USE int s3_scope_make(const struct file_scope *scope, struct str bucket, struct arena *arena,
                           struct s3_scope *out, struct error *err);

/* Is it the key of a file below a prefix? Not with '.', '..' or empty segments, nor with any that
 * would become such if somebody decoded the key once more; one '/' at the end is let pass. */
bool s3_scope_covers(const struct s3_scope *scope, struct str key);
/* May be listed: a prefix, or what goes on behind one. */
bool s3_scope_covers_listing(const struct s3_scope *scope, struct str prefix);

/* One of the operations that engines need, on covered places only: the key, the source of a copy,
 * the prefix of a listing, every key in the body of DeleteObjects. `body`: STR_NONE when none was
 * given. Errors: ERR_FORBIDDEN, ERR_BAD_REQUEST (the body). */
MUST_USE int s3_scope_check(const struct s3_scope *scope, const struct s3_request *request,
                            struct str body, struct arena *arena, struct error *err);

#endif
