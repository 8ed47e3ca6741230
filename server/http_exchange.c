/* The life of one exchange, as the library's callbacks tell it.
 *
 * 1. The library calls the handler once when the head is complete, once per piece of the body, and
 *    once at the end. A reply queued in the first call closes the connection, so replies wait for
 *    the last call, except where closing is meant.
 * 2. A connection is suspended only when request() returned without a reply, and resumed only on
 *    its loop's thread.
 * 3. After http_exchange_reply from another thread the exchange belongs to the loop alone.
 * 4. finished() is called exactly once for an exchange that was opened.
 * 5. An exchange is freed when the library is done with it, or, when it is streamed, when its
 *    thread is too, whichever comes last; the library may hold its response for longer, but does
 *    not look at the body again. */
#include "server/http_private.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"

#define FREE_EXCHANGES_MAX 256
#define KEPT_BODY_BYTES_MAX 65536     /* capacity an exchange keeps for the next request */
#define BODY_RESERVE_BYTES_MAX 262144 /* allocated on the word of a Content-Length alone */
#define NEVER_S 4000000u              /* the longest that the library does not get wrong */

static struct exchange *exchange_of(struct http_exchange *x)
{
    return (struct exchange *)x;
}

static const struct http_handlers *handlers_of(const struct exchange *x)
{
    return &x->loop->server->options.handlers;
}

void http_set_phase(struct exchange *x, enum http_phase phase, int64_t since_us)
{
    struct http_connection *c = x->connection;
    if (c->phase == HTTP_CUT)
        return;
    if ((c->phase == HTTP_BODY || c->phase == HTTP_SENDING) && c->since_us != 0)
        c->patience.waited_us += x->loop->now_us - c->since_us;
    c->phase = phase;
    c->since_us = since_us;
}

/* The library looks at connections with a time-out of their own first, at each of its runs. */
void http_act_first(struct exchange *x, bool on)
{
    if (x->acts_first == on)
        return;
    x->acts_first = on;
    MHD_set_connection_option(x->library, MHD_CONNECTION_OPTION_TIMEOUT, on ? NEVER_S : 0u);
}

/* ---- birth and death ------------------------------------------------------------------------- */

static struct exchange *exchange_new(struct http_loop *loop)
{
    struct exchange *x = loop->free_exchanges;
    if (x != NULL) {
        loop->free_exchanges = x->next;
        loop->free_count--;
        struct arena *arena = x->pub.arena;
        struct buf body = x->body;
        *x = (struct exchange){.body = body, .loop = loop};
        x->pub.arena = arena;
        return x;
    }
    x = calloc(1, sizeof(*x));
    if (x == NULL)
        log_fatal("out of memory: an exchange");
    x->pub.arena = arena_new();
    x->loop = loop;
    return x;
}

static void exchange_free(struct exchange *x)
{
    struct http_loop *loop = x->loop;
    if (x->response != NULL)
        MHD_destroy_response(x->response); /* calls release, closes the file */
    if (x->stream != NULL)
        http_stream_free(x->stream);
    if (loop->free_count >= FREE_EXCHANGES_MAX) {
        arena_free(x->pub.arena);
        buf_free(&x->body);
        free(x);
        return;
    }
    arena_reset(x->pub.arena);
    if (x->body.capacity > KEPT_BODY_BYTES_MAX)
        buf_free(&x->body);
    else
        buf_clear(&x->body);
    x->next = loop->free_exchanges;
    loop->free_exchanges = x;
    loop->free_count++;
}

void http_exchange_free_all(struct http_loop *loop)
{
    while (loop->free_exchanges != NULL) {
        struct exchange *x = loop->free_exchanges;
        loop->free_exchanges = x->next;
        arena_free(x->pub.arena);
        buf_free(&x->body);
        free(x);
    }
    loop->free_count = 0;
}

