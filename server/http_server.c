/* Listeners, loops, start and stop.
 *
 * 1. One daemon per loop, without a thread of the library: its own epoll loop stalls when 128·k
 *    connections are ready at once, MHD_run in ours does not.
 * 2. Connections are resumed on the loop's thread only: the library's time-out ignores a resume
 *    from elsewhere, and would sleep over it.
 * 3. One SO_REUSEPORT listener per loop: loops that share one share its connections badly.
 * 4. A worker wakes a loop only when it found the list of completions empty.
 * 5. A loop ends only when nothing of it is suspended, no streamed exchange has a thread, and no
 *    worker is about to wake it. */
#include "server/http_private.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define POOL_BYTES                                                                 \
    ((size_t)32768) /* zeroed per request, resident per connection: never raise it \
                     */
#define LISTEN_BACKLOG 4096
#define EVENTS_MAX 64
#define STOP_GRACE_US 1000000 /* for replies on their way out */
#define STOP_POLL_MS 10
#define SPARE_FILES 256 /* descriptors besides connections */

/* ---- one loop -------------------------------------------------------------------------------- */

void http_loop_complete(struct exchange *x)
{
    struct http_loop *loop = x->loop;
    atomic_fetch_add(&loop->completing, 1);
    struct exchange *head = atomic_load_explicit(&loop->completed, memory_order_relaxed);
    do {
        x->next = head;
    } while (!atomic_compare_exchange_weak(&loop->completed, &head, x));
    if (head == NULL && eventfd_write(loop->event_fd, 1) != 0)
        log_fatal("cannot wake an event loop: errno %d", errno);
    atomic_fetch_sub(&loop->completing, 1);
}

static void resume_completed(struct http_loop *loop)
{
    struct exchange *x = atomic_exchange(&loop->completed, NULL), *oldest_first = NULL, *next;
    while (x != NULL) {
        next = x->next;
        x->next = oldest_first;
        oldest_first = x;
        x = next;
    }
    for (x = oldest_first; x != NULL; x = next) {
        next = x->next; /* a streamed exchange may be freed here, or come onto the list again */
        if (x->stream != NULL) {
            http_stream_on_signal(x);
            continue;
        }
        assert(loop->suspended_count > 0);
        loop->suspended_count--;
        http_act_first(x, x->sends_file);
        MHD_resume_connection(x->library);
    }
}

static int wait_ms(struct http_loop *loop)
{
    MHD_UNSIGNED_LONG_LONG library_ms;
    if (atomic_load(&loop->completed) != NULL || loop->run_again)
        return 0;
    int64_t ms = MHD_get_timeout(loop->daemon, &library_ms) == MHD_YES ? (int64_t)library_ms : -1;
    if (ms == 0)
        return 0;
    if (loop->connections != NULL || loop->lingers != NULL) {
        int64_t reap_ms = (loop->reap_at_us - loop->now_us) / 1000 + 1;
        ms = ms < 0 || reap_ms < ms ? reap_ms : ms;
    }
    if (atomic_load(&loop->stop) && (ms < 0 || ms > STOP_POLL_MS))
        ms = STOP_POLL_MS;
    return ms < 0 ? -1 : (int)ms;
}

static void wait_for_events(struct http_loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, timeout_ms);
    loop->now_us = clock_monotonic_us(&clock_system);
    for (int i = 0; i < count; i++)
        if (events[i].data.ptr != NULL) { /* NULL: the library or a wake-up, looked at anyway */
            struct http_watch *watch = events[i].data.ptr;
            watch->on_event(loop, watch, events[i].events);
        }
}

/* Accepts what the kernel has queued, then closes the listener. */
static void stop_listening(struct http_loop *loop)
{
    struct pollfd pending = {.fd = loop->listen_fd, .events = POLLIN};
    for (int i = 0; i < LISTEN_BACKLOG && poll(&pending, 1, 0) == 1; i++)
        MHD_run(loop->daemon);
    MHD_quiesce_daemon(loop->daemon);
    close(loop->listen_fd);
    loop->listen_fd = -1;
    sem_post(&loop->listening_stopped);
}

