/* Tests of storage/s3_request: every operation that S3 has, as botocore writes it
 * (tests/data/s3_operations), of which only those of the table are known, and only whole. */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "storage/s3_request.h"

static struct arena *arena;

static const char *const known[] = {
    "ListBuckets",
    "HeadBucket",
    "GetBucketLocation",
    "ListObjects",
    "ListObjectsV2",
    "ListMultipartUploads",
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
    "ListParts",
};

static struct s3_request parsed(struct str method, struct str target, struct str copy_source)
{
    struct s3_request out;
    struct error err = {0};
    if (s3_request_parse(method, target, copy_source, arena, &out, &err) != 0)
        fail_msg("%.*s %.*s: %s", STR_ARG(method), STR_ARG(target), err.message);
    return out;
}

static const char *name_of(const char *method, const char *target)
{
    struct s3_request out = parsed(str_cstr(method), str_cstr(target), STR_NONE);
    return s3_operation_name(out.operation);
}

static bool is_known(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_equal_cstr(name, known[i]))
            return true;
    return false;
}

struct line {
    struct str name, method, target, copy_source;
    bool known;
};

/* Calls fn for each line of operations.txt. */
static size_t each_line(void (*fn)(const struct line *line))
{
    FILE *file = fopen("tests/data/s3_operations/operations.txt", "r");
    char text[1024];
    size_t count = 0;
    assert_non_null(file);
    for (; fgets(text, sizeof(text), file) != NULL; count++) {
        struct str rest = str_cstr(text);
        rest.len--;
        struct line line = {.name = str_cut(&rest, ' ')};
        line.method = str_cut(&rest, ' ');
        line.target = str_cut(&rest, ' ');
        line.copy_source = str_equal(rest, STR("-")) ? STR_NONE : rest;
        line.known = is_known(line.name) && !str_contains(line.target, STR("response-")) &&
                     !str_contains(line.target, STR("versionId"));
        fn(&line);
    }
    fclose(file);
    return count;
}

static void check_name(const struct line *line)
{
    struct s3_request out = parsed(line->method, line->target, line->copy_source);
    struct str expected = line->known ? line->name : STR("Unknown");
    if (!str_equal_cstr(expected, s3_operation_name(out.operation)))
        fail_msg("%.*s %.*s is taken for %s", STR_ARG(line->name), STR_ARG(line->target),
                 s3_operation_name(out.operation));
    assert_int_equal(out.operation == S3_UNKNOWN, !line->known);
}

static void operations_of_s3(void **state)
{
    (void)state;
    assert_in_range(each_line(check_name), 100, 1000);
}

static void expect(const struct line *line, struct str target, bool is_known_still)
{
    struct s3_request out = parsed(line->method, target, line->copy_source);
    struct str expected = is_known_still ? line->name : STR("Unknown");
    if (!str_equal_cstr(expected, s3_operation_name(out.operation)))
        fail_msg("%.*s is taken for %s", STR_ARG(target), s3_operation_name(out.operation));
}

/* Whatever is added to an operation makes it none, as does everything that is there twice. */
static void check_exact(const struct line *line)
{
    static const char *const more[] = {
        "acl",
        "policy",
        "versioning",
        "lifecycle",
        "cors",
        "tagging",
        "torrent",
        "object-lock",
        "restore",
        "select",
        "website",
        "publicAccessBlock",
        "versionId=1",
        "response-expires=x",
        "retention",
        "legal-hold",
        "append&position=0",
        "=x",
        "x-amz-acl=public-read",
        "x-amz-copy-source=%2Fb%2Fk",
        "X-Amz-Copy-Source=b/k",
        "x-amz-signature=1",
        "Prefix=a",
    };
    if (!line->known)
        return;
    const char *mark = str_contains(line->target, STR("?")) ? "&" : "?";
    for (size_t i = 0; i < COUNT_OF(more); i++)
        expect(line, arena_printf(arena, "%.*s%s%s", STR_ARG(line->target), mark, more[i]), false);
    expect(line, arena_printf(arena, "%.*s%sx-id=PutBucketAcl", STR_ARG(line->target), mark),
           false);
    struct str query = line->target;
    str_cut(&query, '?');
    while (query.len > 0) {
        struct str item = str_cut(&query, '&'), name = item;
        name = str_cut(&name, '=');
        expect(line, arena_printf(arena, "%.*s&%.*s", STR_ARG(line->target), STR_ARG(item)), false);
        expect(line, arena_printf(arena, "%.*s&%.*s=", STR_ARG(line->target), STR_ARG(name)),
               false);
    }
}

