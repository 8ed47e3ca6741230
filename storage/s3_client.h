/* Requests to one bucket of an S3 store: addressed, signed, sent, repeated where that is harmless,
 * and what the store says of errors. Times come from the store when its clock differs.
 * Threads: a client serves all threads. All calls block, never longer than their deadline. */
#ifndef STORAGE_S3_CLIENT_H
#define STORAGE_S3_CLIENT_H

#include "storage/http_client.h"
#include "storage/s3_credentials.h"
#include "storage/s3_signature.h"

struct s3_client;

/* `options` and `credentials` must outlive it. Errors: ERR_ILLEGAL_ARGUMENT (endpoint, path-style).
 */
MUST_USE int s3_client_new(const struct storage_options *options,
                           const struct storage_context *context, struct str bucket,
                           struct s3_credentials *credentials, struct s3_client **out,
                           struct error *err);
void s3_client_free(struct s3_client *client); /* NULL is allowed */

/* Where the bucket is: all texts live as long as the client. */
struct s3_address {
    struct str origin; /* https://host[:port], of requests: with the bucket in virtual-host style */
    struct str host;   /* host[:port] as in the Host header */
    struct str path;   /* "" or "/bucket"; then "/" and the key, percent-encoded */
    struct str region;
    struct str bucket;
    struct str endpoint; /* https://host[:port] without the bucket */
    bool path_style;
};
const struct s3_address *s3_client_address(const struct s3_client *client);

/* Wall clock as the store sees it, ms since the epoch. */
int64_t s3_client_now_ms(const struct s3_client *client);

enum s3_repeat {
    S3_ONCE,   /* again only when it certainly did not get there */
    S3_REPEAT, /* has the same effect any number of times */
};

struct s3_call {
    struct str method;
    struct str key; /* whole, not encoded; empty: of the bucket */
    const struct s3_query_item *query;
    size_t query_count;
    const struct http_header *headers; /* all are signed; host, date, hash and token are added */
    size_t header_count;
    struct str body; /* STR_NONE: none at all */
    enum s3_repeat repeat;
    bool bulk;           /* among the streams, not among the short calls */
    int64_t total_ms;    /* all attempts; 0: 30,000 and a second for each MB of the body */
    const char *what;    /* for messages: "Cannot <what> file: <location>" */
    struct str location; /* likewise */
};

struct s3_answer {
    struct http_response response; /* status 0: none came */
    struct str code, message;      /* of an error body, or "" */
    /* Not the last attempt, but one before it may have taken effect without telling. After a
     * failure: any attempt may. */
    bool doubtful;
};

/* 0: an answer came that is none of overload and failure of the store, any other status; *answer is
 * filled, and with a 2xx the body is appended to *body, which may hold up to its ceiling.
 * -1: ERR_UNAVAILABLE after all repetitions, or what http_client_call and s3_credentials_get say;
 * *answer says what is known. */
MUST_USE int s3_client_call(struct s3_client *client, const struct s3_call *call,
                            struct arena *arena, struct s3_answer *answer, struct buf *body,
                            struct error *err);

/* The same for calls without a body whose answer is large: with a 2xx *out is the exchange to read
 * from (http_exchange_read, _close), else NULL. */
MUST_USE int s3_client_open(struct s3_client *client, const struct s3_call *call,
                            struct arena *arena, struct s3_answer *answer,
                            struct http_exchange **out, struct error *err);

/* A call whose body comes by pieces, not repeated: goes on with http_exchange_send, then
 * s3_client_finish. The body is not signed (UNSIGNED-PAYLOAD). */
MUST_USE int s3_client_begin(struct s3_client *client, const struct s3_call *call,
                             int64_t body_bytes, struct http_exchange **out, struct error *err);
/* Waits for the answer, fills *answer as s3_client_call does, and closes the exchange. */
MUST_USE int s3_client_finish(struct s3_client *client, const struct s3_call *call,
                              struct http_exchange *exchange, struct arena *arena,
                              struct s3_answer *answer, struct buf *body, struct error *err);

bool s3_answer_ok(const struct s3_answer *answer); /* 2xx */
/* An error for an answer that is not ok: "Cannot <what> file: <location>" and the store's code.
 * Missing things are ERR_FILE_NOT_FOUND, conditions ERR_PRECONDITION_FAILED, what the store calls a
 * mistake of the request ERR_ILLEGAL_ARGUMENT, refusals of our own keys ERR_STORAGE_REFUSED
 * (contract/reliability.md F35), all else ERR_UNAVAILABLE. Always -1. */
int s3_answer_error(const struct s3_answer *answer, const struct s3_call *call, struct error *err);

#endif
