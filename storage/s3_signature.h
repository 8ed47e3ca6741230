/* AWS Signature Version 4 for S3 and STS: made for requests of ours, verified on requests of
 * others. Pure: time and keys are arguments. One canonicalisation serves both sides
 * (docs.aws.amazon.com, "Signature Version 4 signing process"; S3 paths are encoded once and not
 * normalised). Threads: no shared state. */
#ifndef STORAGE_S3_SIGNATURE_H
#define STORAGE_S3_SIGNATURE_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

#define S3_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"
#define S3_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct s3_header {
    struct str name, value; /* any case; values as sent */
};
struct s3_query_item {
    struct str name, value; /* decoded */
    bool has_value;         /* ?acl against ?acl= : the same signature */
};

struct s3_signing_key { /* derived from a secret for a day, a region and a service */
    struct sha256 key;
};
struct s3_signing_key s3_signing_key_derive(struct str secret, struct str yyyymmdd,
                                            struct str region, struct str service);

struct s3_to_sign {
    struct str method;
    struct str
        path; /* as it stands or will stand in the request line; brought to the spelling of
               * s3_uri_encode with keep_slash before it is signed, escapes undone (not %2F) */
    const struct s3_query_item *query; /* without X-Amz-Signature */
    size_t query_count;
    const struct s3_header *headers; /* exactly those that are signed; `host` among them */
    size_t header_count;
    struct str payload_hash; /* the text that stands in x-amz-content-sha256 */
    struct str amz_date;     /* YYYYMMDD'T'HHMMSS'Z' */
    struct str region, service;
};

/* "a;b;host", lower case, sorted. */
struct str s3_signed_headers(const struct s3_to_sign *what, struct arena *arena);
/* Lower-case hex, 64 bytes. */
struct str s3_signature(const struct s3_to_sign *what, const struct s3_signing_key *key,
                        struct arena *arena);
/* "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…" */
struct str s3_authorization(const struct s3_to_sign *what, struct str access_key_id,
                            struct str secret, struct arena *arena);

/* "20261125T004230Z" of a time in ms since the epoch, and back. */
struct str s3_amz_date(int64_t time_ms, struct arena *arena);
bool s3_amz_date_parse(struct str text, int64_t *time_ms);

/* Percent-encoding as the signature wants it: unreserved stay, others %XX with upper-case hex;
 * slashes stay with keep_slash. */
struct str s3_uri_encode(struct str text, bool keep_slash, struct arena *arena);
/* Decodes %XX (and nothing else: '+' stays). false: malformed, or holds NUL. */
bool s3_uri_decode(struct str text, struct arena *arena, struct str *out);

/* Chunks of an aws-chunked body: the signature over one chunk, and over the trailer, each chained
 * to the one before. `scope` is date/region/service/aws4_request. */
struct str s3_chunk_signature(const struct s3_signing_key *key, struct str amz_date,
                              struct str scope, struct str previous, const struct sha256 *chunk,
                              struct arena *arena);
struct str s3_trailer_signature(const struct s3_signing_key *key, struct str amz_date,
                                struct str scope, struct str previous, const struct sha256 *trailer,
                                struct arena *arena);

#endif
