/* Warehouses: our own API beside Iceberg's, under /management/v1. */
#include "server/handlers.h"
#include "server/request.h"

#include "iceberg/json_member.h"

static json_t *text(struct str value)
{
    return json_stringn(value.ptr, value.len);
}

/* Of secrets only the names of those that are set. */
static json_t *warehouse_json(const struct warehouse *warehouse)
{
    json_t *storage = json_object(), *secrets = json_array(), *out = json_object();
    for (size_t i = 0; i < storage_option_count; i++) {
        const struct storage_option *option = &storage_option_rows[i];
        struct str value = storage_option_get(&warehouse->storage, option);
        if (value.ptr != NULL && option->is_secret)
            json_array_append_new(secrets, json_string(option->name));
        else if (value.ptr != NULL)
            json_object_set_new(storage, option->name, text(value));
    }
    json_object_set_new(out, "name", text(warehouse->name));
    json_object_set_new(out, "location", text(warehouse->place.text));
    json_object_set_new(out, "root", text(warehouse->root.text));
    json_object_set_new(out, "access", json_string(warehouse_access_name(warehouse->access)));
    json_object_set_new(out, "storage", storage);
    json_object_set_new(out, "secrets", secrets);
    return out;
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

static int read_storage(const json_t *body, struct arena *arena, struct storage_options *out,
                        struct error *err)
{
    const json_t *storage;
    const char *name;
    json_t *value;
    if (member_object_optional(body, "storage", &storage, err) != 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)storage, name, value)
    {
        const struct storage_option *option = storage_option_find(str_cstr(name));
        if (option == NULL)
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "There is no storage option %.100s", name);
        if (!json_is_string(value))
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "Storage option %s must be a string", name);
        storage_option_set(out, option, value_string(value, arena));
    }
    return 0;
}

static int read_create(struct request *req, struct warehouse_create *out, struct error *err)
{
    json_t *body;
    struct str access;
    if (request_json(req, &body, err) != 0 ||
        request_json_string(body, "name", &out->name, err) != 0 ||
        member_string_optional(body, "location", req->arena, &out->location, err) != 0 ||
        member_string_optional(body, "access", req->arena, &access, err) != 0 ||
        member_bool_or(body, "skip-scope-check", false, &out->skip_scope_check, err) != 0)
        return -1;
    if (access.ptr != NULL && !warehouse_access_parse(access, &out->access))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid access: must be direct, vend, sign or gateway");
    return read_storage(body, req->arena, &out->storage, err);
}

int handle_warehouse_create(struct request *req, struct response *res, struct error *err)
{
    struct warehouse_create create = {0};
    struct warehouse *warehouse;
    if (read_create(req, &create, err) != 0 ||
        catalog_warehouse_create(req->service->catalog, &req->caller, &create, &warehouse, err) !=
            0)
        return HANDLER_ERROR;
    response_json_value(res, warehouse_json(warehouse), req->arena);
    return HANDLER_DONE;
}

int handle_warehouse_load(struct request *req, struct response *res, struct error *err)
{
    (void)err;
    response_json_value(res, warehouse_json(req->warehouse), req->arena);
    return HANDLER_DONE;
}

int handle_warehouse_drop(struct request *req, struct response *res, struct error *err)
{
    if (catalog_warehouse_drop(req->service->catalog, &req->caller, req->warehouse->name, err) != 0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}
