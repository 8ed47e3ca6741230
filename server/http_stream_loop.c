/* Streamed exchanges, the side of the loop. The thread's side: http_stream.c.
 *
 * 1. The connection is paused (suspended by the library) when nothing can go on without the thread:
 *    before it asked for the body, when the ring of the body is full, while the reply is not known,
 *    when the ring of the reply is empty. It is resumed on the loop's thread only. While it is
 *    paused no deadline of the client runs.
 * 2. When it is paused, the library holds no byte of the body that was not taken over: a ring keeps
 *    room for what the library may bring in one pass.
 * 3. While a body may come, the loop's own epoll tells when the client is gone: the library does
 * not look at a paused connection, and misses a close that comes together with the last bytes.
 * Until the library has let go, cutting means shutdown(), as in http_reaper.c.
 * 4. An exchange outlives its connection until its thread has ended; then it has no library and no
 *    connection any more (`closed`). */
#include "server/http_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"

#define PASS_BYTES_MAX ((size_t)32768) /* that the library brings in one pass: its pool */
#define DIRECT_BYTES_MAX 65536         /* of a reply that is written in the middle of a body */
#define WAKE_BYTES ((size_t)65536)     /* of a body, for which the thread is woken */
#define LEFT_US 3000000                /* for the client to read that reply and leave */

/* ---- pausing --------------------------------------------------------------------------------- */

static void pause_stream(struct exchange *x)
{
    assert(!x->stream->paused);
    x->stream->paused = true;
    x->loop->suspended_count++;
    http_set_phase(x, HTTP_WORKING, 0);
    MHD_suspend_connection(x->library);
}

static void resume_stream(struct exchange *x)
{
    struct http_stream *s = x->stream;
    assert(s->paused && x->loop->suspended_count > 0);
    s->paused = false;
    x->loop->suspended_count--;
    if (s->stage == HTTP_STAGE_BODY)
        http_set_phase(x, HTTP_BODY, x->loop->now_us);
    else if (x->queued)
        http_set_phase(x, HTTP_SENDING, x->loop->now_us);
    MHD_resume_connection(x->library);
}

/* ---- the client leaves ----------------------------------------------------------------------- */

/* With the lock held. */
static void mark_gone(struct http_stream *s, enum error_kind kind, const char *why)
{
    if (s->gone_kind != ERR_NONE)
        return;
    s->gone_kind = kind;
    s->gone_why = why;
    pthread_cond_signal(&s->changed);
}

void http_stream_cut(struct exchange *x, const char *why)
{
    struct http_stream *s = x->stream;
    pthread_mutex_lock(&s->lock);
    mark_gone(s, ERR_UNAVAILABLE, why);
    if (!s->closed) {
        x->connection->phase = HTTP_CUT;
        shutdown(x->connection->fd, SHUT_RDWR);
        if (s->paused)
            resume_stream(x);
    }
    pthread_mutex_unlock(&s->lock);
}

void http_stream_cut_all(struct http_loop *loop, const char *why)
{
    for (struct http_stream *s = loop->streams; s != NULL; s = s->next)
        http_stream_cut(s->exchange, why);
}

static void on_event(struct http_loop *loop, struct http_watch *watch, uint32_t events)
{
    struct http_stream *s = (struct http_stream *)watch;
    assert(!s->closed);
    if (events & (EPOLLERR | EPOLLHUP)) {
        http_stream_cut(s->exchange, "The client is gone");
    } else if (!s->half_closed) {
        s->half_closed = true;
        loop->half_closed_count++;
    }
}

/* What is not complete when the client has closed its half never will be. The library misses the
 * close when it comes together with the last bytes. */
void http_stream_look_for_gone(struct http_loop *loop)
{
    if (loop->half_closed_count == 0)
        return;
    for (struct http_stream *s = loop->streams; s != NULL; s = s->next) {
        if (!s->half_closed || s->closed || s->paused)
            continue;
        if ((s->stage == HTTP_STAGE_BODY || s->stage == HTTP_STAGE_LEFT) &&
            http_is_gone(s->exchange->connection->fd))
            http_stream_cut(s->exchange, "The client is gone");
    }
}

/* ---- the request ----------------------------------------------------------------------------- */

static void watch_stream(struct http_stream *s)
{
    struct exchange *x = s->exchange;
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = s};
    s->watch.on_event = on_event;
    if (epoll_ctl(x->loop->epoll_fd, EPOLL_CTL_ADD, x->connection->fd, &event) != 0)
        log_fatal("cannot watch a connection: errno %d", errno);
}

