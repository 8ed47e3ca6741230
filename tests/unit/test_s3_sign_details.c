/* Tests of signing for clients: the rows S06 to S10 of contract/reliability.md 3.3, with exact
 * outcomes, and random requests, none of which is ever signed outside of the scope. */
#include "tests/unit/sign_fixture.h"

static void s06_addresses(void **state)
{
    (void)state;
    static const char *const origins[] = {"https://store.test:9000",
                                          "http://store.test",
                                          "http://store.test:80",
                                          "http://store.test:9001",
                                          "http://store.test:09000",
                                          "http://store.test.:9000",
                                          "http://store.test:9000@evil.test",
                                          "http://evil@store.test:9000",
                                          "http://store.test:9000.evil.test",
                                          "http://xstore.test:9000",
                                          "http://bucket.evil.test:9000",
                                          "http://bucket.store.test.evil.test:9000",
                                          "http://bucket.store.test:9000.evil",
                                          "http://evil.bucket.store.test:9000",
                                          "http://bucket.bucket.store.test:9000",
                                          "http://.store.test:9000",
                                          "http://bucket..store.test:9000",
                                          "http://127.0.0.1:9000",
                                          "http://[::1]:9000",
                                          "http://[store.test]:9000",
                                          "http://store.test:9000:9000",
                                          "http://store%2etest:9000",
                                          "http://store.test%3a9000",
                                          "http://store.test:9000%2f",
                                          "http://store.test:9000\\evil",
                                          "http://store.test :9000",
                                          "http:///store.test:9000",
                                          "http://",
                                          "ftp://store.test:9000",
                                          "s3://store.test:9000",
                                          "file://store.test:9000",
                                          "HTTPS://store.test:9000",
                                          "http://bucket.s3.amazonaws.com",
                                          "https://s3.amazonaws.com",
                                          "https://bucket.s3.us-east-1.amazonaws.com",
                                          "http://user:pw@store.test:9000",
                                          "http://store.test:9000;x",
                                          "http://store.test:9000,evil",
                                          "http://stor\xC3\xA9.test:9000",
                                          "http://\xEF\xBD\x93tore.test:9000",
                                          "://store.test:9000",
                                          "http://BUCKET2.store.test:9000"};
    for (size_t i = 0; i < COUNT_OF(origins); i++) {
        const char *uri = arena_printf(arena, "%s/bucket/wh/t/a", origins[i]).ptr;
        check_refused(asked("GET", uri, NULL), ERR_FORBIDDEN);
        uri = arena_printf(arena, "%s/wh/t/a", origins[i]).ptr;
        check_refused(asked("GET", uri, NULL), ERR_FORBIDDEN);
    }
    check_refused(
        (struct ask){.method = "GET", .uri = KEY "a", .read_only = false, .region = "eu-west-1"},
        ERR_FORBIDDEN);
    check_refused(
        (struct ask){.method = "GET", .uri = KEY "a", .read_only = false, .region = "US-EAST-1"},
        ERR_FORBIDDEN);
    (void)check_signed(
        (struct ask){.method = "GET", .uri = KEY "a", .read_only = false, .region = ""});
    check_refused(asked("GET", KEY "a", "Host: evil.test"), ERR_FORBIDDEN);
    check_refused(asked("GET", KEY "a", "Host: store.test"), ERR_FORBIDDEN);
    check_refused(asked("GET", KEY "a", "Host: store.test:9000\nhost: evil.test"), ERR_FORBIDDEN);
}

