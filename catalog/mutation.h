/* One change of the metastore together with what always goes with it: a history row, and the
 * record of success when the caller brought an idempotency key. What the use cases that touch one
 * row share; commits build their change sets themselves. */
#ifndef CATALOG_MUTATION_H
#define CATALOG_MUTATION_H

#include "base/limits.h"
#include "catalog/catalog_private.h"
#include <jansson.h>

/* How often a use case repeats itself when others change the row between its read and its write.
 * Each time one of the others has won. A commit then needs a durable file before its next change,
 * and a drop needs none: unless the two go in step, the drop comes between long before this. */
#define MUTATION_ATTEMPTS_MAX (COMMIT_ATTEMPTS_MAX + 60)

/* Before each try, counted from 0: waits a little, and never equally long, from the second repeat
 * on, so that those who contend fall out of step. */
void mutation_pause(struct catalog *catalog, int attempt);

struct mutation {
    /* the use case's */
    struct change change;         /* CHANGE_NOTHING: no history row, only the record */
    struct str detail;            /* of the history row */
    struct str body;              /* of the record of success; STR_NONE: the claim's own */
    struct str metadata_location; /* of the record of success */
    struct job_row *job;          /* added in the same transaction; NULL: none */
    /* mutation_apply's */
    struct history_row history;
    struct idempotency_row success;
    struct catalog_change apply;
};

/* Blocks until the outcome is known. On CHANGE_APPLIED mutation->change holds the results. */
enum change_outcome mutation_apply(struct catalog *catalog, const struct caller *caller,
                                   struct mutation *mutation, struct arena *arena);

/* The outcomes that a use case has no words of its own for. Returns -1. */
int mutation_error(const struct mutation *mutation, struct error *err);

/* Compact JSON text, for details, bodies and job payloads. */
struct str catalog_json_text(const json_t *value, struct arena *arena);

#endif
