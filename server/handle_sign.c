/* signRequest (contract/rest.md 13.2; contract/reliability.md 3.3): one request of a client to the
 * store is signed, for the table that the path names, or, on the path of older clients, for the
 * table whose location holds what the request touches.
 *
 * 1. What is signed lies in the table's places: file_io_sign checks everything the request touches
 *    against the scope made of that one table. There is no second try with another table.
 * 2. Whatever goes wrong on the way is an error and never a signature (S12). */
#include "server/handlers.h"
#include "server/request.h"

#include "catalog/tables.h"
#include "catalog/tombstones.h"
#include "iceberg/json_member.h"
#include "server/access.h"
#include "server/delegate.h"

#define SIGNED_HEADERS_MAX 100

/* ---- the body -------------------------------------------------------------------------------- */

static int bad_headers(struct error *err)
{
    return error_set(err, ERR_ILLEGAL_ARGUMENT,
                     "Invalid headers: must be an object of arrays of strings, with at most %d "
                     "values",
                     SIGNED_HEADERS_MAX);
}

static int read_headers(const json_t *body, struct arena *arena, struct sign_request *out,
                        struct error *err)
{
    const json_t *headers = json_object_get(body, "headers");
    struct sign_header *list = ARENA_ARRAY(arena, struct sign_header, SIGNED_HEADERS_MAX);
    const char *name;
    json_t *values, *value;
    size_t i;
    if (!json_is_object(headers))
        return bad_headers(err);
    json_object_foreach((json_t *)(uintptr_t)headers, name, values)
    {
        if (!json_is_array(values))
            return bad_headers(err);
        json_array_foreach(values, i, value)
        {
            if (!json_is_string(value) || out->header_count == SIGNED_HEADERS_MAX)
                return bad_headers(err);
            list[out->header_count++] =
                (struct sign_header){arena_str(arena, str_cstr(name)), value_string(value, arena)};
        }
    }
    out->headers = list;
    return 0;
}

/* What a load told the client to send along: nothing of ours yet, but texts all the same. */
static int check_properties(const json_t *body, struct error *err)
{
    const json_t *properties;
    const char *name;
    json_t *value;
    if (member_object_optional(body, "properties", &properties, err) != 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)properties, name, value)
    {
        if (!json_is_string(value))
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Invalid properties: %.100s must be a string", name);
    }
    return 0;
}

