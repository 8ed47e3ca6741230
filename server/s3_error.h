/* What goes wrong in S3's words: code, status and message, and the XML body that says so. Inside
 * the gateway an error travels as a struct s3_fault: the code that the client gets, with a struct
 * error for the log and the metrics. Threads: a fault belongs to one thread at a time. */
#ifndef SERVER_S3_ERROR_H
#define SERVER_S3_ERROR_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

/* clang-format off */
/* code, status, text on the wire, kind for log and metrics */
#define S3_CODES(X)                                                                            \
    X(S3_ACCESS_DENIED,          403, "AccessDenied",                      ERR_FORBIDDEN)          \
    X(S3_AUTH_HEADER_MALFORMED,  400, "AuthorizationHeaderMalformed",      ERR_BAD_REQUEST)        \
    X(S3_AUTH_QUERY_ERROR,       400, "AuthorizationQueryParametersError", ERR_BAD_REQUEST)        \
    X(S3_BAD_DIGEST,             400, "BadDigest",                         ERR_BAD_REQUEST)        \
    X(S3_BUCKET_EXISTS,          409, "BucketAlreadyOwnedByYou",           ERR_ALREADY_EXISTS)     \
    X(S3_CONFLICT,               409, "OperationAborted",                  ERR_COMMIT_FAILED)      \
    X(S3_ENTITY_TOO_LARGE,       400, "EntityTooLarge",                    ERR_BODY_TOO_LARGE)     \
    X(S3_ENTITY_TOO_SMALL,       400, "EntityTooSmall",                    ERR_BAD_REQUEST)        \
    X(S3_EXPIRED_TOKEN,          400, "ExpiredToken",                      ERR_NOT_AUTHORIZED)     \
    X(S3_INCOMPLETE_BODY,        400, "IncompleteBody",                    ERR_BAD_REQUEST)        \
    X(S3_INTERNAL_ERROR,         500, "InternalError",                     ERR_INTERNAL)           \
    X(S3_INVALID_ACCESS_KEY,     403, "InvalidAccessKeyId",                ERR_NOT_AUTHORIZED)     \
    X(S3_INVALID_ARGUMENT,       400, "InvalidArgument",                   ERR_ILLEGAL_ARGUMENT)   \
    X(S3_INVALID_BUCKET_NAME,    400, "InvalidBucketName",                 ERR_ILLEGAL_ARGUMENT)   \
    X(S3_INVALID_DIGEST,         400, "InvalidDigest",                     ERR_BAD_REQUEST)        \
    X(S3_INVALID_PART,           400, "InvalidPart",                       ERR_BAD_REQUEST)        \
    X(S3_INVALID_PART_ORDER,     400, "InvalidPartOrder",                  ERR_BAD_REQUEST)        \
    X(S3_INVALID_RANGE,          416, "InvalidRange",                      ERR_BAD_REQUEST)        \
    X(S3_INVALID_REQUEST,        400, "InvalidRequest",                    ERR_BAD_REQUEST)        \
    X(S3_INVALID_TOKEN,          400, "InvalidToken",                      ERR_NOT_AUTHORIZED)     \
    X(S3_INVALID_URI,            400, "InvalidURI",                        ERR_BAD_REQUEST)        \
    X(S3_KEY_TOO_LONG,           400, "KeyTooLongError",                   ERR_BAD_REQUEST)        \
    X(S3_MALFORMED_TRAILER,      400, "MalformedTrailerError",             ERR_BAD_REQUEST)        \
    X(S3_MALFORMED_XML,          400, "MalformedXML",                      ERR_BAD_REQUEST)        \
    X(S3_METHOD_NOT_ALLOWED,     405, "MethodNotAllowed",                  ERR_METHOD_NOT_ALLOWED) \
    X(S3_MISSING_LENGTH,         411, "MissingContentLength",              ERR_BAD_REQUEST)        \
    X(S3_NO_SUCH_BUCKET,         404, "NoSuchBucket",                      ERR_NO_SUCH_WAREHOUSE)  \
    X(S3_NO_SUCH_KEY,            404, "NoSuchKey",                         ERR_NO_SUCH_ROUTE)      \
    X(S3_NO_SUCH_UPLOAD,         404, "NoSuchUpload",                      ERR_NO_SUCH_ROUTE)      \
    X(S3_NOT_IMPLEMENTED,        501, "NotImplemented",                    ERR_UNSUPPORTED)        \
    X(S3_NOT_MODIFIED,           304, "NotModified",                       ERR_NONE)               \
    X(S3_PRECONDITION_FAILED,    412, "PreconditionFailed",                ERR_PRECONDITION_FAILED)\
    X(S3_REQUEST_TIMEOUT,        400, "RequestTimeout",                    ERR_UNAVAILABLE)        \
    X(S3_SHA256_MISMATCH,        400, "XAmzContentSHA256Mismatch",         ERR_BAD_REQUEST)        \
    X(S3_SIGNATURE_MISMATCH,     403, "SignatureDoesNotMatch",             ERR_NOT_AUTHORIZED)     \
    X(S3_SLOW_DOWN,              503, "SlowDown",                          ERR_TOO_MANY_REQUESTS)  \
    X(S3_TIME_SKEWED,            403, "RequestTimeTooSkewed",              ERR_NOT_AUTHORIZED)     \
    X(S3_UNAVAILABLE,            503, "ServiceUnavailable",                ERR_UNAVAILABLE)
/* clang-format on */

enum s3_code {
    S3_OK = 0,
#define X(code, status, text, kind) code,
    S3_CODES(X)
#undef X
        S3_CODE_COUNT
};

struct s3_fault {
    enum s3_code code;
    struct error error;
};

/* Both return -1 always. */
int s3_fault_set(struct s3_fault *fault, enum s3_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* From an error of the layers below, met at an object: fault->error. */
int s3_fault_of_error(struct s3_fault *fault);

int s3_code_status(enum s3_code code);
const char *s3_code_text(enum s3_code code);

/* The error document. */
void s3_fault_write(struct buf *out, const struct s3_fault *fault, struct str resource,
                    struct str request_id);

#endif
