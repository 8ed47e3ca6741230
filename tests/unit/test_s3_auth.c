/* Who asks: every way to be wrong about it, and the code that S3 names for each. */
#include "tests/unit/unit.h"

#include "server/s3_auth.h"

#define NOW_MS 1764032523000 /* 2025-11-25 01:02:03 */
#define DATE "20251125T010203Z"
#define ID "READER"
#define SECRET "readersecret"
#define FIELDS_MAX 16

struct attempt {
    struct arena *arena;
    struct s3_key_file *file;
    struct s3_request request;
    struct http_field fields[FIELDS_MAX];
    size_t count;
    struct str method, target;
    struct s3_identity identity;
    struct s3_fault fault;
};

static void add(struct attempt *a, const char *name, struct str value)
{
    assert_true(a->count < FIELDS_MAX);
    a->fields[a->count++] = (struct http_field){str_cstr(name), value};
}

static void set(struct attempt *a, const char *name, const char *value)
{
    for (size_t i = 0; i < a->count; i++)
        if (str_equal_cstr(a->fields[i].name, name)) {
            a->fields[i].value = str_cstr(value);
            return;
        }
    add(a, name, str_cstr(value));
}

static void begin(struct attempt *a, const char *target)
{
    struct error err;
    *a = (struct attempt){.arena = arena_new(), .method = STR("GET"), .target = str_cstr(target)};
    assert_int_equal(
        s3_key_file_parse(STR("# keys\n" ID ":" SECRET ":lake:t1/:r\n"), &a->file, &err), 0);
    add(a, "Host", STR("127.0.0.1:8181"));
    add(a, "x-amz-date", STR(DATE));
    add(a, "x-amz-content-sha256", STR(S3_EMPTY_SHA256));
}

static void end(struct attempt *a)
{
    s3_key_file_close(a->file);
    arena_free(a->arena);
}

/* Signs all headers that are there. */
static void sign(struct attempt *a, const char *id, const char *secret, const char *service)
{
    struct s3_header headers[FIELDS_MAX];
    struct error err;
    struct s3_request request;
    struct str rest = a->target;
    for (size_t i = 0; i < a->count; i++)
        headers[i] = (struct s3_header){a->fields[i].name, a->fields[i].value};
    assert_int_equal(s3_request_parse(a->method, a->target, STR_NONE, a->arena, &request, &err), 0);
    const struct s3_to_sign what = {
        .method = a->method,
        .path = str_cut(&rest, '?'),
        .query = request.query,
        .query_count = request.query_count,
        .headers = headers,
        .header_count = a->count,
        .payload_hash = STR(S3_EMPTY_SHA256),
        .amz_date = STR(DATE),
        .region = STR("eu-north-1"),
        .service = str_cstr(service),
    };
    add(a, "Authorization", s3_authorization(&what, str_cstr(id), str_cstr(secret), a->arena));
}

static enum s3_code check_at(struct attempt *a, int64_t now_ms)
{
    struct error err;
    struct str rest = a->target;
    const struct s3_keys keys = {.file = a->file};
    assert_int_equal(s3_request_parse(a->method, a->target, STR_NONE, a->arena, &a->request, &err),
                     0);
    const struct s3_auth_request what = {a->method, str_cut(&rest, '?'), &a->request, a->fields,
                                         a->count};
    int rc = s3_auth_check(&keys, &what, now_ms, a->arena, &a->identity, &a->fault);
    return rc == 0 ? S3_OK : a->fault.code;
}

#define assert_code(attempt, code) \
    assert_string_equal(s3_code_text(check_at(attempt, NOW_MS)), s3_code_text(code))

static void test_signed_in_the_header(void **state)
{
    (void)state;
    struct attempt a;
    begin(&a, "/s3/lake/t1/a%20b=c?x=1&list-type=2");
    sign(&a, ID, SECRET, "s3");
    assert_code(&a, S3_OK);
    assert_str(a.identity.access_key_id, ID);
    assert_str(a.identity.warehouse, "lake");
    assert_str(a.identity.grant.prefixes[0], "t1/");
    assert_false(a.identity.grant.write);
    assert_int_equal(a.identity.payload, S3_PAYLOAD_SHA256);
    assert_str(a.identity.scope, "20251125/eu-north-1/s3/aws4_request");
    set(&a, "User-Agent", "whoever"); /* may be added on the way */
    assert_code(&a, S3_OK);
    assert_int_equal(check_at(&a, NOW_MS + S3_SKEW_MS), S3_OK);
    assert_int_equal(check_at(&a, NOW_MS + S3_SKEW_MS + 1), S3_TIME_SKEWED);
    assert_int_equal(check_at(&a, NOW_MS - S3_SKEW_MS - 1), S3_TIME_SKEWED);
    a.method = STR("PUT");
    assert_code(&a, S3_SIGNATURE_MISMATCH);
    a.method = STR("GET");
    a.target = STR("/s3/lake/t1/a%20b=d?x=1&list-type=2");
    assert_code(&a, S3_SIGNATURE_MISMATCH);
    a.target = STR("/s3/lake/t1/a%20b=c?x=2&list-type=2");
    assert_code(&a, S3_SIGNATURE_MISMATCH);
    a.target = STR("/s3/lake/t1/a%20b=c?x=1&list-type=2&y");
    assert_code(&a, S3_SIGNATURE_MISMATCH);
    end(&a);
}