static void s06_other_stores(void **state)
{
    (void)state;
    static const struct {
        const char *endpoint, *client, *uri;
        bool is_signed;
    } rows[] = {
        {"", "", "https://s3.us-east-1.amazonaws.com/bucket/wh/t/a", true},
        {"", "", "https://bucket.s3.us-east-1.amazonaws.com/wh/t/a", true},
        {"", "", "https://bucket.s3.us-east-1.amazonaws.com:443/wh/t/a", true},
        {"", "", "https://bucket.s3.amazonaws.com/wh/t/a", true},
        {"", "", "http://bucket.s3.amazonaws.com/wh/t/a", false},
        {"", "", "https://bucket.s3.eu-west-1.amazonaws.com/wh/t/a", false},
        {"", "", "https://bucket.s3.evil.com/wh/t/a", false},
        {"", "", "https://s3.amazonaws.com@evil/bucket/wh/t/a", false},
        {"http://in:9000", "https://out.test", "https://out.test/bucket/wh/t/a", true},
        {"http://in:9000", "https://out.test", "https://bucket.out.test/wh/t/a", true},
        {"http://in:9000", "https://out.test", "http://in:9000/bucket/wh/t/a", true},
        {"http://in:9000", "https://out.test", "http://out.test/bucket/wh/t/a", false},
        {"http://in:9000", "https://out.test", "https://in:9000/bucket/wh/t/a", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct file_io *other = opened((struct storage_options){
            .endpoint = str_cstr(rows[i].endpoint), .client_endpoint = str_cstr(rows[i].client)});
        struct ask ask = asked("GET", rows[i].uri, NULL);
        struct sign_reply reply;
        struct error err;
        if (!rows[i].is_signed)
            check_refused_by(other, ask, ERR_FORBIDDEN);
        else if (sign(other, &ask, &reply, &err) == 0)
            verify(&ask, &reply);
        else
            fail_msg("%s: %s", ask.uri, err.message);
        file_io_close(other);
    }
}

static void s07_headers(void **state)
{
    (void)state;
    static const char *const headers[] = {"x-amz-acl",
                                          "X-Amz-Acl",
                                          "x-amz-grant-read",
                                          "x-amz-grant-write-acp",
                                          "x-amz-grant-full-control",
                                          "x-amz-website-redirect-location",
                                          "x-amz-bypass-governance-retention",
                                          "x-amz-server-side-encryption",
                                          "x-amz-server-side-encryption-customer-key",
                                          "x-amz-server-side-encryption-aws-kms-key-id",
                                          "x-amz-tagging",
                                          "X-Minio-Source-Mtime",
                                          "x-minio-extract",
                                          "x-amz-security-token",
                                          "x-amz-mfa",
                                          "x-amz-object-lock-mode",
                                          "x-amz-request-payer",
                                          "x-amz-expected-bucket-owner",
                                          "x-amz-copy-source-if-match",
                                          "x-amz-copy-source-range",
                                          "x-amz-write-offset-bytes",
                                          "x-amz-rename-source",
                                          "x-rgw-quota",
                                          "x-oss-object-acl",
                                          "x-http-method-override",
                                          "x-forwarded-host",
                                          "x-original-url",
                                          "cookie",
                                          "x-unknown",
                                          "x-amz-",
                                          "forwarded"};
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        const char *line = arena_printf(arena, "%s: 1", headers[i]).ptr;
        check_refused(asked("PUT", KEY "a", line), ERR_FORBIDDEN);
        check_refused(asked("GET", KEY "a", line), ERR_FORBIDDEN);
    }
    static const char *const twice[] = {"Content-Type", "x-amz-meta-a", "If-None-Match",
                                        "x-amz-content-sha256"};
    for (size_t i = 0; i < COUNT_OF(twice); i++)
        check_refused(asked("PUT", KEY "a",
                            arena_printf(arena, "%s: UNSIGNED-PAYLOAD\n%s: UNSIGNED-PAYLOAD",
                                         twice[i], twice[i])
                                .ptr),
                      ERR_FORBIDDEN);
}

