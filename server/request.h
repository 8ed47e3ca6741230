/* One request on its way through the pipeline, and typed access to what it carries. Lives in its
 * exchange's arena; belongs to one thread at a time, and to nobody who has answered it. */
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include "catalog/warehouse.h"
#include "server/http_server.h"
#include "server/page_token.h"
#include "server/response.h"
#include "server/router.h"
#include "server/service.h"

#define REQUEST_ID_BYTES_MAX 128

struct idempotent_wait;
struct principal;
struct s3_call;

struct request {
    struct service *service;
    struct http_exchange *exchange;
    struct arena *arena; /* the exchange's */
    struct route_match match;
    const struct route *route; /* match.route; NULL when none fits */
    bool on_worker;            /* may block */
    bool is_head;
    bool completed; /* by request_complete: its thread belongs to others */

    struct warehouse
        *warehouse;            /* that of the path or the default one; NULL when it has no place */
    struct namespace_ident ns; /* of the path */
    struct identifier ident;   /* of the path, when it names an object */
    struct caller caller;
    const struct principal *principal; /* NULL: anonymous */
    int64_t token_until_ms;            /* when the principal's token ends */
    bool wants_keys, wants_signatures; /* X-Iceberg-Access-Delegation; with ROUTE_DELEGATES */

    struct s3_call *s3; /* of the gateway; then the pipeline is not the catalog's */

    bool idempotency_begun;       /* the key is ours until catalog_idempotency_end */
    struct idempotent_wait *wait; /* while a duplicate is waited for */
    int64_t wait_until_us;        /* 0: has not waited yet */

    struct response response;
    struct error err;
};

/* Decodes the parameters of the path and finds the warehouse.
 * Errors: ERR_BAD_REQUEST, ERR_ILLEGAL_ARGUMENT, ERR_NO_SUCH_WAREHOUSE. */
MUST_USE int request_read_path(struct request *req, struct error *err);

/* The id the client gave, if it is well formed ([A-Za-z0-9._:-], not longer than the maximum), else
 * one that no other request has. */
void request_choose_id(struct request *req);

/* A query parameter, decoded; STR_NONE when absent. */
MUST_USE int request_query(struct request *req, const char *name, struct str *value,
                           struct error *err);
/* "true" or "false" in any case; absent: `otherwise`. */
MUST_USE int request_query_bool(struct request *req, const char *name, bool otherwise, bool *value,
                                struct error *err);
/* An integer of at least `min`; absent: `otherwise`. */
MUST_USE int request_query_int(struct request *req, const char *name, int64_t min,
                               int64_t otherwise, int64_t *value, struct error *err);

/* pageToken and pageSize (contract/rest.md 1.5). Without both, page->limit is 0: all of it. */
MUST_USE int request_page(struct request *req, enum page_kind kind, struct page_request *page,
                          struct error *err);
/* Would a list of that page keep an event loop busy? */
bool request_page_is_large(const struct page_request *page);

/* The body as checked JSON text of an object. Errors: ERR_BAD_REQUEST, ERR_ILLEGAL_ARGUMENT. */
MUST_USE int request_json_text(struct request *req, struct str *object, struct error *err);
/* The same as a value; borrowed, lives as long as the request.
 * Errors: as above; ERR_TOO_MANY_REQUESTS when too much is being parsed at once. */
MUST_USE int request_json(struct request *req, json_t **object, struct error *err);

/* A JSON text that passed request_json_text, or a part of it, as a value; lives with the request.
 */
MUST_USE int request_json_part(struct request *req, struct str text, json_t **value,
                               struct error *err);

/* A member that must be a non-empty string. Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int request_json_string(const json_t *object, const char *name, struct str *value,
                                 struct error *err);
/* ["a","b"] */
void request_write_namespace(struct buf *out, const struct namespace_ident *ns);

#endif
