/* Tests of storage/s3_sts against a server that plays STS: what is asked, whether the signature
 * holds, what becomes of the answers. A real one is in tests/stores. */
#include "tests/unit/answering_fixture.h"

#include <jansson.h>
#include <signal.h>

#include "storage/s3_signature.h"
#include "storage/s3_sts.h"

#define SECRET "own-secret-canary"
#define HOUR INT64_C(3600000)
#define NOW INT64_C(1795567350000) /* 2026-11-25T00:42:30Z */

static struct arena *arena;

static int64_t now_ms;
static int64_t fake_now(void *arg)
{
    (void)arg;
    return now_ms;
}
static int64_t fake_monotonic(void *arg)
{
    return clock_monotonic_us(arg == NULL ? &clock_system : arg);
}
static const struct clock fake_clock = {fake_now, fake_monotonic, NULL};

/* What STS has heard and will say. Only one request is under way at a time. */
static struct {
    char head[8192], body[16384];
    int statuses[8]; /* of the next answers; 0: 200 */
    const char *code;
    const char *whole; /* an answer instead of all else */
    int seconds;       /* that the keys live; 0: as asked */
} sts;

static struct str parameter(const char *name)
{
    struct str rest = str_cstr(sts.body), out = STR_NONE;
    while (rest.len > 0) {
        struct str value = str_cut(&rest, '&');
        if (!str_equal_cstr(str_cut(&value, '='), name))
            continue;
        assert_null(out.ptr);
        assert_false(str_contains(value, STR("+")));
        assert_true(s3_uri_decode(value, arena, &out));
    }
    return out;
}

static void write_keys(int number, struct buf *out)
{
    struct str name = parameter("RoleSessionName");
    long long seconds = 0;
    assert_true(str_to_int64(parameter("DurationSeconds"), &seconds));
    struct str date = s3_amz_date(now_ms + (sts.seconds ? sts.seconds : seconds) * 1000, arena);
    struct buf body = BUF_INIT(1 << 16);
    buf_add_format(&body,
                   "<?xml version=\"1.0\"?><AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/"
                   "doc/2011-06-15/\"><AssumeRoleResult><Credentials><AccessKeyId>%.*s.%d"
                   "</AccessKeyId><SecretAccessKey>secret-%d</SecretAccessKey><SessionToken>"
                   "token-%d</SessionToken><Expiration>%.4s-%.2s-%.2sT%.2s:%.2s:%.2s.000Z"
                   "</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
                   STR_ARG(name), number, number, number, date.ptr, date.ptr + 4, date.ptr + 6,
                   date.ptr + 9, date.ptr + 11, date.ptr + 13);
    answer_with(out, 200, buf_str(&body));
    buf_free(&body);
}

static void play(struct answering *server, const struct heard *heard, struct buf *out)
{
    int status = sts.statuses[(server->count - 1) % 8];
    (void)snprintf(sts.head, sizeof(sts.head), "%.*s", STR_ARG(heard->head));
    (void)snprintf(sts.body, sizeof(sts.body), "%.*s", STR_ARG(heard->body));
    if (sts.whole != NULL)
        answer_with(out, 200, str_cstr(sts.whole));
    else if (status == 0 || status == 200)
        write_keys(server->count, out);
    else
        answer_with(out, status,
                    arena_printf(arena,
                                 "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>"
                                 "answer-canary</Message></Error></ErrorResponse>",
                                 sts.code));
}

struct rig {
    struct answering server;
    struct storage_options options;
    struct storage_context context;
    struct s3_credentials *credentials;
    struct s3_client *client;
    struct s3_sts *sts;
};

