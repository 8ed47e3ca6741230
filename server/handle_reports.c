/* Metrics reports of engines, and reading them and the history of mutations (our own API). Lists
 * are newest first, paged by the sequence of the oldest row of the page before. */
#include "server/handlers.h"
#include "server/request.h"

#include "catalog/reports.h"

#define LIST_LIMIT_DEFAULT 100
#define LIST_LIMIT_MAX 1000

int handle_report(struct request *req, struct response *res, struct error *err)
{
    struct str body;
    if (request_json_text(req, &body, err) != 0)
        return HANDLER_ERROR;
    /* Engines report when the query is over; a table that is gone by then is no mistake of theirs.
     */
    if (catalog_report_add(req->service->catalog, req->warehouse, &req->ident, body, err) != 0 &&
        err->kind != ERR_NO_SUCH_TABLE)
        return HANDLER_ERROR;
    error_clear(err);
    response_no_content(res);
    return HANDLER_DONE;
}

struct list_query {
    struct identifier ident;
    bool has_table;
    int64_t before, limit;
};

static int read_list_query(struct request *req, struct list_query *out, struct error *err)
{
    struct str ns;
    *out = (struct list_query){0};
    if (request_query(req, "namespace", &ns, err) != 0 ||
        request_query(req, "table", &out->ident.name, err) != 0 ||
        request_query_int(req, "before", 1, 0, &out->before, err) != 0 ||
        request_query_int(req, "limit", 1, LIST_LIMIT_DEFAULT, &out->limit, err) != 0)
        return -1;
    if (out->limit > LIST_LIMIT_MAX)
        out->limit = LIST_LIMIT_MAX;
    if ((ns.len == 0) != (out->ident.name.len == 0))
        return error_set(err, ERR_BAD_REQUEST, "namespace and table go together");
    out->has_table = ns.len > 0;
    if (out->has_table)
        out->ident.ns = namespace_from_key(ns, req->arena);
    return 0;
}

/* Rows may hold what clients sent: what is not text is left out. */
static json_t *text_or_null(struct str text)
{
    json_t *value = text.len == 0 ? NULL : json_stringn(text.ptr, text.len);
    return value == NULL ? json_null() : value;
}

static json_t *levels_of(struct str namespace_key, struct arena *arena)
{
    json_t *levels = json_array();
    if (namespace_key.len == 0)
        return levels;
    struct namespace_ident ns = namespace_from_key(namespace_key, arena);
    for (size_t i = 0; i < ns.level_count; i++)
        json_array_append_new(levels, text_or_null(ns.levels[i]));
    return levels;
}

/* {"<name>":[…],"next-before":N}; the latter when there may be more. */
static void respond_list(struct request *req, struct response *res, const char *name, json_t *rows,
                         int64_t limit, int64_t last_sequence)
{
    json_t *list = json_pack("{s:o}", name, rows);
    if ((int64_t)json_array_size(rows) == limit)
        json_object_set_new(list, "next-before", json_integer(last_sequence));
    response_json_value(res, list, req->arena);
}

int handle_report_list(struct request *req, struct response *res, struct error *err)
{
    struct list_query query;
    struct report_row *rows;
    size_t count;
    if (read_list_query(req, &query, err) != 0)
        return HANDLER_ERROR;
    if (!query.has_table)
        return error_set(err, ERR_BAD_REQUEST, "namespace and table are required");
    if (catalog_report_list(req->service->catalog, req->warehouse, &query.ident, query.before,
                            (size_t)query.limit, req->arena, &rows, &count, err) != 0)
        return HANDLER_ERROR;

    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *report = json_loadb(rows[i].body.ptr, rows[i].body.len, 0, NULL);
        json_array_append_new(list, json_pack("{s:I,s:I,s:o,s:o,s:o}", "sequence",
                                              (json_int_t)rows[i].sequence, "timestamp-ms",
                                              (json_int_t)rows[i].time_ms, "namespace",
                                              levels_of(rows[i].namespace_key, req->arena), "table",
                                              text_or_null(rows[i].name), "report",
                                              report == NULL ? json_null() : report));
    }
    respond_list(req, res, "reports", list, query.limit, count == 0 ? 0 : rows[count - 1].sequence);
    return HANDLER_DONE;
}

static json_t *history_entry(const struct history_row *row, struct arena *arena)
{
    json_t *entry = json_object();
    json_object_set_new(entry, "sequence", json_integer(row->sequence));
    json_object_set_new(entry, "timestamp-ms", json_integer(row->time_ms));
    json_object_set_new(entry, "operation", text_or_null(str_cstr(row->operation)));
    json_object_set_new(entry, "namespace", levels_of(row->namespace_key, arena));
    const struct {
        const char *name;
        struct str text;
    } texts[] = {
        {"name", row->name},
        {"uuid", row->uuid},
        {"commit-id", row->commit_id},
        {"previous-metadata-location", row->parent_location},
        {"metadata-location", row->metadata_location},
        {"principal", row->principal},
        {"client", row->client},
        {"request-id", row->request_id},
        {"detail", row->detail},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        json_object_set_new(entry, texts[i].name, text_or_null(texts[i].text));
    json_object_set_new(entry, "version", json_integer(row->version));
    return entry;
}

int handle_history_list(struct request *req, struct response *res, struct error *err)
{
    struct list_query query;
    struct history_row *rows;
    size_t count;
    if (read_list_query(req, &query, err) != 0 ||
        catalog_history_list(req->service->catalog, req->warehouse,
                             query.has_table ? &query.ident : NULL, query.before,
                             (size_t)query.limit, req->arena, &rows, &count, err) != 0)
        return HANDLER_ERROR;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, history_entry(&rows[i], req->arena));
    respond_list(req, res, "history", list, query.limit, count == 0 ? 0 : rows[count - 1].sequence);
    return HANDLER_DONE;
}
