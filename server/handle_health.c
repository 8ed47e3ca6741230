/* Probes and metrics. Live: the event loop answers, nothing else is asked, so that a slow disk
 * never causes a restart. Ready: reads and writes work and the server is not on its way down. */
#include "server/handlers.h"
#include "server/request.h"

#include "base/metric.h"

int handle_health_live(struct request *req, struct response *res, struct error *err)
{
    (void)req;
    (void)err;
    response_json(res, STR("{\"status\":\"live\"}"));
    return HANDLER_DONE;
}

int handle_health_ready(struct request *req, struct response *res, struct error *err)
{
    bool writable;
    if (atomic_load(&req->service->draining))
        return error_set(err, ERR_UNAVAILABLE, "Shutting down");
    if (catalog_health(req->service->catalog, &writable, err) != 0)
        return HANDLER_ERROR;
    if (!writable)
        return error_set(err, ERR_UNAVAILABLE, "Reads only: the metastore takes no writes");
    response_json(res, STR("{\"status\":\"ready\"}"));
    return HANDLER_DONE;
}

int handle_metrics(struct request *req, struct response *res, struct error *err)
{
    (void)err;
    struct buf out = BUF_INIT((size_t)16 << 20);
    metric_write(&out);
    response_json_buf(res, &out, req->arena);
    res->reply.headers[0].value = "text/plain; version=0.0.4; charset=utf-8";
    return HANDLER_DONE;
}
