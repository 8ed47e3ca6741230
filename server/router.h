/* From a raw request target to a row of the route table, and the decoding of what a URL carries.
 * The path is split before anything in it is decoded (contract/rest.md 1.3), so that %2F and %1F
 * inside a name never become structure.
 * Threads: no state but a table compiled once. */
#ifndef SERVER_ROUTER_H
#define SERVER_ROUTER_H

#include "base/arena.h"
#include "iceberg/identifier.h"
#include "server/routes.h"

struct route_match {
    const struct route *route;      /* NULL when no row fits */
    struct str query;               /* raw, without '?'; STR_NONE when there is none */
    struct str params[PARAM_COUNT]; /* raw segments; STR_NONE when the template has no such one */
    const char *allow; /* with ERR_METHOD_NOT_ALLOWED: the verbs of this path, "GET, HEAD" */
};

/* Errors: ERR_BAD_REQUEST (an empty segment; no such path under /v1/), ERR_NO_SUCH_ROUTE
 * (elsewhere), ERR_METHOD_NOT_ALLOWED. */
MUST_USE int router_find(struct str method, struct str target, struct arena *arena,
                         struct route_match *out, struct error *err);

/* Form decoding of one segment or query value: '+' is a space, %HH a byte. The result is UTF-8
 * without control bytes below U+0020 other than what was encoded, and without NUL.
 * Errors: ERR_BAD_REQUEST; ERR_ILLEGAL_ARGUMENT for %00. */
MUST_USE int url_decode(struct str raw, struct arena *arena, struct str *out, struct error *err);

/* A raw segment as a namespace: split at the text %1F (or %1f), or, when there is none, at the
 * separator that was announced to clients (an ASCII character, as it is or percent-encoded; '\0':
 * none was); then each level decoded. */
MUST_USE int url_decode_namespace(struct str raw, char announced, struct arena *arena,
                                  struct namespace_ident *out, struct error *err);

/* The raw value of the first query parameter of that name; false when there is none. */
bool url_query_raw(struct str query, const char *name, struct str *raw);

/* The route's place in the table, for tables of metrics. */
size_t route_index(const struct route *route);

#endif