static void test_headers_must_be_signed(void **state)
{
    (void)state;
    static const char *const names[] = {"x-amz-copy-source", "X-Amz-Acl", "X-AMZ-META-A",
                                        "x-amz-security-token"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct attempt a;
        begin(&a, "/lake/t1/a");
        sign(&a, ID, SECRET, "s3");
        set(&a, names[i], "/lake/t2/a");
        enum s3_code code = check_at(&a, NOW_MS);
        /* a token that is none is found out first */
        assert_int_equal(code, i == 3 ? S3_INVALID_TOKEN : S3_ACCESS_DENIED);
        end(&a);
    }
}

static void test_what_is_wrong_with_a_header(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        enum s3_code code;
    } cases[] = {
        {"Authorization", "AWS READER:abcdef", S3_INVALID_REQUEST},
        {"Authorization", "Bearer xyz", S3_INVALID_REQUEST},
        {"Authorization", "AWS4-HMAC-SHA256", S3_AUTH_HEADER_MALFORMED},
        {"Authorization", "AWS4-HMAC-SHA256 Credential=a/b", S3_AUTH_HEADER_MALFORMED},
        {"x-amz-date", "yesterday", S3_ACCESS_DENIED},
        {"x-amz-date", "20251124T235959Z", S3_ACCESS_DENIED}, /* another day's key */
        {"x-amz-date", "20251125T010204Z", S3_SIGNATURE_MISMATCH},
        {"x-amz-content-sha256", "abc", S3_INVALID_ARGUMENT},
        {"x-amz-content-sha256", S3_UNSIGNED_PAYLOAD, S3_SIGNATURE_MISMATCH},
        {"Host", "evil", S3_SIGNATURE_MISMATCH},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct attempt a;
        begin(&a, "/lake/t1/a");
        sign(&a, ID, SECRET, "s3");
        set(&a, cases[i].name, cases[i].value);
        enum s3_code code = check_at(&a, NOW_MS);
        if (code != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].name, cases[i].value, s3_code_text(code));
        end(&a);
    }
}

static void test_keys_and_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *id, *secret, *service;
        enum s3_code code;
    } cases[] = {
        {ID, "wrongsecret", "s3", S3_SIGNATURE_MISMATCH},
        {"NOBODY", SECRET, "s3", S3_INVALID_ACCESS_KEY},
        {"FIRNABCDEFGHIJKLMNOP", SECRET, "s3", S3_INVALID_ACCESS_KEY},
        {ID, SECRET, "sts", S3_AUTH_HEADER_MALFORMED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct attempt a;
        begin(&a, "/lake/t1/a");
        sign(&a, cases[i].id, cases[i].secret, cases[i].service);
        assert_code(&a, cases[i].code);
        end(&a);
    }
}

static void test_nobody_and_both(void **state)
{
    (void)state;
    struct attempt a;
    begin(&a, "/lake/t1/a");
    assert_code(&a, S3_ACCESS_DENIED);
    sign(&a, ID, SECRET, "s3");
    a.target = STR("/lake/t1/a?X-Amz-Credential=READER%2F20251125%2Fx%2Fs3%2Faws4_request");
    assert_code(&a, S3_INVALID_ARGUMENT);
    end(&a);
    begin(&a, "/lake/t1/a");
    sign(&a, ID, SECRET, "s3");
    add(&a, "authorization", a.fields[a.count - 1].value);
    assert_code(&a, S3_INVALID_REQUEST);
    end(&a);
}

/* ---- presigned ------------------------------------------------------------------------------- */

#define QUERY(expires)                                                                    \
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=READER%2F20251125%2Feu-north-1%2F" \
    "s3%2Faws4_request&X-Amz-Date=" DATE "&X-Amz-Expires=" expires "&X-Amz-SignedHeaders=host"

