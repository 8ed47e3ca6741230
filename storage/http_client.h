/* HTTP to the outside: object stores, WebHDFS, key services. One client per store is its bulkhead:
 * at most in_flight_max requests at once; others wait for a place, no longer than wait_ms. Once one
 * has waited in vain, others no longer wait until an answer comes: a store that hangs keeps
 * in_flight_max threads from other work, and for a moment those that wait. Connections are kept.
 *
 * http and https only, certificates verified, no redirects (a 307 is an answer like any other), no
 * proxies or passwords from the environment, paths sent as they are given. Link-local, multicast
 * and unspecified addresses are refused after the name was looked up (contract/reliability.md 3.5),
 * unless link_local: the metadata services of clouds are there. Nothing is retried, but for a kept
 * connection that is closed before any of the answer came (`resent`); retries belong to the caller.
 * Threads: a client serves all threads; an exchange belongs to one at a time. All calls block,
 * never longer than the deadlines. SIGPIPE must be ignored by the process. */
#ifndef STORAGE_HTTP_CLIENT_H
#define STORAGE_HTTP_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

#define HTTP_HEADERS_MAX 64                /* of a request */
#define HTTP_ANSWER_HEADER_BYTES_MAX 65536 /* more is ERR_UNAVAILABLE */

struct http_client;

/* Zeroes mean the defaults in brackets. */
struct http_client_options {
    int in_flight_max;   /* [32] */
    int64_t wait_ms;     /* for a place [2,000] */
    int64_t connect_ms;  /* look-up, connection, TLS [3,000] */
    int64_t total_ms;    /* of http_client_call without a deadline of its own [30,000] */
    int64_t stall_ms;    /* [10,000]: while a call waits for the network, so long */
    int64_t stall_bytes; /* [1,024]: without that many bytes in either direction is the end */
    bool link_local;     /* may connect to 169.254.0.0/16 and fe80::/10 */
    const char *ca_file; /* PEM; NULL: the system's */
};

/* Never NULL. */
struct http_client *http_client_new(const struct http_client_options *options);
/* No exchange may be open. NULL is allowed. */
void http_client_free(struct http_client *client);

struct http_header {
    struct str name, value;
};

struct http_request {
    struct str method;                 /* GET, HEAD, PUT, POST, DELETE */
    struct str url;                    /* percent-encoded, without fragment or user */
    const struct http_header *headers; /* Host and Content-Length are made from url and body */
    size_t header_count;
    struct str body;      /* STR_NONE: none at all; empty: Content-Length: 0. Not for exchanges */
    int64_t total_ms;     /* whole exchange; 0: the client's (exchanges: only stall_ms counts) */
    bool expect_continue; /* sends the body when the server asks for it, or after a second */
};

struct http_response {
    int status;                        /* 0: no answer came */
    const struct http_header *headers; /* in the arena; names as sent */
    size_t header_count;
    /* Of a call that failed. `sent`: the server may have got, and done, what was asked.
     * `hopeless`: asking again would fail the same way (certificate, address, malformed). */
    bool sent, hopeless;
    bool resent; /* it went out twice, for a kept connection was closed under the first */
};

/* The value of the first header of that name (any case); STR_NONE when absent. */
struct str http_response_header(const struct http_response *response, const char *name);

/* One request and its answer; any status is success. *body gets what the answer holds (appended),
 * up to its ceiling. Headers go to the arena. On failure *out tells how far it came.
 * Errors: ERR_UNAVAILABLE (no place, no connection, broken, too slow; detail says which),
 * ERR_BODY_TOO_LARGE (of the answer), ERR_ILLEGAL_ARGUMENT (url, or a line break in a header). */
MUST_USE int http_client_call(struct http_client *client, const struct http_request *request,
                              struct arena *arena, struct http_response *out, struct buf *body,
                              struct error *err);

/* ---- by pieces, both ways, with bounded memory (under 256 KB) ---------------------------------
 */

#define HTTP_NO_BODY (-1)
#define HTTP_CHUNKED (-2)

struct http_exchange;

/* Takes a place and starts. body_bytes: exactly so many will be sent, or HTTP_NO_BODY, or
 * HTTP_CHUNKED. Texts of the request need not outlive the call. Errors as http_client_call; then
 * there is no exchange. */
MUST_USE int http_exchange_begin(struct http_client *client, const struct http_request *request,
                                 int64_t body_bytes, struct http_exchange **out, struct error *err);
/* Returns when the data was taken. An answer that comes before the body is complete ends it: what
 * is sent after that is dropped, and http_exchange_answered says so. */
MUST_USE int http_exchange_send(struct http_exchange *exchange, struct str data, struct error *err);
bool http_exchange_answered(const struct http_exchange *exchange);
/* Ends the body and waits for the answer's headers; any status is success. Again: the same. The
 * response lives as long as the exchange. A body shorter than announced is ERR_ILLEGAL_ARGUMENT. */
MUST_USE int http_exchange_response(struct http_exchange *exchange,
                                    const struct http_response **out, struct error *err);
/* After http_exchange_response: at least one byte of the answer's body, or *got 0 at its end. A
 * body cut short is ERR_UNAVAILABLE. */
MUST_USE int http_exchange_read(struct http_exchange *exchange, void *to, size_t size, size_t *got,
                                struct error *err);
/* All that is left, appended, up to the buf's ceiling: else ERR_BODY_TOO_LARGE. */
MUST_USE int http_exchange_read_all(struct http_exchange *exchange, struct buf *body,
                                    struct error *err);
/* Frees it and its place, at any time. The connection is kept only when all was sent and read. */
void http_exchange_close(struct http_exchange *exchange);
/* After a failure: how far it came. */
const struct http_response *http_exchange_progress(const struct http_exchange *exchange);
/* A copy that outlives the exchange. */
void http_response_keep(const struct http_response *from, struct arena *arena,
                        struct http_response *out);

#endif
