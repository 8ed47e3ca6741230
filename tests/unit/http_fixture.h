/* A server with small handlers on a free port, and a client of raw sockets, for the tests of the
 * HTTP front. What a target does:
 *   /hello          "hello"
 *   /echo…          the request's body
 *   /target…        the raw target
 *   /thread…        the request's body, from another thread
 *   /hold           nothing, until fixture_release_held
 *   /early          401 from head()
 *   /status/NNN     that status, body "body"
 *   /bytes/N        N bytes, freed by the reply's release
 *   /small          head() lowers the body limit to 16 bytes
 *   /close          "bye" with close */
#ifndef TESTS_UNIT_HTTP_FIXTURE_H
#define TESTS_UNIT_HTTP_FIXTURE_H

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/work_queue.h"
#include "server/access_log.h"
#include "server/http_server.h"

struct fixture {
    struct http_server *server;
    struct work_queue *workers;
    _Atomic int heads, requests, finished_sent, finished_unsent, refused, released;
    _Atomic(struct http_exchange *) held;
    _Atomic int last_refused_kind;
};

static struct fixture fixture;

static inline void reply_text(struct http_exchange *x, int status, struct str body)
{
    struct http_reply reply = {.status = status, .body = body, .header_count = 1};
    reply.headers[0] = (struct http_header){"Content-Type", "text/plain"};
    http_exchange_reply(x, &reply);
}

static inline void release_bytes(void *arg)
{
    free(arg);
    fixture.released++;
}

static inline void reply_bytes(struct http_exchange *x, size_t bytes)
{
    char *body = malloc(bytes);
    assert_non_null(body);
    for (size_t i = 0; i < bytes; i++)
        body[i] = (char)('a' + i % 26);
    struct http_reply reply = {.status = 200, .body = {body, bytes}};
    reply.release = release_bytes;
    reply.release_arg = body;
    http_exchange_reply(x, &reply);
}

static inline void echo_later(void *arg)
{
    struct http_exchange *x = arg;
    assert_true(http_exchange_header(x, "host").len > 0);
    reply_text(x, 200, x->body);
}

static inline void on_head(void *arg, struct http_exchange *x)
{
    (void)arg;
    fixture.heads++;
    if (str_starts_with(x->target, STR("/early")))
        reply_text(x, 401, STR("early"));
    if (str_starts_with(x->target, STR("/small")))
        x->body_bytes_max = 16;
}

static inline void on_request(void *arg, struct http_exchange *x)
{
    (void)arg;
    fixture.requests++;
    long long number = 0;
    if (str_starts_with(x->target, STR("/hello"))) {
        reply_text(x, 200, STR("hello"));
    } else if (str_starts_with(x->target, STR("/target"))) {
        reply_text(x, 200, x->target);
    } else if (str_starts_with(x->target, STR("/thread"))) {
        assert_true(work_queue_push(fixture.workers, echo_later, x));
    } else if (str_starts_with(x->target, STR("/hold"))) {
        atomic_store(&fixture.held, x);
    } else if (str_starts_with(x->target, STR("/status/"))) {
        assert_true(str_to_int64(str_skip(x->target, 8), &number));
        reply_text(x, (int)number, STR("body"));
    } else if (str_starts_with(x->target, STR("/bytes/"))) {
        assert_true(str_to_int64(str_skip(x->target, 7), &number));
        reply_bytes(x, (size_t)number);
    } else if (str_starts_with(x->target, STR("/close"))) {
        struct http_reply reply = {.status = 200, .body = STR("bye"), .close = true};
        http_exchange_reply(x, &reply);
    } else {
        reply_text(x, 200, x->body);
    }
}

static inline void on_finished(void *arg, struct http_exchange *x, bool sent)
{
    (void)arg;
    assert_true(!sent || x->status != 0);
    access_log_write(x, x->target, STR("id-1"), x->status == 200 ? "operation" : NULL, sent);
    if (sent)
        fixture.finished_sent++;
    else
        fixture.finished_unsent++;
}

static inline void on_refuse(void *arg, struct http_exchange *x, const struct error *why,
                             struct http_reply *reply)
{
    (void)arg;
    fixture.refused++;
    fixture.last_refused_kind = (int)why->kind;
    *reply = (struct http_reply){.status = error_status(why->kind), .header_count = 1};
    reply->headers[0] = (struct http_header){"Content-Type", "application/json"};
    reply->body = arena_printf(x->arena, "{\"refused\":\"%s\"}", why->message);
}