static int read_request(struct request *req, struct sign_request *out, struct error *err)
{
    json_t *body;
    struct str provider;
    *out = (struct sign_request){0};
    if (request_json(req, &body, err) != 0 ||
        request_json_string(body, "region", &out->region, err) != 0 ||
        request_json_string(body, "uri", &out->uri, err) != 0 ||
        request_json_string(body, "method", &out->method, err) != 0 ||
        read_headers(body, req->arena, out, err) != 0 || check_properties(body, err) != 0 ||
        member_string_optional(body, "body", req->arena, &out->body, err) != 0 ||
        member_string_optional(body, "provider", req->arena, &provider, err) != 0)
        return -1;
    if (provider.ptr != NULL && !str_equal_ignore_case(provider, STR("s3")))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid provider: only s3 is signed for");
    return 0;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static json_t *reply_json(const struct sign_reply *reply)
{
    json_t *headers = json_object(), *out = json_object();
    for (size_t i = 0; i < reply->header_count; i++) {
        const struct sign_header *header = &reply->headers[i];
        json_t *values = json_object_getn(headers, header->name.ptr, header->name.len);
        if (values == NULL) {
            values = json_array();
            json_object_setn_new(headers, header->name.ptr, header->name.len, values);
        }
        json_array_append_new(values, json_stringn(header->value.ptr, header->value.len));
    }
    json_object_set_new(out, "uri", json_stringn(reply->uri.ptr, reply->uri.len));
    json_object_set_new(out, "headers", headers);
    return out;
}

static bool is_read(struct str method)
{
    return str_equal(method, STR("GET")) || str_equal(method, STR("HEAD"));
}

static int sign(struct request *req, struct response *res, const struct sign_request *request,
                const struct file_scope *scope, struct error *err)
{
    struct sign_reply reply;
    if (file_io_sign(req->warehouse->io, scope, request, req->arena, &reply, err) != 0)
        return HANDLER_ERROR;
    response_json_value(res, reply_json(&reply), req->arena);
    response_header(res, "Cache-Control",
                    is_read(request->method) && reply.cacheable ? "private" : "no-cache");
    return HANDLER_DONE;
}

static int sign_for_table(struct request *req, struct response *res,
                          const struct sign_request *request, const struct object_version *table,
                          struct error *err)
{
    struct file_scope scope;
    if (!delegate_signs(req->warehouse))
        return error_set(err, ERR_UNSUPPORTED, "Warehouse %.*s does not sign requests",
                         STR_ARG(req->warehouse->name));
    if (delegation_scope(req->warehouse, table, access_may_commit(req), req->caller.principal,
                         req->arena, &scope, err) != 0)
        return HANDLER_ERROR;
    return sign(req, res, request, &scope, err);
}

/* For a table that was dropped a moment ago: `err` says already that it is not there. */
static int sign_for_dropped(struct request *req, struct response *res,
                            const struct sign_request *request, const struct identifier *ident,
                            const struct location *place, struct error *err)
{
    struct file_scope scope;
    struct error why = {0};
    bool found = false;
    if (!delegate_signs(req->warehouse) || str_equal(request->method, STR("PUT")))
        return HANDLER_ERROR;
    if (catalog_table_buried(req->service->catalog, req->warehouse, ident, place,
                             req->caller.principal, req->arena, &scope, &found, &why) != 0)
        *err = why;
    return found ? sign(req, res, request, &scope, err) : HANDLER_ERROR;
}

int handle_sign(struct request *req, struct response *res, struct error *err)
{
    struct sign_request request;
    struct object_version *table;
    if (read_request(req, &request, err) != 0)
        return HANDLER_ERROR;
    if (catalog_table_load(req->service->catalog, req->warehouse, &req->ident, &table, err) != 0)
        return err->kind != ERR_NO_SUCH_TABLE
                   ? HANDLER_ERROR
                   : sign_for_dropped(req, res, &request, &req->ident, NULL, err);
    int result = sign_for_table(req, res, &request, table, err);
    object_version_unref(table);
    return result;
}

/* ---- the path of older clients --------------------------------------------------------------- */

/* The place that the request touches, seen with `bucket` before `path`: the key, or of a listing
 * its prefix. STR_NONE: none can be told. */
static struct str place_of(struct str bucket, struct str path, struct str query,
                           struct arena *arena)
{
    struct str key, raw;
    struct error ignored;
    if (url_query_raw(query, "prefix", &raw))
        path = raw;
    while (str_starts_with(path, STR("/")))
        path = str_skip(path, 1);
    if (bucket.len == 0 || url_decode(path, arena, &key, &ignored) != 0)
        return STR_NONE;
    while (str_ends_with(key, STR("/")))
        key.len--;
    return key.len == 0 ? STR_NONE
                        : arena_printf(arena, "s3://%.*s/%.*s", STR_ARG(bucket), STR_ARG(key));
}

/* What the uri of a request is about: a table, or a place in a warehouse that may be that of a
 * dropped one. */
struct found {
    struct object_version *table;
    struct location place; /* text NULL: in no warehouse */
};

/* The table whose location is the place or above it, in a warehouse that holds the place. */
static int find_table(struct request *req, struct str place, struct found *out, struct error *err)
{
    struct location location;
    struct warehouse *warehouse;
    struct error ignored;
    if (place.ptr == NULL || location_parse(place, req->arena, &location, &ignored) != 0)
        return 0;
    if (catalog_table_load_around(req->service->catalog, &location, &warehouse, &out->table, err) !=
        0)
        return -1;
    if (warehouse != NULL) {
        req->warehouse = warehouse;
        out->place = location;
    }
    return 0;
}

/* scheme://host/path?query, seen with the bucket in the path, then with the bucket in the host. */
static int find_table_of_uri(struct request *req, struct str uri, struct found *out,
                             struct error *err)
{
    struct str query = uri;
    struct str rest = str_cut(&query, '?');
    (void)str_cut(&rest, ':');
    *out = (struct found){0};
    if (!str_starts_with(rest, STR("//")))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid uri: must be absolute");
    rest = str_skip(rest, 2);
    struct str host = str_cut(&rest, '/');
    struct str path = rest;
    struct str label = str_cut(&host, '.');
    struct str bucket = str_cut(&rest, '/');
    if (find_table(req, place_of(bucket, rest, query, req->arena), out, err) != 0)
        return -1;
    return out->place.text.ptr != NULL
               ? 0
               : find_table(req, place_of(label, path, query, req->arena), out, err);
}

int handle_sign_by_location(struct request *req, struct response *res, struct error *err)
{
    struct sign_request request;
    struct found found;
    if (read_request(req, &request, err) != 0 ||
        find_table_of_uri(req, request.uri, &found, err) != 0)
        return HANDLER_ERROR;
    if (found.table != NULL) {
        int result = sign_for_table(req, res, &request, found.table, err);
        object_version_unref(found.table);
        return result;
    }
    (void)error_set(err, ERR_FORBIDDEN, "Not in a table that is known here");
    return found.place.text.ptr == NULL
               ? HANDLER_ERROR
               : sign_for_dropped(req, res, &request, NULL, &found.place, err);
}
