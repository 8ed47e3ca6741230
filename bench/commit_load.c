/* Closed-loop commit load: N clients, each with one keep-alive connection, each sending its next
 * commit when the last one was answered.
 *
 *   commit_load PORT CLIENTS SECONDS TABLES
 *
 * Commits set one property (so that documents keep their size) on bench.t0 … bench.t<TABLES-1>, in
 * a body of about 1.3 KB; TABLES=1 is the hot table. Prints one line: commits=N failed=N seconds=S
 * p50_us=… p99_us=… max_us=… */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX 2000000
#define REPLY_BYTES 65536

static struct {
    int port, clients, tables;
    double seconds;
    volatile bool stop;
} load;

struct client {
    pthread_t thread;
    int index, fd;
    uint64_t rng;
    long commits, failed;
    uint32_t *samples_us;
    size_t sample_count;
    char pad[1100];
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

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads one reply; returns its status, 0 when the connection broke. */
static int read_reply(int fd)
{
    char head[REPLY_BYTES + 1];
    size_t have = 0;
    char *end = NULL;

    while (end == NULL) {
        ssize_t n = read(fd, head + have, REPLY_BYTES - have);
        if (n <= 0) {
            return 0;
        }
        have += (size_t)n;
        head[have] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    int status = (int)strtol(head + 9, NULL, 10);
    const char *length = strcasestr(head, "content-length:");
    size_t body = length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0;
    size_t got = have - (size_t)(end + 4 - head);
    while (got < body) {
        ssize_t n = read(fd, head, REPLY_BYTES);
        if (n <= 0) {
            return 0;
        }
        got += (size_t)n;
    }
    return status;
}

static size_t write_request(struct client *c, char *out, size_t room)
{
    char body[2048];

    c->rng = c->rng * 6364136223846793005ull + 1442695040888963407ull;
    int table = (int)((c->rng >> 33) % (uint64_t)load.tables);
    int len = snprintf(body, sizeof body,
                       "{\"requirements\":[],\"updates\":[{\"action\":\"set-properties\","
                       "\"updates\":{\"writer\":\"%d-%016llx\",\"pad\":\"%s\"}}]}",
                       c->index, (unsigned long long)c->rng, c->pad);
    return (size_t)snprintf(out, room,
                            "POST /v1/namespaces/bench/tables/t%d HTTP/1.1\r\n"
                            "Host: localhost\r\nContent-Type: application/json\r\n"
                            "Content-Length: %d\r\n\r\n%s",
                            table, len, body);
}

static void *client_main(void *arg)
{
    struct client *c = arg;
    char request[4096];

    while (!load.stop) {
        size_t len = write_request(c, request, sizeof request);
        int64_t start = now_us();
        int status = send_all(c->fd, request, len) ? read_reply(c->fd) : 0;
        if (status != 200) {
            c->failed++;
            if (status == 0) {
                break;
            }
            continue;
        }
        c->commits++;
        if (c->sample_count < (size_t)(SAMPLES_MAX / load.clients)) {
            c->samples_us[c->sample_count++] = (uint32_t)(now_us() - start);
        }
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(struct client *clients, double seconds)
{
    uint32_t *all = malloc(SAMPLES_MAX * sizeof *all);
    size_t n = 0;
    long commits = 0, failed = 0;

    for (int i = 0; i < load.clients; i++) {
        memcpy(all + n, clients[i].samples_us, clients[i].sample_count * sizeof *all);
        n += clients[i].sample_count;
        commits += clients[i].commits;
        failed += clients[i].failed;
    }
    qsort(all, n, sizeof *all, compare);
    printf("commits=%ld failed=%ld seconds=%.3f p50_us=%u p99_us=%u max_us=%u\n", commits, failed,
           seconds, n ? all[n / 2] : 0, n ? all[n * 99 / 100] : 0, n ? all[n - 1] : 0);
    free(all);
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
    struct client *clients = calloc((size_t)load.clients, sizeof *clients);
    for (int i = 0; i < load.clients; i++) {
        struct client *c = &clients[i];
        c->index = i;
        c->rng = (uint64_t)i * 7919 + 12345;
        c->samples_us = malloc((size_t)(SAMPLES_MAX / load.clients) * sizeof *c->samples_us);
        c->fd = dial(load.port);
        memset(c->pad, 'x', sizeof c->pad - 1);
    }
    int64_t start = now_us();
    for (int i = 0; i < load.clients; i++) {
        pthread_create(&clients[i].thread, NULL, client_main, &clients[i]);
    }
    usleep((useconds_t)(load.seconds * 1e6));
    load.stop = true;
    for (int i = 0; i < load.clients; i++) {
        pthread_join(clients[i].thread, NULL);
    }
    report(clients, (double)(now_us() - start) / 1e6);
    return 0;
}
