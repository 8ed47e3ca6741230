/* How the store of a warehouse is reached: what `firn warehouse create` takes and the warehouse's
 * row keeps. Names are those of the flags and of the JSON members; secrets are marked, and never
 * printed or logged. */
#ifndef STORAGE_STORAGE_OPTIONS_H
#define STORAGE_STORAGE_OPTIONS_H

#include "base/clock.h"
#include "base/random.h"
#include "storage/file_io.h"

/* clang-format off */
/* member, name, is secret */
#define STORAGE_OPTIONS(X)                                                                         \
    X(endpoint,          "endpoint",          false) /* http(s)://host[:port]; S3: empty = AWS's */ \
    X(region,            "region",            false) /* S3; empty: us-east-1 */                     \
    X(path_style,        "path-style",        false) /* true | false | empty: true with endpoint */ \
    X(credentials,       "credentials",       false) /* static|environment|file|web-identity|instance|anonymous; empty: the first that has some */ \
    X(profile,           "profile",           false) /* of the shared file */                       \
    X(access_key_id,     "access-key-id",     false)                                                \
    X(secret_access_key, "secret-access-key", true)                                                 \
    X(session_token,     "session-token",     true)                                                 \
    X(sts_endpoint,      "sts-endpoint",      false) /* empty: as endpoint, or AWS's */             \
    X(role_arn,          "role-arn",          false) /* assumed for scoped keys */                  \
    X(external_id,       "external-id",       false)                                                \
    X(dialect,           "dialect",           false) /* s3 | oss: which names of keys clients want */ \
    X(client_endpoint,   "client-endpoint",   false) /* told to clients instead of endpoint */      \
    X(user,              "user",              false) /* HDFS, simple authentication */              \
    X(delegation_token,  "delegation-token",  true)  /* HDFS */
/* clang-format on */

struct storage_options {
#define X(member, name, secret) struct str member;
    STORAGE_OPTIONS(X)
#undef X
};

/* The same table as rows, for those who read and write options by name. */
struct storage_option {
    const char *name;
    size_t offset; /* into struct storage_options */
    bool is_secret;
};
extern const struct storage_option storage_option_rows[];
extern const size_t storage_option_count;

/* NULL: there is no such option. */
const struct storage_option *storage_option_find(struct str name);
struct str storage_option_get(const struct storage_options *options,
                              const struct storage_option *option); /* STR_NONE: not set */
void storage_option_set(struct storage_options *options, const struct storage_option *option,
                        struct str value);
bool storage_options_any(const struct storage_options *options); /* is one set? */

/* What backends need of the process; lives as long as they do. */
struct storage_context {
    const struct clock *clock;
    const struct random_source *random;
};

#endif