static void presign(struct attempt *a, const char *query)
{
    struct error err;
    struct s3_request request;
    struct str path = STR("/lake/t1/a");
    begin(a, "");
    a->target = arena_printf(a->arena, "%.*s?%s", STR_ARG(path), query);
    a->count = 1;
    assert_int_equal(s3_request_parse(a->method, a->target, STR_NONE, a->arena, &request, &err), 0);
    const struct s3_header host = {a->fields[0].name, a->fields[0].value};
    const struct s3_to_sign what = {
        .method = a->method,
        .path = path,
        .query = request.signature_query,
        .query_count = request.signature_query_count,
        .headers = &host,
        .header_count = 1,
        .payload_hash = STR(S3_UNSIGNED_PAYLOAD),
        .amz_date = STR(DATE),
        .region = STR("eu-north-1"),
        .service = STR("s3"),
    };
    struct s3_signing_key key =
        s3_signing_key_derive(STR(SECRET), STR("20251125"), what.region, what.service);
    struct str signature = s3_signature(&what, &key, a->arena);
    a->target =
        arena_printf(a->arena, "%.*s&X-Amz-Signature=%.*s", STR_ARG(a->target), STR_ARG(signature));
}

static void test_presigned(void **state)
{
    (void)state;
    struct attempt a;
    presign(&a, QUERY("60"));
    assert_code(&a, S3_OK);
    assert_true(a.identity.presigned);
    assert_int_equal(a.identity.payload, S3_PAYLOAD_UNSIGNED);
    assert_int_equal(check_at(&a, NOW_MS + 59999), S3_OK);
    assert_int_equal(check_at(&a, NOW_MS + 60000), S3_ACCESS_DENIED);
    assert_int_equal(check_at(&a, NOW_MS - S3_SKEW_MS - 1), S3_ACCESS_DENIED);
    add(&a, "x-amz-copy-source", STR("/lake/t2/a"));
    assert_code(&a, S3_ACCESS_DENIED);
    a.count--;
    add(&a, "Authorization", STR("AWS4-HMAC-SHA256 x"));
    assert_code(&a, S3_INVALID_ARGUMENT);
    end(&a);
}

static void test_presigned_wrongly(void **state)
{
    (void)state;
    static const char *const queries[] = {
        QUERY("0"),
        QUERY("604801"),
        QUERY("-1"),
        QUERY("1h"),
        QUERY("60") "&X-Amz-Date=20251125T010203Z",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential=READER%2F20251125%2Feu-north-1%2Fs3%2Faws4_request",
    };
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        struct attempt a;
        presign(&a, queries[i]);
        if (check_at(&a, NOW_MS) != S3_AUTH_QUERY_ERROR)
            fail_msg("%s: %s", queries[i], s3_code_text(a.fault.code));
        end(&a);
    }
}

static void test_whose_request(void **state)
{
    (void)state;
    assert_true(s3_auth_is_present(
        STR("AWS4-HMAC-SHA256 Credential=A/20251125/x/s3/aws4_request, SignedHeaders=host"),
        STR("/")));
    assert_false(s3_auth_is_present(
        STR("AWS4-HMAC-SHA256 Credential=A/20251125/x/execute-api/aws4_request"), STR("/")));
    assert_false(s3_auth_is_present(STR("Bearer /s3/aws4_request"), STR("/v1/config")));
    assert_true(s3_auth_is_present(STR_NONE, STR("/lake/a?" QUERY("60") "&X-Amz-Signature=0")));
    assert_false(s3_auth_is_present(STR_NONE, STR("/v1/config?warehouse=x")));
}

static void test_key_files(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "A:secret12:lake:t1/",  "A:short:lake::r",
        "A:secret12:lake:t1:r", "A:secret12:lake:/t1/:r",
        "A:secret12:lake::w",   ":secret12:lake::r",
        "A:secret12:::r",       "A:secret12:lake::r\nA:secret13:lake::r",
        "A/B:secret12:lake::r", "A:secret12:lake::r:x",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct s3_key_file *file;
        struct error err;
        if (s3_key_file_parse(str_cstr(bad[i]), &file, &err) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.kind, ERR_ILLEGAL_ARGUMENT);
        assert_null(strstr(err.message, "secret1"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed_in_the_header),
        cmocka_unit_test(test_headers_must_be_signed),
        cmocka_unit_test(test_what_is_wrong_with_a_header),
        cmocka_unit_test(test_keys_and_scopes),
        cmocka_unit_test(test_nobody_and_both),
        cmocka_unit_test(test_presigned),
        cmocka_unit_test(test_presigned_wrongly),
        cmocka_unit_test(test_whose_request),
        cmocka_unit_test(test_key_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
