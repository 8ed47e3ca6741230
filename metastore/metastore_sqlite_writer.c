/* The writer: one thread, one connection, one transaction for everything that waits.
 *
 * Rules that always hold:
 * 1. Sets are applied, and answered, in the order they were submitted.
 * 2. A set is answered after its transaction has ended, outside of it, and not touched afterwards.
 * 3. A set that fails takes back its own writes only. A set of one change makes every check before
 *    its first write, so only an error of the database can stop it half-way: such a set runs
 * without a savepoint (that saves a fifth of the time), and when the error comes the whole
 * transaction is rolled back and run again with a savepoint for every set.
 * 4. What a set found inside a transaction that was not committed is not told: it may rest on
 *    changes that never were. Such a set is UNAVAILABLE.
 * 5. Once the outcome of a COMMIT could not be learned, or a page was corrupt, or a flush failed,
 *    nothing is written any more (`stopped`): every later set is UNAVAILABLE.
 * 6. Only this thread checkpoints, after it has answered. */
#include "metastore/metastore_sqlite_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"

#define CHECKPOINT_PAGES 8000      /* new pages in the journal that make a checkpoint due */
#define IDLE_CHECKPOINT_PAGES 1000 /* the same when nothing has come for IDLE_S */
#define IDLE_S 2

/* ---- the queue ------------------------------------------------------------------------------- */

static void lock(pthread_mutex_t *mutex)
{
    int rc = pthread_mutex_lock(mutex);
    assert(rc == 0);
    (void)rc;
}

static void unlock(pthread_mutex_t *mutex)
{
    int rc = pthread_mutex_unlock(mutex);
    assert(rc == 0);
    (void)rc;
}

static void refuse(struct change_set *set, const char *why)
{
    set->outcome = CHANGE_UNAVAILABLE;
    error_set(&set->error, ERR_UNAVAILABLE, "The catalog store takes no writes at the moment");
    error_detail(&set->error, "%s", why);
}

void sqlite_submit(struct metastore *base, struct change_set *set)
{
    struct sqlite_store *store = sqlite_store_of(base);
    set->next = NULL;
    set->outcome = CHANGE_APPLIED;
    set->failed_change = 0;
    error_clear(&set->error);

    lock(&store->queue_mutex);
    bool ended = store->ended;
    if (store->closing)
        refuse(set, "closing");
    if (!ended) {
        bool was_empty = store->queue_first == NULL;
        if (was_empty)
            store->queue_first = set;
        else
            store->queue_last->next = set;
        store->queue_last = set;
        if (was_empty)
            (void)pthread_cond_signal(&store->queue_filled);
    }
    unlock(&store->queue_mutex);
    if (ended)
        set->done(set); /* there is no writer thread any more */
}

void sqlite_writer_report_corrupt(struct sqlite_store *store)
{
    lock(&store->queue_mutex);
    store->corrupt = true;
    (void)pthread_cond_signal(&store->queue_filled);
    unlock(&store->queue_mutex);
}

static int uncopied_pages(const struct sqlite_store *store)
{
    return store->journal_pages - store->copied_pages;
}

/* Waits for work; true when it stayed idle for IDLE_S with a journal worth a checkpoint. */
static bool wait_for_work(struct sqlite_store *store)
{
    bool may_checkpoint = uncopied_pages(store) >= IDLE_CHECKPOINT_PAGES && !store->stopped;
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    while (store->queue_first == NULL && !store->closing && !(store->corrupt && !store->stopped)) {
        if (!may_checkpoint)
            (void)pthread_cond_wait(&store->queue_filled, &store->queue_mutex);
        else if (pthread_cond_timedwait(&store->queue_filled, &store->queue_mutex, &until) ==
                 ETIMEDOUT)
            return true;
    }
    return false;
}

enum work { WORK_GROUP, WORK_CHECKPOINT, WORK_FAIL_STOP, WORK_END };

/* The next thing to do; for WORK_GROUP at most group_max sets in their order. */
static enum work take_work(struct sqlite_store *store, struct change_set **group, size_t *count)
{
    enum work work = WORK_GROUP;
    lock(&store->queue_mutex);
    if (wait_for_work(store)) {
        work = WORK_CHECKPOINT;
    } else if (store->corrupt && !store->stopped) {
        work = WORK_FAIL_STOP;
    } else if (store->queue_first == NULL) {
        assert(store->closing);
        store->ended = true;
        work = WORK_END;
    } else {
        struct change_set *last = store->queue_first;
        *group = last;
        for (*count = 1; *count < store->group_max && last->next != NULL; ++*count)
            last = last->next;
        store->queue_first = last->next;
        last->next = NULL;
    }
    unlock(&store->queue_mutex);
    return work;
}

