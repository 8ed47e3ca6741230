/* Identifiers in requests and replies, for objects of every kind. */
#ifndef SERVER_IDENTIFIERS_H
#define SERVER_IDENTIFIERS_H

#include "server/request.h"

/* 200 with a page of the objects of the path's namespace: {"namespace":[…],"name":…} each,
 * functions as ["a","b","f"]. */
void identifiers_reply(struct request *req, struct response *res, enum page_kind kind,
                       const struct name_list *list);

/* Source and destination of a rename, from the body. Errors: ERR_BAD_REQUEST,
 * ERR_ILLEGAL_ARGUMENT. */
MUST_USE int identifiers_of_rename(struct request *req, struct identifier *from,
                                   struct identifier *to, struct error *err);

#endif
