/* A round: load the bases, fold, render, write the files, submit one change, settle every item.
 *
 * What each outcome of the metastore means is one table (outcome_rows). All checks that can answer
 * 4xx run before submit; after it there is success, another attempt on a fresh base, a definite
 * refusal (503), or "unknown".
 *
 * If the process dies on any line: before submit nothing is referenced (a file may remain, named by
 * nobody); after it the metastore's transaction decides, and history tells a client that asks
 * again.
 */
#include "catalog/commit_core.h"
#include "catalog/orphans.h"
#include "catalog/upkeep.h"

#include "base/failpoint.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"

#include <assert.h>

static void round_settle(struct commit_round *round);

/* ---- settling -------------------------------------------------------------------------------- */

/* Items that hang on the round's change, or were judged on top of it, share its fate. Refusals
 * stand: they are definite, whatever became of what they were judged on. */
static void fail_changed(struct commit_round *round, const struct error *why)
{
    for (size_t i = 0; i < round->work_count; i++) {
        for (struct commit_item *item = round->works[i].items; item != NULL; item = item->next) {
            bool depends = item->state == ITEM_CHANGED || item->after_change;
            if (round->is_transaction || (depends && item->state != ITEM_FAILED)) {
                item->state = ITEM_FAILED;
                item->err = *why;
            }
        }
        round->works[i].changed = false; /* who is left is answered from the base */
    }
}

static void fail_all(struct commit_round *round, const struct error *why)
{
    for (size_t i = 0; i < round->work_count; i++) {
        for (struct commit_item *item = round->works[i].items; item != NULL; item = item->next) {
            item->state = ITEM_FAILED;
            item->err = *why;
        }
    }
}

static bool round_changes(const struct commit_round *round)
{
    for (size_t i = 0; i < round->work_count; i++) {
        if (round->works[i].changed) {
            return true;
        }
    }
    return false;
}

/* ---- orphans --------------------------------------------------------------------------------- */

/* Journals the files of attempts that are definitely dead, when no change of the round carried the
 * jobs. */
static void orphans_submit(struct commit_round *round)
{
    orphans_journal(round->ports->submit, round->ports->arg, round->orphans, round->orphan_count);
}

static void remember_orphans(struct commit_round *round)
{
    size_t max = (size_t)COMMIT_ATTEMPTS_MAX * round->work_count;
    int64_t now_ms = round->ports->now_ms(round->ports->arg);

    if (round->orphans == NULL) {
        round->orphans = ARENA_ARRAY(round->arena, struct job_row, max);
    }
    for (size_t i = 0; i < round->work_count; i++) {
        struct lane_work *work = &round->works[i];
        if (work->version == NULL) {
            continue;
        }
        assert(round->orphan_count < max);
        round->orphans[round->orphan_count++] =
            orphan_job(work->warehouse->id, arena_str(round->arena, work->file_location), now_ms);
    }
}

/* ---- outcomes -------------------------------------------------------------------------------- */

enum outcome_action { SETTLE, ATTEMPT_AGAIN, REFUSE };

struct outcome_row {
    enum outcome_action action;
    enum error_kind kind; /* of the refusal; ERR_NONE: the metastore's own error */
    const char *message;
};

/* Indexed by enum change_outcome (reliability.md 2.2, 2.3). */
static const struct outcome_row outcome_rows[] = {
    [CHANGE_APPLIED] = {SETTLE, ERR_NONE, NULL},
    [CHANGE_CONFLICT] = {ATTEMPT_AGAIN, ERR_NONE, NULL},
    [CHANGE_EXISTS] = {ATTEMPT_AGAIN, ERR_NONE, NULL},
    [CHANGE_EXISTS_OTHER_KIND] = {ATTEMPT_AGAIN, ERR_NONE, NULL},
    [CHANGE_MISSING] = {ATTEMPT_AGAIN, ERR_NONE, NULL},
    [CHANGE_NAMESPACE_MISSING] = {ATTEMPT_AGAIN, ERR_NONE, NULL},
    [CHANGE_NOT_EMPTY] = {REFUSE, ERR_INTERNAL, "The metastore refused the commit"},
    [CHANGE_UUID_KNOWN] = {REFUSE, ERR_ALREADY_EXISTS, "Its uuid is that of another one"},
    [CHANGE_LOCATION_TAKEN] = {REFUSE, ERR_ILLEGAL_ARGUMENT, NULL}, /* the kind's own words */
    [CHANGE_KEY_USED] = {REFUSE, ERR_UNAVAILABLE, "Idempotency key is in use"},
    [CHANGE_UNAVAILABLE] = {REFUSE, ERR_UNAVAILABLE, "The metastore is not available"},
    [CHANGE_UNKNOWN] = {REFUSE, ERR_COMMIT_STATE_UNKNOWN,
                        "The outcome of the commit is not known; it may have been applied"},
};

