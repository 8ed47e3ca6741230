/* Closed-loop load of large bodies: N connections, each sending the same request again when its
 * reply has come. One thread serves them all and throws away what it receives without looking at
 * it, so that it costs little beside what is measured.
 *
 *   transfer_load PORT CONNECTIONS SECONDS HEAD_FILE BODY_BYTES [cut]
 *
 * HEAD_FILE holds the head of the request, with its empty line; BODY_BYTES zeros are sent after it.
 * Every reply must have a status below 300 and a Content-Length, or 204. Prints one line:
 * requests=N failed=N bytes=N seconds=S (bytes: of bodies, in both directions). When the time is
 * over each connection finishes its request, and the seconds are counted to the end of the last;
 * with `cut` it leaves at once. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define PIECE_BYTES (1 << 20)
#define HEAD_BYTES 16384
#define EVENTS_MAX 256

static struct {
    int port, connections, epoll_fd;
    double seconds;
    bool cut, ending;
    int open;
    int64_t body_bytes, requests, failed, bytes;
    char head[HEAD_BYTES];
    size_t head_bytes;
    char zeros[PIECE_BYTES];
} load;

struct connection {
    int fd;
    size_t head_sent;
    int64_t body_sent;
    char reply[HEAD_BYTES]; /* its head, while that is not complete */
    size_t reply_bytes;
    int64_t reply_left; /* of its body; -1: the head is not complete */
};

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void begin(struct connection *c)
{
    c->head_sent = c->reply_bytes = 0;
    c->body_sent = 0;
    c->reply_left = -1;
}

static void dial(struct connection *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load.port)};
    int one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    epoll_ctl(load.epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
    begin(c);
}

/* Sends until the socket is full or all is sent. */
static void send_some(struct connection *c)
{
    while (c->head_sent < load.head_bytes) {
        ssize_t n = send(c->fd, load.head + c->head_sent, load.head_bytes - c->head_sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL | (load.body_bytes > 0 ? MSG_MORE : 0));
        if (n <= 0)
            return;
        c->head_sent += (size_t)n;
    }
    while (c->body_sent < load.body_bytes) {
        int64_t left = load.body_bytes - c->body_sent;
        ssize_t n = send(c->fd, load.zeros, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            return;
        c->body_sent += n;
        load.bytes += n;
    }
}

/* Looks for the end of the reply's head; what came after it is of the body. */
static bool parse_head(struct connection *c)
{
    c->reply[c->reply_bytes] = '\0';
    char *end = strstr(c->reply, "\r\n\r\n");
    if (end == NULL)
        return c->reply_bytes < HEAD_BYTES - 1;
    long status = strtol(c->reply + sizeof("HTTP/1.1"), NULL, 10);
    char *length = strcasestr(c->reply, "\r\nContent-Length:");
    if (status < 200 || status >= 300 || (length == NULL && status != 204)) {
        if (load.failed == 0)
            fprintf(stderr, "%.300s\n", c->reply);
        return false;
    }
    int64_t got = c->reply + c->reply_bytes - (end + 4);
    c->reply_left =
        (length == NULL ? 0 : strtoll(length + sizeof("\r\nContent-Length:") - 1, NULL, 10)) - got;
    load.bytes += got;
    return true;
}

/* Receives until there is nothing more; false when the connection is of no use any more. */
static bool receive_some(struct connection *c)
{
    for (;;) {
        ssize_t n;
        if (c->reply_left < 0) {
            n = recv(c->fd, c->reply + c->reply_bytes, HEAD_BYTES - 1 - c->reply_bytes,
                     MSG_DONTWAIT);
            if (n > 0) {
                c->reply_bytes += (size_t)n;
                if (!parse_head(c))
                    return false;
            }
        } else {
            int64_t most = c->reply_left < PIECE_BYTES ? c->reply_left : PIECE_BYTES;
            n = recv(c->fd, NULL, (size_t)most, MSG_DONTWAIT | MSG_TRUNC);
            if (n > 0) {
                c->reply_left -= n;
                load.bytes += n;
            }
        }
        if (n == 0)
            return false;
        if (n < 0)
            return true;
        if (c->reply_left == 0) {
            load.requests++;
            begin(c);
            if (load.ending) {
                close(c->fd);
                load.open--;
                return true;
            }
            send_some(c);
        }
    }
}

static void read_arguments(int argc, char **argv)
{
    if (argc != 6 && argc != 7) {
        fprintf(stderr,
                "usage: transfer_load PORT CONNECTIONS SECONDS HEAD_FILE BODY_BYTES [cut]\n");
        exit(2);
    }
    load.port = (int)strtol(argv[1], NULL, 10);
    load.connections = (int)strtol(argv[2], NULL, 10);
    load.seconds = strtod(argv[3], NULL);
    load.body_bytes = strtoll(argv[5], NULL, 10);
    load.cut = argc == 7;
    FILE *file = fopen(argv[4], "r");
    if (file == NULL) {
        perror(argv[4]);
        exit(1);
    }
    load.head_bytes = fread(load.head, 1, sizeof(load.head), file);
    fclose(file);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS_MAX];
    read_arguments(argc, argv);
    load.epoll_fd = epoll_create1(0);
    struct connection *all = calloc((size_t)load.connections, sizeof(*all));
    for (int i = 0; i < load.connections; i++)
        dial(&all[i]);
    load.open = load.connections;
    double began = now(), left = load.seconds;
    while (load.open > 0 && !(load.ending && load.cut)) {
        int timeout_ms = load.ending ? 60000 : (int)(left * 1000) + 1;
        int count = epoll_wait(load.epoll_fd, events, EVENTS_MAX, timeout_ms);
        if (load.ending && count == 0)
            break; /* something hangs */
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            send_some(c);
            if (!receive_some(c)) {
                load.failed++;
                close(c->fd);
                dial(c);
            }
        }
        left = load.seconds - (now() - began);
        load.ending = left <= 0;
    }
    if (!load.cut)
        load.failed += load.open;
    printf("requests=%lld failed=%lld bytes=%lld seconds=%.3f\n", (long long)load.requests,
           (long long)load.failed, (long long)load.bytes, now() - began);
    return 0;
}
