/* Requests to the outside: whole and by pieces, both ways; what breaks; bulkheads; addresses. */
#include "tests/unit/peer_fixture.h"

#include <stdatomic.h>

#include "storage/http_client.h"

#define LARGE_BYTES (20u << 20)

struct fixture {
    struct peer peer;
    struct http_client *client;
    struct arena *arena;
    struct buf body;
    struct http_response response;
    struct error err;
    _Atomic int requests;
};

static char large[65536];

/* What the path asks for. One request after the other, until the connection ends. */
static bool answer(struct fixture *f, int fd, const char *request)
{
    f->requests++;
    if (strstr(request, " /echo ") != NULL) { /* the request itself, as the body */
        char head[128];
        (void)snprintf(head, sizeof(head),
                       "HTTP/1.1 200 OK\r\nX-One:  a b \r\nX-Two:\r\nContent-Length: %zu\r\n\r\n",
                       strlen(request));
        return peer_write(fd, str_cstr(head)) &&
               (strncmp(request, "HEAD", 4) == 0 || peer_write(fd, str_cstr(request)));
    }
    if (strstr(request, " /redirect ") != NULL)
        return peer_write(fd, STR("HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\n"
                                  "Content-Length: 0\r\n\r\n"));
    if (strstr(request, " /cut ") != NULL)
        return peer_write(fd, STR("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) && false;
    if (strstr(request, " /nothing ") != NULL)
        return false;
    if (strstr(request, " /large ") != NULL) {
        char head[128];
        (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n",
                       LARGE_BYTES);
        bool good = peer_write(fd, str_cstr(head));
        for (size_t i = 0; good && i < LARGE_BYTES / sizeof(large); i++)
            good = peer_write(fd, str_from(large, sizeof(large)));
        return good;
    }
    char byte;
    if (strstr(request, " /hang ") != NULL)
        return recv(fd, &byte, 1, 0) == 1 && false;
    return peer_write(fd, STR("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"));
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

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct http_client_options options = {
        .in_flight_max = 2, .wait_ms = 50, .stall_ms = 300, .stall_bytes = 10};
    assert_non_null(f);
    memset(large, 'x', sizeof(large));
    peer_start(&f->peer, serve, f);
    f->client = http_client_new(&options);
    f->arena = arena_new();
    f->body = BUF_INIT(1 << 20);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    http_client_free(f->client);
    peer_stop(&f->peer);
    arena_free(f->arena);
    buf_free(&f->body);
    free(f);
    return 0;
}

static struct str url(struct fixture *f, const char *path)
{
    return arena_printf(f->arena, "%s%s", f->peer.url, path);
}

static int call(struct fixture *f, const char *method, const char *path, struct str body)
{
    struct http_header header = {STR("X-Asked"), STR("yes")};
    struct http_request request = {.method = str_cstr(method),
                                   .url = url(f, path),
                                   .headers = &header,
                                   .header_count = 1,
                                   .body = body};
    buf_clear(&f->body);
    return http_client_call(f->client, &request, f->arena, &f->response, &f->body, &f->err);
}

static bool echoed(struct fixture *f, const char *text)
{
    return str_contains(buf_str(&f->body), str_cstr(text));
}

static void requests_are_sent_whole(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "GET", "/echo", STR_NONE), 0);
    assert_int_equal(f->response.status, 200);
    assert_str(http_response_header(&f->response, "x-one"), "a b");
    assert_str(http_response_header(&f->response, "X-TWO"), "");
    assert_null(http_response_header(&f->response, "x-three").ptr);
    assert_true(echoed(f, "GET /echo HTTP/1.1\r\n") && echoed(f, "X-Asked: yes\r\n"));
    assert_false(echoed(f, "Content-Length") || echoed(f, "Expect"));
    assert_int_equal(call(f, "POST", "/echo", STR("a body")), 0);
    assert_true(echoed(f, "POST /echo") && echoed(f, "Content-Length: 6\r\n"));
    assert_true(str_ends_with(buf_str(&f->body), STR("\r\n\r\na body")));
    assert_int_equal(call(f, "PUT", "/echo", STR("")), 0);
    assert_true(echoed(f, "PUT /echo") && echoed(f, "Content-Length: 0\r\n"));
    assert_int_equal(call(f, "DELETE", "/echo", STR_NONE), 0);
    assert_true(echoed(f, "DELETE /echo"));
    assert_int_equal(call(f, "HEAD", "/echo", STR_NONE), 0);
    assert_int_equal(f->response.status, 200);
    assert_int_equal(f->body.len, 0);
    assert_int_equal(f->peer.connections, 1); /* one was enough */
}

static void nothing_is_followed_or_believed(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(call(f, "GET", "/redirect", STR_NONE), 0);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(f->response.status, 307);
    assert_str(http_response_header(&f->response, "location"), "http://127.0.0.1:1/");
    assert_int_equal(call(f, "GET", "/a/../b", STR_NONE), 0); /* not tidied up */
    assert_int_equal(f->response.status, 404);
}

