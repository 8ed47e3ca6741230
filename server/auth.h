/* Who a caller is: tokens issued and recognised, secrets checked and guesses slowed down. Bound to
 * one running server; made before the first request, freed after the last.
 * Threads: every function from any thread; nothing blocks but auth_open. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "catalog/principals.h"
#include "server/token.h"

struct auth;

struct auth_options {
    struct catalog *catalog;
    const struct clock *clock;
    const struct random_source *random;
    bool required;             /* a request without a valid token is refused */
    bool manages_principals;   /* without `required`: may principals be managed over HTTP */
    bool anonymous_metrics;    /* /metrics needs no token */
    int64_t token_lifetime_ms; /* of those issued */
};

MUST_USE int auth_open(const struct auth_options *options, struct auth **out, struct error *err);
void auth_close(struct auth *auth); /* NULL is allowed */

const struct auth_options *auth_options_of(const struct auth *auth);

/* ---- tokens ---------------------------------------------------------------------------------- */

enum token_state {
    TOKEN_VALID,
    TOKEN_EXPIRED, /* signed by us for a principal that still is, but its time is over */
    TOKEN_INVALID, /* not ours, or of a principal or secret that has ended */
};

struct token_bearer {
    const struct principal *principal; /* also of an expired token */
    struct token_claims claims;        /* texts in the caller's arena */
};

/* Signs a token for the principal from now on for as long as the options say. */
struct str auth_issue(struct auth *auth, const struct principal *principal, struct str scope,
                      struct arena *arena);

enum token_state auth_recognise(struct auth *auth, struct str token, struct arena *arena,
                                struct token_bearer *out);

/* The principal of the value of an Authorization header, and when its token ends. A token that was
 * recognised before costs no cryptography. Errors: ERR_NOT_AUTHORIZED. */
MUST_USE int auth_bearer(struct auth *auth, struct str authorization, struct arena *arena,
                         const struct principal **out, int64_t *until_ms, struct error *err);

/* ---- secrets --------------------------------------------------------------------------------- */

/* NULL with *wait_s 0: wrong; NULL with *wait_s > 0: not even looked at, too many were wrong. */
const struct principal *auth_client(struct auth *auth, struct str client_id, struct str secret,
                                    struct str address, int *wait_s);

#endif
