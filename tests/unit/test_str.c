/* Tests of base/str. */
#include "tests/unit/unit.h"

#include <limits.h>

static void compares(void **state)
{
    (void)state;
    assert_true(str_equal_ignore_case(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_equal_ignore_case(STR("a[b"), STR("a{b"))); /* differ by 0x20, no letters */
    assert_false(str_equal_ignore_case(STR("\xC3\x84"), STR("\xC3\xA4"))); /* ASCII only */
    assert_true(str_compare(STR("a"), STR("b")) < 0);
    assert_true(str_compare(STR("ab"), STR("a")) > 0);
    assert_true(str_compare(STR("a\xFF"), STR("a\x01")) > 0); /* unsigned */
    assert_int_equal(str_compare(STR_NONE, STR("")), 0);
    assert_true(str_compare(STR_NONE, STR("a")) < 0);
    assert_true(str_equal(STR_NONE, STR("")));
}

static void finds_parts(void **state)
{
    (void)state;
    assert_true(str_starts_with(STR("abc"), STR("ab")));
    assert_false(str_starts_with(STR("a"), STR("ab")));
    assert_true(str_starts_with(STR_NONE, STR("")));
    assert_true(str_ends_with(STR("abc"), STR("bc")));
    assert_true(str_ends_with(STR("abc"), STR("")));
    assert_false(str_ends_with(STR("c"), STR("bc")));
    assert_true(str_contains(STR("a\0b"), STR("\0b")));
    assert_true(str_contains(STR_NONE, STR("")));
    assert_false(str_contains(STR("ab"), STR("abc")));
}

static void skips_and_trims(void **state)
{
    (void)state;
    assert_str(str_skip(STR("abc"), 2), "c");
    assert_str(str_skip(STR("abc"), 9), "");
    assert_non_null(str_skip(STR("abc"), 9).ptr);
    assert_null(str_skip(STR_NONE, 1).ptr);
    assert_str(str_trim(STR(" \t a b\t ")), "a b");
    assert_str(str_trim(STR(" \t ")), "");
    assert_str(str_trim(STR("\na")), "\na"); /* spaces and tabs only */
}

static void cuts_at_separators(void **state)
{
    (void)state;
    struct str rest = STR("a,,b,");
    assert_str(str_cut(&rest, ','), "a");
    assert_str(str_cut(&rest, ','), "");
    assert_str(str_cut(&rest, ','), "b");
    assert_non_null(rest.ptr); /* an empty part is left, not nothing */
    assert_str(str_cut(&rest, ','), "");
    assert_null(rest.ptr);
}

static void knows_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "plain",
        "\xC2\x80",
        "\xDF\xBF",
        "\xE0\xA0\x80",
        "\xED\x9F\xBF",
        "\xEE\x80\x80",
        "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80",
        "\xF4\x8F\xBF\xBF",
        "eight by\xC3\xA4te",
    };
    static const char *const bad[] = {
        "\x80",             /* continuation alone */
        "\xC0\x80",         /* overlong NUL */
        "\xC1\xBF",         /* overlong */
        "\xE0\x9F\xBF",     /* overlong */
        "\xED\xA0\x80",     /* surrogate */
        "\xED\xBF\xBF",     /* surrogate */
        "\xF0\x8F\xBF\xBF", /* overlong */
        "\xF4\x90\x80\x80", /* above U+10FFFF */
        "\xF5\x80\x80\x80",
        "\xFF",
        "\xC3",         /* cut */
        "\xE2\x82",     /* cut */
        "\xF0\x9F\x98", /* cut */
        "\xC3(",
        "\xE2\x28\xA1",
        "\xE2\x82(",
        "\xF0\x9F\x98(",
        "12345678\x80",
        "1234567\xC3",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(str_is_utf8(str_cstr(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (str_is_utf8(str_cstr(bad[i])))
            fail_msg("accepted bad[%zu]", i);
    assert_true(str_is_utf8(STR("a\0b")));
    assert_int_equal(str_utf8_char(STR("\xE2\x82\xAC!")), 3);
    assert_int_equal(str_utf8_char(STR_NONE), 0);
}

static void cuts_whole_characters(void **state)
{
    (void)state;
    struct str s = STR("a\xC3\xA4\xF0\x9F\x98\x80z");
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 3, 7, 8, 8};
    for (size_t max = 0; max < COUNT_OF(expected); max++)
        assert_int_equal(str_utf8_cut(s, max).len, expected[max]);
    assert_int_equal(str_utf8_cut(STR("\x80\x80\x80\x80\x80\x80"), 5).len, 5); /* not UTF-8 */
}

static void reads_integers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x1",
                                      "1e3",
                                      "--1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999"};
    long long value = 7;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(str_to_int64(str_cstr(bad[i]), &value));
    assert_false(str_to_int64(STR_NONE, &value));
    assert_false(str_to_int64(STR("1\0"), &value));
    assert_int_equal(value, 7); /* untouched by failures */
    assert_true(str_to_int64(STR("9223372036854775807"), &value) && value == LLONG_MAX);
    assert_true(str_to_int64(STR("-9223372036854775808"), &value) && value == LLONG_MIN);
    assert_true(str_to_int64(STR("-0"), &value) && value == 0);
    assert_true(str_to_int64(STR("007"), &value) && value == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),        cmocka_unit_test(finds_parts),
        cmocka_unit_test(skips_and_trims), cmocka_unit_test(cuts_at_separators),
        cmocka_unit_test(knows_utf8),      cmocka_unit_test(cuts_whole_characters),
        cmocka_unit_test(reads_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