static void refused(struct fixture *f, const char *where, enum error_kind kind)
{
    struct http_request request = {.method = STR("GET"), .url = str_cstr(where)};
    f->response = (struct http_response){0};
    assert_int_equal(
        http_client_call(f->client, &request, f->arena, &f->response, &f->body, &f->err), -1);
    if (f->err.kind != kind)
        fail_msg("%s: %s (%s)", where, f->err.message, f->err.detail);
    assert_true(f->response.hopeless);
    assert_false(f->response.sent);
}

static void places_that_nobody_may_ask(void **state)
{
    struct fixture *f = *state;
    static const char *const odd[] = {"file:///etc/passwd",       "gopher://127.0.0.1/",
                                      "ftp://127.0.0.1/",         "http://",
                                      "http://u:p@127.0.0.1/",    "http://a b/",
                                      "http://127.0.0.1/#",       "HTTP://127.0.0.1/",
                                      "http://127.0.0.1/\r\nX: y"};
    static const char *const denied[] = {"http://169.254.169.254/latest/",
                                         "http://[fe80::1]/",
                                         "http://0.0.0.0:1/",
                                         "http://[::ffff:169.254.169.254]/",
                                         "http://2852039166/",
                                         "http://0xa9fea9fe/",
                                         "http://224.0.0.1/",
                                         "http://[fd00:ec2::254]/",
                                         "http://[64:ff9b::a9fe:a9fe]/",
                                         "http://[2002:a9fe:a9fe::]/"};
    for (size_t i = 0; i < COUNT_OF(odd); i++)
        refused(f, odd[i], ERR_ILLEGAL_ARGUMENT);
    for (size_t i = 0; i < COUNT_OF(denied); i++)
        refused(f, denied[i], ERR_UNAVAILABLE);
    struct http_header header = {STR("X"), STR("a\r\nY: b")};
    struct http_request request = {
        .method = STR("GET"), .url = url(f, "/echo"), .headers = &header, .header_count = 1};
    assert_int_equal(
        http_client_call(f->client, &request, f->arena, &f->response, &f->body, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    assert_int_equal(f->requests, 0);
}

static void what_breaks_is_unavailable(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "GET", "/cut", STR_NONE), -1);
    assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
    assert_true(f->response.sent && !f->response.hopeless);
    assert_int_equal(call(f, "GET", "/nothing", STR_NONE), -1);
    assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
    assert_true(f->response.sent);
    assert_int_equal(call(f, "GET", "/hang", STR_NONE), -1);
    assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
    assert_true(f->response.sent);
    f->body.bytes_max = 10;
    assert_int_equal(call(f, "GET", "/echo", STR_NONE), -1);
    assert_int_equal(f->err.kind, ERR_BODY_TOO_LARGE);
}

/* A kept connection that dies under a request: sent again, and said so. */
static void a_repeated_request_is_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "PUT", "/echo", STR("one")), 0);
    assert_false(f->response.resent);
    assert_int_equal(call(f, "PUT", "/nothing", STR("two")), -1);
    assert_true(f->response.resent);
    assert_int_equal(f->requests, 3);
}

static void a_full_house_turns_away(void **state)
{
    struct fixture *f = *state;
    struct http_exchange *exchanges[2], *third;
    struct http_request request = {.method = STR("GET"), .url = url(f, "/echo")};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            http_exchange_begin(f->client, &request, HTTP_NO_BODY, &exchanges[i], &f->err), 0);
    assert_int_equal(http_exchange_begin(f->client, &request, HTTP_NO_BODY, &third, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(f->err.message, "at once"));
    assert_int_equal(http_exchange_begin(f->client, &request, HTTP_NO_BODY, &third, &f->err), -1);
    http_exchange_close(exchanges[0]);
    assert_int_equal(http_exchange_begin(f->client, &request, HTTP_NO_BODY, &third, &f->err), 0);
    http_exchange_close(third);
    http_exchange_close(exchanges[1]);
}

