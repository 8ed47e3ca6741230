/* Metrics: atomics in static tables, and their Prometheus text.
 *
 * Counting never locks; the lock guards only the lists of labelled series, which grow and never
 * shrink. A histogram's count is the sum of its buckets, so the two cannot disagree in a scrape. */
#include "base/metric.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#define BUCKET_COUNT 16

enum metric_kind { COUNTER, GAUGE, HISTOGRAM, SERIES_COUNTER, SERIES_HISTOGRAM };

struct metric_row {
    enum metric_kind kind;
    const char *name;
    const char *help;
};

static const struct metric_row rows[METRIC_COUNT] = {
#define X(id, kind, name, help) [id] = {kind, name, help},
    METRIC_ROWS(X)
#undef X
};

/* Upper bounds of the buckets; the last bucket has none. */
static const struct {
    int64_t us;
    const char *seconds;
} bounds[BUCKET_COUNT] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},
    {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"},
    {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},
    {1000000, "1"},   {2500000, "2.5"}, {10000000, "10"}, {INT64_MAX, "+Inf"},
};

static struct metric_series plain[METRIC_COUNT]; /* the series without labels of each row */
static struct metric_series *series_lists[METRIC_COUNT];
static pthread_mutex_t series_lock = PTHREAD_MUTEX_INITIALIZER;

static void add(_Atomic int64_t *to, int64_t value)
{
    atomic_fetch_add_explicit(to, value, memory_order_relaxed);
}

static int64_t get(const _Atomic int64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static void observe(struct metric_series *series, int64_t value_us)
{
    size_t bucket = 0;
    while (value_us > bounds[bucket].us)
        bucket++;
    assert(bucket < BUCKET_COUNT);
    add(&series->buckets[bucket], 1);
    add(&series->sum_us, value_us);
    add(&series->count, 1);
}

void metric_add(enum metric_id id, int64_t value)
{
    assert(rows[id].kind == GAUGE || (rows[id].kind == COUNTER && value >= 0));
    add(&plain[id].count, value);
}

void metric_set(enum metric_id id, int64_t value)
{
    assert(rows[id].kind == GAUGE);
    atomic_store_explicit(&plain[id].count, value, memory_order_relaxed);
}

void metric_observe(enum metric_id id, int64_t value_us)
{
    assert(rows[id].kind == HISTOGRAM);
    observe(&plain[id], value_us);
}

int64_t metric_value(enum metric_id id)
{
    int64_t value = get(&plain[id].count);
    pthread_mutex_lock(&series_lock);
    for (const struct metric_series *s = series_lists[id]; s != NULL; s = s->next)
        value += get(&s->count);
    pthread_mutex_unlock(&series_lock);
    return value;
}

void metric_series_register(enum metric_id id, struct metric_series *series, const char *labels)
{
    assert(rows[id].kind == SERIES_COUNTER || rows[id].kind == SERIES_HISTOGRAM);
    series->labels = labels;
    series->id = id;
    series->next = NULL;
    pthread_mutex_lock(&series_lock);
    struct metric_series **tail = &series_lists[id];
    while (*tail != NULL) {
        assert(*tail != series);
        tail = &(*tail)->next;
    }
    *tail = series;
    pthread_mutex_unlock(&series_lock);
}

void metric_series_add(struct metric_series *series, int64_t value)
{
    assert(series->labels != NULL && rows[series->id].kind == SERIES_COUNTER && value >= 0);
    add(&series->count, value);
}

void metric_series_observe(struct metric_series *series, int64_t value_us)
{
    assert(series->labels != NULL && rows[series->id].kind == SERIES_HISTOGRAM);
    observe(series, value_us);
}

static void write_sample(struct buf *out, const char *name, const char *labels, int64_t value)
{
    buf_add_cstr(out, name);
    if (labels != NULL)
        buf_add_format(out, "{%s}", labels);
    buf_add_format(out, " %" PRId64 "\n", value);
}

static void write_histogram(struct buf *out, const char *name, const struct metric_series *series)
{
    const char *labels = series->labels == NULL ? "" : series->labels;
    const char *comma = series->labels == NULL ? "" : ",";
    const char *open = series->labels == NULL ? "" : "{";
    const char *close = series->labels == NULL ? "" : "}";
    int64_t count = 0;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        count += get(&series->buckets[i]);
        buf_add_format(out, "%s_bucket{%s%sle=\"%s\"} %" PRId64 "\n", name, labels, comma,
                       bounds[i].seconds, count);
    }
    buf_add_format(out, "%s_sum%s%s%s %.6f\n", name, open, labels, close,
                   (double)get(&series->sum_us) / 1e6);
    buf_add_format(out, "%s_count%s%s%s %" PRId64 "\n", name, open, labels, close, count);
}

void metric_write(struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "counter", "histogram"};
    pthread_mutex_lock(&series_lock);
    for (size_t id = 0; id < METRIC_COUNT; id++) {
        const struct metric_row *row = &rows[id];
        buf_add_format(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                       types[row->kind]);
        if (row->kind == HISTOGRAM)
            write_histogram(out, row->name, &plain[id]);
        else if (row->kind == COUNTER || row->kind == GAUGE)
            write_sample(out, row->name, NULL, get(&plain[id].count));
        for (const struct metric_series *s = series_lists[id]; s != NULL; s = s->next) {
            if (row->kind == SERIES_HISTOGRAM)
                write_histogram(out, row->name, s);
            else
                write_sample(out, row->name, s->labels, get(&s->count));
        }
    }
    pthread_mutex_unlock(&series_lock);
}
