/* Requests to one bucket: made, signed, sent, repeated.
 *
 * Rules that always hold:
 * 1. What is signed is what is sent: path, query and headers are made once, for both.
 * 2. A call marked S3_ONCE is sent again only when no byte of it left, or when the store refused
 * the keys or the time under it.
 * 3. No attempt begins after the call's deadline; waits between them are random (full jitter).
 * 4. `doubtful` is set as soon as an attempt ends that may have taken effect without an answer;
 * also one that libcurl repeated by itself, as it does on a connection that was kept and is closed.
 */
#include "storage/s3_private.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "storage/s3_address.h"

#define ATTEMPTS_MAX 8
#define WAIT_FIRST_MS 100
#define WAIT_MS_MAX 5000
#define TOTAL_MS 30000
#define ANSWER_MS 300000        /* of a large answer that is not among the streams */
#define SKEW_MS_MIN (60 * 1000) /* less is none */
#define ERROR_BODY_BYTES_MAX 65536
#define CALLS_MAX 10 /* fewer than the threads that work (--workers) */
#define STREAMS_MAX 192
#define STALL_MS 15000

struct s3_client {
    struct arena *arena;
    struct s3_address address;
    struct s3_credentials *credentials;
    struct storage_context context;
    struct http_client *calls, *streams;
    _Atomic int64_t skew_ms; /* the store's clock less ours */
};

int s3_client_new(const struct storage_options *options, const struct storage_context *context,
                  struct str bucket, struct s3_credentials *credentials, struct s3_client **out,
                  struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_client *client = ARENA_NEW(arena, struct s3_client);
    client->arena = arena;
    client->credentials = credentials;
    client->context = *context;
    if (s3_address_make(options, bucket, arena, &client->address, err) != 0) {
        arena_free(arena);
        return -1;
    }
    struct http_client_options http = {.in_flight_max = CALLS_MAX, .stall_ms = STALL_MS};
    client->calls = http_client_new(&http);
    http.in_flight_max = STREAMS_MAX;
    client->streams = http_client_new(&http);
    *out = client;
    return 0;
}

void s3_client_free(struct s3_client *client)
{
    if (client == NULL)
        return;
    http_client_free(client->calls);
    http_client_free(client->streams);
    arena_free(client->arena);
}

const struct s3_address *s3_client_address(const struct s3_client *client)
{
    return &client->address;
}

int64_t s3_client_now_ms(const struct s3_client *client)
{
    return clock_now_ms(client->context.clock) + client->skew_ms;
}

/* ---- making a request ------------------------------------------------------------------------ */

static struct str path_of(const struct s3_client *client, struct str key, struct arena *arena)
{
    const struct s3_address *address = &client->address;
    if (key.len == 0)
        return address->path_style ? address->path : STR("/");
    return arena_printf(arena, "%.*s/%.*s", STR_ARG(address->path),
                        STR_ARG(s3_uri_encode(key, true, arena)));
}

static struct str url_of(const struct s3_client *client, const struct s3_call *call,
                         struct str path, struct arena *arena)
{
    struct buf url = BUF_INIT(1 << 16);
    buf_add(&url, client->address.origin);
    buf_add(&url, path);
    for (size_t i = 0; i < call->query_count; i++) {
        buf_add_char(&url, i == 0 ? '?' : '&');
        buf_add(&url, s3_uri_encode(call->query[i].name, false, arena));
        if (call->query[i].has_value) {
            buf_add_char(&url, '=');
            buf_add(&url, s3_uri_encode(call->query[i].value, false, arena));
        }
    }
    struct str text = arena_str(arena, buf_str(&url));
    buf_free(&url);
    return text;
}

static void add(struct http_header *headers, size_t *count, struct str name, struct str value)
{
    headers[(*count)++] = (struct http_header){name, value};
}

static struct str authorization(const struct s3_client *client, const struct s3_call *call,
                                const struct s3_keys *keys, struct s3_to_sign *what,
                                const struct http_header *headers, size_t header_count,
                                struct arena *arena)
{
    struct s3_header *signed_headers = ARENA_ARRAY(arena, struct s3_header, header_count + 1);
    signed_headers[0] = (struct s3_header){STR("host"), client->address.host};
    for (size_t i = 0; i < header_count; i++)
        signed_headers[i + 1] = (struct s3_header){headers[i].name, headers[i].value};
    what->method = call->method;
    what->query = call->query;
    what->query_count = call->query_count;
    what->headers = signed_headers;
    what->header_count = header_count + 1;
    what->region = client->address.region;
    what->service = STR("s3");
    return s3_authorization(what, keys->access_key_id, keys->secret_access_key, arena);
}

