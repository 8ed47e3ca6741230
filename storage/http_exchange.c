/* One request by pieces: a blocking thread drives libcurl, which pauses whenever it has to wait for
 * that thread.
 *
 * Rules that always hold:
 * 1. Callbacks only copy, count and pause; everything else happens outside of libcurl.
 * 2. At most INBOX_BYTES of the answer are kept here; libcurl adds its own buffers, not more.
 * 3. `pending` is the caller's memory and is empty whenever no call of the caller is running.
 * 4. Headers are those of the last, final (>= 200) status line; once complete they never change.
 * 5. `done` means that libcurl has finished; `result` is then its verdict. */
#include "storage/http_private.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define INBOX_BYTES 65536
#define ANSWER_HEADERS_MAX 256
#define URL_BYTES_MAX 16384
#define POLL_MS_MAX 1000

struct http_exchange {
    struct http_client *client;
    struct place *place;
    struct arena *arena;
    struct curl_slist *headers;
    struct str origin; /* scheme://host:port, for messages */

    int64_t body_bytes, body_taken; /* as in http_exchange_begin; handed in so far */
    struct str whole, pending;      /* the body of a whole request; what is not sent yet */
    bool body_ended, send_paused, requested;

    struct buf header_text;
    bool headers_complete;
    struct http_response response;
    struct buf inbox;
    size_t inbox_taken;
    bool receive_paused;

    bool done;
    CURLcode result;
    bool stalled;
    int64_t moved, window_moved; /* bytes, ever and when the window began */
    int64_t window_waited_us;    /* time in this window that we waited for the network */
};

/* ---- callbacks (rule 1) ---------------------------------------------------------------------- */

static size_t on_send(char *to, size_t size, size_t count, void *arg)
{
    struct http_exchange *x = arg;
    size_t room = size * count;
    size_t len = x->pending.len < room ? x->pending.len : room;
    if (len == 0 && !x->body_ended) {
        x->send_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    if (len > 0)
        memcpy(to, x->pending.ptr, len);
    x->pending = str_skip(x->pending, len);
    x->moved += (int64_t)len;
    return len;
}

/* Before each time that the request goes out. */
static int on_request(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct http_exchange *x = arg;
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    x->response.resent = x->requested;
    x->requested = true;
    return CURL_PREREQFUNC_OK;
}

/* The connection was dead: from the beginning, which only a whole body has. */
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
    struct http_exchange *x = arg;
    if (x->whole.ptr == NULL || origin != SEEK_SET || offset < 0 || (size_t)offset > x->whole.len)
        return CURL_SEEKFUNC_CANTSEEK;
    x->pending = str_skip(x->whole, (size_t)offset);
    return CURL_SEEKFUNC_OK;
}

