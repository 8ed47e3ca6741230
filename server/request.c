/* Typed access to requests. Every refusal of a malformed one is a 400 that names the parameter or
 * field. */
#include "server/request.h"

#include "base/limits.h"
#include "base/raw_json.h"
#include <assert.h>
#include <strings.h>

#define INLINE_NAMES_MAX 1000

/* jansson needs up to 80 bytes for a byte of text (contract/reliability.md 3.10): bodies that are
 * parsed into values at one time may sum up to this. One large body is always let in. */
#define PARSED_BYTES_MAX ((size_t)16 << 20)

static _Atomic size_t parsed_bytes;

int request_read_path(struct request *req, struct error *err)
{
    static const enum route_param names[] = {PARAM_TABLE, PARAM_VIEW,
                                             PARAM_FUNCTION}; /* of an object */
    const struct str *params = req->match.params;
    struct str name = STR_NONE;
    if (params[PARAM_PREFIX].ptr != NULL || params[PARAM_WAREHOUSE].ptr != NULL) {
        struct str raw =
            params[PARAM_PREFIX].ptr != NULL ? params[PARAM_PREFIX] : params[PARAM_WAREHOUSE];
        if (url_decode(raw, req->arena, &name, err) != 0 ||
            catalog_warehouse_find(req->service->catalog, name, &req->warehouse, err) != 0)
            return -1;
    }
    if (params[PARAM_NAMESPACE].ptr != NULL &&
        url_decode_namespace(params[PARAM_NAMESPACE], req->service->namespace_separator, req->arena,
                             &req->ns, err) != 0)
        return -1;
    req->ident.ns = req->ns;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (params[names[i]].ptr != NULL)
            return url_decode(params[names[i]], req->arena, &req->ident.name, err);
    return 0;
}

static bool is_request_id(struct str text)
{
    if (text.len == 0 || text.len > REQUEST_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == ':' || c == '-';
        if (!fine)
            return false;
    }
    return true;
}

void request_choose_id(struct request *req)
{
    struct str given = http_exchange_header(req->exchange, "X-Request-Id");
    if (is_request_id(given)) {
        req->caller.request_id = arena_str(req->arena, given);
        return;
    }
    uint64_t number =
        atomic_fetch_add_explicit(&req->service->request_ids, 1, memory_order_relaxed);
    size_t seed_len = strlen(req->service->request_id_seed);
    char *id = arena_alloc(req->arena, seed_len + 18), *at = id + seed_len;
    memcpy(id, req->service->request_id_seed, seed_len);
    *at++ = '-';
    for (int shift = number >> 24 == 0 ? 20 : 60; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[number >> shift & 15];
    req->caller.request_id = str_from(id, (size_t)(at - id)); /* the arena's zero ends it */
}

int request_query(struct request *req, const char *name, struct str *value, struct error *err)
{
    struct str raw;
    *value = STR_NONE;
    if (!url_query_raw(req->match.query, name, &raw))
        return 0;
    return url_decode(raw, req->arena, value, err);
}

int request_query_bool(struct request *req, const char *name, bool otherwise, bool *value,
                       struct error *err)
{
    struct str text;
    if (request_query(req, name, &text, err) != 0)
        return -1;
    *value = otherwise;
    if (text.ptr == NULL)
        return 0;
    *value = str_equal_ignore_case(text, STR("true"));
    if (!*value && !str_equal_ignore_case(text, STR("false")))
        return error_set(err, ERR_BAD_REQUEST, "Invalid %s: must be true or false: %.*s", name,
                         STR_ARG(text));
    return 0;
}

int request_query_int(struct request *req, const char *name, int64_t min, int64_t otherwise,
                      int64_t *value, struct error *err)
{
    struct str text;
    long long number = otherwise;
    if (request_query(req, name, &text, err) != 0)
        return -1;
    if (text.ptr != NULL && (!str_to_int64(text, &number) || number < min))
        return error_set(err, ERR_BAD_REQUEST, "Invalid %s: must be an integer from %lld: %.*s",
                         name, (long long)min, STR_ARG(text));
    *value = number;
    return 0;
}

int request_page(struct request *req, enum page_kind kind, struct page_request *page,
                 struct error *err)
{
    struct str token;
    int64_t size;
    *page = (struct page_request){0};
    if (request_query(req, "pageToken", &token, err) != 0 ||
        request_query_int(req, "pageSize", 1, 0, &size, err) != 0)
        return -1;
    if (token.ptr == NULL && size == 0)
        return 0;
    page->limit = size == 0              ? PAGE_SIZE_DEFAULT
                  : size > PAGE_SIZE_MAX ? PAGE_SIZE_MAX
                                         : (size_t)size;
    if (token.len == 0)
        return 0;
    return page_token_read(token, kind, req->arena, &page->after, err);
}

bool request_page_is_large(const struct page_request *page)
{
    return page->limit == 0 || page->limit > INLINE_NAMES_MAX;
}

int request_json_text(struct request *req, struct str *object, struct error *err)
{
    struct str encoding = http_exchange_header(req->exchange, "Content-Encoding");
    if (encoding.len > 0 && !str_equal_ignore_case(encoding, STR("identity")))
        return error_set(err, ERR_BAD_REQUEST,
                         "Content-Encoding of requests is not supported: "
                         "%.*s",
                         STR_ARG(encoding));
    if (req->exchange->body.len == 0)
        return error_set(err, ERR_BAD_REQUEST, "The request needs a JSON body");
    if (raw_json_check(req->exchange->body, object, err) != 0)
        return -1;
    if (raw_json_kind(*object) != RAW_JSON_OBJECT)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "The request body must be a JSON object");
    return 0;
}

static void release_json(void *value)
{
    json_decref(value);
}

int request_json_part(struct request *req, struct str text, json_t **value, struct error *err)
{
    json_error_t trouble;
    *value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &trouble);
    if (*value == NULL) /* what the check lets through and jansson does not: numbers like 1e400 */
        return error_set(err, ERR_BAD_REQUEST, "Malformed JSON: %s", trouble.text);
    arena_defer(req->arena, release_json, *value);
    return 0;
}

static void release_parsed_bytes(void *bytes)
{
    atomic_fetch_sub(&parsed_bytes, (size_t)(uintptr_t)bytes);
}

int request_json(struct request *req, json_t **object, struct error *err)
{
    size_t bytes = req->exchange->body.len;
    size_t others = atomic_fetch_add(&parsed_bytes, bytes);
    arena_defer(req->arena, release_parsed_bytes, (void *)(uintptr_t)bytes);
    if (others > 0 && others + bytes > PARSED_BYTES_MAX)
        return error_set(err, ERR_TOO_MANY_REQUESTS, "Too many large requests at once");
    struct str text;
    if (request_json_text(req, &text, err) != 0)
        return -1;
    return request_json_part(req, text, object, err);
}

int request_json_string(const json_t *object, const char *name, struct str *value,
                        struct error *err)
{
    const json_t *member = json_object_get(object, name);
    if (!json_is_string(member) || json_string_length(member) == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid %s: must be a non-empty string", name);
    *value = str_from(json_string_value(member), json_string_length(member));
    return 0;
}

void request_write_namespace(struct buf *out, const struct namespace_ident *ns)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < ns->level_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        raw_json_write_string(out, ns->levels[i]);
    }
    buf_add_char(out, ']');
}
