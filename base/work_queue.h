/* A pool of threads over one bounded queue. Items are a function and its argument; who pushes keeps
 * the argument alive until the function ran. Every pushed item runs, also during work_queue_close.
 * Threads: push from any thread. */
#ifndef BASE_WORK_QUEUE_H
#define BASE_WORK_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct work_queue;

struct work_queue *work_queue_open(const char *name, size_t threads, size_t items_max);

/* false when the queue is full: the caller answers "too many requests". */
bool work_queue_push(struct work_queue *queue, void (*fn)(void *arg), void *arg);

/* Never refuses: for continuations of work that was already admitted. */
void work_queue_push_continuation(struct work_queue *queue, void (*fn)(void *arg), void *arg);

size_t work_queue_depth(struct work_queue *queue);
void work_queue_close(struct work_queue *queue); /* runs what is queued, joins the threads */

#endif
