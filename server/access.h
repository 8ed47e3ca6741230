/* Who asks, and may they. The pipeline asks both questions for every request; so far there is one
 * answer, that of auth=none: everybody is "anonymous" and may do everything, whatever token comes
 * along (clients without credentials send "Bearer None"). */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "server/request.h"

/* Fills req->caller.principal. Errors: ERR_NOT_AUTHORIZED. */
MUST_USE int access_authenticate(struct request *req, struct error *err);

/* May the caller do what the route needs, on the objects the path names? Errors: ERR_FORBIDDEN. */
MUST_USE int access_authorize(const struct request *req, enum access needed, struct error *err);

#endif
