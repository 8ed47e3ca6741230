/* The keys that firn itself uses at an S3 store: where they come from, and new ones before the old
 * ones expire. Secrets are in no error and in no log.
 * Threads: all functions from any; while one thread fetches new keys, others go on with the old
 * ones as long as these are valid. */
#ifndef STORAGE_S3_CREDENTIALS_H
#define STORAGE_S3_CREDENTIALS_H

#include "storage/storage_options.h"

struct s3_keys {
    bool anonymous; /* requests are not signed */
    struct str access_key_id, secret_access_key;
    struct str session_token; /* STR_NONE: none */
    int64_t expires_ms;       /* INT64_MAX: never */
};

struct s3_credentials;

/* options->credentials names the source:
 *   static        access-key-id, secret-access-key, session-token
 *   environment   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   file          AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, profile: options->profile,
 *                 AWS_PROFILE or "default"; read again every minute
 *   web-identity  AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN (else options->role_arn),
 *                 AWS_ROLE_SESSION_NAME, at sts-endpoint or AWS's of the region
 *   instance      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI (with
 *                 AWS_CONTAINER_AUTHORIZATION_TOKEN or _TOKEN_FILE), else the instance's metadata
 *                 service (IMDSv2; AWS_EC2_METADATA_SERVICE_ENDPOINT)
 *   anonymous     none
 * Empty: static when a key is given, else the first of environment, web-identity, file and the
 * container's that has its variables or file; never the metadata service unasked.
 * Nothing is fetched yet. The options must outlive it.
 * Errors: ERR_ILLEGAL_ARGUMENT (unknown source, or one that lacks what it needs). */
MUST_USE int s3_credentials_open(const struct storage_options *options,
                                 const struct storage_context *context, struct s3_credentials **out,
                                 struct error *err);
void s3_credentials_close(struct s3_credentials *credentials); /* NULL is allowed */

/* Valid keys, copied to the arena. Errors: ERR_UNAVAILABLE (the source gives none). */
MUST_USE int s3_credentials_get(struct s3_credentials *credentials, struct arena *arena,
                                struct s3_keys *out, struct error *err);

/* The store said that these are not valid any more: the next get fetches. Returns whether that can
 * bring others. */
bool s3_credentials_refused(struct s3_credentials *credentials, const struct s3_keys *keys);

#endif