/* The request of an attempt, with the keys and the time of now. */
static void make_request(const struct s3_client *client, const struct s3_call *call,
                         const struct s3_keys *keys, struct str payload_hash, struct arena *arena,
                         struct http_request *out)
{
    struct http_header *headers = ARENA_ARRAY(arena, struct http_header, call->header_count + 4);
    size_t count = 0;
    for (size_t i = 0; i < call->header_count; i++)
        add(headers, &count, call->headers[i].name, call->headers[i].value);
    struct s3_to_sign what = {.path = path_of(client, call->key, arena),
                              .payload_hash = payload_hash,
                              .amz_date = s3_amz_date(s3_client_now_ms(client), arena)};
    if (!keys->anonymous) {
        add(headers, &count, STR("x-amz-content-sha256"), payload_hash);
        add(headers, &count, STR("x-amz-date"), what.amz_date);
        if (keys->session_token.len > 0)
            add(headers, &count, STR("x-amz-security-token"), keys->session_token);
        struct str text = authorization(client, call, keys, &what, headers, count, arena);
        add(headers, &count, STR("authorization"), text);
    }
    *out = (struct http_request){
        .method = call->method,
        .url = url_of(client, call, what.path, arena),
        .headers = headers,
        .header_count = count,
        .body = call->body,
    };
}

static struct str payload_hash_of(struct str body, struct arena *arena)
{
    if (body.len == 0)
        return STR(S3_EMPTY_SHA256);
    struct sha256 hash = sha256_of(body);
    return hex_encode(arena, hash.bytes, sizeof(hash.bytes));
}

/* ---- repeating ------------------------------------------------------------------------------- */

/* One call on its way through its attempts. */
struct attempts {
    struct s3_client *client;
    const struct s3_call *call;
    struct arena *arena;
    struct s3_answer *answer;
    struct str payload_hash;
    int64_t deadline_us;
    int count;
    bool time_corrected, keys_renewed;
    struct s3_keys keys;
};

static int64_t now_us(const struct s3_client *client)
{
    return clock_monotonic_us(client->context.clock);
}

static int64_t left_ms(const struct attempts *attempts)
{
    return (attempts->deadline_us - now_us(attempts->client)) / 1000;
}

/* Sleeps before the next attempt; false when there is none left. */
static bool wait_a_little(struct attempts *attempts)
{
    uint32_t random;
    int shift = attempts->count < 10 ? attempts->count : 10;
    int64_t most = (int64_t)WAIT_FIRST_MS << shift;
    long long asked_s = 0;
    attempts->client->context.random->fill(attempts->client->context.random->arg, &random,
                                           sizeof(random));
    int64_t wait_ms = random % (uint32_t)(most < WAIT_MS_MAX ? most : WAIT_MS_MAX);
    struct str asked = http_response_header(&attempts->answer->response, "retry-after");
    if (str_to_int64(asked, &asked_s) && asked_s > 0 && asked_s * 1000 > wait_ms)
        wait_ms = asked_s < WAIT_MS_MAX / 1000 ? asked_s * 1000 : WAIT_MS_MAX;
    if (++attempts->count >= ATTEMPTS_MAX || wait_ms >= left_ms(attempts))
        return false;
    struct timespec pause = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
    return true;
}

/* Was it the time? Then takes the store's. */
static bool correct_time(struct attempts *attempts)
{
    const struct s3_answer *answer = attempts->answer;
    struct str date = http_response_header(&answer->response, "date");
    bool is_head = str_equal(attempts->call->method, STR("HEAD"));
    if (attempts->time_corrected || date.len == 0 ||
        !(str_equal(answer->code, STR("RequestTimeTooSkewed")) ||
          (is_head && answer->response.status == 403)))
        return false;
    time_t seconds = curl_getdate(arena_cstr(attempts->arena, date), NULL);
    int64_t skew_ms = (int64_t)seconds * 1000 - clock_now_ms(attempts->client->context.clock);
    int64_t known_ms = attempts->client->skew_ms;
    if (seconds <= 0 || llabs((long long)(skew_ms - known_ms)) < SKEW_MS_MIN)
        return false;
    log_warn("the clock of %.*s differs by %lld s", STR_ARG(attempts->client->address.origin),
             (long long)(skew_ms / 1000));
    attempts->client->skew_ms = skew_ms;
    attempts->time_corrected = true;
    return true;
}