/* Once somebody has waited in vain nobody waits, until an answer comes. */
static void a_store_that_hangs_keeps_nobody_else(void **state)
{
    struct fixture *f = *state;
    struct http_exchange *hanging[2];
    struct http_request request = {.method = STR("GET"), .url = url(f, "/hang")};
    struct http_client_options patient = {.in_flight_max = 2, .wait_ms = 100, .stall_ms = 60000};
    http_client_free(f->client);
    f->client = http_client_new(&patient);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            http_exchange_begin(f->client, &request, HTTP_NO_BODY, &hanging[i], &f->err), 0);
    assert_int_equal(call(f, "GET", "/echo", STR_NONE), -1);
    assert_string_equal(f->err.detail, "no place within 100 ms");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(call(f, "GET", "/echo", STR_NONE), -1);
        assert_string_equal(f->err.detail, "others wait in vain");
    }
    http_exchange_close(hanging[0]); /* no answer came of it, but there is room */
    assert_int_equal(call(f, "GET", "/echo", STR_NONE), 0);
    request.url = url(f, "/echo");
    assert_int_equal(/* an answer came: patience again */
                     http_exchange_begin(f->client, &request, HTTP_NO_BODY, &hanging[0], &f->err),
                     0);
    assert_int_equal(call(f, "GET", "/echo", STR_NONE), -1);
    assert_string_equal(f->err.detail, "no place within 100 ms");
    http_exchange_close(hanging[0]);
    http_exchange_close(hanging[1]);
}

/* ---- by pieces ------------------------------------------------------------------------------- */

static struct http_exchange *start(struct fixture *f, const char *method, const char *path,
                                   int64_t body_bytes)
{
    struct http_exchange *exchange;
    struct http_request request = {.method = str_cstr(method), .url = url(f, path)};
    assert_int_equal(http_exchange_begin(f->client, &request, body_bytes, &exchange, &f->err), 0);
    return exchange;
}

static void large_answers_come_in_pieces(void **state)
{
    struct fixture *f = *state;
    const struct http_response *response;
    struct http_exchange *exchange = start(f, "GET", "/large", HTTP_NO_BODY);
    char piece[10000];
    size_t got, total = 0;
    assert_int_equal(http_exchange_response(exchange, &response, &f->err), 0);
    assert_int_equal(response->status, 200);
    do {
        assert_int_equal(http_exchange_read(exchange, piece, sizeof(piece), &got, &f->err), 0);
        assert_true(got == 0 || (piece[0] == 'x' && piece[got - 1] == 'x'));
        total += got;
    } while (got > 0);
    assert_int_equal(total, LARGE_BYTES);
    http_exchange_close(exchange);
    assert_int_equal(call(f, "GET", "/echo", STR_NONE), 0);
    assert_int_equal(f->peer.connections, 1); /* kept, all was read */
    exchange = start(f, "GET", "/large", HTTP_NO_BODY);
    assert_int_equal(http_exchange_response(exchange, &response, &f->err), 0);
    http_exchange_close(exchange); /* not all was read: given up */
    assert_int_equal(call(f, "GET", "/echo", STR_NONE), 0);
    assert_int_equal(f->peer.connections, 2);
}

static void bodies_go_in_pieces(void **state)
{
    struct fixture *f = *state;
    const int64_t announced[] = {12, HTTP_CHUNKED};
    for (size_t i = 0; i < COUNT_OF(announced); i++) {
        const struct http_response *response;
        struct http_exchange *exchange = start(f, "PUT", "/echo", announced[i]);
        assert_int_equal(http_exchange_send(exchange, STR("hello "), &f->err), 0);
        assert_int_equal(http_exchange_send(exchange, STR(""), &f->err), 0);
        assert_int_equal(http_exchange_send(exchange, STR("world!"), &f->err), 0);
        assert_int_equal(http_exchange_response(exchange, &response, &f->err), 0);
        buf_clear(&f->body);
        assert_int_equal(http_exchange_read_all(exchange, &f->body, &f->err), 0);
        http_exchange_close(exchange);
        assert_true(echoed(f, i == 0 ? "Content-Length: 12" : "Transfer-Encoding: chunked"));
        assert_true(echoed(f, "hello ") && echoed(f, "world!"));
    }
}

static void lengths_are_kept(void **state)
{
    struct fixture *f = *state;
    const struct http_response *response;
    struct http_exchange *exchange = start(f, "PUT", "/echo", 5);
    assert_int_equal(http_exchange_send(exchange, STR("123"), &f->err), 0);
    assert_int_equal(http_exchange_send(exchange, STR("456"), &f->err), -1);
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    assert_int_equal(http_exchange_response(exchange, &response, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    http_exchange_close(exchange);
    exchange = start(f, "PUT", "/nothing", 3); /* gone while it was sent */
    assert_int_equal(http_exchange_send(exchange, STR("123"), &f->err), 0);
    assert_int_equal(http_exchange_response(exchange, &response, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
    assert_true(http_exchange_progress(exchange)->sent);
    http_exchange_close(exchange);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
    static const struct CMUnitTest cases[] = {
        CASE(requests_are_sent_whole),    CASE(nothing_is_followed_or_believed),
        CASE(places_that_nobody_may_ask), CASE(what_breaks_is_unavailable),
        CASE(a_repeated_request_is_told), CASE(a_store_that_hangs_keeps_nobody_else),
        CASE(a_full_house_turns_away),    CASE(large_answers_come_in_pieces),
        CASE(bodies_go_in_pieces),        CASE(lengths_are_kept),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