/* ---- fail-stop ------------------------------------------------------------------------------- */

static void fail_stop(struct sqlite_store *store, const char *reason)
{
    store->stopped = true;
    if (store->stop_answered)
        return;
    store->stop_answered = true;
    log_error("the catalog store %s takes no more writes: %s; restart, and if that fails restore a"
              " backup",
              store->path, reason);
    if (store->fatal == NULL)
        log_fatal("the catalog store has failed: %s", reason);
    store->fatal(store->fatal_arg, reason);
}

/* ---- one set --------------------------------------------------------------------------------- */

static int64_t newest_history_of(const struct change_set *set, size_t change_index,
                                 int64_t first_sequence)
{
    for (size_t i = set->history_count; i > 0; i--)
        if (set->history[i - 1].change_index == change_index)
            return first_sequence + (int64_t)(i - 1);
    return 0;
}

static enum change_outcome apply_changes(struct sqlite_store *store, struct change_set *set)
{
    if (set->change_count > store->before_capacity) {
        store->before_capacity = set->change_count;
        store->before = realloc(store->before, set->change_count * sizeof(*store->before));
        if (store->before == NULL)
            log_fatal("out of memory");
    }
    for (size_t i = 0; i < set->change_count; i++) {
        struct change_run run = {.writer = store->writer,
                                 .change = &set->changes[i],
                                 .history_newest = newest_history_of(set, i, store->next_sequence)};
        enum change_outcome outcome = sqlite_change_apply(&run);
        store->before[i] = run.history_before;
        if (FAILPOINT("metastore_after_change"))
            connection_fail(store->writer, SQLITE_CONSTRAINT);
        if (outcome != CHANGE_APPLIED || store->writer->rc != SQLITE_OK) {
            set->failed_change = i;
            return outcome;
        }
    }
    return CHANGE_APPLIED;
}

static enum change_outcome apply_whole(struct sqlite_store *store, struct change_set *set)
{
    /* A used key tells more than the conflict that the repeated request would meet. */
    if (!sqlite_rows_keys_free(store->writer, set))
        return CHANGE_KEY_USED;
    enum change_outcome outcome = apply_changes(store, set);
    if (outcome != CHANGE_APPLIED || store->writer->rc != SQLITE_OK)
        return outcome;
    sqlite_rows_history(store->writer, set, store->next_sequence, store->before, &store->noted);
    sqlite_rows_idempotency(store->writer, set);
    sqlite_rows_jobs(store->writer, set);
    sqlite_rows_reports(store->writer, set);
    return CHANGE_APPLIED;
}

static void run_sql(struct sqlite_connection *writer, const char *sql)
{
    struct sql_query query = sql_start(writer, sql);
    sql_run(&query);
}

static void task_done(struct change_set *set);

static void run_set(struct sqlite_store *store, struct change_set *set)
{
    if (set->done == task_done) {
        struct sqlite_task *task = set->arg;
        task->run(store->writer, task);
        set->outcome = CHANGE_APPLIED;
    } else {
        set->outcome = apply_whole(store, set);
    }
}

/* Is the error that of one set, and the transaction still there? */
static bool is_error_of_set(const struct sqlite_connection *writer)
{
    struct sqlite_verdict verdict = sqlite_judge(writer->rc, writer->system_errno, PHASE_CHANGE);
    return !verdict.fail_stop && !verdict.disk_full && !sqlite3_get_autocommit(writer->handle);
}

/* Applies one set. false: the transaction cannot go on, the error is on the connection. */
static bool apply_set(struct sqlite_store *store, struct change_set *set, bool careful)
{
    struct sqlite_connection *writer = store->writer;
    if (set->error.kind != ERR_NONE) /* refused when it came */
        return true;
    bool savepoint = careful || set->change_count > 1;
    if (savepoint)
        run_sql(writer, "SAVEPOINT change_set");
    run_set(store, set);
    if (writer->rc == SQLITE_OK && set->outcome == CHANGE_APPLIED) {
        store->next_sequence += (int64_t)set->history_count;
        if (savepoint)
            run_sql(writer, "RELEASE change_set");
        return writer->rc == SQLITE_OK;
    }
    if (writer->rc != SQLITE_OK) {
        if (!savepoint || !is_error_of_set(writer))
            return false;
        struct sqlite_failure failure = connection_take_error(writer);
        log_error("a change of the catalog store failed: %s", failure.text);
        refuse(set, failure.text);
    }
    if (savepoint) {
        run_sql(writer, "ROLLBACK TO change_set");
        run_sql(writer, "RELEASE change_set");
        store->noted.slice = -1;
    }
    return writer->rc == SQLITE_OK;
}

