/* Delegation over HTTP.
 *
 * 1. An answer that holds keys is made for one request and kept nowhere: it is not the version's
 *    rendering, is not compressed, and says no-store.
 * 2. A 304 is answered only when the tag covers who asks and the keys he has (delegation_etag). */
#include "server/delegate.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/raw_json.h"
#include "catalog/tables.h"
#include "server/access.h"
#include "server/etag.h"
#include "server/handlers.h"
#include "server/http_precheck.h"

#define HOST_BYTES_MAX 255
#define REPLY_BYTES_MAX ((size_t)2 << 30)
#define INLINE_DOCUMENT_BYTES_MAX ((size_t)256 << 10) /* more is copied on a worker */

/* ---- what the request says ------------------------------------------------------------------- */

void delegate_read_header(struct request *req)
{
    struct http_field *fields;
    size_t count = http_exchange_headers(req->exchange, &fields);
    for (size_t i = 0; i < count; i++) {
        struct str rest = fields[i].value;
        if (!str_equal_ignore_case(fields[i].name, STR("X-Iceberg-Access-Delegation")))
            continue;
        while (rest.len > 0) {
            struct str word = str_trim(str_cut(&rest, ','));
            req->wants_keys |= str_equal_ignore_case(word, STR("vended-credentials"));
            req->wants_signatures |= str_equal_ignore_case(word, STR("remote-signing"));
        }
    }
}

/* host, host:port or [address]:port, of the characters that those have. */
static bool is_host(struct str host)
{
    bool ok = host.len > 0 && host.len <= HOST_BYTES_MAX && host.ptr[0] != ':';
    for (size_t i = 0; ok && i < host.len; i++) {
        char c = host.ptr[i];
        ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             (c != '\0' && strchr(".-_:[]", c) != NULL);
    }
    return ok;
}

struct str delegate_public_uri(struct request *req)
{
    const char *configured = req->service->public_uri;
    struct str host = http_exchange_header(req->exchange, "Host");
    if (configured != NULL && configured[0] != '\0')
        return str_cstr(configured);
    return is_host(host) ? arena_printf(req->arena, "http://%.*s", STR_ARG(host)) : STR_NONE;
}

static void write_segment(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool stays = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (stays)
            buf_add_char(out, (char)c);
        else
            buf_add_format(out, "%%%02X", c);
    }
}

static struct str table_path(const struct request *req, const struct object_version *table)
{
    struct namespace_ident ns = namespace_from_key(table->row.namespace_key, req->arena);
    struct str name = table->row.name;
    if (name.len == 0) { /* read as it was, by its file */
        ns = req->ident.ns;
        name = req->ident.name;
    }
    struct buf path = BUF_INIT(REPLY_BYTES_MAX);
    buf_add_format(&path, "v1/%.*s/namespaces/", STR_ARG(req->warehouse->name));
    for (size_t i = 0; i < ns.level_count; i++) {
        if (i > 0)
            buf_add(&path, STR("%1F"));
        write_segment(&path, ns.levels[i]);
    }
    buf_add(&path, STR("/tables/"));
    write_segment(&path, name);
    struct str out = arena_str(req->arena, buf_str(&path));
    buf_free(&path);
    return out;
}

bool delegate_signs(const struct warehouse *warehouse)
{
    return (warehouse->access == WAREHOUSE_VEND || warehouse->access == WAREHOUSE_SIGN) &&
           file_io_can_sign(warehouse->io);
}

struct delegation_request delegate_request(struct request *req, const struct object_version *table)
{
    return (struct delegation_request){
        .settings = &req->service->delegation,
        .warehouse = req->warehouse,
        .table = table,
        .wants_keys = req->wants_keys,
        .wants_signatures = req->wants_signatures,
        .may_write = access_may_commit(req),
        .principal = req->caller.principal,
        .until_ms = req->principal == NULL ? INT64_MAX : req->token_until_ms,
        .public_uri = delegate_public_uri(req),
        .table_path = table_path(req, table),
    };
}

/* ---- replies --------------------------------------------------------------------------------- */

