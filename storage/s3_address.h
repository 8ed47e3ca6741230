/* Where a bucket of an S3 store is. Pure. Threads: no shared state. */
#ifndef STORAGE_S3_ADDRESS_H
#define STORAGE_S3_ADDRESS_H

#include "storage/s3_client.h"

struct http_endpoint {
    struct str text; /* scheme://host[:port], lower case, without the scheme's own port */
    struct str host; /* host[:port], as in the Host header */
    bool tls;
};

/* http(s)://host[:port], a trailing slash is let pass. Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int http_endpoint_parse(struct str endpoint, struct arena *arena,
                                 struct http_endpoint *out, struct error *err);

/* Without endpoint: AWS's of the region. Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int s3_address_make(const struct storage_options *options, struct str bucket,
                             struct arena *arena, struct s3_address *out, struct error *err);

#endif