static void *run_loop(void *arg)
{
    struct http_loop *loop = arg;
    int64_t stop_at_us = 0;
    for (;;) {
        int timeout_ms = wait_ms(loop);
        if (timeout_ms != 0)
            wait_for_events(loop, timeout_ms);
        else
            loop->now_us = clock_monotonic_us(&clock_system);
        resume_completed(loop);
        loop->run_again = false;
        log_hold(loop->log_lines, sizeof(loop->log_lines));
        MHD_run(loop->daemon);
        log_release();
        http_stream_look_for_gone(loop);
        http_reap(loop);
        if (loop->listen_fd >= 0 && atomic_load(&loop->stop_listening))
            stop_listening(loop);
        if (!atomic_load(&loop->stop))
            continue;
        if (stop_at_us == 0)
            stop_at_us = loop->now_us + STOP_GRACE_US;
        if (loop->now_us > stop_at_us)
            http_stream_cut_all(loop, "The server is stopping");
        if (loop->open_count == 0 ||
            (loop->suspended_count == 0 && loop->streams == NULL && loop->now_us > stop_at_us))
            break;
    }
    assert(loop->listen_fd < 0 && loop->suspended_count == 0);
    while (atomic_load(&loop->completing) > 0)
        sched_yield();
    MHD_stop_daemon(loop->daemon);
    loop->daemon = NULL;
    http_linger_end_all(loop);
    http_exchange_free_all(loop);
    return NULL;
}

/* ---- listeners ------------------------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int parse_address(const char *text, uint16_t port, union address *out, socklen_t *len,
                         struct error *err)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        *len = sizeof(out->v4);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        *len = sizeof(out->v6);
        return 0;
    }
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "Not an IP address: %s", text);
}

/* A bound socket, not listening yet, or -1. */
static int bind_socket(const union address *address, socklen_t len, bool shared)
{
    int on = 1, off = 0;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* connections inherit it */
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, &address->any, len) == 0)
        return fd;
    int bind_errno = errno;
    close(fd);
    errno = bind_errno;
    return -1;
}

static uint16_t bound_port(int fd)
{
    union address address;
    socklen_t len = sizeof(address);
    if (getsockname(fd, &address.any, &len) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* A second server of the same user could bind a shared port without an error and take a part of the
 * connections. So the port is tried alone first. */
static int open_listeners(struct http_server *server, struct error *err)
{
    const struct http_server_options *options = &server->options;
    union address address;
    socklen_t len = 0;
    if (parse_address(options->address, options->port, &address, &len, err) != 0)
        return -1;
    bool shared = server->loop_count > 1;
    if (shared && options->port != 0) {
        int fd = bind_socket(&address, len, false);
        if (fd < 0 || listen(fd, 1) != 0)
            goto failed;
        close(fd);
    }
    for (size_t i = 0; i < server->loop_count; i++) {
        struct http_loop *loop = &server->loops[i];
        loop->listen_fd = bind_socket(&address, len, shared);
        if (loop->listen_fd < 0 || listen(loop->listen_fd, LISTEN_BACKLOG) != 0)
            goto failed;
        server->port = bound_port(loop->listen_fd);
        if (address.any.sa_family == AF_INET6)
            address.v6.sin6_port = htons(server->port);
        else
            address.v4.sin_port = htons(server->port);
    }
    return 0;
failed:
    return error_set(err, ERR_UNAVAILABLE, "Cannot listen on %s port %u: %s", options->address,
                     (unsigned int)options->port, strerror(errno));
}

/* ---- start and stop -------------------------------------------------------------------------- */

/* Leaves %XX alone: targets are decoded per segment by who routes them. */
static size_t leave_escaped(void *arg, struct MHD_Connection *library, char *text)
{
    (void)arg;
    (void)library;
    return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void log_library(void *arg, const char *format,
                                                              va_list args)
{
    (void)arg;
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    char text[512];
    vsnprintf(text, sizeof(text), format, args);
    log_debug("http: %s", text);
}

static void panic(void *arg, const char *file, unsigned int line, const char *reason)
{
    (void)arg;
    log_fatal("libmicrohttpd: %s (%s:%u)", reason == NULL ? "" : reason, file, line);
}

static struct MHD_Daemon *start_daemon(struct http_loop *loop)
{
    const struct http_server *server = loop->server;
    size_t connections = server->options.connections_max / server->loop_count;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, http_on_call,
        loop, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL, MHD_OPTION_LISTEN_SOCKET,
        loop->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)(connections == 0 ? 1 : connections), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        POOL_BYTES, MHD_OPTION_URI_LOG_CALLBACK, http_on_target, loop, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, loop,
        MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, loop, MHD_OPTION_SIGPIPE_HANDLED_BY_APP,
        1, MHD_OPTION_END);
}

static int prepare_loop(struct http_loop *loop, struct error *err)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->daemon = start_daemon(loop);
    loop->now_us = clock_monotonic_us(&clock_system);
    if (loop->epoll_fd < 0 || loop->event_fd < 0 || loop->daemon == NULL)
        return error_set(err, ERR_UNAVAILABLE, "Cannot start an event loop: %s", strerror(errno));
    int library_fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct epoll_event library = {.events = EPOLLIN, .data.ptr = NULL};
    /* Edge-triggered: every write wakes, and nobody has to read the counter. */
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, library_fd, &library) != 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->event_fd, &wake) != 0)
        return error_set(err, ERR_UNAVAILABLE, "Cannot start an event loop: %s", strerror(errno));
    return 0;
}

