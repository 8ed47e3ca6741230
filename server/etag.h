/* Entity tags (contract/rest.md 8). Threads: no state. */
#ifndef SERVER_ETAG_H
#define SERVER_ETAG_H

#include "base/str.h"

/* Does the value of If-None-Match name `etag` (quoted, strong)? Weak marks and missing quotes are
 * forgiven, as some clients strip them; "*" names whatever exists. */
bool etag_matches(struct str if_none_match, const char *etag);

#endif
