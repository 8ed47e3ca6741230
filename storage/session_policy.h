/* The policy of keys for a part of a bucket, in the language of AWS IAM, and the name of a session
 * (contract/reliability.md 3.1 L09, 3.2 V01). Pure. Threads: no shared state. */
#ifndef STORAGE_SESSION_POLICY_H
#define STORAGE_SESSION_POLICY_H

#include "base/location.h"

#define SESSION_POLICY_BYTES_MAX 2048 /* what AWS takes */
#define SESSION_NAME_BYTES_MAX 64

struct session_policy {
    /* Canonical s3: or oss: locations of one bucket: the keys below each, never the whole bucket.
     */
    const struct location *locations;
    size_t location_count;
    bool write;           /* also put, delete, and uploads in parts */
    struct str partition; /* of AWS: "aws", "aws-cn", "aws-us-gov" */
};

/* Compact JSON in ASCII: GetObject on "prefix/…" (write: also PutObject, DeleteObject,
 * AbortMultipartUpload, ListMultipartUploadParts), and ListBucket of listings whose prefix begins
 * with "prefix/". Errors: ERR_ILLEGAL_ARGUMENT: a location that holds one of * ? $ { } (stores
 * differ in how these are escaped, so none is named), a bucket without a prefix, locations of
 * several buckets, a policy that is too long. */
MUST_USE int session_policy_encode(const struct session_policy *policy, struct arena *arena,
                                   struct str *out, struct error *err);

/* "firn-" and the name, bytes outside [A-Za-z0-9=,.@_-] as '-', cut to SESSION_NAME_BYTES_MAX: for
 * the store's own log, not unique. */
struct str session_name_of(struct str name, struct arena *arena);

#endif
