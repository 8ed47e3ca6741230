/* Streamed exchanges and replies from files, with raw sockets: what comes out of them. */
#include "tests/unit/stream_client.h"

static void echoes_bodies_of_any_size_and_shape(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 65536, 65537, 262144, 300001, 9000000};
    static const size_t pieces[] = {1000, 65536, 1000000};
    int fd = client_open(); /* all on one connection */
    int count = 0;
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (size_t j = 0; j < COUNT_OF(pieces); j++) {
            echo(fd, "echo", sizes[i], 0, pieces[j]);
            echo(fd, "echo", sizes[i], 70000, pieces[j]);
            echo(fd, "chunks", sizes[i], 0, pieces[j]);
            echo(fd, "chunks", sizes[i], 3001, pieces[j]);
            count += 4;
        }
    echo(fd, "echo", 3000, 1, 1);
    echo(fd, "chunks", 3000, 1, 1);
    close(fd);
    wait_for_count(&fixture.finished_sent, count + 2);
}

static void pipelined_requests_after_a_streamed_one(void **state)
{
    (void)state;
    int fd = client_open();
    client_send(fd, "PUT /s/count HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"
                    "GET /s/bytes/70000 HTTP/1.1\r\n" HOST "\r\n"
                    "PUT /s/count HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n0\r\n\r\n"
                    "GET /file/0/7 HTTP/1.1\r\n" HOST "\r\n"
                    "POST /thread HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nxyz"
                    "GET /s/early HTTP/1.1\r\n" HOST "\r\n"
                    "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    static const char *const bodies[] = {"5", NULL, "3", NULL, "xyz", "forbidden", "hello"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct answer a = client_read_answer(fd, false);
        assert_int_equal(a.status, i == 5 ? 403 : i == 3 ? 206 : 200);
        assert_false(a.closed);
        if (bodies[i] == NULL)
            assert_pattern(&a, 0, i == 1 ? 70000 : 7);
        else
            assert_string_equal(a.body, bodies[i]);
        free(a.body);
    }
    close(fd);
}

static void head_gets_the_length_only(void **state)
{
    (void)state;
    int fd = client_open();
    static const char *const targets[] = {"/s/bytes/70000", "/s/file/5/70000", "/file/5/70000",
                                          "/file-later/5/70000"};
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        char request[200];
        snprintf(request, sizeof(request), "HEAD %s HTTP/1.1\r\n" HOST "\r\n", targets[i]);
        struct answer a = client_ask(fd, request);
        assert_int_equal(a.status, i == 0 ? 200 : 206);
        assert_non_null(strstr(a.head, "\r\nContent-Length: 70000\r\n"));
        free(a.body);
        assert_alive(fd);
    }
    close(fd);
    wait_for_count(&fixture.finished_sent, 8);
}

