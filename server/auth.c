/* Tokens and secrets of one running server.
 *
 * 1. A token is good exactly when one of our keys signed it, its time is not over, and the version
 *    of the principal that it names is live. The last two are asked on every request.
 * 2. The cache holds only tokens whose signature was verified; a hit is the whole text, compared in
 *    constant time. It never makes a token live longer.
 * 3. No secret, no token and no part of one goes into an error or the log. */
#include "server/auth.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/metric.h"
#include "server/auth_limit.h"

#define CACHE_PLACES 4096
#define CACHE_LOCKS 64
#define CACHED_BYTES_MAX 232
#define HASHED_BYTES sizeof(uint64_t) /* at the token's end: a part of its signature */

struct cached_token {
    const struct principal *principal; /* NULL: the place is free */
    int64_t expires_ms;
    size_t len;
    char text[CACHED_BYTES_MAX];
};

struct auth {
    struct auth_options options;
    struct arena *arena; /* of the keys */
    struct signing_key_row *keys;
    size_t key_count;
    struct auth_limit *limit;
    uint64_t seed;
    pthread_mutex_t locks[CACHE_LOCKS]; /* place i is guarded by lock i % CACHE_LOCKS */
    struct cached_token cache[CACHE_PLACES];
};

static uint64_t random_number(const struct random_source *random)
{
    uint64_t number;
    random->fill(random->arg, &number, sizeof(number));
    return number;
}

int auth_open(const struct auth_options *options, struct auth **out, struct error *err)
{
    struct auth *auth = calloc(1, sizeof(*auth));
    if (auth == NULL)
        log_fatal("out of memory");
    assert(options->token_lifetime_ms > 0);
    auth->options = *options;
    auth->arena = arena_new();
    auth->seed = random_number(options->random);
    auth->limit = auth_limit_new(options->clock, random_number(options->random));
    for (size_t i = 0; i < CACHE_LOCKS; i++)
        pthread_mutex_init(&auth->locks[i], NULL);
    if (catalog_signing_keys(options->catalog, auth->arena, &auth->keys, &auth->key_count, err) !=
        0) {
        auth_close(auth);
        return -1;
    }
    assert(auth->key_count > 0);
    *out = auth;
    return 0;
}

void auth_close(struct auth *auth)
{
    if (auth == NULL)
        return;
    for (size_t i = 0; i < auth->key_count; i++)
        explicit_bzero(auth->keys[i].bytes, sizeof(auth->keys[i].bytes));
    for (size_t i = 0; i < CACHE_LOCKS; i++)
        pthread_mutex_destroy(&auth->locks[i]);
    explicit_bzero(auth->cache, sizeof(auth->cache));
    auth_limit_free(auth->limit);
    arena_free(auth->arena);
    free(auth);
}