static void s08_bytes(void **state)
{
    (void)state;
    struct file_scope scope = {locations, 2, true, NULL, 0, STR("alice"), false};
    struct sign_reply reply;
    struct error err = {0};
    for (int byte = 0; byte < 256; byte++)
        for (int in_name = 0; in_name < 2; in_name++) {
            char text[] = "x-amz-meta-a?b";
            text[12] = (char)byte;
            struct str odd = str_from(text, sizeof(text) - 1);
            struct sign_header header = {in_name ? odd : STR("x-amz-meta-a"),
                                         in_name ? STR("1") : odd};
            struct sign_request request = {
                .method = STR("PUT"), .uri = STR(KEY "a"), .headers = &header, .header_count = 1};
            bool good = byte >= ' ' && byte < 127;
            if (in_name)
                good = good && strchr(" \"(),/:;<=>?@[\\]{}", byte) == NULL;
            int result = file_io_sign(io, &scope, &request, arena, &reply, &err);
            if ((result == 0) != good)
                fail_msg("byte %d in a %s: %d", byte, in_name ? "name" : "value", result);
            assert_true(good || err.kind == ERR_BAD_REQUEST);
        }
    struct sign_header empty = {STR(""), STR("1")};
    struct sign_request request = {
        .method = STR("PUT"), .uri = STR(KEY "a"), .headers = &empty, .header_count = 1};
    assert_int_equal(file_io_sign(io, &scope, &request, arena, &reply, &err), -1);
    assert_int_equal(err.kind, ERR_BAD_REQUEST);
}

static void s09_guarded(void **state)
{
    (void)state;
    static const char file[] = KEY "metadata/00001-a.metadata.json";
    (void)check_signed(asked("GET", file, NULL));
    (void)check_signed(asked("PUT", KEY "metadata/00002-a.metadata.json", NULL));
    (void)check_signed(asked("PUT", KEY "b",
                             "x-amz-copy-source: bucket/wh/t/metadata/"
                             "00001-a.metadata.json"));
    static const char *const writes[][3] = {{"PUT", "", NULL},
                                            {"DELETE", "", NULL},
                                            {"POST", "?uploads", NULL},
                                            {"PUT", "?partNumber=1&uploadId=u", NULL},
                                            {"POST", "?uploadId=u", NULL},
                                            {"PUT", "", "x-amz-copy-source: bucket/wh/t/a"}};
    for (size_t i = 0; i < COUNT_OF(writes); i++)
        check_refused(
            asked(writes[i][0], arena_printf(arena, "%s%s", file, writes[i][1]).ptr, writes[i][2]),
            ERR_FORBIDDEN);
    check_refused(asked("DELETE", KEY "metadata%2F00001-a%2Emetadata.json", NULL), ERR_FORBIDDEN);
}

static void s10_payloads(void **state)
{
    (void)state;
#define DIGEST "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
    static const char *const values[] = {
        "UNSIGNED-PAYLOAD",
        S3_EMPTY_SHA256,
        DIGEST,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "unsigned-payload",
        "",
        "44CE7DD67C959E0D3524FFAC1771DFBBA87D2B6B4B4E99E42034A8B803F8B072",
        DIGEST "0"};
    static const struct {
        const char *method, *uri, *trailer;
        const char *good; /* which of the values, '1' for yes */
    } rows[] = {
        {"GET", KEY "a", "", "1100000000"},
        {"HEAD", KEY "a", "", "1100000000"},
        {"GET", STORE "/bucket?list-type=2&prefix=wh/t/", "", "1100000000"},
        {"PUT", KEY "a", "", "1110000000"},
        {"PUT", KEY "a", "x-amz-trailer: x-amz-checksum-crc32\n", "0001000000"},
        {"PUT", KEY "a?partNumber=1&uploadId=u", "", "1110000000"},
        {"PUT", KEY "a", "x-amz-copy-source: bucket/wh/t/b\n", "1100000000"},
        {"POST", KEY "a?uploadId=u", "", "1110000000"},
        {"POST", KEY "a?uploads", "", "0100000000"},
        {"DELETE", KEY "a", "", "0100000000"},
        {"DELETE", KEY "a?uploadId=u", "", "0100000000"},
        {"POST", STORE "/bucket?delete", "", "0000000000"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t v = 0; v < COUNT_OF(values); v++) {
            struct ask ask = {.method = rows[i].method,
                              .uri = rows[i].uri,
                              .headers = arena_printf(arena, "%sx-amz-content-sha256: %s",
                                                      rows[i].trailer, values[v])
                                             .ptr,
                              .body = "<Delete><Object><Key>wh/t/a</Key></Object></Delete>"};
            if (rows[i].good[v] == '1')
                (void)check_signed(ask);
            else
                check_refused(ask, ERR_FORBIDDEN);
        }
    struct ask ask = {.method = "POST",
                      .uri = STORE "/bucket?delete",
                      .body = "<Delete><Object><Key>wh/t/a</Key></Object></Delete>"};
    struct sha256 digest = sha256_of(str_cstr(ask.body));
    ask.headers = arena_printf(arena, "x-amz-content-sha256: %.64s",
                               hex_encode(arena, digest.bytes, SHA256_BYTES).ptr)
                      .ptr;
    (void)check_signed(ask);
}

static void keys_of_the_store(void **state)
{
    (void)state;
    struct file_io *with_token =
        opened((struct storage_options){.endpoint = STR(STORE), .session_token = STR("tok/en+")});
    struct ask ask = asked("GET", KEY "a", NULL);
    struct sign_reply reply;
    struct error err;
    assert_int_equal(sign(with_token, &ask, &reply, &err), 0);
    verify(&ask, &reply);
    assert_str(reply_header(&reply, STR("X-Amz-Security-Token")), "tok/en+");
    assert_true(
        str_contains(reply_header(&reply, STR("Authorization")), STR(";x-amz-security-token")));
    file_io_close(with_token);
    struct file_io *anonymous =
        opened((struct storage_options){.endpoint = STR(STORE), .credentials = STR("anonymous")});
    check_refused_by(anonymous, ask, ERR_UNSUPPORTED);
    file_io_close(anonymous);
    const struct str foreign[] = {STR("s3://other/wh/t")}, whole[] = {STR("s3://bucket")};
    const struct str *const bad[] = {foreign, whole};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct file_scope scope = {bad[i], 1, true, NULL, 0, STR("alice"), false};
        struct sign_request request = {.method = STR("GET"), .uri = STR(KEY "a")};
        assert_int_equal(file_io_sign(io, &scope, &request, arena, &reply, &err), -1);
        assert_int_equal(err.kind, ERR_FORBIDDEN);
    }
}

