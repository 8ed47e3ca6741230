/* Commits to tables and views (contract/rest.md 3.5, 3.7, 9, 10; contract/reliability.md 2).
 *
 * A commit waits in its object's lane; the lane's next round takes all that wait, folds them into
 * one new metadata file and one change of the metastore, and answers each for itself. A transaction
 * waits in the lanes of all its tables and is a round of its own.
 *
 * Outcomes: 0; ERR_NO_SUCH_TABLE, ERR_NO_SUCH_VIEW, ERR_NO_SUCH_NAMESPACE (create),
 * ERR_ALREADY_EXISTS (a view has the name); ERR_COMMIT_FAILED; ERR_ILLEGAL_ARGUMENT,
 * ERR_VALIDATION, ERR_BAD_REQUEST; ERR_TOO_MANY_REQUESTS (before any work); ERR_UNAVAILABLE
 * (definitely not applied); ERR_COMMIT_STATE_UNKNOWN (and nothing else when the outcome could not
 * be learned). */
#ifndef CATALOG_COMMIT_H
#define CATALOG_COMMIT_H

#include "catalog/object_version.h"
#include "catalog/warehouse.h"

struct commit_request {
    struct warehouse *warehouse;
    const struct caller *caller;
    struct object_change *changes;
    size_t change_count; /* 1: a commit; more, or is_transaction: all or nothing */
    bool is_transaction;
    struct arena *arena; /* the request's: everything above lives there; used by one round thread */
    /* Called exactly once, from any thread, possibly before catalog_commit returns. */
    void (*done)(struct commit_request *request);
    void *arg;

    /* results, valid in done */
    int result; /* 0 or -1 with err */
    struct error err;
    struct object_version *version; /* of a single commit: the state that holds it; a reference */
    /* the commit core's */
    struct commit_item *item;
};

/* Never blocks: fit for an event loop. */
void catalog_commit(struct catalog *catalog, struct commit_request *request);

#endif
