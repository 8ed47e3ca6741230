/* Deadlines of connections, and the slow end of those that are closed early.
 *
 * 1. The library knows no absolute deadline, so the reaper looks at every connection of its loop
 *    from time to time and shuts the socket of a slow one down; the library then sees a dead peer
 *    and cleans up by itself.
 * 2. Nothing here ever closes a descriptor that the library owns.
 * 3. A request that the handlers have is never cut.
 *
 * The library does not tell when the first byte of a request came. TCP_INFO does: it counts the
 * bytes received. The reaper compares the count with the one it saw when the wait began. */
#include "server/http_private.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metric.h"

#define REAP_MS_MIN 10
#define REAP_MS_MAX 2500
#define REAPS_PER_DEADLINE 4
#define LINGER_US 3000000
#define LINGERS_MAX 256

static void write_client_text(const struct sockaddr *address, char *out, size_t out_bytes)
{
    const char *text = NULL;
    if (address->sa_family == AF_INET)
        text = inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, out,
                         (socklen_t)out_bytes);
    else if (address->sa_family == AF_INET6)
        text = inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, out,
                         (socklen_t)out_bytes);
    if (text == NULL)
        out[0] = '\0';
    if (strncmp(out, "::ffff:", 7) == 0 && strchr(out, '.') != NULL)
        memmove(out, out + 7, strlen(out + 7) + 1);
}

