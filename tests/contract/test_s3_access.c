/* Keys of limited scope and signed requests, against a store that checks them: what they reach, and
 * what they do not. Runs with the store that the environment names, if that one judges policies. */
#include "tests/contract/s3_fixture.h"

#include <signal.h>

#include "base/digest.h"
#include "storage/access.h"
#include "storage/file_stream.h"
#include "storage/http_client.h"
#include "storage/s3_signature.h"

#define HOUR INT64_C(3600000)

static struct arena *arena;
static struct file_io *own;
static struct http_client *http;
static struct str root, table, sibling; /* wh, wh/t, wh/t10 */

static struct str below(struct str place, const char *name)
{
    return arena_printf(arena, "%.*s/%s", STR_ARG(place), name);
}

static void write_own(struct str location, const char *text)
{
    struct error err;
    if (file_io_write_new(own, location, str_cstr(text), &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
}

static const char *read_by(struct file_io *io, struct str location, struct error *err)
{
    struct buf out = BUF_INIT(1 << 20);
    const char *text = NULL;
    if (file_io_read(io, location, out.bytes_max, &out, err) == 0)
        text = arena_cstr(arena, buf_str(&out));
    buf_free(&out);
    return text;
}

static void check_content(struct str location, const char *expected)
{
    struct error err = {0};
    const char *text = read_by(own, location, &err);
    if (text == NULL)
        fail_msg("%s", err.message);
    assert_string_equal(text, expected);
}

static bool exists(struct str location)
{
    bool out;
    struct error err;
    assert_int_equal(file_io_exists(own, location, &out, &err), 0);
    return out;
}

static struct file_scope scope_of(bool write, const char *who)
{
    return (struct file_scope){
        .locations = &table, .location_count = 1, .write = write, .session_name = str_cstr(who)};
}

/* ---- vended keys ----------------------------------------------------------------------------- */

static struct file_io *open_with_keys(bool write)
{
    struct storage_options options = s3_fixture_options();
    struct file_scope scope = scope_of(write, "alice's job");
    struct file_keys keys;
    struct error err = {0};
    if (file_io_vend(own, &scope, HOUR, arena, &keys, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    assert_in_range(keys.expires_ms, clock_now_ms(&clock_system) + HOUR / 2,
                    clock_now_ms(&clock_system) + HOUR + 60000);
    assert_false(str_equal(keys.access_key_id, options.access_key_id));
    options.access_key_id = keys.access_key_id;
    options.secret_access_key = keys.secret_access_key;
    options.session_token = keys.session_token;
    return s3_fixture_open(root, &options);
}

static bool stop_at_once(void *arg, const struct file_entry *entry)
{
    (void)entry;
    ++*(int *)arg;
    return true;
}

static void check_nothing_else(struct file_io *io)
{
    static const char *const names[] = {"", ".x", "/../t/x"};
    struct error err;
    int count = 0;
    assert_null(read_by(io, below(sibling, "a"), &err));
    assert_null(read_by(io, below(root, "a"), &err));
    assert_int_equal(file_io_write_new(io, below(sibling, "x"), STR("x"), &err), -1);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(file_io_write_new(io,
                                           arena_printf(arena, "%.*s%s", STR_ARG(table), names[i]),
                                           STR("x"), &err),
                         -1);
    assert_int_equal(file_io_remove(io, below(sibling, "a"), &err), -1);
    check_content(below(sibling, "a"), "foreign");
    assert_int_equal(file_io_list(io, sibling, stop_at_once, &count, &err), -1);
    assert_int_equal(file_io_list(io, root, stop_at_once, &count, &err), -1);
    assert_int_equal(count, 0);
    struct file_write write = {.mode = FILE_REPLACE};
    struct file_stat stat;
    assert_int_equal(
        file_io_copy(io, below(sibling, "a"), below(table, "stolen"), &write, &stat, &err), -1);
    assert_int_equal(file_io_copy(io, below(table, "a"), below(sibling, "x"), &write, &stat, &err),
                     -1);
    assert_false(exists(below(table, "stolen")));
    assert_false(exists(below(sibling, "x")));
}

static void keys_that_write(void **state)
{
    (void)state;
    struct file_io *io = open_with_keys(true);
    struct error err;
    int count = 0;
    assert_string_equal(read_by(io, below(table, "a"), &err), "own");
    if (file_io_write_new(io, below(table, "data/b c+%41"), STR("new"), &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    check_content(below(table, "data/b c+%41"), "new");
    assert_int_equal(file_io_list(io, table, stop_at_once, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(file_io_remove(io, below(table, "data/b c+%41"), &err), 0);
    assert_false(exists(below(table, "data/b c+%41")));
    struct str id;
    if (file_io_upload_begin(io, below(table, "parts"), arena, &id, &err) != 0 ||
        file_io_upload_abort(io, below(table, "parts"), id, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    check_nothing_else(io);
    file_io_close(io);
}

static void keys_that_read(void **state)
{
    (void)state;
    struct file_io *io = open_with_keys(false);
    struct error err;
    int count = 0;
    struct str id;
    assert_string_equal(read_by(io, below(table, "a"), &err), "own");
    assert_int_equal(file_io_list(io, table, stop_at_once, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(file_io_write_new(io, below(table, "x"), STR("x"), &err), -1);
    assert_int_equal(file_io_upload_begin(io, below(table, "x"), arena, &id, &err), -1);
    assert_int_equal(file_io_remove(io, below(table, "a"), &err), -1);
    check_content(below(table, "a"), "own");
    assert_false(exists(below(table, "x")));
    check_nothing_else(io);
    file_io_close(io);
}

/* ---- signed requests ------------------------------------------------------------------------- */

struct call {
    const char *method;
    struct str uri;
    const char *header; /* "name: value" of the client, or NULL */
    const char *body;
    struct str send_uri, send_body; /* instead of what was signed */
};

static struct str uri_of(struct str location, const char *query)
{
    struct str endpoint = s3_fixture_value("FIRN_TEST_S3_ENDPOINT");
    struct str path = str_skip(location, strlen("s3:/"));
    return arena_printf(arena, "%.*s%.*s%s", STR_ARG(endpoint),
                        STR_ARG(s3_uri_encode(path, true, arena)), query);
}

/* Signs and sends, as a client does; the status, and the body of the answer. */
static int send_signed(const struct call *call, struct str *answer)
{
    struct sign_header header = {STR_NONE, STR_NONE};
    struct sign_request request = {.method = str_cstr(call->method),
                                   .uri = call->uri,
                                   .region = s3_fixture_value("FIRN_TEST_S3_REGION"),
                                   .headers = &header,
                                   .body = str_cstr(call->body)};
    struct file_scope scope = scope_of(true, "bob");
    struct sign_reply reply;
    struct error err = {0};
    if (call->header != NULL) {
        header.value = str_cstr(call->header);
        header.name = str_cut(&header.value, ':');
        header.value = str_trim(header.value);
        request.header_count = 1;
    }
    if (file_io_sign(own, &scope, &request, arena, &reply, &err) != 0)
        fail_msg("%s", err.message);
    struct http_header *lines = ARENA_ARRAY(arena, struct http_header, reply.header_count + 1);
    struct http_request sent = {.method = request.method,
                                .url = call->send_uri.len ? call->send_uri : reply.uri,
                                .headers = lines,
                                .body = call->send_body.len ? call->send_body : request.body};
    for (size_t i = 0; i < reply.header_count; i++)
        lines[sent.header_count++] =
            (struct http_header){reply.headers[i].name, reply.headers[i].value};
    if (header.name.len > 0 && str_equal_ignore_case(header.name, STR("range")))
        lines[sent.header_count++] = (struct http_header){header.name, header.value};
    struct buf body = BUF_INIT(1 << 20);
    struct http_response response;
    if (http_client_call(http, &sent, arena, &response, &body, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    if (answer != NULL)
        *answer = arena_str(arena, buf_str(&body));
    buf_free(&body);
    return response.status;
}

static void as_signed(void **state)
{
    (void)state;
    struct str answer, key = below(table, "data/s=a%2Fb/\xC3\xBC +~*'(1).parquet");
    struct call call = {.method = "PUT",
                        .uri = uri_of(key, ""),
                        .header = "Content-Type: a/b",
                        .body = "0123456789"};
    assert_int_equal(send_signed(&call, NULL), 200);
    call = (struct call){.method = "GET", .uri = call.uri};
    assert_int_equal(send_signed(&call, &answer), 200);
    assert_str(answer, "0123456789");
    call.header = "Range: bytes=2-4";
    assert_int_equal(send_signed(&call, &answer), 206);
    assert_str(answer, "234");
    call = (struct call){.method = "HEAD", .uri = call.uri};
    assert_int_equal(send_signed(&call, NULL), 200);
    struct str copy = below(table, "copy"), path = str_skip(key, strlen("s3:/"));
    call = (struct call){.method = "PUT",
                         .uri = uri_of(copy, ""),
                         .header = arena_printf(arena, "x-amz-copy-source: %.*s",
                                                STR_ARG(s3_uri_encode(path, true, arena)))
                                       .ptr,
                         .body = ""};
    assert_int_equal(send_signed(&call, NULL), 200);
    check_content(copy, "0123456789");
    struct str bucket =
        arena_printf(arena, "s3://%.*s", STR_ARG(s3_fixture_value("FIRN_TEST_S3_BUCKET")));
    struct str prefix = str_skip(table, bucket.len + 1);
    call = (struct call){
        .method = "GET",
        .uri = uri_of(
            bucket,
            arena_printf(arena, "?list-type=2&prefix=%.*s/&delimiter=/", STR_ARG(prefix)).ptr)};
    assert_int_equal(send_signed(&call, &answer), 200);
    assert_true(str_contains(answer, STR("/copy</Key>")));
    call = (struct call){.method = "DELETE", .uri = uri_of(key, "")};
    assert_int_equal(send_signed(&call, NULL), 204);
    call = (struct call){.method = "POST",
                         .uri = uri_of(bucket, "?delete"),
                         .header = "Content-Type: application/xml",
                         .body = arena_printf(arena,
                                              "<Delete><Object><Key>%.*s/copy</Key></Object>"
                                              "</Delete>",
                                              STR_ARG(prefix))
                                     .ptr};
    assert_int_equal(send_signed(&call, NULL), 200);
    assert_false(exists(copy));
}

/* <UploadId>…</UploadId> */
static struct str upload_id(struct str answer)
{
    const char *at = memmem(answer.ptr, answer.len, "<UploadId>", 10);
    assert_non_null(at);
    struct str rest = str_skip(answer, (size_t)(at - answer.ptr) + 10);
    return s3_uri_encode(str_cut(&rest, '<'), false, arena);
}

#define MD5_OF_PART "f4c9385f1902f7334b00b9b4ecd164de"

static void in_parts(void **state)
{
    (void)state;
    struct str key = below(table, "upload"), answer;
    struct call call = {.method = "POST", .uri = uri_of(key, "?uploads"), .body = ""};
    assert_int_equal(send_signed(&call, &answer), 200);
    struct str id = upload_id(answer);
    call = (struct call){
        .method = "PUT",
        .uri = uri_of(key, arena_printf(arena, "?partNumber=1&uploadId=%.*s", STR_ARG(id)).ptr),
        .body = "part"};
    assert_int_equal(send_signed(&call, NULL), 200);
    call.uri = uri_of(key, arena_printf(arena, "?uploadId=%.*s", STR_ARG(id)).ptr);
    call.method = "POST";
    struct call list = {.method = "GET", .uri = call.uri};
    assert_int_equal(send_signed(&list, &answer), 200);
    assert_true(str_contains(answer, STR(MD5_OF_PART)));
    call.body = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" MD5_OF_PART
                "</ETag></Part></CompleteMultipartUpload>";
    if (send_signed(&call, &answer) != 200)
        fail_msg("%.*s", STR_ARG(answer));
    check_content(key, "part");
    call = (struct call){.method = "POST", .uri = uri_of(key, "?uploads"), .body = ""};
    assert_int_equal(send_signed(&call, &answer), 200);
    id = upload_id(answer);
    call =
        (struct call){.method = "DELETE",
                      .uri = uri_of(key, arena_printf(arena, "?uploadId=%.*s", STR_ARG(id)).ptr)};
    assert_int_equal(send_signed(&call, NULL), 204);
}

/* The store refuses what was changed after it was signed. */
static void not_as_signed(void **state)
{
    (void)state;
    struct str a = below(table, "a");
    struct call call = {
        .method = "GET", .uri = uri_of(a, ""), .send_uri = uri_of(below(sibling, "a"), "")};
    assert_int_equal(send_signed(&call, NULL), 403);
    call.send_uri = uri_of(a, "?acl");
    assert_int_equal(send_signed(&call, NULL), 403);
    call = (struct call){.method = "PUT",
                         .uri = uri_of(below(table, "p"), ""),
                         .body = "x",
                         .send_uri = uri_of(below(sibling, "p"), "")};
    assert_int_equal(send_signed(&call, NULL), 403);
    assert_false(exists(below(sibling, "p")));
    struct str bucket =
        arena_printf(arena, "s3://%.*s", STR_ARG(s3_fixture_value("FIRN_TEST_S3_BUCKET")));
    struct str inside = str_skip(table, bucket.len + 1), other = str_skip(sibling, bucket.len + 1);
    static const char text[] = "<Delete><Object><Key>%.*s/a</Key></Object></Delete>";
    call = (struct call){.method = "POST",
                         .uri = uri_of(bucket, "?delete"),
                         .body = arena_printf(arena, text, STR_ARG(inside)).ptr,
                         .send_body = arena_printf(arena, text, STR_ARG(other))};
    int status = send_signed(&call, NULL);
    assert_true(status == 400 || status == 403);
    check_content(below(sibling, "a"), "foreign");
    check_content(a, "own");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_read), cmocka_unit_test(keys_that_write),
        cmocka_unit_test(as_signed),      cmocka_unit_test(in_parts),
        cmocka_unit_test(not_as_signed),
    };
    char uuid[UUID_TEXT_BYTES];
    if (!s3_fixture_is_there() || s3_fixture_is("moto")) /* which believes everything */
        return s3_fixture_skip();
    (void)signal(SIGPIPE, SIG_IGN);
    arena = arena_new();
    random_uuid4(&random_system, uuid);
    root = arena_printf(arena, "s3://%.*s/access-%s",
                        STR_ARG(s3_fixture_value("FIRN_TEST_S3_BUCKET")), uuid);
    table = below(root, "t");
    sibling = below(root, "t10");
    struct storage_options options = s3_fixture_options();
    options.role_arn = s3_fixture_value("FIRN_TEST_S3_ROLE");
    own = s3_fixture_open(root, &options);
    http = http_client_new(&(struct http_client_options){.in_flight_max = 4});
    write_own(below(table, "a"), "own");
    write_own(below(sibling, "a"), "foreign");
    write_own(below(root, "a"), "foreign");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_client_free(http);
    file_io_close(own);
    arena_free(arena);
    return failed;
}
