/* Views (contract/rest.md 3.7); replacing one is a commit: handle_commit.c. */
#include "server/handlers.h"
#include "server/request.h"

#include "catalog/views.h"
#include "server/identifiers.h"

int handle_view_list(struct request *req, struct response *res, struct error *err)
{
    struct page_request page;
    struct name_list list;
    if (request_page(req, PAGE_OF_VIEWS, &page, err) != 0)
        return HANDLER_ERROR;
    if (request_page_is_large(&page) && !req->on_worker)
        return HANDLER_BLOCKS;
    if (catalog_view_list(req->service->catalog, req->warehouse, &req->ns, &page, req->arena, &list,
                          err) != 0)
        return HANDLER_ERROR;
    identifiers_reply(req, res, PAGE_OF_VIEWS, &list);
    return HANDLER_DONE;
}

int handle_view_create(struct request *req, struct response *res, struct error *err)
{
    struct str body;
    struct view_create create;
    struct object_version *version;
    if (request_json_text(req, &body, err) != 0 ||
        view_create_parse(body, req->arena, &create, err) != 0)
        return HANDLER_ERROR;
    const struct identifier ident = {.ns = req->ns, .name = create.name};
    req->caller.idempotency.status = 200;
    if (catalog_view_create(req->service->catalog, req->warehouse, &req->caller, &ident, &create,
                            &version, err) != 0)
        return HANDLER_ERROR;
    response_object(res, version, req->arena);
    return HANDLER_DONE;
}

int handle_view_register(struct request *req, struct response *res, struct error *err)
{
    json_t *body;
    struct str location;
    struct identifier ident = {.ns = req->ns};
    struct object_version *version;
    if (request_json(req, &body, err) != 0 ||
        request_json_string(body, "name", &ident.name, err) != 0 ||
        name_check(ident.name, "view name", err) != 0 ||
        request_json_string(body, "metadata-location", &location, err) != 0)
        return HANDLER_ERROR;
    req->caller.idempotency.status = 200;
    if (catalog_view_register(req->service->catalog, req->warehouse, &req->caller, &ident, location,
                              &version, err) != 0)
        return HANDLER_ERROR;
    response_object(res, version, req->arena);
    return HANDLER_DONE;
}

int handle_view_load(struct request *req, struct response *res, struct error *err)
{
    struct object_version *version =
        catalog_view_cached(req->service->catalog, req->warehouse, &req->ident);
    if (version == NULL && !req->on_worker)
        return HANDLER_BLOCKS;
    if (version == NULL &&
        catalog_view_load(req->service->catalog, req->warehouse, &req->ident, &version, err) != 0)
        return HANDLER_ERROR;
    response_object(res, version, req->arena);
    return HANDLER_DONE;
}

int handle_view_exists(struct request *req, struct response *res, struct error *err)
{
    if (catalog_view_exists(req->service->catalog, req->warehouse, &req->ident, err) != 0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}

int handle_view_drop(struct request *req, struct response *res, struct error *err)
{
    req->caller.idempotency.status = 204;
    if (catalog_view_drop(req->service->catalog, req->warehouse, &req->caller, &req->ident, err) !=
        0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}

int handle_view_rename(struct request *req, struct response *res, struct error *err)
{
    struct identifier from, to;
    if (identifiers_of_rename(req, &from, &to, err) != 0)
        return HANDLER_ERROR;
    req->caller.idempotency.status = 204;
    if (catalog_view_rename(req->service->catalog, req->warehouse, &req->caller, &from, &to, err) !=
        0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}
