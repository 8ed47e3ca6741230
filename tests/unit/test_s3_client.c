/* Requests to an S3 store that the test plays: addresses, what is sent, what is sent again, and
 * what answers mean; what clients are told of a store. */
#include "tests/unit/peer_fixture.h"

#include <stdatomic.h>
#include <time.h>

#include "storage/access.h"
#include "storage/file_io_s3.h"
#include "storage/s3_address.h"
#include "storage/s3_client.h"

#define HOUR_S 3600

struct fixture {
    struct peer peer;
    struct arena *arena;
    struct storage_options options;
    struct s3_credentials *credentials;
    struct s3_client *client;
    struct s3_answer answer;
    struct buf body;
    struct error err;
    _Atomic int requests;
    char last_request[8192];
};

static const struct storage_context context = {&clock_system, &random_system};

/* ---- the store ------------------------------------------------------------------------------- */

static bool reply(int fd, const char *head, const char *body)
{
    char text[4096];
    (void)snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", head,
                   strlen(body), body);
    return peer_write(fd, str_cstr(text));
}

static bool fault(int fd, const char *head, const char *code)
{
    char body[400];
    (void)snprintf(
        body, sizeof(body),
        "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>so it is</Message></Error>", code);
    return reply(fd, head, body);
}

/* "Date: " an hour from now. */
static bool skewed(int fd)
{
    char head[200];
    struct tm tm;
    time_t later = time(NULL) + HOUR_S;
    assert_non_null(gmtime_r(&later, &tm));
    assert_true(strftime(head, sizeof(head), "403 No\r\nDate: %a, %d %b %Y %H:%M:%S GMT", &tm) > 0);
    return fault(fd, head, "RequestTimeTooSkewed");
}

static bool asks(const char *request, const char *key)
{
    char start[100];
    (void)snprintf(start, sizeof(start), " /bucket/%s ", key);
    return strstr(request, start) != NULL;
}

static const struct {
    const char *key;
    int times; /* 0: always */
    const char *head, *code;
} faults[] = {
    {"busy", 2, "503 No", "SlowDown"},
    {"always-busy", 0, "503 No\r\nRetry-After: 60", "SlowDown"},
    {"failed", 1, "500 No", "InternalError"},
    {"conflict", 1, "409 No", "ConditionalRequestConflict"},
    {"expired", 0, "400 No", "ExpiredToken"},
    {"denied", 0, "403 No", "AccessDenied"},
    {"digest", 0, "400 No", "BadDigest"},
    {"taken", 0, "412 No", "PreconditionFailed"},
    {"no-bucket", 0, "404 No", "NoSuchBucket"},
    {"missing", 0, "404 No", "NoSuchKey"},
};

static pthread_mutex_t last_request_lock = PTHREAD_MUTEX_INITIALIZER;

static bool answer(struct fixture *f, int fd, const char *request)
{
    int number = ++f->requests;
    pthread_mutex_lock(&last_request_lock); /* each connection has a thread */
    (void)snprintf(f->last_request, sizeof(f->last_request), "%s", request);
    pthread_mutex_unlock(&last_request_lock);
    if (asks(request, "dropped") && number == 1)
        return false;
    if (asks(request, "skewed") && number == 1)
        return skewed(fd);
    if (strstr(request, "?delete HTTP") != NULL)
        return reply(fd, "200 OK",
                     "<DeleteResult><Error><Key>wh/a</Key><Code>NoSuchKey</Code></Error>"
                     "<Error><Key>wh/b</Key><Code>AccessDenied</Code></Error></DeleteResult>");
    if (asks(request, "proxy"))
        return reply(fd, "403 No", "<html><body>not me</body>");
    for (size_t i = 0; i < COUNT_OF(faults); i++)
        if (asks(request, faults[i].key) && (faults[i].times == 0 || number <= faults[i].times))
            return fault(fd, faults[i].head, faults[i].code);
    return reply(fd, "200 OK\r\nETag: \"e\"", "content");
}

static void serve(struct peer *peer, int fd)
{
    char *request = malloc(PEER_REQUEST_BYTES_MAX);
    if (request == NULL)
        abort();
    while (peer_read(fd, request) && answer(peer->arg, fd, request))
        ;
    free(request);
}

