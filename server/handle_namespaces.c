/* Namespaces (contract/rest.md 3.1). */
#include "server/handlers.h"
#include "server/request.h"

#include "base/raw_json.h"
#include "catalog/namespaces.h"
#include "iceberg/json_member.h"

#define LIST_BYTES_MAX ((size_t)1 << 30)

static void write_name_list_end(struct buf *out, const struct name_list *list, struct arena *arena)
{
    buf_add_char(out, ']');
    if (list->more) {
        struct str token = page_token_make(PAGE_OF_NAMESPACES, list->names[list->count - 1], arena);
        buf_add_format(out, ",\"next-page-token\":\"%.*s\"", STR_ARG(token));
    }
    buf_add_char(out, '}');
}

/* `parent` as it came after one decoding: levels joined by U+001F, or by the separator that was
 * announced; empty is the top. */
static struct str parent_key(struct request *req, struct str parent)
{
    char separator = req->service->namespace_separator;
    if (separator == '\0' || parent.len == 0 ||
        memchr(parent.ptr, NAMESPACE_SEPARATOR, parent.len) != NULL)
        return parent;
    char *key = arena_alloc(req->arena, parent.len + 1);
    for (size_t i = 0; i < parent.len; i++)
        key[i] = parent.ptr[i] == separator ? NAMESPACE_SEPARATOR : parent.ptr[i];
    return str_from(key, parent.len);
}

static int list_children(struct request *req, struct str parent, const struct page_request *page,
                         struct name_list *list, struct error *err)
{
    struct namespace_ident ns = {0};
    if (parent.len > 0)
        ns = namespace_from_key(parent_key(req, parent), req->arena);
    return catalog_namespace_list(req->service->catalog, req->warehouse, &ns, page, req->arena,
                                  list, err);
}

/* Level by level: the separators may have come with one encoding and the levels with two. */
static int decode_again(struct str parent, struct arena *arena, struct str *out, struct error *err)
{
    struct namespace_ident ns = namespace_from_key(parent, arena);
    for (size_t i = 0; i < ns.level_count; i++)
        if (url_decode(ns.levels[i], arena, &ns.levels[i], err) != 0)
            return -1;
    *out = namespace_key(&ns, arena);
    return 0;
}

/* Some clients encode the parent twice: what is not found as it is may be found decoded once more.
 */
static int list_children_leniently(struct request *req, struct str parent,
                                   const struct page_request *page, struct name_list *list,
                                   struct error *err)
{
    if (list_children(req, parent, page, list, err) == 0)
        return 0;
    struct str again;
    struct error ignored;
    if (err->kind != ERR_NO_SUCH_NAMESPACE || !str_contains(parent, STR("%")) ||
        decode_again(parent, req->arena, &again, &ignored) != 0 ||
        list_children(req, again, page, list, &ignored) != 0)
        return -1;
    error_clear(err);
    return 0;
}

int handle_namespace_list(struct request *req, struct response *res, struct error *err)
{
    struct str parent;
    struct page_request page;
    if (request_query(req, "parent", &parent, err) != 0 ||
        request_page(req, PAGE_OF_NAMESPACES, &page, err) != 0)
        return HANDLER_ERROR;
    if (request_page_is_large(&page) && !req->on_worker)
        return HANDLER_BLOCKS;
    struct name_list list;
    if (list_children_leniently(req, parent, &page, &list, err) != 0)
        return HANDLER_ERROR;

    struct buf out = BUF_INIT(LIST_BYTES_MAX);
    buf_add(&out, STR("{\"namespaces\":["));
    for (size_t i = 0; i < list.count; i++) {
        struct namespace_ident ns = namespace_from_key(list.names[i], req->arena);
        if (i > 0)
            buf_add_char(&out, ',');
        request_write_namespace(&out, &ns);
    }
    write_name_list_end(&out, &list, req->arena);
    response_json_buf(res, &out, req->arena);
    return HANDLER_DONE;
}

static struct str namespace_reply(struct request *req, const struct namespace_ident *ns,
                                  struct str properties)
{
    struct buf out = BUF_INIT(LIST_BYTES_MAX);
    buf_add(&out, STR("{\"namespace\":"));
    request_write_namespace(&out, ns);
    buf_add(&out, STR(",\"properties\":"));
    buf_add(&out, properties);
    buf_add_char(&out, '}');
    struct str text = arena_str(req->arena, buf_str(&out));
    buf_free(&out);
    return text;
}

int handle_namespace_create(struct request *req, struct response *res, struct error *err)
{
    json_t *body;
    const json_t *properties;
    struct namespace_ident ns;
    if (request_json(req, &body, err) != 0 ||
        namespace_parse(json_object_get(body, "namespace"), req->arena, &ns, err) != 0 ||
        member_object_optional(body, "properties", &properties, err) != 0)
        return HANDLER_ERROR;

    char *text = properties == NULL ? NULL : json_dumps(properties, JSON_COMPACT);
    struct str reply = namespace_reply(req, &ns, text == NULL ? STR("{}") : str_cstr(text));
    free(text);
    req->caller.idempotency.status = 200;
    req->caller.idempotency.body = reply;
    if (catalog_namespace_create(req->service->catalog, req->warehouse, &req->caller, &ns,
                                 properties, err) != 0)
        return HANDLER_ERROR;
    response_json(res, reply);
    return HANDLER_DONE;
}

int handle_namespace_load(struct request *req, struct response *res, struct error *err)
{
    struct str properties;
    if (catalog_namespace_load(req->service->catalog, req->warehouse, &req->ns, req->arena,
                               &properties, err) != 0)
        return HANDLER_ERROR;
    response_json(res, namespace_reply(req, &req->ns, properties));
    return HANDLER_DONE;
}

int handle_namespace_exists(struct request *req, struct response *res, struct error *err)
{
    struct str properties;
    if (catalog_namespace_load(req->service->catalog, req->warehouse, &req->ns, req->arena,
                               &properties, err) != 0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}

int handle_namespace_drop(struct request *req, struct response *res, struct error *err)
{
    req->caller.idempotency.status = 204;
    if (catalog_namespace_drop(req->service->catalog, req->warehouse, &req->caller, &req->ns,
                               err) != 0)
        return HANDLER_ERROR;
    response_no_content(res);
    return HANDLER_DONE;
}

static int array_optional(const json_t *object, const char *name, const json_t **out,
                          struct error *err)
{
    *out = json_object_get(object, name);
    if (*out != NULL && !json_is_null(*out))
        return member_array(object, name, out, err);
    *out = NULL;
    return 0;
}

int handle_namespace_update(struct request *req, struct response *res, struct error *err)
{
    json_t *body;
    const json_t *removals, *updates;
    struct str result;
    if (request_json(req, &body, err) != 0 ||
        array_optional(body, "removals", &removals, err) != 0 ||
        member_object_optional(body, "updates", &updates, err) != 0)
        return HANDLER_ERROR;
    req->caller.idempotency.status = 200;
    if (catalog_namespace_update(req->service->catalog, req->warehouse, &req->caller, &req->ns,
                                 removals, updates, req->arena, &result, err) != 0)
        return HANDLER_ERROR;
    response_json(res, result);
    return HANDLER_DONE;
}