static bool renew_keys(struct attempts *attempts)
{
    bool is_head = str_equal(attempts->call->method, STR("HEAD"));
    if (attempts->keys_renewed || attempts->keys.anonymous ||
        !s3_answer_is_refused_key(attempts->answer, is_head))
        return false;
    attempts->keys_renewed = true;
    return s3_credentials_refused(attempts->client->credentials, &attempts->keys);
}

/* After an attempt without an answer. */
static bool may_try_again(struct attempts *attempts, const struct error *err)
{
    struct s3_answer *answer = attempts->answer;
    bool sent = answer->response.sent;
    answer->doubtful = answer->doubtful || sent;
    answer->response.status = 0;
    return !answer->response.hopeless && err->kind == ERR_UNAVAILABLE &&
           (!sent || attempts->call->repeat == S3_REPEAT);
}

/* After an attempt, `result` of which is its transport's: shall there be another one? Sets the
 * error of the last. */
static bool goes_on(struct attempts *attempts, int *result, struct error *err)
{
    struct s3_answer *answer = attempts->answer;
    if (*result != 0)
        return may_try_again(attempts, err) && wait_a_little(attempts);
    if (s3_answer_ok(answer))
        return false;
    if (correct_time(attempts) || renew_keys(attempts))
        return true;
    if (!s3_answer_is_overload(answer))
        return false;
    int status = answer->response.status;
    answer->doubtful = answer->doubtful || status == 500 || status == 502 || status == 504;
    if (attempts->call->repeat == S3_REPEAT && wait_a_little(attempts))
        return true;
    *result = s3_answer_error(answer, attempts->call, err);
    return false;
}

static void explain(const struct s3_call *call, struct error *err)
{
    char why[ERROR_MESSAGE_BYTES_MAX];
    char detail[ERROR_DETAIL_BYTES_MAX];
    if (err->kind != ERR_UNAVAILABLE || call->what == NULL ||
        str_starts_with(str_cstr(err->message), STR("Cannot ")))
        return;
    memcpy(why, err->message, sizeof(why));
    memcpy(detail, err->detail, sizeof(detail));
    error_set(err, ERR_UNAVAILABLE, "Cannot %s file: %.*s (%.300s)", call->what,
              STR_ARG(call->location), why);
    error_detail(err, "%s", detail);
}

static void start(struct s3_client *client, const struct s3_call *call, struct arena *arena,
                  struct s3_answer *answer, struct attempts *out)
{
    int64_t total_ms = call->total_ms;
    if (total_ms == 0)
        total_ms = TOTAL_MS + (int64_t)call->body.len / 1000;
    *answer = (struct s3_answer){.code = STR(""), .message = STR("")};
    *out = (struct attempts){.client = client,
                             .call = call,
                             .arena = arena,
                             .answer = answer,
                             .payload_hash = payload_hash_of(call->body, arena),
                             .deadline_us = now_us(client) + total_ms * 1000};
}

/* The request of the next attempt. */
static int next_request(struct attempts *attempts, struct http_request *out, struct error *err)
{
    attempts->answer->response = (struct http_response){0};
    if (s3_credentials_get(attempts->client->credentials, attempts->arena, &attempts->keys, err) !=
        0) {
        attempts->answer->response.hopeless = true;
        return -1;
    }
    make_request(attempts->client, attempts->call, &attempts->keys, attempts->payload_hash,
                 attempts->arena, out);
    int64_t left = left_ms(attempts);
    out->total_ms = left > 1 ? left : 1;
    return 0;
}