/* ---- one transaction ------------------------------------------------------------------------- */

static void roll_back(struct sqlite_store *store, int64_t next_sequence)
{
    struct sqlite_connection *writer = store->writer;
    store->next_sequence = next_sequence;
    store->noted.slice = -1;
    if (sqlite3_get_autocommit(writer->handle)) /* SQLite has done it already */
        return;
    run_sql(writer, "ROLLBACK");
    if (writer->rc != SQLITE_OK) {
        /* It can only fail when it has already happened. */
        log_error("ROLLBACK: %s", connection_take_error(writer).text);
        assert(sqlite3_get_autocommit(writer->handle));
    }
}

/* The phase in which the transaction failed, or PHASE_COMMIT; the error is on the connection. */
static enum sqlite_phase run_transaction(struct sqlite_store *store, struct change_set *group,
                                         bool careful)
{
    struct sqlite_connection *writer = store->writer;
    assert(writer->rc == SQLITE_OK && sqlite3_get_autocommit(writer->handle));
    if (FAILPOINT("metastore_before_begin"))
        connection_fail(writer, SQLITE_BUSY);
    run_sql(writer, "BEGIN IMMEDIATE");
    if (writer->rc != SQLITE_OK)
        return PHASE_BEGIN;
    for (struct change_set *set = group; set != NULL; set = set->next)
        if (!apply_set(store, set, careful))
            return PHASE_CHANGE;
    if (FAILPOINT("metastore_before_commit")) {
        connection_fail(writer, SQLITE_FULL);
        return PHASE_CHANGE;
    }
    if (FAILPOINT("metastore_commit_io_error")) /* a COMMIT that did not reach the disk */
        connection_fail(writer, SQLITE_IOERR_FSYNC);
    run_sql(writer, "COMMIT");
    if (FAILPOINT("metastore_after_commit")) /* one that did, and nobody heard */
        connection_fail(writer, SQLITE_IOERR_FSYNC);
    return PHASE_COMMIT;
}

/* Rules 4 and 5: what the sets of a transaction that did not commit are told. */
static void answer_failure(struct change_set *group, const struct sqlite_verdict *verdict,
                           const struct sqlite_failure *failure)
{
    for (struct change_set *set = group; set != NULL; set = set->next) {
        if (verdict->outcome != CHANGE_UNKNOWN || set->outcome != CHANGE_APPLIED) {
            refuse(set, failure->text);
            continue;
        }
        set->outcome = CHANGE_UNKNOWN;
        error_set(&set->error, ERR_COMMIT_STATE_UNKNOWN,
                  "It is not known whether the change was stored");
        error_detail(&set->error, "%s", failure->text);
    }
}

static void call_done(struct change_set *group)
{
    while (group != NULL) {
        struct change_set *next = group->next;
        group->done(group); /* may free the set, or submit it again */
        group = next;
    }
}

