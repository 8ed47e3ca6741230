/* Closed-loop commit load: N clients, each with one keep-alive connection, each sending its next
 * commit when the last one was answered. One thread serves them all, so that the load costs little
 * beside what is measured.
 *
 *   commit_load PORT CLIENTS SECONDS TABLES
 *
 * Commits set one property (so that documents keep their size) on bench.t0 … bench.t<TABLES-1>, in
 * a body of about 1.3 KB; TABLES=1 is the hot table. Prints one line: commits=N failed=N seconds=S
 * p50_us=… p99_us=… max_us=… */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX 2000000
#define REPLY_BYTES 262144
#define EVENTS_MAX 256

static struct {
    int port, clients, tables;
    double seconds;
    long commits, failed, open;
    uint32_t *samples_us;
    size_t sample_count;
    char pad[1101];
    char reply[REPLY_BYTES + 1];
} load;

struct client {
    int index, fd;
    uint64_t rng;
    int64_t sent_us;
    int status;       /* of the reply being read; 0: its head is not complete */
    size_t body_left; /* of that reply */
    char head[2048];  /* what came of a head that is not complete */
    size_t head_bytes;
};

static int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void give_up(struct client *c)
{
    load.failed++;
    load.open--;
    close(c->fd);
    c->fd = -1;
}

static size_t write_request(struct client *c, char *out, size_t room)
{
    char body[2048];

    c->rng = c->rng * 6364136223846793005ull + 1442695040888963407ull;
    int table = (int)((c->rng >> 33) % (uint64_t)load.tables);
    int len = snprintf(body, sizeof body,
                       "{\"requirements\":[],\"updates\":[{\"action\":\"set-properties\","
                       "\"updates\":{\"writer\":\"%d-%016llx\",\"pad\":\"%s\"}}]}",
                       c->index, (unsigned long long)c->rng, load.pad);
    return (size_t)snprintf(out, room,
                            "POST /v1/namespaces/bench/tables/t%d HTTP/1.1\r\n"
                            "Host: localhost\r\nContent-Type: application/json\r\n"
                            "Content-Length: %d\r\n\r\n%s",
                            table, len, body);
}

/* A request is smaller than any socket's buffer, and the last one was answered. */
static void send_next(struct client *c)
{
    char request[4096];
    size_t len = write_request(c, request, sizeof request);

    c->status = 0;
    c->head_bytes = 0;
    c->sent_us = now_us();
    if (write(c->fd, request, len) != (ssize_t)len)
        give_up(c);
}

/* Takes what came up to the end of the head; returns how many bytes of it belong to the head. */
static size_t take_head(struct client *c, const char *bytes, size_t len)
{
    size_t before = c->head_bytes, room = sizeof c->head - 1 - before;
    size_t added = len < room ? len : room;

    memcpy(c->head + before, bytes, added);
    c->head_bytes += added;
    c->head[c->head_bytes] = '\0';
    const char *end = strstr(c->head, "\r\n\r\n");
    if (end == NULL)
        return len;
    const char *length = strcasestr(c->head, "content-length:");
    c->status = (int)strtol(c->head + 9, NULL, 10);
    c->body_left = length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0;
    return (size_t)(end + 4 - c->head) - before;
}

static void answered(struct client *c)
{
    if (c->status != 200)
        load.failed++;
    else
        load.commits++;
    if (c->status == 200 && load.sample_count < SAMPLES_MAX)
        load.samples_us[load.sample_count++] = (uint32_t)(now_us() - c->sent_us);
    send_next(c);
}

static void on_readable(struct client *c)
{
    ssize_t n = read(c->fd, load.reply, REPLY_BYTES);
    if (n <= 0) {
        give_up(c);
        return;
    }
    size_t len = (size_t)n, head = c->status == 0 ? take_head(c, load.reply, len) : 0;
    if (c->status == 0)
        return;
    len -= head;
    c->body_left -= len < c->body_left ? len : c->body_left;
    if (c->body_left == 0)
        answered(c);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(double seconds)
{
    const uint32_t *all = load.samples_us;
    size_t n = load.sample_count;

    qsort(load.samples_us, n, sizeof *all, compare);
    printf("commits=%ld failed=%ld seconds=%.3f p50_us=%u p99_us=%u max_us=%u\n", load.commits,
           load.failed, seconds, n ? all[n / 2] : 0, n ? all[n * 99 / 100] : 0, n ? all[n - 1] : 0);
}

static void run(struct client *clients)
{
    struct epoll_event events[EVENTS_MAX];
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    for (int i = 0; i < load.clients; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clients[i].fd, &event);
        send_next(&clients[i]);
    }
    int64_t start = now_us(), until = start + (int64_t)(load.seconds * 1e6);
    while (now_us() < until && load.open > 0) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, 100);
        for (int i = 0; i < count; i++)
            on_readable(events[i].data.ptr);
    }
    report((double)(now_us() - start) / 1e6);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: commit_load PORT CLIENTS SECONDS TABLES\n");
        return 2;
    }
    load.port = (int)strtol(argv[1], NULL, 10);
    load.clients = (int)strtol(argv[2], NULL, 10);
    load.seconds = strtod(argv[3], NULL);
    load.tables = (int)strtol(argv[4], NULL, 10);
    if (load.clients < 1 || load.tables < 1) {
        fprintf(stderr, "commit_load: a number is out of range\n");
        return 2;
    }
    struct client *clients = calloc((size_t)load.clients, sizeof *clients);
    load.samples_us = malloc(SAMPLES_MAX * sizeof *load.samples_us);
    memset(load.pad, 'x', sizeof load.pad - 1);
    for (int i = 0; i < load.clients; i++) {
        clients[i].index = i;
        clients[i].rng = (uint64_t)i * 7919 + (uint64_t)now_us();
        clients[i].fd = dial(load.port);
        load.open++;
    }
    run(clients);
    return 0;
}
