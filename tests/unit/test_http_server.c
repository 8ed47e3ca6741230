/* The HTTP front with raw sockets: what a well-behaved client sees. */
#include "tests/unit/http_fixture.h"

#define HOST "Host: localhost\r\n"

static void replies_inline_and_keeps_the_connection(void **state)
{
    (void)state;
    int fd = client_open();
    for (int i = 0; i < 3; i++) {
        struct answer a = client_ask(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "hello");
        assert_non_null(strstr(a.head, "\r\nContent-Type: text/plain\r\n"));
        assert_non_null(strstr(a.head, "\r\nDate: "));
        assert_false(a.closed);
        free(a.body);
    }
    close(fd);
    wait_for_count(&fixture.finished_sent, 3);
    assert_int_equal(fixture.heads, 3);
}

static void replies_from_other_threads(void **state)
{
    (void)state;
    int fd = client_open();
    for (int i = 0; i < 50; i++) {
        struct answer a =
            client_ask(fd, "POST /thread HTTP/1.1\r\n" HOST "Content-Length: 7\r\n\r\n{\"a\":1}");
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "{\"a\":1}");
        free(a.body);
    }
    close(fd);
    wait_for_count(&fixture.finished_sent, 50);
}

static void hands_over_the_raw_target(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/target/a%2Fb%2e%2e/%00/c%1Fd?x=%2F&y",
        "/target//double?",
        "/target?a=b?c",
        "/target",
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        char request[512];
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "\r\n", targets[i]);
        int fd = client_open();
        struct answer a = client_ask(fd, request);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, targets[i]);
        free(a.body);
        close(fd);
    }
}

static void answers_head_without_a_body(void **state)
{
    (void)state;
    int fd = client_open();
    struct answer a = client_ask(fd, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.head, "\r\nContent-Length: 5\r\n"));
    free(a.body);
    a = client_ask(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"); /* nothing was left over */
    assert_string_equal(a.body, "hello");
    free(a.body);
    close(fd);
}

