/* What the files http_*.c share with each other and nobody else.
 *
 * Everything of a loop belongs to its thread, except what is _Atomic. */
#ifndef SERVER_HTTP_PRIVATE_H
#define SERVER_HTTP_PRIVATE_H

#include "base/buf.h"
#include "server/http_precheck.h"
#include "server/http_server.h"
#include <microhttpd.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct http_loop;

/* Why a connection is open: decides which deadline holds. */
enum http_phase {
    HTTP_WAITING, /* for the first byte of a request */
    HTTP_HEAD,
    HTTP_BODY,
    HTTP_WORKING, /* the handlers have it: no deadline of ours */
    HTTP_SENDING,
    HTTP_CUT, /* shut down; the library has not noticed yet */
};

struct http_connection {
    struct http_connection *prev, *next; /* of the loop */
    int fd;
    enum http_phase phase;
    int64_t since_us;       /* begin of the phase; 0: the reaper notes it when it comes by */
    int64_t bytes_received; /* by TCP when the phase began; -1: the reaper notes it */
    struct exchange *exchange;
    char client[64];
};

/* Who may touch the reply: HEAD, RUNNING → REPLIED by the loop or a worker; RUNNING → SUSPENDED by
 * the loop; SUSPENDED → REPLIED by a worker, which then owes the loop a completion. */
enum exchange_state { EXCHANGE_HEAD, EXCHANGE_RUNNING, EXCHANGE_SUSPENDED, EXCHANGE_REPLIED };

struct exchange {
    struct http_exchange pub; /* first: the two are converted into each other */
    struct http_loop *loop;
    struct MHD_Connection *library;
    struct http_connection *connection;
    _Atomic int state;
    struct MHD_Response *response; /* ours until queued */
    struct str reply_body;
    bool opened;        /* counted: finished() is owed */
    bool head_seen;     /* the first handler call was made */
    bool discards_body; /* the reply is known already, the body is read to keep the connection */
    bool queued;        /* the library has the reply */
    bool sent_directly; /* written past the library, see write_directly */
    bool lingers;       /* the client may still be sending when we close */
    struct http_body_plan plan;
    struct buf body;
    size_t body_received;
    struct exchange *next; /* completed list, free list */
};

struct http_linger {
    struct http_linger *next;
    int fd;
    int64_t until_us;
};

struct http_loop {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    int listen_fd, epoll_fd, event_fd;
    _Atomic(struct exchange *) completed; /* newest first; workers push, the loop takes all */
    _Atomic int completing; /* workers inside http_loop_complete: the loop must outlive them */
    _Atomic bool stop_listening, stop;
    sem_t listening_stopped;
    struct http_connection *connections;
    bool run_again; /* a connection was closed, see http_reaper.c */
    struct exchange *free_exchanges;
    size_t free_count, open_count, suspended_count;
    struct http_linger *lingers;
    size_t linger_count;
    int64_t now_us, reap_at_us;
    char log_lines[8192]; /* of one pass over the connections */
};

struct http_server {
    struct http_server_options options;
    struct http_loop *loops;
    size_t loop_count;
    uint16_t port;
    bool exact_heads; /* the library is known to leave heads as they were received */
    _Atomic bool draining;
    _Atomic size_t open_count;
};

/* http_server.c */
void http_loop_complete(struct exchange *x); /* any thread: the loop shall resume it */

/* http_exchange.c: the library's callbacks, and their counterpart at the end of a loop */
void *http_on_target(void *loop, const char *target, struct MHD_Connection *library);
enum MHD_Result http_on_call(void *loop, struct MHD_Connection *library, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_bytes, void **exchange);
void http_on_completed(void *loop, struct MHD_Connection *library, void **exchange,
                       enum MHD_RequestTerminationCode code);
void http_exchange_free_all(struct http_loop *loop);

/* http_reaper.c */
void http_on_connection(void *loop, struct MHD_Connection *library, void **connection,
                        enum MHD_ConnectionNotificationCode code);
void http_reap(struct http_loop *loop); /* when reap_at_us has come; sets the next */
void http_linger_begin(struct http_loop *loop, int fd);
void http_linger_read(struct http_loop *loop, struct http_linger *linger);
void http_linger_end_all(struct http_loop *loop);

#endif