const struct auth_options *auth_options_of(const struct auth *auth)
{
    return &auth->options;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

struct str auth_issue(struct auth *auth, const struct principal *principal, struct str scope,
                      struct arena *arena)
{
    int64_t now_ms = clock_now_ms(auth->options.clock);
    const struct token_claims claims = {
        .principal_id = principal->id,
        .principal_version = principal->version,
        .issued_ms = now_ms,
        .expires_ms = now_ms + auth->options.token_lifetime_ms,
        .scope = scope,
    };
    metric_add(METRIC_TOKENS_ISSUED, 1);
    return token_write(&claims, &auth->keys[0], arena);
}

enum token_state auth_recognise(struct auth *auth, struct str token, struct arena *arena,
                                struct token_bearer *out)
{
    *out = (struct token_bearer){0};
    if (!token_read(token, auth->keys, auth->key_count, arena, &out->claims))
        return TOKEN_INVALID;
    out->principal = catalog_principal_find(auth->options.catalog, out->claims.principal_id,
                                            out->claims.principal_version);
    if (out->principal == NULL)
        return TOKEN_INVALID;
    return out->claims.expires_ms > clock_now_ms(auth->options.clock) ? TOKEN_VALID : TOKEN_EXPIRED;
}

/* ---- the cache ------------------------------------------------------------------------------- */

static size_t place_of(const struct auth *auth, struct str token)
{
    uint64_t bits;
    memcpy(&bits, token.ptr + token.len - HASHED_BYTES, HASHED_BYTES);
    bits = (bits ^ auth->seed) * 0x9e3779b97f4a7c15ull;
    return (size_t)(bits >> 40) % CACHE_PLACES;
}

static bool is_cacheable(struct str token)
{
    return token.len >= HASHED_BYTES && token.len <= CACHED_BYTES_MAX;
}

static const struct principal *cache_find(struct auth *auth, struct str token, int64_t *expires_ms)
{
    size_t place = place_of(auth, token);
    pthread_mutex_t *lock = &auth->locks[place % CACHE_LOCKS];
    const struct cached_token *cached = &auth->cache[place];
    pthread_mutex_lock(lock);
    const struct principal *principal = cached->principal;
    if (principal != NULL && !secret_equal(str_from(cached->text, cached->len), token))
        principal = NULL;
    *expires_ms = cached->expires_ms;
    pthread_mutex_unlock(lock);
    return principal;
}

static void cache_put(struct auth *auth, struct str token, const struct token_bearer *bearer)
{
    size_t place = place_of(auth, token);
    pthread_mutex_t *lock = &auth->locks[place % CACHE_LOCKS];
    struct cached_token *cached = &auth->cache[place];
    pthread_mutex_lock(lock);
    cached->principal = bearer->principal;
    cached->expires_ms = bearer->claims.expires_ms;
    cached->len = token.len;
    memcpy(cached->text, token.ptr, token.len);
    pthread_mutex_unlock(lock);
}

/* ---- bearers --------------------------------------------------------------------------------- */

/* The token of "Bearer TOKEN"; STR_NONE for anything else. */
static struct str bearer_token(struct str authorization)
{
    struct str rest = authorization;
    struct str scheme = str_cut(&rest, ' ');
    if (rest.ptr == NULL || !str_equal_ignore_case(scheme, STR("Bearer")))
        return STR_NONE;
    return str_trim(rest);
}

static int refuse(const char *why, struct error *err)
{
    metric_add(METRIC_TOKENS_REFUSED, 1);
    return error_set(err, ERR_NOT_AUTHORIZED, "%s", why);
}

int auth_bearer(struct auth *auth, struct str authorization, struct arena *arena,
                const struct principal **out, int64_t *until_ms, struct error *err)
{
    struct str token = bearer_token(authorization);
    struct token_bearer bearer;
    if (token.len == 0)
        return refuse("Not authorized: a bearer token is needed", err);
    if (is_cacheable(token)) {
        *out = cache_find(auth, token, until_ms);
        if (*out != NULL && *until_ms > clock_now_ms(auth->options.clock) &&
            !atomic_load_explicit(&(*out)->ended, memory_order_acquire))
            return 0;
    }
    switch (auth_recognise(auth, token, arena, &bearer)) {
    case TOKEN_VALID:
        break;
    case TOKEN_EXPIRED:
        return refuse("Not authorized: the token has expired", err);
    case TOKEN_INVALID:
        return refuse("Not authorized: the token is not valid", err);
    }
    if (is_cacheable(token))
        cache_put(auth, token, &bearer);
    *out = bearer.principal;
    *until_ms = bearer.claims.expires_ms;
    return 0;
}

/* ---- secrets --------------------------------------------------------------------------------- */

const struct principal *auth_client(struct auth *auth, struct str client_id, struct str secret,
                                    struct str address, int *wait_s)
{
    *wait_s = auth_limit_wait_s(auth->limit, client_id, address);
    if (*wait_s > 0)
        return NULL;
    const struct principal *principal =
        catalog_principal_authenticate(auth->options.catalog, client_id, secret);
    if (principal == NULL)
        auth_limit_failed(auth->limit, client_id, address);
    else
        auth_limit_passed(auth->limit, client_id, address);
    return principal;
}
