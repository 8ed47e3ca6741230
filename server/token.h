/* Access tokens: what they say, signed. A token is text, "firn_" and base64url without a dot, so
 * that nobody takes it for a JWT (contract/rest.md 12.2); nothing about it is kept anywhere.
 * Threads: pure functions. */
#ifndef SERVER_TOKEN_H
#define SERVER_TOKEN_H

#include "base/arena.h"
#include "metastore/rows.h"

#define TOKEN_SCOPE_BYTES_MAX 256

struct token_claims {
    int64_t principal_id, principal_version;
    int64_t issued_ms, expires_ms;
    struct str scope; /* words between single spaces; empty: unrestricted */
    int64_t key_id;   /* of the key it is signed with */
};

/* Signs with `key` and says its id. */
struct str token_write(const struct token_claims *claims, const struct signing_key_row *key,
                       struct arena *arena);

/* True when one of the keys signed exactly this text; its times are not looked at. */
bool token_read(struct str text, const struct signing_key_row *keys, size_t key_count,
                struct arena *arena, struct token_claims *out);

#endif
