/* The janitor: sleeps until the next job of its table is due, or until it is stopped. A job that
 * fails is logged and comes again after its period. */
#include "server/janitor.h"

#include "base/log.h"
#include "catalog/sweeper.h"
#include "server/idempotent.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define SWEEP_JOBS_MAX 100
#define SWEEP_SOON_MS 50 /* what comes meanwhile is swept along */

static int release_waiting(struct service *service, struct error *err)
{
    (void)err;
    idempotent_release_waiting(service);
    return 0;
}

static int sweep(struct service *service, struct error *err)
{
    size_t done = SWEEP_JOBS_MAX;
    int result = 0;
    while (result == 0 && done == SWEEP_JOBS_MAX && !atomic_load(&service->stopping))
        result = catalog_sweep(service->catalog, SWEEP_JOBS_MAX, &done, err);
    return result;
}

static int expire(struct service *service, struct error *err)
{
    return catalog_expire(service->catalog, err);
}

static const struct {
    const char *name;
    int64_t period_ms;
    int (*fn)(struct service *service, struct error *err);
} jobs[] = {
    {"release waiting duplicates", 500, release_waiting},
    {"sweep", 5000, sweep},
    {"expire", 60000, expire},
};
#define JOB_COUNT (sizeof(jobs) / sizeof(jobs[0]))

struct janitor {
    struct service *service;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    bool sweep_soon;
    int64_t due_ms[JOB_COUNT]; /* monotonic */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

static void run_due(struct janitor *janitor)
{
    for (size_t i = 0; i < JOB_COUNT; i++) {
        struct error err = {0};
        if (janitor->due_ms[i] > now_ms())
            continue;
        if (jobs[i].fn(janitor->service, &err) != 0)
            log_warn("janitor: %s failed: %s (%s)", jobs[i].name, err.message, err.detail);
        janitor->due_ms[i] = now_ms() + jobs[i].period_ms;
    }
}

static struct timespec next_due(const struct janitor *janitor)
{
    int64_t due_ms = janitor->due_ms[0];
    for (size_t i = 1; i < JOB_COUNT; i++)
        if (janitor->due_ms[i] < due_ms)
            due_ms = janitor->due_ms[i];
    return (struct timespec){.tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000};
}

/* The sweep may have been asked for since it ran. With the lock held. */
static void take_wish(struct janitor *janitor)
{
    for (size_t i = 0; janitor->sweep_soon && i < JOB_COUNT; i++)
        if (jobs[i].fn == sweep && janitor->due_ms[i] > now_ms() + SWEEP_SOON_MS)
            janitor->due_ms[i] = now_ms() + SWEEP_SOON_MS;
    janitor->sweep_soon = false;
}

static void *janitor_main(void *arg)
{
    struct janitor *janitor = arg;
    pthread_mutex_lock(&janitor->lock);
    while (!janitor->stopping) {
        pthread_mutex_unlock(&janitor->lock);
        run_due(janitor);
        pthread_mutex_lock(&janitor->lock);
        take_wish(janitor);
        struct timespec due = next_due(janitor);
        if (!janitor->stopping)
            pthread_cond_timedwait(&janitor->wake, &janitor->lock, &due);
    }
    pthread_mutex_unlock(&janitor->lock);
    return NULL;
}

struct janitor *janitor_start(struct service *service)
{
    struct janitor *janitor = calloc(1, sizeof(*janitor));
    if (janitor == NULL)
        log_fatal("out of memory");
    janitor->service = service;
    for (size_t i = 0; i < JOB_COUNT; i++)
        janitor->due_ms[i] = now_ms() + jobs[i].period_ms; /* nothing at start-up */
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&janitor->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&janitor->lock, NULL);
    if (pthread_create(&janitor->thread, NULL, janitor_main, janitor) != 0)
        log_fatal("cannot start the janitor's thread");
    return janitor;
}

void janitor_sweep_soon(void *arg)
{
    struct janitor *janitor = arg;
    pthread_mutex_lock(&janitor->lock);
    if (!janitor->sweep_soon)
        pthread_cond_signal(&janitor->wake);
    janitor->sweep_soon = true;
    pthread_mutex_unlock(&janitor->lock);
}

void janitor_stop(struct janitor *janitor)
{
    if (janitor == NULL)
        return;
    pthread_mutex_lock(&janitor->lock);
    janitor->stopping = true;
    pthread_cond_signal(&janitor->wake);
    pthread_mutex_unlock(&janitor->lock);
    pthread_join(janitor->thread, NULL);
    pthread_cond_destroy(&janitor->wake);
    pthread_mutex_destroy(&janitor->lock);
    free(janitor);
}
