/* firn as an S3 server in front of its warehouses: a bucket is a warehouse that was made with
 * access `gateway`, a key the path below its root (docs/gateway.md; contract/reliability.md 3.4).
 *
 * A request is the gateway's when its path begins with /s3/, or when it carries an AWS signature
 * for the service s3: clients whose endpoint cannot have a path use the catalog's own address. No
 * name of the catalog's routes is a bucket's, for a bucket is only looked for when there is a
 * signature.
 *
 * Each request is served by one thread of the gateway's own, which blocks: for the client, the
 * store, or both. Threads: see the functions. */
#ifndef SERVER_S3_GATEWAY_H
#define SERVER_S3_GATEWAY_H

#include "catalog/catalog.h"
#include "server/http_server.h"

struct gateway_keys;
struct s3_call;
struct s3_gateway;
struct s3_key_file;

struct s3_gateway_options {
    struct catalog *catalog;
    const struct clock *clock;
    const struct gateway_keys *keys;    /* borrowed */
    const struct s3_key_file *key_file; /* borrowed; NULL: none */
    size_t threads;                     /* requests served at once */
    size_t queue;                       /* more that wait; then 503 SlowDown */
    bool unsigned_payload;              /* bodies that are not under a signature are taken */
};

struct s3_gateway *s3_gateway_open(const struct s3_gateway_options *options);
/* After the HTTP server was stopped. */
void s3_gateway_close(struct s3_gateway *gateway);

/* In head(): is the request the gateway's? */
bool s3_gateway_takes(struct http_exchange *x);
/* In head(), when it is; x->streams is set. The call lives in the exchange's arena. */
struct s3_call *s3_gateway_head(struct s3_gateway *gateway, struct http_exchange *x,
                                struct str request_id);
/* In stream(). When the server is stopping, the request is refused. */
void s3_gateway_stream(struct s3_call *call, bool stopping);
/* In refuse(), for a request that s3_gateway_takes: the reply in S3's form. */
void s3_gateway_refuse(struct s3_gateway *gateway, struct http_exchange *x, struct str request_id,
                       const struct error *why, struct http_reply *reply);
/* In finished(). */
void s3_gateway_finished(const struct s3_call *call, int64_t duration_us);
const char *s3_gateway_operation(const struct s3_call *call); /* "GetObject" */

#endif
