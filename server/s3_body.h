/* The body of a request in S3's protocol, as it comes from the wire, turned into the bytes of the
 * object: whole, or in the chunks of `aws-chunked`, signed or not, with or without a trailer; all
 * that the client told about its content is checked. A push decoder: what is held at once is
 * S3_BODY_LINE_BYTES_MAX beside the caller's pieces.
 *
 * Content that turns out wrong is found out at the latest by s3_body_end: whatever the sink took
 * before counts for nothing until that has returned 0 (contract/reliability.md X03).
 * Pure. Threads: a body belongs to one thread at a time. */
#ifndef SERVER_S3_BODY_H
#define SERVER_S3_BODY_H

#include "server/s3_checksum.h"
#include "server/s3_error.h"
#include "storage/s3_signature.h"

#define S3_BODY_LINE_BYTES_MAX 1024 /* of a chunk's head, or of one line of a trailer */
#define S3_BODY_TRAILERS_MAX 4
#define S3_BODY_BYTES_UNKNOWN (-1)

/* What x-amz-content-sha256 says. */
enum s3_payload {
    S3_PAYLOAD_UNSIGNED,
    S3_PAYLOAD_SHA256,                  /* the digest itself */
    S3_PAYLOAD_CHUNKS_SIGNED,           /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
    S3_PAYLOAD_CHUNKS_SIGNED_TRAILER,   /* …-TRAILER */
    S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
};

/* false: no such mode. `text` is lower-case hex for a digest. */
bool s3_payload_parse(struct str text, enum s3_payload *out);
bool s3_payload_is_chunked(enum s3_payload payload);

struct s3_body_plan {
    enum s3_payload payload;
    struct str sha256;     /* S3_PAYLOAD_SHA256: lower-case hex */
    int64_t decoded_bytes; /* so many bytes of content must come, or S3_BODY_BYTES_UNKNOWN */
    /* Values of checksum headers, Content-MD5 among them; ptr NULL: not given. */
    struct str expected[S3_CHECKSUM_KIND_COUNT];
    /* Announced for the trailer (x-amz-trailer). */
    bool in_trailer[S3_CHECKSUM_KIND_COUNT];
    /* Of the request's signature, for signed chunks. */
    struct s3_signing_key key;
    struct str amz_date, scope, seed_signature;
};

struct s3_body;
/* Takes the next bytes of the content; -1 ends the decoding with *fault set. */
typedef int s3_body_sink(void *arg, struct str data, struct s3_fault *fault);

/* Faults: S3_INVALID_DIGEST, S3_INVALID_REQUEST (malformed or foreign checksums),
 * S3_MISSING_LENGTH (chunks without a decoded length). The plan's texts are borrowed. */
MUST_USE int s3_body_open(const struct s3_body_plan *plan, struct arena *arena,
                          struct s3_body **out, struct s3_fault *fault);
/* Faults: S3_SIGNATURE_MISMATCH (a chunk's), S3_INCOMPLETE_BODY (lengths), S3_INVALID_REQUEST,
 * S3_MALFORMED_TRAILER, and the sink's. After one nothing more may be fed. */
MUST_USE int s3_body_feed(struct s3_body *body, struct str piece, s3_body_sink *sink, void *arg,
                          struct s3_fault *fault);
/* The wire has ended. Faults: those, S3_BAD_DIGEST, S3_SHA256_MISMATCH. */
MUST_USE int s3_body_end(struct s3_body *body, struct s3_fault *fault);

/* After a successful end: the checksum that came along, for the reply; STR_NONE if not. */
struct str s3_body_checksum(const struct s3_body *body, enum s3_checksum_kind kind);
int64_t s3_body_bytes(const struct s3_body *body); /* of content, so far */

#endif