int s3_client_call(struct s3_client *client, const struct s3_call *call, struct arena *arena,
                   struct s3_answer *answer, struct buf *body, struct error *err)
{
    struct attempts attempts;
    struct http_client *http = call->bulk ? client->streams : client->calls;
    struct buf received = BUF_INIT(body->bytes_max + ERROR_BODY_BYTES_MAX);
    int result;
    start(client, call, arena, answer, &attempts);
    do {
        struct http_request request;
        buf_clear(&received);
        result = next_request(&attempts, &request, err);
        if (result == 0)
            result = http_client_call(http, &request, arena, &answer->response, &received, err);
        answer->doubtful = answer->doubtful || answer->response.resent;
        if (result == 0 && !s3_answer_ok(answer))
            s3_answer_parse(answer, buf_str(&received), arena);
    } while (goes_on(&attempts, &result, err));
    if (result == 0 && s3_answer_ok(answer))
        buf_add(body, buf_str(&received));
    buf_free(&received);
    if (result == 0 && body->overflowed)
        result = error_set(err, ERR_BODY_TOO_LARGE, "The store's answer is larger than %zu bytes",
                           body->bytes_max);
    if (result != 0)
        explain(call, err);
    return result;
}

/* ---- by pieces ------------------------------------------------------------------------------- */

/* Takes over the answer's status and headers, and the error in its body; closes the exchange. */
static int take_error(struct http_exchange *exchange, struct s3_answer *answer, struct arena *arena,
                      struct error *err)
{
    struct buf body = BUF_INIT(ERROR_BODY_BYTES_MAX);
    int result = http_exchange_read_all(exchange, &body, err);
    http_response_keep(http_exchange_progress(exchange), arena, &answer->response);
    if (result == 0 || err->kind == ERR_BODY_TOO_LARGE) {
        s3_answer_parse(answer, buf_str(&body), arena);
        result = 0;
    }
    buf_free(&body);
    http_exchange_close(exchange);
    return result;
}

int s3_client_open(struct s3_client *client, const struct s3_call *call, struct arena *arena,
                   struct s3_answer *answer, struct http_exchange **out, struct error *err)
{
    struct attempts attempts;
    struct http_client *http = call->bulk ? client->streams : client->calls;
    int result;
    *out = NULL;
    start(client, call, arena, answer, &attempts);
    do {
        struct http_request request;
        struct http_exchange *exchange = NULL;
        const struct http_response *response;
        result = next_request(&attempts, &request, err);
        request.total_ms = call->bulk ? 0 : ANSWER_MS; /* attempts end sooner: see stall_ms */
        if (result == 0)
            result = http_exchange_begin(http, &request, HTTP_NO_BODY, &exchange, err);
        if (result != 0) {
            answer->response.hopeless = true;
        } else if (http_exchange_response(exchange, &response, err) != 0) {
            result = -1;
            http_response_keep(http_exchange_progress(exchange), arena, &answer->response);
            http_exchange_close(exchange);
        } else if (response->status / 100 == 2) {
            http_response_keep(response, arena, &answer->response);
            *out = exchange;
            return 0;
        } else {
            result = take_error(exchange, answer, arena, err);
        }
    } while (goes_on(&attempts, &result, err));
    if (result != 0)
        explain(call, err);
    return result;
}

int s3_client_begin(struct s3_client *client, const struct s3_call *call, int64_t body_bytes,
                    struct http_exchange **out, struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_keys keys;
    struct http_request request;
    int result = s3_credentials_get(client->credentials, arena, &keys, err);
    if (result == 0) {
        make_request(client, call, &keys, STR(S3_UNSIGNED_PAYLOAD), arena, &request);
        request.body = STR_NONE;
        request.total_ms = call->total_ms;
        request.expect_continue = body_bytes > (1 << 20);
        result = http_exchange_begin(client->streams, &request, body_bytes, out, err);
    }
    arena_free(arena);
    if (result != 0)
        explain(call, err);
    return result;
}

int s3_client_finish(struct s3_client *client, const struct s3_call *call,
                     struct http_exchange *exchange, struct arena *arena, struct s3_answer *answer,
                     struct buf *body, struct error *err)
{
    const struct http_response *response;
    (void)client;
    *answer = (struct s3_answer){.code = STR(""), .message = STR("")};
    int result = http_exchange_response(exchange, &response, err);
    if (result == 0 && response->status / 100 != 2) {
        result = take_error(exchange, answer, arena, err);
    } else {
        if (result == 0)
            result = http_exchange_read_all(exchange, body, err);
        http_response_keep(http_exchange_progress(exchange), arena, &answer->response);
        http_exchange_close(exchange);
    }
    int status = answer->response.status;
    answer->doubtful = result != 0 || status == 500 || status == 502 || status == 504;
    if (result == 0 && s3_answer_is_overload(answer))
        result = s3_answer_error(answer, call, err);
    if (result != 0)
        explain(call, err);
    return result;
}
