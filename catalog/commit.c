/* Lanes: one queue per name, be it a table's or a view's. The first commit to come leads; all that
 * wait when its round starts are folded into the same round.
 *
 * The rules of a commit (DESIGN 2), and where they are kept:
 *   1. The metastore row is the only truth: commit_round.c builds on what load_base says and lets
 *      the compare-and-swap on id, version and location decide.
 *   2. A metadata file is never changed once written: write_file is create-only, at a fresh uuid.
 *   3. A row never points at a file that was not completely and durably written: the change is
 *      submitted only after every write_file of the round returned 0 (asserted there).
 *   4. A request never deletes a metadata file: a lost attempt leaves a job for the sweeper.
 *   5. Requirements are checked against the very base the updates are applied to: commit_fold.c
 *      passes the same draft to both.
 *   6. A reply leaves only after the row is durable: requests are answered from `finished`, which
 *      runs after the metastore's `done` (or when nothing was submitted).
 *   7. Nothing that can answer 4xx runs after COMMIT is sent: all checks are in the fold.
 *   8. An unresolved outcome is ERR_COMMIT_STATE_UNKNOWN and nothing else (outcome table in
 *      commit_round.c).
 *
 * Under core->lock: a lane is in the table while it is running or has items; a lane that is not
 * running and whose front item could start is never left waiting (lane_start after every change).
 * A transaction joins all its lanes in one step, so any two lanes hold common transactions in the
 * same order, and the oldest waiting request can always start: no deadlock. */
#include "catalog/commit_core.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"

#include <assert.h>
#include <stdlib.h>

#define LANE_BUCKETS 4096

struct commit_lane {
    struct commit_lane *chain;
    struct commit_item *front, **back;
    bool running;
    uint64_t hash;
    size_t key_bytes;
    char key[];
};

struct commit_core {
    struct commit_ports ports;
    struct catalog *catalog;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct commit_lane *buckets[LANE_BUCKETS];
    size_t pending, pending_max; /* requests */
    bool draining;
};

struct commit_core *commit_core_new(struct catalog *catalog, const struct commit_ports *ports,
                                    size_t pending_max)
{
    struct commit_core *core = calloc(1, sizeof *core);
    if (core == NULL) {
        log_fatal("out of memory");
    }
    core->ports = *ports;
    core->catalog = catalog;
    core->pending_max = pending_max;
    pthread_mutex_init(&core->lock, NULL);
    pthread_cond_init(&core->idle, NULL);
    return core;
}

/* ---- lanes (all under core->lock) ------------------------------------------------------------ */

static struct str lane_key(const struct commit_request *request, const struct identifier *ident)
{
    struct str ns = namespace_key(&ident->ns, request->arena);

    return arena_printf(request->arena, "%lld\x1e%.*s\x1e%.*s", (long long)request->warehouse->id,
                        STR_ARG(ns), STR_ARG(ident->name));
}

static uint64_t hash_key(struct str key)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < key.len; i++) {
        hash = (hash ^ (unsigned char)key.ptr[i]) * 0x100000001b3ull;
    }
    return hash ^ (hash >> 31);
}

static struct commit_lane *lane_get(struct commit_core *core, struct str key)
{
    uint64_t hash = hash_key(key);
    struct commit_lane **at = &core->buckets[hash % LANE_BUCKETS];

    for (; *at != NULL; at = &(*at)->chain) {
        if ((*at)->hash == hash && str_equal(str_from((*at)->key, (*at)->key_bytes), key)) {
            return *at;
        }
    }
    struct commit_lane *lane = calloc(1, sizeof *lane + key.len);
    if (lane == NULL) {
        log_fatal("out of memory");
    }
    lane->hash = hash;
    lane->key_bytes = key.len;
    memcpy(lane->key, key.ptr, key.len);
    lane->back = &lane->front;
    *at = lane;
    return lane;
}

