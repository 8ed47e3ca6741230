/* The strict check of a request head: pure functions over what was received.
 *
 * 1. What two HTTP implementations could read in two ways is refused, never repaired.
 * 2. Text of the client appears in a message only where it was found to be printable.
 * Decoding of the target, routes and methods per route are not its business. */
#include "server/http_precheck.h"

#include <assert.h>

#define CONTENT_LENGTH_DIGITS_MAX 18 /* fits into uint64 with room to add */

/* RFC 9110 5.6.2: the characters of methods and field names. */
static const bool token_chars[256] = {
    ['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['!'] = true,  ['#'] = true,
    ['$'] = true,         ['%'] = true,         ['&'] = true,         ['\''] = true, ['*'] = true,
    ['+'] = true,         ['-'] = true,         ['.'] = true,         ['^'] = true,  ['_'] = true,
    ['`'] = true,         ['|'] = true,         ['~'] = true,
};

/* What a host and port may consist of, IPv6 brackets and zones included. */
static const bool host_chars[256] = {
    ['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['-'] = true,
    ['.'] = true,         ['_'] = true,         ['~'] = true,         [':'] = true,
    ['['] = true,         [']'] = true,         ['%'] = true,
};

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!token_chars[(unsigned char)s.ptr[i]])
            return false;
    return s.len > 0;
}

static bool is_field_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static int check_request_line(const struct http_head *head, const struct http_limits *limits,
                              struct error *err)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
    bool known = false;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        known = known || str_equal_cstr(head->method, methods[i]);
    if (!known)
        return error_set(err, ERR_METHOD_NOT_ALLOWED, "Malformed request: unknown method");
    if (!str_equal(head->version, STR("HTTP/1.1")) && !str_equal(head->version, STR("HTTP/1.0")))
        return error_set(err, ERR_BAD_REQUEST, "Malformed request: HTTP/1.1 or HTTP/1.0 only");
    if (head->target.len > limits->target_bytes_max)
        return error_set(err, ERR_URI_TOO_LONG, "Request target too long: %zu bytes, at most %zu",
                         head->target.len, limits->target_bytes_max);
    if (head->target.len == 0 || head->target.ptr[0] != '/')
        return error_set(err, ERR_BAD_REQUEST, "Malformed request: the target must start with '/'");
    for (size_t i = 0; i < head->target.len; i++) {
        unsigned char c = (unsigned char)head->target.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '#')
            return error_set(err, ERR_BAD_REQUEST,
                             "Malformed request: byte %zu of the target must be percent-encoded",
                             i);
    }
    return 0;
}

static int check_host(struct str host, struct error *err)
{
    for (size_t i = 0; i < host.len; i++)
        if (!host_chars[(unsigned char)host.ptr[i]])
            return error_set(err, ERR_BAD_REQUEST, "Malformed request: invalid Host");
    return 0;
}

static int parse_content_length(struct str value, uint64_t *bytes, struct error *err)
{
    bool valid = value.len > 0 && value.len <= CONTENT_LENGTH_DIGITS_MAX;
    *bytes = 0;
    for (size_t i = 0; valid && i < value.len; i++) {
        valid = value.ptr[i] >= '0' && value.ptr[i] <= '9';
        *bytes = *bytes * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    return valid ? 0 : error_set(err, ERR_BAD_REQUEST, "Malformed request: invalid Content-Length");
}

/* How often the fields that frame a request occur, and their last values. */
struct framing {
    size_t hosts, lengths, encodings;
    struct str host, length, encoding, expect;
};

static int collect_fields(const struct http_head *head, struct framing *framing, struct error *err)
{
    assert(head->field_count <= HTTP_FIELDS_MAX);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (!is_token(field->name))
            return error_set(err, ERR_BAD_REQUEST, "Malformed request: invalid header name");
        if (!is_field_value(field->value))
            return error_set(err, ERR_BAD_REQUEST,
                             "Malformed request: control character in header %.*s",
                             STR_ARG(field->name));
        if (str_equal_ignore_case(field->name, STR("Host"))) {
            framing->hosts++;
            framing->host = field->value;
        } else if (str_equal_ignore_case(field->name, STR("Content-Length"))) {
            framing->lengths++;
            framing->length = field->value;
        } else if (str_equal_ignore_case(field->name, STR("Transfer-Encoding"))) {
            framing->encodings++;
            framing->encoding = field->value;
        } else if (str_equal_ignore_case(field->name, STR("Expect"))) {
            framing->expect = field->value;
        }
    }
    return 0;
}

static int check_transfer_encoding(const struct framing *framing, bool is_1_1, struct error *err)
{
    if (framing->encodings == 0)
        return 0;
    if (framing->lengths > 0)
        return error_set(err, ERR_BAD_REQUEST,
                         "Malformed request: both Content-Length and Transfer-Encoding");
    if (framing->encodings > 1 || !str_equal_ignore_case(framing->encoding, STR("chunked")))
        return error_set(err, ERR_BAD_REQUEST,
                         "Malformed request: the only Transfer-Encoding served is chunked");
    if (!is_1_1)
        return error_set(err, ERR_BAD_REQUEST,
                         "Malformed request: Transfer-Encoding needs HTTP/1.1");
    return 0;
}

static int check_framing(const struct framing *framing, bool is_1_1, struct http_body_plan *plan,
                         struct error *err)
{
    if (framing->hosts > 1 || (is_1_1 && framing->hosts == 0))
        return error_set(err, ERR_BAD_REQUEST, "Malformed request: exactly one Host is required");
    if (framing->lengths > 1)
        return error_set(err, ERR_BAD_REQUEST, "Malformed request: more than one Content-Length");
    if (check_host(framing->host, err) != 0 || check_transfer_encoding(framing, is_1_1, err) != 0)
        return -1;
    *plan = (struct http_body_plan){0};
    if (framing->lengths == 1 && parse_content_length(framing->length, &plan->bytes, err) != 0)
        return -1;
    plan->chunked = framing->encodings == 1;
    plan->expects_continue = is_1_1 && (plan->chunked || plan->bytes > 0) &&
                             str_equal_ignore_case(framing->expect, STR("100-continue"));
    return 0;
}

int http_precheck(const struct http_head *head, const struct http_limits *limits,
                  struct http_body_plan *plan, struct error *err)
{
    if (check_request_line(head, limits, err) != 0)
        return -1;
    if (head->bytes > limits->head_bytes_max)
        return error_set(err, ERR_HEADERS_TOO_LARGE,
                         "Request head too large: %zu bytes, at most %zu", head->bytes,
                         limits->head_bytes_max);
    if (head->field_count > HTTP_FIELDS_MAX)
        return error_set(err, ERR_HEADERS_TOO_LARGE, "Too many headers: %zu, at most %d",
                         head->field_count, HTTP_FIELDS_MAX);
    struct framing framing = {0};
    if (collect_fields(head, &framing, err) != 0)
        return -1;
    return check_framing(&framing, str_equal(head->version, STR("HTTP/1.1")), plan, err);
}

bool http_head_is_exact(const struct http_head *head)
{
    if (head->field_count > HTTP_FIELDS_MAX)
        return false;
    if (head->method.ptr + head->method.len + 1 != head->target.ptr ||
        head->target.ptr + head->target.len + 1 != head->version.ptr)
        return false;
    const char *line = head->version.ptr + head->version.len + 2;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->name.ptr != line || field->value.ptr <= field->name.ptr + field->name.len)
            return false;
        line = field->value.ptr + field->value.len + 2;
    }
    return line + 2 == head->method.ptr + head->bytes;
}
