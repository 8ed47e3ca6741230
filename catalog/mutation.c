/* One change with its history row and its record of success.
 *
 * 1. All of it is one change set: none of the rows is ever there without the others.
 * 2. A change set that would carry nothing is not submitted. */
#include "catalog/mutation.h"

#include <assert.h>
#include <time.h>

#define PAUSE_US_STEP 200 /* the longest pause grows by that with each repeat */
#define PAUSE_US_MAX 5000

enum change_outcome mutation_apply(struct catalog *catalog, const struct caller *caller,
                                   struct mutation *mutation, struct arena *arena)
{
    struct change_set *set = &mutation->apply.set;
    mutation->apply = (struct catalog_change){.catalog = catalog};
    if (mutation->change.kind != CHANGE_NOTHING) {
        set->changes = &mutation->change;
        set->change_count = 1;
        mutation->history = catalog_history(catalog, caller, 0, arena);
        mutation->history.detail = mutation->detail;
        set->history = &mutation->history;
        set->history_count = 1;
    }
    if (catalog_idempotency_success(catalog, caller, mutation->change.warehouse_id, mutation->body,
                                    mutation->metadata_location, &mutation->success)) {
        set->idempotency = &mutation->success;
        set->idempotency_count = 1;
    }
    if (mutation->job != NULL) {
        set->jobs = mutation->job;
        set->job_count = 1;
    }
    if (set->history_count + set->idempotency_count + set->job_count == 0)
        return CHANGE_APPLIED;
    return catalog_apply(catalog, &mutation->apply);
}

int mutation_error(const struct mutation *mutation, struct error *err)
{
    assert(mutation->apply.set.outcome != CHANGE_APPLIED);
    return catalog_outcome_error(&mutation->apply.set, err);
}

struct str catalog_json_text(const json_t *value, struct arena *arena)
{
    size_t bytes = json_dumpb(value, NULL, 0, JSON_COMPACT);
    assert(bytes > 0);
    char *text = arena_alloc(arena, bytes + 1);
    size_t written = json_dumpb(value, text, bytes, JSON_COMPACT);
    assert(written == bytes);
    (void)written;
    return str_from(text, bytes);
}

void mutation_pause(struct catalog *catalog, int attempt)
{
    uint32_t chance;
    if (attempt < 2)
        return;
    uint32_t longest_us = (uint32_t)attempt * PAUSE_US_STEP;
    if (longest_us > PAUSE_US_MAX)
        longest_us = PAUSE_US_MAX;
    catalog->options.random->fill(catalog->options.random->arg, &chance, sizeof(chance));
    struct timespec pause = {.tv_nsec = (long)(chance % longest_us) * 1000};
    (void)nanosleep(&pause, NULL);
}
