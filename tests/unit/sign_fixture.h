/* A store that is not there, clients that want their requests to it signed, and a check of what
 * they get as that store would do it: from the reply and from what the client adds. */
#ifndef TESTS_UNIT_SIGN_FIXTURE_H
#define TESTS_UNIT_SIGN_FIXTURE_H

#include "tests/unit/unit.h"

#include "base/location.h"
#include "storage/backend.h"
#include "storage/file_io_s3.h"
#include "storage/s3_signature.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG-canary"
#define NOW INT64_C(1795567350000)
#define STORE "http://store.test:9000"
#define KEY STORE "/bucket/wh/t/"

static struct arena *arena;
static struct file_io *io;

static inline int64_t fake_now(void *arg)
{
    (void)arg;
    return NOW;
}
static inline int64_t fake_monotonic(void *arg)
{
    (void)arg;
    return 0;
}
static const struct clock fake_clock = {fake_now, fake_monotonic, NULL};
static const struct storage_context context = {&fake_clock, &random_system};

static inline struct file_io *opened(struct storage_options options)
{
    struct file_io *out;
    struct error err = {0};
    if (options.credentials.len == 0) {
        options.access_key_id = STR("OWN");
        options.secret_access_key = STR(SECRET);
    }
    if (file_io_s3_open(STR("s3://bucket/wh"), &options, &context, &out, &err) != 0)
        fail_msg("%s", err.message);
    return out;
}

/* "Name: value" a line. */
static inline size_t parse_headers(const char *text, struct sign_header *out)
{
    struct str rest = str_cstr(text);
    size_t count = 0;
    while (rest.len > 0) {
        struct str value = str_cut(&rest, '\n'), name = str_cut(&value, ':');
        out[count++] = (struct sign_header){name, str_trim(value)};
    }
    return count;
}

static const struct str locations[] = {STR("s3://bucket/wh/t"), STR("s3://bucket/extra/data+1")};
static const struct str guarded[] = {STR("s3://elsewhere/x.metadata.json"), STR("s3://bucket/a//b"),
                                     STR("s3a://bucket/wh/t/metadata/00001-a.metadata.json")};

struct ask {
    const char *method, *uri, *headers, *body;
    bool read_only, removes_only;
    const char *region;
};

static inline struct ask asked(const char *method, const char *uri, const char *headers)
{
    return (struct ask){.method = method, .uri = uri, .headers = headers};
}

static inline int sign(struct file_io *with, const struct ask *ask, struct sign_reply *out,
                       struct error *err)
{
    struct sign_header headers[70];
    struct sign_request request = {.method = str_cstr(ask->method),
                                   .uri = str_cstr(ask->uri),
                                   .region = str_cstr(ask->region ? ask->region : "us-east-1"),
                                   .headers = headers,
                                   .body = str_cstr(ask->body)};
    struct file_scope scope = {locations,        2, !ask->read_only, guarded, 3, STR("alice"),
                               ask->removes_only};
    request.header_count = parse_headers(ask->headers ? ask->headers : "", headers);
    *err = (struct error){.kind = ERR_NONE};
    memset(out, 0, sizeof(*out));
    return file_io_sign(with, &scope, &request, arena, out, err);
}

/* ---- a store --------------------------------------------------------------------------------- */

static inline struct str reply_header(const struct sign_reply *reply, struct str name)
{
    struct str found = STR_NONE;
    for (size_t i = 0; i < reply->header_count; i++)
        if (str_equal_ignore_case(reply->headers[i].name, name)) {
            if (found.ptr != NULL)
                fail_msg("%.*s is twice in the reply", STR_ARG(name));
            found = reply->headers[i].value;
        }
    return found;
}

