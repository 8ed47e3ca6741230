/* What a client of streamed exchanges needs beyond http_fixture.h: bodies that are sent by a thread
 * of their own, and answers in chunks. */
#ifndef TESTS_UNIT_STREAM_CLIENT_H
#define TESTS_UNIT_STREAM_CLIENT_H

#include "tests/unit/stream_fixture.h"

static inline char *make_body(size_t bytes)
{
    char *body = malloc(bytes + 1);
    assert_non_null(body);
    fill(body, 0, bytes);
    return body;
}

struct sending {
    int fd;
    const char *data;
    size_t bytes, chunk; /* chunk 0: as it is */
    pthread_t thread;
};

static inline void *run_sending(void *arg)
{
    struct sending *sending = arg;
    if (sending->chunk == 0) {
        client_try_send(sending->fd, sending->data, sending->bytes);
        return NULL;
    }
    for (size_t at = 0; at < sending->bytes; at += sending->chunk) {
        size_t n = sending->bytes - at < sending->chunk ? sending->bytes - at : sending->chunk;
        char line[32];
        snprintf(line, sizeof(line), "%zx\r\n", n);
        client_try_send(sending->fd, line, strlen(line));
        client_try_send(sending->fd, sending->data + at, n);
        client_try_send(sending->fd, "\r\n", 2);
    }
    client_try_send(sending->fd, "0\r\n\r\n", 5);
    return NULL;
}

static inline void begin_sending(struct sending *sending)
{
    assert_int_equal(pthread_create(&sending->thread, NULL, run_sending, sending), 0);
}

static inline size_t read_until(int fd, char *to, size_t size, const char *end)
{
    size_t n = 0, len = strlen(end);
    while (n < size && (n < len || memcmp(to + n - len, end, len) != 0)) {
        if (recv(fd, to + n, 1, 0) <= 0)
            return 0;
        n++;
    }
    return n;
}

static inline bool read_exactly(int fd, char *to, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = recv(fd, to + done, bytes - done, 0);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* The rest of an answer whose head said chunked. False when it ended before the last chunk. */
static inline bool read_chunks(int fd, struct answer *a)
{
    char line[32];
    for (;;) {
        size_t n = read_until(fd, line, sizeof(line) - 1, "\r\n");
        if (n == 0)
            return false;
        line[n] = '\0';
        size_t bytes = strtoul(line, NULL, 16);
        a->body = realloc(a->body, a->body_len + bytes + 2);
        if (!read_exactly(fd, a->body + a->body_len, bytes + 2))
            return false;
        a->body_len += bytes;
        if (bytes == 0)
            return true;
    }
}

static inline void assert_pattern(const struct answer *a, uint64_t from, size_t bytes)
{
    assert_int_equal(a->body_len, bytes);
    for (size_t i = 0; i < bytes; i++)
        if (a->body[i] != pattern(from + i))
            fail_msg("byte %zu is wrong", i);
}

static inline void assert_alive(int fd)
{
    struct answer a = client_ask(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "hello");
    free(a.body);
}

static inline void echo(int fd, const char *kind, size_t bytes, size_t chunk, size_t piece)
{
    char head[256], *body = make_body(bytes);
    int n = snprintf(head, sizeof(head), "PUT /s/%s/%zu HTTP/1.1\r\n" HOST, kind, piece);
    if (chunk > 0)
        snprintf(head + n, sizeof(head) - (size_t)n, "Transfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head + n, sizeof(head) - (size_t)n, "Content-Length: %zu\r\n\r\n", bytes);
    client_send(fd, head);
    struct sending sending = {.fd = fd, .data = body, .bytes = bytes, .chunk = chunk};
    begin_sending(&sending);
    struct answer a = client_read_answer(fd, false);
    assert_int_equal(a.status, 200);
    if (strcmp(kind, "chunks") == 0) {
        assert_non_null(strcasestr(a.head, "\r\nTransfer-Encoding: chunked\r\n"));
        assert_true(read_chunks(fd, &a));
    }
    pthread_join(sending.thread, NULL);
    assert_pattern(&a, 0, bytes);
    free(a.body);
    free(body);
}

#endif
