/* Conditions, ranges and dates of requests to the gateway. */
#include "tests/unit/unit.h"

#include "server/s3_condition.h"

static const struct file_stat now = {
    .bytes = 10, .modified_ms = 1764032523456, .etag = "\"abc-1\""}; /* 25 Nov 2025 01:02:03 */

static void test_conditions(void **state)
{
    (void)state;
    static const char before[] = "Tue, 25 Nov 2025 01:02:02 GMT",
                      same[] = "Tue, 25 Nov 2025 01:02:03 GMT";
    static const struct {
        const char *match, *none_match, *modified, *unmodified;
        enum s3_condition result;
    } cases[] = {
        {NULL, NULL, NULL, NULL, S3_CONDITION_HOLDS},
        {"\"abc-1\"", NULL, NULL, NULL, S3_CONDITION_HOLDS},
        {"abc-1", NULL, NULL, NULL, S3_CONDITION_HOLDS},
        {"\"x\", \"abc-1\"", NULL, NULL, NULL, S3_CONDITION_HOLDS},
        {"*", NULL, NULL, NULL, S3_CONDITION_HOLDS},
        {"\"abc\"", NULL, NULL, NULL, S3_CONDITION_FAILED},
        {"W/\"abc-1\"", NULL, NULL, NULL, S3_CONDITION_FAILED},
        {"\"abc-1\"", NULL, NULL, before, S3_CONDITION_HOLDS},
        {NULL, NULL, NULL, before, S3_CONDITION_FAILED},
        {NULL, NULL, NULL, same, S3_CONDITION_HOLDS},
        {NULL, NULL, NULL, "yesterday", S3_CONDITION_HOLDS},
        {NULL, "\"abc-1\"", NULL, NULL, S3_CONDITION_NOT_MODIFIED},
        {NULL, "*", NULL, NULL, S3_CONDITION_NOT_MODIFIED},
        {NULL, "\"x\"", NULL, NULL, S3_CONDITION_HOLDS},
        {NULL, "\"x\"", same, NULL, S3_CONDITION_HOLDS},
        {NULL, NULL, same, NULL, S3_CONDITION_NOT_MODIFIED},
        {NULL, NULL, before, NULL, S3_CONDITION_HOLDS},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct s3_conditions conditions = {str_cstr(cases[i].match), str_cstr(cases[i].none_match),
                                           str_cstr(cases[i].modified),
                                           str_cstr(cases[i].unmodified)};
        enum s3_condition got = s3_conditions_judge(&conditions, &now);
        if (got != cases[i].result)
            fail_msg("case %zu: %d", i, (int)got);
    }
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int64_t bytes, offset, length; /* length 0: 416 */
    } cases[] = {
        {"bytes=0-3", 10, 0, 4},
        {"bytes=3-3", 10, 3, 1},
        {"bytes=5-", 10, 5, 5},
        {"bytes=5-100", 10, 5, 5},
        {"bytes=-3", 10, 7, 3},
        {"bytes=-30", 10, 0, 10},
        {"bytes=10-", 10, 0, 0},
        {"bytes=10-12", 10, 0, 0},
        {"bytes=-0", 10, 0, 0},
        {"bytes=0-", 0, 0, 0},
        {"bytes=-1", 0, 0, 0},
        {"bytes=3-1", 10, 0, 10},
        {"bytes=a-1", 10, 0, 10},
        {"bytes=1", 10, 0, 10},
        {"bytes=0-1,3-4", 10, 0, 10},
        {"lines=0-1", 10, 0, 10},
        {"bytes=--1", 10, 0, 10},
        {"bytes=0-9223372036854775807", 10, 0, 10},
        {"", 10, 0, 10},
        {"bytes=+1-2", 10, 0, 10},
        {"bytes=0-99999999999999999999", 10, 0, 10},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct s3_range range = s3_range_parse(str_cstr(cases[i].header));
        bool some = s3_range_resolve(&range, cases[i].bytes);
        if (some != (cases[i].length > 0))
            fail_msg("%s: %d", cases[i].header, some);
        if (some && (range.offset != cases[i].offset || range.length != cases[i].length))
            fail_msg("%s: %lld+%lld", cases[i].header, (long long)range.offset,
                     (long long)range.length);
    }
    struct s3_range range;
    assert_true(s3_range_parse_exact(STR("bytes=2-4"), &range));
    assert_false(s3_range_parse_exact(STR("bytes=2-"), &range));
    assert_false(s3_range_parse_exact(STR("bytes=-2"), &range));
}

static void test_if_range(void **state)
{
    (void)state;
    assert_true(s3_if_range_holds(STR_NONE, &now));
    assert_true(s3_if_range_holds(STR("\"abc-1\""), &now));
    assert_false(s3_if_range_holds(STR("\"abc-2\""), &now));
    assert_true(s3_if_range_holds(STR("Tue, 25 Nov 2025 01:02:03 GMT"), &now));
    assert_false(s3_if_range_holds(STR("Tue, 25 Nov 2025 01:02:04 GMT"), &now));
}

static void test_dates(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    int64_t time_ms;
    assert_str(s3_http_date(now.modified_ms, arena), "Tue, 25 Nov 2025 01:02:03 GMT");
    assert_str(s3_iso_date(now.modified_ms, arena), "2025-11-25T01:02:03.456Z");
    assert_true(s3_http_date_parse(STR("Tue, 25 Nov 2025 01:02:03 GMT"), &time_ms));
    assert_int_equal(time_ms, 1764032523000);
    assert_false(s3_http_date_parse(STR("Tue, 25 Nov 2025 01:02:03 GMT x"), &time_ms));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_if_range),
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
