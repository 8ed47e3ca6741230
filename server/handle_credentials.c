/* Keys: loadCredentials (contract/rest.md 13.1), new ones for a table under the checks of a load;
 * and those of the gateway that an operator asks for. */
#include "server/handlers.h"
#include "server/request.h"

#include "catalog/tables.h"
#include "iceberg/json_member.h"
#include "base/log.h"
#include "server/delegate.h"

#define REPLY_BYTES_MAX ((size_t)1 << 20)
#define KEY_LIFETIME_S 43200 /* 12 h */

int handle_credentials(struct request *req, struct response *res, struct error *err)
{
    struct object_version *table;
    struct buf body = BUF_INIT(REPLY_BYTES_MAX);
    if (catalog_table_load(req->service->catalog, req->warehouse, &req->ident, &table, err) != 0)
        return HANDLER_ERROR;
    const struct delegation_request delegation = delegate_request(req, table);
    int result = delegation_write_credentials(&delegation, req->arena, &body, err);
    object_version_unref(table);
    if (result != 0) {
        buf_free(&body);
        return HANDLER_ERROR;
    }
    response_json_buf(res, &body, req->arena);
    response_header(res, "Cache-Control", "no-store");
    return HANDLER_DONE;
}

int handle_key_create(struct request *req, struct response *res, struct error *err)
{
    const struct delegation_settings *settings = &req->service->delegation;
    json_t *body;
    struct str prefix;
    bool write;
    int64_t seconds;
    struct gateway_grant grant;
    struct file_keys keys;
    if (request_json(req, &body, err) != 0 ||
        member_string_optional(body, "prefix", req->arena, &prefix, err) != 0 ||
        member_bool_or(body, "write", false, &write, err) != 0 ||
        member_int32_or(body, "expires-s", KEY_LIFETIME_S, &seconds, err) != 0)
        return HANDLER_ERROR;
    if (seconds < 1 || seconds * 1000 > GATEWAY_KEY_LIFETIME_MS_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid expires-s: must be 1 to 2592000");
    if (gateway_grant_make(req->warehouse, prefix, write, req->caller.principal,
                           clock_now_ms(settings->clock) + seconds * 1000, req->arena, &grant,
                           err) != 0)
        return HANDLER_ERROR;
    gateway_key_issue(settings->gateway_keys, &grant, req->arena, &keys);
    log_info("gateway: key issued access_key_id=%.*s principal=%.*s warehouse=%.*s write=%d",
             STR_ARG(keys.access_key_id), STR_ARG(req->caller.principal),
             STR_ARG(req->warehouse->name), write);
    response_json_value(res,
                        json_pack("{s:s%,s:s%,s:s%,s:I}", "access-key-id", keys.access_key_id.ptr,
                                  keys.access_key_id.len, "secret-access-key",
                                  keys.secret_access_key.ptr, keys.secret_access_key.len,
                                  "session-token", keys.session_token.ptr, keys.session_token.len,
                                  "expires-at-ms", (json_int_t)keys.expires_ms),
                        req->arena);
    response_header(res, "Cache-Control", "no-store");
    return HANDLER_DONE;
}
