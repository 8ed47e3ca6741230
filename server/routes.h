/* The route table: one row per operation. The same row feeds matching, 405 with Allow, the
 * `endpoints` of the configuration, the question asked of authorization, the ceiling of the body,
 * idempotency, the thread that runs the handler, metric labels and the access log.
 *
 * To add a route: 1. a row in routes.c; 2. its handler, declared in handlers.h; 3. its description
 * in openapi/firn.yaml, then `make openapi`. A new {parameter} also needs a row in enum route_param
 * and in router.c. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include "base/error.h"
#include <stddef.h>

struct request;
struct response;

/* What a caller must be allowed to do. Asked for every request (server/access.h). */
enum access {
    ACCESS_PUBLIC, /* nothing: probes */
    ACCESS_TOKEN,  /* nothing but what the request itself brings */
    ACCESS_CONFIG,
    ACCESS_METRICS,
    ACCESS_WAREHOUSE_LIST,
    ACCESS_WAREHOUSE_MANAGE,
    ACCESS_WAREHOUSE_AUDIT, /* who did what, from where */
    ACCESS_PRINCIPAL_MANAGE,
    ACCESS_NAMESPACE_READ,
    ACCESS_NAMESPACE_WRITE,
    ACCESS_TABLE_READ,
    ACCESS_TABLE_WRITE,
    ACCESS_TABLE_DROP,
    ACCESS_TABLE_REPORT,
    ACCESS_VIEW_READ,
    ACCESS_VIEW_WRITE,
    ACCESS_VIEW_DROP,
    ACCESS_FUNCTION_READ,
    ACCESS_FUNCTION_WRITE,
};

enum route_flag {
    ROUTE_IDEMPOTENT = 1 << 0, /* honours Idempotency-Key */
    ROUTE_ETAG = 1 << 1,       /* answers If-None-Match */
    ROUTE_RUN_INLINE = 1 << 2, /* the handler starts on the event loop */
    ROUTE_RUN_WORKER = 1 << 3, /* the handler blocks: it starts on a worker */
    ROUTE_OF_VIEW = 1 << 4,    /* a metadata file that it answers with is a view's */
    ROUTE_DELEGATES = 1 << 6,  /* its answer tells how to reach a table's files */
    ROUTE_OAUTH = 1 << 5,      /* refusals in OAuth's form; its query stays out of the log */
};

/* Ceilings of bodies, by what the operation takes. */
#define BODY_NONE 0 /* none is read; a few bytes are tolerated */
#define BODY_SMALL ((size_t)256 << 10)
#define BODY_REPORT ((size_t)1 << 20)
#define BODY_LARGE ((size_t)-1) /* what the server allows at most */

/* What became of a request in its handler. */
enum handler_result {
    HANDLER_ERROR = -1,  /* *err says why */
    HANDLER_DONE = 0,    /* *res is complete */
    HANDLER_PENDING = 1, /* request_complete will be called, or was: the request may be gone */
    HANDLER_BLOCKS = 2,  /* nothing was done yet; call again on a worker */
};

typedef int handler_fn(struct request *req, struct response *res, struct error *err);

enum route_param {
    PARAM_PREFIX,
    PARAM_NAMESPACE,
    PARAM_TABLE,
    PARAM_VIEW,
    PARAM_FUNCTION,
    PARAM_WAREHOUSE,
    PARAM_PRINCIPAL,
    PARAM_COUNT,
};

struct route {
    const char *method;
    const char *path; /* template; {prefix} may be left out by clients of the default warehouse */
    const char *operation;
    enum access access;
    size_t body_bytes_max;
    unsigned flags;
    handler_fn *handler;
};

#define ROUTES_MAX 64 /* a ceiling for tables indexed by route; asserted at start */

extern const struct route routes[];
extern const size_t route_count;

#endif
