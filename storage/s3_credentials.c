/* Keys for S3: which source, kept keys, and when to fetch new ones. The sources themselves are in
 * s3_key_sources.c.
 *
 * Rules that always hold:
 * 1. At most one thread fetches; it holds no lock meanwhile.
 * 2. Keys that are handed out were valid for VALID_MS_MIN more when they were looked at.
 * 3. While kept keys are valid, nobody waits for a fetch but the thread that does it, and its
 * failure is no error. */
#include "storage/s3_key_sources.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"

#define VALID_MS_MIN (30 * 1000)
#define FETCH_EARLY_MS (5 * 60 * 1000)
#define FETCH_EARLY_SHARE 4        /* short-lived ones: when a quarter of their life is left */
#define WAITING_MAX 8              /* fewer than the threads that work (--workers) */
#define FETCH_AGAIN_MS (10 * 1000) /* after a failure, or a refusal */

struct s3_credentials {
    struct key_source source;
    const struct clock *clock;

    pthread_mutex_t mutex;
    pthread_cond_t fetched;
    bool fetching, has_keys, refused;
    int waiting;              /* for that fetch */
    struct arena *keys_arena; /* of the texts of `keys` */
    struct s3_keys keys;
    int64_t fetch_from_ms;   /* time for the next fetch */
    int64_t last_fetched_ms; /* when a fetch ended, well or not */
    struct error last_error;
};