static void free_server(struct http_server *server)
{
    for (size_t i = 0; i < server->loop_count; i++) {
        struct http_loop *loop = &server->loops[i];
        if (loop->daemon != NULL) { /* never ran */
            MHD_quiesce_daemon(loop->daemon);
            MHD_stop_daemon(loop->daemon);
        }
        if (loop->listen_fd >= 0)
            close(loop->listen_fd);
        if (loop->epoll_fd >= 0)
            close(loop->epoll_fd);
        if (loop->event_fd >= 0)
            close(loop->event_fd);
        sem_destroy(&loop->listening_stopped);
    }
    free(server->loops);
    free(server);
}

static void raise_file_limit(size_t connections)
{
    struct rlimit limit;
    rlim_t wanted = connections + SPARE_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_warn("open files are limited to %llu: fewer than %zu connections will fit",
                 (unsigned long long)limit.rlim_cur, connections);
}

/* Threads of loops take no signals: those go to the thread that waits for them. */
static void start_threads(struct http_server *server)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < server->loop_count; i++)
        if (pthread_create(&server->loops[i].thread, NULL, run_loop, &server->loops[i]) != 0)
            log_fatal("cannot start the thread of an event loop");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int http_server_start(const struct http_server_options *options, struct http_server **out,
                      struct error *err)
{
    assert(options->loops > 0 && options->connections_max > 0 && options->body_rate_min > 0);
    assert(options->handlers.head != NULL && options->handlers.request != NULL);
    assert(options->handlers.finished != NULL && options->handlers.refuse != NULL);
    struct http_server *server = calloc(1, sizeof(*server));
    struct http_loop *loops = calloc(options->loops, sizeof(*loops));
    if (server == NULL || loops == NULL)
        log_fatal("out of memory: the HTTP server");
    server->options = *options;
    server->loops = loops;
    server->loop_count = options->loops;
    server->exact_heads = strncmp(MHD_get_version(), "0.9.", 4) == 0;
    for (size_t i = 0; i < server->loop_count; i++) {
        loops[i].server = server;
        loops[i].listen_fd = loops[i].epoll_fd = loops[i].event_fd = -1;
        sem_init(&loops[i].listening_stopped, 0, 0);
    }
    signal(SIGPIPE, SIG_IGN);
    MHD_set_panic_func(panic, NULL);
    raise_file_limit(options->connections_max);
    int result = open_listeners(server, err);
    for (size_t i = 0; result == 0 && i < server->loop_count; i++)
        result = prepare_loop(&loops[i], err);
    if (result != 0) {
        free_server(server);
        return -1;
    }
    start_threads(server);
    *out = server;
    return 0;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

size_t http_server_active(const struct http_server *server)
{
    return atomic_load(&server->open_count);
}

void http_server_drain(struct http_server *server)
{
    atomic_store(&server->draining, true);
}

static void wake(struct http_loop *loop)
{
    if (eventfd_write(loop->event_fd, 1) != 0)
        log_fatal("cannot wake an event loop: errno %d", errno);
}

void http_server_stop_listening(struct http_server *server)
{
    for (size_t i = 0; i < server->loop_count; i++) {
        struct http_loop *loop = &server->loops[i];
        if (atomic_exchange(&loop->stop_listening, true))
            continue;
        wake(loop);
        while (sem_wait(&loop->listening_stopped) != 0)
            assert(errno == EINTR);
    }
}

void http_server_stop(struct http_server *server)
{
    http_server_drain(server);
    http_server_stop_listening(server);
    for (size_t i = 0; i < server->loop_count; i++) {
        atomic_store(&server->loops[i].stop, true);
        wake(&server->loops[i]);
    }
    for (size_t i = 0; i < server->loop_count; i++)
        pthread_join(server->loops[i].thread, NULL);
    free_server(server);
}