/* ---- whatever comes -------------------------------------------------------------------------- */

static uint64_t dice = 88172645463325252u;

static size_t roll(size_t sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (size_t)(dice % sides);
}

#define PICK(array) (array)[roll(COUNT_OF(array))]

static const char *random_path(void)
{
    static const char *const pieces[] = {"/",
                                         "wh",
                                         "t",
                                         "wh/t/",
                                         "wh/t",
                                         "a",
                                         "..",
                                         ".",
                                         "//",
                                         "%2F",
                                         "%2e",
                                         "%252e",
                                         "%252F",
                                         "10",
                                         "extra/data%2B1/",
                                         "+",
                                         "%20",
                                         "data/",
                                         "bucket",
                                         "%",
                                         "%00",
                                         "\xC3\xBC",
                                         "metadata/00001-a.metadata.json",
                                         "extra/data+1/",
                                         "%25"};
    static const char *const harmless[] = {"a", "data/b", "c%20d", "metadata/x", "%25"};
    struct buf out = BUF_INIT(4096);
    if (roll(5) > 0)
        buf_add_cstr(&out, roll(4) > 0 ? "wh/t/" : "extra/data%2B1/");
    for (size_t i = roll(4); i > 0; i--)
        buf_add_cstr(&out, roll(2) ? PICK(pieces) : PICK(harmless));
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_free(&out);
    return text;
}

static const char *random_uri(void)
{
    static const char *const begins[] = {STORE "/bucket/",
                                         STORE "/bucket/",
                                         STORE "/bucket/",
                                         "http://bucket.store.test:9000/",
                                         STORE "/bucket",
                                         STORE "/other/",
                                         "http://evil.test/bucket/",
                                         STORE "//",
                                         STORE "/bucket/../"};
    static const char *const queries[] = {"",
                                          "",
                                          "",
                                          "",
                                          "?uploads",
                                          "?uploadId=u",
                                          "?x-id=GetObject",
                                          "?partNumber=1&uploadId=u",
                                          "?delete",
                                          "?acl",
                                          "?versionId=1",
                                          "?uploads&uploadId=u"};
    if (roll(4) == 0)
        return arena_printf(arena, "%s?list-type=2&prefix=%s", STORE "/bucket", random_path()).ptr;
    if (roll(6) == 0)
        return STORE "/bucket?delete";
    return arena_printf(arena, "%s%s%s", PICK(begins), random_path(), PICK(queries)).ptr;
}

