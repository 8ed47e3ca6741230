/* Streamed exchanges, with raw sockets: who waits for whom, slow clients, clients that leave, many
 * at once, and the end of the server. */
#include "tests/unit/stream_client.h"

static int start_short(void **state)
{
    (void)state;
    struct http_server_options options = stream_options();
    options.body_deadline_ms = 400;
    options.body_rate_min = 1 << 20;
    return start_with(&options);
}

/* ---- who waits for whom ---------------------------------------------------------------------- */

static void wait_for_bytes(_Atomic int64_t *counter, int64_t at_least)
{
    for (int i = 0; i < 1000 && atomic_load(counter) < at_least; i++)
        pause_ms(10);
    assert_true(atomic_load(counter) >= at_least);
}

/* Waits until a counter has not moved for a while, and returns it. */
static int64_t wait_until_still(_Atomic int64_t *counter)
{
    int64_t seen = -1;
    for (int still = 0; still < 20; still++) {
        int64_t now = atomic_load(counter);
        if (now != seen)
            still = 0;
        seen = now;
        pause_ms(10);
    }
    return seen;
}

static int64_t kernel_bytes(int fd)
{
    int sending = 0;
    socklen_t len = sizeof(sending);
    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sending, &len);
    return sending;
}

static void a_slow_reader_holds_the_client_back(void **state)
{
    (void)state;
    size_t bytes = 64 << 20;
    char *body = calloc(1, bytes), head[200];
    assert_non_null(body);
    int fd = client_open(), small = 65536;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    snprintf(head, sizeof(head), "PUT /s/gate HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
             bytes);
    client_send(fd, head);
    size_t sent = 0;
    for (int full = 0; full < 20;) { /* until nothing more is taken for a while */
        ssize_t n = send(fd, body + sent, bytes - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        full = n > 0 ? 0 : full + 1;
        if (n > 0)
            sent += (size_t)n;
        else
            pause_ms(10);
    }
    /* The kernel's buffers on both sides, which grow up to 6 MB, and ours. */
    assert_true(sent < 16 << 20);
    assert_int_equal(test.read, 1);
    struct sending sending = {.fd = fd, .data = body + sent, .bytes = bytes - sent};
    begin_sending(&sending);
    sem_post(&test.gate);
    struct answer a = client_read_answer(fd, false);
    assert_int_equal(a.status, 200);
    assert_int_equal(strtoll(a.body, NULL, 10), bytes);
    free(a.body);
    pthread_join(sending.thread, NULL);
    close(fd);
    free(body);
}

static void a_slow_client_holds_the_writer_back(void **state)
{
    (void)state;
    size_t bytes = 64 << 20;
    int fd = client_open();
    client_send(fd, "GET /s/bytes/67108864 HTTP/1.1\r\n" HOST "\r\n");
    int64_t written = wait_until_still(&test.written);
    assert_true(written < (16 << 20) + kernel_bytes(fd));
    struct answer a = client_read_answer(fd, false);
    assert_int_equal(a.status, 200);
    assert_pattern(&a, 0, bytes);
    free(a.body);
    close(fd);
}

static void clients_that_leave_wake_the_thread(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "PUT /s/count HTTP/1.1\r\n" HOST "Content-Length: 500000\r\n\r\n",
        "PUT /s/count HTTP/1.1\r\n" HOST "Content-Length: 500000\r\n\r\nabc",
        "PUT /s/count HTTP/1.1\r\n" HOST "Content-Length: 500\r\n\r\nabc",
        "PUT /s/count HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\nab",
        "PUT /s/count HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n",
        "PUT /s/count HTTP/1.1\r\n" HOST "Content-Length: 500\r\nExpect: 100-continue\r\n\r\n",
        "GET /s/endless HTTP/1.1\r\n" HOST "\r\n",
    };
    struct linger reset = {1, 0};
    int count = 0;
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        for (int how = 0; how < 4; how++) {
            int fd = client_open();
            client_send(fd, requests[i]);
            if (how > 0) /* a reset would overtake the head */
                wait_for_count(&fixture.heads, count + 1);
            if (how / 2 == 1) /* when the thread waits already */
                wait_until_still(&test.written);
            if (how % 2 == 1)
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            close(fd);
            wait_for_count(&test.done, ++count);
            wait_for_count(&fixture.finished_unsent, count);
            assert_int_equal(test.last_error_kind, ERR_UNAVAILABLE);
            assert_int_equal(test.read_errors + test.write_errors, count);
        }
    assert_int_equal(fixture.finished_sent, 0);
}

