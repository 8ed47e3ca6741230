/* Bodies of S3's protocol: AWS's published examples, every mode in every cutting into pieces, and
 * each lie a body can tell. */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "server/s3_body.h"

#define EXAMPLE_BYTES 66560
#define AMZ_DATE "20130524T000000Z"
#define SCOPE "20130524/us-east-1/s3/aws4_request"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

static struct s3_body_plan plan_of(enum s3_payload payload, const char *seed, int64_t bytes)
{
    return (struct s3_body_plan){
        .payload = payload,
        .decoded_bytes = bytes,
        .key = s3_signing_key_derive(STR(SECRET), STR("20130524"), STR("us-east-1"), STR("s3")),
        .amz_date = STR(AMZ_DATE),
        .scope = STR(SCOPE),
        .seed_signature = str_cstr(seed),
    };
}

static int collect(void *arg, struct str data, struct s3_fault *fault)
{
    (void)fault;
    buf_add(arg, data);
    return 0;
}

/* Feeds the wire in pieces of that size; the code of the fault, or S3_OK. */
static enum s3_code decode(const struct s3_body_plan *plan, struct str wire, size_t piece,
                           struct buf *content, struct arena *arena)
{
    struct s3_fault fault = {0};
    struct s3_body *body;
    buf_clear(content);
    if (s3_body_open(plan, arena, &body, &fault) != 0)
        return fault.code;
    while (wire.len > 0) {
        size_t take = wire.len < piece ? wire.len : piece;
        if (s3_body_feed(body, str_from(wire.ptr, take), collect, content, &fault) != 0)
            return fault.code;
        wire = str_skip(wire, take);
    }
    return s3_body_end(body, &fault) == 0 ? S3_OK : fault.code;
}

static void add_as(struct buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_add_char(out, 'a');
}

static void add_example(struct buf *wire, const char *first, const char *second, const char *last)
{
    buf_add_format(wire, "10000;chunk-signature=%s\r\n", first);
    add_as(wire, 65536);
    buf_add_format(wire, "\r\n400;chunk-signature=%s\r\n", second);
    add_as(wire, 1024);
    buf_add_format(wire, "\r\n0;chunk-signature=%s\r\n", last);
}

static void expect(const struct s3_body_plan *plan, const struct buf *wire, enum s3_code code,
                   size_t bytes)
{
    static const size_t pieces[] = {1, 7, 8192, 1 << 20};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct arena *arena = arena_new();
        struct buf content = BUF_INIT(1 << 20);
        enum s3_code got = decode(plan, buf_str(wire), pieces[i], &content, arena);
        if (got != code)
            fail_msg("pieces of %zu: %s", pieces[i], s3_code_text(got));
        if (code == S3_OK)
            assert_int_equal(content.len, bytes);
        buf_free(&content);
        arena_free(arena);
    }
}

#define FIRST "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
#define SECOND "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
#define LAST "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"
#define SEED "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"

/* "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" */
static void test_published_example(void **state)
{
    (void)state;
    struct buf wire = BUF_INIT(1 << 20);
    struct s3_body_plan plan = plan_of(S3_PAYLOAD_CHUNKS_SIGNED, SEED, EXAMPLE_BYTES);
    add_example(&wire, FIRST, SECOND, LAST);
    expect(&plan, &wire, S3_OK, EXAMPLE_BYTES); /* without the last line end, as some send it */
    buf_add_cstr(&wire, "\r\n");
    expect(&plan, &wire, S3_OK, EXAMPLE_BYTES);
    buf_add_cstr(&wire, "x");
    expect(&plan, &wire, S3_INVALID_REQUEST, 0);
    buf_free(&wire);
}

