/* What every request of one running server shares. Made by main.c before the first request and torn
 * down after the last; all but the atomics is constant in between. */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "base/clock.h"
#include "base/random.h"
#include "base/work_queue.h"
#include "catalog/delegation.h"
#include <stdatomic.h>

struct auth;
struct idempotent_waiting;
struct s3_gateway;

struct service {
    struct catalog *catalog;
    struct auth *auth;
    struct s3_gateway *gateway;
    struct work_queue *workers;
    struct delegation_settings delegation;
    const char *public_uri; /* how clients reach this server; "": as their Host says */
    const struct clock *clock;
    const struct random_source *random;
    int64_t idempotency_lifetime_ms; /* 0: keys are ignored and not advertised */
    char namespace_separator;        /* announced besides U+001F; '\0': none */
    bool is_fixture;                 /* everybody knows a client admin with the secret password */
    bool access_log;                 /* one line per request */
    struct idempotent_waiting *waiting; /* duplicates of requests that still run */
    char request_id_seed[17];           /* of this process: made ids begin with it */
    _Atomic uint64_t request_ids;
    atomic_bool draining; /* not ready any more; still serving */
    atomic_bool stopping; /* every new request is refused; what runs is finished */
};

#endif
