/* Keys for a part of a bucket, by AssumeRole with a session policy (storage/session_policy.h): AWS,
 * Ceph, MinIO, and whatever speaks AWS's STS. Kept ones are served until half of their life is
 * left. Threads: all functions from any; vend blocks for the key service. */
#ifndef STORAGE_S3_STS_H
#define STORAGE_S3_STS_H

#include "base/location.h"
#include "storage/access.h"
#include "storage/s3_client.h"

#define STS_SECONDS_MIN 900 /* what AWS gives at least */
#define STS_SECONDS_MAX 43200

struct s3_sts;

/* Everything must outlive it; `client` tells the time. Nothing is sent yet.
 * Errors: ERR_ILLEGAL_ARGUMENT (sts-endpoint). */
MUST_USE int s3_sts_new(const struct storage_options *options,
                        const struct storage_context *context, struct s3_credentials *credentials,
                        const struct s3_client *client, struct s3_sts **out, struct error *err);
void s3_sts_free(struct s3_sts *sts); /* NULL is allowed */

/* As file_io_vend. */
MUST_USE int s3_sts_vend(struct s3_sts *sts, const struct file_scope *scope, int64_t lifetime_ms,
                         struct arena *arena, struct file_keys *out, struct error *err);

/* ---- of every call to STS --------------------------------------------------------------------
 */

/* sts-endpoint, else the store's own endpoint, else (and for AWS's) AWS's of the region. */
struct str s3_sts_endpoint(const struct storage_options *options, struct arena *arena);

/* The keys in an answer; `result` is the element around them: "AssumeRoleResult".
 * Errors: ERR_UNAVAILABLE, without a word of the answer. */
MUST_USE int s3_sts_parse(struct str answer, const char *result, struct arena *arena,
                          struct s3_keys *out, struct error *err);

/* "2026-11-25T01:02:03Z", also with a fraction, to ms since the epoch. */
bool s3_time_parse(struct str text, struct arena *arena, int64_t *out_ms);

#endif
