/* Codes, statuses and the error document.
 *
 * 1. A message of the layers below reaches the client only where it names nothing but what the
 * client itself named; what a store answered, and where an object really lies, stays in the log
 * (contract/reliability.md X10). */
#include "server/s3_error.h"

#include "base/xml.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct code_row {
    int status;
    const char *text;
    enum error_kind kind;
} codes[S3_CODE_COUNT] = {[S3_OK] = {200, "OK", ERR_NONE},
#define X(code, status, text, kind) [code] = {status, text, kind},
                          S3_CODES(X)
#undef X
};

/* A message of the client's that is in the message of the log, cut at the same place. */
static int set(struct s3_fault *fault, enum s3_code code, const char *message)
{
    assert(code > S3_OK && code < S3_CODE_COUNT);
    fault->code = code;
    if (codes[code].kind == ERR_NONE) {
        error_clear(&fault->error);
        return -1;
    }
    return error_set(&fault->error, codes[code].kind, "%s", message);
}

int s3_fault_set(struct s3_fault *fault, enum s3_code code, const char *format, ...)
{
    char message[ERROR_MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return set(fault, code, message);
}

static const struct mapping {
    enum error_kind kind;
    enum s3_code code;
    const char *message;
} mappings[] = {
    {ERR_BAD_REQUEST, S3_INVALID_REQUEST, "The request is malformed."},
    {ERR_ILLEGAL_ARGUMENT, S3_INVALID_ARGUMENT, "The key or an argument is not acceptable."},
    {ERR_VALIDATION, S3_INVALID_ARGUMENT, "The key or an argument is not acceptable."},
    {ERR_NOT_AUTHORIZED, S3_ACCESS_DENIED, "Access denied."},
    {ERR_FORBIDDEN, S3_ACCESS_DENIED, "Access denied."},
    {ERR_NO_SUCH_WAREHOUSE, S3_NO_SUCH_BUCKET, "The specified bucket does not exist."},
    {ERR_FILE_NOT_FOUND, S3_NO_SUCH_KEY, "The specified key does not exist."},
    {ERR_UNSUPPORTED, S3_NOT_IMPLEMENTED, "The store behind this bucket cannot do that."},
    {ERR_ALREADY_EXISTS, S3_PRECONDITION_FAILED,
     "At least one of the pre-conditions you specified did not hold."},
    {ERR_PRECONDITION_FAILED, S3_PRECONDITION_FAILED,
     "At least one of the pre-conditions you specified did not hold."},
    {ERR_BODY_TOO_LARGE, S3_ENTITY_TOO_LARGE, "The object is too large."},
    {ERR_URI_TOO_LONG, S3_KEY_TOO_LONG, "Your key is too long."},
    {ERR_TOO_MANY_REQUESTS, S3_SLOW_DOWN, "Please reduce your request rate."},
    {ERR_STORAGE_REFUSED, S3_UNAVAILABLE,
     "The store behind this bucket does not answer. Try again."},
    {ERR_UNAVAILABLE, S3_UNAVAILABLE, "The store behind this bucket does not answer. Try again."},
};

int s3_fault_of_error(struct s3_fault *fault)
{
    enum error_kind kind = fault->error.kind;
    assert(kind != ERR_NONE);
    char cause[ERROR_DETAIL_BYTES_MAX];
    snprintf(cause, sizeof(cause), "%.300s %.200s", fault->error.message, fault->error.detail);
    enum s3_code code = S3_INTERNAL_ERROR;
    const char *message = "We encountered an internal error. Please try again.";
    for (size_t i = 0; i < sizeof(mappings) / sizeof(mappings[0]); i++)
        if (mappings[i].kind == kind) {
            code = mappings[i].code;
            message = mappings[i].message;
        }
    set(fault, code, message);
    return error_detail(&fault->error, "%s", cause);
}

int s3_code_status(enum s3_code code)
{
    return codes[code].status;
}

const char *s3_code_text(enum s3_code code)
{
    return codes[code].text;
}

void s3_fault_write(struct buf *out, const struct s3_fault *fault, struct str resource,
                    struct str request_id)
{
    buf_add_cstr(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    xml_write(out, "Code", str_cstr(codes[fault->code].text));
    xml_write(out, "Message", str_cstr(fault->error.message));
    xml_write(out, "Resource", resource);
    xml_write(out, "RequestId", request_id);
    buf_add_cstr(out, "</Error>");
}
