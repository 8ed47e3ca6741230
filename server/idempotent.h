/* The pipeline's step that makes mutations repeatable (contract/rest.md 7): a request with an
 * Idempotency-Key runs once; who repeats it gets the same answer, and waits for it while the first
 * one still runs. What is recorded, and that it is durable with the change, is the catalog's. */
#ifndef SERVER_IDEMPOTENT_H
#define SERVER_IDEMPOTENT_H

#include "server/request.h"

#define IDEMPOTENT_WAIT_MS 10000

enum idempotent_step {
    IDEMPOTENT_RUN,      /* go on with the handler */
    IDEMPOTENT_REPLAYED, /* req->response is the earlier answer */
    IDEMPOTENT_REFUSED,  /* req->err is the answer: an earlier one, or a misuse of the key */
    IDEMPOTENT_BLOCKS,   /* ask again on a worker */
    IDEMPOTENT_WAITING,  /* dispatch_continue or request_complete will be called, or was */
};

struct idempotent_waiting *idempotent_waiting_new(void);
void idempotent_waiting_free(struct idempotent_waiting *waiting); /* when no request is open */

/* Takes the digests of the request and looks its key up. */
enum idempotent_step idempotent_begin(struct request *req);

/* Must the end of a failed request be on a worker, because its refusal is to be recorded? */
bool idempotent_end_blocks(const struct request *req, int result);
/* After the answer is decided: records a refusal, wakes who waits. */
void idempotent_end(struct request *req, int result);

/* Answers those that waited too long with 503. Called by the janitor. */
void idempotent_release_waiting(struct service *service);

#endif