static void test_signed_lies(void **state)
{
    (void)state;
    struct buf wire = BUF_INIT(1 << 20);
    struct s3_body_plan plan = plan_of(S3_PAYLOAD_CHUNKS_SIGNED, SEED, EXAMPLE_BYTES);
    add_example(&wire, FIRST, SECOND, LAST);
    wire.ptr[5000] = 'b';
    expect(&plan, &wire, S3_SIGNATURE_MISMATCH, 0);
    buf_clear(&wire);
    add_example(&wire, FIRST, FIRST, LAST);
    expect(&plan, &wire, S3_SIGNATURE_MISMATCH, 0);
    buf_clear(&wire);
    add_example(&wire, FIRST, SECOND, SECOND);
    expect(&plan, &wire, S3_SIGNATURE_MISMATCH, 0);
    buf_clear(&wire);
    add_example(&wire, FIRST, SECOND, LAST);
    wire.len -= 88; /* the last chunk is missing */
    expect(&plan, &wire, S3_INCOMPLETE_BODY, 0);
    buf_clear(&wire);
    add_example(&wire, FIRST, SECOND, LAST);
    plan.decoded_bytes = EXAMPLE_BYTES - 1;
    expect(&plan, &wire, S3_INCOMPLETE_BODY, 0);
    plan.decoded_bytes = EXAMPLE_BYTES + 1;
    expect(&plan, &wire, S3_INCOMPLETE_BODY, 0);
    plan.decoded_bytes = S3_BODY_BYTES_UNKNOWN;
    expect(&plan, &wire, S3_MISSING_LENGTH, 0);
    plan = plan_of(S3_PAYLOAD_CHUNKS_SIGNED, LAST, EXAMPLE_BYTES);
    expect(&plan, &wire, S3_SIGNATURE_MISMATCH, 0);
    buf_free(&wire);
}

/* The same with a trailer, from "Signature calculations for trailing headers". */
static void test_published_trailer(void **state)
{
    (void)state;
    static const char *const ends[] = {"", "\r\n"};
    struct buf wire = BUF_INIT(1 << 20);
    struct s3_body_plan plan =
        plan_of(S3_PAYLOAD_CHUNKS_SIGNED_TRAILER,
                "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e", EXAMPLE_BYTES);
    plan.in_trailer[S3_CRC32C] = true;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        buf_clear(&wire);
        add_example(&wire, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992");
        size_t before = wire.len;
        buf_add_cstr(&wire, "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
                            "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n");
        buf_add_cstr(&wire, ends[i]);
        expect(&plan, &wire, S3_OK, EXAMPLE_BYTES);
        wire.ptr[wire.len - strlen(ends[i]) - 3] ^= 1;
        expect(&plan, &wire, S3_SIGNATURE_MISMATCH, 0);
        wire.len = before;
        expect(&plan, &wire, S3_MALFORMED_TRAILER, 0); /* no trailer at all */
        buf_add_cstr(&wire, "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n");
        expect(&plan, &wire, S3_MALFORMED_TRAILER, 0); /* not signed */
    }
    buf_free(&wire);
}

static void test_unsigned_trailer(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        enum s3_code code;
    } cases[] = {
        {"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n", S3_OK},
        {"4\r\n1234\r\n5\r\n56789\r\n0\r\nX-Amz-Checksum-Crc32: y/Q5Jg== \r\n\r\n", S3_OK},
        {"9\r\n123456780\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n", S3_BAD_DIGEST},
        {"9\r\n123456789\r\n0\r\n\r\n", S3_MALFORMED_TRAILER},
        {"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg=\r\n\r\n", S3_MALFORMED_TRAILER},
        {"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32c:4waSgw==\r\n\r\n", S3_MALFORMED_TRAILER},
        {"9\r\n123456789\r\n0\r\nx-amz-acl:public-read\r\n\r\n", S3_MALFORMED_TRAILER},
        {"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n"
         "x-amz-checksum-crc32:y/Q5Jg==\r\n\r\n",
         S3_MALFORMED_TRAILER},
        {"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\nx", S3_INVALID_REQUEST},
        {"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5J", S3_INCOMPLETE_BODY},
        {"9\r\n12345678", S3_INCOMPLETE_BODY},
        {"9\r\n123456789\r\n", S3_INCOMPLETE_BODY},
        {"9\r\n1234567890\r\n0\r\n", S3_INVALID_REQUEST},
        {"a\r\n1234567890\r\n0\r\n", S3_INCOMPLETE_BODY},
        {"fffffffffffffff\r\n1", S3_INCOMPLETE_BODY},
        {"1000000000000000\r\n1", S3_INVALID_REQUEST},
        {"-9\r\n123456789\r\n", S3_INVALID_REQUEST},
        {"0x9\r\n123456789\r\n", S3_INVALID_REQUEST},
        {" 9\r\n123456789\r\n", S3_INVALID_REQUEST},
        {"9\n123456789\r\n0\r\n\r\n", S3_INVALID_REQUEST},
        {"9;x=y\r\n123456789\r\n0\r\n\r\n", S3_INVALID_REQUEST},
        {"", S3_INCOMPLETE_BODY},
    };
    struct s3_body_plan plan = plan_of(S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER, "", 9);
    plan.in_trailer[S3_CRC32] = true;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf wire = BUF_INIT(1 << 20);
        buf_add_cstr(&wire, cases[i].wire);
        expect(&plan, &wire, cases[i].code, 9);
        buf_free(&wire);
    }
}

