/* The metastore's contract: many threads at once, the order of `done`, closing. */
#include "tests/contract/metastore_cases.h"

#include <pthread.h>

#define THREADS 16
#define ROUNDS 40

struct worker {
    struct metastore_fixture *fixture;
    int number;
    int applied, conflicts, wrong;
    pthread_t thread;
};

static struct object_row read_object(struct worker *worker, struct arena *arena, struct str name)
{
    struct object_name wanted = {
        .warehouse_id = worker->fixture->warehouse_id, .namespace_key = STR("n"), .name = name};
    struct object_row row = {0};
    struct error err;
    bool found = false;
    if (metastore_object_find(worker->fixture->store, &wanted, arena, &row, &found, &err) != 0 ||
        !found)
        worker->wrong++;
    return row;
}

static void commit_once(struct worker *worker, struct str name)
{
    struct arena *arena = arena_new();
    struct object_row row = read_object(worker, arena, name);
    struct str next = arena_printf(arena, "%d/%d", worker->number, worker->applied);
    struct change change = move_pointer(&row, next.ptr);
    struct history_row history = {.operation = "updateTable", .commit_id = next};
    struct change_set set = {
        .changes = &change, .change_count = 1, .history = &history, .history_count = 1};
    switch (metastore_apply(worker->fixture->store, &set)) {
    case CHANGE_APPLIED:
        worker->applied++;
        /* A read that begins after `done` sees the change, or a later one. */
        if (read_object(worker, arena, name).version < change.version)
            worker->wrong++;
        break;
    case CHANGE_CONFLICT:
        worker->conflicts++;
        break;
    default:
        worker->wrong++;
    }
    arena_free(arena);
}

static void *commit_to_shared(void *arg)
{
    struct worker *worker = arg;
    for (int i = 0; i < ROUNDS; i++)
        commit_once(worker, STR("shared"));
    return NULL;
}

static void *commit_to_own(void *arg)
{
    struct worker *worker = arg;
    char name[20];
    int len = snprintf(name, sizeof(name), "own%d", worker->number);
    for (int i = 0; i < ROUNDS; i++)
        commit_once(worker, str_from(name, (size_t)len));
    return NULL;
}

static void run_workers(struct metastore_fixture *f, struct worker *workers, void *(*fn)(void *))
{
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fixture = f, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, fn, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static size_t history_length(struct metastore_fixture *f, const char *name)
{
    struct object_name object = {
        .warehouse_id = f->warehouse_id, .namespace_key = STR("n"), .name = str_cstr(name)};
    struct history_row *rows;
    size_t count;
    struct error err;
    assert_int_equal(metastore_history_list(f->store, &object, 0, 0, f->arena, &rows, &count, &err),
                     0);
    for (size_t i = 1; i < count; i++) { /* an unbroken chain */
        assert_int_equal(rows[i].version + 1, rows[i - 1].version);
        assert_true(str_equal(rows[i].metadata_location, rows[i - 1].parent_location));
    }
    return count;
}

static void commits_to_one_table_add_up(void **state)
{
    struct metastore_fixture *f = *state;
    struct worker workers[THREADS];
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "shared", "s3://bucket/wh/shared"));
    run_workers(f, workers, commit_to_shared);
    int applied = 0, conflicts = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        applied += workers[i].applied;
        conflicts += workers[i].conflicts;
    }
    assert_int_equal(applied + conflicts, THREADS * ROUNDS);
    assert_int_equal(get_object(f, "n", "shared").version, 1 + applied);
    assert_int_equal(history_length(f, "shared"), applied);
}

static void commits_to_own_tables_all_succeed(void **state)
{
    struct metastore_fixture *f = *state;
    struct worker workers[THREADS];
    must_apply(f, make_namespace(f, "n"));
    for (int i = 0; i < THREADS; i++) {
        struct str name = arena_printf(f->arena, "own%d", i);
        struct str place = arena_printf(f->arena, "s3://bucket/wh/own%d", i);
        must_apply(f, make_table(f, "n", name.ptr, place.ptr));
    }
    run_workers(f, workers, commit_to_own);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        assert_int_equal(workers[i].applied, ROUNDS);
        struct str name = arena_printf(f->arena, "own%d", i);
        assert_int_equal(get_object(f, "n", name.ptr).version, 1 + ROUNDS);
        assert_int_equal(history_length(f, name.ptr), ROUNDS);
    }
}