static void lane_remove_if_idle(struct commit_core *core, struct commit_lane *lane)
{
    if (lane->running || lane->front != NULL) {
        return;
    }
    struct commit_lane **at = &core->buckets[lane->hash % LANE_BUCKETS];
    while (*at != lane) {
        assert(*at != NULL);
        at = &(*at)->chain;
    }
    *at = lane->chain;
    free(lane);
}

static void lane_push(struct commit_lane *lane, struct commit_item *item)
{
    item->next = NULL;
    *lane->back = item;
    lane->back = &item->next;
}

static struct commit_item *lane_pop(struct commit_lane *lane)
{
    struct commit_item *item = lane->front;

    assert(item != NULL);
    lane->front = item->next;
    if (lane->front == NULL) {
        lane->back = &lane->front;
    }
    item->next = NULL;
    return item;
}

static void lane_put_back(struct commit_lane *lane, struct commit_item *items)
{
    if (items == NULL) {
        return;
    }
    struct commit_item **last = &items;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = lane->front;
    if (lane->front == NULL) {
        lane->back = last;
    }
    lane->front = items;
}

/* ---- starting rounds ------------------------------------------------------------------------- */

static void round_finished(struct commit_round *round);

static struct commit_round *round_new(struct commit_core *core, size_t work_count)
{
    struct arena *arena = arena_new();
    struct commit_round *round = ARENA_NEW(arena, struct commit_round);

    round->arena = arena;
    round->core = core;
    round->ports = &core->ports;
    round->catalog = core->catalog;
    round->works = ARENA_ARRAY(arena, struct lane_work, work_count);
    round->work_count = work_count;
    round->attempt = 1;
    round->finished = round_finished;
    return round;
}

static void work_init(struct lane_work *work, struct commit_item *first)
{
    assert(!first->lane->running);
    work->lane = first->lane;
    work->lane->running = true;
    work->warehouse = first->request->warehouse;
    work->ident = &first->change->ident;
    work->format = first->change->format;
    work->items = first;
}

static struct commit_round *round_of_lane(struct commit_core *core, struct commit_lane *lane)
{
    struct commit_round *round = round_new(core, 1);
    struct commit_item *last = lane_pop(lane);

    work_init(&round->works[0], last);
    for (size_t n = 1; n < FOLD_COMMITS_MAX; n++) {
        if (lane->front == NULL || lane->front->request->is_transaction ||
            lane->front->change->format != last->change->format) {
            break;
        }
        last->next = lane_pop(lane);
        last = last->next;
    }
    return round;
}

/* NULL while one of its lanes is busy or has something older in front. */
static struct commit_round *round_of_transaction(struct commit_core *core,
                                                 struct commit_request *request)
{
    for (size_t i = 0; i < request->change_count; i++) {
        struct commit_lane *lane = request->item[i].lane;
        if (lane->running || lane->front != &request->item[i]) {
            return NULL;
        }
    }
    struct commit_round *round = round_new(core, request->change_count);
    round->is_transaction = true;
    for (size_t i = 0; i < request->change_count; i++) {
        work_init(&round->works[i], lane_pop(request->item[i].lane));
    }
    return round;
}

static void lane_start(struct commit_core *core, struct commit_lane *lane)
{
    if (lane->running || lane->front == NULL) {
        return;
    }
    struct commit_request *request = lane->front->request;
    struct commit_round *round =
        request->is_transaction ? round_of_transaction(core, request) : round_of_lane(core, lane);
    if (round != NULL) {
        core->ports.run(core->ports.arg, commit_round_run, round);
    }
}

/* ---- requests come and go -------------------------------------------------------------------- */

static int admit(struct commit_core *core, struct commit_request *request)
{
    if (core->draining) {
        return error_set(&request->err, ERR_UNAVAILABLE, "The catalog is shutting down");
    }
    if (core->pending >= core->pending_max) {
        return error_set(&request->err, ERR_TOO_MANY_REQUESTS, "Too many commits are waiting");
    }
    core->pending++;
    return 0;
}