static int build(struct request *req, struct response *res,
                 const struct delegation_request *delegation, bool refs_only, const char *etag,
                 struct error *err)
{
    const struct object_version *table = delegation->table;
    struct buf body = BUF_INIT(REPLY_BYTES_MAX);
    bool secret = false;
    buf_reserve(&body, (refs_only ? 0 : table->reply.len) + 4096);
    object_version_write_opening(table, refs_only, &body);
    if (delegation_write(delegation, req->arena, &body, &secret, err) != 0) {
        buf_free(&body);
        return HANDLER_ERROR;
    }
    response_json_buf(res, &body, req->arena);
    if (secret)
        response_header(res, "Cache-Control", "no-store");
    if (etag != NULL && table->row.metadata_location.len > 0)
        response_header(res, "ETag", etag);
    return HANDLER_DONE;
}

static int load_as_it_is(struct request *req, struct response *res, struct object_version *table,
                         bool refs_only)
{
    const char *etag = table->etag[refs_only ? 1 : 0];
    struct str known = http_exchange_header(req->exchange, "If-None-Match");
    if (known.len > 0 && etag_matches(known, etag)) {
        response_not_modified(res, etag, req->arena);
        object_version_unref(table);
    } else if (!refs_only) {
        response_object(res, table, req->arena);
    } else if (!req->on_worker && table->document.len > INLINE_DOCUMENT_BYTES_MAX) {
        object_version_unref(table);
        return HANDLER_BLOCKS;
    } else {
        response_table_refs_only(res, table, req->arena);
    }
    return HANDLER_DONE;
}

static int load_delegated(struct request *req, struct response *res,
                          const struct delegation_request *delegation, bool refs_only,
                          struct error *err)
{
    const char *etag;
    struct str known = http_exchange_header(req->exchange, "If-None-Match");
    if (delegation_etag(delegation, delegation->table->etag[refs_only ? 1 : 0], req->arena, &etag,
                        err) != 0)
        return HANDLER_ERROR;
    if (known.len > 0 && etag_matches(known, etag)) {
        response_not_modified(res, etag, req->arena);
        return HANDLER_DONE;
    }
    if (!req->on_worker && (delegation_blocks(delegation) ||
                            delegation->table->document.len > INLINE_DOCUMENT_BYTES_MAX))
        return HANDLER_BLOCKS;
    return build(req, res, delegation, refs_only, etag, err);
}

int delegate_load(struct request *req, struct response *res, struct object_version *table,
                  bool refs_only, struct error *err)
{
    const struct delegation_request delegation = delegate_request(req, table);
    if (delegation_kind(&delegation) == DELEGATION_NONE)
        return load_as_it_is(req, res, table, refs_only);
    int result = load_delegated(req, res, &delegation, refs_only, err);
    object_version_unref(table);
    return result;
}

int delegate_made(struct request *req, struct response *res, struct object_version *table,
                  bool staged, struct error *err)
{
    const struct delegation_request delegation = delegate_request(req, table);
    const char *etag = NULL;
    struct error why = {0};
    if (delegation_kind(&delegation) == DELEGATION_NONE) {
        response_object(res, table, req->arena);
        return HANDLER_DONE;
    }
    int result = delegation_etag(&delegation, table->etag[0], req->arena, &etag, &why);
    if (result == 0)
        result = build(req, res, &delegation, false, etag, &why);
    if (result == 0 || staged) {
        if (result != 0)
            *err = why;
        object_version_unref(table);
        return result;
    }
    log_warn("a table was made, but access to its files could not be given: %s: %s", why.message,
             why.detail);
    response_object(res, table, req->arena);
    return HANDLER_DONE;
}

/* The name that the body asked to be made; the path has none. */
static int name_of_body(struct request *req, struct error *err)
{
    struct str body;
    if (request_json_text(req, &body, err) != 0)
        return -1;
    struct str name = raw_json_member(body, "name");
    if (name.ptr != NULL && raw_json_kind(name) == RAW_JSON_STRING)
        req->ident.name = raw_json_string(name, req->arena);
    return 0;
}

static bool still_has_the_name(struct request *req, const struct object_version *table)
{
    struct object_version *now;
    struct error ignored;
    if (name_of_body(req, &ignored) != 0 ||
        catalog_table_load(req->service->catalog, req->warehouse, &req->ident, &now, &ignored) != 0)
        return false;
    bool same = str_equal(now->metadata.table.table_uuid, table->metadata.table.table_uuid) &&
                str_equal(now->metadata.table.location, table->metadata.table.location);
    object_version_unref(now);
    return same;
}

int delegate_again(struct request *req, struct response *res, struct object_version *table,
                   struct error *err)
{
    if (still_has_the_name(req, table))
        return delegate_made(req, res, table, false, err);
    response_object(res, table, req->arena);
    return HANDLER_DONE;
}
