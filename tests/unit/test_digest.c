/* Tests of base/digest, against published vectors. */
#include "tests/unit/unit.h"

#include "base/digest.h"

static struct arena *arena;

static struct str hex_of(struct sha256 digest)
{
    return hex_encode(arena, digest.bytes, sizeof(digest.bytes));
}

static void sha256_vectors(void **state)
{
    (void)state;
    assert_str(hex_of(sha256_of(STR("abc"))),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_str(hex_of(sha256_of(STR(""))), empty);
    assert_str(hex_of(sha256_of(STR_NONE)), empty);
}

static void parts_are_separated(void **state)
{
    (void)state;
    const struct str one[] = {STR("ab"), STR("c")}, other[] = {STR("a"), STR("bc")};
    struct sha256 a = sha256_of_parts(one, 2), b = sha256_of_parts(other, 2);
    assert_memory_not_equal(a.bytes, b.bytes, SHA256_BYTES);
    const struct str absent[] = {STR_NONE, STR("x")}, empty[] = {STR(""), STR("x")};
    a = sha256_of_parts(absent, 2);
    b = sha256_of_parts(empty, 2);
    assert_memory_equal(a.bytes, b.bytes, SHA256_BYTES);
    /* The definition: each part behind its length in 8 bytes, big-endian. */
    a = sha256_of_parts(one, 2);
    b = sha256_of(STR("\0\0\0\0\0\0\0\2ab\0\0\0\0\0\0\0\1c"));
    assert_memory_equal(a.bytes, b.bytes, SHA256_BYTES);
}

/* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
static void plain_hmac_vectors(void **state)
{
    (void)state;
    char key[131];
    memset(key, 0x0b, 20);
    assert_str(hex_of(hmac_sha256(str_from(key, 20), STR("Hi There"))),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_str(hex_of(hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"))),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    assert_str(hex_of(hmac_sha256(str_from(key, sizeof(key)),
                                  STR("Test Using Larger Than Block-Size Key - Hash Key First"))),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_str(hex_of(hmac_sha256(STR_NONE, STR_NONE)),
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* The same as HMAC-SHA256 over the one text that the parts make with their lengths. */
static void hmac_vectors(void **state)
{
    (void)state;
    const struct str parts[] = {STR("a"), STR("")};
    struct sha256 mac = hmac_sha256_of_parts(STR("key"), parts, 2);
    assert_str(hex_encode(arena, mac.bytes, SHA256_BYTES),
               "b419055f9b77bd722cb2c61749b6814bba510b530d8c2be37b6199b033a21f43");
    const struct str others[] = {STR(""), STR("a")};
    struct sha256 other = hmac_sha256_of_parts(STR("key"), others, 2);
    assert_false(sha256_equal(&mac, &other));
    assert_true(sha256_equal(&mac, &mac));
    assert_true(secret_equal(STR("abc"), STR("abc")));
    assert_false(secret_equal(STR("abc"), STR("abd")));
    assert_false(secret_equal(STR("abc"), STR("ab")));
    assert_true(secret_equal(STR_NONE, STR("")));
}

static void base64url_vectors(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xFB\xFF", "-_8"},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct str data;
        assert_str(base64url_encode(arena, str_cstr(pairs[i][0])), pairs[i][1]);
        assert_true(base64url_decode(arena, str_cstr(pairs[i][1]), &data));
        assert_str(data, pairs[i][0]);
    }
}

static void base64url_refuses_other_spellings(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z", "Zg==", "Zh", "Zm9", "+/8", "Zm9v\n", " Zg", "Zm9vY"};
    struct str data;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (base64url_decode(arena, str_cstr(bad[i]), &data))
            fail_msg("accepted \"%s\"", bad[i]);
}

static void base64url_round_trip(void **state)
{
    (void)state;
    char bytes[300];
    for (size_t len = 0; len < sizeof(bytes); len++) {
        struct str back;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(i * 7 + len * 13);
        struct str text = base64url_encode(arena, str_from(bytes, len));
        assert_true(base64url_decode(arena, text, &back));
        assert_int_equal(back.len, len);
        assert_memory_equal(back.ptr, bytes, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),       cmocka_unit_test(parts_are_separated),
        cmocka_unit_test(base64url_vectors),    cmocka_unit_test(base64url_refuses_other_spellings),
        cmocka_unit_test(base64url_round_trip), cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(plain_hmac_vectors),
    };
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
