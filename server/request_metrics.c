/* Labelled series of requests, made on first use and never freed: their number is bounded by the
 * route table, the statuses below and the kinds of errors. */
#include "server/request_metrics.h"

#include "base/log.h"
#include "base/metric.h"
#include "server/router.h"
#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static const int statuses[] = {200, 204, 206, 304, 400, 401, 403, 404, 405, 406, 409,
                               411, 412, 413, 414, 416, 422, 429, 431, 500, 501, 503};
#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))

typedef _Atomic(struct metric_series *) series_slot;

/* The last row is for requests without a route, the last column for a status not listed. */
static series_slot by_status[ROUTES_MAX + 1][STATUS_COUNT + 1];
static series_slot durations[ROUTES_MAX + 1];
static series_slot gateway_by_status[GATEWAY_OPERATIONS_MAX][STATUS_COUNT + 1];
static series_slot gateway_durations[GATEWAY_OPERATIONS_MAX];
static series_slot errors[ERROR_KIND_COUNT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Two threads that come first at once must not both register. */
static struct metric_series *PRINTF_LIKE(3, 0)
    make(series_slot *slot, enum metric_id id, const char *format, va_list args)
{
    pthread_mutex_lock(&lock);
    struct metric_series *series = atomic_load(slot);
    if (series == NULL) {
        char *labels;
        series = calloc(1, sizeof(*series));
        if (series == NULL || vasprintf(&labels, format, args) < 0)
            log_fatal("out of memory");
        metric_series_register(id, series, labels);
        atomic_store(slot, series);
    }
    pthread_mutex_unlock(&lock);
    return series;
}

static struct metric_series *PRINTF_LIKE(3, 4)
    series_of(series_slot *slot, enum metric_id id, const char *format, ...)
{
    struct metric_series *series = atomic_load_explicit(slot, memory_order_acquire);
    if (series != NULL)
        return series;
    va_list args;
    va_start(args, format);
    series = make(slot, id, format, args);
    va_end(args);
    return series;
}

static size_t column_of(int status)
{
    size_t column = 0;
    while (column < STATUS_COUNT && statuses[column] != status)
        column++;
    return column;
}

static void count(series_slot *slot, enum metric_id id, const char *label, const char *operation,
                  int status)
{
    struct metric_series *series =
        column_of(status) < STATUS_COUNT
            ? series_of(slot, id, "%s=\"%s\",status=\"%d\"", label, operation, status)
            : series_of(slot, id, "%s=\"%s\",status=\"other\"", label, operation);
    metric_series_add(series, 1);
}

void request_metrics_count(const struct route *route, int status, int64_t duration_us)
{
    size_t row = route == NULL ? ROUTES_MAX : route_index(route);
    const char *operation = route == NULL ? "none" : route->operation;
    count(&by_status[row][column_of(status)], METRIC_REQUESTS, "route", operation, status);
    metric_series_observe(
        series_of(&durations[row], METRIC_REQUEST_SECONDS, "route=\"%s\"", operation), duration_us);
}

void request_metrics_gateway(const char *name, unsigned operation, int status, int64_t duration_us,
                             int64_t bytes_in, int64_t bytes_out)
{
    assert(operation < GATEWAY_OPERATIONS_MAX);
    count(&gateway_by_status[operation][column_of(status)], METRIC_GATEWAY_REQUESTS, "operation",
          name, status);
    metric_series_observe(
        series_of(&gateway_durations[operation], METRIC_GATEWAY_SECONDS, "operation=\"%s\"", name),
        duration_us);
    metric_add(METRIC_GATEWAY_BYTES_IN, bytes_in);
    metric_add(METRIC_GATEWAY_BYTES_OUT, bytes_out);
}

void request_metrics_error(enum error_kind kind)
{
    assert(kind > ERR_NONE && kind < ERROR_KIND_COUNT);
    metric_series_add(series_of(&errors[kind], METRIC_ERRORS, "kind=\"%s\"", error_name(kind)), 1);
}