static void rig_start(struct rig *rig)
{
    struct error err = {0};
    memset(&sts, 0, sizeof(sts));
    now_ms = NOW;
    rig->context = (struct storage_context){&fake_clock, &random_system};
    if (rig->options.access_key_id.ptr == NULL && rig->options.credentials.ptr == NULL) {
        rig->options.access_key_id = STR("OWN");
        rig->options.secret_access_key = STR(SECRET);
    }
    if (s3_credentials_open(&rig->options, &rig->context, &rig->credentials, &err) != 0 ||
        s3_client_new(&rig->options, &rig->context, STR("bucket"), rig->credentials, &rig->client,
                      &err) != 0 ||
        s3_sts_new(&rig->options, &rig->context, rig->credentials, rig->client, &rig->sts, &err) !=
            0)
        fail_msg("%s", err.message);
}

static void rig_start_with_server(struct rig *rig)
{
    rig->server = (struct answering){.answer = play};
    answering_start(&rig->server);
    rig->options.endpoint = arena_printf(arena, "http://127.0.0.1:%d", rig->server.port);
    rig_start(rig);
}

static void rig_stop(struct rig *rig)
{
    s3_sts_free(rig->sts);
    s3_client_free(rig->client);
    s3_credentials_close(rig->credentials);
    if (rig->server.answer != NULL)
        answering_stop(&rig->server);
}

static int vend(struct rig *rig, const char *location, bool write, const char *who,
                int64_t lifetime_ms, struct file_keys *out, struct error *err)
{
    struct str text = str_cstr(location);
    struct file_scope scope = {
        .locations = &text, .location_count = 1, .write = write, .session_name = str_cstr(who)};
    *err = (struct error){.kind = ERR_NONE};
    return s3_sts_vend(rig->sts, &scope, lifetime_ms, arena, out, err);
}

