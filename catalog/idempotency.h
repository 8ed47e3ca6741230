/* Records that make mutations repeatable (contract/rest.md 7, reliability.md F22–F26).
 * A success is recorded by the use case itself, in its own transaction; a deterministic refusal by
 * catalog_idempotency_record_error. What runs at this moment is known in memory. */
#ifndef CATALOG_IDEMPOTENCY_H
#define CATALOG_IDEMPOTENCY_H

#include "catalog/object_version.h"
#include "catalog/warehouse.h"

enum idempotency_state {
    IDEMPOTENCY_NEW,      /* run it, then catalog_idempotency_end */
    IDEMPOTENCY_REPLAY,   /* *record holds the answer */
    IDEMPOTENCY_WAITING,  /* the first one still runs: `woken` will be called, then begin again */
    IDEMPOTENCY_MISMATCH, /* the key belongs to another request */
};

/* Waits in memory for the end of a request with the same key. */
struct idempotency_waiter {
    void (*woken)(struct idempotency_waiter *waiter); /* any thread, exactly once */
    void *arg;
    struct idempotency_waiter *next;
};

/* One indexed read. Errors: ERR_UNAVAILABLE. */
MUST_USE int catalog_idempotency_begin(struct catalog *catalog,
                                       const struct idempotency_claim *claim,
                                       struct idempotency_waiter *waiter, struct arena *arena,
                                       enum idempotency_state *state,
                                       struct idempotency_row *record, struct error *err);

/* After the answer is decided and (for a success) durable: wakes those who wait. */
void catalog_idempotency_end(struct catalog *catalog, struct str key);

/* The state that answers a replay: the file that the record names, or, when that cannot be read any
 * more (old metadata files are deleted in time), the present state of `ident` if its history holds
 * this very request. The only error is ERR_COMMIT_STATE_UNKNOWN: what was applied must not sound as
 * if it were not. Blocks. */
MUST_USE int catalog_idempotency_load(struct catalog *catalog, struct warehouse *warehouse,
                                      enum object_kind kind, const struct identifier *ident,
                                      const struct caller *caller,
                                      const struct idempotency_row *record,
                                      struct object_version **out, struct error *err);

/* Keeps a deterministic refusal (400, 403, 404, 406, 409, 422 kinds; others are ignored).
 * `warehouse` NULL: the request was about none. Blocks. A failure to record is logged, never
 * reported. */
void catalog_idempotency_record_error(struct catalog *catalog, struct warehouse *warehouse,
                                      const struct idempotency_claim *claim,
                                      const struct error *why);

#endif
