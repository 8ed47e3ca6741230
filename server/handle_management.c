/* Warehouses: our own API beside Iceberg's, under /management/v1. */
#include "server/handlers.h"
#include "server/request.h"

#include "iceberg/json_member.h"

static json_t *warehouse_json(const struct warehouse *warehouse)
{
    return json_pack("{s:s%,s:s%}", "name", warehouse->name.ptr, warehouse->name.len, "location",
                     warehouse->root.text.ptr, warehouse->root.text.len);
}

int handle_warehouse_list(struct request *req, struct response *res, struct error *err)
{
    struct warehouse **warehouses;
    size_t count;
    if (catalog_warehouse_list(req->service->catalog, req->arena, &warehouses, &count, err) != 0)
        return HANDLER_ERROR;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, warehouse_json(warehouses[i]));
    response_json_value(res, json_pack("{s:o}", "warehouses", list), req->arena);
    return HANDLER_DONE;
}

int handle_warehouse_create(struct request *req, struct response *res, struct error *err)
{
    json_t *body;
    struct str name, location;
    struct warehouse *warehouse;
    if (request_json(req, &body, err) != 0 || request_json_string(body, "name", &name, err) != 0 ||
        member_string_optional(body, "location", req->arena, &location, err) != 0)
        return HANDLER_ERROR;
    if (catalog_warehouse_create(req->service->catalog, &req->caller, name, location, &warehouse,
                                 err) != 0)
        return HANDLER_ERROR;
    response_json_value(res, warehouse_json(warehouse), req->arena);
    return HANDLER_DONE;
}

int handle_warehouse_drop(struct request *req, struct response *res, struct error *err)
{
    if (catalog_warehouse_drop(req->service->catalog, &req->caller, req->warehouse->name, err) != 0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}