/* Who moves is alone in his round, but for a transaction, which is of tables. */
static const char *refusal_words(const struct commit_round *round, const struct outcome_row *row)
{
    return row->message != NULL ? row->message : round->works[0].format->location_overlap;
}

static void refuse(struct commit_round *round, enum error_kind kind, const char *message)
{
    struct error why = {0};

    error_set(&why, kind, "%s", message);
    error_detail(&why, "%s", round->change.set.error.message);
    if (kind != ERR_COMMIT_STATE_UNKNOWN) {
        remember_orphans(round); /* of an unknown outcome the file must stay: it may be the truth */
        orphans_submit(round);
    } else {
        metric_add(METRIC_COMMIT_UNKNOWN, 1);
    }
    fail_changed(round, &why);
    round_settle(round);
}

static void reset_for_attempt(struct commit_round *round)
{
    for (size_t i = 0; i < round->work_count; i++) {
        struct lane_work *work = &round->works[i];
        object_version_unref(work->version);
        object_version_unref(work->base.version);
        work->version = NULL;
        work->base = (struct commit_base){0};
        work->changed = false;
        struct commit_item **last = &work->items;
        for (; *last != NULL; last = &(*last)->next) {
            (*last)->state = ITEM_WAITING;
            error_clear(&(*last)->err);
        }
        *last = work->left_over; /* what had to wait may be judged anew */
        work->left_over = NULL;
    }
    memset(&round->change, 0, sizeof round->change);
    round->attempt++;
}

static void attempt_again(struct commit_round *round)
{
    remember_orphans(round);
    if (round->attempt >= COMMIT_ATTEMPTS_MAX) {
        struct error why = {0};
        error_set(&why, ERR_COMMIT_FAILED, "Commit lost to concurrent changes %d times",
                  round->attempt);
        orphans_submit(round);
        fail_changed(round, &why);
        round_settle(round);
        return;
    }
    metric_add(METRIC_COMMIT_RETRIES, 1);
    reset_for_attempt(round);
    round->ports->run(round->ports->arg, commit_round_run, round);
}

static void round_decided(struct catalog_change *change)
{
    struct commit_round *round = change->arg;
    enum change_outcome outcome = change->set.outcome;

    assert((size_t)outcome < sizeof outcome_rows / sizeof *outcome_rows);
    const struct outcome_row *row = &outcome_rows[outcome];
    switch (row->action) {
    case SETTLE:
        metric_add(METRIC_COMMITS, (int64_t)change->set.history_count);
        metric_add(METRIC_COMMIT_ROUNDS, 1);
        round_settle(round);
        break;
    case ATTEMPT_AGAIN:
        attempt_again(round);
        break;
    case REFUSE:
        refuse(round, row->kind, refusal_words(round, row));
        break;
    }
}

/* Rule 6: only here do items become answers. */
static void round_settle(struct commit_round *round)
{
    for (size_t i = 0; i < round->work_count; i++) {
        for (struct commit_item *item = round->works[i].items; item != NULL; item = item->next) {
            assert(item->state != ITEM_WAITING);
            if (item->state == ITEM_FAILED && item->err.kind == ERR_COMMIT_FAILED) {
                metric_add(METRIC_COMMIT_CONFLICTS, 1);
            }
        }
    }
    (void)FAILPOINT("commit_before_reply");
    round->finished(round);
}

/* ---- building the change --------------------------------------------------------------------- */

/* Who creates: the first whose change counts, as the rest build on it. */
static const struct caller *creator_of(const struct lane_work *work)
{
    const struct commit_item *item = work->items;

    while (item->state != ITEM_CHANGED) {
        item = item->next;
    }
    return item->request->caller;
}

