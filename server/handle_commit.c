/* Commits and transactions (contract/rest.md 3.5, 3.7, 10): the body is taken apart here, on
 * whatever thread the pipeline chose for its size, and the rest is the commit core's. Once handed
 * over, a commit runs to its end whether or not anybody still waits for the answer. */
#include "server/handlers.h"
#include "server/request.h"

#include "base/limits.h"
#include "base/raw_json.h"
#include "catalog/commit.h"
#include "server/dispatch.h"
#include <assert.h>

static void commit_done(struct commit_request *commit)
{
    struct request *req = commit->arg;
    if (commit->result != 0) {
        req->err = commit->err;
        request_complete(req, HANDLER_ERROR);
        return;
    }
    if (commit->is_transaction)
        response_no_content(&req->response);
    else
        response_object(&req->response, commit->version, req->arena);
    request_complete(req, HANDLER_DONE);
}

/* The request may be answered and gone when this returns. */
static int submit(struct request *req, struct object_change *changes, size_t count,
                  bool is_transaction)
{
    struct commit_request *commit = ARENA_NEW(req->arena, struct commit_request);
    commit->warehouse = req->warehouse;
    commit->caller = &req->caller;
    commit->changes = changes;
    commit->change_count = count;
    commit->is_transaction = is_transaction;
    commit->arena = req->arena;
    commit->done = commit_done;
    commit->arg = req;
    req->caller.idempotency.status = is_transaction ? 204 : 200;
    catalog_commit(req->service->catalog, commit);
    return HANDLER_PENDING;
}

static int commit_one(struct request *req, enum object_kind kind, struct error *err)
{
    struct str body;
    struct object_change *change = ARENA_NEW(req->arena, struct object_change);
    change->ident = req->ident; /* the path decides; an identifier in the body is not looked at */
    if (request_json_text(req, &body, err) != 0 ||
        object_change_parse(kind, body, req->arena, change, err) != 0)
        return HANDLER_ERROR;
    return submit(req, change, 1, false);
}

int handle_commit(struct request *req, struct response *res, struct error *err)
{
    (void)res;
    return commit_one(req, OBJECT_TABLE, err);
}

int handle_view_commit(struct request *req, struct response *res, struct error *err)
{
    (void)res;
    return commit_one(req, OBJECT_VIEW, err);
}

static int parse_table_change(struct request *req, struct str text, struct object_change *out,
                              struct error *err)
{
    json_t *ident;
    if (raw_json_kind(text) != RAW_JSON_OBJECT)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid table change: must be an object");
    struct str ident_text = raw_json_member(text, "identifier");
    if (ident_text.ptr == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid table change: identifier is required");
    if (request_json_part(req, ident_text, &ident, err) != 0 ||
        identifier_parse(ident, req->arena, &out->ident, err) != 0)
        return -1;
    return object_change_parse(OBJECT_TABLE, text, req->arena, out, err);
}

int handle_transaction(struct request *req, struct response *res, struct error *err)
{
    (void)res;
    struct str body, element;
    if (request_json_text(req, &body, err) != 0)
        return HANDLER_ERROR;
    struct str list = raw_json_member(body, "table-changes");
    if (list.ptr == NULL || raw_json_kind(list) != RAW_JSON_ARRAY)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid table-changes: must be an array");

    size_t count = 0;
    struct object_change *tables =
        ARENA_ARRAY(req->arena, struct object_change, TRANSACTION_TABLES_MAX);
    struct raw_json_cursor cursor = raw_json_enter(list);
    while (raw_json_next_element(&cursor, &element)) {
        if (count == TRANSACTION_TABLES_MAX)
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Invalid table-changes: more than %d tables", TRANSACTION_TABLES_MAX);
        if (parse_table_change(req, element, &tables[count++], err) != 0)
            return HANDLER_ERROR;
    }
    if (count == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid table-changes: must not be empty");
    return submit(req, tables, count, true);
}
