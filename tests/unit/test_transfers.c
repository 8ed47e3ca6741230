/* The threads of streamed exchanges: as many as are needed, never more than allowed. */
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "server/transfers.h"

static struct {
    _Atomic int begun, done;
    sem_t gate;
} test;

static int start(void **state)
{
    (void)state;
    test.begun = test.done = 0;
    sem_init(&test.gate, 0, 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    sem_destroy(&test.gate);
    return 0;
}

static void wait_at_gate(void *arg)
{
    (void)arg;
    test.begun++;
    while (sem_wait(&test.gate) != 0)
        continue;
    test.done++;
}

static void count(void *arg)
{
    (void)arg;
    test.done++;
}

static void open_gate(int times)
{
    while (times-- > 0)
        sem_post(&test.gate);
}

static void wait_for(_Atomic int *counter, int value)
{
    for (int i = 0; i < 1000 && atomic_load(counter) != value; i++)
        poll(NULL, 0, 10);
    assert_int_equal(atomic_load(counter), value);
}

static void runs_and_queues_up_to_the_limits(void **state)
{
    (void)state;
    struct transfers *t = transfers_open(4, 3, 10000);
    assert_int_equal(transfers_threads(t), 0);
    for (int i = 0; i < 7; i++)
        assert_true(transfers_push(t, wait_at_gate, NULL));
    for (int i = 0; i < 3; i++)
        assert_false(transfers_push(t, wait_at_gate, NULL));
    wait_for(&test.begun, 4);
    assert_int_equal(transfers_running(t), 4);
    assert_int_equal(transfers_threads(t), 4);
    open_gate(2);
    wait_for(&test.begun, 6);
    assert_true(transfers_push(t, wait_at_gate, NULL));
    assert_true(transfers_push(t, wait_at_gate, NULL));
    assert_false(transfers_push(t, wait_at_gate, NULL));
    open_gate(7);
    transfers_close(t);
    assert_int_equal(test.done, 9);
}

static void nothing_waits_when_that_is_not_allowed(void **state)
{
    (void)state;
    struct transfers *t = transfers_open(2, 0, 10000);
    assert_true(transfers_push(t, wait_at_gate, NULL));
    assert_true(transfers_push(t, wait_at_gate, NULL));
    assert_false(transfers_push(t, wait_at_gate, NULL));
    open_gate(2);
    transfers_close(t);
    assert_int_equal(test.done, 2);
}

static void one_thread_does_for_one_after_the_other(void **state)
{
    (void)state;
    struct transfers *t = transfers_open(8, 0, 10000);
    for (int i = 0; i < 200; i++) {
        assert_true(transfers_push(t, count, NULL));
        wait_for(&test.done, i + 1);
        while (transfers_running(t) > 0)
            poll(NULL, 0, 1);
    }
    assert_int_equal(transfers_threads(t), 1);
    transfers_close(t);
}

static void threads_without_work_leave(void **state)
{
    (void)state;
    struct transfers *t = transfers_open(8, 0, 10);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++)
            assert_true(transfers_push(t, wait_at_gate, NULL));
        wait_for(&test.begun, 8 * (round + 1));
        open_gate(8);
        for (int i = 0; i < 1000 && transfers_threads(t) > 0; i++)
            poll(NULL, 0, 10);
        assert_int_equal(transfers_threads(t), 0);
    }
    transfers_close(t);
    assert_int_equal(test.done, 24);
}

#define PUSHERS 8
#define PUSHES 2000

static void *push_many(void *arg)
{
    int accepted = 0;
    for (int i = 0; i < PUSHES; i++)
        accepted += transfers_push(arg, count, NULL);
    return (void *)(intptr_t)accepted;
}

static void what_is_accepted_runs_once(void **state)
{
    (void)state;
    struct transfers *t = transfers_open(5, 7, 1); /* threads come and go all the time */
    pthread_t threads[PUSHERS];
    intptr_t accepted = 0;
    for (int i = 0; i < PUSHERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, push_many, t), 0);
    for (int i = 0; i < PUSHERS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        accepted += (intptr_t)result;
    }
    transfers_close(t);
    assert_true(accepted > 0);
    assert_int_equal(test.done, accepted);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(runs_and_queues_up_to_the_limits),
        CASE(nothing_waits_when_that_is_not_allowed),
        CASE(one_thread_does_for_one_after_the_other),
        CASE(threads_without_work_leave),
        CASE(what_is_accepted_runs_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