static void fill_change(struct change *change, const struct commit_round *round,
                        const struct lane_work *work)
{
    const struct object_version *base = work->base.version;
    struct arena *arena = round->arena;

    *change = (struct change){
        .kind = base == NULL ? CHANGE_OBJECT_CREATE : CHANGE_OBJECT_UPDATE,
        .warehouse_id = work->warehouse->id,
        .namespace_key = namespace_key(&work->ident->ns, arena),
        .name = work->ident->name,
        .object_kind = work->format->kind,
        .metadata_location = work->file_location,
        .uuid = work->format->head(&work->draft).uuid,
        .location = work->places.location,
        .places = work->places.beside,
        .place_count = work->places.beside_count,
    };
    if (base != NULL) {
        change->expect_id = base->row.id;
        change->expect_version = base->row.version;
        change->expect_metadata_location = base->row.metadata_location;
        change->reserve_until_ms =
            place_left_until(work->warehouse, work->format->kind, round->ports->reserve_ms,
                             round->ports->now_ms(round->ports->arg));
    } else {
        change->holder = place_holder(creator_of(work), work->warehouse, work->ident, arena);
    }
}

static size_t count_items(const struct commit_round *round)
{
    size_t n = 0;
    for (size_t i = 0; i < round->work_count; i++) {
        for (struct commit_item *item = round->works[i].items; item != NULL; item = item->next) {
            n++;
        }
    }
    return n;
}

/* History for what changed; an idempotency record for every success that brought a key: one per
 * request, so of a transaction only the first item's. */
static void add_rows(struct commit_round *round, struct change_set *set,
                     const struct lane_work *work, size_t change_index)
{
    bool speaks_for_request = !round->is_transaction || work == &round->works[0];

    for (struct commit_item *item = work->items; item != NULL; item = item->next) {
        if (item->state == ITEM_CHANGED) {
            set->history[set->history_count++] =
                catalog_history(round->catalog, item->request->caller, change_index, round->arena);
        }
        if (item->state == ITEM_FAILED || !speaks_for_request) {
            continue;
        }
        struct str location = STR_NONE;
        if (!round->is_transaction) {
            location =
                work->changed ? work->file_location : work->base.version->row.metadata_location;
        }
        set->idempotency_count +=
            catalog_idempotency_success(round->catalog, item->request->caller, work->warehouse->id,
                                        item->request->caller->idempotency.body, location,
                                        &set->idempotency[set->idempotency_count]);
    }
}

/* The files of lost attempts, and those that this change makes old. */
static void add_jobs(struct commit_round *round, struct change_set *set)
{
    int64_t now_ms = round->ports->now_ms(round->ports->arg);
    size_t count = round->orphan_count;
    struct job_row **old = ARENA_ARRAY(round->arena, struct job_row *, round->work_count);
    size_t *old_count = ARENA_ARRAY(round->arena, size_t, round->work_count);

    for (size_t i = 0; i < round->work_count; i++) {
        struct lane_work *work = &round->works[i];
        if (work->changed) {
            old_count[i] = upkeep_jobs(work->base.version, &work->draft, work->places.location,
                                       now_ms, round->arena, &old[i]);
        }
        count += old_count[i];
    }
    set->jobs = round->orphans;
    set->job_count = round->orphan_count;
    if (count == round->orphan_count) {
        return;
    }
    set->jobs = ARENA_ARRAY(round->arena, struct job_row, count);
    for (size_t i = 0; i < round->orphan_count; i++) {
        set->jobs[i] = round->orphans[i];
    }
    for (size_t i = 0; i < round->work_count; i++) {
        for (size_t j = 0; j < old_count[i]; j++) {
            set->jobs[set->job_count++] = old[i][j];
        }
    }
    assert(set->job_count == count);
}

static void build_change(struct commit_round *round)
{
    struct change_set *set = &round->change.set;
    size_t items = count_items(round);

    memset(&round->change, 0, sizeof round->change);
    set->changes = ARENA_ARRAY(round->arena, struct change, round->work_count);
    set->history = ARENA_ARRAY(round->arena, struct history_row, items);
    set->idempotency = ARENA_ARRAY(round->arena, struct idempotency_row, items);
    round->change.publish = ARENA_ARRAY(round->arena, struct object_version *, round->work_count);
    for (size_t i = 0; i < round->work_count; i++) {
        struct lane_work *work = &round->works[i];
        if (work->changed) {
            fill_change(&set->changes[set->change_count], round, work);
            round->change.publish[set->change_count] = work->version;
            add_rows(round, set, work, set->change_count++);
        } else {
            add_rows(round, set, work, 0);
        }
    }
    add_jobs(round, set);
    round->change.done = round_decided;
    round->change.arg = round;
}

