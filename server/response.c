/* Replies: JSON with its type, objects with their tags, and the error body. */
#include "server/response.h"

#include "base/raw_json.h"
#include <assert.h>
#include <stdlib.h>

#define BODY_BYTES_MAX ((size_t)2 << 30)

void response_header(struct response *res, const char *name, const char *value)
{
    assert(res->reply.header_count < HTTP_REPLY_HEADERS_MAX);
    res->reply.headers[res->reply.header_count++] = (struct http_header){name, value};
}

static void begin(struct response *res, int status)
{
    assert(res->reply.status == 0); /* a reply is built once */
    res->reply.status = status;
}

void response_no_content(struct response *res)
{
    begin(res, 204);
}

void response_json(struct response *res, struct str text)
{
    begin(res, 200);
    response_header(res, "Content-Type", "application/json");
    res->reply.body = text;
}

void response_json_buf(struct response *res, struct buf *text, struct arena *arena)
{
    assert(!text->overflowed);
    size_t len = text->len;
    char *bytes = buf_take(text);
    arena_defer(arena, free, bytes);
    response_json(res, str_from(bytes, len));
}

void response_json_value(struct response *res, json_t *value, struct arena *arena)
{
    assert(value != NULL);
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    assert(text != NULL); /* only values made from valid UTF-8 come here */
    arena_defer(arena, free, text);
    response_json(res, str_cstr(text));
}

static void add_etag(struct response *res, const char *etag, struct arena *arena)
{
    if (etag[0] != '\0')
        response_header(res, "ETag", arena_cstr(arena, str_cstr(etag)));
}

void response_object(struct response *res, struct object_version *version, struct arena *arena)
{
    response_json(res, version->reply);
    if (version->row.kind == OBJECT_TABLE && version->row.metadata_location.len > 0)
        add_etag(res, version->etag[0], arena);
    res->version = version;
    res->reply.release = object_version_unref;
    res->reply.release_arg = version;
}

void response_table_refs_only(struct response *res, struct object_version *version,
                              struct arena *arena)
{
    struct buf body = BUF_INIT(BODY_BYTES_MAX);
    buf_reserve(&body, 4096);
    buf_add(&body, STR("{\"metadata-location\":"));
    raw_json_write_string(&body, version->row.metadata_location);
    buf_add(&body, STR(",\"metadata\":"));
    table_metadata_write_refs_only(&version->metadata.table, &body);
    buf_add(&body, STR(",\"config\":{}}"));
    response_json_buf(res, &body, arena);
    add_etag(res, version->etag[1], arena);
    object_version_unref(version);
}

void response_not_modified(struct response *res, const char *etag, struct arena *arena)
{
    begin(res, 304);
    add_etag(res, etag, arena);
}

static void add_retry_after(struct response *res, int status, struct arena *arena)
{
    if (status == 429 || status == 503)
        response_header(
            res, "Retry-After",
            arena_printf(arena, "%d", res->retry_after_s > 0 ? res->retry_after_s : 1).ptr);
}

void response_error(struct response *res, const struct error *err, bool without_body,
                    struct arena *arena)
{
    int status = error_status(err->kind);
    assert(status >= 400);
    begin(res, status);
    add_retry_after(res, status, arena);
    if (res->allow != NULL)
        response_header(res, "Allow", res->allow);
    if (status == 401)
        response_header(res, "WWW-Authenticate", "Bearer");
    if (without_body)
        return;
    struct buf body = BUF_INIT(BODY_BYTES_MAX);
    buf_add(&body, STR("{\"error\":{\"message\":"));
    raw_json_write_string(&body, str_cstr(err->message));
    buf_add_format(&body, ",\"type\":\"%s\",\"code\":%d}}", error_type(err->kind), status);
    res->reply.body = arena_str(arena, buf_str(&body));
    buf_free(&body);
    response_header(res, "Content-Type", "application/json");
}

void response_oauth_error(struct response *res, int status, const char *code, const char *message,
                          struct arena *arena)
{
    begin(res, status);
    add_retry_after(res, status, arena);
    if (status == 401)
        response_header(res, "WWW-Authenticate", "Basic realm=\"firn\"");
    response_header(res, "Cache-Control", "no-store");
    struct buf body = BUF_INIT(BODY_BYTES_MAX);
    buf_add_format(&body, "{\"error\":\"%s\",\"error_description\":", code);
    raw_json_write_string(&body, str_cstr(message));
    buf_add_char(&body, '}');
    res->reply.body = arena_str(arena, buf_str(&body));
    buf_free(&body);
    response_header(res, "Content-Type", "application/json");
}

void response_clear(struct response *res)
{
    if (res->reply.release != NULL)
        res->reply.release(res->reply.release_arg);
    res->reply = (struct http_reply){0};
    res->version = NULL;
}