/* The request line is complete: the only moment when the raw target can be seen. */
void *http_on_target(void *arg, const char *target, struct MHD_Connection *library)
{
    struct exchange *x = exchange_new(arg);
    x->library = library;
    x->connection =
        MHD_get_connection_info(library, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    assert(x->connection != NULL && x->connection->exchange == NULL);
    x->connection->exchange = x;
    x->pub.target = arena_str(x->pub.arena, str_cstr(target == NULL ? "" : target));
    x->pub.client = str_cstr(x->connection->client);
    if (x->connection->phase == HTTP_WAITING)
        http_set_phase(x, HTTP_HEAD, 0);
    return x;
}

static void open_exchange(struct exchange *x)
{
    x->opened = true;
    x->loop->open_count++;
    atomic_fetch_add(&x->loop->server->open_count, 1);
    metric_add(METRIC_REQUESTS_ACTIVE, 1);
}

static void finish_exchange(struct exchange *x, bool sent)
{
    handlers_of(x)->finished(handlers_of(x)->arg, &x->pub, sent);
    x->loop->open_count--;
    atomic_fetch_sub(&x->loop->server->open_count, 1);
    metric_add(METRIC_REQUESTS_ACTIVE, -1);
}

/* ---- replies --------------------------------------------------------------------------------- */

bool http_is_draining(const struct exchange *x)
{
    return atomic_load_explicit(&x->loop->server->draining, memory_order_relaxed);
}

void http_add_headers(struct MHD_Response *response, const struct http_reply *reply, bool close)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        const struct http_header *header = &reply->headers[i];
        if (MHD_add_response_header(response, header->name, header->value) != MHD_YES)
            log_error("a reply header is not sent, it holds forbidden characters: %s",
                      header->name);
    }
    if (close && MHD_add_response_header(response, "Connection", "close") != MHD_YES)
        log_fatal("out of memory: a reply");
}

static struct MHD_Response *make_response(const struct http_reply *reply, struct str body)
{
    if (reply->file_bytes > 0)
        return MHD_create_response_from_fd_at_offset64((uint64_t)reply->file_bytes, reply->file_fd,
                                                       (uint64_t)reply->file_offset);
    if (reply->release != NULL)
        return MHD_create_response_from_buffer_with_free_callback_cls(
            body.len, (void *)body.ptr, reply->release, reply->release_arg);
    return MHD_create_response_from_buffer(body.len, (void *)body.ptr, MHD_RESPMEM_PERSISTENT);
}

bool http_has_no_body(const struct exchange *x)
{
    return str_equal(x->pub.method, STR("HEAD")) || x->pub.status == 204 || x->pub.status == 304;
}

void http_set_reply(struct exchange *x, const struct http_reply *reply, bool close)
{
    assert(reply->status >= 200 && reply->status <= 599);
    assert(reply->header_count <= HTTP_REPLY_HEADERS_MAX && x->response == NULL);
    assert(reply->file_bytes == 0 || (reply->body.len == 0 && reply->release == NULL));
    x->response = make_response(reply, reply->status == 204 ? STR_NONE : reply->body);
    if (x->response == NULL)
        log_fatal("out of memory: a reply");
    http_add_headers(x->response, reply, close);
    x->sends_file = reply->file_bytes > 0;
    x->reply_body = reply->body;
    x->pub.status = reply->status;
    if (!http_has_no_body(x))
        x->pub.reply_bytes = x->sends_file ? (size_t)reply->file_bytes : reply->body.len;
}

void http_exchange_reply(struct http_exchange *pub, const struct http_reply *reply)
{
    struct exchange *x = exchange_of(pub);
    if (x->stream != NULL) {
        http_stream_reply(x, reply);
        return;
    }
    http_set_reply(x, reply, reply->close || http_is_draining(x));
    int before = atomic_exchange(&x->state, EXCHANGE_REPLIED);
    assert(before != EXCHANGE_REPLIED);
    if (before == EXCHANGE_SUSPENDED)
        http_loop_complete(x);
}

/* The library sends the head of a file's reply on its own, at once: a packet of its own, for which
 * both sides work. Corked, it leaves with the first bytes of the file. */
