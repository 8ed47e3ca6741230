/* Shared by http_client.c and http_exchange.c only. */
#ifndef STORAGE_HTTP_PRIVATE_H
#define STORAGE_HTTP_PRIVATE_H

#include "storage/http_client.h"

#include <curl/curl.h>
#include <pthread.h>

struct sockaddr;

/* A handle, and the connection it keeps. */
struct place {
    CURL *easy;
    CURLM *multi;
    bool link_local, refused_address;
    char error_text[CURL_ERROR_SIZE];
};

struct http_client {
    int max;
    int64_t wait_ms, connect_ms, total_ms, stall_ms, stall_bytes;
    bool link_local;
    char *ca_file;

    pthread_mutex_t mutex;
    pthread_cond_t given_back;
    int place_count, free_count;
    bool stuck;          /* somebody waited in vain, and since then no answer has come */
    struct place **free; /* a stack of at most `max` */
};

/* NULL: none became free in time; *waited false: others waited in vain already. */
struct place *place_take(struct http_client *client, bool *waited);
void place_give_back(struct http_client *client, struct place *place, bool answered);
void place_prepare(const struct http_client *client, struct place *place);
bool address_is_allowed(const struct sockaddr *address, bool link_local);

/* As http_exchange_begin, with request->body as the body, which must outlive the exchange: it can
 * be sent again over another connection. On failure *progress is told. */
MUST_USE int exchange_begin_whole(struct http_client *client, const struct http_request *request,
                                  struct http_exchange **out, struct http_response *progress,
                                  struct error *err);

#endif
