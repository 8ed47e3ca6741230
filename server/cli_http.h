/* The command line's client of a running server's management API. Prints results to stdout.
 * Errors: what the server answered, else ERR_UNAVAILABLE. */
#ifndef SERVER_CLI_HTTP_H
#define SERVER_CLI_HTTP_H

#include "base/error.h"

MUST_USE int cli_http_warehouse_list(const char *uri, struct error *err);
MUST_USE int cli_http_warehouse_create(const char *uri, const char *name, const char *location,
                                       struct error *err);
MUST_USE int cli_http_warehouse_drop(const char *uri, const char *name, struct error *err);

#endif
