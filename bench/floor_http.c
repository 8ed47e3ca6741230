/* The floor of the HTTP benchmarks: the least libmicrohttpd program that answers N bytes.
 *
 * Its loops are built as the server's (external epoll loop, one daemon and SO_REUSEPORT listener
 * per loop, pool of 32 KiB), but there is no check, no exchange and no routing, and one response
 * object is made once and sent for ever. Usage: floor_http PORT BYTES [LOOPS [HEADERS]] */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define POOL_BYTES ((size_t)32768)
#define CONNECTIONS_MAX 10000

static struct MHD_Response *response;
static int port;

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **seen)
{
    (void)arg, (void)url, (void)method, (void)version, (void)upload;
    if (*seen == NULL) { /* a reply in the first call would close the connection */
        *seen = response;
        return MHD_YES;
    }
    if (*upload_bytes > 0) {
        *upload_bytes = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, 200, response);
}

static int listen_shared(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 4096) != 0) {
        perror("listen");
        exit(1);
    }
    return fd;
}

static void *run_loop(void *arg)
{
    (void)arg;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, answer, NULL,
                         MHD_OPTION_LISTEN_SOCKET, listen_shared(), MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned int)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         POOL_BYTES, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (daemon == NULL) {
        perror("MHD_start_daemon");
        exit(1);
    }
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD,
              MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, &event);
    for (;;) {
        MHD_UNSIGNED_LONG_LONG timeout_ms;
        if (MHD_get_timeout(daemon, &timeout_ms) != MHD_YES)
            epoll_wait(epoll_fd, &event, 1, -1);
        MHD_run(daemon);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s PORT BYTES [LOOPS [HEADERS]]\n", argv[0]);
        return 2;
    }
    port = (int)strtol(argv[1], NULL, 10);
    size_t bytes = strtoul(argv[2], NULL, 10);
    int loops = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1;
    int headers = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 1;
    struct rlimit files = {CONNECTIONS_MAX + 100, CONNECTIONS_MAX + 100};
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    char *body = malloc(bytes + 1);
    memset(body, 'x', bytes);
    response = MHD_create_response_from_buffer(bytes, body, MHD_RESPMEM_PERSISTENT);
    for (int i = 0; i < headers; i++) {
        char name[32];
        snprintf(name, sizeof(name), i == 0 ? "Content-Type" : "X-Header-%d", i);
        MHD_add_response_header(response, name, "application/json");
    }
    pthread_t thread;
    for (int i = 1; i < loops; i++)
        pthread_create(&thread, NULL, run_loop, NULL);
    run_loop(NULL);
    return 0;
}
