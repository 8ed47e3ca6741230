/* The places that keys for S3 come from; private to storage/s3_credentials.c, which keeps them.
 * A source is used by one thread at a time. */
#ifndef STORAGE_S3_KEY_SOURCES_H
#define STORAGE_S3_KEY_SOURCES_H

#include "storage/http_client.h"
#include "storage/s3_credentials.h"

enum key_source_kind {
    KEYS_STATIC,
    KEYS_ENVIRONMENT,
    KEYS_FILE,
    KEYS_WEB_IDENTITY,
    KEYS_INSTANCE,
    KEYS_ANONYMOUS,
};

struct key_source {
    enum key_source_kind kind;
    const struct storage_options *options;
    const struct clock *clock;
    struct http_client *http; /* of those that ask a service, else NULL */
};

MUST_USE int key_source_open(enum key_source_kind kind, const struct storage_options *options,
                             struct key_source *out, struct error *err);
void key_source_close(struct key_source *source);
bool key_source_changes(const struct key_source *source); /* may give others later */
/* *out with its texts in the arena. Errors: ERR_UNAVAILABLE. */
MUST_USE int key_source_fetch(struct key_source *source, struct arena *arena, struct s3_keys *out,
                              struct error *err);
bool key_file_exists(void);

#endif
