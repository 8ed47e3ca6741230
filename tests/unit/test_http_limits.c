/* The HTTP front against clients that are hostile, slow or too large. */
#include "tests/unit/http_fixture.h"

#include "base/buf.h"
#include "base/metric.h"

#define HOST "Host: localhost\r\n"

struct row {
    const char *what, *request;
    int status;
};

/* Sends the request with another one behind it: the answer is a refusal in our own words, and the
 * connection ends without an answer to the second. */
static void assert_refused(const struct row *row)
{
    char request[4096];
    snprintf(request, sizeof(request), "%sGET /hello HTTP/1.1\r\n" HOST "\r\n", row->request);
    int requests = fixture.requests, refused = fixture.refused;
    int fd = client_open();
    struct answer a = client_ask(fd, request);
    if (a.status != row->status || !a.closed || strstr(a.body, "{\"refused\":") == NULL)
        fail_msg("%s: %d %s", row->what, a.status, a.body == NULL ? "" : a.body);
    assert_non_null(strstr(a.head, "application/json"));
    free(a.body);
    close(fd);
    assert_int_equal(fixture.requests, requests);
    assert_int_equal(fixture.refused, refused + 1);
}

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"two Content-Lengths",
         "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 50\r\n\r\nabcd", 400},
        {"Content-Length and Transfer-Encoding",
         "POST /echo HTTP/1.1\r\n" HOST
         "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400},
        {"Transfer-Encoding: xchunked",
         "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
        {"Transfer-Encoding: gzip, chunked",
         "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
        {"space before the colon",
         "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
        {"two Hosts", "GET /echo HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"no Host", "GET /echo HTTP/1.1\r\n\r\n", 400},
        {"absolute form", "GET http://localhost/echo HTTP/1.1\r\n" HOST "\r\n", 400},
        {"bare LF after the request line", "GET /echo HTTP/1.1\n" HOST "\r\n", 400},
        {"bare LF after a header", "GET /echo HTTP/1.1\r\nHost: localhost\nA: b\r\n\r\n", 400},
        {"bare LF at the end", "GET /echo HTTP/1.1\r\n" HOST "\n", 400},
        {"folded line", "GET /echo HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400},
        {"a name completed by folding",
         "POST /echo HTTP/1.1\r\n" HOST "Content-Lengt: 4\r\n h\r\n\r\nabcd", 400},
        {"two spaces", "GET  /echo HTTP/1.1\r\n" HOST "\r\n", 400},
        {"space in the target", "GET /echo a HTTP/1.1\r\n" HOST "\r\n", 400},
        {"lower-case method", "get /echo HTTP/1.1\r\n" HOST "\r\n", 405},
        {"unknown method", "BREW /echo HTTP/1.1\r\n" HOST "\r\n", 405},
        {"version", "GET /echo HTTP/1.9\r\n" HOST "\r\n", 400},
        {"control character", "GET /echo HTTP/1.1\r\n" HOST "A: \x01\r\n\r\n", 400},
        {"chunked in HTTP/1.0",
         "POST /echo HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    };
    int64_t rejected = metric_value(METRIC_REJECTED);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(&rows[i]);
    assert_int_equal(metric_value(METRIC_REJECTED) - rejected, COUNT_OF(rows));
    wait_for_count(&fixture.finished_sent, COUNT_OF(rows));
}

static void nul_in_the_head_is_refused(void **state)
{
    (void)state;
    static const char in_value[] = "GET /echo HTTP/1.1\r\nHost: localhost\r\nA: b\0c\r\n\r\n";
    static const char in_target[] = "GET /ec\0ho HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (int i = 0; i < 2; i++) {
        int fd = client_open();
        assert_true(client_try_send(fd, i ? in_value : in_target,
                                    i ? sizeof(in_value) - 1 : sizeof(in_target) - 1));
        struct answer a = client_read_answer(fd, false);
        assert_int_equal(a.status, 400);
        assert_true(a.closed);
        free(a.body);
        close(fd);
    }
    assert_int_equal(fixture.requests, 0);
}

/* What the library refuses before any of our code: HTML, but refused and closed. (For a malformed
 * Content-Length it sends its head twice.) */
static void what_the_library_refuses_is_closed(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"no version", "GET /echo\r\n\r\n", 400},
        {"trailing space", "GET /echo HTTP/1.1 \r\n" HOST "\r\n", 400},
        {"no colon", "GET /echo HTTP/1.1\r\n" HOST "nonsense\r\n\r\n", 400},
        {"HTTP/2", "GET /echo HTTP/2.0\r\n" HOST "\r\n", 505},
        {"Content-Length: abc", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: abc\r\n\r\n", 400},
        {"Content-Length: -1", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
        {"Content-Length: 1 1", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1 1\r\n\r\n", 400},
        {"bad chunk", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
         400},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int fd = client_open();
        char text[2048] = "";
        size_t len = 0;
        ssize_t got;
        client_send(fd, rows[i].request);
        while ((got = recv(fd, text + len, sizeof(text) - 1 - len, 0)) > 0)
            len += (size_t)got;
        int status = 0;
        sscanf(text, "HTTP/1.1 %d", &status);
        if (status != rows[i].status || got != 0)
            fail_msg("%s: %d", rows[i].what, status);
        close(fd);
    }
    assert_int_equal(fixture.requests, 0);
}

/* A request whose target, or one header, or number of headers is that large. */
static int ask_large(size_t target_bytes, size_t header_bytes, size_t headers, bool *ours)
{
    struct buf request = BUF_INIT(1 << 20);
    buf_add_format(&request, "GET /%0*d HTTP/1.1\r\n" HOST, (int)target_bytes - 1, 0);
    if (header_bytes > 0)
        buf_add_format(&request, "X-Large: %0*d\r\n", (int)header_bytes, 0);
    for (size_t i = 0; i < headers; i++)
        buf_add_format(&request, "X-%zu: y\r\n", i);
    buf_add_cstr(&request, "\r\n");
    int fd = client_open();
    client_try_send(fd, request.ptr, request.len);
    buf_free(&request);
    struct answer a = client_read_answer(fd, false);
    *ours = a.body != NULL && (a.status == 200 || strstr(a.body, "refused") != NULL);
    free(a.body);
    close(fd);
    return a.status;
}

static void large_heads(void **state)
{
    (void)state;
    bool ours;
    assert_int_equal(ask_large(16384, 0, 0, &ours), 200);
    assert_int_equal(ask_large(16385, 0, 0, &ours), 414);
    assert_true(ours);
    assert_int_equal(ask_large(20000, 0, 0, &ours), 414);
    assert_true(ours);
    assert_int_equal(ask_large(40000, 0, 0, &ours), 414); /* larger than the pool: HTML */
    assert_int_equal(ask_large(10, 24000, 0, &ours), 200);
    assert_int_equal(ask_large(10, 24600, 0, &ours), 431);
    assert_true(ours);
    assert_int_equal(ask_large(10, 29000, 0, &ours), 431);
    assert_true(ours);
    assert_int_equal(ask_large(10, 40000, 0, &ours), 431);
    assert_int_equal(ask_large(10, 0, 99, &ours), 200);
    assert_int_equal(ask_large(10, 0, 100, &ours), 431);
    assert_true(ours);
    assert_int_equal(ask_large(10, 0, 250, &ours), 431);
    assert_true(ours);
    assert_int_equal(ask_large(10, 0, 1000, &ours), 431);
    assert_int_equal(ask_large(16000, 7000, 50, &ours), 200);
}

static void large_bodies(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"over the head's own limit",
         "POST /small HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n12345678901234567", 413},
        {"the same while the client waits for 100",
         "POST /small HTTP/1.1\r\n" HOST "Content-Length: 17\r\nExpect: 100-continue\r\n\r\n", 413},
        {"over the server's limit",
         "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 40000000\r\n\r\nabc", 413},
        {"chunked",
         "POST /small HTTP/1.1\r\n" HOST
         "Transfer-Encoding: chunked\r\n\r\nA\r\n1234567890\r\nA\r\n1234567890\r\n0\r\n\r\n",
         413},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(&rows[i]);
    int fd = client_open();
    struct answer a = client_ask(fd, "POST /small HTTP/1.1\r\n" HOST
                                     "Content-Length: 16\r\n\r\n1234567890123456");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, 16);
    free(a.body);
    a = client_ask(fd, "POST /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                       "A\r\n1234567890\r\n6\r\n123456\r\n0\r\n\r\n");
    assert_int_equal(a.body_len, 16);
    free(a.body);
    close(fd);
    wait_for_count(&fixture.finished_sent, 6);
}

/* ---- slow clients ---------------------------------------------------------------------------- */

static int start_impatient(void **state)
{
    (void)state;
    struct http_server_options options = fixture_options();
    options.header_deadline_ms = 300;
    options.body_deadline_ms = 300;
    options.body_rate_min = 1000;
    options.idle_ms = 600;
    return fixture_start_with(&options);
}

/* Sends `text` and then a byte of `drip` every 20 ms until the server closes; after how many ms. */
static int64_t drip_until_closed(int fd, const char *text, const char *drip)
{
    client_send(fd, text);
    int64_t start_us = clock_monotonic_us(&clock_system);
    for (size_t i = 0; i < 500; i++) {
        struct pollfd closed = {.fd = fd, .events = POLLIN | POLLRDHUP};
        if (poll(&closed, 1, 20) > 0)
            return (clock_monotonic_us(&clock_system) - start_us) / 1000;
        if (*drip != '\0')
            client_try_send(fd, drip + i % strlen(drip), 1);
    }
    return -1;
}

static void assert_between(int64_t value, int64_t low, int64_t high)
{
    if (value < low || value > high)
        fail_msg("%lld is not within %lld and %lld", (long long)value, (long long)low,
                 (long long)high);
}

static void slow_heads_are_cut(void **state)
{
    (void)state;
    static const char *const beginnings[] = {"G", "GET /hello HTTP/1.1\r\nHost: x\r\nX-Drip: "};
    for (int i = 0; i < 2; i++) {
        int fd = client_open();
        assert_between(drip_until_closed(fd, beginnings[i], "a"), 250, 2000);
        close(fd);
    }
    /* the second request of a connection */
    int fd = client_open();
    struct answer a = client_ask(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    free(a.body);
    assert_between(drip_until_closed(fd, "G", "E"), 250, 2000);
    close(fd);
    assert_int_equal(fixture.refused, 0);
}

static void slow_bodies_are_cut(void **state)
{
    (void)state;
    int fd = client_open();
    assert_between(drip_until_closed(
                       fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n", "b"),
                   250, 2000);
    close(fd);
    wait_for_count(&fixture.finished_unsent, 1);
    assert_int_equal(fixture.requests, 0);
    /* 20 ms per 100 bytes is fast enough, however long it takes */
    char piece[101];
    memset(piece, 'c', sizeof(piece));
    piece[100] = '\0';
    fd = client_open();
    client_send(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4000\r\n\r\n");
    for (int i = 0; i < 40; i++) {
        pause_ms(20);
        client_send(fd, piece);
    }
    struct answer a = client_read_answer(fd, false);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, 4000);
    free(a.body);
    close(fd);
}

static void idle_connections_are_closed(void **state)
{
    (void)state;
    int fd = client_open();
    assert_between(drip_until_closed(fd, "", ""), 500, 3000);
    close(fd);
    fd = client_open();
    struct answer a = client_ask(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    free(a.body);
    assert_between(drip_until_closed(fd, "", ""), 500, 3000);
    close(fd);
}

static void running_requests_are_never_cut(void **state)
{
    (void)state;
    int fd = client_open();
    client_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    pause_ms(1500);
    fixture_release_held();
    struct answer a = client_read_answer(fd, false);
    assert_string_equal(a.body, "held");
    free(a.body);
    close(fd);
}

static void clients_that_do_not_read_are_cut(void **state)
{
    (void)state;
    int fd = client_open(), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    client_send(fd, "GET /bytes/30000000 HTTP/1.1\r\n" HOST "\r\n");
    wait_for_count(&fixture.requests, 1);
    pause_ms(500);
    assert_int_equal(fixture.finished_unsent, 0); /* 30 MB may take 30,000 s at that rate */
    close(fd);
    wait_for_count(&fixture.finished_unsent, 1);
    wait_for_count(&fixture.released, 1);
    fd = client_open();
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    const char *request = "GET /bytes/900 HTTP/1.1\r\n" HOST "\r\n";
    for (int i = 0; i < 20000; i++) /* pipelined, never read */
        if (!client_try_send(fd, request, strlen(request)))
            break;
    for (int i = 0; i < 500 && metric_value(METRIC_CONNECTIONS) > 0; i++)
        pause_ms(10);
    assert_int_equal(metric_value(METRIC_CONNECTIONS), 0);
    close(fd);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_start, fixture_stop)
#define IMPATIENT(f) cmocka_unit_test_setup_teardown(f, start_impatient, fixture_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_could_be_read_in_two_ways_is_refused),
        CASE(nul_in_the_head_is_refused),
        CASE(what_the_library_refuses_is_closed),
        CASE(large_heads),
        CASE(large_bodies),
        IMPATIENT(slow_heads_are_cut),
        IMPATIENT(slow_bodies_are_cut),
        IMPATIENT(idle_connections_are_closed),
        IMPATIENT(running_requests_are_never_cut),
        IMPATIENT(clients_that_do_not_read_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
