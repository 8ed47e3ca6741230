/* Streamed exchanges, the side of their thread. The loop's side: http_stream_loop.c.
 *
 * 1. What the two sides share is under the stream's lock, but for the bytes of the rings: the free
 *    ones belong to who puts, the used ones to who takes, and are copied without it.
 * 2. An exchange is on its loop's list of completions at most once (`signalled`), and never again
 *    after the loop has freed it: the loop frees what is closed, ended and not on the list.
 * 3. The thread makes responses, but never calls the library about a connection. */
#include "server/http_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"

#define BLOCK_BYTES ((size_t)65536) /* of the library, per reply: what it sends at once */
#define OUT_BYTES (HTTP_STREAM_BUFFER_BYTES - BLOCK_BYTES)
#define HELD_BYTES_MAX BLOCK_BYTES /* of replies that leave at once, when they are complete */
#define BUFFERS_KEPT_MAX 8

/* ---- buffers --------------------------------------------------------------------------------- */

/* A few are kept, of all servers of the process: pages that are touched already. */
static struct {
    pthread_mutex_t lock;
    void *kept[BUFFERS_KEPT_MAX];
    size_t count;
} buffers = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char *buffer_new(void)
{
    void *buffer = NULL;
    pthread_mutex_lock(&buffers.lock);
    if (buffers.count > 0)
        buffer = buffers.kept[--buffers.count];
    pthread_mutex_unlock(&buffers.lock);
    if (buffer == NULL)
        buffer = mmap(NULL, HTTP_STREAM_BUFFER_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        log_fatal("out of memory: a buffer of a stream");
    return buffer;
}

static void buffer_free(char *buffer)
{
    if (buffer == NULL)
        return;
    pthread_mutex_lock(&buffers.lock);
    bool kept = buffers.count < BUFFERS_KEPT_MAX;
    if (kept)
        buffers.kept[buffers.count++] = buffer;
    pthread_mutex_unlock(&buffers.lock);
    if (!kept)
        munmap(buffer, HTTP_STREAM_BUFFER_BYTES);
}

static void ring_open(struct http_ring *ring, size_t capacity)
{
    assert(capacity > 0 && capacity <= HTTP_STREAM_BUFFER_BYTES);
    ring->bytes = buffer_new();
    ring->capacity = capacity;
}

/* ---- rings ----------------------------------------------------------------------------------- */

/* Both are called with the lock held, and hold it again when they return. */

size_t http_ring_put(struct http_ring *ring, struct str data, size_t capacity,
                     pthread_mutex_t *lock)
{
    size_t done = 0;
    if (ring->bytes == NULL && data.len > 0)
        ring_open(ring, capacity);
    while (done < data.len && ring->count < ring->capacity) {
        size_t at = (ring->first + ring->count) % ring->capacity;
        size_t n = ring->capacity - (at >= ring->first ? at : ring->count);
        if (n > data.len - done)
            n = data.len - done;
        pthread_mutex_unlock(lock);
        memcpy(ring->bytes + at, data.ptr + done, n);
        pthread_mutex_lock(lock);
        ring->count += n;
        ring->total += (int64_t)n;
        done += n;
    }
    assert(ring->count <= ring->capacity);
    return done;
}

size_t http_ring_take(struct http_ring *ring, void *to, size_t size, pthread_mutex_t *lock)
{
    size_t done = 0;
    while (done < size && ring->count > 0) {
        size_t n = ring->capacity - ring->first;
        if (n > ring->count)
            n = ring->count;
        if (n > size - done)
            n = size - done;
        size_t first = ring->first;
        pthread_mutex_unlock(lock);
        memcpy((char *)to + done, ring->bytes + first, n);
        pthread_mutex_lock(lock);
        ring->first = (first + n) % ring->capacity;
        ring->count -= n;
        done += n;
    }
    return done;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static struct exchange *exchange_of(struct http_exchange *pub)
{
    struct exchange *x = (struct exchange *)pub;
    assert(x->stream != NULL);
    return x;
}

/* Unlocks, and lets the loop look at the exchange if that is of use. After `ended` the exchange
 * must not be touched. */
static void unlock_and_signal(struct exchange *x, bool of_use)
{
    struct http_stream *s = x->stream;
    bool push = of_use && !s->signalled;
    if (push)
        s->signalled = true;
    pthread_mutex_unlock(&s->lock);
    if (push)
        http_loop_complete(x);
}

static int unlock_gone(struct http_stream *s, struct error *err)
{
    enum error_kind kind = s->gone_kind;
    const char *why = s->gone_why;
    pthread_mutex_unlock(&s->lock);
    return error_set(err, kind, "%s", why);
}

int64_t http_stream_body_bytes(struct http_exchange *pub)
{
    const struct exchange *x = exchange_of(pub);
    return x->plan.chunked ? -1 : (int64_t)x->plan.bytes;
}

int http_stream_read(struct http_exchange *pub, void *to, size_t size, size_t *got,
                     struct error *err)
{
    struct exchange *x = exchange_of(pub);
    struct http_stream *s = x->stream;
    assert(size > 0);
    pthread_mutex_lock(&s->lock);
    assert(!s->ended && !s->begun);
    if (!s->wants_body) {
        s->wants_body = true;
        unlock_and_signal(x, s->paused && s->stage == HTTP_STAGE_HEAD);
        pthread_mutex_lock(&s->lock);
    }
    while (s->in.count == 0 && s->stage != HTTP_STAGE_FULL && s->gone_kind == ERR_NONE)
        pthread_cond_wait(&s->changed, &s->lock);
    if (s->stage != HTTP_STAGE_FULL && s->gone_kind != ERR_NONE)
        return unlock_gone(s, err);
    *got = http_ring_take(&s->in, to, size, &s->lock);
    unlock_and_signal(x, s->paused && s->stage == HTTP_STAGE_BODY &&
                             s->in.count <= s->in.capacity / 2);
    return 0;
}

/* With the lock held: the reply is known from now on. Whether the loop has to be told. */
static bool is_waited_for(const struct http_stream *s)
{
    return s->paused || s->closed || s->stage == HTTP_STAGE_BODY;
}

void http_stream_begin(struct http_exchange *pub, const struct http_reply *reply,
                       int64_t body_bytes)
{
    struct exchange *x = exchange_of(pub);
    struct http_stream *s = x->stream;
    assert(reply->status >= 200 && reply->status <= 599 && body_bytes >= -1);
    assert(reply->release == NULL && reply->file_bytes == 0 && x->response == NULL);
    x->pub.status = reply->status;
    uint64_t total = reply->status == 204 ? 0
                     : body_bytes < 0     ? MHD_SIZE_UNKNOWN
                                          : (uint64_t)body_bytes;
    bool held = !http_has_no_body(x) && total > 0 && total <= HELD_BYTES_MAX;
    if (held) { /* the library sends head and body together, from the ring */
        ring_open(&s->out, (size_t)total);
        x->response =
            MHD_create_response_from_buffer((size_t)total, s->out.bytes, MHD_RESPMEM_PERSISTENT);
    } else {
        x->response = MHD_create_response_from_callback(
            total, total < BLOCK_BYTES ? (size_t)total + 1 : BLOCK_BYTES, http_stream_next_piece, x,
            NULL);
    }
    if (x->response == NULL)
        log_fatal("out of memory: a reply");
    http_add_headers(x->response, reply, reply->close || http_is_draining(x));
    pthread_mutex_lock(&s->lock);
    assert(!s->begun && !s->ended);
    s->begun = true;
    s->held = held;
    s->replied = !held;
    s->drops_out = http_has_no_body(x);
    s->out_bytes = body_bytes;
    unlock_and_signal(x, s->replied && is_waited_for(s));
}

/* Whether the loop may send what is in the ring: the end of a body of known length waits for
 * http_stream_end, so that a client never has a whole body of which the thread was not sure. */
static bool may_flow(const struct http_stream *s)
{
    return !s->held && s->out.count > 0 && s->out.total != s->out_bytes;
}

int http_stream_write(struct http_exchange *pub, struct str data, struct error *err)
{
    struct exchange *x = exchange_of(pub);
    struct http_stream *s = x->stream;
    pthread_mutex_lock(&s->lock);
    assert(s->begun && !s->ended);
    size_t capacity =
        s->out_bytes >= 0 && s->out_bytes < (int64_t)OUT_BYTES ? (size_t)s->out_bytes : OUT_BYTES;
    while (data.len > 0 && !s->drops_out && s->gone_kind == ERR_NONE) {
        assert(s->out_bytes < 0 || s->out.total + (int64_t)data.len <= s->out_bytes);
        size_t n = http_ring_put(&s->out, data, capacity, &s->lock);
        data = str_skip(data, n);
        if (s->paused && s->stage == HTTP_STAGE_FULL && may_flow(s)) {
            unlock_and_signal(x, true);
            pthread_mutex_lock(&s->lock);
        }
        while (data.len > 0 && s->out.count == s->out.capacity && s->gone_kind == ERR_NONE)
            pthread_cond_wait(&s->changed, &s->lock);
    }
    if (s->gone_kind != ERR_NONE)
        return unlock_gone(s, err);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

void http_stream_end(struct http_exchange *pub, bool complete)
{
    struct exchange *x = exchange_of(pub);
    struct http_stream *s = x->stream;
    pthread_mutex_lock(&s->lock);
    assert(!s->ended);
    s->ended = true;
    s->complete =
        complete && s->begun && (s->drops_out || s->out_bytes < 0 || s->out.total == s->out_bytes);
    if (s->held && s->complete) {
        s->replied = true;
        x->pub.reply_bytes = (size_t)s->out_bytes;
    }
    unlock_and_signal(x, is_waited_for(s));
}

void http_stream_reply(struct exchange *x, const struct http_reply *reply)
{
    struct http_stream *s = x->stream;
    http_set_reply(x, reply, reply->close || http_is_draining(x));
    pthread_mutex_lock(&s->lock);
    assert(!s->begun && !s->ended);
    s->replied = s->ended = s->complete = true;
    unlock_and_signal(x, is_waited_for(s));
}

void http_stream_free(struct http_stream *s)
{
    buffer_free(s->in.bytes);
    buffer_free(s->out.bytes);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
