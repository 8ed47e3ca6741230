/* Principals: our own API beside Iceberg's, under /management/v1. A secret is in exactly one
 * answer, which nobody may keep. */
#include "server/handlers.h"
#include "server/request.h"

#include "catalog/principals.h"
#include "iceberg/json_member.h"

static void answer_credential(struct request *req, struct response *res, struct str name,
                              const struct credential *credential)
{
    response_json_value(res,
                        json_pack("{s:s%,s:s%,s:s%}", "name", name.ptr, name.len, "client-id",
                                  credential->client_id.ptr, credential->client_id.len,
                                  "client-secret", credential->secret.ptr, credential->secret.len),
                        req->arena);
    response_header(res, "Cache-Control", "no-store");
}

int handle_principal_list(struct request *req, struct response *res, struct error *err)
{
    const struct principal **all;
    size_t count;
    (void)err;
    catalog_principal_list(req->service->catalog, req->arena, &all, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s%,s:s%,s:b,s:I}", "name", all[i]->name.ptr,
                                              all[i]->name.len, "client-id", all[i]->client_id.ptr,
                                              all[i]->client_id.len, "admin", all[i]->is_admin,
                                              "created-at-ms", (json_int_t)all[i]->created_ms));
    response_json_value(res, json_pack("{s:o}", "principals", list), req->arena);
    return HANDLER_DONE;
}

int handle_principal_create(struct request *req, struct response *res, struct error *err)
{
    json_t *body;
    struct str name;
    bool is_admin;
    struct credential credential;
    if (request_json(req, &body, err) != 0 || request_json_string(body, "name", &name, err) != 0 ||
        member_bool_or(body, "admin", false, &is_admin, err) != 0 ||
        catalog_principal_create(req->service->catalog, &req->caller, name, is_admin, req->arena,
                                 &credential, err) != 0)
        return HANDLER_ERROR;
    answer_credential(req, res, name, &credential);
    return HANDLER_DONE;
}

int handle_principal_rotate(struct request *req, struct response *res, struct error *err)
{
    struct str name;
    struct credential credential;
    if (url_decode(req->match.params[PARAM_PRINCIPAL], req->arena, &name, err) != 0 ||
        catalog_principal_rotate(req->service->catalog, &req->caller, name, req->arena, &credential,
                                 err) != 0)
        return HANDLER_ERROR;
    answer_credential(req, res, name, &credential);
    return HANDLER_DONE;
}

int handle_principal_drop(struct request *req, struct response *res, struct error *err)
{
    struct str name;
    if (url_decode(req->match.params[PARAM_PRINCIPAL], req->arena, &name, err) != 0 ||
        catalog_principal_drop(req->service->catalog, &req->caller, name, err) != 0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}