static void open_client(struct fixture *f)
{
    s3_client_free(f->client);
    s3_credentials_close(f->credentials);
    f->client = NULL;
    f->credentials = NULL;
    assert_int_equal(s3_credentials_open(&f->options, &context, &f->credentials, &f->err), 0);
    assert_int_equal(
        s3_client_new(&f->options, &context, STR("bucket"), f->credentials, &f->client, &f->err),
        0);
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    peer_start(&f->peer, serve, f);
    f->arena = arena_new();
    f->body = BUF_INIT(1 << 16);
    f->options = (struct storage_options){.endpoint = str_cstr(f->peer.url),
                                          .region = STR("here"),
                                          .access_key_id = STR("AK"),
                                          .secret_access_key = STR("very-secret")};
    open_client(f);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    s3_client_free(f->client);
    s3_credentials_close(f->credentials);
    peer_stop(&f->peer);
    arena_free(f->arena);
    buf_free(&f->body);
    free(f);
    return 0;
}

static int call(struct fixture *f, const char *method, const char *key, enum s3_repeat repeat)
{
    struct s3_call what = {.method = str_cstr(method),
                           .key = str_cstr(key),
                           .body = strcmp(method, "PUT") == 0 ? STR("bytes") : STR_NONE,
                           .repeat = repeat,
                           .what = "try",
                           .location = STR("s3://bucket/place")};
    f->requests = 0;
    buf_clear(&f->body);
    int result = s3_client_call(f->client, &what, f->arena, &f->answer, &f->body, &f->err);
    assert_null(strstr(f->err.message, "very-secret"));
    assert_null(strstr(f->err.detail, "very-secret"));
    return result;
}

static bool sent(struct fixture *f, const char *text)
{
    pthread_mutex_lock(&last_request_lock);
    bool found = strstr(f->last_request, text) != NULL;
    pthread_mutex_unlock(&last_request_lock);
    return found;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void addresses_follow_the_options(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *endpoint, *region, *style, *dialect, *bucket, *origin, *path;
    } rows[] = {
        {"", "", "", "", "lake", "https://lake.s3.us-east-1.amazonaws.com", ""},
        {"", "eu-west-1", "true", "", "lake", "https://s3.eu-west-1.amazonaws.com", "/lake"},
        {"", "cn-north-1", "", "", "lake", "https://lake.s3.cn-north-1.amazonaws.com.cn", ""},
        {"", "", "", "", "la.ke", "https://s3.us-east-1.amazonaws.com", "/la.ke"},
        {"http://H:9000/", "", "", "", "lake", "http://h:9000", "/lake"},
        {"http://h:80", "", "false", "", "la.ke", "http://la.ke.h", ""},
        {"https://h:443", "", "false", "", "lake", "https://lake.h", ""},
        {"https://[::1]:1", "", "", "", "lake", "https://[::1]:1", "/lake"},
        {"https://s3.oss-cn-x.aliyuncs.com", "", "", "oss", "lake",
         "https://lake.s3.oss-cn-x.aliyuncs.com", ""},
    };
    static const struct {
        const char *endpoint, *style, *bucket;
    } bad[] = {{"h:9000", "", "lake"},        {"http://", "", "lake"},
               {"http://h/path", "", "lake"}, {"http://u@h", "", "lake"},
               {"http://h?x", "", "lake"},    {"ftp://h", "", "lake"},
               {"http://h", "maybe", "lake"}, {"http://h", "false", "UPPER"}};
    struct s3_address address;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct storage_options options = {.endpoint = str_cstr(rows[i].endpoint),
                                          .region = str_cstr(rows[i].region),
                                          .path_style = str_cstr(rows[i].style),
                                          .dialect = str_cstr(rows[i].dialect)};
        if (s3_address_make(&options, str_cstr(rows[i].bucket), f->arena, &address, &f->err) != 0)
            fail_msg("row %zu: %s", i, f->err.message);
        assert_str(address.origin, rows[i].origin);
        assert_str(address.path, rows[i].path);
        assert_true(str_ends_with(address.origin, address.host));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct storage_options options = {.endpoint = str_cstr(bad[i].endpoint),
                                          .path_style = str_cstr(bad[i].style)};
        assert_int_equal(
            s3_address_make(&options, str_cstr(bad[i].bucket), f->arena, &address, &f->err), -1);
        assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    }
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static void requests_are_signed_and_encoded(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "GET", "a b/\xC3\xBC+%=&~", S3_REPEAT), 0);
    assert_str(buf_str(&f->body), "content");
    assert_true(sent(f, "GET /bucket/a%20b/%C3%BC%2B%25%3D%26~ HTTP/1.1\r\n"));
    assert_true(
        sent(f, "AWS4-HMAC-SHA256 Credential=AK/") &&
        sent(f, "/here/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date"));
    assert_true(sent(f, "x-amz-content-sha256: " S3_EMPTY_SHA256));
    f->options.session_token = STR("token");
    open_client(f);
    assert_int_equal(call(f, "PUT", "x", S3_REPEAT), 0);
    assert_true(sent(f, "x-amz-security-token: token\r\n"));
    assert_true(sent(f, ";x-amz-security-token, "));
    f->options.credentials = STR("anonymous");
    open_client(f);
    assert_int_equal(call(f, "GET", "x", S3_REPEAT), 0);
    assert_false(sent(f, "uthorization") || sent(f, "x-amz-"));
}