static void slow_clients_are_cut_in_both_directions(void **state)
{
    (void)state;
    int fd = client_open();
    client_send(fd, "PUT /s/count HTTP/1.1\r\n" HOST "Content-Length: 50000000\r\n\r\n");
    for (int i = 0; i < 2000 && test.read_errors == 0; i++) { /* far below the rate */
        client_try_send(fd, "x", 1);
        pause_ms(10);
    }
    assert_int_equal(test.read_errors, 1);
    assert_int_equal(test.last_error_kind, ERR_UNAVAILABLE);
    close(fd);
    fd = client_open();
    client_send(fd, "GET /s/endless HTTP/1.1\r\n" HOST "\r\n"); /* takes nothing */
    wait_for_count(&test.write_errors, 1);
    assert_int_equal(test.last_error_kind, ERR_UNAVAILABLE);
    close(fd);
    fd = client_open(); /* a file larger than what the kernel takes */
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    client_send(fd, "GET /file/0/8388608 HTTP/1.1\r\n" HOST "\r\n");
    wait_for_count(&fixture.finished_unsent, 3);
    close(fd);
}

/* The deadline is 400 ms, and the thread waits for longer in the middle of the body, with the
 * ring full; before the body; and before it writes. */
static void the_thread_may_be_slow(void **state)
{
    (void)state;
    size_t bytes = 16 << 20;
    char *body = make_body(bytes), head[200];
    snprintf(head, sizeof(head), "PUT /s/gate HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
             bytes);
    int fd = client_open();
    client_send(fd, head);
    struct sending sending = {.fd = fd, .data = body, .bytes = bytes};
    begin_sending(&sending);
    wait_for_count(&test.entered, 1);
    pause_ms(1500);
    sem_post(&test.gate);
    struct answer a = client_read_answer(fd, false);
    assert_int_equal(a.status, 200);
    assert_int_equal(strtoll(a.body, NULL, 10), bytes);
    free(a.body);
    pthread_join(sending.thread, NULL);
    assert_alive(fd);
    close(fd);
    free(body);
}

/* ---- many, and the end ----------------------------------------------------------------------- */

static void *run_client(void *arg)
{
    size_t number = (size_t)(uintptr_t)arg;
    for (int i = 0; i < 4; i++) {
        int fd = client_open();
        echo(fd, number % 2 ? "echo" : "chunks", 200000 + number * 5001, number % 3 ? 0 : 40000,
             65536);
        char request[100];
        snprintf(request, sizeof(request), "GET /s/file/%zu/1000000 HTTP/1.1\r\n" HOST "\r\n",
                 number * 1000);
        struct answer a = client_ask(fd, request);
        assert_pattern(&a, number * 1000, 1000000);
        free(a.body);
        if (number % 4 == 0) /* leave in the middle */
            client_send(fd, "GET /s/bytes/5000000 HTTP/1.1\r\n" HOST "\r\n");
        close(fd);
    }
    return NULL;
}

static void sixty_four_at_once(void **state)
{
    (void)state;
    pthread_t threads[64];
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, (void *)(i + 1)), 0);
    for (size_t i = 0; i < 64; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 500 && http_server_active(fixture.server) > 0; i++)
        pause_ms(10);
    assert_int_equal(http_server_active(fixture.server), 0);
    assert_int_equal(fixture.finished_sent + fixture.finished_unsent, fixture.heads);
    assert_true(fixture.finished_sent >= 64 * 8);
}

static void stop_does_not_wait_for_clients(void **state)
{
    (void)state;
    int fds[4];
    static const char *const requests[] = {
        "PUT /s/count HTTP/1.1\r\n" HOST "Content-Length: 500000\r\n\r\nabc",
        "GET /s/endless HTTP/1.1\r\n" HOST "\r\n",
        "PUT /s/count HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        "GET /file/0/8388608 HTTP/1.1\r\n" HOST "\r\n",
    };
    for (int i = 0; i < 4; i++) {
        fds[i] = client_open();
        client_send(fds[i], requests[i]);
    }
    wait_for_count(&fixture.heads, 4);
    wait_for_bytes(&test.written, 1);
    http_server_stop(fixture.server);
    fixture.server = NULL;
    assert_int_equal(test.done, 3);
    assert_int_equal(fixture.finished_sent, 0);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
#define CASE_SHORT(f) cmocka_unit_test_setup_teardown(f, start_short, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_slow_reader_holds_the_client_back),
        CASE(a_slow_client_holds_the_writer_back),
        CASE(clients_that_leave_wake_the_thread),
        CASE_SHORT(slow_clients_are_cut_in_both_directions),
        CASE_SHORT(the_thread_may_be_slow),
        CASE(sixty_four_at_once),
        CASE(stop_does_not_wait_for_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
