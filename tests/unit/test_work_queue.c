/* Tests of base/work_queue. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/work_queue.h"

/* A gate holds the threads of a queue until it is opened. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int waiting;
};

static void gate_init(struct gate *gate)
{
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
    gate->open = false;
    gate->waiting = 0;
}

static void gate_wait(void *arg)
{
    struct gate *gate = arg;
    pthread_mutex_lock(&gate->lock);
    gate->waiting++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    gate->waiting--;
    pthread_mutex_unlock(&gate->lock);
}

static int gate_left(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    int left = gate->waiting;
    pthread_mutex_unlock(&gate->lock);
    return left;
}

static void gate_await(struct gate *gate, int waiting)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->waiting < waiting)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void count_up(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

static void close_runs_what_is_queued(void **state)
{
    (void)state;
    _Atomic int count = 0;
    struct work_queue *queue = work_queue_open("test", 3, 10000);
    for (int i = 0; i < 5000; i++)
        assert_true(work_queue_push(queue, count_up, &count));
    work_queue_close(queue);
    assert_int_equal(count, 5000);
    work_queue_close(work_queue_open("idle", 4, 1));
    work_queue_close(NULL);
}

static void refuses_when_full(void **state)
{
    (void)state;
    struct gate gate;
    _Atomic int count = 0;
    gate_init(&gate);
    struct work_queue *queue = work_queue_open("test", 2, 100);
    assert_true(work_queue_push(queue, gate_wait, &gate));
    assert_true(work_queue_push(queue, gate_wait, &gate));
    gate_await(&gate, 2); /* both threads are busy: nothing leaves the queue now */
    for (int i = 0; i < 100; i++)
        assert_true(work_queue_push(queue, count_up, &count));
    assert_int_equal(work_queue_depth(queue), 100);
    assert_false(work_queue_push(queue, count_up, &count));
    for (int i = 0; i < 300; i++)
        work_queue_push_continuation(queue, count_up, &count);
    assert_int_equal(work_queue_depth(queue), 400);
    assert_false(work_queue_push(queue, count_up, &count));
    gate_open(&gate);
    work_queue_close(queue);
    assert_int_equal(count, 400);
}

static void idle_threads_wake_up(void **state)
{
    (void)state;
    struct work_queue *queue = work_queue_open("test", 2, 10);
    for (int round = 0; round < 5; round++) {
        struct gate gate;
        gate_init(&gate);
        usleep(2000); /* the threads find nothing and wait */
        assert_true(work_queue_push(queue, gate_wait, &gate));
        assert_true(work_queue_push(queue, gate_wait, &gate));
        gate_await(&gate, 2); /* both run, at the same time */
        gate_open(&gate);
        while (gate_left(&gate) > 0)
            usleep(100);
    }
    work_queue_close(queue);
}

struct order {
    int next;
    bool wrong;
};

struct numbered {
    struct order *order;
    int number;
};

static void check_order(void *arg)
{
    struct numbered *item = arg;
    item->order->wrong = item->order->wrong || item->number != item->order->next;
    item->order->next++;
}

static void one_thread_keeps_the_order(void **state)
{
    (void)state;
    static struct numbered items[1000];
    struct order order = {0, false};
    struct work_queue *queue = work_queue_open("test", 1, 2000);
    for (int i = 0; i < 1000; i++) {
        items[i] = (struct numbered){&order, i};
        if (i % 3 == 0)
            work_queue_push_continuation(queue, check_order, &items[i]);
        else
            assert_true(work_queue_push(queue, check_order, &items[i]));
        if (i % 100 == 0)
            usleep(100); /* lets the thread drain it, so that the ring wraps */
    }
    work_queue_close(queue);
    assert_int_equal(order.next, 1000);
    assert_false(order.wrong);
}

struct chain {
    struct work_queue *queue;
    _Atomic int left;
};

static void continue_chain(void *arg)
{
    struct chain *chain = arg;
    if (atomic_fetch_sub(&chain->left, 1) > 1)
        work_queue_push_continuation(chain->queue, continue_chain, chain);
}

static void close_waits_for_continuations(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct chain chain;
        atomic_init(&chain.left, 100);
        chain.queue = work_queue_open("test", 1 + (size_t)round % 3, 1);
        assert_true(work_queue_push(chain.queue, continue_chain, &chain));
        work_queue_close(chain.queue);
        assert_int_equal(chain.left, 0);
    }
}

struct pusher {
    struct work_queue *queue;
    _Atomic int *count;
    int accepted;
};

static void *push_many(void *arg)
{
    struct pusher *pusher = arg;
    for (int i = 0; i < 5000; i++) {
        if (i % 10 == 0) {
            work_queue_push_continuation(pusher->queue, count_up, pusher->count);
            pusher->accepted++;
        } else {
            pusher->accepted += work_queue_push(pusher->queue, count_up, pusher->count);
        }
    }
    return NULL;
}

static void every_accepted_item_runs_once(void **state)
{
    (void)state;
    _Atomic int count = 0;
    int accepted = 0;
    struct work_queue *queue = work_queue_open("test", 4, 64);
    pthread_t threads[4];
    struct pusher pushers[4];
    for (int i = 0; i < 4; i++) {
        pushers[i] = (struct pusher){queue, &count, 0};
        pthread_create(&threads[i], NULL, push_many, &pushers[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        accepted += pushers[i].accepted;
    }
    work_queue_close(queue);
    assert_int_equal(count, accepted);
    assert_true(accepted >= 4 * 500);
}

static void look_at_signals(void *arg)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    *(bool *)arg = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1;
}

static void threads_take_no_signals(void **state)
{
    (void)state;
    bool blocked = false;
    sigset_t mask;
    struct work_queue *queue = work_queue_open("a name that is too long", 1, 1);
    assert_true(work_queue_push(queue, look_at_signals, &blocked));
    work_queue_close(queue);
    assert_true(blocked);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_runs_what_is_queued),
        cmocka_unit_test(refuses_when_full),
        cmocka_unit_test(idle_threads_wake_up),
        cmocka_unit_test(one_thread_keeps_the_order),
        cmocka_unit_test(close_waits_for_continuations),
        cmocka_unit_test(every_accepted_item_runs_once),
        cmocka_unit_test(threads_take_no_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
