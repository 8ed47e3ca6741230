/* What an S3 store says when it does not do what was asked: the XML of the body, and what its codes
 * mean here. */
#include "storage/s3_private.h"

#include "base/xml.h"

#define ERROR_ELEMENTS_MAX 64
#define SHOWN_BYTES_MAX 200 /* of a text of the store, in a message */

bool s3_answer_ok(const struct s3_answer *answer)
{
    return answer->response.status >= 200 && answer->response.status < 300;
}

void s3_answer_parse(struct s3_answer *answer, struct str body, struct arena *arena)
{
    struct error ignored; /* stores behind proxies answer HTML, too */
    struct xml_element *root;
    answer->code = answer->message = STR("");
    if (body.len == 0 || xml_parse(body, ERROR_ELEMENTS_MAX, arena, &root, &ignored) != 0)
        return;
    const struct xml_element *error = root;
    if (str_equal(root->name, STR("ErrorResponse"))) /* of STS, and of some S3 servers */
        error = xml_child(root, "Error");
    if (error == NULL || !str_equal(error->name, STR("Error")))
        return;
    struct str code = xml_text(error, "Code"), message = xml_text(error, "Message");
    answer->code = code.ptr == NULL ? STR("") : code;
    answer->message = message.ptr == NULL ? STR("") : message;
}

static bool is_one_of(struct str code, const char *const *codes)
{
    for (; *codes != NULL; codes++)
        if (str_equal_cstr(code, *codes))
            return true;
    return false;
}

bool s3_answer_is_overload(const struct s3_answer *answer)
{
    static const char *const codes[] = {
        "RequestTimeout",         "SlowDown", "ConditionalRequestConflict", "OperationAborted",
        "ConcurrentModification", NULL};
    int status = answer->response.status;
    return status == 500 || status == 502 || status == 503 || status == 504 || status == 429 ||
           is_one_of(answer->code, codes);
}

bool s3_answer_is_refused_key(const struct s3_answer *answer, bool is_head)
{
    static const char *const codes[] = {"ExpiredToken",       "ExpiredTokenException",
                                        "InvalidToken",       "TokenRefreshRequired",
                                        "InvalidAccessKeyId", NULL};
    int status = answer->response.status;
    return is_one_of(answer->code, codes) || (is_head && (status == 400 || status == 403));
}

static enum error_kind kind_of(const struct s3_answer *answer)
{
    static const char *const mistakes[] = {"BadDigest",
                                           "InvalidDigest",
                                           "InvalidPart",
                                           "InvalidPartOrder",
                                           "EntityTooSmall",
                                           "EntityTooLarge",
                                           "KeyTooLongError",
                                           "InvalidArgument",
                                           "IncompleteBody",
                                           "XAmzContentSHA256Mismatch",
                                           "MalformedXML",
                                           "InvalidObjectName",
                                           "InvalidRequest",
                                           "MissingContentLength",
                                           NULL};
    int status = answer->response.status;
    if (str_equal(answer->code, STR("NoSuchBucket")))
        return ERR_UNAVAILABLE;
    if (status == 401 || status == 403 || s3_answer_is_refused_key(answer, false))
        return ERR_STORAGE_REFUSED;
    if (status == 404)
        return ERR_FILE_NOT_FOUND;
    if (status == 412 || status == 304)
        return ERR_PRECONDITION_FAILED;
    return is_one_of(answer->code, mistakes) ? ERR_ILLEGAL_ARGUMENT : ERR_UNAVAILABLE;
}

int s3_answer_error(const struct s3_answer *answer, const struct s3_call *call, struct error *err)
{
    enum error_kind kind = kind_of(answer);
    struct str code = str_utf8_cut(answer->code, SHOWN_BYTES_MAX);
    struct str message = str_utf8_cut(answer->message, SHOWN_BYTES_MAX);
    int status = answer->response.status;
    if (kind == ERR_FILE_NOT_FOUND)
        error_set(err, kind, "Failed to open input stream for file: %.*s", STR_ARG(call->location));
    else
        error_set(err, kind, "Cannot %s file: %.*s (the store answers %d%s%.*s)", call->what,
                  STR_ARG(call->location), status, code.len > 0 ? " " : "", STR_ARG(code));
    return error_detail(err, "%.*s %s: %d %.*s %.*s", STR_ARG(call->method), call->what, status,
                        STR_ARG(code), STR_ARG(message));
}
