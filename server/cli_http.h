/* The command line's client of a running server's management API.
 * Errors: what the server answered, else ERR_UNAVAILABLE. */
#ifndef SERVER_CLI_HTTP_H
#define SERVER_CLI_HTTP_H

#include "base/error.h"
#include <jansson.h>

/* Where, and as whom. */
struct cli_http {
    const char *uri;
    /* Its first line is "client_id:client_secret", with which a token is fetched; "-" is stdin.
     * Never an argument or a variable: those can be read by others. NULL: without a token. */
    const char *credential_file;
};

struct cli_request {
    const char *method;
    const char *path;      /* "/management/v1/warehouses" */
    const char *name;      /* becomes the next segment; NULL: none */
    const char *tail;      /* follows it as it is; NULL: none */
    const json_t *content; /* NULL: no body */
};

/* *answer is the caller's to release; NULL for an empty body. */
MUST_USE int cli_http_request(const struct cli_http *http, const struct cli_request *request,
                              json_t **answer, struct error *err);

/* A text member, or "". */
const char *cli_http_text(const json_t *object, const char *name);

#endif