/* ---- done ------------------------------------------------------------------------------------ */

#define QUEUED 1000

struct order {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t next; /* the set whose turn it is */
    size_t out_of_order;
};

struct queued_set {
    struct change_set set;
    struct change change;
    size_t number;
    struct order *order;
};

static void note_order(struct change_set *set)
{
    struct queued_set *queued = set->arg;
    struct order *order = queued->order;
    (void)pthread_mutex_lock(&order->mutex);
    order->out_of_order += queued->number != order->next;
    order->next++;
    (void)pthread_cond_signal(&order->changed);
    (void)pthread_mutex_unlock(&order->mutex);
}

static void submit_chain(struct metastore_fixture *f, struct queued_set *queued,
                         struct order *order)
{
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/t"));
    struct object_row row = get_object(f, "n", "t");
    row.metadata_location = STR("m0");
    for (size_t i = 0; i < QUEUED; i++) {
        queued[i].change = move_pointer(&row, arena_printf(f->arena, "m%zu", i + 1).ptr);
        if (i % 10 == 5) { /* one that fails among those that do not */
            queued[i].change.expect_version = 100000;
        } else {
            row.version++;
            row.metadata_location = queued[i].change.metadata_location;
        }
        queued[i].number = i;
        queued[i].order = order;
        queued[i].set = (struct change_set){
            .changes = &queued[i].change, .change_count = 1, .done = note_order, .arg = &queued[i]};
        metastore_submit(f->store, &queued[i].set);
    }
}

/* Sets of one table that build upon each other, all in the queue at once. */
static void done_comes_in_the_order_of_submission(void **state)
{
    struct metastore_fixture *f = *state;
    struct order order = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
    struct queued_set *queued = calloc(QUEUED, sizeof(*queued));
    submit_chain(f, queued, &order);
    (void)pthread_mutex_lock(&order.mutex);
    while (order.next < QUEUED)
        (void)pthread_cond_wait(&order.changed, &order.mutex);
    (void)pthread_mutex_unlock(&order.mutex);
    assert_int_equal(order.out_of_order, 0);
    for (size_t i = 0; i < QUEUED; i++)
        assert_int_equal(queued[i].set.outcome, i % 10 == 5 ? CHANGE_CONFLICT : CHANGE_APPLIED);
    assert_int_equal(get_object(f, "n", "t").version, 1 + QUEUED / 10 * 9);
    free(queued);
}

static void closing_answers_everything(void **state)
{
    struct metastore_fixture *f = *state;
    struct order order = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
    struct queued_set *queued = calloc(QUEUED, sizeof(*queued));
    submit_chain(f, queued, &order);
    metastore_close(f->store);
    f->store = NULL;
    assert_int_equal(order.next, QUEUED);
    size_t applied = 0;
    for (size_t i = 0; i < QUEUED; i++) {
        enum change_outcome outcome = queued[i].set.outcome;
        assert_true(outcome == CHANGE_APPLIED || outcome == CHANGE_UNAVAILABLE || i % 10 == 5);
        applied += outcome == CHANGE_APPLIED;
    }
    f->store = f->opener->open(f->opener->arg);
    assert_int_equal(get_object(f, "n", "t").version, 1 + applied);
    free(queued);
}

const struct CMUnitTest metastore_thread_cases[] = {
    METASTORE_CASE(commits_to_one_table_add_up),
    METASTORE_CASE(commits_to_own_tables_all_succeed),
    METASTORE_CASE(done_comes_in_the_order_of_submission),
    METASTORE_CASE(closing_answers_everything),
};
const size_t metastore_thread_case_count = COUNT_OF(metastore_thread_cases);
