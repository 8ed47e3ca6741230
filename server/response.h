/* Building replies. Everything a reply points to is constant, in the request's arena, or released
 * by the reply's own callback. A success that is built and then not sent must be dropped with
 * response_clear. */
#ifndef SERVER_RESPONSE_H
#define SERVER_RESPONSE_H

#include "catalog/object_version.h"
#include "server/http_server.h"
#include <jansson.h>

struct response {
    struct http_reply reply;        /* status 0: not built yet */
    int retry_after_s;              /* of an error that may be retried; 0: one is chosen */
    struct object_version *version; /* whose own rendering the body is; NULL: none */
    const char *allow;              /* of ERR_METHOD_NOT_ALLOWED */
};

void response_header(struct response *res, const char *name, const char *value);
void response_no_content(struct response *res); /* 204 */
/* 200 with a JSON text that lives as long as the request. */
void response_json(struct response *res, struct str text);
/* The same; takes the memory of `text` and frees it with the arena. */
void response_json_buf(struct response *res, struct buf *text, struct arena *arena);
/* The same from a value, compact; takes the reference. */
void response_json_value(struct response *res, json_t *value, struct arena *arena);

/* 200 with the object's own rendering, uncopied; takes the reference to `version`. A table's tag is
 * that of a full load; a staged table has none, and neither has a view. */
void response_object(struct response *res, struct object_version *version, struct arena *arena);
/* The same with the snapshots that some ref points to. */
void response_table_refs_only(struct response *res, struct object_version *version,
                              struct arena *arena);
void response_not_modified(struct response *res, const char *etag, struct arena *arena); /* 304 */

/* The one place that writes error bodies: `code` in it is the status. `without_body`: for HEAD. */
void response_error(struct response *res, const struct error *err, bool without_body,
                    struct arena *arena);

/* The one of the token endpoint (RFC 6749 5.2); nobody may keep it. `code` is its "error". */
void response_oauth_error(struct response *res, int status, const char *code, const char *message,
                          struct arena *arena);

void response_clear(struct response *res);

#endif