/* ---- what is sent again ---------------------------------------------------------------------- */

static void the_harmless_is_repeated(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "PUT", "busy", S3_REPEAT), 0);
    assert_int_equal(f->requests, 3);
    assert_false(f->answer.doubtful); /* a store that is too busy has done nothing */
    assert_int_equal(call(f, "PUT", "dropped", S3_REPEAT), 0);
    assert_int_equal(f->requests, 2);
    assert_true(f->answer.doubtful);
    assert_int_equal(call(f, "PUT", "failed", S3_REPEAT), 0);
    assert_int_equal(f->requests, 2);
    assert_true(f->answer.doubtful);
    assert_int_equal(call(f, "PUT", "conflict", S3_REPEAT), 0);
    assert_int_equal(f->requests, 2);
}

static void all_else_is_not(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "PUT", "busy", S3_ONCE), -1);
    assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
    assert_int_equal(f->requests, 1);
    open_client(f); /* a fresh connection: on a kept one libcurl tries again by itself */
    assert_int_equal(call(f, "PUT", "dropped", S3_ONCE), -1);
    assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
    assert_int_equal(f->requests, 1);
    assert_true(f->answer.doubtful);
    assert_int_equal(call(f, "GET", "denied", S3_REPEAT), 0);
    assert_int_equal(f->answer.response.status, 403);
    assert_int_equal(f->requests, 1);
}

static void a_call_ends_with_its_time(void **state)
{
    struct fixture *f = *state;
    struct s3_call what = {.method = STR("GET"),
                           .key = STR("always-busy"),
                           .repeat = S3_REPEAT,
                           .total_ms = 2000, /* Retry-After asks for more */
                           .what = "try",
                           .location = STR("s3://bucket/place")};
    assert_int_equal(s3_client_call(f->client, &what, f->arena, &f->answer, &f->body, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(f->err.message, "Cannot try file: s3://bucket/place"));
    assert_non_null(strstr(f->err.message, "503 SlowDown"));
    assert_int_equal(f->requests, 1);
}

static void the_stores_time_is_taken(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "GET", "skewed", S3_ONCE), 0);
    assert_int_equal(f->answer.response.status, 200);
    assert_int_equal(f->requests, 2);
    int64_t ahead_ms = s3_client_now_ms(f->client) - clock_now_ms(&clock_system);
    assert_in_range(ahead_ms, (HOUR_S - 60) * 1000, (HOUR_S + 60) * 1000);
    assert_int_equal(call(f, "GET", "x", S3_ONCE), 0);
    struct str now = s3_amz_date(s3_client_now_ms(f->client), f->arena);
    assert_true(sent(f, arena_printf(f->arena, "x-amz-date: %.11s", now.ptr).ptr));
}

/* ---- what answers mean ----------------------------------------------------------------------- */

static void answers_have_kinds(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *key, *shown;
        enum error_kind kind;
    } rows[] = {
        {"denied", "403 AccessDenied", ERR_STORAGE_REFUSED},
        {"proxy", "403", ERR_STORAGE_REFUSED},
        {"expired", "400 ExpiredToken", ERR_STORAGE_REFUSED},
        {"digest", "400 BadDigest", ERR_ILLEGAL_ARGUMENT},
        {"taken", "412 PreconditionFailed", ERR_PRECONDITION_FAILED},
        {"missing", "Failed to open input stream for file: s3://bucket/place", ERR_FILE_NOT_FOUND},
        {"no-bucket", "404 NoSuchBucket", ERR_UNAVAILABLE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct s3_call what = {.method = STR("GET"),
                               .key = str_cstr(rows[i].key),
                               .what = "try",
                               .location = STR("s3://bucket/place")};
        assert_int_equal(s3_client_call(f->client, &what, f->arena, &f->answer, &f->body, &f->err),
                         0);
        assert_false(s3_answer_ok(&f->answer));
        assert_int_equal(s3_answer_error(&f->answer, &what, &f->err), -1);
        if (f->err.kind != rows[i].kind || strstr(f->err.message, rows[i].shown) == NULL)
            fail_msg("%s: %s (%s)", rows[i].key, error_name(f->err.kind), f->err.message);
        assert_int_equal(f->body.len, 0);
    }
}