static void open_stream(struct exchange *x)
{
    struct http_loop *loop = x->loop;
    struct http_stream *s = calloc(1, sizeof(*s));
    if (s == NULL)
        log_fatal("out of memory: a stream");
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->exchange = x;
    x->stream = s;
    struct http_field *fields;
    http_exchange_headers(&x->pub,
                          &fields); /* what the thread may ask for outlives the connection */
    x->pub.client = arena_str(x->pub.arena, x->pub.client);
    s->next = loop->streams;
    if (s->next != NULL)
        s->next->prev = s;
    loop->streams = s;
    http_act_first(x, true);
    if (x->plan.chunked || x->plan.bytes > 0)
        watch_stream(s);
    else
        s->stage = HTTP_STAGE_FULL;
}

/* The body may come. With the lock held. */
static void begin_body(struct exchange *x)
{
    x->stream->stage = HTTP_STAGE_BODY;
    http_set_phase(x, HTTP_BODY, x->loop->now_us);
}

/* What a call shall do; queueing is done without the lock, since the library locks the response,
 * and asks for the next piece with that lock held. */
enum step { STEP_ON, STEP_CLOSE, STEP_QUEUE };

/* The library is at the head still: a reply that is queued now closes the connection, unless the
 * body is so small that it is better read and thrown away. With the lock held. */
static enum step at_head(struct exchange *x)
{
    struct http_stream *s = x->stream;
    bool is_small =
        !x->plan.chunked && !x->plan.expects_continue && x->plan.bytes <= HTTP_DRAIN_BYTES_MAX;
    if (s->ended && !s->replied)
        return STEP_CLOSE;
    if (s->replied && !is_small) {
        x->lingers = true;
        s->stage = HTTP_STAGE_FULL;
        return STEP_QUEUE;
    }
    if (s->wants_body || is_small)
        begin_body(x);
    else
        pause_stream(x);
    return STEP_ON;
}

/* The request is complete. With the lock held. */
static enum step at_end(struct exchange *x)
{
    struct http_stream *s = x->stream;
    if (s->stage == HTTP_STAGE_LEFT)
        return STEP_CLOSE;
    if (s->stage == HTTP_STAGE_BODY) {
        s->stage = HTTP_STAGE_FULL;
        http_set_phase(x, HTTP_WORKING, 0);
        pthread_cond_signal(&s->changed);
    }
    if (s->replied)
        return STEP_QUEUE;
    if (s->ended)
        return STEP_CLOSE;
    pause_stream(x);
    return STEP_ON;
}

enum MHD_Result http_stream_empty_call(struct exchange *x)
{
    struct http_stream *s = x->stream;
    enum step step = STEP_CLOSE;
    pthread_mutex_lock(&s->lock);
    if (s->gone_kind == ERR_NONE)
        step = s->stage == HTTP_STAGE_HEAD ? at_head(x) : at_end(x);
    pthread_mutex_unlock(&s->lock);
    return step == STEP_QUEUE ? http_queue_reply(x) : step == STEP_ON ? MHD_YES : MHD_NO;
}

enum MHD_Result http_stream_first_call(struct exchange *x)
{
    const struct http_handlers *handlers = &x->loop->server->options.handlers;
    assert(handlers->stream != NULL);
    open_stream(x);
    http_set_phase(x, HTTP_WORKING, 0);
    handlers->stream(handlers->arg, &x->pub);
    return x->stream->stage == HTTP_STAGE_HEAD ? http_stream_empty_call(x) : MHD_YES;
}

/* The reply, or the end without one, is known before the body's end. */
static void answer_in_body(struct exchange *x)
{
    struct http_stream *s = x->stream;
    uint64_t rest = x->plan.chunked ? UINT64_MAX : x->plan.bytes - x->pub.body_bytes;
    if (!s->replied) {
        http_stream_cut(x, "The exchange ended without a reply");
        return;
    }
    bool directly = !s->begun && !x->sends_file && x->reply_body.len <= DIRECT_BYTES_MAX &&
                    rest > HTTP_DRAIN_BYTES_MAX;
    if (!directly) {
        s->drops_body = true;
        return;
    }
    http_write_directly(x);
    s->stage = HTTP_STAGE_LEFT;
    x->connection->patience.left_us = LEFT_US;
    shutdown(x->connection->fd, SHUT_WR);
}

static bool has_answer_in_body(const struct http_stream *s)
{
    return s->stage == HTTP_STAGE_BODY && !s->drops_body && (s->replied || s->ended);
}

