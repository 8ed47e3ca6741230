/* Who asks, and may they. The pipeline asks both questions for every request, and nobody else asks
 * them anywhere.
 *
 * auth=none: everybody is "anonymous" and may do everything, whatever token comes along (clients
 * without credentials send "Bearer None"); only principals are managed from loopback alone.
 * auth=required: whatever the row of the route does not call public needs a valid token, and what
 * belongs to the whole installation an admin's. The answer holds for the whole request, also when
 * the token's time ends in the middle of it. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "server/request.h"

/* Fills req->principal and req->caller.principal; the route is known. Errors: ERR_NOT_AUTHORIZED.
 */
MUST_USE int access_authenticate(struct request *req, struct error *err);

/* May the caller do what the route needs, on the objects the path names? Errors: ERR_FORBIDDEN. */
MUST_USE int access_authorize(const struct request *req, enum access needed, struct error *err);

/* May the caller commit to the table that the request is about? Who may not gets keys and
 * signatures for reading alone. The one place that decides it. */
bool access_may_commit(const struct request *req);

#endif
