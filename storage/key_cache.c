/* Keys that are kept.
 *
 * 1. An entry is found by its whole digest, compared byte by byte.
 * 2. Kept keys are served while at least half of the life they were given is left, and only to
 * those who may have them for as long as they still live.
 * 3. No lock is held while keys are fetched. At most one thread fetches for a digest and a lifetime
 *    that others can share; it leaves after all who wait for it have copied the outcome.
 * 4. Memory that held a secret is wiped before it is given back. */
#include "storage/key_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"

#define WAYS 4
#define SETS (KEY_CACHE_ENTRIES / WAYS)

struct entry {
    struct sha256 digest;
    char *memory; /* of the three texts; NULL: the entry is free */
    size_t memory_bytes;
    struct file_keys keys;
    int64_t lifetime_ms; /* that they had when they came */
};

/* A fetch under way, on the stack of the thread that does it. */
struct flight {
    const struct sha256 *digest;
    int64_t lifetime_ms;
    size_t waiting;
    bool done;
    int result;
    struct file_keys keys;
    struct error err;
    struct flight *next;
};

struct key_cache {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a flight is done, or nobody waits for it any more */
    struct flight *flights;
    struct entry entries[SETS][WAYS];
};

struct key_cache *key_cache_new(void)
{
    struct key_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        log_fatal("out of memory");
    (void)pthread_mutex_init(&cache->mutex, NULL);
    (void)pthread_cond_init(&cache->changed, NULL);
    return cache;
}

static void drop(struct entry *entry)
{
    if (entry->memory != NULL)
        explicit_bzero(entry->memory, entry->memory_bytes);
    free(entry->memory);
    *entry = (struct entry){.memory = NULL};
}

void key_cache_free(struct key_cache *cache)
{
    if (cache == NULL)
        return;
    assert(cache->flights == NULL);
    for (size_t set = 0; set < SETS; set++)
        for (size_t way = 0; way < WAYS; way++)
            drop(&cache->entries[set][way]);
    (void)pthread_cond_destroy(&cache->changed);
    (void)pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

static struct entry *set_of(struct key_cache *cache, const struct sha256 *digest)
{
    size_t number = (size_t)digest->bytes[0] << 8 | digest->bytes[1];
    return cache->entries[number % SETS];
}

/* Invariants 1 and 2. */
static const struct entry *find(struct key_cache *cache, const struct sha256 *digest,
                                int64_t now_ms, int64_t lifetime_ms)
{
    const struct entry *set = set_of(cache, digest);
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].memory == NULL || !sha256_equal(&set[way].digest, digest))
            continue;
        int64_t left_ms = set[way].keys.expires_ms - now_ms;
        return left_ms <= lifetime_ms && left_ms * 2 >= set[way].lifetime_ms ? &set[way] : NULL;
    }
    return NULL;
}

static char *put(char *to, struct str text, struct str *out)
{
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
    *out = str_from(to, text.len);
    return to + text.len;
}

/* In the place of the same digest, a free one, or the one that expires first. */
static void keep(struct key_cache *cache, const struct sha256 *digest, const struct file_keys *keys,
                 int64_t now_ms)
{
    struct entry *set = set_of(cache, digest), *place = &set[0];
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].memory != NULL && sha256_equal(&set[way].digest, digest)) {
            place = &set[way];
            break;
        }
        if (set[way].keys.expires_ms < place->keys.expires_ms) /* a free one: 0 */
            place = &set[way];
    }
    drop(place);
    size_t bytes =
        keys->access_key_id.len + keys->secret_access_key.len + keys->session_token.len + 1;
    char *to = malloc(bytes);
    if (to == NULL)
        log_fatal("out of memory");
    *place = (struct entry){.digest = *digest,
                            .memory = to,
                            .memory_bytes = bytes,
                            .keys = {.expires_ms = keys->expires_ms},
                            .lifetime_ms = keys->expires_ms - now_ms};
    to = put(to, keys->access_key_id, &place->keys.access_key_id);
    to = put(to, keys->secret_access_key, &place->keys.secret_access_key);
    (void)put(to, keys->session_token, &place->keys.session_token);
}

static void copy_keys(const struct file_keys *from, struct arena *arena, struct file_keys *out)
{
    *out = (struct file_keys){arena_str(arena, from->access_key_id),
                              arena_str(arena, from->secret_access_key),
                              arena_str(arena, from->session_token), from->expires_ms};
}

static struct flight *find_flight(struct key_cache *cache, const struct sha256 *digest,
                                  int64_t lifetime_ms)
{
    struct flight *flight = cache->flights;
    while (flight != NULL &&
           !(sha256_equal(flight->digest, digest) && flight->lifetime_ms <= lifetime_ms))
        flight = flight->next;
    return flight;
}

/* Under the lock. */
static int wait_for(struct key_cache *cache, struct flight *flight, struct arena *arena,
                    struct file_keys *out, struct error *err)
{
    flight->waiting++;
    while (!flight->done)
        (void)pthread_cond_wait(&cache->changed, &cache->mutex);
    int result = flight->result;
    if (result == 0)
        copy_keys(&flight->keys, arena, out);
    else
        *err = flight->err;
    if (--flight->waiting == 0)
        (void)pthread_cond_broadcast(&cache->changed);
    return result;
}

static void unlink_flight(struct key_cache *cache, const struct flight *flight)
{
    struct flight **link = &cache->flights;
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
}

int key_cache_get(struct key_cache *cache, const struct sha256 *digest, int64_t now_ms,
                  int64_t lifetime_ms, key_fetch_fn *fetch, void *arg, struct arena *arena,
                  struct file_keys *out, struct error *err)
{
    int result = 0;
    (void)pthread_mutex_lock(&cache->mutex);
    const struct entry *entry = find(cache, digest, now_ms, lifetime_ms);
    struct flight *other = entry == NULL ? find_flight(cache, digest, lifetime_ms) : NULL;
    if (entry != NULL) {
        copy_keys(&entry->keys, arena, out);
    } else if (other != NULL) {
        result = wait_for(cache, other, arena, out, err);
    } else {
        struct flight own = {.digest = digest, .lifetime_ms = lifetime_ms, .next = cache->flights};
        cache->flights = &own;
        (void)pthread_mutex_unlock(&cache->mutex);
        own.result = fetch(arg, arena, &own.keys, &own.err);
        if (own.result == 0 && own.keys.expires_ms > now_ms + lifetime_ms)
            own.keys.expires_ms = now_ms + lifetime_ms;
        (void)pthread_mutex_lock(&cache->mutex);
        own.done = true;
        unlink_flight(cache, &own);
        if (own.result == 0 && own.keys.expires_ms > now_ms)
            keep(cache, digest, &own.keys, now_ms);
        (void)pthread_cond_broadcast(&cache->changed);
        while (own.waiting > 0)
            (void)pthread_cond_wait(&cache->changed, &cache->mutex);
        result = own.result;
        *out = own.keys;
        if (result != 0)
            *err = own.err;
    }
    (void)pthread_mutex_unlock(&cache->mutex);
    return result;
}
