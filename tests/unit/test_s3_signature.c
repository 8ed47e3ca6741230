/* Tests of storage/s3_signature: the examples that AWS publishes with its documentation of S3, 400
 * requests that botocore has signed (tests/data/sigv4), and the spellings of one request. */
#include "tests/unit/unit.h"

#include <jansson.h>

#include "storage/s3_signature.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define DATE "20130524T000000Z"
#define SCOPE "20130524/us-east-1/s3/aws4_request"
#define HOST                                               \
    {                                                      \
        STR("Host"), STR("examplebucket.s3.amazonaws.com") \
    }
#define AMZ_DATE                     \
    {                                \
        STR("x-amz-date"), STR(DATE) \
    }
#define ITEM(name, value)           \
    {                               \
        STR(name), STR(value), true \
    }

static struct arena *arena;

static struct s3_signing_key example_key(void)
{
    return s3_signing_key_derive(STR(SECRET), STR("20130524"), STR("us-east-1"), STR("s3"));
}

static struct s3_to_sign example(const char *method, const char *path, const char *hash,
                                 const struct s3_header *headers, size_t count)
{
    return (struct s3_to_sign){.method = str_cstr(method),
                               .path = str_cstr(path),
                               .headers = headers,
                               .header_count = count,
                               .payload_hash = str_cstr(hash),
                               .amz_date = STR(DATE),
                               .region = STR("us-east-1"),
                               .service = STR("s3")};
}

static void check(const struct s3_to_sign *what, const char *signature)
{
    struct s3_signing_key key = example_key();
    assert_str(s3_signature(what, &key, arena), signature);
}