static struct file_keys vended(struct rig *rig, const char *location, bool write, const char *who,
                               int64_t lifetime_ms)
{
    struct file_keys keys;
    struct error err;
    if (vend(rig, location, write, who, lifetime_ms, &keys, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    return keys;
}

/* ---- what is asked --------------------------------------------------------------------------- */

static void check_signature(const struct rig *rig, const char *token)
{
    struct heard heard = {str_cstr(sts.head), str_cstr(sts.body)};
    struct str date = heard_header(&heard, "x-amz-date");
    struct sha256 digest = sha256_of(heard.body);
    struct str hash = hex_encode(arena, digest.bytes, SHA256_BYTES);
    struct s3_header lines[8] = {{STR("host"), heard_header(&heard, "host")},
                                 {STR("content-type"), heard_header(&heard, "content-type")},
                                 {STR("x-amz-date"), date},
                                 {STR("x-amz-content-sha256"), hash},
                                 {STR("x-amz-security-token"), str_cstr(token)}};
    struct s3_to_sign what = {.method = STR("POST"),
                              .path = STR("/"),
                              .headers = lines,
                              .header_count = token == NULL ? 4 : 5,
                              .payload_hash = hash,
                              .amz_date = date,
                              .region =
                                  rig->options.region.len ? rig->options.region : STR("us-east-1"),
                              .service = STR("sts")};
    struct str expected = s3_authorization(&what, STR("OWN"), STR(SECRET), arena);
    assert_str(date, "20261125T004230Z");
    assert_str(heard_header(&heard, "authorization"), arena_cstr(arena, expected));
    assert_true(str_starts_with(heard.head, STR("POST / HTTP/1.1")));
    assert_str(heard_header(&heard, "content-type"), "application/x-www-form-urlencoded");
    struct str got_token = heard_header(&heard, "x-amz-security-token");
    assert_true(token == NULL ? got_token.ptr == NULL : str_equal_cstr(got_token, token));
}

static void asked(void **state)
{
    (void)state;
    struct rig rig = {.options = {.role_arn = STR("arn:aws-cn:iam::1:role/a b+c"),
                                  .external_id = STR("x=&y"),
                                  .region = STR("cn-north-1"),
                                  .access_key_id = STR("OWN"),
                                  .secret_access_key = STR(SECRET),
                                  .session_token = STR("to/k+en=")}};
    rig_start_with_server(&rig);
    struct file_keys keys = vended(&rig, "s3://bucket/wh/t", true, "alice's \"job\"", HOUR);
    assert_str(keys.access_key_id, "firn-alice-s--job-.1");
    assert_str(keys.secret_access_key, "secret-1");
    assert_str(keys.session_token, "token-1");
    assert_int_equal(keys.expires_ms, NOW + HOUR);
    assert_str(parameter("Action"), "AssumeRole");
    assert_str(parameter("Version"), "2011-06-15");
    assert_str(parameter("DurationSeconds"), "3600");
    assert_str(parameter("RoleArn"), "arn:aws-cn:iam::1:role/a b+c");
    assert_str(parameter("RoleSessionName"), "firn-alice-s--job-");
    assert_str(parameter("ExternalId"), "x=&y");
    struct str policy = parameter("Policy");
    assert_true(str_contains(policy, STR("\"arn:aws-cn:s3:::bucket/wh/t/*\"")));
    assert_true(str_contains(policy, STR("s3:PutObject")));
    json_t *json = json_loadb(policy.ptr, policy.len, 0, NULL);
    assert_non_null(json);
    json_decref(json);
    check_signature(&rig, "to/k+en=");
    rig_stop(&rig);
}

static void without_a_role(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_start_with_server(&rig);
    (void)vended(&rig, "s3a://bucket/wh/t", false, "bob", HOUR);
    assert_null(parameter("RoleArn").ptr);
    assert_null(parameter("ExternalId").ptr);
    assert_false(str_contains(parameter("Policy"), STR("s3:PutObject")));
    assert_true(str_contains(parameter("Policy"), STR("\"arn:aws:s3:::bucket/wh/t/*\"")));
    check_signature(&rig, NULL);
    rig_stop(&rig);
}

static void lives(void **state)
{
    (void)state;
    static const struct {
        int64_t asked_ms;
        const char *sent;
    } rows[] = {{1, "900"},
                {HOUR / 4, "900"},
                {HOUR / 4 + 1999, "901"},
                {HOUR, "3600"},
                {100 * HOUR, "43200"}};
    struct rig rig = {0};
    rig_start_with_server(&rig);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *who = arena_printf(arena, "w%zu", i).ptr;
        struct file_keys keys = vended(&rig, "s3://bucket/t", false, who, rows[i].asked_ms);
        assert_str(parameter("DurationSeconds"), rows[i].sent);
        assert_int_equal(keys.expires_ms, NOW + strtoll(rows[i].sent, NULL, 10) * 1000);
    }
    sts.seconds = 100000; /* a store that gives more than was asked: no more is told */
    assert_int_equal(vended(&rig, "s3://bucket/t", false, "x", HOUR).expires_ms, NOW + HOUR);
    sts.seconds = 60; /* or less */
    assert_int_equal(vended(&rig, "s3://bucket/t", false, "y", HOUR).expires_ms, NOW + 60000);
    rig_stop(&rig);
}

/* ---- what is kept (V06) ---------------------------------------------------------------------- */

static void kept_for_the_same_only(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_start_with_server(&rig);
    static const struct {
        const char *location, *who;
        bool write;
    } rows[] = {{"s3://bucket/t", "alice", false},   {"s3://bucket/t", "alice", true},
                {"s3://bucket/t", "bob", false},     {"s3://bucket/t1", "alice", false},
                {"s3://bucket/t", "ali\"ce", false}, {"s3://bucket/t", "ali'ce", false}};
    for (int round = 0; round < 20; round++)
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct file_keys keys =
                vended(&rig, rows[i].location, rows[i].write, rows[i].who, HOUR);
            assert_str(keys.secret_access_key, arena_printf(arena, "secret-%zu", i + 1).ptr);
        }
    assert_int_equal(rig.server.count, COUNT_OF(rows));
    struct str both[] = {STR("s3://bucket/t"), STR("s3://bucket/t1")};
    struct file_scope scope = {
        .locations = both, .location_count = 2, .session_name = STR("alice")};
    struct file_keys keys;
    struct error err = {0};
    assert_int_equal(s3_sts_vend(rig.sts, &scope, HOUR, arena, &keys, &err), 0);
    assert_str(keys.secret_access_key, "secret-7");
    now_ms = NOW + HOUR / 2;
    assert_str(vended(&rig, "s3://bucket/t", false, "alice", HOUR).secret_access_key, "secret-1");
    assert_str(vended(&rig, "s3://bucket/t", false, "alice", HOUR / 3).secret_access_key,
               "secret-8"); /* the kept ones live too long for this */
    now_ms++;
    assert_str(vended(&rig, "s3://bucket/t", false, "bob", HOUR).secret_access_key, "secret-9");
    rig_stop(&rig);
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void check_failure(struct rig *rig, const char *location, enum error_kind kind,
                          const char *says)
{
    struct file_keys keys;
    struct error err;
    assert_int_equal(vend(rig, location, true, "alice", HOUR, &keys, &err), -1);
    assert_int_equal(err.kind, kind);
    if (strstr(err.message, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    if (strstr(err.message, "canary") != NULL || strstr(err.detail, "canary") != NULL)
        fail_msg("a secret in \"%s\" or \"%s\"", err.message, err.detail);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *code;
        enum error_kind kind;
        const char *says;
        int calls;
    } rows[] = {
        {403, "AccessDenied", ERR_UNAVAILABLE, "403 AccessDenied", 1},
        {400, "MalformedPolicyDocument", ERR_UNAVAILABLE, "400 MalformedPolicyDocument", 1},
        {400, "PackedPolicyTooLarge", ERR_ILLEGAL_ARGUMENT, "policy too long", 1},
        {403, "ExpiredToken", ERR_UNAVAILABLE, "403 ExpiredToken", 1}, /* there are no others */
        {403, "own-secret-canary", ERR_UNAVAILABLE, "403", 1},
        {503, "ServiceUnavailable", ERR_UNAVAILABLE, "503 ServiceUnavailable", 3},
        {400, "Throttling", ERR_UNAVAILABLE, "400 Throttling", 3},
        {500, "InternalFailure", ERR_UNAVAILABLE, "500 InternalFailure", 3},
        {307, "TemporaryRedirect", ERR_UNAVAILABLE, "307 TemporaryRedirect", 1},
    };
    struct rig rig = {0};
    rig_start_with_server(&rig);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int before = rig.server.count;
        sts.code = rows[i].code;
        for (size_t s = 0; s < COUNT_OF(sts.statuses); s++)
            sts.statuses[s] = rows[i].status;
        check_failure(&rig, "s3://bucket/t", rows[i].kind, rows[i].says);
        assert_int_equal(rig.server.count - before, rows[i].calls);
    }
    memset(sts.statuses, 0, sizeof(sts.statuses));
    sts.statuses[rig.server.count % 8] = 503;
    sts.statuses[(rig.server.count + 1) % 8] = 429;
    sts.code = "SlowDown";
    (void)vended(&rig, "s3://bucket/t", true, "alice", HOUR);
    rig_stop(&rig);
}

static void answers_that_are_none(void **state)
{
    (void)state;
#define KEYS(id, secret, token, expiration)                                           \
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>" id             \
    "</AccessKeyId><SecretAccessKey>" secret "</SecretAccessKey><SessionToken>" token \
    "</SessionToken><Expiration>" expiration "</Expiration></Credentials>"            \
    "</AssumeRoleResult></AssumeRoleResponse>"
    static const char *const rows[][2] = {
        {"", "no keys"},
        {"{\"answer-canary\":1}", "no keys"},
        {"<html>answer-canary</html>", "no keys"},
        {"<!DOCTYPE a [<!ENTITY x 'canary'>]><AssumeRoleResponse>&x;</AssumeRoleResponse>",
         "no keys"},
        {KEYS("", "answer-canary", "t", "2099-01-01T00:00:00Z"), "no complete keys"},
        {KEYS("a", "", "answer-canary", "2099-01-01T00:00:00Z"), "no complete keys"},
        {KEYS("a", "answer-canary", "", "2099-01-01T00:00:00Z"), "no complete keys"},
        {KEYS("a", "answer-canary", "t", ""), "no time of expiry"},
        {KEYS("a", "answer-canary", "t", "tomorrow"), "no time of expiry"},
        {KEYS("a", "answer-canary", "t", "2026-11-25T00:42:30Z"), "have expired"},
        {KEYS("a", "answer-canary", "t", "2001-01-01T00:00:00Z"), "have expired"},
    };
    struct rig rig = {0};
    rig_start_with_server(&rig);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        sts.whole = rows[i][0];
        check_failure(&rig, "s3://bucket/t", ERR_UNAVAILABLE, rows[i][1]);
    }
    assert_int_equal(rig.server.count, COUNT_OF(rows)); /* nothing was kept, none asked again */
    rig_stop(&rig);
}

