/* Tests of base/buf. */
#include "tests/unit/unit.h"

#include "base/buf.h"

static void appends(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(1000);
    buf_add(&buf, STR_NONE);
    assert_null(buf.ptr);
    buf_add(&buf, STR("a\0b"));
    buf_add_cstr(&buf, "cd");
    buf_add_char(&buf, ' ');
    buf_add_int64(&buf, INT64_MIN);
    buf_add_char(&buf, ' ');
    buf_add_int64(&buf, INT64_MAX);
    buf_add_int64(&buf, 0);
    buf_add_format(&buf, "|%03d", 7);
    static const char expected[] = "a\0bcd -9223372036854775808 92233720368547758070|007";
    assert_int_equal(buf.len, sizeof(expected) - 1);
    assert_memory_equal(buf.ptr, expected, buf.len);
    assert_false(buf.overflowed);
    buf_free(&buf);
    assert_null(buf.ptr);
    assert_int_equal(buf.bytes_max, 1000);
}

static void keeps_a_true_beginning_when_it_overflows(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(5);
    buf_add_cstr(&buf, "abcd");
    buf_add_cstr(&buf, "ef");
    assert_true(buf.overflowed);
    buf_add_char(&buf, 'g'); /* would fit, but then "ef" would be missing in the middle */
    assert_str(buf_str(&buf), "abcd");
    buf_clear(&buf);
    assert_false(buf.overflowed);
    buf_add_cstr(&buf, "12345");
    assert_false(buf.overflowed);
    assert_str(buf_str(&buf), "12345");
    buf_add_format(&buf, "%s", "x");
    assert_true(buf.overflowed);
    buf_free(&buf);
}

static void reserve_stays_below_the_ceiling(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(100000);
    buf_reserve(&buf, 5000);
    const char *before = buf.ptr;
    for (int i = 0; i < 5000; i++)
        buf_add_char(&buf, 'x');
    assert_ptr_equal(buf.ptr, before);
    buf_reserve(&buf, SIZE_MAX);
    assert_int_equal(buf.capacity, 100000);
    assert_false(buf.overflowed);
    buf_free(&buf);
    struct buf none = BUF_INIT(0);
    buf_reserve(&none, 10);
    buf_add_char(&none, 'x');
    assert_true(none.overflowed);
    buf_free(&none);
}

static void formats_beyond_its_stack_buffer(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(1 << 20);
    size_t sum = 0;
    for (int len = 505; len < 520; len++) {
        buf_add_format(&buf, "%*s", len, "z");
        sum += (size_t)len;
        assert_int_equal(buf.len, sum);
        assert_int_equal(buf.ptr[sum - 1], 'z');
    }
    buf_free(&buf);
}

static void take_hands_over(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(100);
    assert_null(buf_take(&buf));
    buf_add_cstr(&buf, "abc");
    char *memory = buf_take(&buf);
    assert_memory_equal(memory, "abc", 3);
    free(memory);
    assert_int_equal(buf.len, 0);
    buf_add_cstr(&buf, "de");
    assert_str(buf_str(&buf), "de");
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends),
        cmocka_unit_test(keeps_a_true_beginning_when_it_overflows),
        cmocka_unit_test(reserve_stays_below_the_ceiling),
        cmocka_unit_test(formats_beyond_its_stack_buffer),
        cmocka_unit_test(take_hands_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