static inline struct http_server_options fixture_options(void)
{
    return (struct http_server_options){
        .address = "127.0.0.1",
        .loops = 2,
        .connections_max = 4000,
        .target_bytes_max = 16384,
        .header_bytes_max = 24576,
        .body_bytes_max = 32 << 20,
        .header_deadline_ms = 10000,
        .body_deadline_ms = 30000,
        .body_rate_min = 10240,
        .idle_ms = 75000,
        .handlers = {.head = on_head,
                     .request = on_request,
                     .finished = on_finished,
                     .refuse = on_refuse},
    };
}

static inline int fixture_start_with(const struct http_server_options *options)
{
    struct error err;
    memset(&fixture, 0, sizeof(fixture));
    fixture.workers = work_queue_open("test", 4, 10000);
    if (http_server_start(options, &fixture.server, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        return -1;
    }
    return 0;
}

static inline int fixture_start(void **state)
{
    (void)state;
    struct http_server_options options = fixture_options();
    return fixture_start_with(&options);
}

static inline int fixture_stop(void **state)
{
    (void)state;
    if (fixture.server != NULL)
        http_server_stop(fixture.server);
    work_queue_close(fixture.workers);
    return 0;
}

static inline void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* Waits up to five seconds for a counter to reach a value. */
static inline void wait_for_count(_Atomic int *counter, int value)
{
    for (int i = 0; i < 500 && atomic_load(counter) < value; i++)
        pause_ms(10);
    assert_int_equal(atomic_load(counter), value);
}

static inline void fixture_release_held(void)
{
    struct http_exchange *x = NULL;
    for (int i = 0; i < 500 && x == NULL; i++) {
        x = atomic_exchange(&fixture.held, NULL);
        if (x == NULL)
            pause_ms(10);
    }
    assert_non_null(x);
    reply_text(x, 200, STR("held"));
}

/* ---- the client ------------------------------------------------------------------------------ */

static inline int client_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons(http_server_port(fixture.server));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return fd;
}

static inline bool client_try_send(int fd, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = send(fd, (const char *)data + done, len - done, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static inline void client_send(int fd, const char *text)
{
    assert_true(client_try_send(fd, text, strlen(text)));
}

struct answer {
    int status; /* 0: the connection ended without one */
    char head[8192];
    char *body; /* NUL-terminated */
    size_t body_len;
    bool closed; /* seen at the end of this answer, only looked at when it says so */
};

/* Reads one answer: the head byte by byte, then Content-Length bytes. */
static inline struct answer client_read_answer(int fd, bool is_head_request)
{
    struct answer a = {0};
    size_t n = 0;
    while (n + 1 < sizeof(a.head) && (n < 4 || memcmp(a.head + n - 4, "\r\n\r\n", 4) != 0)) {
        ssize_t got = recv(fd, a.head + n, 1, 0);
        if (got <= 0) {
            a.closed = true;
            return a;
        }
        n++;
    }
    a.head[n] = '\0';
    assert_int_equal(sscanf(a.head, "HTTP/1.1 %d", &a.status), 1);
    size_t length = 0;
    const char *field = strcasestr(a.head, "\r\nContent-Length:");
    if (field != NULL && !is_head_request && a.status != 304)
        length = strtoul(field + 17, NULL, 10);
    a.body = calloc(1, length + 1);
    assert_non_null(a.body);
    while (a.body_len < length) {
        ssize_t got = recv(fd, a.body + a.body_len, length - a.body_len, 0);
        assert_true(got > 0);
        a.body_len += (size_t)got;
    }
    if (strcasestr(a.head, "\r\nConnection: close") != NULL) {
        char byte;
        ssize_t got = recv(fd, &byte, 1, 0);
        assert_true(got <= 0);
        a.closed = true;
    }
    return a;
}

static inline struct answer client_ask(int fd, const char *request)
{
    client_send(fd, request);
    return client_read_answer(fd, strncmp(request, "HEAD ", 5) == 0);
}

/* One request on its own connection. */
static inline int ask_status(const char *request)
{
    int fd = client_open();
    struct answer a = client_ask(fd, request);
    free(a.body);
    close(fd);
    return a.status;
}

#endif