static size_t open_files(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void sends_parts_of_files(void **state)
{
    (void)state;
    static const size_t parts[][2] = {
        {0, 1}, {0, FILE_BYTES}, {1, 100}, {123457, 4000001}, {FILE_BYTES - 1, 1}};
    static const char *const targets[] = {"/file", "/file-later", "/s/file"};
    int fd = client_open();
    assert_alive(fd);
    wait_for_count(&fixture.finished_sent, 1);
    size_t before = open_files();
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        for (size_t j = 0; j < COUNT_OF(targets); j++) {
            char request[200];
            snprintf(request, sizeof(request), "GET %s/%zu/%zu HTTP/1.1\r\n" HOST "\r\n",
                     targets[j], parts[i][0], parts[i][1]);
            struct answer a = client_ask(fd, request);
            assert_int_equal(a.status, 206);
            assert_pattern(&a, parts[i][0], parts[i][1]);
            free(a.body);
        }
    wait_for_count(&fixture.finished_sent, 16);
    for (int i = 0; i < 500 && open_files() != before; i++)
        pause_ms(10);
    assert_int_equal(open_files(), before);
    struct linger reset = {1, 0}; /* clients that leave in the middle */
    for (size_t j = 0; j < COUNT_OF(targets); j++) {
        char request[200];
        int leaving = client_open();
        snprintf(request, sizeof(request), "GET %s/0/%u HTTP/1.1\r\n" HOST "\r\n", targets[j],
                 FILE_BYTES);
        client_send(leaving, request);
        char some[1000];
        assert_true(read_exactly(leaving, some, sizeof(some)));
        setsockopt(leaving, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(leaving);
    }
    wait_for_count(&fixture.finished_unsent, 3);
    for (int i = 0; i < 500 && open_files() != before; i++)
        pause_ms(10);
    assert_int_equal(open_files(), before);
    close(fd);
}

static void continue_is_sent_at_the_first_read_only(void **state)
{
    (void)state;
    int fd = client_open();
    for (int i = 0; i < 2; i++) { /* small and large bodies */
        client_send(fd, i == 0 ? "PUT /s/count HTTP/1.1\r\n" HOST "Content-Length: 4\r\n"
                                 "Expect: 100-continue\r\n\r\n"
                               : "PUT /s/count HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
                                 "Expect: 100-continue\r\n\r\n");
        struct answer a = client_read_answer(fd, false);
        assert_int_equal(a.status, 100);
        free(a.body);
        a = client_ask(fd, i == 0 ? "body" : "4\r\nbody\r\n0\r\n\r\n");
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "4");
        free(a.body);
    }
    struct answer a = client_ask(fd, "PUT /s/early HTTP/1.1\r\n" HOST "Content-Length: 4\r\n"
                                     "Expect: 100-continue\r\n\r\n");
    assert_int_equal(a.status, 403);
    assert_string_equal(a.body, "forbidden");
    assert_true(a.closed);
    free(a.body);
    close(fd);
}

static void replies_before_the_body_was_read(void **state)
{
    (void)state;
    struct row {
        const char *target;
        size_t bytes;
        bool stays;
        int status;
    };
    static const struct row rows[] = {
        {"/s/early", 5, true, 403},
        {"/s/early", 65536, true, 403},
        {"/s/early", 5000000, false, 403},
        {"/s/early/100", 5000000, false, 403},
        {"/s/early/400000", 450000, true, 403},
        {"/s/early/4000000", 5000000, false, 403},
        {"/s/inline", 10, true, 503},
        {"/s/inline", 5000000, false, 503},
        {"/s/begin/0", 5, true, 200},
        {"/s/begin/100", 5000000, true, 200},
        {"/s/begin/0", 5000000, false, 200},
        {"/early", 5000000, false, 401},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char head[200], *body = make_body(rows[i].bytes);
        int fd = client_open();
        snprintf(head, sizeof(head), "PUT %s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
                 rows[i].target, rows[i].bytes);
        client_send(fd, head);
        struct sending sending = {.fd = fd, .data = body, .bytes = rows[i].bytes};
        begin_sending(&sending);
        struct answer a = client_read_answer(fd, false);
        if (a.status != rows[i].status || a.closed == rows[i].stays)
            fail_msg("%s %zu: %d, closed %d", rows[i].target, rows[i].bytes, a.status, a.closed);
        free(a.body);
        pthread_join(sending.thread, NULL);
        if (rows[i].stays)
            assert_alive(fd);
        close(fd);
        free(body);
    }
}

static void incomplete_replies_are_cut(void **state)
{
    (void)state;
    char *rest = malloc(300000);
    assert_non_null(rest);
    int fd = client_open();
    client_send(fd, "GET /s/cut HTTP/1.1\r\n" HOST "\r\n");
    char head[4096];
    assert_true(read_until(fd, head, sizeof(head), "\r\n\r\n") > 0);
    assert_false(read_exactly(fd, rest, 200000));
    close(fd);
    fd = client_open();
    client_send(fd, "GET /s/cut/chunks HTTP/1.1\r\n" HOST "\r\n");
    struct answer a = client_read_answer(fd, false);
    assert_int_equal(a.status, 200);
    assert_false(read_chunks(fd, &a));
    free(a.body);
    close(fd);
    fd = client_open(); /* no reply at all */
    client_send(fd, "GET /s/none HTTP/1.1\r\n" HOST "\r\n");
    a = client_read_answer(fd, false);
    assert_int_equal(a.status, 0);
    close(fd);
    fd = client_open();
    client_send(fd, "PUT /s/none HTTP/1.1\r\n" HOST "Content-Length: 5000000\r\n\r\nabc");
    a = client_read_answer(fd, false);
    assert_int_equal(a.status, 0);
    close(fd);
    fd = client_open();
    client_send(fd, "PUT /s/none HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\nabc");
    a = client_read_answer(fd, false);
    assert_int_equal(a.status, 0);
    close(fd);
    free(rest);
    wait_for_count(&fixture.finished_unsent, 5);
    assert_int_equal(fixture.finished_sent, 0);
}

static void malformed_chunks_are_bad_requests(void **state)
{
    (void)state;
    static const char *const bodies[] = {"5\r\nhello\r\nzz\r\n", "5\r\nhelloworld\r\n", "-1\r\n",
                                         "fffffffffffffffff\r\n"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        int fd = client_open();
        client_send(fd, "PUT /s/count HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        client_send(fd, bodies[i]);
        wait_for_count(&test.read_errors, (int)i + 1);
        assert_int_equal(test.last_error_kind, ERR_BAD_REQUEST);
        close(fd);
    }
    wait_for_count(&fixture.finished_unsent, COUNT_OF(bodies));
}

static void half_closed_clients_get_their_reply(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /s/bytes/5 HTTP/1.1\r\n" HOST "\r\n",
        "GET /s/bytes/1000000 HTTP/1.1\r\n" HOST "\r\n",
        "PUT /s/echo/3 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n12345",
        "PUT /s/echo/3 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "5\r\n12345\r\n0\r\n\r\n",
        "GET /file/0/1000000 HTTP/1.1\r\n" HOST "\r\n",
        "GET /file-later/0/1000000 HTTP/1.1\r\n" HOST "\r\n",
        "GET /s/file/0/1000000 HTTP/1.1\r\n" HOST "\r\n",
    };
    for (int round = 0; round < 10; round++)
        for (size_t i = 0; i < COUNT_OF(requests); i++) {
            int fd = client_open();
            client_send(fd, requests[i]);
            shutdown(fd, SHUT_WR);
            struct answer a = client_read_answer(fd, false);
            assert_int_equal(a.status, i >= 4 ? 206 : 200);
            assert_int_equal(a.body_len, i % 2 == 1 && i != 3 ? 1000000 : i >= 4 ? 1000000 : 5);
            free(a.body);
            close(fd);
        }
    char *body = make_body(3000000); /* and the reader is slow */
    for (int chunked = 0; chunked < 2; chunked++) {
        int fd = client_open();
        client_send(fd, chunked
                            ? "PUT /s/gate HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                            : "PUT /s/gate HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n");
        struct sending sending = {
            .fd = fd, .data = body, .bytes = 3000000, .chunk = chunked ? 100000 : 0};
        begin_sending(&sending);
        wait_for_count(&test.entered, chunked + 1);
        sem_post(&test.gate);
        pthread_join(sending.thread, NULL);
        shutdown(fd, SHUT_WR);
        struct answer a = client_read_answer(fd, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "3000000");
        free(a.body);
        close(fd);
    }
    free(body);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(echoes_bodies_of_any_size_and_shape),
        CASE(pipelined_requests_after_a_streamed_one),
        CASE(head_gets_the_length_only),
        CASE(sends_parts_of_files),
        CASE(continue_is_sent_at_the_first_read_only),
        CASE(replies_before_the_body_was_read),
        CASE(incomplete_replies_are_cut),
        CASE(malformed_chunks_are_bad_requests),
        CASE(half_closed_clients_get_their_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
