/* The pipeline.
 *
 * 1. Every request leaves through reply(), which alone writes error bodies and logs failures, and
 * is counted and logged once, in on_finished().
 * 2. After reply() the request is not touched: the loop may have freed it.
 * 3. A client that is gone changes nothing: what was begun is finished and recorded.
 * 4. A request is refused for want of a worker before any work was done for it. */
#include "server/dispatch.h"

#include "base/log.h"
#include "server/access.h"
#include "server/access_log.h"
#include "server/delegate.h"
#include "server/encoding.h"
#include "server/idempotent.h"
#include "server/request_metrics.h"
#include "server/s3_gateway.h"
#include <assert.h>

#define SMALL_BODY_BYTES 4096 /* tolerated where none is read */

/* ---- the exit -------------------------------------------------------------------------------- */

static void log_failure(const struct request *req, const struct error *err)
{
    enum log_level level = (enum log_level)error_log_level(err->kind);
    if (level > LOG_LEVEL_WARN || !log_enabled(level))
        return; /* the access log tells of it */
    const struct log_field fields[] = {
        {.name = "request_id", .text = req->caller.request_id},
        {.name = "operation",
         .text = str_cstr(req->route == NULL ? "none" : req->route->operation)},
        {.name = "kind", .text = str_cstr(error_name(err->kind))},
        {.name = "message", .text = str_cstr(err->message)},
        {.name = "detail", .text = str_cstr(err->detail)},
    };
    log_fields(level, "request failed", fields, sizeof(fields) / sizeof(fields[0]));
}

/* Spreads the repeats of many clients over some seconds. */
static int retry_after_s(const struct service *service)
{
    return 1 + (int)((clock_monotonic_us(service->clock) >> 4) % 5);
}

static const char *oauth_code(enum error_kind kind)
{
    int status = error_status(kind);
    return status == 429 || status == 503 ? "temporarily_unavailable"
           : status >= 500                ? "server_error"
                                          : "invalid_request";
}

static void build_error(struct request *req, const struct error *err)
{
    assert(err->kind != ERR_NONE);
    struct response *res = &req->response;
    int asked = res->retry_after_s;
    response_clear(res);
    res->retry_after_s = asked > 0 ? asked : retry_after_s(req->service);
    if (err->kind == ERR_METHOD_NOT_ALLOWED)
        res->allow = req->match.allow != NULL ? req->match.allow : "GET, HEAD, POST, DELETE";
    if (req->route != NULL && (req->route->flags & ROUTE_OAUTH) != 0)
        response_oauth_error(res, error_status(err->kind), oauth_code(err->kind), err->message,
                             req->arena);
    else
        response_error(res, err, req->is_head, req->arena);
    log_failure(req, err);
    request_metrics_error(err->kind);
}

/* Java's library before 1.11 takes any 404 for "no such table", and would create a table anew whose
 * metadata file is only missing (contract/reliability.md 2.2). */
static bool takes_404_for_no_table(struct request *req)
{
    struct str version = http_exchange_header(req->exchange, "X-Client-Version");
    const struct str name = STR("Apache Iceberg ");
    long long major, minor;
    if (!str_starts_with(version, name))
        return false;
    version = str_skip(version, name.len);
    return str_to_int64(str_cut(&version, '.'), &major) &&
           str_to_int64(str_cut(&version, '.'), &minor) &&
           (major == 0 || (major == 1 && minor < 11));
}

static void adapt_error(struct request *req)
{
    if (req->err.kind != ERR_FILE_NOT_FOUND || req->match.params[PARAM_TABLE].ptr == NULL ||
        !takes_404_for_no_table(req))
        return;
    struct error why = req->err;
    error_set(&req->err, ERR_INTERNAL, "%s", why.message);
}

static void send(struct request *req)
{
    struct http_reply answer = req->response.reply;
    http_exchange_reply(req->exchange, &answer);
}

static void encode_and_send(void *arg)
{
    struct request *req = arg;
    encoding_work(req);
    send(req);
}

static void reply(struct request *req, int result)
{
    assert(result == HANDLER_DONE || result == HANDLER_ERROR);
    assert(!req->idempotency_begun);
    if (result == HANDLER_ERROR) {
        adapt_error(req);
        build_error(req, &req->err);
    }
    assert(req->response.reply.status != 0); /* a handler that is done has built a reply */
    response_header(&req->response, "X-Request-Id", req->caller.request_id.ptr);
    switch (encoding_begin(req, req->completed)) {
    case ENCODING_READY:
        send(req);
        break;
    case ENCODING_WORKS:
        work_queue_push_continuation(req->service->workers, encode_and_send, req);
        break;
    }
}

/* ---- workers --------------------------------------------------------------------------------- */

static void run(struct request *req);

static void run_on_worker(void *arg)
{
    struct request *req = arg;
    req->on_worker = true;
    run(req);
}

static void to_worker(struct request *req)
{
    if (work_queue_push(req->service->workers, run_on_worker, req))
        return;
    error_set(&req->err, ERR_TOO_MANY_REQUESTS, "Too many requests at once");
    reply(req, HANDLER_ERROR);
}

void dispatch_continue(struct request *req)
{
    work_queue_push_continuation(req->service->workers, run_on_worker, req);
}

static void end_refused_on_worker(void *arg)
{
    struct request *req = arg;
    idempotent_end(req, HANDLER_ERROR);
    reply(req, HANDLER_ERROR);
}