static void scopes_that_are_none(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_start_with_server(&rig);
    check_failure(&rig, "s3://other/t", ERR_FORBIDDEN, "not in the store's bucket");
    check_failure(&rig, "s3://bucket", ERR_ILLEGAL_ARGUMENT, "whole bucket");
    check_failure(&rig, "s3://bucket/*", ERR_ILLEGAL_ARGUMENT, "means something in a policy");
    check_failure(&rig, "s3://bucket/a/../b", ERR_ILLEGAL_ARGUMENT, "segment");
    assert_int_equal(rig.server.count, 0);
    rig_stop(&rig);
}

static void stores_that_have_none(void **state)
{
    (void)state;
    struct rig oss = {.options = {.endpoint = STR("http://127.0.0.1:1"), .dialect = STR("oss")}};
    rig_start(&oss);
    check_failure(&oss, "s3://bucket/t", ERR_UNSUPPORTED, "sts-endpoint");
    rig_stop(&oss);
    struct rig aws = {.options = {.region = STR("eu-central-1")}};
    rig_start(&aws);
    check_failure(&aws, "s3://bucket/t", ERR_UNSUPPORTED, "role-arn");
    rig_stop(&aws);
    struct rig anonymous = {
        .options = {.endpoint = STR("http://127.0.0.1:1"), .credentials = STR("anonymous")}};
    rig_start(&anonymous);
    check_failure(&anonymous, "s3://bucket/t", ERR_UNSUPPORTED, "keys of its own");
    rig_stop(&anonymous);
    struct rig nobody = {.options = {.endpoint = STR("http://127.0.0.1:1")}};
    rig_start(&nobody);
    check_failure(&nobody, "s3://bucket/t", ERR_UNAVAILABLE, "");
    rig_stop(&nobody);
}

static void endpoints(void **state)
{
    (void)state;
    static const char *const rows[][4] = {
        {"", "", "", "https://sts.amazonaws.com"},
        {"", "", "eu-central-1", "https://sts.eu-central-1.amazonaws.com"},
        {"", "", "cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"},
        {"", "https://s3.eu-west-1.amazonaws.com", "eu-west-1",
         "https://sts.eu-west-1.amazonaws.com"},
        {"", "http://minio:9000", "eu-west-1", "http://minio:9000"},
        {"https://sts.own", "http://minio:9000", "", "https://sts.own"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct storage_options options = {.sts_endpoint = str_cstr(rows[i][0]),
                                          .endpoint = str_cstr(rows[i][1]),
                                          .region = str_cstr(rows[i][2])};
        assert_str(s3_sts_endpoint(&options, arena), rows[i][3]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked),
        cmocka_unit_test(without_a_role),
        cmocka_unit_test(lives),
        cmocka_unit_test(kept_for_the_same_only),
        cmocka_unit_test(refusals),
        cmocka_unit_test(answers_that_are_none),
        cmocka_unit_test(scopes_that_are_none),
        cmocka_unit_test(stores_that_have_none),
        cmocka_unit_test(endpoints),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
