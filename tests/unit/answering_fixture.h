/* A server of HTTP that a test scripts: one connection after the other, one request on each, which
 * is handed to a function that writes the whole answer. It has a free port of the loopback. */
#ifndef TESTS_UNIT_ANSWERING_FIXTURE_H
#define TESTS_UNIT_ANSWERING_FIXTURE_H

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "tests/unit/unit.h"

struct heard {
    struct str head; /* request line and headers, without the empty line */
    struct str body;
};

struct answering {
    void (*answer)(struct answering *server, const struct heard *heard, struct buf *out);
    int fd;
    int port;
    pthread_t thread;
    _Atomic int count; /* of requests */
};

/* The value of a header, as it was sent. */
static inline struct str heard_header(const struct heard *heard, const char *name)
{
    struct str rest = heard->head;
    (void)str_cut(&rest, '\n');
    while (rest.len > 0) {
        struct str value = str_cut(&rest, '\n'), found = str_cut(&value, ':');
        if (value.len > 0 && value.ptr[value.len - 1] == '\r')
            value.len--;
        if (str_equal_ignore_case(found, str_cstr(name)))
            return str_trim(value);
    }
    return STR_NONE;
}

static inline void answer_with(struct buf *out, int status, struct str body)
{
    buf_add_format(out, "HTTP/1.1 %d x\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
                   body.len);
    buf_add(out, body);
}

/* false: the connection ended before the request did. */
static inline bool hear(int fd, struct buf *in, struct heard *out)
{
    char block[4096];
    for (;;) {
        const char *end = in->len == 0 ? NULL : memmem(in->ptr, in->len, "\r\n\r\n", 4);
        if (end != NULL) {
            long long length = 0;
            out->head = str_from(in->ptr, (size_t)(end - in->ptr));
            out->body = str_skip(buf_str(in), out->head.len + 4);
            (void)str_to_int64(heard_header(out, "content-length"), &length);
            if (out->body.len >= (size_t)length)
                return true;
        }
        ssize_t got = recv(fd, block, sizeof(block), 0);
        if (got <= 0)
            return false;
        buf_add(in, str_from(block, (size_t)got));
    }
}

static inline void *answering_main(void *arg)
{
    struct answering *server = arg;
    for (int fd; (fd = accept(server->fd, NULL, NULL)) >= 0; close(fd)) {
        struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
        struct heard heard;
        if (hear(fd, &in, &heard)) {
            server->count++;
            server->answer(server, &heard, &out);
            if (out.len > 0)
                (void)!write(fd, out.ptr, out.len);
        }
        buf_free(&in);
        buf_free(&out);
    }
    return NULL;
}

static inline void answering_start(struct answering *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t bytes = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->fd, 64), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &bytes), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, answering_main, server), 0);
}

static inline void answering_stop(struct answering *server)
{
    (void)shutdown(server->fd, SHUT_RDWR); /* ends accept */
    (void)pthread_join(server->thread, NULL);
    (void)close(server->fd);
}

#endif
