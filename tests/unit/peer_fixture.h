/* The other side of storage/http_client.h: a server on loopback whose connections are served by a
 * function of the test, each in a thread of its own. */
#ifndef TESTS_UNIT_PEER_FIXTURE_H
#define TESTS_UNIT_PEER_FIXTURE_H

#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER_REQUEST_BYTES_MAX (1 << 20)
#define PEER_CONNECTIONS_MAX 64

struct peer {
    int listener;
    uint16_t port;
    /* Serves one connection; it is closed when the function returns. */
    void (*serve)(struct peer *peer, int fd);
    void *arg;
    pthread_t acceptor, threads[PEER_CONNECTIONS_MAX];
    _Atomic int connections;
    int fds[PEER_CONNECTIONS_MAX];
    char url[64]; /* http://127.0.0.1:PORT */
};

struct peer_connection {
    struct peer *peer;
    int fd;
};

/* A request with its body, NUL-terminated; false at the end of the connection. */
static inline bool peer_read(int fd, char out[PEER_REQUEST_BYTES_MAX])
{
    size_t len = 0, wanted = 0;
    while (len < PEER_REQUEST_BYTES_MAX - 1) {
        ssize_t got = recv(fd, out + len, PEER_REQUEST_BYTES_MAX - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        out[len] = '\0';
        char *end = strstr(out, "\r\n\r\n");
        if (end == NULL)
            continue;
        char *length = strcasestr(out, "\r\nContent-Length:");
        if (length != NULL && length < end)
            wanted = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
        if (strcasestr(out, "\r\nTransfer-Encoding: chunked") != NULL) {
            if (strstr(end, "\r\n0\r\n\r\n") != NULL)
                return true;
        } else if (len >= (size_t)(end + 4 - out) + wanted) {
            return true;
        }
    }
    return false;
}

static inline bool peer_write(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t put = send(fd, text.ptr, text.len, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        text = str_skip(text, (size_t)put);
    }
    return true;
}

static void *peer_serve(void *arg)
{
    struct peer_connection *connection = arg;
    connection->peer->serve(connection->peer, connection->fd);
    (void)shutdown(connection->fd, SHUT_RDWR);
    free(connection);
    return NULL;
}

static void *peer_accept(void *arg)
{
    struct peer *peer = arg;
    int fd;
    while ((fd = accept(peer->listener, NULL, NULL)) >= 0) {
        struct peer_connection *connection = malloc(sizeof(*connection));
        int number = peer->connections;
        if (connection == NULL || number == PEER_CONNECTIONS_MAX)
            abort();
        *connection = (struct peer_connection){peer, fd};
        peer->fds[number] = fd;
        if (pthread_create(&peer->threads[number], NULL, peer_serve, connection) != 0)
            abort();
        peer->connections++;
    }
    return NULL;
}

static inline void peer_start(struct peer *peer, void (*serve)(struct peer *, int), void *arg)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)signal(SIGPIPE, SIG_IGN);
    *peer = (struct peer){.serve = serve, .arg = arg};
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->listener >= 0);
    assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(peer->listener, 64), 0);
    assert_int_equal(getsockname(peer->listener, (struct sockaddr *)&address, &len), 0);
    peer->port = ntohs(address.sin_port);
    (void)snprintf(peer->url, sizeof(peer->url), "http://127.0.0.1:%d", peer->port);
    assert_int_equal(pthread_create(&peer->acceptor, NULL, peer_accept, peer), 0);
}

static inline void peer_stop(struct peer *peer)
{
    (void)shutdown(peer->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(peer->acceptor, NULL), 0);
    (void)close(peer->listener);
    for (int i = 0; i < peer->connections; i++)
        (void)shutdown(peer->fds[i], SHUT_RDWR);
    for (int i = 0; i < peer->connections; i++) {
        assert_int_equal(pthread_join(peer->threads[i], NULL), 0);
        (void)close(peer->fds[i]);
    }
}

#endif