static void cork(const struct exchange *x, int on)
{
    if (x->sends_file && !http_has_no_body(x))
        setsockopt(x->connection->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

enum MHD_Result http_queue_reply(struct exchange *x)
{
    assert(x->response != NULL && !x->queued);
    http_set_phase(x, HTTP_SENDING, 0);
    x->queued = true;
    cork(x, 1);
    enum MHD_Result result =
        MHD_queue_response(x->library, (unsigned int)x->pub.status, x->response);
    MHD_destroy_response(x->response); /* the library holds its own reference */
    x->response = NULL;
    return result;
}

/* Sets the reply to a request that the server refuses itself. */
static void refuse(struct exchange *x, const struct error *why)
{
    struct http_reply reply = {0};
    handlers_of(x)->refuse(handlers_of(x)->arg, &x->pub, why, &reply);
    http_set_reply(x, &reply, true);
    atomic_store(&x->state, EXCHANGE_REPLIED);
    metric_add(METRIC_REJECTED, 1);
}

static enum MHD_Result add_header_line(void *arg, enum MHD_ValueKind kind, const char *name,
                                       const char *value)
{
    (void)kind;
    buf_add_format(arg, "%s: %s\r\n", name, value);
    return MHD_YES;
}

void http_write_directly(struct exchange *x)
{
    struct buf head = BUF_INIT(65536);
    buf_add_format(&head, "HTTP/1.1 %d %s\r\n", x->pub.status,
                   MHD_get_reason_phrase_for((unsigned int)x->pub.status));
    MHD_get_response_headers(x->response, add_header_line, &head);
    if (MHD_get_response_header(x->response, "Connection") == NULL)
        buf_add_cstr(&head, "Connection: close\r\n");
    if (x->pub.status != 204)
        buf_add_format(&head, "Content-Length: %zu\r\n", x->reply_body.len);
    buf_add_cstr(&head, "\r\n");
    struct iovec parts[] = {{head.ptr, head.len}, {(void *)x->reply_body.ptr, x->pub.reply_bytes}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t n = sendmsg(x->connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    x->sent_directly = n >= 0 && (size_t)n == head.len + x->pub.reply_bytes;
    buf_free(&head);
}

/* Whether the client only closed its sending half. */
static bool is_half_closed(const struct exchange *x)
{
    char byte;
    return recv(x->connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* A whole reply in memory that the library gave up, though the client may still read it. */
static bool is_owed(const struct exchange *x)
{
    return x->stream == NULL && x->response != NULL && !x->sends_file && !x->sent_directly &&
           !x->discards_body && is_half_closed(x);
}

void http_exchange_end(struct exchange *x, bool sent)
{
    if (x->opened)
        finish_exchange(x, sent);
    exchange_free(x);
}

void http_on_completed(void *arg, struct MHD_Connection *library, void **exchange,
                       enum MHD_RequestTerminationCode code)
{
    struct http_loop *loop = arg;
    struct exchange *x = *exchange;
    (void)library;
    if (x == NULL)
        return;
    assert(x->loop == loop && x->connection->exchange == x);
    if (code == MHD_REQUEST_TERMINATED_WITH_ERROR && is_owed(x))
        http_write_directly(x);
    bool sent = x->sent_directly || (x->queued && code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    http_act_first(x, false);
    if (x->queued)
        cork(x, 0);
    if (x->lingers)
        http_linger_begin(loop, x->connection->fd);
    x->connection->exchange = NULL;
    http_set_phase(x, HTTP_WAITING, loop->now_us);
    x->connection->bytes_received = -1;
    *exchange = NULL;
    if (x->stream == NULL || http_stream_on_closed(x, sent))
        http_exchange_end(x, sent);
}

/* ---- the three calls ------------------------------------------------------------------------- */

struct field_list {
    struct http_field fields[HTTP_FIELDS_MAX];
    size_t count;
};

static enum MHD_Result add_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len)
{
    struct field_list *list = arg;
    (void)kind;
    if (list->count < HTTP_FIELDS_MAX)
        list->fields[list->count] = (struct http_field){
            str_from(name, name_len), str_from(value == NULL ? "" : value, value_len)};
    list->count++;
    return MHD_YES;
}

static int check_head(struct exchange *x, const char *url, const char *method, const char *version,
                      struct error *err)
{
    const struct http_server *server = x->loop->server;
    const struct http_limits limits = {server->options.target_bytes_max,
                                       server->options.header_bytes_max};
    struct field_list list;
    list.count = 0;
    MHD_get_connection_values_n(x->library, MHD_HEADER_KIND, add_field, &list);
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(x->library, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct http_head head = {
        .method = str_cstr(method),
        .target = x->pub.target,
        .version = str_cstr(version),
        .fields = list.fields,
        .field_count = list.count,
        .bytes = size == NULL ? 0 : size->header_size,
    };
    if (http_precheck(&head, &limits, &x->plan, err) != 0)
        return -1;
    /* The library's url is the target where it was received, cut at its '?'. */
    head.target = str_from(url, x->pub.target.len);
    if (server->exact_heads && !http_head_is_exact(&head))
        return error_set(err, ERR_BAD_REQUEST,
                         "Malformed request: bare line feed, folded line, NUL or extra space");
    return 0;
}

static enum MHD_Result refuse_and_close(struct exchange *x, const struct error *why)
{
    refuse(x, why);
    x->lingers = true;
    return http_queue_reply(x);
}

/* head() has replied. */
static enum MHD_Result after_early_reply(struct exchange *x)
{
    bool has_body = x->plan.chunked || x->plan.bytes > 0;
    x->discards_body = has_body && !x->plan.chunked && !x->plan.expects_continue &&
                       x->plan.bytes <= HTTP_DRAIN_BYTES_MAX;
    if (!has_body || x->discards_body)
        return MHD_YES; /* queued in the last call, and the connection lives on */
    x->lingers = true;
    return http_queue_reply(x);
}

static enum MHD_Result first_call(struct exchange *x, const char *url, const char *method,
                                  const char *version)
{
    struct http_server *server = x->loop->server;
    struct error err;
    x->head_seen = true;
    x->pub.method = arena_str(x->pub.arena, str_cstr(method));
    x->pub.started_us = clock_monotonic_us(&clock_system);
    x->pub.body_bytes_max = server->options.body_bytes_max;
    http_set_phase(x, HTTP_BODY, x->pub.started_us);
    http_patience_begin(x->loop, x->connection);
    open_exchange(x);
    if (check_head(x, url, method, version, &err) != 0)
        return refuse_and_close(x, &err);
    handlers_of(x)->head(handlers_of(x)->arg, &x->pub);
    if (atomic_load(&x->state) == EXCHANGE_REPLIED)
        return after_early_reply(x);
    if (x->pub.streams)
        return http_stream_first_call(x);
    if (x->plan.bytes > x->pub.body_bytes_max) {
        error_set(&err, ERR_BODY_TOO_LARGE, "Request body too large: %llu bytes, at most %zu",
                  (unsigned long long)x->plan.bytes, x->pub.body_bytes_max);
        return refuse_and_close(x, &err);
    }
    x->body.bytes_max = x->pub.body_bytes_max;
    buf_reserve(&x->body, x->plan.bytes < BODY_RESERVE_BYTES_MAX ? (size_t)x->plan.bytes
                                                                 : BODY_RESERVE_BYTES_MAX);
    return MHD_YES;
}

static enum MHD_Result body_call(struct exchange *x, const char *upload, size_t *upload_bytes)
{
    x->pub.body_bytes += *upload_bytes;
    if (!x->discards_body)
        buf_add(&x->body, str_from(upload, *upload_bytes));
    *upload_bytes = 0;
    if (!x->body.overflowed)
        return MHD_YES;
    /* Only a chunked body can come here. The library takes no reply in the middle of a body. */
    struct error err;
    error_set(&err, ERR_BODY_TOO_LARGE, "Request body too large: more than %zu bytes",
              x->pub.body_bytes_max);
    refuse(x, &err);
    http_write_directly(x);
    x->lingers = true;
    return MHD_NO; /* closes */
}

static enum MHD_Result last_call(struct exchange *x)
{
    if (atomic_load(&x->state) == EXCHANGE_REPLIED)
        return http_queue_reply(x); /* by head(), or resumed */
    x->pub.body = buf_str(&x->body);
    http_set_phase(x, HTTP_WORKING, 0);
    atomic_store(&x->state, EXCHANGE_RUNNING);
    handlers_of(x)->request(handlers_of(x)->arg, &x->pub);
    int expected = EXCHANGE_RUNNING;
    if (!atomic_compare_exchange_strong(&x->state, &expected, EXCHANGE_SUSPENDED)) {
        assert(expected == EXCHANGE_REPLIED);
        return http_queue_reply(x);
    }
    /* A worker may have completed it by now: the completion waits for this thread. */
    x->loop->suspended_count++;
    MHD_suspend_connection(x->library);
    return MHD_YES;
}

enum MHD_Result http_on_call(void *arg, struct MHD_Connection *library, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_bytes, void **exchange)
{
    struct exchange *x = *exchange;
    assert(x != NULL && x->loop == arg && x->library == library);
    (void)arg;
    (void)library;
    if (!x->head_seen)
        return first_call(x, url, method, version);
    if (x->stream != NULL)
        return *upload_bytes > 0 ? http_stream_body_call(x, upload, upload_bytes)
                                 : http_stream_empty_call(x);
    if (*upload_bytes > 0)
        return body_call(x, upload, upload_bytes);
    return last_call(x);
}
