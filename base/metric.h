/* Counters, gauges and histograms as rows of one table (base/metric_rows.h); a call site names the
 * row, so there is no look-up and no typo. Prometheus text comes out of metric_write.
 * Threads: atomics; all functions are safe from anywhere. */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include "base/buf.h"
#include "base/metric_rows.h"
#include <stdint.h>

enum metric_id {
#define X(id, kind, name, help) id,
    METRIC_ROWS(X)
#undef X
        METRIC_COUNT
};

void metric_add(enum metric_id id, int64_t value);        /* counter (value >= 0) or gauge */
void metric_set(enum metric_id id, int64_t value);        /* gauge */
void metric_observe(enum metric_id id, int64_t value_us); /* histogram of microseconds */
int64_t metric_value(enum metric_id id);                  /* counter, gauge; histogram: its count */

/* Labelled series: requests by route and status class, errors by kind. `labels` is the finished
 * label text, e.g. route="loadTable",status="200"; it must be a string that lives for ever. */
struct metric_series {
    const char *labels;
    _Atomic int64_t count;
    _Atomic int64_t sum_us;
    _Atomic int64_t buckets[16];
    struct metric_series *next;
    enum metric_id id;
};
void metric_series_register(enum metric_id id, struct metric_series *series, const char *labels);
void metric_series_add(struct metric_series *series, int64_t value);
void metric_series_observe(struct metric_series *series, int64_t value_us);

void metric_write(struct buf *out);

#endif
