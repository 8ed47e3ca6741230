/* The one table of error kinds: kind, HTTP status, type on the wire, log level.
 *
 * The layers below the server know kinds only; the numbers are copied from here by the code that
 * writes the error body, so that `code` in the body and the status line cannot differ.
 * To add a kind: add a row here and a line in docs/errors.md. */
#ifndef BASE_ERROR_KINDS_H
#define BASE_ERROR_KINDS_H

/* clang-format off */
#define ERROR_KINDS(X)                                                          \
    X(ERR_BAD_REQUEST,          400, "BadRequestException",            INFO)    \
    X(ERR_ILLEGAL_ARGUMENT,     400, "IllegalArgumentException",       INFO)    \
    X(ERR_VALIDATION,           400, "ValidationException",            INFO)    \
    X(ERR_NOT_AUTHORIZED,       401, "NotAuthorizedException",         INFO)    \
    X(ERR_FORBIDDEN,            403, "ForbiddenException",             INFO)    \
    X(ERR_NO_SUCH_ROUTE,        404, "NotFoundException",              INFO)    \
    X(ERR_NO_SUCH_WAREHOUSE,    404, "NoSuchWarehouseException",       INFO)    \
    X(ERR_NO_SUCH_NAMESPACE,    404, "NoSuchNamespaceException",       INFO)    \
    X(ERR_NO_SUCH_TABLE,        404, "NoSuchTableException",           INFO)    \
    X(ERR_NO_SUCH_VIEW,         404, "NoSuchViewException",            INFO)    \
    X(ERR_NO_SUCH_FUNCTION,     404, "NoSuchFunctionException",        INFO)    \
    X(ERR_NO_SUCH_PRINCIPAL,    404, "NoSuchPrincipalException",       INFO)    \
    X(ERR_FILE_NOT_FOUND,       404, "NotFoundException",              WARN)    \
    X(ERR_METHOD_NOT_ALLOWED,   405, "MethodNotAllowedException",      INFO)    \
    X(ERR_UNSUPPORTED,          406, "UnsupportedOperationException",  INFO)    \
    X(ERR_ALREADY_EXISTS,       409, "AlreadyExistsException",         INFO)    \
    X(ERR_NAMESPACE_NOT_EMPTY,  409, "NamespaceNotEmptyException",     INFO)    \
    X(ERR_COMMIT_FAILED,        409, "CommitFailedException",          INFO)    \
    X(ERR_PRECONDITION_FAILED,  412, "PreconditionFailedException",    INFO)    \
    X(ERR_BODY_TOO_LARGE,       413, "BadRequestException",            INFO)    \
    X(ERR_URI_TOO_LONG,         414, "BadRequestException",            INFO)    \
    X(ERR_UNPROCESSABLE,        422, "UnprocessableEntityException",   INFO)    \
    X(ERR_TOO_MANY_REQUESTS,    429, "TooManyRequestsException",       WARN)    \
    X(ERR_HEADERS_TOO_LARGE,    431, "BadRequestException",            INFO)    \
    X(ERR_INTERNAL,             500, "InternalServerError",            ERROR)   \
    X(ERR_COMMIT_STATE_UNKNOWN, 500, "CommitStateUnknownException",    ERROR)   \
    X(ERR_STORAGE_REFUSED,      503, "ServiceUnavailableException",    ERROR)   \
    X(ERR_UNAVAILABLE,          503, "ServiceUnavailableException",    WARN)
/* clang-format on */

#endif
