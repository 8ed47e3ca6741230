/* The strict check of a request head before anything in it is believed. libmicrohttpd's parser is
 * lenient: it takes two Content-Lengths, Content-Length with Transfer-Encoding, bare LF, folded
 * lines and NUL in values (contract/reliability.md 3.9). Two parsers that read one head in two ways
 * are request smuggling, so whatever could be read in two ways is refused here.
 * Threads: pure functions. */
#ifndef SERVER_HTTP_PRECHECK_H
#define SERVER_HTTP_PRECHECK_H

#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

#define HTTP_FIELDS_MAX 100

struct http_field {
    struct str name, value;
};

struct http_head {
    struct str method, target, version; /* as sent */
    const struct http_field *fields; /* in the order sent; at most HTTP_FIELDS_MAX are looked at */
    size_t field_count;              /* how many there are, also when they are too many */
    size_t bytes;                    /* of the whole head with its line ends */
};

struct http_limits {
    size_t target_bytes_max;
    size_t head_bytes_max;
};

/* What the head says about the body. */
struct http_body_plan {
    bool chunked;
    bool expects_continue; /* the client waits for 100 before it sends the body */
    uint64_t bytes;        /* Content-Length; 0 when there is none */
};

/* Expected errors: ERR_BAD_REQUEST, ERR_METHOD_NOT_ALLOWED (not a method we know at all),
 * ERR_URI_TOO_LONG, ERR_HEADERS_TOO_LARGE. *plan is set on success. */
MUST_USE int http_precheck(const struct http_head *head, const struct http_limits *limits,
                           struct http_body_plan *plan, struct error *err);

/* Whether the parts of the head lie in one buffer exactly as a strict parser would have found them:
 * one space between the parts of the request line, CRLF after every line, nothing left over. False
 * when the library passed over a bare LF, a NUL, a folded line or further spaces. Only for heads
 * whose views point into the buffer that was received (libmicrohttpd 0.9). What it cannot see is a
 * NUL in the very place of a CR, since the library has overwritten both by then. */
bool http_head_is_exact(const struct http_head *head);

#endif