static bool have(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

static int choose(const struct storage_options *options, enum key_source_kind *out,
                  struct error *err)
{
    static const struct {
        const char *name;
        enum key_source_kind kind;
    } names[] = {{"static", KEYS_STATIC},     {"environment", KEYS_ENVIRONMENT},
                 {"file", KEYS_FILE},         {"web-identity", KEYS_WEB_IDENTITY},
                 {"instance", KEYS_INSTANCE}, {"anonymous", KEYS_ANONYMOUS}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_equal_cstr(options->credentials, names[i].name)) {
            *out = names[i].kind;
            return 0;
        }
    if (options->credentials.len > 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "credentials is one of static, environment, file, web-identity, instance, "
                         "anonymous");
    if (options->access_key_id.len > 0)
        *out = KEYS_STATIC;
    else if (have("AWS_ACCESS_KEY_ID"))
        *out = KEYS_ENVIRONMENT;
    else if (have("AWS_WEB_IDENTITY_TOKEN_FILE"))
        *out = KEYS_WEB_IDENTITY;
    else if (key_file_exists())
        *out = KEYS_FILE;
    else if (have("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
             have("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
        *out = KEYS_INSTANCE;
    else
        return error_set(
            err, ERR_ILLEGAL_ARGUMENT,
            "No keys for the store: name access-key-id and secret-access-key, or where "
            "they come from with credentials");
    return 0;
}

int s3_credentials_open(const struct storage_options *options,
                        const struct storage_context *context, struct s3_credentials **out,
                        struct error *err)
{
    enum key_source_kind kind = KEYS_ANONYMOUS;
    struct key_source source;
    if (choose(options, &kind, err) != 0 || key_source_open(kind, options, &source, err) != 0)
        return -1;
    struct s3_credentials *credentials = calloc(1, sizeof(*credentials));
    if (credentials == NULL)
        log_fatal("out of memory");
    credentials->source = source;
    credentials->source.clock = credentials->clock = context->clock;
    (void)pthread_mutex_init(&credentials->mutex, NULL);
    (void)pthread_cond_init(&credentials->fetched, NULL);
    *out = credentials;
    return 0;
}

void s3_credentials_close(struct s3_credentials *credentials)
{
    if (credentials == NULL)
        return;
    assert(!credentials->fetching);
    key_source_close(&credentials->source);
    arena_free(credentials->keys_arena);
    (void)pthread_cond_destroy(&credentials->fetched);
    (void)pthread_mutex_destroy(&credentials->mutex);
    free(credentials);
}

/* ---- fetching -------------------------------------------------------------------------------- */

static int64_t next_fetch_ms(const struct s3_keys *keys, int64_t now_ms)
{
    if (keys->expires_ms == INT64_MAX)
        return INT64_MAX;
    int64_t share = (keys->expires_ms - now_ms) / FETCH_EARLY_SHARE;
    return keys->expires_ms - (share < FETCH_EARLY_MS ? share : FETCH_EARLY_MS);
}

/* Under the lock, which is given up meanwhile (rule 1). */
static void fetch(struct s3_credentials *credentials)
{
    struct arena *arena = arena_new();
    struct s3_keys keys = {.expires_ms = INT64_MAX};
    struct error err = {0};
    credentials->fetching = true;
    (void)pthread_mutex_unlock(&credentials->mutex);
    int result = key_source_fetch(&credentials->source, arena, &keys, &err);
    (void)pthread_mutex_lock(&credentials->mutex);
    int64_t now_ms = clock_now_ms(credentials->clock);
    credentials->fetching = false;
    credentials->last_fetched_ms = now_ms;
    if (result == 0) {
        arena_free(credentials->keys_arena);
        credentials->keys_arena = arena;
        credentials->keys = keys;
        credentials->has_keys = true;
        credentials->refused = false;
        error_clear(&credentials->last_error);
        credentials->fetch_from_ms = next_fetch_ms(&keys, now_ms);
    } else {
        arena_free(arena);
        credentials->last_error = err;
        credentials->fetch_from_ms = now_ms + FETCH_AGAIN_MS;
        log_warn("no new keys for a store: %s (%s)", err.message, err.detail);
    }
    (void)pthread_cond_broadcast(&credentials->fetched);
}

static bool are_valid(const struct s3_credentials *credentials)
{
    const struct s3_keys *keys = &credentials->keys;
    return credentials->has_keys && !credentials->refused &&
           (keys->expires_ms == INT64_MAX ||
            keys->expires_ms - VALID_MS_MIN > clock_now_ms(credentials->clock));
}

static bool has_just_failed(const struct s3_credentials *credentials)
{
    return credentials->last_error.kind != ERR_NONE &&
           clock_now_ms(credentials->clock) < credentials->last_fetched_ms + FETCH_AGAIN_MS;
}

static void copy_keys(const struct s3_keys *from, struct arena *arena, struct s3_keys *out)
{
    *out = *from;
    out->access_key_id = arena_str(arena, from->access_key_id);
    out->secret_access_key = arena_str(arena, from->secret_access_key);
    if (from->session_token.ptr != NULL)
        out->session_token = arena_str(arena, from->session_token);
}

/* Keys that are due but valid are fetched by the first that comes. Without valid ones some wait for
 * that fetch, whose failure is theirs; a service that hangs must not keep all threads, so others do
 * not, and for a while after a failure nobody asks again. */
int s3_credentials_get(struct s3_credentials *credentials, struct arena *arena, struct s3_keys *out,
                       struct error *err)
{
    (void)pthread_mutex_lock(&credentials->mutex);
    bool due = clock_now_ms(credentials->clock) >= credentials->fetch_from_ms;
    bool valid = are_valid(credentials);
    if (!credentials->fetching && (valid ? due : !has_just_failed(credentials))) {
        fetch(credentials);
    } else if (!valid && credentials->waiting < WAITING_MAX) {
        credentials->waiting++;
        while (credentials->fetching)
            (void)pthread_cond_wait(&credentials->fetched, &credentials->mutex);
        credentials->waiting--;
    }
    int result = 0;
    if (are_valid(credentials) ||
        (credentials->has_keys && !credentials->refused &&
         credentials->keys.expires_ms > clock_now_ms(credentials->clock))) {
        copy_keys(&credentials->keys, arena, out);
    } else {
        result = -1;
        if (credentials->last_error.kind != ERR_NONE)
            *err = credentials->last_error;
        else
            (void)error_set(err, ERR_UNAVAILABLE, "There are no valid keys for the store now");
    }
    (void)pthread_mutex_unlock(&credentials->mutex);
    return result;
}

bool s3_credentials_refused(struct s3_credentials *credentials, const struct s3_keys *keys)
{
    if (!key_source_changes(&credentials->source))
        return false;
    (void)pthread_mutex_lock(&credentials->mutex);
    bool are_current = credentials->has_keys &&
                       str_equal(credentials->keys.access_key_id, keys->access_key_id) &&
                       str_equal(credentials->keys.session_token, keys->session_token);
    bool worth_it = !are_current || clock_now_ms(credentials->clock) >=
                                        credentials->last_fetched_ms + FETCH_AGAIN_MS;
    if (are_current && worth_it)
        credentials->refused = true;
    (void)pthread_mutex_unlock(&credentials->mutex);
    return worth_it;
}
