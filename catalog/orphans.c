/* Journals dead files for the sweeper, fire and forget. */
#include "catalog/orphans.h"

#include "base/log.h"
#include "catalog/sweeper.h"

struct orphan_change {
    struct catalog_change change; /* first: `done` gets it back */
    struct arena *arena;
};

struct job_row orphan_job(int64_t warehouse_id, struct str location, int64_t now_ms)
{
    return (struct job_row){
        .kind = STR("remove-file"),
        .payload = location,
        .warehouse_id = warehouse_id,
        .created_ms = now_ms,
        .not_before_ms = now_ms + SWEEP_GRACE_MS,
    };
}

static void recorded(struct catalog_change *change)
{
    struct orphan_change *orphan = (struct orphan_change *)change;

    if (change->set.outcome != CHANGE_APPLIED) {
        log_warn("files of failed commits could not be journalled: count=%zu",
                 change->set.job_count);
    }
    arena_free(orphan->arena);
}

void orphans_journal(void (*submit)(void *arg, struct catalog_change *change), void *arg,
                     const struct job_row *jobs, size_t count)
{
    if (count == 0) {
        return;
    }
    struct arena *arena = arena_new();
    struct orphan_change *orphan = ARENA_NEW(arena, struct orphan_change);
    struct job_row *copies = ARENA_ARRAY(arena, struct job_row, count);

    for (size_t i = 0; i < count; i++) {
        copies[i] = jobs[i];
        copies[i].payload = arena_str(arena, jobs[i].payload);
    }
    orphan->arena = arena;
    orphan->change.set.jobs = copies;
    orphan->change.set.job_count = count;
    orphan->change.done = recorded;
    submit(arg, &orphan->change);
}
