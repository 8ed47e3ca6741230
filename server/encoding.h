/* Gzip for replies to those who ask for it (Accept-Encoding). The tag of a reply is the same in
 * every encoding; Vary tells caches. Replies that carry a version of a table or view use its own
 * compressed copy, made once. Threads: a request's. */
#ifndef SERVER_ENCODING_H
#define SERVER_ENCODING_H

#include "server/request.h"

/* Does the value of Accept-Encoding (STR_NONE: not sent) prefer gzip to none? */
bool encoding_prefers_gzip(struct str accept_encoding);

enum encoding_step {
    ENCODING_READY, /* the reply may go */
    ENCODING_WORKS, /* encoding_work must run first, on a thread that may take its time */
};

/* Looks at the reply that was built. `hurried`: the thread must not do work of a millisecond; a
 * reply that would need it goes as it is. */
enum encoding_step encoding_begin(struct request *req, bool hurried);
void encoding_work(struct request *req);

#endif
