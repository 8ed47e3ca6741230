/* Threads over one bounded first-in-first-out queue.
 *
 * 1. Every item that was accepted runs exactly once, on a thread of the pool; only what is pushed
 *    while work_queue_close joins the threads may run on the closing thread.
 * 2. No lock is held while an item runs, so an item may push.
 * 3. The threads take no signals: those go to the thread that waits for them.
 * 4. While an item waits and a thread is idle, one thread is on its way (`waking`). One at a time:
 *    whoever comes wakes the next if there is still more, so that short items are done by few
 *    threads and not by as many as there are items, each woken for one. */
#include "base/work_queue.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define CAPACITY_MIN 64

struct item {
    void (*fn)(void *arg);
    void *arg;
};

struct work_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* an item came, or closing was set */
    struct item *items;     /* a ring of `capacity`, a power of two */
    size_t capacity;
    size_t first, count;
    size_t items_max;
    size_t idle; /* threads in pthread_cond_wait */
    bool waking; /* one of them was signalled and has not come yet */
    bool closing;
    char name[16];
    size_t thread_count;
    pthread_t threads[];
};

static void *must_alloc(void *old, size_t bytes)
{
    void *ptr = realloc(old, bytes);
    if (ptr == NULL)
        log_fatal("out of memory: %zu bytes", bytes);
    return ptr;
}

static void lock(struct work_queue *queue)
{
    int rc = pthread_mutex_lock(&queue->lock);
    assert(rc == 0);
    (void)rc;
}

static void unlock(struct work_queue *queue)
{
    int rc = pthread_mutex_unlock(&queue->lock);
    assert(rc == 0);
    (void)rc;
}

/* Takes the oldest item, if any; with the lock held. */
static bool take(struct work_queue *queue, struct item *out)
{
    if (queue->count == 0)
        return false;
    *out = queue->items[queue->first];
    queue->first = (queue->first + 1) & (queue->capacity - 1);
    queue->count--;
    return true;
}

/* Keeps rule 4; with the lock held. */
static void wake_one(struct work_queue *queue)
{
    if (queue->count == 0 || queue->idle == 0 || queue->waking)
        return;
    queue->waking = true;
    pthread_cond_signal(&queue->changed);
}

static void wait_for_change(struct work_queue *queue)
{
    queue->idle++;
    pthread_cond_wait(&queue->changed, &queue->lock);
    queue->idle--;
    queue->waking = false; /* or it woke by itself: then one signal more may be sent, never less */
}

static void *run_thread(void *arg)
{
    struct work_queue *queue = arg;
    struct item item;
    pthread_setname_np(pthread_self(), queue->name);
    lock(queue);
    for (;;) {
        if (take(queue, &item)) {
            wake_one(queue);
            unlock(queue);
            item.fn(item.arg);
            lock(queue);
        } else if (queue->closing) {
            break;
        } else {
            wait_for_change(queue);
        }
    }
    unlock(queue);
    return NULL;
}

struct work_queue *work_queue_open(const char *name, size_t threads, size_t items_max)
{
    assert(threads > 0 && items_max > 0);
    size_t bytes = sizeof(struct work_queue) + threads * sizeof(pthread_t);
    struct work_queue *queue = memset(must_alloc(NULL, bytes), 0, bytes);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    queue->capacity = CAPACITY_MIN;
    queue->items = must_alloc(NULL, queue->capacity * sizeof(struct item));
    queue->items_max = items_max;
    snprintf(queue->name, sizeof(queue->name), "%s", name);

    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; queue->thread_count < threads; queue->thread_count++) {
        int rc = pthread_create(&queue->threads[queue->thread_count], NULL, run_thread, queue);
        if (rc != 0)
            log_fatal("cannot start a thread of %s: errno %d", name, rc);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return queue;
}

static void grow(struct work_queue *queue)
{
    size_t capacity = queue->capacity * 2;
    struct item *items = must_alloc(NULL, capacity * sizeof(struct item));
    for (size_t i = 0; i < queue->count; i++)
        items[i] = queue->items[(queue->first + i) & (queue->capacity - 1)];
    free(queue->items);
    queue->items = items;
    queue->capacity = capacity;
    queue->first = 0;
}

static bool push(struct work_queue *queue, struct item item, size_t items_max)
{
    assert(item.fn != NULL);
    lock(queue);
    bool accepted = queue->count < items_max;
    if (accepted) {
        if (queue->count == queue->capacity)
            grow(queue);
        queue->items[(queue->first + queue->count) & (queue->capacity - 1)] = item;
        queue->count++;
        wake_one(queue); /* under the lock: running the item may bring the close */
    }
    unlock(queue);
    return accepted;
}

bool work_queue_push(struct work_queue *queue, void (*fn)(void *arg), void *arg)
{
    return push(queue, (struct item){fn, arg}, queue->items_max);
}

void work_queue_push_continuation(struct work_queue *queue, void (*fn)(void *arg), void *arg)
{
    push(queue, (struct item){fn, arg}, (size_t)-1);
}

size_t work_queue_depth(struct work_queue *queue)
{
    lock(queue);
    size_t depth = queue->count;
    unlock(queue);
    return depth;
}

void work_queue_close(struct work_queue *queue)
{
    if (queue == NULL)
        return;
    lock(queue);
    queue->closing = true;
    unlock(queue);
    pthread_cond_broadcast(&queue->changed);
    for (size_t i = 0; i < queue->thread_count; i++)
        pthread_join(queue->threads[i], NULL);
    struct item item;
    while (take(queue, &item))
        item.fn(item.arg);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue->items);
    free(queue);
}