/* What was missing is as good as removed; what is refused behind it is not. */
static void every_refusal_to_remove_counts(void **state)
{
    struct fixture *f = *state;
    const struct str both[] = {STR("s3://bucket/wh/a"), STR("s3://bucket/wh/b")};
    struct file_io *io;
    assert_int_equal(file_io_s3_open(STR("s3://bucket/wh"), &f->options, &context, &io, &f->err),
                     0);
    assert_int_equal(file_io_remove_all(io, both, 2, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(f->err.message, "wh/b (the store answers AccessDenied)"));
    file_io_close(io);
}

/* ---- what clients are told ------------------------------------------------------------------- */

static void told(struct fixture *f, const char *root, const struct file_keys *keys,
                 const char *const (*expected)[2], size_t expected_count)
{
    struct file_io *io;
    struct property *list;
    size_t count;
    assert_int_equal(file_io_s3_open(str_cstr(root), &f->options, &context, &io, &f->err), 0);
    assert_int_equal(file_io_client_properties(io, keys, f->arena, &list, &count, &f->err), 0);
    for (size_t i = 0; i < count && i < expected_count; i++) {
        assert_str(list[i].name, expected[i][0]);
        assert_str(list[i].value, expected[i][1]);
    }
    assert_int_equal(count, expected_count);
    file_io_close(io);
}

static void clients_are_told_in_their_dialects(void **state)
{
    struct fixture *f = *state;
    static const struct file_keys keys = {STR("A"), STR("B"), STR("C"), 12345};
    static const char *const plain[][2] = {{"s3.region", "us-east-1"},
                                           {"client.region", "us-east-1"},
                                           {"s3.path-style-access", "false"}};
    static const char *const with_keys[][2] = {
        {"s3.endpoint", "http://told"}, {"s3.region", "r"},
        {"client.region", "r"},         {"s3.path-style-access", "true"},
        {"s3.access-key-id", "A"},      {"s3.secret-access-key", "B"},
        {"s3.session-token", "C"},      {"s3.session-token-expires-at-ms", "12345"}};
    static const char *const oss[][2] = {{"s3.endpoint", "https://s3.oss-cn-x.aliyuncs.com"},
                                         {"s3.region", "cn-x"},
                                         {"client.region", "cn-x"},
                                         {"s3.path-style-access", "false"},
                                         {"oss.endpoint", "https://oss-cn-x.aliyuncs.com"},
                                         {"s3.force-virtual-addressing", "true"},
                                         {"s3.access-key-id", "A"},
                                         {"s3.secret-access-key", "B"},
                                         {"s3.session-token", "C"},
                                         {"s3.session-token-expires-at-ms", "12345"},
                                         {"oss.access-key-id", "A"},
                                         {"oss.access-key-secret", "B"},
                                         {"oss.security-token", "C"},
                                         {"client.access-key-id", "A"},
                                         {"client.access-key-secret", "B"},
                                         {"client.security-token", "C"}};
    struct str endpoint = f->options.endpoint;
    f->options.endpoint = f->options.region = STR_NONE;
    told(f, "s3://lake/w", NULL, plain, COUNT_OF(plain));
    f->options.endpoint = endpoint;
    f->options.client_endpoint = STR("http://told");
    f->options.region = STR("r");
    told(f, "s3a://lake/w", &keys, with_keys, COUNT_OF(with_keys));
    f->options.client_endpoint = STR_NONE;
    f->options.endpoint = STR("https://s3.oss-cn-x.aliyuncs.com");
    f->options.region = STR("cn-x");
    told(f, "oss://lake/w", &keys, oss, COUNT_OF(oss));
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
    static const struct CMUnitTest cases[] = {
        CASE(addresses_follow_the_options),
        CASE(requests_are_signed_and_encoded),
        CASE(the_harmless_is_repeated),
        CASE(all_else_is_not),
        CASE(a_call_ends_with_its_time),
        CASE(the_stores_time_is_taken),
        CASE(answers_have_kinds),
        CASE(every_refusal_to_remove_counts),
        CASE(clients_are_told_in_their_dialects),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
