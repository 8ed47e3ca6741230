/* Tests of signing for clients: what is signed, and the rows S01 to S05 of contract/reliability.md
 * 3.3, with exact outcomes. */
#include "tests/unit/sign_fixture.h"

/* ---- what is signed -------------------------------------------------------------------------- */

static void operations(void **state)
{
    (void)state;
    static const struct {
        const char *method, *uri, *headers, *payload;
        bool cacheable;
    } rows[] = {
        {"GET", KEY "data/a.parquet", "Range: bytes=0-9", "UNSIGNED-PAYLOAD", true},
        {"HEAD", KEY "data/a.parquet", NULL, "UNSIGNED-PAYLOAD", true},
        {"GET", KEY "a", "If-Match: \"x\"", "UNSIGNED-PAYLOAD", false},
        {"PUT", KEY "data/a%20b%2Bc", "Content-Type: x/y\nContent-Length: 5", "UNSIGNED-PAYLOAD",
         false},
        {"PUT", KEY "a", "x-amz-trailer: x-amz-checksum-crc32\nContent-Encoding: aws-chunked",
         "STREAMING-UNSIGNED-PAYLOAD-TRAILER", false},
        {"DELETE", KEY "data/a", NULL, S3_EMPTY_SHA256, false},
        {"POST", KEY "a?uploads", NULL, S3_EMPTY_SHA256, false},
        {"PUT", KEY "a?partNumber=1&uploadId=u%2B", NULL, "UNSIGNED-PAYLOAD", false},
        {"POST", KEY "a?uploadId=u", "content-type: text/xml", "UNSIGNED-PAYLOAD", false},
        {"DELETE", KEY "a?uploadId=u", NULL, S3_EMPTY_SHA256, false},
        {"GET", KEY "a?uploadId=u&max-parts=9", NULL, "UNSIGNED-PAYLOAD", true},
        {"PUT", KEY "a", "x-amz-copy-source: /bucket/wh/t/b%20c", "UNSIGNED-PAYLOAD", false},
        {"PUT", KEY "a?partNumber=1&uploadId=u", "X-Amz-Copy-Source: bucket/wh/t/b",
         "UNSIGNED-PAYLOAD", false},
        {"GET", STORE "/bucket?list-type=2&prefix=wh%2Ft%2F&delimiter=%2F", NULL,
         "UNSIGNED-PAYLOAD", true},
        {"GET", STORE "/bucket/?list-type=2&prefix=wh/t/data/a&max-keys=1", NULL,
         "UNSIGNED-PAYLOAD", true},
        {"GET", STORE "/bucket/extra/data%2B1/x", NULL, "UNSIGNED-PAYLOAD", true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sign_reply reply = check_signed(asked(rows[i].method, rows[i].uri, rows[i].headers));
        assert_str(reply_header(&reply, STR("x-amz-content-sha256")), rows[i].payload);
        assert_int_equal(reply.cacheable, rows[i].cacheable);
        assert_null(reply_header(&reply, STR("range")).ptr);
        assert_null(reply_header(&reply, STR("content-length")).ptr);
        assert_null(reply_header(&reply, STR("x-amz-security-token")).ptr);
    }
}

/* Put together again: one spelling, whatever came. */
static void addresses(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {KEY "a", KEY "a"},
        {"HTTP://Store.Test:9000/bucket/wh/t/a", KEY "a"},
        {STORE "/%62ucket/wh%2Ft/%61", KEY "a"},
        {KEY "a=b+c/%c3%bc", KEY "a%3Db%2Bc/%C3%BC"},
        {KEY "s=a%252Fb/x", KEY "s%3Da%252Fb/x"},
        {KEY "a?", KEY "a"},
        {KEY "a?x-id=GetObject", KEY "a?x-id=GetObject"},
        {"http://bucket.store.test:9000/wh/t/a", "http://bucket.store.test:9000/wh/t/a"},
        {"http://bucket.store.test:9000/wh/t/%61?x-id=%47etObject",
         "http://bucket.store.test:9000/wh/t/a?x-id=GetObject"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sign_reply reply = check_signed(asked("GET", rows[i][0], NULL));
        assert_str(reply.uri, rows[i][1]);
    }
    (void)check_signed(asked("GET", "http://bucket.store.test:9000?list-type=2&prefix=wh/t/",
                             "Host: bucket.store.test:9000"));
}

static void headers_of_clients(void **state)
{
    (void)state;
    struct ask ask =
        asked("PUT", KEY "a",
              "Content-Type: application/octet-stream\nUser-Agent: x\nExpect: 100-continue\n"
              "amz-sdk-invocation-id: 1\namz-sdk-request: attempt=1\nx-amz-date: 20010101T000000Z\n"
              "Authorization: Bearer y\nConnection: keep-alive\nHost: store.test:9000\n"
              "x-amz-content-sha256: UNSIGNED-PAYLOAD\nIf-None-Match: *\nAccept: */*\n"
              "x-amz-sdk-checksum-algorithm: CRC32\nx-amz-checksum-crc32: AAAAAA==\n"
              "x-amz-meta-a:  b   c ");
    struct sign_reply reply = check_signed(ask);
    struct str names = part_of(reply_header(&reply, STR("authorization")), "SignedHeaders=");
    assert_str(names, "content-type;host;if-none-match;x-amz-checksum-crc32;x-amz-content-sha256;"
                      "x-amz-date;x-amz-meta-a;x-amz-sdk-checksum-algorithm");
    assert_int_equal(reply.header_count, 8); /* those but the host, and Authorization */
    ask.headers = "x-amz-content-sha256: "
                  "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    (void)check_signed(ask);
}

/* ---- what is not ----------------------------------------------------------------------------- */

static void s01_other_places(void **state)
{
    (void)state;
    static const char *const uris[] = {
        STORE "/bucket/wh/t10/a",
        STORE "/bucket/wh/t",
        STORE "/bucket/wh/t/",
        STORE "/bucket/wh/a",
        STORE "/bucket/a",
        STORE "/other/wh/t/a",
        STORE "/bucket",
        STORE "/",
        STORE,
        STORE "/bucket2/wh/t/a",
        STORE "/wh/t/a",
        STORE "/bucket//wh/t/a",
        KEY "/a",
        KEY "a//b",
        KEY "../u/a",
        KEY "a/../../u/a",
        KEY "./a",
        KEY "a/..",
        KEY "%2e%2e/u/a",
        KEY "..%2Fu/a",
        KEY "%252e%252e/u/a",
        KEY "..%252Fu%252Fa",
        KEY "a%252f..%252f..%252fu",
        KEY "a%5Cb",
        KEY "a%0Ab",
        KEY "a%7Fb",
        KEY "a%2500b",
        STORE "/BUCKET/wh/t/a",
        STORE "/bucket/WH/t/a",
        STORE "/bucket/extra/data%201/x",
        STORE "/bucket/wh%2Ft10/a",
        STORE "/bucket/wh/t%20/a",
        "http://other.store.test:9000/wh/t/a",
        "http://bucket.store.test:9000/bucket/wh/t/a",
        "http://bucket.store.test:9000/wh/t10/a",
    };
    for (size_t i = 0; i < COUNT_OF(uris); i++) {
        check_refused(asked("GET", uris[i], NULL), ERR_FORBIDDEN);
        check_refused(asked("PUT", uris[i], NULL), ERR_FORBIDDEN);
        check_refused(asked("DELETE", uris[i], NULL), ERR_FORBIDDEN);
    }
    static const char *const bad[] = {
        KEY "a%",         KEY "a%4",        KEY "a%00",          KEY "a%FF", KEY "a b",
        KEY "a#b",        KEY "a\nb",       KEY "a%C0%AF",       "",         "bucket/wh/t/a",
        "/bucket/wh/t/a", STORE "//wh/t/a", STORE "/buc%2Fket/a"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_refused(asked("GET", bad[i], NULL), ERR_BAD_REQUEST);
}

static void rights(void **state)
{
    (void)state;
    static const char *const writes[][2] = {{"PUT", KEY "a"},
                                            {"DELETE", KEY "a"},
                                            {"POST", KEY "a?uploads"},
                                            {"PUT", KEY "a?partNumber=1&uploadId=u"},
                                            {"POST", KEY "a?uploadId=u"},
                                            {"DELETE", KEY "a?uploadId=u"},
                                            {"GET", KEY "a?uploadId=u"},
                                            {"POST", STORE "/bucket?delete"}};
    for (size_t i = 0; i < COUNT_OF(writes); i++)
        check_refused((struct ask){.method = writes[i][0],
                                   .uri = writes[i][1],
                                   .body = "<Delete><Object><Key>wh/t/a</Key></Object></Delete>",
                                   .read_only = true},
                      ERR_FORBIDDEN);
    (void)check_signed((struct ask){.method = "GET", .uri = KEY "a", .read_only = true});
    (void)check_signed((struct ask){
        .method = "GET", .uri = STORE "/bucket?list-type=2&prefix=wh/t/", .read_only = true});
}

/* For whoever dropped a table: an upload that was begun before is no way to a file in its place. */
static void what_is_left_is_only_removed(void **state)
{
    (void)state;
    static const char *const writes[][2] = {{"PUT", KEY "a"},
                                            {"POST", KEY "a?uploads"},
                                            {"PUT", KEY "a?partNumber=1&uploadId=u"},
                                            {"POST", KEY "a?uploadId=u"}};
    static const char *const others[][2] = {
        {"GET", KEY "a"},
        {"DELETE", KEY "a"},
        {"DELETE", KEY "a?uploadId=u"},
        {"GET", STORE "/bucket?list-type=2&prefix=wh/t/"},
        {"POST", STORE "/bucket?delete"},
    };
    for (size_t i = 0; i < COUNT_OF(writes); i++)
        check_refused(
            (struct ask){.method = writes[i][0], .uri = writes[i][1], .removes_only = true},
            ERR_FORBIDDEN);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        (void)check_signed(
            (struct ask){.method = others[i][0],
                         .uri = others[i][1],
                         .body = "<Delete><Object><Key>wh/t/a</Key></Object></Delete>",
                         .removes_only = true});
}

static void s02_copies(void **state)
{
    (void)state;
    static const char *const sources[] = {"/bucket/wh/t10/a",
                                          "/other/wh/t/a",
                                          "bucket/a",
                                          "/bucket/wh/t/../u/a",
                                          "/bucket/wh/t/",
                                          "/bucket/wh/t/a?versionId=1",
                                          "/bucket/wh/t/a?versionId=null",
                                          "/bucket/wh/t/%2e%2e/a",
                                          "/bucket/extra/data+1/x",
                                          "arn:aws:s3:us-east-1:1:accesspoint/x/object/wh/t/a"};
    for (size_t i = 0; i < COUNT_OF(sources); i++)
        for (int mixed = 0; mixed < 2; mixed++) {
            const char *headers =
                arena_printf(arena, "%s: %s", mixed ? "X-AMZ-Copy-SOURCE" : "x-amz-copy-source",
                             sources[i])
                    .ptr;
            check_refused(asked("PUT", KEY "a", headers), ERR_FORBIDDEN);
            check_refused(asked("PUT", KEY "a?partNumber=1&uploadId=u", headers), ERR_FORBIDDEN);
        }
    static const char *const bad[] = {"", "/", "bucket", "/bucket/", "/bucket/wh/t/%"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_refused(
            asked("PUT", KEY "a", arena_printf(arena, "x-amz-copy-source: %s", bad[i]).ptr),
            ERR_BAD_REQUEST);
    static const char good[] = "x-amz-copy-source: /bucket/wh/t/b";
    check_refused(asked("PUT", KEY "a",
                        arena_printf(arena,
                                     "%s\nX-Amz-Copy-Source: "
                                     "/bucket/other",
                                     good)
                            .ptr),
                  ERR_FORBIDDEN);
    check_refused(asked("PUT", KEY "a", arena_printf(arena, "%s\n%s", good, good).ptr),
                  ERR_FORBIDDEN);
    check_refused(asked("GET", KEY "a", good), ERR_FORBIDDEN);
    check_refused(asked("DELETE", KEY "a", good), ERR_FORBIDDEN);
    check_refused(asked("POST", KEY "a?uploads", good), ERR_FORBIDDEN);
    check_refused(asked("PUT", STORE "/bucket/wh/u/a", good), ERR_FORBIDDEN);
}

/* Every operation that S3 has, on places inside: 13 are signed. */
static const char *const allowed[] = {"ListObjectsV2",
                                      "DeleteObjects",
                                      "GetObject",
                                      "HeadObject",
                                      "PutObject",
                                      "CopyObject",
                                      "DeleteObject",
                                      "CreateMultipartUpload",
                                      "UploadPart",
                                      "UploadPartCopy",
                                      "CompleteMultipartUpload",
                                      "AbortMultipartUpload",
                                      "ListParts"};

/* The target of an example, with the scope's place instead of its own. */
static const char *uri_inside(struct str target)
{
    struct buf uri = BUF_INIT(4096);
    buf_add(&uri, STR(STORE));
    while (target.len > 0) {
        static const char *const from[] = {"a%20key%2F", "a%20key/"};
        bool encoded = str_starts_with(target, str_cstr(from[0]));
        if (encoded || str_starts_with(target, str_cstr(from[1]))) {
            buf_add(&uri, STR("wh/t/"));
            target = str_skip(target, strlen(from[encoded ? 0 : 1]));
        } else {
            buf_add_char(&uri, target.ptr[0]);
            target = str_skip(target, 1);
        }
    }
    const char *text = arena_cstr(arena, buf_str(&uri));
    buf_free(&uri);
    return text;
}

/* The place in `allowed` of an operation that is signed; -1: it is refused. */
static int try_operation(struct str line)
{
    struct str name = str_cut(&line, ' '), method = str_cut(&line, ' ');
    const char *uri = uri_inside(str_cut(&line, ' '));
    struct ask ask = {.method = arena_cstr(arena, method),
                      .uri = uri,
                      .headers =
                          str_equal(line, STR("-")) ? NULL : "x-amz-copy-source: bucket/wh/t/b",
                      .body = "<Delete><Object><Key>wh/t/a</Key></Object></Delete>"};
    struct sign_reply reply;
    struct error err;
    if (sign(io, &ask, &reply, &err) != 0) {
        assert_true(err.kind == ERR_FORBIDDEN || err.kind == ERR_BAD_REQUEST);
        return -1;
    }
    for (size_t i = 0; i < COUNT_OF(allowed); i++)
        if (str_equal_cstr(name, allowed[i]))
            return (int)i;
    fail_msg("signed: %.*s", STR_ARG(name));
    return -1;
}

static void s03_operations(void **state)
{
    (void)state;
    FILE *file = fopen("tests/data/s3_operations/operations.txt", "r");
    char text[1024];
    bool seen[COUNT_OF(allowed)] = {false};
    assert_non_null(file);
    while (fgets(text, sizeof(text), file) != NULL) {
        int place = try_operation(str_from(text, strlen(text) - 1));
        if (place >= 0)
            seen[place] = true;
    }
    fclose(file);
    for (size_t i = 0; i < COUNT_OF(allowed); i++)
        if (!seen[i])
            fail_msg("not signed: %s", allowed[i]);
}

static void s03_subresources(void **state)
{
    (void)state;
    static const char *const more[] = {"acl",
                                       "acl=",
                                       "policy",
                                       "versioning",
                                       "lifecycle",
                                       "cors",
                                       "tagging",
                                       "torrent",
                                       "object-lock",
                                       "restore",
                                       "select&select-type=2",
                                       "website",
                                       "publicAccessBlock",
                                       "versionId=1",
                                       "response-content-type=text/html",
                                       "x-id=PutObjectAcl",
                                       "x-id=GetObject&x-id=GetObject",
                                       "x-amz-acl=public-read",
                                       "X-Amz-Signature=1",
                                       "X-Amz-Expires=9",
                                       "retention",
                                       "legal-hold",
                                       "attributes",
                                       "partNumber=1",
                                       "append"};
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        const char *uri = arena_printf(arena, KEY "a?%s", more[i]).ptr;
        check_refused(asked("GET", uri, NULL), ERR_FORBIDDEN);
        check_refused(asked("PUT", uri, NULL), ERR_FORBIDDEN);
    }
}

static const char *delete_of(size_t count, const char *first)
{
    struct buf out = BUF_INIT(1 << 20);
    buf_add_cstr(&out,
                 "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\n");
    for (size_t i = 0; i < count; i++)
        buf_add_format(&out, "  <Object><Key>%s</Key></Object>\n", i == 0 ? first : "wh/t/data/x");
    buf_add_cstr(&out, "</Delete>");
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_free(&out);
    return text;
}

static void s04_deletes(void **state)
{
    (void)state;
    struct ask ask = asked("POST", STORE "/bucket?delete", "Content-Type: application/xml");
    static const size_t counts[] = {1, 2, 999, 1000};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        ask.body = delete_of(counts[i], "wh/t/a&amp;b");
        struct sign_reply reply = check_signed(ask);
        struct sha256 digest = sha256_of(str_cstr(ask.body));
        struct str hash = reply_header(&reply, STR("x-amz-content-sha256"));
        assert_true(str_equal(hash, hex_encode(arena, digest.bytes, SHA256_BYTES)));
    }
    ask.body = "<Delete><Object><Key><![CDATA[wh/t/a&b]]></Key></Object></Delete>";
    (void)check_signed(ask);
    ask.body = "<a:Delete xmlns:a='x'><a:Object><a:Key>wh/t/a</a:Key></a:Object></a:Delete>";
    (void)check_signed(ask);
    static const char *const outside[] = {"wh/t10/a",
                                          "wh/t",
                                          "wh/t/",
                                          "wh/t/../u",
                                          "a",
                                          "wh/t/a//b",
                                          "/wh/t/a",
                                          "s3://bucket/wh/t/a",
                                          "wh/t/%2e%2e/u",
                                          " wh/t/a",
                                          "wh/t/metadata/00001-a.metadata.json"};
    for (size_t i = 0; i < COUNT_OF(outside); i++)
        for (size_t count = 1; count < 3; count++) {
            ask.body = delete_of(count, outside[i]);
            check_refused(ask, ERR_FORBIDDEN);
        }
    static const struct {
        const char *body;
        enum error_kind kind;
    } rows[] = {
        {NULL, ERR_BAD_REQUEST},
        {"", ERR_BAD_REQUEST},
        {"{}", ERR_BAD_REQUEST},
        {"<Delete/>", ERR_BAD_REQUEST},
        {"<Delete><Quiet>true</Quiet></Delete>", ERR_BAD_REQUEST},
        {"<Delete><Object/></Delete>", ERR_BAD_REQUEST},
        {"<Delete><Object><Key/></Object></Delete>", ERR_BAD_REQUEST},
        {"<Delete><Object><Key>wh/t/a</Key><Key>wh/t/b</Key></Object></Delete>", ERR_BAD_REQUEST},
        {"<Delete><Object><Key>wh/t/a</Key><Key>other</Key></Object></Delete>", ERR_BAD_REQUEST},
        {"<Delete><Object><Key><Key>wh/t/a</Key></Key></Object></Delete>", ERR_BAD_REQUEST},
        {"<Delete><Object><Key>wh/t/a</Key><VersionId>1</VersionId></Object></Delete>",
         ERR_FORBIDDEN},
        {"<Delete><Object><VersionId>1</VersionId><Key>wh/t/a</Key></Object></Delete>",
         ERR_FORBIDDEN},
        {"<Delete><Object><Key>wh/t/a</Key><ETag>1</ETag></Object></Delete>", ERR_FORBIDDEN},
        {"<Delete><Key>wh/t/a</Key></Delete>", ERR_BAD_REQUEST},
        {"<Delete><Object><Key>wh/t/a</Key></Object><Other/></Delete>", ERR_BAD_REQUEST},
        {"<Remove><Object><Key>wh/t/a</Key></Object></Remove>", ERR_BAD_REQUEST},
        {"<Delete><Object><Key>wh/t/a</Key></Object>", ERR_BAD_REQUEST},
        {"<Delete><Object><Key>wh/t/<!-- x -->a</Key></Object></Delete>", ERR_BAD_REQUEST},
        {"<Delete><Object><Key>wh/t/&x;</Key></Object></Delete>", ERR_BAD_REQUEST},
        {"<!DOCTYPE d [<!ENTITY x 'wh/u'>]><Delete><Object><Key>&x;</Key></Object></Delete>",
         ERR_BAD_REQUEST},
        {"<Delete><Object><Key>wh/t/&#10;a</Key></Object></Delete>", ERR_FORBIDDEN},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ask.body = rows[i].body;
        check_refused(ask, rows[i].kind);
    }
    ask.body = delete_of(1001, "wh/t/a");
    check_refused(ask, ERR_BAD_REQUEST);
    ask.body = delete_of(10001, "wh/t/a");
    check_refused(ask, ERR_BAD_REQUEST);
    ask.body = delete_of(1, "wh/t/a");
    ask.uri = STORE "/bucket?delete&acl";
    check_refused(ask, ERR_FORBIDDEN);
    ask.uri = KEY "a?delete";
    check_refused(ask, ERR_FORBIDDEN);
}

static void s05_listings(void **state)
{
    (void)state;
    static const char *const queries[] = {"list-type=2",
                                          "list-type=2&prefix=",
                                          "list-type=2&prefix=wh/t",
                                          "list-type=2&prefix=wh/",
                                          "list-type=2&prefix=wh/t10/",
                                          "list-type=2&prefix=wh/t/..",
                                          "list-type=2&prefix=wh/t/../u/",
                                          "list-type=2&prefix=wh/t//",
                                          "list-type=2&prefix=/wh/t/",
                                          "list-type=2&prefix",
                                          "list-type=2&prefix=wh/t/&prefix=wh/",
                                          "list-type=2&prefix=wh/t/%252e%252e/",
                                          "prefix=wh/t/",
                                          "list-type=1&prefix=wh/t/",
                                          "uploads&prefix=wh/t/",
                                          "versions&prefix=wh/t/",
                                          "list-type=2&prefix=wh/t/&acl",
                                          "location",
                                          "list-type=2&prefix=extra/data%201/"};
    for (size_t i = 0; i < COUNT_OF(queries); i++)
        check_refused(asked("GET", arena_printf(arena, STORE "/bucket?%s", queries[i]).ptr, NULL),
                      ERR_FORBIDDEN);
    check_refused(asked("GET", STORE "/bucket?list-type=2&prefix=wh/t/%FF", NULL), ERR_BAD_REQUEST);
    (void)check_signed(asked("GET",
                             STORE "/bucket?list-type=2&prefix=wh/t/&start-after=a&"
                                   "continuation-token=1%2F2&encoding-type=url&fetch-owner=true",
                             NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations),
        cmocka_unit_test(addresses),
        cmocka_unit_test(headers_of_clients),
        cmocka_unit_test(s01_other_places),
        cmocka_unit_test(rights),
        cmocka_unit_test(what_is_left_is_only_removed),
        cmocka_unit_test(s02_copies),
        cmocka_unit_test(s03_operations),
        cmocka_unit_test(s03_subresources),
        cmocka_unit_test(s04_deletes),
        cmocka_unit_test(s05_listings),
    };
    arena = arena_new();
    io = opened((struct storage_options){.endpoint = STR(STORE)});
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    file_io_close(io);
    arena_free(arena);
    return failed;
}