static void connection_open(struct http_loop *loop, struct MHD_Connection *library, void **out)
{
    struct http_connection *c = calloc(1, sizeof(*c));
    if (c == NULL)
        log_fatal("out of memory: a connection");
    c->fd = MHD_get_connection_info(library, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->since_us = loop->now_us;
    write_client_text(
        MHD_get_connection_info(library, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
        c->client, sizeof(c->client));
    if (loop->connections == NULL)
        loop->reap_at_us = loop->now_us; /* sets the rhythm again */
    c->next = loop->connections;
    if (c->next != NULL)
        c->next->prev = c;
    loop->connections = c;
    metric_add(METRIC_CONNECTIONS, 1);
    *out = c;
}

static void connection_close(struct http_loop *loop, void **out)
{
    struct http_connection *c = *out;
    assert(c != NULL && c->exchange == NULL);
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        loop->connections = c->next;
    free(c);
    /* At its limit of connections or descriptors the library stops to accept. It starts again at
     * the beginning of its next run, and nothing else would wake the loop for that. */
    loop->run_again = true;
    metric_add(METRIC_CONNECTIONS, -1);
    *out = NULL;
}

void http_on_connection(void *loop, struct MHD_Connection *library, void **connection,
                        enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_open(loop, library, connection);
    else
        connection_close(loop, connection);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static struct tcp_info tcp_info(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        memset(&info, 0, sizeof(info));
    return info;
}

static int64_t bytes_received(int fd)
{
    return (int64_t)tcp_info(fd).tcpi_bytes_received;
}

/* Longer bodies get longer, but only for bytes that came (or that we want to send): announcing much
 * gains nothing. */
static int64_t body_allowance_us(const struct http_server_options *options, size_t bytes)
{
    return options->body_deadline_ms * 1000 +
           (int64_t)((double)bytes * 1e6 / (double)options->body_rate_min);
}

/* The peer closed and everything it sent is read: what is not complete never will be. The library
 * misses this when the close arrives together with the last bytes: it waits for an event of its
 * own, and there is none. */
bool http_is_gone(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

void http_patience_begin(struct http_loop *loop, struct http_connection *c)
{
    c->patience = (struct http_patience){loop->server->options.body_deadline_ms * 1000, 0, -1, -1};
}

/* Of a connection that is in HTTP_BODY or HTTP_SENDING. */
static bool lost_patience(struct http_loop *loop, struct http_connection *c)
{
    const struct http_server_options *options = &loop->server->options;
    struct http_patience *patience = &c->patience;
    struct tcp_info info = tcp_info(c->fd);
    int64_t received = (int64_t)info.tcpi_bytes_received, taken = (int64_t)info.tcpi_bytes_acked;
    int64_t moved = 0;
    if (patience->received >= 0)
        moved = c->phase == HTTP_BODY ? received - patience->received : taken - patience->taken;
    patience->received = received;
    patience->taken = taken;
    int64_t waited_us = patience->waited_us + loop->now_us - c->since_us;
    patience->waited_us = 0;
    c->since_us = loop->now_us;
    patience->left_us +=
        (int64_t)((double)moved * 1e6 / (double)options->body_rate_min) - waited_us;
    if (patience->left_us > options->body_deadline_ms * 1000)
        patience->left_us = options->body_deadline_ms * 1000;
    return patience->left_us < 0;
}

static bool is_overdue(struct http_loop *loop, struct http_connection *c)
{
    const struct http_server_options *options = &loop->server->options;
    if (c->since_us == 0)
        c->since_us = loop->now_us;
    int64_t elapsed_us = loop->now_us - c->since_us;
    switch (c->phase) {
    case HTTP_WAITING:
        if (elapsed_us > options->idle_ms * 1000)
            return true;
        int64_t received = bytes_received(c->fd);
        if (c->bytes_received < 0) {
            c->bytes_received = received;
        } else if (received > c->bytes_received) {
            c->phase = HTTP_HEAD;
            c->since_us = loop->now_us;
        }
        return false;
    case HTTP_HEAD:
        return elapsed_us > options->header_deadline_ms * 1000 || http_is_gone(c->fd);
    case HTTP_BODY:
        assert(c->exchange != NULL);
        if (c->exchange->stream != NULL)
            return lost_patience(loop, c) || http_is_gone(c->fd);
        return elapsed_us > body_allowance_us(options, c->exchange->pub.body_bytes) ||
               http_is_gone(c->fd);
    case HTTP_SENDING:
        assert(c->exchange != NULL);
        if (c->exchange->stream != NULL || c->exchange->sends_file)
            return lost_patience(loop, c);
        return elapsed_us > body_allowance_us(options, c->exchange->pub.reply_bytes);
    case HTTP_WORKING:
    case HTTP_CUT:
        break;
    }
    return false;
}

static int64_t reap_interval_us(const struct http_server_options *options)
{
    int64_t ms = options->idle_ms;
    if (ms > options->header_deadline_ms)
        ms = options->header_deadline_ms;
    if (ms > options->body_deadline_ms)
        ms = options->body_deadline_ms;
    ms /= REAPS_PER_DEADLINE;
    ms = ms < REAP_MS_MIN ? REAP_MS_MIN : ms > REAP_MS_MAX ? REAP_MS_MAX : ms;
    return ms * 1000;
}

static void linger_end(struct http_loop *loop, struct http_linger *linger)
{
    struct http_linger **link = &loop->lingers;
    while (*link != linger)
        link = &(*link)->next;
    *link = linger->next;
    loop->linger_count--;
    close(linger->fd);
    free(linger);
}

void http_reap(struct http_loop *loop)
{
    if (loop->now_us < loop->reap_at_us)
        return;
    loop->reap_at_us = loop->now_us + reap_interval_us(&loop->server->options);
    for (struct http_connection *c = loop->connections; c != NULL; c = c->next) {
        if (!is_overdue(loop, c))
            continue;
        log_debug("connection of %s cut: %s", c->client,
                  c->phase == HTTP_WAITING ? "idle"
                  : c->phase == HTTP_HEAD  ? "its head is too slow or the client gone"
                  : c->phase == HTTP_BODY  ? "its body is too slow or the client gone"
                                           : "it takes its reply too slowly");
        if (c->exchange != NULL && c->exchange->stream != NULL)
            http_stream_cut(c->exchange, "The client is gone or too slow");
        c->phase = HTTP_CUT;
        shutdown(c->fd, SHUT_RDWR);
    }
    struct http_linger *next;
    for (struct http_linger *linger = loop->lingers; linger != NULL; linger = next) {
        next = linger->next;
        if (loop->now_us > linger->until_us)
            linger_end(loop, linger);
    }
}

/* ---- lingering ------------------------------------------------------------------------------- */

static void linger_read(struct http_loop *loop, struct http_watch *watch, uint32_t events)
{
    struct http_linger *linger = (struct http_linger *)watch;
    (void)events;
    char unread[65536];
    ssize_t n = recv(linger->fd, unread, sizeof(unread), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        linger_end(loop, linger);
}

/* Called before the library closes `fd`. While bytes of the client are unread, close() resets the
 * connection, and the reset overtakes the reply: the client would see "connection reset" in place
 * of a 413. So a second descriptor keeps the socket, and what still comes is thrown away until the
 * client closes or a short time is over. */
void http_linger_begin(struct http_loop *loop, int fd)
{
    if (loop->linger_count >= LINGERS_MAX)
        return;
    struct http_linger *linger = calloc(1, sizeof(*linger));
    if (linger == NULL)
        log_fatal("out of memory: a closing connection");
    linger->watch.on_event = linger_read;
    linger->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    linger->until_us = loop->now_us + LINGER_US;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = linger};
    if (linger->fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, linger->fd, &event) != 0) {
        log_debug("a connection is closed at once: errno %d", errno);
        if (linger->fd >= 0)
            close(linger->fd);
        free(linger);
        return;
    }
    linger->next = loop->lingers;
    loop->lingers = linger;
    loop->linger_count++;
}

void http_linger_end_all(struct http_loop *loop)
{
    while (loop->lingers != NULL)
        linger_end(loop, loop->lingers);
}
