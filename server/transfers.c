/* Threads that come and go, over one bounded first-in-first-out queue.
 *
 * 1. What was accepted runs exactly once, and is accepted only if a thread is there to run it.
 * 2. No lock is held while it runs.
 * 3. Idle threads are at least as many as what waits, or there are as many threads as there may be;
 *    none is started while an idle one will do.
 * 4. While an item is there and a thread waits, one is on its way (`waking`), and whoever comes
 * wakes the next: so short items are done by few threads, and not by one each that is woken for it.
 * 5. The threads take no signals: those go to the thread that waits for them. */
#include "server/transfers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"

#define STACK_BYTES ((size_t)512 * 1024) /* reserved; only what is touched is resident */

struct item {
    void (*fn)(void *arg);
    void *arg;
};

struct transfers {
    pthread_mutex_t lock;
    pthread_cond_t came; /* something to do, or closing */
    pthread_cond_t left; /* the last thread did */
    size_t threads_max, waiting_max;
    int idle_ms;
    size_t threads, idle; /* idle: has no item in hand, whether it has come to wait yet or not */
    size_t first, count;  /* of items, a ring */
    size_t waiting;       /* in pthread_cond_timedwait */
    bool waking;          /* one of these was signalled and has not come yet */
    bool closing;
    size_t capacity;
    struct item items[];
};

/* Keeps rule 4; with the lock held. Whether `came` must be signalled: without the lock, for which
 * the woken thread would only wait. */
static bool wakes_one(struct transfers *t)
{
    if (t->count == 0 || t->waiting == 0 || t->waking)
        return false;
    t->waking = true;
    return true;
}

/* Waits for something to do; with the lock held. False: the thread shall leave. */
static bool wait_for_item(struct transfers *t)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += t->idle_ms / 1000;
    until.tv_nsec += t->idle_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    int rc = 0;
    while (t->count == 0 && !t->closing && rc != ETIMEDOUT) {
        t->waiting++;
        rc = pthread_cond_timedwait(&t->came, &t->lock, &until);
        t->waiting--;
        t->waking = false; /* or it woke by itself: then one signal more may be sent, never less */
    }
    return t->count > 0;
}

static void *run_thread(void *arg)
{
    struct transfers *t = arg;
    pthread_setname_np(pthread_self(), "transfer");
    pthread_mutex_lock(&t->lock);
    while (wait_for_item(t)) {
        struct item item = t->items[t->first];
        t->first = (t->first + 1) % t->capacity;
        t->count--;
        t->idle--;
        bool wakes = wakes_one(t);
        pthread_mutex_unlock(&t->lock);
        if (wakes)
            pthread_cond_signal(&t->came);
        item.fn(item.arg);
        pthread_mutex_lock(&t->lock);
        t->idle++;
    }
    t->idle--;
    if (--t->threads == 0)
        pthread_cond_signal(&t->left);
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* With the lock held. */
static bool start_thread(struct transfers *t)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int rc = pthread_create(&thread, &attributes, run_thread, t);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        log_warn("cannot start a thread for a transfer: errno %d", rc);
        return false;
    }
    t->threads++;
    t->idle++;
    return true;
}

struct transfers *transfers_open(size_t threads, size_t waiting_max, int idle_ms)
{
    assert(threads > 0 && idle_ms >= 0);
    size_t capacity = threads + waiting_max;
    struct transfers *t = calloc(1, sizeof(*t) + capacity * sizeof(struct item));
    if (t == NULL)
        log_fatal("out of memory: %zu transfers", capacity);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->came, &monotonic);
    pthread_cond_init(&t->left, NULL);
    pthread_condattr_destroy(&monotonic);
    t->threads_max = threads;
    t->waiting_max = waiting_max;
    t->idle_ms = idle_ms;
    t->capacity = capacity;
    return t;
}

bool transfers_push(struct transfers *t, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&t->lock);
    assert(!t->closing);
    bool accepted = t->count < t->idle || (t->threads < t->threads_max && start_thread(t)) ||
                    (t->threads > 0 && t->count < t->idle + t->waiting_max);
    if (accepted) {
        assert(t->count < t->capacity);
        t->items[(t->first + t->count) % t->capacity] = (struct item){fn, arg};
        t->count++;
    }
    bool wakes = wakes_one(t);
    pthread_mutex_unlock(&t->lock);
    if (wakes)
        pthread_cond_signal(&t->came);
    return accepted;
}

size_t transfers_running(struct transfers *t)
{
    pthread_mutex_lock(&t->lock);
    size_t running = t->threads - t->idle;
    pthread_mutex_unlock(&t->lock);
    return running;
}

size_t transfers_threads(struct transfers *t)
{
    pthread_mutex_lock(&t->lock);
    size_t threads = t->threads;
    pthread_mutex_unlock(&t->lock);
    return threads;
}

void transfers_close(struct transfers *t)
{
    pthread_mutex_lock(&t->lock);
    t->closing = true;
    pthread_cond_broadcast(&t->came);
    while (t->threads > 0)
        pthread_cond_wait(&t->left, &t->lock);
    assert(t->count == 0);
    pthread_mutex_unlock(&t->lock);
    pthread_cond_destroy(&t->came);
    pthread_cond_destroy(&t->left);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
