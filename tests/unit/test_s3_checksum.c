/* Checksums of the S3 protocol against published check values, in one piece and in many. */
#include "tests/unit/unit.h"

#include "server/s3_checksum.h"

static const struct {
    enum s3_checksum_kind kind;
    const char *data, *base64;
} known[] = {
    {S3_CRC32, "123456789", "y/Q5Jg=="},         /* cbf43926 */
    {S3_CRC32C, "123456789", "4waSgw=="},        /* e3069283 */
    {S3_CRC64NVME, "123456789", "rosUhgp5mIg="}, /* ae8b14860a799888 */
    {S3_SHA1, "abc", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="},
    {S3_SHA256, "abc", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="},
    {S3_MD5, "abc", "kAFQmDzST7DWlj99KOF/cg=="},
    {S3_CRC32, "", "AAAAAA=="},
    {S3_CRC32C, "", "AAAAAA=="},
    {S3_CRC64NVME, "", "AAAAAAAAAAA="},
};

static void test_known_values(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct s3_checksum sum;
        s3_checksum_begin(&sum, known[i].kind, arena);
        s3_checksum_add(&sum, str_cstr(known[i].data));
        struct str got = s3_checksum_end(&sum, arena);
        assert_str(got, known[i].base64);
        assert_true(s3_checksum_is_well_formed(known[i].kind, got));
    }
    arena_free(arena);
}

static void test_pieces_do_not_matter(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    char data[1000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7 + i / 13);
    for (int kind = 0; kind < S3_CHECKSUM_KIND_COUNT; kind++) {
        struct s3_checksum whole, pieces;
        s3_checksum_begin(&whole, (enum s3_checksum_kind)kind, arena);
        s3_checksum_add(&whole, str_from(data, sizeof(data)));
        s3_checksum_begin(&pieces, (enum s3_checksum_kind)kind, arena);
        for (size_t at = 0, step = 0; at < sizeof(data); at += step) {
            step = at % 37 + 1 < sizeof(data) - at ? at % 37 + 1 : sizeof(data) - at;
            s3_checksum_add(&pieces, str_from(data + at, step));
        }
        struct str expected = s3_checksum_end(&whole, arena);
        assert_true(str_equal(expected, s3_checksum_end(&pieces, arena)));
    }
    arena_free(arena);
}

static void test_names(void **state)
{
    (void)state;
    enum s3_checksum_kind kind;
    assert_true(s3_checksum_kind_of(STR("X-Amz-Checksum-CRC32C"), &kind) && kind == S3_CRC32C);
    assert_true(s3_checksum_kind_of(STR("Content-MD5"), &kind) && kind == S3_MD5);
    assert_false(s3_checksum_kind_of(STR("x-amz-checksum-crc3"), &kind));
    assert_true(s3_checksum_kind_named(STR("crc64nvme"), &kind) && kind == S3_CRC64NVME);
    assert_false(s3_checksum_kind_named(STR("MD5"), &kind));
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "AAAAAA=", "AAAAAAA=", "AAAA\n===", "AAA", "-AAAAA==", "AAAAAA==AAAA"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(s3_checksum_is_well_formed(S3_CRC32, str_cstr(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_pieces_do_not_matter),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
