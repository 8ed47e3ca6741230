/* If-None-Match as clients and proxies spell it. */
#include "tests/unit/unit.h"

#include "server/etag.h"

static void test_matches(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool matches;
    } rows[] = {
        {"\"abc1\"", true},
        {"abc1", true},
        {"W/\"abc1\"", true},
        {"W/abc1", true},
        {" \"abc1\" ", true},
        {"\"other\", \"abc1\"", true},
        {"\"other\",\"abc1\",\"third\"", true},
        {"*", true},
        {"\"*\"", true},
        {"\"abc\"", false},
        {"\"abc12\"", false},
        {"\"ABC1\"", false},
        {"\"\"", false},
        {"\"", false},
        {",", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (etag_matches(str_cstr(rows[i].header), "\"abc1\"") != rows[i].matches)
            fail_msg("%s", rows[i].header);
    assert_false(etag_matches(STR_NONE, "\"abc1\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