static void published_get(void **state)
{
    (void)state;
    const struct s3_header headers[] = {HOST,
                                        {STR("Range"), STR("bytes=0-9")},
                                        {STR("x-amz-content-sha256"), STR(S3_EMPTY_SHA256)},
                                        AMZ_DATE};
    struct s3_to_sign what = example("GET", "/test.txt", S3_EMPTY_SHA256, headers, 4);
    assert_str(s3_authorization(&what, STR("AKIAIOSFODNN7EXAMPLE"), STR(SECRET), arena),
               "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" SCOPE
               ", SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
               "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void published_put(void **state)
{
    (void)state;
    static const char hash[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    const struct s3_header headers[] = {{STR("Date"), STR("Fri, 24 May 2013 00:00:00 GMT")},
                                        HOST,
                                        AMZ_DATE,
                                        {STR("x-amz-storage-class"), STR("REDUCED_REDUNDANCY")},
                                        {STR("x-amz-content-sha256"), str_cstr(hash)}};
    struct sha256 digest = sha256_of(STR("Welcome to Amazon S3."));
    assert_str(hex_encode(arena, digest.bytes, SHA256_BYTES), hash);
    static const char *const spellings[] = {"/test%24file.text", "/test$file.text",
                                            "/%74est%24file%2Etext"};
    for (size_t i = 0; i < COUNT_OF(spellings); i++) {
        struct s3_to_sign what = example("PUT", spellings[i], hash, headers, 5);
        check(&what, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    }
}

static void published_queries(void **state)
{
    (void)state;
    const struct s3_header headers[] = {
        HOST, AMZ_DATE, {STR("x-amz-content-sha256"), STR(S3_EMPTY_SHA256)}};
    const struct s3_query_item lifecycle[] = {{STR("lifecycle"), STR_NONE, false}};
    const struct s3_query_item list[] = {ITEM("prefix", "J"), ITEM("max-keys", "2")};
    struct s3_to_sign what = example("GET", "/", S3_EMPTY_SHA256, headers, 3);
    what.query = lifecycle;
    what.query_count = 1;
    check(&what, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    what.path = STR("");
    what.query = list;
    what.query_count = 2;
    check(&what, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void published_presigned(void **state)
{
    (void)state;
    const struct s3_header headers[] = {HOST};
    const struct s3_query_item query[] = {
        ITEM("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ITEM("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/" SCOPE),
        ITEM("X-Amz-Date", DATE),
        ITEM("X-Amz-Expires", "86400"),
        ITEM("X-Amz-SignedHeaders", "host"),
    };
    struct s3_to_sign what = example("GET", "/test.txt", S3_UNSIGNED_PAYLOAD, headers, 1);
    what.query = query;
    what.query_count = COUNT_OF(query);
    check(&what, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

static struct s3_to_sign streamed(const char *mode, const struct s3_header *headers, size_t count)
{
    return example("PUT", "/examplebucket/chunkObject.txt", mode, headers, count);
}

#define STREAM_HEADERS(mode)                                                                     \
    {STR("Host"), STR("s3.amazonaws.com")}, AMZ_DATE,                                            \
        {STR("x-amz-storage-class"), STR("REDUCED_REDUNDANCY")},                                 \
        {STR("x-amz-content-sha256"), STR(mode)}, {STR("Content-Encoding"), STR("aws-chunked")}, \
        {STR("x-amz-decoded-content-length"), STR("66560")},                                     \
    {                                                                                            \
        STR("Content-Length"), STR("66824")                                                      \
    }

/* 64 KB and 1 KB of 'a', and the empty chunk. */
static void check_chunks(struct str seed, const char *const signatures[3])
{
    struct s3_signing_key key = example_key();
    static char data[65536];
    memset(data, 'a', sizeof(data));
    const size_t sizes[] = {65536, 1024, 0};
    struct str previous = seed;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct sha256 digest = sha256_of(str_from(data, sizes[i]));
        previous = s3_chunk_signature(&key, STR(DATE), STR(SCOPE), previous, &digest, arena);
        assert_str(previous, signatures[i]);
    }
}

static void published_chunks(void **state)
{
    (void)state;
    static const char mode[] = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    const struct s3_header headers[] = {STREAM_HEADERS("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")};
    struct s3_to_sign what = streamed(mode, headers, COUNT_OF(headers));
    static const char seed[] = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    static const char *const signatures[] = {
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"};
    check(&what, seed);
    check_chunks(STR("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"),
                 signatures);
}

static void published_trailer(void **state)
{
    (void)state;
    static const char mode[] = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    static const char seed[] = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    const struct s3_header headers[] = {
        STREAM_HEADERS("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
        {STR("x-amz-trailer"), STR("x-amz-checksum-crc32c")}};
    struct s3_header without_length[8];
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        if (!str_equal_cstr(headers[i].name, "Content-Length"))
            without_length[count++] = headers[i];
    struct s3_to_sign what = streamed(mode, without_length, count);
    check(&what, seed);
    static const char *const signatures[] = {
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"};
    check_chunks(str_cstr(seed), signatures);
    struct s3_signing_key key = example_key();
    struct sha256 trailer = sha256_of(STR("x-amz-checksum-crc32c:sOO8/Q==\n"));
    assert_str(
        s3_trailer_signature(&key, STR(DATE), STR(SCOPE), str_cstr(signatures[2]), &trailer, arena),
        "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435");
}

static struct str member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value))
        fail_msg("the vector has no %s", name);
    return str_from(json_string_value(value), json_string_length(value));
}

static struct str text_at(const json_t *array, size_t i)
{
    const json_t *value = json_array_get(array, i);
    return str_from(json_string_value(value), json_string_length(value));
}

static void check_vector(const json_t *vector, size_t number)
{
    const json_t *query = json_object_get(vector, "query");
    const json_t *headers = json_object_get(vector, "headers");
    struct s3_query_item *items = ARENA_ARRAY(arena, struct s3_query_item, json_array_size(query));
    struct s3_header *lines = ARENA_ARRAY(arena, struct s3_header, json_array_size(headers));
    for (size_t i = 0; i < json_array_size(query); i++) {
        const json_t *pair = json_array_get(query, i);
        items[i] = (struct s3_query_item){text_at(pair, 0), text_at(pair, 1), true};
    }
    for (size_t i = 0; i < json_array_size(headers); i++) {
        const json_t *pair = json_array_get(headers, i);
        lines[i] = (struct s3_header){text_at(pair, 0), text_at(pair, 1)};
    }
    struct s3_to_sign what = {.method = member(vector, "method"),
                              .path = member(vector, "path"),
                              .query = items,
                              .query_count = json_array_size(query),
                              .headers = lines,
                              .header_count = json_array_size(headers),
                              .payload_hash = member(vector, "payload_hash"),
                              .amz_date = member(vector, "amz_date"),
                              .region = member(vector, "region"),
                              .service = member(vector, "service")};
    struct s3_signing_key key = s3_signing_key_derive(
        member(vector, "secret"), str_from(what.amz_date.ptr, 8), what.region, what.service);
    struct str names = member(vector, "signed_headers"), mac = member(vector, "signature");
    struct str own_names = s3_signed_headers(&what, arena), own = s3_signature(&what, &key, arena);
    if (!str_equal(names, own_names) || !str_equal(mac, own))
        fail_msg("vector %zu: %.*s %.*s: got %.*s and %.*s", number, STR_ARG(what.method),
                 STR_ARG(what.path), STR_ARG(own_names), STR_ARG(own));
}

static void botocore_agrees(void **state)
{
    (void)state;
    json_error_t error;
    json_t *vectors = json_load_file("tests/data/sigv4/vectors.json", 0, &error);
    if (vectors == NULL)
        fail_msg("tests/data/sigv4/vectors.json: %s", error.text);
    assert_int_equal(json_array_size(vectors), 400);
    for (size_t i = 0; i < json_array_size(vectors); i++)
        check_vector(json_array_get(vectors, i), i);
    json_decref(vectors);
}

/* What must make a difference, and what must not. */
static void spellings_of_one_request(void **state)
{
    (void)state;
    const struct s3_header headers[] = {HOST, {STR("X-A"), STR("1")}, {STR("x-a"), STR("2 3")}};
    const struct s3_header same[] = {{STR("x-A"), STR(" 1\t")}, HOST, {STR("X-a"), STR("2 \t 3 ")}};
    const struct s3_header other[] = {HOST, {STR("x-a"), STR("2 3")}, {STR("X-A"), STR("1")}};
    const struct s3_header split[] = {
        HOST, {STR("x-a"), STR("1\nhost:evil")}, {STR("x-a"), STR("2 3")}};
    struct s3_signing_key key = example_key();
    struct s3_to_sign what = example("GET", "/a%2Fb", S3_EMPTY_SHA256, headers, 3);
    struct str signature = s3_signature(&what, &key, arena);
    what.headers = same;
    assert_true(str_equal(s3_signature(&what, &key, arena), signature));
    what.headers = other;
    assert_false(str_equal(s3_signature(&what, &key, arena), signature));
    what.headers = split;
    assert_str(s3_signed_headers(&what, arena), "host;x-a");
    assert_false(str_equal(s3_signature(&what, &key, arena), signature));
    what.headers = headers;
    static const char *const others[] = {"/a/b", "/a%252Fb", "/a%2fb/", "/A%2Fb"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        what.path = str_cstr(others[i]);
        assert_false(str_equal(s3_signature(&what, &key, arena), signature));
    }
    what.path = STR("/a%2fb");
    assert_true(str_equal(s3_signature(&what, &key, arena), signature));
    /* An escape that is none is the bytes that stand there. */
    what.path = STR("/a%2");
    signature = s3_signature(&what, &key, arena);
    what.path = STR("/a%252");
    assert_true(str_equal(s3_signature(&what, &key, arena), signature));
}

static void encoding(void **state)
{
    (void)state;
    assert_str(s3_uri_encode(STR("a b/~*'+%\xC3\xBC"), true, arena), "a%20b/~%2A%27%2B%25%C3%BC");
    assert_str(s3_uri_encode(STR("/"), false, arena), "%2F");
    struct str out;
    assert_true(s3_uri_decode(STR("a+%2b%20%C3%bc%2F"), arena, &out));
    assert_str(out, "a++ \xC3\xBC/");
    static const char *const bad[] = {"%", "%4", "%zz", "a%0", "%00", "%+1", "%4g"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (s3_uri_decode(str_cstr(bad[i]), arena, &out))
            fail_msg("decoded %s", bad[i]);
    assert_false(s3_uri_decode(STR("a\0b"), arena, &out));
    char all[255];
    for (int i = 1; i < 256; i++)
        all[i - 1] = (char)i;
    assert_true(s3_uri_decode(s3_uri_encode(str_from(all, 255), false, arena), arena, &out));
    assert_int_equal(out.len, 255);
    assert_memory_equal(out.ptr, all, 255);
}

static void dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {
        {"19700101T000000Z", 0},          {"20000229T235959Z", 951868799},
        {"20000301T000000Z", 951868800},  {"20130524T000000Z", 1369353600},
        {"20261125T004230Z", 1795567350}, {"21000228T235959Z", 4107542399},
        {"21000301T000000Z", 4107542400}, {"99991231T235959Z", 253402300799},
    };
    int64_t time_ms;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_str(s3_amz_date(rows[i].seconds * 1000 + 999, arena), rows[i].text);
        assert_true(s3_amz_date_parse(str_cstr(rows[i].text), &time_ms));
        assert_int_equal(time_ms, rows[i].seconds * 1000);
    }
    for (int64_t day = 0; day < 60000; day++) {
        assert_true(s3_amz_date_parse(s3_amz_date(day * 86400000, arena), &time_ms));
        assert_int_equal(time_ms, day * 86400000);
    }
    static const char *const bad[] = {
        "",
        "20130524T000000",
        "20130524t000000Z",
        "20130524T000000z",
        "20130524T0000000Z",
        "20130229T000000Z",
        "20131301T000000Z",
        "20130001T000000Z",
        "20130524T240000Z",
        "20130524T006000Z",
        "20130524T000060Z",
        "2013052 T000000Z",
        "-0130524T000000Z",
        "19691231T235959Z",
        "20130431T000000Z",
        "20130500T000000Z",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (s3_amz_date_parse(str_cstr(bad[i]), &time_ms))
            fail_msg("accepted %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_get),     cmocka_unit_test(published_put),
        cmocka_unit_test(published_queries), cmocka_unit_test(published_presigned),
        cmocka_unit_test(published_chunks),  cmocka_unit_test(published_trailer),
        cmocka_unit_test(botocore_agrees),   cmocka_unit_test(spellings_of_one_request),
        cmocka_unit_test(encoding),          cmocka_unit_test(dates),
    };
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
