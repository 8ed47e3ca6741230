/* The places of a client: which easy handles it has, who waits for one, what every request of it is
 * set to, and whole requests. One request by pieces is in storage/http_exchange.c.
 *
 * Rules that always hold:
 * 1. At most `max` places exist; a place is free (on the stack) or belongs to one exchange.
 * 2. The place that was given back last is taken first: its connection is the youngest.
 * 3. No request of a client runs without connect, stall and protocol limits set by place_prepare.
 * 4. A connection is made only to an address that address_is_allowed has seen. */
#include "storage/http_private.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define IDLE_SECONDS_MAX 20L /* of a kept connection: stores close theirs soon after */

/* ---- the client ------------------------------------------------------------------------------ */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_start(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        log_fatal("libcurl does not start");
}

static int64_t or_default(int64_t value, int64_t standard)
{
    return value > 0 ? value : standard;
}

struct http_client *http_client_new(const struct http_client_options *options)
{
    (void)pthread_once(&library_once, library_start);
    struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        log_fatal("out of memory");
    client->max = (int)or_default(options->in_flight_max, 32);
    client->wait_ms = or_default(options->wait_ms, 2000);
    client->connect_ms = or_default(options->connect_ms, 3000);
    client->total_ms = or_default(options->total_ms, 30000);
    client->stall_ms = or_default(options->stall_ms, 10000);
    client->stall_bytes = or_default(options->stall_bytes, 1024);
    client->link_local = options->link_local;
    client->ca_file = options->ca_file == NULL ? NULL : strdup(options->ca_file);
    client->free = calloc((size_t)client->max, sizeof(struct place *));
    if (client->free == NULL)
        log_fatal("out of memory");
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&client->mutex, NULL);
    (void)pthread_cond_init(&client->given_back, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return client;
}

static void place_free(struct place *place)
{
    curl_easy_cleanup(place->easy);
    (void)curl_multi_cleanup(place->multi);
    free(place);
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    assert(client->free_count == client->place_count);
    for (int i = 0; i < client->free_count; i++)
        place_free(client->free[i]);
    free(client->free);
    free(client->ca_file);
    (void)pthread_cond_destroy(&client->given_back);
    (void)pthread_mutex_destroy(&client->mutex);
    free(client);
}

/* ---- places ---------------------------------------------------------------------------------- */

static struct place *place_new(void)
{
    struct place *place = calloc(1, sizeof(*place));
    if (place == NULL)
        log_fatal("out of memory");
    place->easy = curl_easy_init();
    place->multi = curl_multi_init();
    if (place->easy == NULL || place->multi == NULL)
        log_fatal("libcurl has no handle");
    (void)curl_multi_setopt(place->multi, CURLMOPT_MAXCONNECTS, 1L);
    return place;
}

/* Waits for a place until the deadline. NULL: there was none. */
static struct place *wait_for_place(struct http_client *client)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += client->wait_ms / 1000;
    until.tv_nsec += client->wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int result = client->stuck ? ETIMEDOUT : 0;
    while (client->free_count == 0 && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&client->given_back, &client->mutex, &until);
    client->stuck = client->stuck || client->free_count == 0;
    return client->free_count == 0 ? NULL : client->free[--client->free_count];
}

struct place *place_take(struct http_client *client, bool *waited)
{
    struct place *place = NULL;
    bool is_new = false;
    *waited = false;
    (void)pthread_mutex_lock(&client->mutex);
    if (client->free_count > 0) {
        place = client->free[--client->free_count];
    } else if (client->place_count < client->max) {
        client->place_count++;
        is_new = true;
    } else {
        *waited = !client->stuck;
        place = wait_for_place(client);
    }
    (void)pthread_mutex_unlock(&client->mutex);
    return is_new ? place_new() : place;
}

