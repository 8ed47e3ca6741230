/* Who gets gzip, and gzip itself. */
#include "tests/unit/unit.h"

#include "catalog/gzip.h"
#include "server/encoding.h"

static void preferences(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "gzip",
        "GZIP",
        "x-gzip",
        "gzip, deflate",
        "deflate, gzip",
        "br;q=1.0, gzip;q=0.8, *;q=0.1",
        "*",
        "gzip;q=0.001",
        "gzip ; q=1",
        "identity;q=0.5, gzip;q=0.5",
        "identity;q=0, *",
        "gzip;q=1.000",
        "gzip;Q=0.5",
        "gzip,deflate,br,zstd",
        " gzip ",
        "identity;q=0.2,*;q=0.3",
    };
    static const char *const no[] = {
        "",         "identity",      "deflate",   "gzip;q=0",   "gzip;q=0.000",
        "*;q=0",    "gzip;q=0, *",   "gzip;q=x",  "gzip;q=2",   "gzip;q=1.001",
        "gzip;q=",  "gzip;q=0.0001", "gzipped",   "gz",         "identity, gzip;q=0.9",
        "br, zstd", "gzip;q=-1",     "gzip;q=.5", "gzip;q=0x1", ";q=1",
    };
    assert_false(encoding_prefers_gzip(STR_NONE));
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        if (!encoding_prefers_gzip(str_cstr(yes[i])))
            fail_msg("should prefer: %s", yes[i]);
    for (size_t i = 0; i < COUNT_OF(no); i++)
        if (encoding_prefers_gzip(str_cstr(no[i])))
            fail_msg("should not prefer: %s", no[i]);
}

static void round_trip(void **state)
{
    (void)state;
    for (size_t len = 0; len < 300000; len = len * 3 + 1) {
        struct buf plain = BUF_INIT(1 << 20), packed = BUF_INIT(1 << 20), back = BUF_INIT(1 << 20);
        buf_add(&packed, STR("before"));
        for (size_t i = 0; i < len; i++)
            buf_add_char(&plain, (char)(i * i % 251));
        assert_true(gzip_deflate(buf_str(&plain), &packed));
        assert_true(gzip_inflate(str_skip(buf_str(&packed), 6), &back));
        assert_int_equal(back.len, len);
        assert_true(str_equal(buf_str(&back), buf_str(&plain)));
        assert_false(gzip_inflate(str_from(packed.ptr + 6, packed.len - 7), &back));
        buf_free(&plain);
        buf_free(&packed);
        buf_free(&back);
    }
}

static void bombs_do_not_go_off(void **state)
{
    (void)state;
    struct buf plain = BUF_INIT(64 << 20), packed = BUF_INIT(1 << 20), back = BUF_INIT(64 << 20);
    buf_reserve(&plain, 50 << 20);
    while (plain.len < 50 << 20)
        buf_add(&plain, STR("0000000000000000000000000000000000000000000000000000000000000000"));
    assert_true(gzip_deflate(buf_str(&plain), &packed));
    assert_false(gzip_inflate(buf_str(&packed), &back));
    assert_true(back.len < plain.len);
    buf_free(&back);
    back = BUF_INIT(1000);
    assert_false(gzip_inflate(buf_str(&packed), &back));
    buf_free(&plain);
    buf_free(&packed);
    buf_free(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preferences),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(bombs_do_not_go_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
