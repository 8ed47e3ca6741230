/* Functions (contract/rest.md 6): listed and loaded by Iceberg's protocol, registered and dropped
 * by our own API, under /management/v1. */
#include "server/handlers.h"
#include "server/request.h"

#include "base/raw_json.h"
#include "catalog/functions.h"
#include "iceberg/json_member.h"
#include "server/identifiers.h"

int handle_function_list(struct request *req, struct response *res, struct error *err)
{
    struct page_request page;
    struct name_list list;
    if (request_page(req, PAGE_OF_FUNCTIONS, &page, err) != 0)
        return HANDLER_ERROR;
    if (request_page_is_large(&page) && !req->on_worker)
        return HANDLER_BLOCKS;
    if (catalog_function_list(req->service->catalog, req->warehouse, &req->ns, &page, req->arena,
                              &list, err) != 0)
        return HANDLER_ERROR;
    identifiers_reply(req, res, PAGE_OF_FUNCTIONS, &list);
    return HANDLER_DONE;
}

int handle_function_load(struct request *req, struct response *res, struct error *err)
{
    struct object_version *version =
        catalog_function_cached(req->service->catalog, req->warehouse, &req->ident);
    if (version == NULL && !req->on_worker)
        return HANDLER_BLOCKS;
    if (version == NULL && catalog_function_load(req->service->catalog, req->warehouse, &req->ident,
                                                 &version, err) != 0)
        return HANDLER_ERROR;
    response_object(res, version, req->arena);
    return HANDLER_DONE;
}

static int read_source(const json_t *body, struct str text, struct arena *arena,
                       struct function_source *out, struct error *err)
{
    const json_t *metadata;
    *out = (struct function_source){0};
    if (member_string_optional(body, "metadata-location", arena, &out->metadata_location, err) !=
            0 ||
        member_object_optional(body, "metadata", &metadata, err) != 0)
        return -1;
    if ((out->metadata_location.ptr != NULL) == (metadata != NULL))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid function: either metadata-location or metadata is required");
    if (metadata != NULL)
        out->metadata = raw_json_member(text, "metadata");
    return 0;
}

int handle_function_register(struct request *req, struct response *res, struct error *err)
{
    json_t *body;
    struct str text;
    struct identifier ident;
    struct function_source source;
    struct object_version *version;
    bool overwrite;
    if (request_json_text(req, &text, err) != 0 || request_json(req, &body, err) != 0 ||
        identifier_parse(body, req->arena, &ident, err) != 0 ||
        read_source(body, text, req->arena, &source, err) != 0 ||
        member_bool_or(body, "overwrite", false, &overwrite, err) != 0)
        return HANDLER_ERROR;
    if (catalog_function_register(req->service->catalog, req->warehouse, &req->caller, &ident,
                                  &source, overwrite, &version, err) != 0)
        return HANDLER_ERROR;
    response_object(res, version, req->arena);
    return HANDLER_DONE;
}

int handle_function_drop(struct request *req, struct response *res, struct error *err)
{
    struct str ns;
    struct identifier ident;
    if (request_query(req, "namespace", &ns, err) != 0 ||
        request_query(req, "name", &ident.name, err) != 0)
        return HANDLER_ERROR;
    if (ns.len == 0 || ident.name.len == 0)
        return error_set(err, ERR_BAD_REQUEST, "namespace and name are required");
    ident.ns = namespace_from_key(ns, req->arena);
    if (catalog_function_drop(req->service->catalog, req->warehouse, &req->caller, &ident, err) !=
        0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}
