/* One line per request. Threads: safe. */
#ifndef SERVER_ACCESS_LOG_H
#define SERVER_ACCESS_LOG_H

#include "server/http_server.h"

/* To be called in finished(), with what it was given. `operation` may be NULL: no route matched.
 * The line is at level info; nothing is written when that level is off. */
void access_log_write(struct http_exchange *x, struct str target, struct str request_id,
                      const char *operation, bool sent);

#endif
