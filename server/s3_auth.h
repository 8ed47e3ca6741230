/* Who asks, in S3's protocol: the one place that computes it (contract/reliability.md X01, X02,
 * X05). A request is signed in its Authorization header or in its query (presigned), never in both.
 * Keys are those that the catalog issues (catalog/gateway_key.h, with their session token), or
 * stand in a file of the operator (server/s3_key_file.h). Pure: time is an argument. Threads: no
 * shared state. */
#ifndef SERVER_S3_AUTH_H
#define SERVER_S3_AUTH_H

#include "catalog/gateway_key.h"
#include "server/http_precheck.h"
#include "server/s3_body.h"
#include "server/s3_error.h"
#include "server/s3_key_file.h"
#include "storage/s3_request.h"

#define S3_SKEW_MS ((int64_t)15 * 60 * 1000)
#define S3_PRESIGN_SECONDS_MAX ((int64_t)7 * 24 * 60 * 60)

struct s3_keys {
    const struct gateway_keys *issued; /* NULL: none */
    const struct s3_key_file *file;    /* NULL: none */
};

struct s3_auth_request {
    struct str method;
    struct str path; /* as it stands in the request line, without the query */
    const struct s3_request *request;
    const struct http_field *headers;
    size_t header_count;
};

struct s3_identity {
    struct str access_key_id;
    struct gateway_grant grant; /* of keys in the file: warehouse_id is 0 */
    struct str warehouse;       /* of keys in the file: its name or "*"; else STR_NONE */
    bool presigned;
    enum s3_payload payload;
    struct str payload_text; /* the digest, for S3_PAYLOAD_SHA256 */
    struct s3_signing_key key;
    struct str amz_date, scope, signature; /* what chunks are chained to */
};

/* Faults, as the S3 API names them: S3_ACCESS_DENIED (not signed at all, a header that is not
 * signed, an expired presigned request), S3_INVALID_REQUEST, S3_INVALID_ARGUMENT,
 * S3_AUTH_HEADER_MALFORMED, S3_AUTH_QUERY_ERROR, S3_TIME_SKEWED, S3_INVALID_ACCESS_KEY,
 * S3_INVALID_TOKEN, S3_EXPIRED_TOKEN, S3_SIGNATURE_MISMATCH. */
MUST_USE int s3_auth_check(const struct s3_keys *keys, const struct s3_auth_request *what,
                           int64_t now_ms, struct arena *arena, struct s3_identity *out,
                           struct s3_fault *fault);

/* Is the request signed for S3, in its header or its query? Such a one is the gateway's, wherever
 * it points. */
bool s3_auth_is_present(struct str authorization, struct str target);

#endif
