/* Tests of base/clock and base/random. */
#include "tests/unit/unit.h"

#include <time.h>

#include "base/clock.h"
#include "base/random.h"

static void system_clock_agrees_with_time(void **state)
{
    (void)state;
    int64_t now_s = clock_now_ms(&clock_system) / 1000;
    int64_t other_s = (int64_t)time(NULL);
    assert_in_range(other_s - now_s + 5, 0, 10);
    int64_t before = clock_monotonic_us(&clock_system);
    for (int i = 0; i < 1000; i++) {
        int64_t after = clock_monotonic_us(&clock_system);
        assert_true(after >= before);
        before = after;
    }
}

static void fill_with(void *arg, void *out, size_t bytes)
{
    memset(out, *(const unsigned char *)arg, bytes);
}

static void uuid_has_version_and_variant(void **state)
{
    (void)state;
    char text[UUID_TEXT_BYTES];
    unsigned char byte = 0x00;
    struct random_source source = {fill_with, &byte};
    random_uuid4(&source, text);
    assert_string_equal(text, "00000000-0000-4000-8000-000000000000");
    byte = 0xFF;
    random_uuid4(&source, text);
    assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

static void system_uuids_differ(void **state)
{
    (void)state;
    static char texts[500][UUID_TEXT_BYTES];
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        random_uuid4(&random_system, texts[i]);
        assert_int_equal(strlen(texts[i]), 36);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(texts[i], texts[j]);
    }
}

static void system_source_fills_all(void **state)
{
    (void)state;
    unsigned char seen[1000] = {0}, bytes[1000];
    for (int round = 0; round < 8; round++) {
        random_system.fill(random_system.arg, bytes, sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes); i++)
            seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof(seen); i++)
        assert_int_not_equal(seen[i], 0);
    random_system.fill(random_system.arg, bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_clock_agrees_with_time),
        cmocka_unit_test(uuid_has_version_and_variant),
        cmocka_unit_test(system_uuids_differ),
        cmocka_unit_test(system_source_fills_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