static size_t on_receive(char *data, size_t size, size_t count, void *arg)
{
    struct http_exchange *x = arg;
    size_t len = size * count;
    if (x->inbox_taken > 0 && x->inbox_taken == x->inbox.len) {
        buf_clear(&x->inbox);
        x->inbox_taken = 0;
    }
    if (x->inbox.len > 0 && x->inbox.len + len > INBOX_BYTES) {
        x->receive_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    buf_add(&x->inbox, str_from(data, len));
    x->moved += (int64_t)len;
    return x->inbox.overflowed ? 0 : len;
}

static int status_of(struct str line)
{
    long long status = 0;
    (void)str_cut(&line, ' ');
    return str_to_int64(str_cut(&line, ' '), &status) ? (int)status : 0;
}

static void parse_headers(struct http_exchange *x)
{
    struct str rest = arena_str(x->arena, buf_str(&x->header_text));
    struct http_header *headers = ARENA_ARRAY(x->arena, struct http_header, ANSWER_HEADERS_MAX);
    struct str line = str_cut(&rest, '\n');
    while (rest.len > 0 && x->response.header_count < ANSWER_HEADERS_MAX) {
        line = str_cut(&rest, '\n');
        while (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        struct str name = str_cut(&line, ':');
        if (name.len > 0)
            headers[x->response.header_count++] = (struct http_header){name, str_trim(line)};
    }
    x->response.headers = headers;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct http_exchange *x = arg;
    size_t len = size * count;
    struct str line = str_from(data, len);
    if (x->headers_complete) /* a trailer */
        return len;
    if (str_starts_with(line, STR("HTTP/")))
        buf_clear(&x->header_text);
    buf_add(&x->header_text, line);
    x->moved += (int64_t)len;
    if (x->header_text.overflowed)
        return 0;
    if (str_equal(line, STR("\r\n")) || str_equal(line, STR("\n"))) {
        struct str text = buf_str(&x->header_text);
        int status = status_of(str_cut(&text, '\r'));
        if (status >= 200) {
            x->response.status = status;
            parse_headers(x);
            x->headers_complete = true;
        }
    }
    return len;
}

/* ---- driving --------------------------------------------------------------------------------- */

static int failed(struct http_exchange *x, struct error *err)
{
    long request_bytes = 0;
    (void)curl_easy_getinfo(x->place->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    x->response.sent = request_bytes > 0;
    x->response.hopeless =
        x->place->refused_address || x->result == CURLE_PEER_FAILED_VERIFICATION ||
        x->result == CURLE_URL_MALFORMAT || x->result == CURLE_SSL_CACERT_BADFILE ||
        x->result == CURLE_UNSUPPORTED_PROTOCOL || x->result == CURLE_SSL_CERTPROBLEM;
    error_set(err, ERR_UNAVAILABLE, "No complete answer from %.*s: %s", STR_ARG(x->origin),
              x->stalled ? "it is too slow" : curl_easy_strerror(x->result));
    if (x->place->refused_address)
        return error_detail(err, "its address is refused");
    if (x->stalled)
        return error_detail(err, "less than %lld bytes in %lld ms",
                            (long long)x->client->stall_bytes, (long long)x->client->stall_ms);
    return error_detail(err, "%s",
                        x->place->error_text[0] != '\0' ? x->place->error_text
                                                        : curl_easy_strerror(x->result));
}

static bool is_stalled(struct http_exchange *x, int64_t waited_us)
{
    x->window_waited_us += waited_us;
    if (x->window_waited_us < x->client->stall_ms * 1000)
        return false;
    bool slow = x->moved - x->window_moved < x->client->stall_bytes;
    x->window_moved = x->moved;
    x->window_waited_us = 0;
    return slow;
}

static void take_verdict(struct http_exchange *x)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(x->place->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE) {
            x->done = true;
            x->result = message->data.result;
        }
}

static bool was_taken(const struct http_exchange *x)
{
    return x->pending.len == 0 || x->headers_complete;
}

static bool was_answered(const struct http_exchange *x)
{
    return x->headers_complete;
}

static bool has_bytes(const struct http_exchange *x)
{
    return x->inbox.len > x->inbox_taken;
}

/* Until the condition holds or libcurl is done with the request. */
static void drive(struct http_exchange *x, bool (*until)(const struct http_exchange *x))
{
    int64_t before_us = clock_monotonic_us(&clock_system);
    while (!x->done && !until(x)) {
        int running;
        CURLMcode code = curl_multi_perform(x->place->multi, &running);
        take_verdict(x);
        if (x->done || until(x))
            break;
        if (code == CURLM_OK)
            code = curl_multi_poll(x->place->multi, NULL, 0, POLL_MS_MAX, NULL);
        int64_t now_us = clock_monotonic_us(&clock_system);
        x->stalled = code == CURLM_OK && is_stalled(x, now_us - before_us);
        before_us = now_us;
        if (code != CURLM_OK || x->stalled) {
            x->done = true;
            x->result = x->stalled ? CURLE_OPERATION_TIMEDOUT : CURLE_BAD_FUNCTION_ARGUMENT;
        }
    }
}

/* Lets libcurl go on where it was waiting for us. May call on_receive. */
static void go_on(struct http_exchange *x, bool send, bool receive)
{
    if (x->done || !((send && x->send_paused) || (receive && x->receive_paused)))
        return;
    x->send_paused = x->send_paused && !send;
    x->receive_paused = x->receive_paused && !receive;
    int paused = (x->send_paused ? CURLPAUSE_SEND : 0) | (x->receive_paused ? CURLPAUSE_RECV : 0);
    CURLcode code = curl_easy_pause(x->place->easy, paused);
    if (code != CURLE_OK) {
        x->done = true;
        x->result = code;
    }
}

/* ---- beginning ------------------------------------------------------------------------------- */

static bool url_is_plain(struct str url)
{
    if (url.len > URL_BYTES_MAX ||
        !(str_starts_with(url, STR("http://")) || str_starts_with(url, STR("https://"))))
        return false;
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= ' ' || url.ptr[i] >= 0x7F || url.ptr[i] == '#')
            return false;
    return true;
}

/* scheme://host:port of a plain url; STR_NONE when it has a user or no host. */
static struct str origin_of(struct str url)
{
    size_t start = str_starts_with(url, STR("https://")) ? 8 : 7, len = start;
    while (len < url.len && url.ptr[len] != '/' && url.ptr[len] != '?' && url.ptr[len] != '@')
        len++;
    bool good = len > start && (len == url.len || url.ptr[len] != '@');
    return good ? str_from(url.ptr, len) : STR_NONE;
}

static bool is_one_line(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n' || text.ptr[i] == '\0')
            return false;
    return true;
}

static int add_headers(struct http_exchange *x, const struct http_request *request,
                       struct error *err)
{
    bool has_expect = request->expect_continue;
    if (request->header_count > HTTP_HEADERS_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Too many headers");
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (header->name.len == 0 || !is_one_line(header->name) || !is_one_line(header->value))
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "A header holds a line break");
        /* "name;" is how libcurl is told of an empty value */
        struct str line = header->value.len == 0
                              ? arena_printf(x->arena, "%.*s;", STR_ARG(header->name))
                              : arena_printf(x->arena, "%.*s: %.*s", STR_ARG(header->name),
                                             STR_ARG(header->value));
        x->headers = curl_slist_append(x->headers, line.ptr);
    }
    x->headers = curl_slist_append(x->headers, has_expect ? "Expect: 100-continue" : "Expect:");
    return 0;
}