static void test_endless_lines(void **state)
{
    (void)state;
    struct s3_body_plan plan = plan_of(S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER, "", 9);
    struct buf wire = BUF_INIT(1 << 20);
    add_as(&wire, S3_BODY_LINE_BYTES_MAX + 1);
    expect(&plan, &wire, S3_INVALID_REQUEST, 0);
    buf_clear(&wire);
    buf_add_cstr(&wire, "9\r\n123456789\r\n0\r\n");
    add_as(&wire, S3_BODY_LINE_BYTES_MAX + 1);
    expect(&plan, &wire, S3_INVALID_REQUEST, 0);
    buf_free(&wire);
}

static void test_plain(void **state)
{
    (void)state;
    struct buf wire = BUF_INIT(100);
    buf_add_cstr(&wire, "123456789");
    struct s3_body_plan plan = plan_of(S3_PAYLOAD_SHA256, "", 9);
    plan.sha256 = STR("15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    plan.expected[S3_CRC64NVME] = STR("rosUhgp5mIg=");
    plan.expected[S3_MD5] = STR("JfnnlDI7RTiF9RgfGwQM8w=="); /* wrong on purpose, below right */
    expect(&plan, &wire, S3_BAD_DIGEST, 0);
    plan.expected[S3_MD5] = STR("JfnnlDI7RTiF9RgfG2JNCw==");
    expect(&plan, &wire, S3_OK, 9);
    plan.expected[S3_MD5] = STR("JfnnlDI7RTiF9RgfG2JNCw");
    expect(&plan, &wire, S3_INVALID_DIGEST, 0);
    plan.expected[S3_MD5] = STR_NONE;
    plan.sha256 = STR("15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb226");
    expect(&plan, &wire, S3_SHA256_MISMATCH, 0);
    plan = plan_of(S3_PAYLOAD_UNSIGNED, "", 9);
    expect(&plan, &wire, S3_OK, 9);
    plan.expected[S3_CRC32] = STR("AAAAAA==");
    expect(&plan, &wire, S3_BAD_DIGEST, 0);
    plan.expected[S3_CRC32] = STR("oops");
    expect(&plan, &wire, S3_INVALID_REQUEST, 0);
    plan = plan_of(S3_PAYLOAD_UNSIGNED, "", 10);
    expect(&plan, &wire, S3_INCOMPLETE_BODY, 0);
    buf_free(&wire);
}

static void test_modes(void **state)
{
    (void)state;
    enum s3_payload payload;
    assert_true(s3_payload_parse(STR("UNSIGNED-PAYLOAD"), &payload));
    assert_int_equal(payload, S3_PAYLOAD_UNSIGNED);
    assert_true(s3_payload_parse(STR(S3_EMPTY_SHA256), &payload));
    assert_int_equal(payload, S3_PAYLOAD_SHA256);
    assert_false(s3_payload_parse(STR(""), &payload));
    assert_false(s3_payload_parse(STR("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), &payload));
    assert_false(s3_payload_parse(
        STR("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"), &payload));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_example),
        cmocka_unit_test(test_signed_lies),
        cmocka_unit_test(test_published_trailer),
        cmocka_unit_test(test_unsigned_trailer),
        cmocka_unit_test(test_endless_lines),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
