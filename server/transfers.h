/* The threads that run streamed exchanges (http_stream.h): each blocks for its client or for a
 * store as long as that takes, so they are many, have small stacks, and are not the workers of the
 * catalog. They are started when they are needed and leave when there is nothing to do for a while.
 * Threads: push from any thread. */
#ifndef SERVER_TRANSFERS_H
#define SERVER_TRANSFERS_H

#include <stdbool.h>
#include <stddef.h>

struct transfers;

/* At most `threads` run at once, and `waiting_max` wait for one of them. `idle_ms`: how long a
 * thread without work stays. */
struct transfers *transfers_open(size_t threads, size_t waiting_max, int idle_ms);

/* Runs fn(arg) on one of the threads. false when too many wait: the caller answers "slow down".
 * Never blocks. */
bool transfers_push(struct transfers *transfers, void (*fn)(void *arg), void *arg);

size_t transfers_running(struct transfers *transfers);
size_t transfers_threads(struct transfers *transfers); /* those that there are */

/* Runs what waits, and returns when all threads have left. Nothing is pushed any more. */
void transfers_close(struct transfers *transfers);

#endif
