/* GET /v1/config: what a client must know before anything else. The maps stay small, as each key
 * becomes a setting of the client; endpoints are the rows of the route table, but for those that
 * only warehouses of another access have a use for. */
#include "server/handlers.h"
#include "server/request.h"

#include "base/raw_json.h"
#include "server/delegate.h"

#define PREFIX_PATH "/v1/{prefix}/"

/* Is there any use in asking the warehouse for it? */
static bool works_in(const struct warehouse *warehouse, const struct route *route)
{
    if (route->handler == handle_credentials)
        return warehouse->access == WAREHOUSE_VEND || warehouse->access == WAREHOUSE_GATEWAY;
    if (route->handler == handle_sign)
        return delegate_signs(warehouse);
    return true;
}

static void write_endpoints(struct buf *out, const struct warehouse *warehouse)
{
    bool first = true;
    buf_add_char(out, '[');
    for (size_t i = 0; i < route_count; i++) {
        if (!str_starts_with(str_cstr(routes[i].path), STR(PREFIX_PATH)) ||
            !works_in(warehouse, &routes[i]))
            continue;
        buf_add_format(out, "%s\"%s %s\"", first ? "" : ",", routes[i].method, routes[i].path);
        first = false;
    }
    buf_add_char(out, ']');
}

/* ISO-8601, in the largest unit that is exact. */
static void write_duration(struct buf *out, int64_t ms)
{
    int64_t seconds = ms / 1000 > 0 ? ms / 1000 : 1;
    if (seconds % 60 == 0)
        buf_add_format(out, "PT%lldM", (long long)(seconds / 60));
    else
        buf_add_format(out, "PT%lldS", (long long)seconds);
}

int handle_config(struct request *req, struct response *res, struct error *err)
{
    struct str name;
    struct warehouse *warehouse;
    if (request_query(req, "warehouse", &name, err) != 0 ||
        catalog_warehouse_find(req->service->catalog, name, &warehouse, err) != 0)
        return HANDLER_ERROR;

    struct buf out = BUF_INIT(64 << 10);
    buf_add(&out, STR("{\"defaults\":{},\"overrides\":{\"prefix\":"));
    raw_json_write_string(&out, warehouse->name);
    if (req->service->namespace_separator != '\0')
        buf_add_format(&out, ",\"namespace-separator\":\"%%%02X\"",
                       (unsigned int)req->service->namespace_separator);
    buf_add(&out, STR("},\"endpoints\":"));
    write_endpoints(&out, warehouse);
    if (req->service->idempotency_lifetime_ms > 0) {
        buf_add(&out, STR(",\"idempotency-key-lifetime\":\""));
        write_duration(&out, req->service->idempotency_lifetime_ms);
        buf_add_char(&out, '"');
    }
    buf_add_char(&out, '}');
    response_json_buf(res, &out, req->arena);
    return HANDLER_DONE;
}