/* What the client sends: its own headers, and before them those of the reply. */
static inline struct str sent_header(const struct ask *ask, const struct sign_reply *reply,
                                     struct str name)
{
    struct sign_header own[70];
    size_t count = parse_headers(ask->headers ? ask->headers : "", own);
    struct str value = reply_header(reply, name);
    for (size_t i = 0; i < count; i++)
        if (str_equal_ignore_case(own[i].name, name) && value.ptr != NULL &&
            !str_equal_ignore_case(name, STR("x-amz-date")) &&
            !str_equal_ignore_case(name, STR("authorization")))
            assert_true(str_equal(own[i].value, value)); /* clients prefer their own */
    return value;
}

static inline size_t query_of(struct str text, struct s3_query_item *out)
{
    size_t count = 0;
    while (text.len > 0) {
        struct str value = str_cut(&text, '&'), name = str_cut(&value, '=');
        assert_true(s3_uri_decode(name, arena, &out[count].name));
        assert_true(s3_uri_decode(value, arena, &out[count].value));
        count++;
    }
    return count;
}

static inline struct str part_of(struct str authorization, const char *name)
{
    const char *at = memmem(authorization.ptr, authorization.len, name, strlen(name));
    assert_non_null(at);
    struct str rest = str_skip(authorization, (size_t)(at - authorization.ptr) + strlen(name));
    return str_cut(&rest, ',');
}

static inline void verify(const struct ask *ask, const struct sign_reply *reply)
{
    struct str authorization = reply_header(reply, STR("authorization"));
    struct str names = part_of(authorization, "SignedHeaders="), rest = names;
    struct str target = str_skip(reply->uri, strlen("http://")), host, query;
    struct s3_header headers[70];
    struct s3_query_item items[40];
    if (str_starts_with(reply->uri, STR("https://")))
        target = str_skip(target, 1);
    host = target;
    while (target.len > 0 && target.ptr[0] != '/')
        target = str_skip(target, 1);
    host.len -= target.len;
    query = target;
    target = str_cut(&query, '?');
    struct s3_to_sign what = {.method = str_cstr(ask->method),
                              .path = target,
                              .query = items,
                              .query_count = query_of(query, items),
                              .headers = headers,
                              .payload_hash = sent_header(ask, reply, STR("x-amz-content-sha256")),
                              .amz_date = reply_header(reply, STR("x-amz-date")),
                              .region = STR("us-east-1"),
                              .service = STR("s3")};
    while (rest.len > 0) {
        struct str name = str_cut(&rest, ';'), value = host;
        if (!str_equal(name, STR("host")))
            value = sent_header(ask, reply, name);
        assert_non_null(value.ptr);
        headers[what.header_count++] = (struct s3_header){name, value};
    }
    assert_str(what.amz_date, "20261125T004230Z");
    struct str expected = s3_authorization(&what, STR("OWN"), STR(SECRET), arena);
    if (!str_equal(expected, authorization))
        fail_msg("%s: got %.*s, expected %.*s", ask->uri, STR_ARG(authorization),
                 STR_ARG(expected));
    assert_false(str_contains(authorization, STR("canary")));
}

static inline struct sign_reply check_signed(struct ask ask)
{
    struct sign_reply reply;
    struct error err;
    if (sign(io, &ask, &reply, &err) != 0)
        fail_msg("%s %s: %s", ask.method, ask.uri, err.message);
    verify(&ask, &reply);
    return reply;
}

static inline void check_refused_by(struct file_io *with, struct ask ask, enum error_kind kind)
{
    struct sign_reply reply;
    struct error err;
    if (sign(with, &ask, &reply, &err) == 0)
        fail_msg("signed: %s %s with %s", ask.method, ask.uri, ask.headers ? ask.headers : "-");
    if (err.kind != kind)
        fail_msg("%s %s: %s (%s)", ask.method, ask.uri, error_name(err.kind), err.message);
    assert_int_equal(reply.header_count, 0);
    assert_null(reply.uri.ptr);
    assert_null(strstr(err.message, "canary"));
}

static inline void check_refused(struct ask ask, enum error_kind kind)
{
    check_refused_by(io, ask, kind);
}

#endif