void commit_core_submit(struct commit_core *core, struct commit_request *request)
{
    struct str *keys = ARENA_ARRAY(request->arena, struct str, request->change_count);

    assert(request->change_count > 0 && request->done != NULL);
    assert(request->is_transaction || request->change_count == 1);
    request->version = NULL;
    request->item = ARENA_ARRAY(request->arena, struct commit_item, request->change_count);
    for (size_t i = 0; i < request->change_count; i++) {
        keys[i] = lane_key(request, &request->changes[i].ident);
    }
    pthread_mutex_lock(&core->lock);
    if (admit(core, request) != 0) {
        pthread_mutex_unlock(&core->lock);
        request->result = -1;
        request->done(request);
        return;
    }
    for (size_t i = 0; i < request->change_count; i++) {
        struct commit_item *item = &request->item[i];
        item->request = request;
        item->change = &request->changes[i];
        item->lane = lane_get(core, keys[i]);
        item->queued_us = clock_monotonic_us(&clock_system);
        lane_push(item->lane, item);
    }
    lane_start(core, request->item[0].lane);
    pthread_mutex_unlock(&core->lock);
}

/* Hands an item's result to its request. A transaction's items all carry the same one. */
static void request_settle(struct commit_request *request, struct commit_item *item,
                           struct lane_work *work)
{
    assert(item->state != ITEM_WAITING);
    if (item->state == ITEM_FAILED) {
        request->result = -1;
        request->err = item->err;
        assert(request->err.kind != ERR_NONE);
        return;
    }
    request->result = 0;
    if (!request->is_transaction) {
        request->version = work->changed ? work->version : work->base.version;
        assert(request->version != NULL);
        object_version_ref(request->version);
    }
}

static void round_release_lanes(struct commit_core *core, struct commit_round *round)
{
    pthread_mutex_lock(&core->lock);
    for (size_t i = 0; i < round->work_count; i++) {
        struct lane_work *work = &round->works[i];
        assert(work->lane->running);
        work->lane->running = false;
        lane_put_back(work->lane, work->left_over);
    }
    for (size_t i = 0; i < round->work_count; i++) {
        struct commit_lane *lane = round->works[i].lane;
        lane_start(core, lane);
        lane_remove_if_idle(core, lane);
    }
    pthread_mutex_unlock(&core->lock);
}

static size_t round_answer(struct commit_round *round)
{
    int64_t now_us = clock_monotonic_us(&clock_system);
    size_t answered = 0;

    for (size_t i = 0; i < round->work_count; i++) {
        struct lane_work *work = &round->works[i];
        for (struct commit_item *item = work->items, *next; item != NULL; item = next) {
            struct commit_request *request = item->request;
            next = item->next;
            metric_observe(METRIC_COMMIT_SECONDS, now_us - item->queued_us);
            if (request->is_transaction && i + 1 < round->work_count) {
                continue; /* one answer for all its tables, from the last */
            }
            request_settle(request, item, work);
            request->done(request); /* may free the request and the item */
            answered++;
        }
    }
    return answered;
}

static void round_finished(struct commit_round *round)
{
    struct commit_core *core = round->core;

    round_release_lanes(core, round);
    size_t answered = round_answer(round);
    for (size_t i = 0; i < round->work_count; i++) {
        object_version_unref(round->works[i].version);
        object_version_unref(round->works[i].base.version);
    }
    arena_free(round->arena);
    pthread_mutex_lock(&core->lock);
    assert(core->pending >= answered);
    core->pending -= answered;
    if (core->pending == 0) {
        pthread_cond_broadcast(&core->idle);
    }
    pthread_mutex_unlock(&core->lock);
}

void commit_core_drain(struct commit_core *core)
{
    pthread_mutex_lock(&core->lock);
    core->draining = true;
    while (core->pending > 0) {
        pthread_cond_wait(&core->idle, &core->lock);
    }
    pthread_mutex_unlock(&core->lock);
}

void commit_core_free(struct commit_core *core)
{
    assert(core->pending == 0);
    for (size_t i = 0; i < LANE_BUCKETS; i++) {
        assert(core->buckets[i] == NULL);
    }
    pthread_mutex_destroy(&core->lock);
    pthread_cond_destroy(&core->idle);
    free(core);
}