void place_give_back(struct http_client *client, struct place *place, bool answered)
{
    (void)pthread_mutex_lock(&client->mutex);
    assert(client->free_count < client->place_count);
    client->free[client->free_count++] = place;
    client->stuck = client->stuck && !answered;
    (void)pthread_cond_signal(&client->given_back);
    (void)pthread_mutex_unlock(&client->mutex);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool v4_is_allowed(const uint8_t *a, bool link_local)
{
    if (a[0] == 169 && a[1] == 254)
        return link_local;
    return a[0] != 0 && a[0] < 224;
}

static bool v6_is_allowed(const uint8_t *a, bool link_local)
{
    static const uint8_t zero[12] = {0};
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
    static const uint8_t metadata[16] = {0xFD, 0x00, 0x0E, 0xC2, [14] = 0x02, [15] = 0x54};
    static const uint8_t loopback[16] = {[15] = 1};
    if (memcmp(a, loopback, 16) == 0)
        return true;
    if (memcmp(a, zero, 12) == 0 || memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
        return v4_is_allowed(a + 12, link_local);
    if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
        return v4_is_allowed(a + 2, link_local);
    if ((a[0] == 0xFE && (a[1] & 0xC0) == 0x80) || memcmp(a, metadata, 16) == 0)
        return link_local;
    return a[0] != 0xFF;
}

bool address_is_allowed(const struct sockaddr *address, bool link_local)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        return v4_is_allowed((const uint8_t *)&v4->sin_addr, link_local);
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        return v6_is_allowed(v6->sin6_addr.s6_addr, link_local);
    }
    return false;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct place *place = arg;
    (void)purpose;
    if (!address_is_allowed(&address->addr, place->link_local)) {
        place->refused_address = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* What holds for every request (rule 3). */
void place_prepare(const struct http_client *client, struct place *place)
{
    CURL *easy = place->easy;
    curl_easy_reset(easy);
    place->refused_address = false;
    place->link_local = client->link_local;
    place->error_text[0] = '\0';
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_ms);
    (void)curl_easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, 1000L);
    (void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_SECONDS_MAX);
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 65536L);
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 65536L);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, place);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, place->error_text);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "firn");
    if (client->ca_file != NULL)
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
}

/* ---- whole requests -------------------------------------------------------------------------- */

struct str http_response_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (str_equal_ignore_case(response->headers[i].name, str_cstr(name)))
            return response->headers[i].value;
    return STR_NONE;
}

void http_response_keep(const struct http_response *from, struct arena *arena,
                        struct http_response *out)
{
    *out = *from;
    struct http_header *headers = ARENA_ARRAY(arena, struct http_header, from->header_count + 1);
    for (size_t i = 0; i < from->header_count; i++) {
        headers[i].name = arena_str(arena, from->headers[i].name);
        headers[i].value = arena_str(arena, from->headers[i].value);
    }
    out->headers = headers;
}

int http_exchange_read_all(struct http_exchange *exchange, struct buf *body, struct error *err)
{
    char piece[16384];
    size_t got;
    do {
        if (http_exchange_read(exchange, piece, sizeof(piece), &got, err) != 0)
            return -1;
        buf_add(body, str_from(piece, got));
        if (body->overflowed)
            return error_set(err, ERR_BODY_TOO_LARGE, "The answer is larger than %zu bytes",
                             body->bytes_max);
    } while (got > 0);
    return 0;
}

int http_client_call(struct http_client *client, const struct http_request *request,
                     struct arena *arena, struct http_response *out, struct buf *body,
                     struct error *err)
{
    struct http_request timed = *request;
    struct http_exchange *exchange;
    const struct http_response *response;
    if (timed.total_ms == 0)
        timed.total_ms = client->total_ms;
    if (exchange_begin_whole(client, &timed, &exchange, out, err) != 0)
        return -1;
    int result = http_exchange_response(exchange, &response, err);
    if (result == 0)
        result = http_exchange_read_all(exchange, body, err);
    http_response_keep(http_exchange_progress(exchange), arena, out);
    http_exchange_close(exchange);
    return result;
}
