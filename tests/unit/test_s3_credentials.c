/* Keys for S3: every source, against services that the test plays; when new ones are fetched; what
 * happens when there are none. */
#include "tests/unit/peer_fixture.h"

#include <stdatomic.h>

#include "storage/s3_credentials.h"

#define SECRET "very-secret"

struct fixture {
    struct peer peer;
    struct arena *arena;
    struct storage_options options;
    struct storage_context context;
    struct clock clock;
    struct s3_credentials *credentials;
    struct s3_keys keys;
    struct error err;
    char directory[64];
    _Atomic int64_t now_ms;
    _Atomic int fetches, tokens, broken;
    char last_request[4096];
};

static int64_t fake_now(void *arg)
{
    return ((struct fixture *)arg)->now_ms;
}

static int64_t fake_monotonic(void *arg)
{
    return ((struct fixture *)arg)->now_ms * 1000;
}

/* ---- the services ---------------------------------------------------------------------------- */

static bool reply(int fd, int status, const char *body)
{
    char text[4096];
    (void)snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s", status,
                   strlen(body), body);
    return peer_write(fd, str_cstr(text));
}

static bool has(const char *request, const char *text)
{
    return strstr(request, text) != NULL;
}

/* Keys that are valid for an hour from 2026-11-25T00:00:00Z on, numbered. */
static bool reply_keys(struct fixture *f, int fd)
{
    char body[1024];
    int number = ++f->fetches;
    (void)snprintf(body, sizeof(body),
                   "{\"Code\":\"Success\",\"AccessKeyId\":\"AK%d\",\"SecretAccessKey\":\"" SECRET
                   "\",\"Token\":\"T%d\",\"Expiration\":\"2026-11-25T%02d:00:00Z\"}",
                   number, number, number);
    return reply(fd, f->broken ? 500 : 200, f->broken ? SECRET : body);
}