static void only_whole(void **state)
{
    (void)state;
    each_line(check_exact);
}

/* Another method or a copy source that is too much or missing: another operation, or none. */
static void check_method(const struct line *line)
{
    static const char *const methods[] = {"GET",    "HEAD",  "PUT", "POST",
                                          "DELETE", "PATCH", "get", ""};
    if (!line->known)
        return;
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        struct str method = str_cstr(methods[i]);
        struct s3_request out = parsed(method, line->target, line->copy_source);
        if (!str_equal(method, line->method))
            assert_false(str_equal_cstr(line->name, s3_operation_name(out.operation)));
        out = parsed(method, line->target, line->copy_source.ptr ? STR_NONE : STR("b/k"));
        assert_false(str_equal_cstr(line->name, s3_operation_name(out.operation)));
    }
}

static void only_so(void **state)
{
    (void)state;
    each_line(check_method);
    static const char *const rows[][3] = {
        {"GET", "/b/k?x-id=GetObject", "GetObject"},
        {"GET", "/b/k?x-id=HeadObject", "Unknown"},
        {"GET", "/b/k?x-id=getobject", "Unknown"},
        {"GET", "/b/k?x-id", "Unknown"},
        {"PUT", "/b/k?x-id=UploadPart", "Unknown"},
        {"PUT", "/b/k?x-id=UploadPart&partNumber=1&uploadId=u", "UploadPart"},
        {"PUT", "/b/k?partNumber=1", "Unknown"},
        {"PUT", "/b/k?uploadId=u", "Unknown"},
        {"PUT", "/b/k?uploadId=u&partNumber=", "Unknown"},
        {"PUT", "/b/k?uploadId=&partNumber=1", "Unknown"},
        {"PUT", "/b/k?uploadId=u&partNumber=1&partNumber=2", "Unknown"},
        {"POST", "/b/k?uploads", "CreateMultipartUpload"},
        {"POST", "/b/k?uploads=", "CreateMultipartUpload"},
        {"POST", "/b/k?uploads=1", "Unknown"},
        {"POST", "/b/k?uploads&uploadId=u", "Unknown"},
        {"POST", "/b/k?uploadId", "Unknown"},
        {"POST", "/b/k", "Unknown"},
        {"POST", "/b", "Unknown"},
        {"POST", "/b?delete", "DeleteObjects"},
        {"POST", "/b/?delete=", "DeleteObjects"},
        {"POST", "/b/?delete=1", "Unknown"},
        {"POST", "/b/?delete&x-id=DeleteObjects", "Unknown"},
        {"POST", "/b/?Delete", "Unknown"},
        {"POST", "/b/k?delete", "Unknown"},
        {"GET", "/b?delete", "Unknown"},
        {"GET", "/b?list-type=2", "ListObjectsV2"},
        {"GET", "/b?list-type=1", "Unknown"},
        {"GET", "/b?list-type=", "Unknown"},
        {"GET", "/b?list-type=2&marker=a", "Unknown"},
        {"GET", "/b?continuation-token=a", "Unknown"},
        {"GET", "/b?%6Cist-type=%32", "ListObjectsV2"},
        {"GET", "/b?&&prefix=&", "ListObjects"},
        {"GET", "/b?", "ListObjects"},
        {"GET", "/b/k?", "GetObject"},
        {"GET", "/b/%2E%2E", "GetObject"},
        {"DELETE", "/b", "Unknown"},
        {"PUT", "/b", "Unknown"},
        {"PUT", "/", "Unknown"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(name_of(rows[i][0], rows[i][1]), rows[i][2]);
}

static void places(void **state)
{
    (void)state;
    struct s3_request out =
        parsed(STR("GET"), STR("/my.bucket/a+b//%2e%2E/%252F/%C3%BC%20?x-id=GetObject"), STR_NONE);
    assert_str(out.bucket, "my.bucket");
    assert_str(out.key, "a+b//../%2F/\xC3\xBC ");
    assert_str(out.raw_path, "/my.bucket/a+b//%2e%2E/%252F/%C3%BC%20");
    assert_int_equal(out.operation, S3_GET_OBJECT);
    assert_int_equal(out.effect, S3_READS);
    out = parsed(STR("GET"), STR("/b/?prefix=a+b%2B%2F&delimiter&list-type=2"), STR_NONE);
    assert_str(out.bucket, "b");
    assert_int_equal(out.key.len, 0);
    assert_int_equal(out.effect, S3_LISTS);
    assert_int_equal(out.query_count, 3);
    assert_str(s3_request_query(&out, "prefix"), "a+b+/");
    assert_false(out.query[1].has_value);
    assert_non_null(s3_request_query(&out, "delimiter").ptr);
    assert_null(s3_request_query(&out, "max-keys").ptr);
    out = parsed(STR("PUT"), STR("/b/k?acl"), STR_NONE);
    assert_int_equal(out.operation, S3_UNKNOWN);
    assert_int_equal(out.effect, S3_WRITES);
    assert_str(out.key, "k");
}

static void copies(void **state)
{
    (void)state;
    static const char *const rows[][4] = {
        {"PUT", "/b/k", "/from/a%20b+%2B%3F", "CopyObject"},
        {"PUT", "/b/k", "from/a%20b+%2B%3F", "CopyObject"},
        {"PUT", "/b/k?partNumber=1&uploadId=u", "from/a%20b+%2B%3F", "UploadPartCopy"},
        {"PUT", "/b/k", "from/a%20b+%2B%3F?versionId=null", "Unknown"},
        {"PUT", "/b/k", "from/a%20b+%2B%3F?", "Unknown"},
        {"GET", "/b/k", "from/a%20b+%2B%3F", "Unknown"},
        {"PUT", "/b/k?x-id=PutObject", "from/a%20b+%2B%3F", "Unknown"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct s3_request out =
            parsed(str_cstr(rows[i][0]), str_cstr(rows[i][1]), str_cstr(rows[i][2]));
        assert_string_equal(s3_operation_name(out.operation), rows[i][3]);
        assert_str(out.copy_bucket, "from");
        assert_str(out.copy_key, "a b++?");
    }
}

static void presigned(void **state)
{
    (void)state;
    struct s3_request out =
        parsed(STR("GET"),
               STR("/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2Fb&X-Amz-Date=d&"
                   "x-id=GetObject&X-Amz-Expires=9&X-Amz-SignedHeaders=host&"
                   "X-Amz-Security-Token=t&X-Amz-Signature=s"),
               STR_NONE);
    assert_int_equal(out.operation, S3_GET_OBJECT);
    assert_int_equal(out.query_count, 1);
    assert_int_equal(out.signature_query_count, 7);
    assert_str(out.signature_query[1].name, "X-Amz-Credential");
    assert_str(out.signature_query[1].value, "A/b");
    assert_string_equal(name_of("GET", "/b/k?X-Amz-Date=d&X-Amz-Date=e"), "Unknown");
    assert_string_equal(name_of("GET", "/b/k?X-Amz-Foo=d"), "Unknown");
    assert_string_equal(name_of("GET", "/b/k?x-amz-date=d"), "Unknown");
}

static void check_refused(struct str target, struct str copy_source)
{
    struct s3_request out;
    struct error err = {0};
    if (s3_request_parse(STR("PUT"), target, copy_source, arena, &out, &err) == 0)
        fail_msg("accepted %.*s", STR_ARG(target));
    assert_int_equal(err.kind, ERR_BAD_REQUEST);
}

static void refused(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "",
        "b/k",
        "http://b/k",
        "*",
        "//k",
        "/%2Fb/k",
        "/b%2Fc/k",
        "/b/%",
        "/b/%4",
        "/b/%zz",
        "/b/%00",
        "/b/\xFF",
        "/b/%FF",
        "/b/%C0%AF",
        "/b/a b",
        "/b/a\tb",
        "/b/a\r\nb",
        "/b/a\x7F",
        "/b/k#f",
        "/b/k?a=%0",
        "/b/k?%00",
        "/b/k?a=\n",
        "/%/k",
        "/b/%ED%A0%80",
        "/b/k?a=%E2%82",
        "/b/k?%u0041",
    };
    for (size_t i = 0; i < COUNT_OF(targets); i++)
        check_refused(str_cstr(targets[i]), STR_NONE);
    check_refused(STR("/b/a\0b"), STR_NONE);
    static const char *const sources[] = {"",     "/",     "b",      "b/",      "/b/",  "//k",
                                          "b/%0", "b/%00", "b/\xFF", "b%2Fc/k", "b/%C3"};
    for (size_t i = 0; i < COUNT_OF(sources); i++)
        check_refused(STR("/b/k"), str_cstr(sources[i]));
}

static struct str repeated(const char *before, char c, size_t count)
{
    char *text = arena_alloc(arena, count + 1);
    memset(text, c, count);
    return arena_printf(arena, "%s%s", before, text);
}

static void limits(void **state)
{
    (void)state;
    assert_int_equal(parsed(STR("GET"), repeated("/b/", 'k', S3_KEY_BYTES_MAX), STR_NONE).key.len,
                     S3_KEY_BYTES_MAX);
    check_refused(repeated("/b/", 'k', S3_KEY_BYTES_MAX + 1), STR_NONE);
    check_refused(STR("/b/k"), repeated("/b/", 'k', S3_KEY_BYTES_MAX + 1));
    parsed(STR("GET"), repeated("/b/k?a=", 'k', S3_TARGET_BYTES_MAX - 7), STR_NONE);
    check_refused(repeated("/b/k?a=", 'k', S3_TARGET_BYTES_MAX - 6), STR_NONE);
    struct str target = STR("/b?a");
    for (size_t i = 1; i < S3_QUERY_ITEMS_MAX; i++)
        target = arena_printf(arena, "%.*s&a%zu=", STR_ARG(target), i);
    assert_int_equal(parsed(STR("GET"), target, STR_NONE).query_count, S3_QUERY_ITEMS_MAX);
    check_refused(arena_printf(arena, "%.*s&X-Amz-Date=1", STR_ARG(target)), STR_NONE);
}

static void headers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum s3_operation yes, no; /* S3_UNKNOWN: none */
    } rows[] = {
        {"Host", S3_GET_OBJECT, S3_UNKNOWN},
        {"x-amz-content-SHA256", S3_DELETE_OBJECTS, S3_UNKNOWN},
        {"amz-sdk-invocation-id", S3_LIST_BUCKETS, S3_UNKNOWN},
        {"amz-sdk-", S3_UNKNOWN, S3_GET_OBJECT},
        {"Range", S3_GET_OBJECT, S3_PUT_OBJECT},
        {"If-None-Match", S3_PUT_OBJECT, S3_UPLOAD_PART},
        {"If-None-Match", S3_COMPLETE_UPLOAD, S3_DELETE_OBJECT},
        {"If-Modified-Since", S3_HEAD_OBJECT, S3_PUT_OBJECT},
        {"x-amz-meta-a", S3_PUT_OBJECT, S3_GET_OBJECT},
        {"X-Amz-Copy-Source", S3_COPY_OBJECT, S3_PUT_OBJECT},
        {"x-amz-copy-source", S3_UPLOAD_PART_COPY, S3_UPLOAD_PART},
        {"x-amz-copy-source-range", S3_UPLOAD_PART_COPY, S3_COPY_OBJECT},
        {"x-amz-trailer", S3_UPLOAD_PART, S3_COMPLETE_UPLOAD},
        {"x-amz-checksum-crc64nvme", S3_PUT_OBJECT, S3_UNKNOWN},
        {"x-amz-checksum-crc32", S3_GET_OBJECT, S3_UNKNOWN},
        {"content-md5", S3_DELETE_OBJECTS, S3_LIST_OBJECTS_V2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str name = str_cstr(rows[i].name);
        assert_true(rows[i].yes == S3_UNKNOWN || s3_header_allowed(rows[i].yes, name));
        assert_false(s3_header_allowed(rows[i].no, name));
    }
    static const char *const never[] = {
        "x-amz-acl",
        "x-amz-grant-read",
        "x-amz-grant-full-control",
        "x-amz-website-redirect-location",
        "x-amz-bypass-governance-retention",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-copy-source-server-side-encryption-customer-key",
        "x-amz-tagging",
        "x-amz-object-lock-mode",
        "x-amz-security-token",
        "authorization",
        "X-Minio-Force-Delete",
        "x-minio-extract",
        "x-amz-mfa",
        "x-amz-request-payer",
        "x-amz-rename-source",
        "x-amz-write-offset-bytes",
        "x-amz-expected-bucket-owner",
        "x-amz-version-id",
        "cookie",
        "x-http-method-override",
        "x-forwarded-host",
        "transfer-encoding",
        "",
        "x-amz-",
        "x-amz-copy-source\n",
        "x-amz-meta-",
        "x-rgw-object-count",
        "x-oss-copy-source",
    };
    for (size_t i = 0; i < COUNT_OF(never); i++)
        for (int op = S3_UNKNOWN; op <= S3_LIST_PARTS; op++)
            if (s3_header_allowed((enum s3_operation)op, str_cstr(never[i])))
                fail_msg("%s may come with %s", never[i], s3_operation_name((enum s3_operation)op));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_of_s3), cmocka_unit_test(only_whole),
        cmocka_unit_test(only_so),          cmocka_unit_test(places),
        cmocka_unit_test(copies),           cmocka_unit_test(presigned),
        cmocka_unit_test(refused),          cmocka_unit_test(limits),
        cmocka_unit_test(headers),
    };
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
