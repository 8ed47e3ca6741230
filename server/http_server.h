/* The only door to libmicrohttpd. Runs event loops, each its own daemon and SO_REUSEPORT listener
 * (contract/performance.md 1.0, 9), checks raw HTTP before anything is believed (contract/
 * reliability.md 3.9), collects bodies up to a limit, enforces deadlines, and sends replies.
 * It knows no route and no error type: what it must refuse itself goes through `refuse`.
 *
 * Life of an exchange: head() on the loop thread, when the head is complete and passed the check;
 * it may reply at once. Else the body is collected (at most x->body_bytes_max) and request() is
 * called on the loop thread. It leads to exactly one http_exchange_reply, at once or later from any
 * thread. finished() is the last call, on the loop thread, after the reply left or the connection
 * died. Everything in x->arena lives until then.
 *
 * refuse() may come instead of head() (the check failed) or between head() and request() (the body
 * is too large); finished() follows it too. So every exchange that reached head() or refuse() sees
 * finished() exactly once, and one whose connection died before request() has no reply.
 *
 * What still gets libmicrohttpd's own HTML answer, because no callback sees it: a head larger than
 * its 32 KiB pool, a header line without a colon, a request line without a version, a malformed
 * Content-Length, a malformed chunk. Who is too slow gets no answer: the socket is shut down. */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

struct http_server;

#define HTTP_REPLY_HEADERS_MAX 8

struct http_header {
    const char *name; /* sent with exactly this spelling */
    const char *value;
};

/* Date, Content-Length and Connection are added by the server. Names and values are copied. */

struct http_reply {
    int status;
    struct http_header headers[HTTP_REPLY_HEADERS_MAX];
    size_t header_count;
    /* Not sent for HEAD, 204 and 304; for HEAD and 304 its length is told as Content-Length, so
     * give what GET would have given. */
    struct str body;
    bool close; /* Connection: close after it */
    /* Instead of `body`: a part of an open file, sent by sendfile. Taken over, also on failure, and
     * closed when it is no longer needed, from any thread. 0 bytes of `file_bytes`: there is none,
     * and file_fd means nothing. The file must not become shorter: the client would wait for the
     * rest until its deadline. */
    int file_fd;
    int64_t file_offset, file_bytes;
    /* Set when the body is not in the exchange's arena: called once when it is no longer needed,
     * from any thread. */
    void (*release)(void *arg);
    void *release_arg;
};

struct http_exchange {
    struct str method;     /* "GET"; upper case as sent */
    struct str target;     /* raw request target: path and query, undecoded, starts with '/' */
    struct str body;       /* complete, in request() */
    size_t body_bytes_max; /* head() may lower or raise it; starts at the server's default */
    struct arena *arena;
    struct str client;  /* address text */
    int64_t started_us; /* monotonic, when the head was complete */
    int status;         /* of the reply, once given, else 0: for finished() */
    size_t reply_bytes; /* of its body as sent */
    size_t body_bytes;  /* of the request's body as received: for finished() */
    bool streams;       /* set in head(): server/http_stream.h */
    void *context;      /* the handlers' */
    /* private parts follow in http_private.h */
};

struct http_handlers {
    void (*head)(void *arg, struct http_exchange *x);
    void (*request)(void *arg, struct http_exchange *x);
    /* Instead of request(), when head() set x->streams (server/http_stream.h): on the loop thread,
     * right after head(); body_bytes_max means nothing then. MAY be NULL when no head() does. */
    void (*stream)(void *arg, struct http_exchange *x);
    /* `sent` tells whether the whole reply was handed to the kernel. */
    void (*finished)(void *arg, struct http_exchange *x, bool sent);
    /* Fills *reply for a request the server refuses itself (bad HTTP, too large); the connection is
     * closed after it. Method and target are as sent and not to be believed. Loop thread. */
    void (*refuse)(void *arg, struct http_exchange *x, const struct error *why,
                   struct http_reply *reply);
    void *arg;
};

struct http_server_options {
    const char *address; /* "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;       /* 0: any free one */
    size_t loops;
    size_t connections_max;
    size_t target_bytes_max;
    size_t header_bytes_max; /* of the whole head with the request line */
    size_t body_bytes_max;
    /* Deadlines are looked at four times per shortest deadline: they are kept to a quarter of it.
     */
    int64_t header_deadline_ms; /* from the first byte to the end of the head, absolute */
    /* For a body, in and out; each byte adds 1 / body_rate_min. Of streamed bodies and of files it
     * is what a client may lag behind the rate: it never grows beyond itself, and only the time
     * counts in which the client is waited for. */
    int64_t body_deadline_ms;
    int64_t body_rate_min; /* bytes per second */
    int64_t idle_ms;       /* keep-alive, and before the first byte */
    struct http_handlers handlers;
};

/* Binds, listens and starts the loops. Ignores SIGPIPE and raises the soft limit of open files as
 * far as connections_max needs it. Expected errors: ERR_ILLEGAL_ARGUMENT (no such address),
 * ERR_UNAVAILABLE (in use). */
MUST_USE int http_server_start(const struct http_server_options *options, struct http_server **out,
                               struct error *err);
uint16_t http_server_port(const struct http_server *server);

/* The value of a request header (name without regard to case; the first of several), or STR_NONE.
 * Loop thread, in head(), request(), refuse() or finished(), or any thread between request() and
 * the reply. */
struct str http_exchange_header(struct http_exchange *x, const char *name);

/* All of them, as sent, in the order they came; views that live as long as the exchange. Loop
 * thread, in head(). */
struct http_field;
size_t http_exchange_headers(struct http_exchange *x, struct http_field **out);

/* Exactly once per exchange: in head(), in request() or from any thread after it. *reply is copied;
 * the body must be in the exchange's arena, constant, or have a release. The exchange must not be
 * touched after it, except by its caller while still in head() or request(). */
void http_exchange_reply(struct http_exchange *x, const struct http_reply *reply);

/* Graceful end, in this order: drain (replies carry Connection: close, still accepting), stop
 * listening (what waits in the kernel's queue is accepted first), wait until no exchange is open or
 * the time is over, stop. */
void http_server_drain(struct http_server *server);
void http_server_stop_listening(struct http_server *server);

/* Exchanges that are open: from head() to finished(). */
size_t http_server_active(const struct http_server *server);

/* Waits for replies that are owed between request() and http_exchange_reply, gives those on their
 * way out and the clients of streamed exchanges a second, then closes all connections, joins the
 * loops and frees the server. The threads of streamed exchanges are waited for. */
void http_server_stop(struct http_server *server);

#endif
