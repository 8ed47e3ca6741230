/* Exchanges whose bodies are not held in memory: the body is read, and the reply written, piece by
 * piece by one blocking thread, with back-pressure on the client in both directions. Part of
 * http_server.h's contract:
 *
 * In head() the handlers may set x->streams. Then no body is collected; `stream` is called on the
 * loop thread right after head(), and hands the exchange to a thread of its own (never the loop),
 * which calls the functions below and ends with exactly one http_stream_end. finished() follows
 * as always. A reply with a whole body, or with a file, goes through http_exchange_reply instead of
 * http_stream_begin, and counts as the end.
 *
 * At most HTTP_STREAM_BUFFER_BYTES of an exchange are held in each direction; while they are full
 * the connection is suspended. Expect: 100-continue is answered at the first read; a reply without
 * a read closes the connection when a body is still to come.
 * A client that is slower than the server's deadlines allow, or gone, is an error of the next call:
 * ERR_UNAVAILABLE; nothing can be sent to it then, but http_stream_end is still owed. */
#ifndef SERVER_HTTP_STREAM_H
#define SERVER_HTTP_STREAM_H

#include "server/http_server.h"

#define HTTP_STREAM_BUFFER_BYTES (256 * 1024)

/* Bytes of the body that were announced (Content-Length), or -1 (chunked). Any thread. */
int64_t http_stream_body_bytes(struct http_exchange *x);

/* Waits for at least one byte of the body; *got 0: its end. Errors: ERR_UNAVAILABLE (client gone,
 * too slow), ERR_BAD_REQUEST (ended early). */
MUST_USE int http_stream_read(struct http_exchange *x, void *to, size_t size, size_t *got,
                              struct error *err);

/* Head of the reply; reply->body is not used. body_bytes -1: chunked. For HEAD, 204 and 304 nothing
 * is written after it. */
void http_stream_begin(struct http_exchange *x, const struct http_reply *reply, int64_t body_bytes);
/* Waits until there is room. */
MUST_USE int http_stream_write(struct http_exchange *x, struct str data, struct error *err);
/* The last call. `complete` false: the body could not be written as promised; the connection is
 * cut, so that the client sees it. */
void http_stream_end(struct http_exchange *x, bool complete);

#endif
