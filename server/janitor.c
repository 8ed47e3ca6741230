/* The janitor: two threads, one for jobs that are short and one for those that go to stores, which
 * may hang. Each sleeps until the next job of its own is due, or until it is stopped. A job that
 * fails is logged and comes again after its period. */
#include "server/janitor.h"

#include "base/log.h"
#include "catalog/sweeper.h"
#include "catalog/warehouse.h"
#include "server/idempotent.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define SWEEP_JOBS_MAX 100
#define SWEEP_SOON_MS 50 /* what comes meanwhile is swept along */
#define UPLOAD_LIFETIME_MS (7 * 24 * 3600000ll)

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

static int expire_uploads(struct service *service, struct error *err)
{
    return catalog_expire_uploads(service->catalog, UPLOAD_LIFETIME_MS, err);
}

enum janitor_thread { SHORT_JOBS, STORE_JOBS, JANITOR_THREADS };

static const struct {
    const char *name;
    enum janitor_thread thread;
    int64_t period_ms;
    int (*fn)(struct service *service, struct error *err);
} jobs[] = {
    {"release waiting duplicates", SHORT_JOBS, 500, release_waiting},
    {"expire", SHORT_JOBS, 60000, expire},
    {"sweep", STORE_JOBS, 5000, sweep},
    {"expire uploads", STORE_JOBS, 3600000, expire_uploads},
};
#define JOB_COUNT (sizeof(jobs) / sizeof(jobs[0]))

struct janitor {
    struct service *service;
    struct janitor_turn {
        struct janitor *janitor;
        enum janitor_thread number;
        pthread_t thread;
    } turns[JANITOR_THREADS];
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    bool sweep_soon;
    int64_t due_ms[JOB_COUNT]; /* monotonic; each belongs to its job's thread */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

static void run_due(struct janitor *janitor, enum janitor_thread thread)
{
    for (size_t i = 0; i < JOB_COUNT; i++) {
        struct error err = {0};
        if (jobs[i].thread != thread || janitor->due_ms[i] > now_ms())
            continue;
        if (jobs[i].fn(janitor->service, &err) != 0)
            log_warn("janitor: %s failed: %s (%s)", jobs[i].name, err.message, err.detail);
        janitor->due_ms[i] = now_ms() + jobs[i].period_ms;
    }
}

static struct timespec next_due(const struct janitor *janitor, enum janitor_thread thread)
{
    int64_t due_ms = INT64_MAX;
    for (size_t i = 0; i < JOB_COUNT; i++)
        if (jobs[i].thread == thread && janitor->due_ms[i] < due_ms)
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
    const struct janitor_turn *turn = arg;
    struct janitor *janitor = turn->janitor;
    pthread_mutex_lock(&janitor->lock);
    while (!janitor->stopping) {
        pthread_mutex_unlock(&janitor->lock);
        run_due(janitor, turn->number);
        pthread_mutex_lock(&janitor->lock);
        if (turn->number == STORE_JOBS)
            take_wish(janitor);
        struct timespec due = next_due(janitor, turn->number);
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
    for (enum janitor_thread i = 0; i < JANITOR_THREADS; i++) {
        janitor->turns[i] = (struct janitor_turn){.janitor = janitor, .number = i};
        if (pthread_create(&janitor->turns[i].thread, NULL, janitor_main, &janitor->turns[i]) != 0)
            log_fatal("cannot start a thread of the janitor");
    }
    return janitor;
}

void janitor_sweep_soon(void *arg)
{
    struct janitor *janitor = arg;
    pthread_mutex_lock(&janitor->lock);
    if (!janitor->sweep_soon)
        pthread_cond_broadcast(&janitor->wake);
    janitor->sweep_soon = true;
    pthread_mutex_unlock(&janitor->lock);
}

void janitor_stop(struct janitor *janitor)
{
    if (janitor == NULL)
        return;
    pthread_mutex_lock(&janitor->lock);
    janitor->stopping = true;
    pthread_cond_broadcast(&janitor->wake);
    pthread_mutex_unlock(&janitor->lock);
    for (enum janitor_thread i = 0; i < JANITOR_THREADS; i++)
        pthread_join(janitor->turns[i].thread, NULL);
    pthread_cond_destroy(&janitor->wake);
    pthread_mutex_destroy(&janitor->lock);
    free(janitor);
}
