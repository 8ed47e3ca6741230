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
 * the connection is suspended. Expect: 100-continue is answered at the first read.
 *
 * The library can send nothing while a body is coming. So a reply before the first read closes the
 * connection when much of the body is still to come; a whole reply of up to 64 KB in the middle of
 * it is written at once, and closes it too; any other reply waits until the rest of the body came,
 * which is thrown away. The body cannot be read once the reply has begun.
 *
 * A client that is slower than the server's deadlines allow, or gone, is an error of the next call,
 * and ends the one that waits: ERR_UNAVAILABLE; nothing can be sent to it then, but http_stream_end
 * is still owed. Waiting for the thread is never held against the client. Stopping the server
 * counts as the client being gone.
 *
 * Threads: one thread at a time calls these for an exchange. What http_exchange_header and the
 * exchange's fields give stays good until the end, also when the connection is gone. */
#ifndef SERVER_HTTP_STREAM_H
#define SERVER_HTTP_STREAM_H

#include "server/http_server.h"

#define HTTP_STREAM_BUFFER_BYTES (256 * 1024)

/* Bytes of the body that were announced (Content-Length), or -1 (chunked). Any thread. */
int64_t http_stream_body_bytes(struct http_exchange *x);

/* Waits for some of the body, about 64 KB or its end; *got 0: its end, when all of it was received.
 * Errors: ERR_UNAVAILABLE (client gone before the end, too slow), ERR_BAD_REQUEST (malformed
 * chunks; the library has answered that already). */
MUST_USE int http_stream_read(struct http_exchange *x, void *to, size_t size, size_t *got,
                              struct error *err);

/* Head of the reply; reply->body is not used, release and a file must not be set. body_bytes -1:
 * chunked. For HEAD, 204 and 304 what is written after it is dropped. */
void http_stream_begin(struct http_exchange *x, const struct http_reply *reply, int64_t body_bytes);
/* Waits until there was room for all of it. Together not more than was announced. Pieces of 64 KB
 * and more are cheap. */
MUST_USE int http_stream_write(struct http_exchange *x, struct str data, struct error *err);
/* The last call. `complete` false, or less written than announced: the body could not be written as
 * promised; the connection is cut, so that the client sees it. Of a body of known length the last
 * bytes leave only now, of a small one (64 KB) all of the reply. Without a reply the connection is
 * cut too. */
void http_stream_end(struct http_exchange *x, bool complete);

#endif