static bool answer(struct fixture *f, int fd, const char *request)
{
    (void)snprintf(f->last_request, sizeof(f->last_request), "%s", request);
    if (has(request, "PUT /latest/api/token ") &&
        has(request, "X-aws-ec2-metadata-token-ttl-seconds: ")) {
        f->tokens++;
        return reply(fd, 200, "the-token");
    }
    bool with_token = has(request, "\r\nX-aws-ec2-metadata-token: the-token\r\n");
    if (has(request, "GET /latest/meta-data/iam/security-credentials/ ") && with_token)
        return reply(fd, 200, "a role\n");
    if (has(request, "GET /latest/meta-data/iam/security-credentials/a%20role ") && with_token)
        return reply_keys(f, fd);
    if (has(request, "GET /container ") && has(request, "\r\nAuthorization: container-token\r\n"))
        return reply_keys(f, fd);
    if (has(request, "POST / ") && has(request, "Action=AssumeRoleWithWebIdentity&"))
        return reply(fd, 200,
                     "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/"
                     "2011-06-15/\"><AssumeRoleWithWebIdentityResult><Credentials>"
                     "<AccessKeyId>AKW</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey>"
                     "<SessionToken>TW</SessionToken><Expiration>2026-11-25T01:00:00Z</Expiration>"
                     "</Credentials></AssumeRoleWithWebIdentityResult>"
                     "</AssumeRoleWithWebIdentityResponse>");
    return reply(fd, 401, SECRET);
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

/* ---- the fixture ----------------------------------------------------------------------------- */

static void set_time(struct fixture *f, const char *hh_mm)
{
    const int64_t midnight_ms = 1795564800000; /* 2026-11-25T00:00:00Z */
    f->now_ms =
        midnight_ms + (strtoll(hh_mm, NULL, 10) * 60 + strtoll(hh_mm + 3, NULL, 10)) * 60000;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(value == NULL ? unsetenv(name) : setenv(name, value, 1), 0);
}

static int begin(void **state)
{
    static const char *const names[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_ROLE_SESSION_NAME",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT"};
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        set(names[i], NULL);
    (void)snprintf(f->directory, sizeof(f->directory), "/tmp/firn-test-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    set("HOME", f->directory);
    peer_start(&f->peer, serve, f);
    f->arena = arena_new();
    f->clock = (struct clock){fake_now, fake_monotonic, f};
    f->context = (struct storage_context){&f->clock, &random_system};
    set_time(f, "00:00");
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    s3_credentials_close(f->credentials);
    peer_stop(&f->peer);
    (void)unlink(arena_printf(f->arena, "%s/file", f->directory).ptr);
    assert_int_equal(rmdir(f->directory), 0);
    arena_free(f->arena);
    free(f);
    return 0;
}

static const char *write_file(struct fixture *f, const char *text)
{
    const char *path = arena_printf(f->arena, "%s/file", f->directory).ptr;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

static int open_keys(struct fixture *f)
{
    s3_credentials_close(f->credentials);
    f->credentials = NULL;
    return s3_credentials_open(&f->options, &f->context, &f->credentials, &f->err);
}

static void must_open(struct fixture *f)
{
    if (open_keys(f) != 0)
        fail_msg("%s", f->err.message);
}

static void must_get(struct fixture *f, const char *id, const char *token)
{
    if (s3_credentials_get(f->credentials, f->arena, &f->keys, &f->err) != 0)
        fail_msg("%s (%s)", f->err.message, f->err.detail);
    assert_str(f->keys.access_key_id, id);
    assert_str(f->keys.secret_access_key, SECRET);
    assert_str(f->keys.session_token, token);
}

static void must_not_get(struct fixture *f)
{
    assert_int_equal(s3_credentials_get(f->credentials, f->arena, &f->keys, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
    assert_null(strstr(f->err.message, SECRET));
    assert_null(strstr(f->err.detail, SECRET));
}

/* ---- sources --------------------------------------------------------------------------------- */

static void keys_may_be_given(void **state)
{
    struct fixture *f = *state;
    f->options.access_key_id = STR("AK");
    assert_int_equal(open_keys(f), -1); /* without its secret */
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    f->options.secret_access_key = STR(SECRET);
    must_open(f);
    must_get(f, "AK", "");
    assert_true(f->keys.expires_ms == INT64_MAX);
    assert_false(s3_credentials_refused(f->credentials, &f->keys)); /* there are no others */
    f->options.session_token = STR("T");
    must_open(f);
    must_get(f, "AK", "T");
    f->options.credentials = STR("anonymous");
    must_open(f);
    assert_int_equal(s3_credentials_get(f->credentials, f->arena, &f->keys, &f->err), 0);
    assert_true(f->keys.anonymous);
}

static void the_source_is_named_or_found(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_keys(f),
                     -1); /* nothing anywhere, and the metadata service is not asked */
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    f->options.credentials = STR("magic");
    assert_int_equal(open_keys(f), -1);
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    f->options.credentials = STR_NONE;
    set("AWS_SHARED_CREDENTIALS_FILE",
        write_file(f, "[default]\naws_access_key_id=AKF\naws_secret_access_key=" SECRET "\n"));
    must_open(f);
    must_get(f, "AKF", "");
    set("AWS_ACCESS_KEY_ID", "AKE");
    set("AWS_SECRET_ACCESS_KEY", SECRET);
    must_open(f);
    must_get(f, "AKE", "");
    f->options.credentials = STR("file");
    must_open(f);
    must_get(f, "AKF", "");
    f->options.credentials = STR("environment");
    set("AWS_SECRET_ACCESS_KEY", NULL);
    must_open(f);
    must_not_get(f);
}

static void profiles_of_the_shared_file(void **state)
{
    struct fixture *f = *state;
    set("AWS_SHARED_CREDENTIALS_FILE",
        write_file(f, "# mine\n[default]\naws_access_key_id = AK0\naws_secret_access_key = " SECRET
                      "\n\n[ two ]\r\naws_access_key_id=AK2\r\n;aws_access_key_id=no\r\n"
                      "aws_secret_access_key=" SECRET "\r\naws_session_token = T=2 \r\nregion=x\n"
                      "[half]\naws_access_key_id=AK3\n"));
    f->options.credentials = STR("file");
    must_open(f);
    must_get(f, "AK0", "");
    set("AWS_PROFILE", "two");
    must_open(f);
    must_get(f, "AK2", "T=2");
    f->options.profile = STR("default");
    must_open(f);
    must_get(f, "AK0", "");
    f->options.profile = STR("half");
    must_open(f);
    must_not_get(f);
    f->options.profile = STR("none");
    must_open(f);
    must_not_get(f);
    f->options.profile = STR_NONE;
    must_open(f);
    must_get(f, "AK2", "T=2");
    (void)write_file(f, "[two]\naws_access_key_id=NEW\naws_secret_access_key=" SECRET "\n");
    must_get(f, "AK2", "T=2");
    set_time(f, "00:02"); /* read again */
    must_get(f, "NEW", "");
}

static void keys_of_a_container(void **state)
{
    struct fixture *f = *state;
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI",
        arena_printf(f->arena, "%s/container", f->peer.url).ptr);
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write_file(f, "container-token\n"));
    must_open(f); /* found without being named */
    must_get(f, "AK1", "T1");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write_file(f, "another\n"));
    must_open(f);
    must_not_get(f);
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.org/container");
    must_open(f);
    must_not_get(f);
    assert_non_null(strstr(f->err.message, "neither https nor on this host"));
}

static void keys_by_web_identity(void **state)
{
    struct fixture *f = *state;
    set("AWS_WEB_IDENTITY_TOKEN_FILE", write_file(f, "a.b+c/d=\n"));
    set("AWS_ROLE_ARN", "arn:aws:iam::1:role/R");
    f->options.sts_endpoint = str_cstr(f->peer.url);
    must_open(f);
    must_get(f, "AKW", "TW");
    assert_non_null(strstr(f->last_request, "WebIdentityToken=a.b%2Bc%2Fd%3D"));
    assert_non_null(strstr(f->last_request, "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2FR&"));
    assert_null(strstr(f->last_request, "Authorization:"));
    set("AWS_ROLE_ARN", NULL);
    must_open(f);
    must_not_get(f);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void open_instance(struct fixture *f)
{
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", f->peer.url);
    f->options.credentials = STR("instance");
    must_open(f);
}

static void keys_are_kept_and_renewed(void **state)
{
    struct fixture *f = *state;
    open_instance(f);
    must_get(f, "AK1", "T1");
    must_get(f, "AK1", "T1");
    assert_int_equal(f->fetches, 1);
    assert_int_equal(f->tokens, 1);
    set_time(f, "00:54");
    must_get(f, "AK1", "T1");
    assert_int_equal(f->fetches, 1);
    set_time(f, "00:56"); /* five minutes before they expire */
    must_get(f, "AK2", "T2");
    assert_int_equal(f->fetches, 2);
}

static void a_failed_renewal_is_no_error_yet(void **state)
{
    struct fixture *f = *state;
    open_instance(f);
    must_get(f, "AK1", "T1");
    f->broken = true;
    set_time(f, "00:56");
    must_get(f, "AK1", "T1");
    must_get(f, "AK1", "T1");
    assert_int_equal(f->fetches, 2); /* not for every call */
    set_time(f, "00:57");
    must_get(f, "AK1", "T1");
    assert_int_equal(f->fetches, 3);
    set_time(f, "01:01"); /* now they have expired */
    must_not_get(f);
    must_not_get(f);
    assert_int_equal(f->fetches, 4); /* asked once in ten seconds */
    f->broken = false;
    set_time(f, "01:02");
    must_get(f, "AK5", "T5");
}

static void refused_keys_are_renewed(void **state)
{
    struct fixture *f = *state;
    open_instance(f);
    must_get(f, "AK1", "T1");
    assert_false(s3_credentials_refused(f->credentials, &f->keys)); /* just fetched: no others */
    set_time(f, "00:10");
    struct s3_keys old = f->keys;
    assert_true(s3_credentials_refused(f->credentials, &old));
    must_get(f, "AK2", "T2");
    assert_true(s3_credentials_refused(f->credentials, &old)); /* somebody renewed them already */
    must_get(f, "AK2", "T2");
    assert_int_equal(f->fetches, 2);
}

struct getter {
    struct fixture *fixture;
    pthread_t thread;
    bool good;
};

static void *get_keys(void *arg)
{
    struct getter *getter = arg;
    struct arena *arena = arena_new();
    struct s3_keys keys;
    struct error err;
    for (int i = 0; i < 100; i++)
        getter->good = s3_credentials_get(getter->fixture->credentials, arena, &keys, &err) == 0 &&
                       str_equal_cstr(keys.secret_access_key, SECRET) && (i == 0 || getter->good);
    arena_free(arena);
    return NULL;
}

static void one_fetches_for_all(void **state)
{
    struct fixture *f = *state;
    struct getter getters[8];
    open_instance(f);
    for (size_t i = 0; i < COUNT_OF(getters); i++) {
        getters[i] = (struct getter){.fixture = f};
        assert_int_equal(pthread_create(&getters[i].thread, NULL, get_keys, &getters[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(getters); i++) {
        assert_int_equal(pthread_join(getters[i].thread, NULL), 0);
        assert_true(getters[i].good);
    }
    assert_int_equal(f->fetches, 1);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
    static const struct CMUnitTest cases[] = {
        CASE(keys_may_be_given),
        CASE(the_source_is_named_or_found),
        CASE(profiles_of_the_shared_file),
        CASE(keys_of_a_container),
        CASE(keys_by_web_identity),
        CASE(keys_are_kept_and_renewed),
        CASE(a_failed_renewal_is_no_error_yet),
        CASE(refused_keys_are_renewed),
        CASE(one_fetches_for_all),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