static void complete(struct request *req, int result)
{
    if (!req->on_worker && idempotent_end_blocks(req, result)) {
        work_queue_push_continuation(req->service->workers, end_refused_on_worker, req);
        return;
    }
    idempotent_end(req, result);
    reply(req, result);
}

void request_complete(struct request *req, int result)
{
    req->completed = true;
    req->on_worker = false; /* whatever thread this is, it must not block */
    complete(req, result);
}

/* ---- the pipeline ---------------------------------------------------------------------------- */

/* From the idempotency step on. */
static void run(struct request *req)
{
    int result = HANDLER_ERROR;
    switch (idempotent_begin(req)) {
    case IDEMPOTENT_RUN:
        result = req->route->handler(req, &req->response, &req->err);
        break;
    case IDEMPOTENT_REPLAYED:
        result = HANDLER_DONE;
        break;
    case IDEMPOTENT_REFUSED:
        break;
    case IDEMPOTENT_BLOCKS:
        result = HANDLER_BLOCKS;
        break;
    case IDEMPOTENT_WAITING:
        return;
    }
    if (result == HANDLER_PENDING)
        return;
    if (result == HANDLER_BLOCKS) {
        assert(!req->on_worker && !req->idempotency_begun);
        to_worker(req);
        return;
    }
    complete(req, result);
}

static int open_request(struct request *req, struct error *err)
{
    struct http_exchange *x = req->exchange;
    if (router_find(x->method, x->target, req->arena, &req->match, err) != 0)
        return -1;
    req->route = req->match.route;
    req->caller.operation = req->route->operation;
    if (access_authenticate(req, err) != 0 || request_read_path(req, err) != 0)
        return -1;
    if ((req->route->flags & ROUTE_DELEGATES) != 0)
        delegate_read_header(req);
    return access_authorize(req, req->route->access, err);
}

static struct request *request_new(struct service *service, struct http_exchange *x)
{
    struct request *req = ARENA_NEW(x->arena, struct request);
    req->service = service;
    req->exchange = x;
    req->arena = x->arena;
    req->is_head = str_equal(x->method, STR("HEAD"));
    req->caller.client = x->client;
    request_choose_id(req);
    x->context = req;
    return req;
}

/* Whatever can be refused without the body is known before it is read. */
static void on_head(void *arg, struct http_exchange *x)
{
    struct service *service = arg;
    struct request *req = request_new(service, x);
    if (s3_gateway_takes(x)) {
        req->s3 = s3_gateway_head(service->gateway, x, req->caller.request_id);
        return;
    }
    if (open_request(req, &req->err) != 0)
        return; /* answered in on_request, so that the connection stays open */
    size_t limit = req->route->body_bytes_max;
    if (limit == BODY_NONE)
        limit = SMALL_BODY_BYTES;
    if (limit < x->body_bytes_max)
        x->body_bytes_max = limit;
}

static void on_request(void *arg, struct http_exchange *x)
{
    struct service *service = arg;
    struct request *req = x->context;
    assert(req != NULL);
    if (atomic_load(&service->stopping))
        error_set(&req->err, ERR_UNAVAILABLE, "The server is shutting down");
    if (req->err.kind != ERR_NONE)
        reply(req, HANDLER_ERROR);
    else if ((req->route->flags & ROUTE_RUN_WORKER) != 0 || x->body.len > INLINE_BODY_BYTES_MAX)
        to_worker(req);
    else
        run(req);
}

static void on_stream(void *arg, struct http_exchange *x)
{
    struct service *service = arg;
    struct request *req = x->context;
    s3_gateway_stream(req->s3, atomic_load(&service->stopping));
}

static void on_refuse(void *arg, struct http_exchange *x, const struct error *why,
                      struct http_reply *answer)
{
    struct request *req = x->context != NULL ? x->context : request_new(arg, x);
    struct error ignored;
    if (s3_gateway_takes(x)) {
        s3_gateway_refuse(req->service->gateway, x, req->caller.request_id, why, answer);
        return;
    }
    if (why->kind == ERR_METHOD_NOT_ALLOWED && req->route == NULL &&
        router_find(x->method, x->target, req->arena, &req->match, &ignored) != 0)
        error_clear(&ignored); /* only match.allow is wanted */
    build_error(req, why);
    response_header(&req->response, "X-Request-Id", req->caller.request_id.ptr);
    *answer = req->response.reply;
}

static void on_finished(void *arg, struct http_exchange *x, bool sent)
{
    struct service *service = arg;
    struct request *req = x->context;
    if (req == NULL)
        return;
    int64_t duration_us = clock_monotonic_us(service->clock) - x->started_us;
    if (req->s3 != NULL) {
        s3_gateway_finished(req->s3, duration_us);
        req->caller.operation = s3_gateway_operation(req->s3);
    } else {
        request_metrics_count(req->route, x->status, duration_us);
    }
    if (!service->access_log)
        return;
    struct str target = x->target;
    bool has_secrets = req->s3 != NULL || s3_gateway_takes(x) ||
                       (req->route != NULL && (req->route->flags & ROUTE_OAUTH) != 0);
    if (has_secrets)
        target = str_cut(&target, '?'); /* somebody may have put a secret there */
    access_log_write(x, target, req->caller.request_id, req->caller.operation, sent);
}

struct http_handlers dispatch_handlers(struct service *service)
{
    assert(service->catalog != NULL && service->workers != NULL && service->waiting != NULL);
    return (struct http_handlers){
        .head = on_head,
        .request = on_request,
        .stream = on_stream,
        .finished = on_finished,
        .refuse = on_refuse,
        .arg = service,
    };
}
