/* What a request in S3's language asks for: the table of operations, and where each touches the
 * store. Used on requests that others want signed (storage/file_io_s3_sign.c) and on those that the
 * gateway serves (server/s3_gateway.c), so that both know the same operations and neither guesses:
 * (method, bucket or key, exact set of query parameters) decides, a parameter that is not in the
 * row of an operation or comes twice makes it no operation (contract/reliability.md 3.3 S03).
 * Pure. Threads: no shared state. */
#ifndef STORAGE_S3_REQUEST_H
#define STORAGE_S3_REQUEST_H

#include "storage/s3_signature.h"

#define S3_KEY_BYTES_MAX 1024
#define S3_TARGET_BYTES_MAX 16384
#define S3_QUERY_ITEMS_MAX 32

enum s3_operation {
    S3_UNKNOWN,
    S3_LIST_BUCKETS,
    S3_HEAD_BUCKET,
    S3_GET_BUCKET_LOCATION,
    S3_LIST_OBJECTS_V1,
    S3_LIST_OBJECTS_V2,
    S3_LIST_UPLOADS,
    S3_DELETE_OBJECTS,
    S3_GET_OBJECT,
    S3_HEAD_OBJECT,
    S3_PUT_OBJECT,
    S3_COPY_OBJECT,
    S3_DELETE_OBJECT,
    S3_CREATE_UPLOAD,
    S3_UPLOAD_PART,
    S3_UPLOAD_PART_COPY,
    S3_COMPLETE_UPLOAD,
    S3_ABORT_UPLOAD,
    S3_LIST_PARTS,
};

/* LISTS: of a bucket, or of a part of it that the query's `prefix` names. The parts of an upload
 * are for those who write. */
enum s3_effect { S3_READS, S3_WRITES, S3_LISTS };

struct s3_request {
    enum s3_operation operation;
    enum s3_effect effect;                 /* S3_WRITES when the operation is unknown */
    struct str bucket, key;                /* decoded; empty when there is none */
    struct s3_query_item *query;           /* in the order of the request, decoded */
    size_t query_count;                    /* X-Amz-* of presigned requests are not in it */
    struct str copy_bucket, copy_key;      /* of x-amz-copy-source, decoded */
    struct str raw_path;                   /* undecoded, as it was signed */
    struct s3_query_item *signature_query; /* the X-Amz-* that were taken out */
    size_t signature_query_count;
};

/* `target`: path and query as sent, path style: /bucket[/key][?query]. `copy_source`: value of
 * x-amz-copy-source or STR_NONE. Keys are opaque here: whoever lets one reach a store judges its
 * dots and slashes. '+' is a plus. Errors: ERR_BAD_REQUEST (malformed escapes, NUL, not UTF-8, too
 * long, too many parameters); an operation that is not known is no error: S3_UNKNOWN, and bucket
 * and key are there all the same. */
MUST_USE int s3_request_parse(struct str method, struct str target, struct str copy_source,
                              struct arena *arena, struct s3_request *out, struct error *err);

/* The value of a query parameter; STR_NONE when absent, empty when it is there without one. */
struct str s3_request_query(const struct s3_request *request, const char *name);

/* May a header of a request be signed, or believed, for that operation? Names in any case. Not
 * among them: Authorization and x-amz-security-token, which say who asks, not what. */
bool s3_header_allowed(enum s3_operation operation, struct str name);

const char *s3_operation_name(enum s3_operation operation); /* "GetObject" */

#endif
