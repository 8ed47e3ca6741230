/* The pipeline every request goes through, in this order and no other:
 * route → authenticate → authorize → body → idempotency → handler → reply.
 * It starts on the event loop and stays there when nothing in it blocks; else it goes on on a
 * worker (contract/performance.md 1). */
#ifndef SERVER_DISPATCH_H
#define SERVER_DISPATCH_H

#include "server/http_server.h"
#include "server/request.h"

#define INLINE_BODY_BYTES_MAX ((size_t)64 << 10) /* larger bodies are parsed on a worker */

/* The handlers of the HTTP server; `service` outlives it. */
struct http_handlers dispatch_handlers(struct service *service);

/* Ends a request whose handler returned HANDLER_PENDING: HANDLER_DONE with req->response built, or
 * HANDLER_ERROR with req->err. Any thread, never blocks; the request is gone afterwards. */
void request_complete(struct request *req, int result);

/* Takes the pipeline up again at the idempotency step, on a worker. Any thread, never blocks. */
void dispatch_continue(struct request *req);

#endif