static void sends_no_body_with_204_and_304(void **state)
{
    (void)state;
    int fd = client_open();
    struct answer a = client_ask(fd, "GET /status/204 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 204);
    assert_null(strcasestr(a.head, "\r\nContent-Length:"));
    free(a.body);
    a = client_ask(fd, "GET /status/304 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 304);
    assert_non_null(strstr(a.head, "\r\nContent-Length: 4\r\n"));
    free(a.body);
    a = client_ask(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(a.body, "hello");
    free(a.body);
    close(fd);
}

static void collects_chunked_bodies(void **state)
{
    (void)state;
    int fd = client_open();
    struct answer a =
        client_ask(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                       "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "hello world");
    free(a.body);
    a = client_ask(fd, "POST /thread HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
                       "0\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, 0);
    free(a.body);
    close(fd);
}

static void answers_100_continue(void **state)
{
    (void)state;
    int fd = client_open();
    client_send(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n"
                    "Expect: 100-continue\r\n\r\n");
    struct answer a = client_read_answer(fd, false);
    assert_int_equal(a.status, 100);
    free(a.body);
    a = client_ask(fd, "body");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "body");
    free(a.body);
    close(fd);
}

static void early_reply_stops_a_client_that_waits_for_100(void **state)
{
    (void)state;
    int fd = client_open();
    struct answer a = client_ask(fd, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 4\r\n"
                                     "Expect: 100-continue\r\n\r\n");
    assert_int_equal(a.status, 401);
    assert_string_equal(a.body, "early");
    assert_true(a.closed);
    free(a.body);
    close(fd);
    assert_int_equal(fixture.requests, 0);
    wait_for_count(&fixture.finished_sent, 1);
}

static void early_reply_keeps_the_connection_when_the_body_is_small(void **state)
{
    (void)state;
    int fd = client_open();
    struct answer a = client_ask(fd, "GET /early HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 401);
    assert_false(a.closed);
    free(a.body);
    a = client_ask(fd, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody");
    assert_int_equal(a.status, 401);
    assert_false(a.closed);
    free(a.body);
    a = client_ask(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(a.body, "hello");
    free(a.body);
    close(fd);
}

/* The client sends megabytes nobody reads and must still see the reply, not a reset. */
static void early_reply_reaches_a_client_that_is_sending(void **state)
{
    (void)state;
    char *megabyte = calloc(1, 1 << 20);
    assert_non_null(megabyte);
    for (int chunked = 0; chunked < 2; chunked++) {
        int fd = client_open();
        client_send(fd, chunked ? "POST /early HTTP/1.1\r\n" HOST
                                  "Transfer-Encoding: chunked\r\n\r\n1000000\r\n"
                                : "POST /early HTTP/1.1\r\n" HOST
                                  "Content-Length: 16777216\r\n\r\n");
        for (int i = 0; i < 4; i++)
            client_try_send(fd, megabyte, 1 << 20);
        struct answer a = client_read_answer(fd, false);
        assert_int_equal(a.status, 401);
        assert_true(a.closed);
        free(a.body);
        close(fd);
    }
    free(megabyte);
}

static void serves_pipelined_requests_in_order(void **state)
{
    (void)state;
    int fd = client_open();
    client_send(fd, "GET /target/1 HTTP/1.1\r\n" HOST "\r\n"
                    "POST /thread HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\ntwo"
                    "HEAD /hello HTTP/1.1\r\n" HOST "\r\n"
                    "POST /early HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                    "GET /target/5 HTTP/1.1\r\n" HOST "\r\n");
    static const char *const bodies[] = {"/target/1", "two", "", "early", "/target/5"};
    for (int i = 0; i < 5; i++) {
        struct answer a = client_read_answer(fd, i == 2);
        assert_int_equal(a.status, i == 3 ? 401 : 200);
        assert_string_equal(a.body, bodies[i]);
        free(a.body);
    }
    close(fd);
}

static void serves_a_request_that_comes_byte_by_byte(void **state)
{
    (void)state;
    int fd = client_open(), on = 1;
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
    const char *request = "POST /echo?a=b HTTP/1.1\r\n" HOST "X-Long: some value\r\n"
                          "Content-Length: 3\r\n\r\nxyz";
    for (const char *at = request; *at != '\0'; at++) {
        assert_true(client_try_send(fd, at, 1));
        if ((at - request) % 5 == 0)
            pause_ms(1);
    }
    struct answer a = client_read_answer(fd, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "xyz");
    free(a.body);
    close(fd);
}

static void serves_http_1_0(void **state)
{
    (void)state;
    int fd = client_open();
    struct answer a = client_ask(fd, "GET /hello HTTP/1.0\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "hello");
    assert_true(a.closed);
    free(a.body);
    close(fd);
}

static void closes_when_the_reply_or_the_client_says_so(void **state)
{
    (void)state;
    int fd = client_open();
    struct answer a = client_ask(fd, "GET /close HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(a.body, "bye");
    assert_true(a.closed);
    free(a.body);
    close(fd);
    fd = client_open();
    a = client_ask(fd, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    assert_string_equal(a.body, "hello");
    assert_true(a.closed);
    free(a.body);
    close(fd);
}

static void half_closed_clients_get_their_reply(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /hello HTTP/1.1\r\n" HOST "\r\n",
        "POST /thread HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
    };
    for (size_t i = 0; i < 3; i++) {
        int fd = client_open();
        client_send(fd, requests[i]);
        shutdown(fd, SHUT_WR);
        struct answer a = client_read_answer(fd, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "hello");
        free(a.body);
        close(fd);
    }
    wait_for_count(&fixture.finished_sent, 3);
    int fd = client_open();
    client_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    shutdown(fd, SHUT_WR);
    pause_ms(20);
    fixture_release_held();
    struct answer a = client_read_answer(fd, false);
    assert_string_equal(a.body, "held");
    free(a.body);
    close(fd);
    wait_for_count(&fixture.finished_sent, 4);
}

static void clients_may_vanish_at_any_time(void **state)
{
    (void)state;
    struct linger reset = {1, 0};
    static const char *const parts[] = {
        "GET /hel",
        "POST /echo HTTP/1.1\r\nHos",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe",
        "POST /early HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe",
    };
    for (size_t i = 0; i < 8; i++) {
        int fd = client_open();
        client_send(fd, parts[i / 2]);
        if (i < 4)
            pause_ms(5); /* no head is complete */
        else
            wait_for_count(&fixture.heads, (int)i - 3);
        if (i % 2 == 1)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
    }
    wait_for_count(&fixture.finished_unsent, 4);
    int fd = client_open(); /* while suspended */
    client_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for_count(&fixture.requests, 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    pause_ms(10);
    fixture_release_held();
    wait_for_count(&fixture.finished_unsent, 5);
    assert_int_equal(ask_status("GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
}

static void access_log_is_one_line_per_request(void **state)
{
    (void)state;
    int ends[2], before = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    int fd = client_open();
    struct answer a = client_ask(fd, "POST /thread?x=1 HTTP/1.1\r\n" HOST
                                     "User-Agent: a \"b\"\r\nContent-Length: 3\r\n\r\nabc");
    free(a.body);
    a = client_ask(fd, "GET /no host HTTP/1.1\r\n\r\n");
    free(a.body);
    close(fd);
    char text[4096] = "";
    size_t len = 0, lines = 0; /* they are written after the requests are finished */
    struct pollfd readable = {.fd = ends[0], .events = POLLIN};
    while (lines < 2 && poll(&readable, 1, 5000) == 1) {
        ssize_t n = read(ends[0], text + len, sizeof(text) - 1 - len);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            lines += text[len + (size_t)i] == '\n';
        len += (size_t)n;
    }
    dup2(before, STDERR_FILENO);
    close(before);
    close(ends[1]);
    close(ends[0]);
    static const char *const expected[] = {
        "event=request",
        "request_id=id-1",
        "method=POST",
        "operation=operation",
        "target=\"/thread?x=1\"",
        "status=200",
        "sent=1",
        "bytes_in=3",
        "bytes=3",
        "duration_us=",
        "client=127.0.0.1",
        "user_agent=\"a \\\"b\\\"\"",
        "status=400",
    };
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        if (strstr(text, expected[i]) == NULL)
            fail_msg("%s is not in: %s", expected[i], text);
    assert_int_equal(lines, 2);
}

static void release_is_called_once(void **state)
{
    (void)state;
    int fd = client_open();
    struct answer a = client_ask(fd, "GET /bytes/100000 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.body_len, 100000);
    assert_int_equal(a.body[99999], 'a' + 99999 % 26);
    free(a.body);
    a = client_ask(fd, "HEAD /bytes/100000 HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(a.head, "\r\nContent-Length: 100000\r\n"));
    free(a.body);
    close(fd);
    wait_for_count(&fixture.released, 2);
}

static void moves_large_bodies_in_and_out(void **state)
{
    (void)state;
    size_t bytes = 20 << 20;
    char *body = malloc(bytes);
    assert_non_null(body);
    for (size_t i = 0; i < bytes; i++)
        body[i] = (char)(i * 31 % 251);
    for (int thread = 0; thread < 2; thread++) {
        char head[200];
        snprintf(head, sizeof(head), "POST /%s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
                 thread ? "thread" : "echo", bytes);
        int fd = client_open();
        client_send(fd, head);
        assert_true(client_try_send(fd, body, bytes));
        struct answer a = client_read_answer(fd, false);
        assert_int_equal(a.body_len, bytes);
        assert_memory_equal(a.body, body, bytes);
        free(a.body);
        close(fd);
    }
    free(body);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_start, fixture_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(replies_inline_and_keeps_the_connection),
        CASE(replies_from_other_threads),
        CASE(hands_over_the_raw_target),
        CASE(answers_head_without_a_body),
        CASE(sends_no_body_with_204_and_304),
        CASE(collects_chunked_bodies),
        CASE(answers_100_continue),
        CASE(early_reply_stops_a_client_that_waits_for_100),
        CASE(early_reply_keeps_the_connection_when_the_body_is_small),
        CASE(early_reply_reaches_a_client_that_is_sending),
        CASE(serves_pipelined_requests_in_order),
        CASE(serves_a_request_that_comes_byte_by_byte),
        CASE(serves_http_1_0),
        CASE(closes_when_the_reply_or_the_client_says_so),
        CASE(half_closed_clients_get_their_reply),
        CASE(clients_may_vanish_at_any_time),
        CASE(access_log_is_one_line_per_request),
        CASE(release_is_called_once),
        CASE(moves_large_bodies_in_and_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