static void run_group(struct sqlite_store *store, struct change_set *group, size_t count)
{
    if (store->stopped) {
        for (struct change_set *set = group; set != NULL; set = set->next)
            refuse(set, "stopped after a failure");
        call_done(group);
        return;
    }
    int64_t started_us = clock_monotonic_us(&clock_system);
    int64_t sequence = store->next_sequence;
    enum sqlite_phase phase = run_transaction(store, group, false);
    if (phase == PHASE_CHANGE && is_error_of_set(store->writer)) { /* rule 3 */
        log_error("a transaction is repeated: %s", connection_take_error(store->writer).text);
        roll_back(store, sequence);
        phase = run_transaction(store, group, true);
    }
    struct sqlite_failure failure = connection_take_error(store->writer);
    struct sqlite_verdict verdict = sqlite_judge(failure.rc, failure.system_errno, phase);
    if (failure.rc != SQLITE_OK) {
        log_error("a transaction of the catalog store failed: %s", failure.text);
        store->stopped = store->stopped || verdict.fail_stop;
        roll_back(store, sequence);
        answer_failure(group, &verdict, &failure);
    }
    store->disk_full = verdict.disk_full;
    metric_add(METRIC_GROUPS, 1);
    metric_add(METRIC_GROUP_CHANGES, (int64_t)count);
    metric_observe(METRIC_GROUP_SECONDS, clock_monotonic_us(&clock_system) - started_us);
    call_done(group);
    if (verdict.fail_stop)
        fail_stop(store, failure.text);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

static int note_journal_pages(void *arg, sqlite3 *handle, const char *database, int pages)
{
    struct sqlite_store *store = arg;
    (void)handle;
    (void)database;
    if (pages < store->journal_pages) /* it was begun anew */
        store->copied_pages = 0;
    store->journal_pages = pages;
    return SQLITE_OK;
}

/* PASSIVE: it never waits for readers and never truncates the journal. */
static void checkpoint(struct sqlite_store *store)
{
    sqlite3 *handle = store->writer->handle;
    int rc = sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    /* Whatever came of it, it is due again after as many new pages: a reader may hold some back. */
    store->copied_pages = store->journal_pages;
    if (rc == SQLITE_OK || rc == SQLITE_BUSY)
        return;
    connection_note_error(store->writer, rc, true);
    struct sqlite_failure failure = connection_take_error(store->writer);
    struct sqlite_verdict verdict = sqlite_judge(rc, failure.system_errno, PHASE_CHECKPOINT);
    log_error("a checkpoint of the catalog store failed: %s", failure.text);
    if (verdict.fail_stop)
        fail_stop(store, failure.text);
}

static void *writer_main(void *arg)
{
    struct sqlite_store *store = arg;
    for (;;) {
        struct change_set *group = NULL;
        size_t count = 0;
        switch (take_work(store, &group, &count)) {
        case WORK_GROUP:
            run_group(store, group, count);
            if (uncopied_pages(store) >= CHECKPOINT_PAGES && !store->stopped)
                checkpoint(store);
            break;
        case WORK_CHECKPOINT:
            checkpoint(store);
            break;
        case WORK_FAIL_STOP:
            fail_stop(store, "a reader met a corrupt page");
            break;
        case WORK_END:
            return NULL;
        }
    }
}

/* ---- start, stop, tasks ---------------------------------------------------------------------- */

int sqlite_writer_start(struct sqlite_store *store, struct error *err)
{
    struct sql_query query =
        sql_start(store->writer, "SELECT coalesce(max(sequence), 0) FROM history");
    store->next_sequence = sql_row(&query) ? sql_get_int(&query, 0) + 1 : 0;
    sql_end(&query);
    if (store->writer->rc != SQLITE_OK) {
        error_set(err, ERR_INTERNAL, "Cannot read the catalog store %s", store->path);
        return error_detail(err, "%s", store->writer->text);
    }
    assert(store->next_sequence > 0);
    store->noted.slice = -1;
    (void)sqlite3_wal_hook(store->writer->handle, note_journal_pages, store);

    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&store->queue_mutex, NULL);
    (void)pthread_cond_init(&store->queue_filled, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    int rc = pthread_create(&store->writer_thread, NULL, writer_main, store);
    if (rc != 0) {
        error_set(err, ERR_INTERNAL, "Cannot start the writer thread");
        return error_detail(err, "%s", strerror(rc));
    }
    return 0;
}

void sqlite_writer_stop(struct sqlite_store *store)
{
    lock(&store->queue_mutex);
    store->closing = true;
    (void)pthread_cond_signal(&store->queue_filled);
    unlock(&store->queue_mutex);
    int rc = pthread_join(store->writer_thread, NULL);
    assert(rc == 0 && store->queue_first == NULL);
    (void)rc;
    free(store->before);
    (void)pthread_mutex_destroy(&store->queue_mutex);
    (void)pthread_cond_destroy(&store->queue_filled);
}

static void task_done(struct change_set *set)
{
    struct sqlite_task *task = set->arg;
    lock(&task->mutex);
    task->finished = true;
    (void)pthread_cond_signal(&task->changed);
    unlock(&task->mutex);
}

enum change_outcome sqlite_task_run(struct sqlite_store *store, struct sqlite_task *task)
{
    (void)pthread_mutex_init(&task->mutex, NULL);
    (void)pthread_cond_init(&task->changed, NULL);
    task->finished = false; /* a task may be run again */
    task->set = (struct change_set){.done = task_done, .arg = task};
    sqlite_submit(&store->base, &task->set);
    lock(&task->mutex);
    while (!task->finished)
        (void)pthread_cond_wait(&task->changed, &task->mutex);
    unlock(&task->mutex);
    (void)pthread_cond_destroy(&task->changed);
    (void)pthread_mutex_destroy(&task->mutex);
    return task->set.outcome;
}
