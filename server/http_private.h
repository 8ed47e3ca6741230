/* What the files http_*.c share with each other and nobody else.
 *
 * Everything of a loop belongs to its thread, except what is _Atomic. */
#ifndef SERVER_HTTP_PRIVATE_H
#define SERVER_HTTP_PRIVATE_H

#include "base/buf.h"
#include "server/http_precheck.h"
#include "server/http_server.h"
#include "server/http_stream.h"
#include <microhttpd.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct http_loop;

#define HTTP_DRAIN_BYTES_MAX 65536 /* bodies that are read to keep a connection */

/* Why a connection is open: decides which deadline holds. */
enum http_phase {
    HTTP_WAITING, /* for the first byte of a request */
    HTTP_HEAD,
    HTTP_BODY,
    HTTP_WORKING, /* the handlers have it: no deadline of ours */
    HTTP_SENDING,
    HTTP_CUT, /* shut down; the library has not noticed yet */
};

/* What a client may still be slow, when a body is not held in memory. Waiting for the client uses
 * it up, each byte that it sends or takes adds 1 / body_rate_min, and it never grows beyond the
 * deadline: so whoever is slower than the rate is cut in the end, and whoever stops soon. */
struct http_patience {
    int64_t left_us;
    int64_t waited_us;       /* for the client, in phases that ended since the reaper looked */
    int64_t received, taken; /* bytes, by TCP, when it looked; -1: it did not yet */
};

struct http_connection {
    struct http_connection *prev, *next; /* of the loop */
    int fd;
    enum http_phase phase;
    int64_t since_us;       /* begin of the phase; 0: the reaper notes it when it comes by */
    int64_t bytes_received; /* by TCP when the phase began; -1: the reaper notes it */
    struct http_patience patience;
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
    bool sends_file;    /* the reply is a part of a file */
    bool acts_first;    /* see http_act_first */
    struct http_stream *stream; /* not NULL: http_stream.h */
    struct http_field *fields;  /* copied, when http_exchange_headers was called */
    size_t field_count;
    struct http_body_plan plan;
    struct buf body;
    struct exchange *next; /* completed list, free list */
};

/* Who is told of events of a descriptor in the loop's own epoll. */
struct http_watch {
    void (*on_event)(struct http_loop *loop, struct http_watch *watch, uint32_t events);
};

struct http_linger {
    struct http_watch watch; /* first: the two are converted into each other */
    struct http_linger *next;
    int fd;
    int64_t until_us;
};

/* A streamed exchange. The loop's part comes first; the rest is under the lock. */
enum http_stage {
    HTTP_STAGE_HEAD, /* nobody asked for the body yet */
    HTTP_STAGE_BODY, /* it is on its way */
    HTTP_STAGE_LEFT, /* the reply was written in the middle of it: the rest is not read */
    HTTP_STAGE_FULL, /* all of it was received, or there is none: the reply is next, or on its way
                      */
};

struct http_ring {
    char *bytes; /* NULL until the first byte comes */
    size_t capacity, first, count;
    int64_t total; /* that were ever put */
};

struct http_stream {
    struct http_watch watch; /* first: the two are converted into each other */
    struct exchange *exchange;
    struct http_stream *prev, *next; /* of the loop, until it is freed */
    bool half_closed;                /* the client sends no more */
    bool sent;                       /* the whole reply was handed to the kernel; when closed */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* the thread waits for it */
    enum http_stage stage;
    bool paused;     /* the library has suspended the connection; the loop changes it */
    bool closed;     /* the library is done with it: no connection any more */
    bool signalled;  /* on the loop's list of completions */
    bool wants_body; /* the thread has asked for it */
    bool drops_body; /* the reply is known: what comes of the body is thrown away */
    bool replied;    /* exchange->response may be queued */
    bool begun;      /* the reply takes its body from `out` */
    bool held;       /* and is not given to the library before it is complete */
    bool drops_out;  /* HEAD, 204, 304 */
    bool ended;      /* the thread has left */
    bool complete;
    enum error_kind gone_kind; /* not ERR_NONE: the client is gone, for this reason */
    const char *gone_why;
    int64_t out_bytes; /* promised, or -1 */
    struct http_ring in, out;
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
    struct http_stream *streams;
    size_t half_closed_count; /* of them */
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

/* http_exchange.c */
void http_set_phase(struct exchange *x, enum http_phase phase, int64_t since_us);
/* When the connection is resumed, the library shall look at what we want before it reads: it takes
 * a client that closed its sending half for a dead one. Loop thread. */
void http_act_first(struct exchange *x, bool on);
bool http_is_draining(const struct exchange *x);
bool http_has_no_body(const struct exchange *x); /* whatever the reply holds */
void http_add_headers(struct MHD_Response *response, const struct http_reply *reply, bool close);
void http_set_reply(struct exchange *x, const struct http_reply *reply, bool close);
enum MHD_Result http_queue_reply(struct exchange *x);
/* Writes the reply past the library, in one try, where the library can no longer take it: in the
 * middle of a body, and for a client that closed its half while the request was suspended (the
 * library takes that for a dead connection). The library has written nothing for this request. */
void http_write_directly(struct exchange *x);
void http_exchange_end(struct exchange *x, bool sent); /* the last of it: finished(), freed */

/* http_exchange.c: the library's callbacks, and their counterpart at the end of a loop */
void *http_on_target(void *loop, const char *target, struct MHD_Connection *library);
enum MHD_Result http_on_call(void *loop, struct MHD_Connection *library, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_bytes, void **exchange);
void http_on_completed(void *loop, struct MHD_Connection *library, void **exchange,
                       enum MHD_RequestTerminationCode code);
void http_exchange_free_all(struct http_loop *loop);

/* http_stream.c */
void http_stream_reply(struct exchange *x, const struct http_reply *reply); /* any thread */
void http_stream_free(struct http_stream *stream);
size_t http_ring_put(struct http_ring *ring, struct str data, size_t capacity,
                     pthread_mutex_t *lock);
size_t http_ring_take(struct http_ring *ring, void *to, size_t size, pthread_mutex_t *lock);

/* http_stream_loop.c: the loop's side. The calls stand for those of http_on_call. */
enum MHD_Result http_stream_first_call(struct exchange *x); /* head() asked for streaming */
enum MHD_Result http_stream_body_call(struct exchange *x, const char *upload, size_t *upload_bytes);
enum MHD_Result http_stream_empty_call(struct exchange *x);
ssize_t http_stream_next_piece(void *exchange, uint64_t pos, char *to, size_t size);
void http_stream_on_signal(struct exchange *x);
/* The library lets go of the connection. True: the exchange is over. */
bool http_stream_on_closed(struct exchange *x, bool sent);
void http_stream_cut(struct exchange *x, const char *why);
void http_stream_cut_all(struct http_loop *loop, const char *why);
void http_stream_look_for_gone(struct http_loop *loop);

/* http_reaper.c */
bool http_is_gone(int fd); /* closed by the peer, and all that it sent is read */
void http_patience_begin(struct http_loop *loop, struct http_connection *c);
void http_on_connection(void *loop, struct MHD_Connection *library, void **connection,
                        enum MHD_ConnectionNotificationCode code);
void http_reap(struct http_loop *loop); /* when reap_at_us has come; sets the next */
void http_linger_begin(struct http_loop *loop, int fd);
void http_linger_end_all(struct http_loop *loop);

#endif
