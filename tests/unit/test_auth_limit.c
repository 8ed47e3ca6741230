/* Wrong secrets: when the next attempt is looked at. */
#include "tests/unit/unit.h"

#include "server/auth_limit.h"

static int64_t now_us;

static int64_t fixed_us(void *arg)
{
    (void)arg;
    return now_us;
}

static const struct clock clock_fixed = {fixed_us, fixed_us, NULL};

static struct auth_limit *limit_new(void)
{
    now_us = 1000000;
    return auth_limit_new(&clock_fixed, 42);
}

static void fail_times(struct auth_limit *limit, const char *id, const char *address, int times)
{
    for (int i = 0; i < times; i++)
        auth_limit_failed(limit, str_cstr(id), str_cstr(address));
}

static int wait_of(struct auth_limit *limit, const char *id, const char *address)
{
    return auth_limit_wait_s(limit, str_cstr(id), str_cstr(address));
}

static void the_wait_doubles(void **state)
{
    (void)state;
    struct auth_limit *limit = limit_new();
    fail_times(limit, "a", "1.1.1.1", AUTH_LIMIT_CLIENT_FREE - 1);
    assert_int_equal(wait_of(limit, "a", "1.1.1.1"), 0);
    for (int wait = 1; wait <= 256; wait *= 2) {
        fail_times(limit, "a", "1.1.1.1", 1);
        assert_int_equal(wait_of(limit, "a", "1.1.1.1"), wait);
        now_us += wait * 1000000ll;
        assert_int_equal(wait_of(limit, "a", "1.1.1.1"), 0);
    }
    for (int i = 0; i < 3; i++) {
        fail_times(limit, "a", "1.1.1.1", 1);
        assert_int_equal(wait_of(limit, "a", "1.1.1.1"), AUTH_LIMIT_WAIT_S_MAX);
    }
    auth_limit_free(limit);
}

static void nobody_locks_others_out(void **state)
{
    (void)state;
    struct auth_limit *limit = limit_new();
    fail_times(limit, "a", "1.1.1.1", 10);
    assert_true(wait_of(limit, "a", "1.1.1.1") > 0);
    assert_int_equal(wait_of(limit, "a", "2.2.2.2"), 0);
    assert_int_equal(wait_of(limit, "b", "1.1.1.1"), 0);
    auth_limit_free(limit);
}

static void many_clients_of_one_address(void **state)
{
    (void)state;
    struct auth_limit *limit = limit_new();
    char id[20];
    for (int i = 0; i < AUTH_LIMIT_ADDRESS_FREE; i++) {
        snprintf(id, sizeof(id), "client-%d", i);
        assert_int_equal(wait_of(limit, id, "2001:db8::1"), 0);
        fail_times(limit, id, "2001:db8::1", 1);
    }
    assert_true(wait_of(limit, "another", "2001:db8::1") > 0);
    assert_true(wait_of(limit, "another", "2001:db8::ffff:2") > 0); /* of one network */
    assert_int_equal(wait_of(limit, "another", "2001:db8:1::1"), 0);
    auth_limit_free(limit);
}

static void a_success_forgives_the_client(void **state)
{
    (void)state;
    struct auth_limit *limit = limit_new();
    fail_times(limit, "a", "1.1.1.1", AUTH_LIMIT_CLIENT_FREE - 1);
    auth_limit_passed(limit, STR("a"), STR("1.1.1.1"));
    fail_times(limit, "a", "1.1.1.1", AUTH_LIMIT_CLIENT_FREE - 1);
    assert_int_equal(wait_of(limit, "a", "1.1.1.1"), 0);
    auth_limit_free(limit);
}

static void failures_are_forgotten(void **state)
{
    (void)state;
    struct auth_limit *limit = limit_new();
    fail_times(limit, "a", "1.1.1.1", AUTH_LIMIT_CLIENT_FREE + 3);
    now_us += AUTH_LIMIT_FORGET_MS * 1000 + 1000;
    fail_times(limit, "a", "1.1.1.1", 1);
    assert_int_equal(wait_of(limit, "a", "1.1.1.1"), 0);
    auth_limit_free(limit);
}

static void a_full_table_is_no_trouble(void **state)
{
    (void)state;
    struct auth_limit *limit = limit_new();
    char text[20];
    for (int i = 0; i < 50000; i++) {
        snprintf(text, sizeof(text), "10.%d.%d.1", i / 256 % 256, i % 256);
        fail_times(limit, text, text, 1);
    }
    fail_times(limit, "a", "1.1.1.1", AUTH_LIMIT_CLIENT_FREE);
    assert_int_equal(wait_of(limit, "a", "1.1.1.1"), 1);
    auth_limit_free(limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_doubles),
        cmocka_unit_test(nobody_locks_others_out),
        cmocka_unit_test(many_clients_of_one_address),
        cmocka_unit_test(a_success_forgives_the_client),
        cmocka_unit_test(failures_are_forgotten),
        cmocka_unit_test(a_full_table_is_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