/* Whether the ring may have no room for what the next pass brings. */
static bool is_full(const struct exchange *x)
{
    const struct http_ring *in = &x->stream->in;
    size_t room = in->capacity - in->count;
    if (!x->plan.chunked && x->plan.bytes - x->pub.body_bytes <= room)
        return false;
    return room < PASS_BYTES_MAX;
}

static void take_body(struct exchange *x, struct str piece)
{
    struct http_stream *s = x->stream;
    size_t capacity = HTTP_STREAM_BUFFER_BYTES;
    if (!x->plan.chunked && x->plan.bytes < capacity)
        capacity = (size_t)x->plan.bytes;
    size_t taken = http_ring_put(&s->in, piece, capacity, &s->lock);
    assert(taken == piece.len);
    (void)taken;
    if (s->in.count >= WAKE_BYTES)
        pthread_cond_signal(&s->changed); /* else at the end: not for every packet */
    if (!s->paused && is_full(x))
        pause_stream(x);
}

enum MHD_Result http_stream_body_call(struct exchange *x, const char *upload, size_t *upload_bytes)
{
    struct http_stream *s = x->stream;
    struct str piece = str_from(upload, *upload_bytes);
    enum MHD_Result result = MHD_YES;
    *upload_bytes = 0;
    x->pub.body_bytes += piece.len;
    pthread_mutex_lock(&s->lock);
    bool answered = has_answer_in_body(s);
    pthread_mutex_unlock(&s->lock);
    if (answered)
        answer_in_body(x);
    pthread_mutex_lock(&s->lock);
    if (s->gone_kind != ERR_NONE || s->stage == HTTP_STAGE_LEFT) {
        x->lingers = s->stage == HTTP_STAGE_LEFT;
        result = MHD_NO; /* closes */
    } else if (!s->drops_body) {
        take_body(x, piece);
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}

/* ---- the reply ------------------------------------------------------------------------------- */

ssize_t http_stream_next_piece(void *exchange, uint64_t pos, char *to, size_t size)
{
    struct exchange *x = exchange;
    struct http_stream *s = x->stream;
    ssize_t result = 0;
    pthread_mutex_lock(&s->lock);
    assert((int64_t)pos <= s->out.total);
    (void)pos;
    bool is_end = s->out.total == s->out_bytes && s->out.count <= size;
    if (s->gone_kind != ERR_NONE || (s->ended && !s->complete)) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (s->out.count > 0 && (s->ended || !is_end)) {
        result = (ssize_t)http_ring_take(&s->out, to, size, &s->lock);
        x->pub.reply_bytes += (size_t)result;
        if (s->out.count <= s->out.capacity / 2)
            pthread_cond_signal(&s->changed);
    } else if (s->ended) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        pause_stream(x);
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}

/* ---- signals and the end --------------------------------------------------------------------- */

static void unlink_stream(struct http_loop *loop, struct http_stream *s)
{
    if (s->next != NULL)
        s->next->prev = s->prev;
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        loop->streams = s->next;
}

void http_stream_on_signal(struct exchange *x)
{
    struct http_stream *s = x->stream;
    pthread_mutex_lock(&s->lock);
    assert(s->signalled);
    s->signalled = false;
    bool is_over = s->closed && s->ended;
    bool answered = !s->closed && has_answer_in_body(s);
    if (s->paused)
        resume_stream(x);
    pthread_mutex_unlock(&s->lock);
    if (answered)
        answer_in_body(x);
    if (!is_over)
        return;
    unlink_stream(x->loop, s);
    http_exchange_end(x, s->sent);
}

/* Whether the library has answered by itself: to a malformed chunk. */
static bool library_has_answered(const struct exchange *x)
{
    return !x->queued &&
           MHD_get_connection_info(x->library, MHD_CONNECTION_INFO_HTTP_STATUS) != NULL;
}

bool http_stream_on_closed(struct exchange *x, bool sent)
{
    struct http_loop *loop = x->loop;
    struct http_stream *s = x->stream;
    if (s->watch.on_event != NULL)
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, x->connection->fd, NULL);
    if (s->half_closed)
        loop->half_closed_count--;
    pthread_mutex_lock(&s->lock);
    assert(!s->paused && !s->closed);
    if (s->stage != HTTP_STAGE_FULL && library_has_answered(x))
        mark_gone(s, ERR_BAD_REQUEST, "Malformed request body: not the chunks it should have");
    else if (!sent)
        mark_gone(s, ERR_UNAVAILABLE, "The client is gone");
    s->closed = true;
    s->sent = sent;
    x->connection = NULL;
    x->library = NULL;
    bool is_over = s->ended && !s->signalled;
    pthread_mutex_unlock(&s->lock);
    if (is_over)
        unlink_stream(loop, s);
    return is_over;
}
