/* Tests of base/metric. The metrics are global: tests look at differences, or at a row of their
 * own.
 */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "base/metric.h"

static bool has_line(const char *line)
{
    struct buf out = BUF_INIT(1 << 20);
    metric_write(&out);
    struct str rest = buf_str(&out);
    bool found = false;
    while (rest.len > 0 && !found)
        found = str_equal_cstr(str_cut(&rest, '\n'), line);
    buf_free(&out);
    return found;
}

static void counters_and_gauges(void **state)
{
    (void)state;
    assert_int_equal(metric_value(METRIC_COMMITS), 0);
    metric_add(METRIC_COMMITS, 2);
    metric_add(METRIC_COMMITS, 0);
    metric_add(METRIC_COMMITS, 3);
    assert_int_equal(metric_value(METRIC_COMMITS), 5);
    metric_set(METRIC_CACHE_BYTES, 100);
    metric_add(METRIC_CACHE_BYTES, -40);
    assert_int_equal(metric_value(METRIC_CACHE_BYTES), 60);
    assert_true(has_line("# TYPE firn_commits_total counter"));
    assert_true(has_line("# HELP firn_commits_total Table commits that became durable"));
    assert_true(has_line("firn_commits_total 5"));
    assert_true(has_line("# TYPE firn_table_cache_bytes gauge"));
    assert_true(has_line("firn_table_cache_bytes 60"));
}

static void histograms(void **state)
{
    (void)state;
    static const int64_t values_us[] = {0, 99, 100, 101, 1000, 1001, 10000000, 10000001, 1 << 30};
    for (size_t i = 0; i < COUNT_OF(values_us); i++)
        metric_observe(METRIC_GROUP_SECONDS, values_us[i]);
    assert_int_equal(metric_value(METRIC_GROUP_SECONDS), COUNT_OF(values_us));
    assert_true(has_line("# TYPE firn_metastore_group_seconds histogram"));
    assert_true(has_line("firn_metastore_group_seconds_bucket{le=\"0.0001\"} 3"));
    assert_true(has_line("firn_metastore_group_seconds_bucket{le=\"0.00025\"} 4"));
    assert_true(has_line("firn_metastore_group_seconds_bucket{le=\"0.001\"} 5"));
    assert_true(has_line("firn_metastore_group_seconds_bucket{le=\"0.0025\"} 6"));
    assert_true(has_line("firn_metastore_group_seconds_bucket{le=\"10\"} 7"));
    assert_true(has_line("firn_metastore_group_seconds_bucket{le=\"+Inf\"} 9"));
    assert_true(has_line("firn_metastore_group_seconds_count 9"));
    assert_true(has_line("firn_metastore_group_seconds_sum 1093.744126"));
}

static void labelled_series(void **state)
{
    (void)state;
    static struct metric_series ok, failed, timed;
    metric_series_register(METRIC_REQUESTS, &ok, "operation=\"loadTable\",status=\"200\"");
    metric_series_register(METRIC_REQUESTS, &failed, "operation=\"loadTable\",status=\"404\"");
    metric_series_register(METRIC_REQUEST_SECONDS, &timed, "operation=\"loadTable\"");
    metric_series_add(&ok, 3);
    metric_series_add(&failed, 1);
    metric_series_observe(&timed, 200);
    assert_int_equal(metric_value(METRIC_REQUESTS), 4);
    assert_true(has_line("firn_http_requests_total{operation=\"loadTable\",status=\"200\"} 3"));
    assert_true(has_line("firn_http_requests_total{operation=\"loadTable\",status=\"404\"} 1"));
    assert_true(has_line("firn_http_request_duration_seconds_bucket"
                         "{operation=\"loadTable\",le=\"0.00025\"} 1"));
    assert_true(has_line("firn_http_request_duration_seconds_sum"
                         "{operation=\"loadTable\"} 0.000200"));
    assert_true(has_line("firn_http_request_duration_seconds_count{operation=\"loadTable\"} 1"));
    assert_false(has_line("firn_http_requests_total 0"));
}

static void every_row_is_described_once(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    metric_write(&out);
    struct str rest = buf_str(&out);
    size_t help_count = 0;
    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        help_count += str_starts_with(line, STR("# HELP firn_"));
        assert_true(str_starts_with(line, STR("# ")) || str_starts_with(line, STR("firn_")));
    }
    assert_non_null(rest.ptr); /* ends with a newline */
    assert_int_equal(help_count, METRIC_COUNT);
    buf_free(&out);
}

static struct metric_series thread_series[4];
static const char *const thread_labels[] = {"kind=\"a\"", "kind=\"b\"", "kind=\"c\"", "kind=\"d\""};

static void *count_many(void *arg)
{
    size_t index = *(size_t *)arg;
    metric_series_register(METRIC_ERRORS, &thread_series[index], thread_labels[index]);
    for (int i = 0; i < 10000; i++) {
        metric_add(METRIC_SWEPT, 1);
        metric_observe(METRIC_COMMIT_SECONDS, i);
        metric_series_add(&thread_series[index], 1);
        if (i % 1000 == 0)
            has_line("");
    }
    return NULL;
}

static void counts_from_many_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    size_t indexes[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        indexes[i] = i;
        pthread_create(&threads[i], NULL, count_many, &indexes[i]);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metric_value(METRIC_SWEPT), 40000);
    assert_int_equal(metric_value(METRIC_COMMIT_SECONDS), 40000);
    assert_int_equal(metric_value(METRIC_ERRORS), 40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges),      cmocka_unit_test(histograms),
        cmocka_unit_test(labelled_series),          cmocka_unit_test(every_row_is_described_once),
        cmocka_unit_test(counts_from_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