/* ---- the steps ------------------------------------------------------------------------------- */

static int load_bases(struct commit_round *round, struct error *err)
{
    for (size_t i = 0; i < round->work_count; i++) {
        struct lane_work *work = &round->works[i];
        if (round->ports->load_base(round->ports->arg, work->warehouse, work->format->kind,
                                    work->ident, round->attempt > 1, &work->base, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* A transaction is one request with one digest: when history knows it for one table, it was applied
 * to all of them. Else one refusal refuses the whole. */
static void judge_transaction(struct commit_round *round)
{
    const struct commit_item *refused = NULL;
    bool repeated = false;

    for (size_t i = 0; i < round->work_count; i++) {
        struct commit_item *item = round->works[i].items;
        repeated = repeated || item->state == ITEM_REPEATED;
        if (refused == NULL && item->state == ITEM_FAILED) {
            refused = item;
        }
    }
    if (!repeated && refused == NULL) {
        return;
    }
    struct error why = refused != NULL ? refused->err : (struct error){0};
    for (size_t i = 0; i < round->work_count; i++) {
        struct lane_work *work = &round->works[i];
        work->changed = false;
        work->items->state = repeated ? ITEM_REPEATED : ITEM_FAILED;
        work->items->err = why;
    }
}

static void fold_all(struct commit_round *round)
{
    struct fold_inputs inputs = {
        .ports = round->ports,
        .arena = round->arena,
        .now_ms = round->ports->now_ms(round->ports->arg),
        .is_transaction = round->is_transaction,
    };

    for (size_t i = 0; i < round->work_count; i++) {
        commit_fold(&round->works[i], &inputs);
    }
    if (round->is_transaction) {
        judge_transaction(round);
    }
}

static void render(struct commit_round *round, struct lane_work *work)
{
    const struct object_version *base = work->base.version;
    struct object_row row = {
        .id = base == NULL ? 0 : base->row.id,
        .kind = work->format->kind,
        .warehouse_id = work->warehouse->id,
        .namespace_key = namespace_key(&work->ident->ns, round->arena),
        .name = work->ident->name,
        .uuid = work->format->head(&work->draft).uuid,
        .metadata_location = work->file_location,
        .location = work->places.location,
        .version = base == NULL ? 1 : base->row.version + 1,
    };

    work->version = object_version_build(&work->draft, &row);
}

/* Rule 3: 0 only when every file of the round is durable. */
static int write_files(struct commit_round *round, struct error *err)
{
    if (FAILPOINT("commit_before_put")) {
        return error_set(err, ERR_UNAVAILABLE, "Cannot write the metadata file");
    }
    for (size_t i = 0; i < round->work_count; i++) {
        struct lane_work *work = &round->works[i];
        if (!work->changed) {
            continue;
        }
        render(round, work);
        if (round->ports->write_file(round->ports->arg, work->warehouse, work->version, err) != 0) {
            /* Storage trouble is the server's, never the caller's: definite, worth a retry. */
            struct error why = *err;
            error_set(err, ERR_UNAVAILABLE, "Cannot write the metadata file of %.*s",
                      STR_ARG(work->ident->name));
            error_detail(err, "%.400s", why.message);
            return -1;
        }
    }
    (void)FAILPOINT("commit_after_put");
    return 0;
}

void commit_round_run(void *arg)
{
    struct commit_round *round = arg;
    struct error err = {0};

    if (load_bases(round, &err) != 0) {
        fail_all(round, &err);
        round_settle(round);
        return;
    }
    fold_all(round);
    if (round_changes(round) && write_files(round, &err) != 0) {
        remember_orphans(round);
        orphans_submit(round);
        fail_changed(round, &err);
        round_settle(round);
        return;
    }
    build_change(round);
    if (round->change.set.change_count == 0 && round->change.set.idempotency_count == 0 &&
        round->change.set.job_count == 0) {
        round_settle(round);
        return;
    }
    round->ports->submit(round->ports->arg, &round->change); /* round_decided follows */
}