static void set_body(struct http_exchange *x, CURL *easy, struct str method)
{
    if (str_equal(method, STR("HEAD"))) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (x->body_bytes == HTTP_NO_BODY) {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
        (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
        (void)curl_easy_setopt(easy, CURLOPT_READDATA, x);
        (void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
        (void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, x);
        (void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                               (curl_off_t)(x->body_bytes == HTTP_CHUNKED ? -1 : x->body_bytes));
    }
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, arena_cstr(x->arena, method));
}

static int prepare(struct http_exchange *x, const struct http_request *request, struct error *err)
{
    if (!url_is_plain(request->url) || (x->origin = origin_of(request->url)).ptr == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Not a plain http or https URL: %.*s",
                         STR_ARG(str_utf8_cut(x->origin, 200)));
    x->origin = arena_str(x->arena, x->origin);
    if (add_headers(x, request, err) != 0)
        return -1;
    bool waited;
    x->place = place_take(x->client, &waited);
    if (x->place == NULL) {
        error_set(err, ERR_UNAVAILABLE, "Too many requests to %.*s at once", STR_ARG(x->origin));
        return waited ? error_detail(err, "no place within %lld ms", (long long)x->client->wait_ms)
                      : error_detail(err, "others wait in vain");
    }
    CURL *easy = x->place->easy;
    place_prepare(x->client, x->place);
    (void)curl_easy_setopt(easy, CURLOPT_URL, arena_cstr(x->arena, request->url));
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->headers);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, x);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_receive);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    if (request->total_ms > 0)
        (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->total_ms);
    set_body(x, easy, request->method);
    if (curl_multi_add_handle(x->place->multi, easy) != CURLM_OK)
        log_fatal("libcurl refuses a handle");
    return 0;
}

static void exchange_free(struct http_exchange *x)
{
    if (x->place != NULL)
        place_give_back(x->client, x->place, x->headers_complete);
    curl_slist_free_all(x->headers);
    buf_free(&x->header_text);
    buf_free(&x->inbox);
    arena_free(x->arena);
    free(x);
}

