/* One request on its way through the gateway: what the files s3_*.c share. It lives in its
 * exchange's arena and belongs to the thread that serves it. */
#ifndef SERVER_S3_CALL_H
#define SERVER_S3_CALL_H

#include "catalog/warehouse.h"
#include "server/http_stream.h"
#include "server/s3_auth.h"
#include "server/s3_condition.h"
#include "server/s3_gateway.h"
#include "storage/file_stream.h"

#define S3_LISTING_BYTES_MAX ((size_t)8 << 20)
#define S3_GATEWAY_REGION "us-east-1" /* any is accepted */
#define S3_PIECE_BYTES ((size_t)128 << 10)
#define S3_OBJECT_BYTES_MAX ((int64_t)5 << 30) /* of one PUT, or one part */

struct s3_call {
    struct s3_gateway *gateway;
    struct http_exchange *x;
    struct arena *arena;
    struct str request_id;
    bool is_head;
    struct str path;   /* as signed */
    struct str target; /* path style: below /s3 when it was there */
    struct http_field *headers;
    size_t header_count;
    struct s3_request request;
    struct s3_identity identity;
    struct warehouse *warehouse; /* of the bucket, once it may be known */
    struct str location;         /* of the key */
    int64_t bytes_in, bytes_out; /* of content */
    struct s3_fault fault;
};

/* 0: replied. -1: not, and call->fault says why. On a thread that may block. */
typedef int s3_handler(struct s3_call *call);

s3_handler serve_list_buckets, serve_head_bucket, serve_bucket_location; /* s3_buckets.c */
s3_handler serve_list_objects;                                           /* s3_listing.c */
s3_handler serve_get_object, serve_head_object;                          /* s3_read.c */
s3_handler serve_put_object, serve_upload_part;                          /* s3_write.c */
s3_handler serve_copy_object, serve_upload_part_copy;                    /* s3_copy.c */
s3_handler serve_delete_object, serve_delete_objects;                    /* s3_delete.c */
s3_handler serve_create_upload, serve_complete_upload;                   /* s3_uploads.c */
s3_handler serve_abort_upload, serve_list_parts;

/* ---- what is asked (s3_gateway.c) ------------------------------------------------------------ */

/* The value of a header; STR_NONE when absent. */
struct str s3_call_header(const struct s3_call *call, const char *name);

/* The warehouse that the bucket names, when the caller may know of it. Faults: S3_ACCESS_DENIED,
 * S3_NO_SUCH_BUCKET. */
MUST_USE int s3_call_bucket(const struct s3_call *call, struct str bucket, struct warehouse **out,
                            struct s3_fault *fault);
/* The location of a key that the caller may reach. Faults: S3_ACCESS_DENIED, S3_INVALID_ARGUMENT (a
 * key that no file can have), S3_KEY_TOO_LONG. A '/' at its end is not part of the location. */
MUST_USE int s3_call_locate(const struct s3_call *call, const struct warehouse *warehouse,
                            struct str key, struct str *out, struct s3_fault *fault);
/* Is it a bucket of the gateway's that the caller may know of? */
bool s3_call_knows(const struct s3_call *call, const struct warehouse *warehouse);
const struct s3_gateway_options *s3_gateway_options_of(const struct s3_gateway *gateway);

/* Is it a metadata file, which nobody replaces or removes through the gateway? Every file that a
 * table can stand on is one. The catalog removes those that no table stands on. */
bool s3_key_is_guarded(struct str key);

/* ---- bodies (s3_write.c) --------------------------------------------------------------------- */

/* What the headers say of the body. Faults: S3_MISSING_LENGTH, S3_ENTITY_TOO_LARGE,
 * S3_INVALID_ARGUMENT, S3_INVALID_REQUEST. */
MUST_USE int s3_call_body_plan(const struct s3_call *call, struct s3_body_plan *plan,
                               struct s3_fault *fault);
/* The whole body, checked, of at most that many bytes. */
MUST_USE int s3_call_read_all(struct s3_call *call, size_t bytes_max, struct buf *out);

/* The mode and the conditions of a write under the call's key. Faults: S3_NOT_IMPLEMENTED,
 * S3_ACCESS_DENIED. */
MUST_USE int s3_write_conditions(const struct s3_call *call, struct file_write *write,
                                 struct s3_fault *fault);
/* call->fault from its error, of such a write; the same of one on an upload. Both return -1. */
int s3_write_fault(struct s3_call *call);
int s3_upload_fault(struct s3_call *call);
#define S3_GUARDED_MESSAGE \
    "Metadata files of tables are not replaced or removed through this address."

/* The upload that the request names, and the file_io's id of it (s3_uploads.c). */
MUST_USE int s3_call_upload(struct s3_call *call, struct str *id);
MUST_USE int s3_call_part_number(struct s3_call *call, int *number);

/* ---- replies (s3_reply.c) -------------------------------------------------------------------- */

void s3_reply_header(struct http_reply *reply, const char *name, struct str value,
                     struct arena *arena);
void s3_reply_begin(struct s3_call *call, struct http_reply *reply, int status);
/* The end of a call: nothing but a head. */
void s3_reply_empty(struct s3_call *call, struct http_reply *reply);
/* The end of a call: an XML document, whose memory is taken. */
void s3_reply_xml(struct s3_call *call, struct http_reply *reply, struct buf *xml);
void s3_reply_fault(struct s3_call *call);
void s3_xml_begin(struct buf *out, const char *root);
void s3_xml_end(struct buf *out, const char *root);

#endif