/* An own look at a place, with nothing of what is tested in it. */
static bool is_inside(const char *key)
{
    static const char *const prefixes[] = {"wh/t/", "extra/data+1/"};
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
            return strstr(key, "/../") == NULL && strstr(key, "/./") == NULL &&
                   strstr(key, "//") == NULL &&
                   (strlen(key) < 3 || strcmp(key + strlen(key) - 3, "/..") != 0);
    return false;
}

static const char *decoded(struct str text)
{
    struct str out;
    assert_true(s3_uri_decode(text, arena, &out));
    return arena_cstr(arena, out);
}

static void check_inside(const struct ask *ask, const struct sign_reply *reply, const char *source,
                         const char *deleted)
{
    struct str query = reply->uri, path = str_cut(&query, '?');
    const char *style = STORE "/bucket";
    if (!str_starts_with(path, str_cstr(style)))
        style = "http://bucket.store.test:9000";
    assert_true(str_starts_with(path, str_cstr(style)));
    const char *key = decoded(str_skip(path, strlen(style) + 1));
    bool ok = is_inside(key), writes = strcmp(ask->method, "GET") && strcmp(ask->method, "HEAD");
    if (str_contains(query, STR("list-type")))
        ok = is_inside(decoded(part_of(query, "prefix=")));
    else if (str_equal(query, STR("delete")))
        ok = is_inside(deleted) && key[0] == '\0';
    if (writes && strcmp(key, "wh/t/metadata/00001-a.metadata.json") == 0)
        ok = false;
    if (source != NULL)
        ok = ok && strncmp(source, "bucket/", 7) == 0 && is_inside(decoded(str_cstr(source + 7)));
    if (!ok || (writes && ask->read_only))
        fail_msg("signed: %s %.*s with source %s, deleting %s", ask->method, STR_ARG(reply->uri),
                 source ? source : "-", deleted);
}

static void never_outside(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "HEAD", "PUT", "PUT", "POST", "DELETE"};
    static const char *const lines[] = {"",
                                        "",
                                        "",
                                        "Content-Type: a/b\n",
                                        "x-amz-acl: private\n",
                                        "x-amz-content-sha256: UNSIGNED-PAYLOAD\n"};
    size_t signed_count = 0;
    for (size_t i = 0; i < 30000; i++) {
        struct arena *outer = arena;
        arena = arena_new();
        const char *deleted = random_path(), *source = NULL;
        struct ask ask = {.method = PICK(methods), .uri = random_uri(), .read_only = roll(4) == 0};
        struct str headers = str_cstr(PICK(lines));
        if (roll(4) == 0) {
            source = arena_printf(arena, "%s%s", roll(5) ? "bucket/" : "other/", random_path()).ptr;
            headers = arena_printf(arena, "%.*sx-amz-copy-source: %s", STR_ARG(headers), source);
        }
        ask.headers = headers.ptr;
        ask.body =
            arena_printf(arena, "<Delete><Object><Key>%s</Key></Object></Delete>", deleted).ptr;
        struct sign_reply reply;
        struct error err;
        if (sign(io, &ask, &reply, &err) == 0) {
            check_inside(&ask, &reply, source, deleted);
            verify(&ask, &reply);
            signed_count++;
        } else {
            assert_true(err.kind == ERR_FORBIDDEN || err.kind == ERR_BAD_REQUEST);
        }
        arena_free(arena);
        arena = outer;
    }
    assert_in_range(signed_count, 1000, 29000); /* it does sign */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s06_addresses),     cmocka_unit_test(s06_other_stores),
        cmocka_unit_test(s07_headers),       cmocka_unit_test(s08_bytes),
        cmocka_unit_test(s09_guarded),       cmocka_unit_test(s10_payloads),
        cmocka_unit_test(keys_of_the_store), cmocka_unit_test(never_outside),
    };
    arena = arena_new();
    io = opened((struct storage_options){.endpoint = STR(STORE)});
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    file_io_close(io);
    arena_free(arena);
    return failed;
}