static int begin(struct http_client *client, const struct http_request *request, struct str whole,
                 int64_t body_bytes, struct http_exchange **out, struct http_response *progress,
                 struct error *err)
{
    struct http_exchange *x = calloc(1, sizeof(*x));
    if (x == NULL)
        log_fatal("out of memory");
    x->client = client;
    x->arena = arena_new();
    x->header_text = BUF_INIT(HTTP_ANSWER_HEADER_BYTES_MAX);
    x->inbox = BUF_INIT(4 * INBOX_BYTES);
    x->whole = x->pending = whole;
    x->body_bytes = body_bytes;
    x->body_taken = (int64_t)whole.len;
    x->body_ended = whole.ptr != NULL || body_bytes == 0;
    if (prepare(x, request, err) != 0) {
        *progress = (struct http_response){.hopeless = true};
        exchange_free(x);
        return -1;
    }
    *out = x;
    return 0;
}

int http_exchange_begin(struct http_client *client, const struct http_request *request,
                        int64_t body_bytes, struct http_exchange **out, struct error *err)
{
    struct http_response progress;
    assert(body_bytes >= HTTP_CHUNKED);
    return begin(client, request, STR_NONE, body_bytes, out, &progress, err);
}

int exchange_begin_whole(struct http_client *client, const struct http_request *request,
                         struct http_exchange **out, struct http_response *progress,
                         struct error *err)
{
    int64_t body_bytes = request->body.ptr == NULL ? HTTP_NO_BODY : (int64_t)request->body.len;
    return begin(client, request, request->body, body_bytes, out, progress, err);
}

/* ---- the exchange ---------------------------------------------------------------------------- */

int http_exchange_send(struct http_exchange *x, struct str data, struct error *err)
{
    assert(x->body_bytes != HTTP_NO_BODY && (!x->body_ended || data.len == 0));
    if (x->body_bytes >= 0 && x->body_taken + (int64_t)data.len > x->body_bytes)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "More bytes than the %lld that were announced",
                         (long long)x->body_bytes);
    x->body_taken += (int64_t)data.len;
    x->pending = data;
    if (data.len > 0 && !x->headers_complete) {
        go_on(x, true, false);
        drive(x, was_taken);
    }
    x->pending = STR_NONE;
    return x->done && x->result != CURLE_OK && !x->headers_complete ? failed(x, err) : 0;
}

bool http_exchange_answered(const struct http_exchange *x)
{
    return x->headers_complete;
}

int http_exchange_response(struct http_exchange *x, const struct http_response **out,
                           struct error *err)
{
    *out = &x->response;
    if (x->headers_complete)
        return 0;
    if (!x->body_ended && x->body_bytes >= 0 && x->body_taken < x->body_bytes)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Only %lld of %lld bytes came",
                         (long long)x->body_taken, (long long)x->body_bytes);
    x->body_ended = true;
    go_on(x, true, false);
    drive(x, was_answered);
    return x->headers_complete ? 0 : failed(x, err);
}

int http_exchange_read(struct http_exchange *x, void *to, size_t size, size_t *got,
                       struct error *err)
{
    assert(x->headers_complete && size > 0);
    *got = 0;
    if (!has_bytes(x)) {
        x->body_ended = true; /* an answer that came early ended it */
        go_on(x, true, true);
        drive(x, has_bytes);
    }
    if (!has_bytes(x))
        return x->result == CURLE_OK ? 0 : failed(x, err);
    size_t there = x->inbox.len - x->inbox_taken;
    *got = there < size ? there : size;
    memcpy(to, x->inbox.ptr + x->inbox_taken, *got);
    x->inbox_taken += *got;
    return 0;
}

const struct http_response *http_exchange_progress(const struct http_exchange *x)
{
    return &x->response;
}

void http_exchange_close(struct http_exchange *x)
{
    assert(x->pending.len == 0 || x->whole.ptr != NULL);
    (void)curl_multi_remove_handle(x->place->multi, x->place->easy);
    exchange_free(x);
}
