/* Tables as names (contract/rest.md 3.2–3.4, 3.6); commits are in handle_commit.c. */
#include "server/handlers.h"
#include "server/request.h"

#include "catalog/tables.h"
#include "catalog/tombstones.h"
#include "iceberg/json_member.h"
#include "server/delegate.h"
#include "server/identifiers.h"

int handle_table_list(struct request *req, struct response *res, struct error *err)
{
    struct page_request page;
    struct name_list list;
    if (request_page(req, PAGE_OF_TABLES, &page, err) != 0)
        return HANDLER_ERROR;
    if (request_page_is_large(&page) && !req->on_worker)
        return HANDLER_BLOCKS;
    if (catalog_table_list(req->service->catalog, req->warehouse, &req->ns, &page, req->arena,
                           &list, err) != 0)
        return HANDLER_ERROR;

    identifiers_reply(req, res, PAGE_OF_TABLES, &list);
    return HANDLER_DONE;
}

int handle_table_create(struct request *req, struct response *res, struct error *err)
{
    json_t *body;
    struct table_create create;
    struct object_version *version;
    if (request_json(req, &body, err) != 0 ||
        table_create_parse(body, req->arena, &create, err) != 0)
        return HANDLER_ERROR;
    const struct identifier ident = {.ns = req->ns, .name = create.name};
    req->caller.idempotency.status = 200;
    if (catalog_table_create(req->service->catalog, req->warehouse, &req->caller, &ident, &create,
                             &version, err) != 0)
        return HANDLER_ERROR;
    return delegate_made(req, res, version, create.stage_create, err);
}

int handle_table_register(struct request *req, struct response *res, struct error *err)
{
    json_t *body;
    struct str location;
    bool overwrite;
    struct identifier ident = {.ns = req->ns};
    struct object_version *version;
    if (request_json(req, &body, err) != 0 ||
        request_json_string(body, "name", &ident.name, err) != 0 ||
        name_check(ident.name, "table name", err) != 0 ||
        request_json_string(body, "metadata-location", &location, err) != 0 ||
        member_bool_or(body, "overwrite", false, &overwrite, err) != 0)
        return HANDLER_ERROR;
    req->caller.idempotency.status = 200;
    if (catalog_table_register(req->service->catalog, req->warehouse, &req->caller, &ident,
                               location, overwrite, &version, err) != 0)
        return HANDLER_ERROR;
    return delegate_made(req, res, version, false, err);
}

static int wants_refs_only(struct request *req, bool *refs_only, struct error *err)
{
    struct str mode;
    if (request_query(req, "snapshots", &mode, err) != 0)
        return -1;
    *refs_only = str_equal_ignore_case(mode, STR("refs"));
    if (mode.ptr != NULL && !*refs_only && !str_equal_ignore_case(mode, STR("all")))
        return error_set(err, ERR_BAD_REQUEST, "Invalid snapshots: must be all or refs: %.*s",
                         STR_ARG(mode));
    return 0;
}

static int load(struct request *req, struct object_version **version, struct error *err)
{
    *version = catalog_table_cached(req->service->catalog, req->warehouse, &req->ident);
    if (*version != NULL)
        return HANDLER_DONE;
    if (!req->on_worker)
        return HANDLER_BLOCKS;
    return catalog_table_load(req->service->catalog, req->warehouse, &req->ident, version, err);
}

int handle_table_load(struct request *req, struct response *res, struct error *err)
{
    bool refs_only;
    struct object_version *version;
    if (wants_refs_only(req, &refs_only, err) != 0)
        return HANDLER_ERROR;
    int result = load(req, &version, err);
    if (result != HANDLER_DONE)
        return result;

    return delegate_load(req, res, version, refs_only, err);
}

int handle_table_exists(struct request *req, struct response *res, struct error *err)
{
    if (catalog_table_exists(req->service->catalog, req->warehouse, &req->ident, err) != 0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}

/* Whose client may go on to remove the files, with signatures; else NULL. */
static struct object_version *last_state(struct request *req)
{
    struct object_version *version;
    struct error ignored;
    if (!delegate_signs(req->warehouse) || catalog_table_load(req->service->catalog, req->warehouse,
                                                              &req->ident, &version, &ignored) != 0)
        return NULL;
    return version;
}

int handle_table_drop(struct request *req, struct response *res, struct error *err)
{
    bool purge;
    if (request_query_bool(req, "purgeRequested", false, &purge, err) != 0)
        return HANDLER_ERROR;
    req->caller.idempotency.status = 204;
    struct object_version *before = last_state(req);
    int result = catalog_table_drop(req->service->catalog, req->warehouse, &req->caller,
                                    &req->ident, purge, err);
    if (result == 0 && before != NULL)
        catalog_table_bury(req->service->catalog, req->warehouse, before, req->caller.principal);
    object_version_unref(before);
    if (result != 0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}

int handle_table_unregister(struct request *req, struct response *res, struct error *err)
{
    struct object_version *version;
    req->caller.idempotency.status = 200;
    if (catalog_table_unregister(req->service->catalog, req->warehouse, &req->caller, &req->ident,
                                 &version, err) != 0)
        return HANDLER_ERROR;
    response_object(res, version, req->arena);
    return HANDLER_DONE;
}

int handle_table_rename(struct request *req, struct response *res, struct error *err)
{
    struct identifier from, to;
    if (identifiers_of_rename(req, &from, &to, err) != 0)
        return HANDLER_ERROR;
    req->caller.idempotency.status = 204;
    if (catalog_table_rename(req->service->catalog, req->warehouse, &req->caller, &from, &to,
                             err) != 0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}
