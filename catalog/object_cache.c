/* Sharded LRU of table versions by name.
 *
 * Always holds, per shard, under its lock:
 *   - every entry is in exactly one bucket chain and in the LRU list;
 *   - `bytes` is the sum of the entries' bytes, and at most `bytes_max` unless a single entry is
 *     larger (the newest entry is never evicted: a commit always finds its own base);
 *   - `epoch` grows with every publish of any name of the shard. */
#include "catalog/object_cache.h"

#include "base/log.h"
#include "base/metric.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define SHARDS 16
#define BUCKETS_MIN 64

struct entry {
    struct entry *chain;         /* same bucket */
    struct entry *newer, *older; /* LRU */
    struct object_version *version;
    uint64_t hash;
    int64_t warehouse_id;
    bool is_function;
    size_t namespace_bytes, name_bytes, bytes;
    char text[]; /* namespace key, then name */
};

struct shard {
    pthread_mutex_t lock;
    struct entry **buckets;
    size_t bucket_count, entry_count;
    struct entry *newest, *oldest;
    size_t bytes, bytes_max;
    uint64_t epoch;
} __attribute__((aligned(64)));

struct object_cache {
    struct shard shards[SHARDS];
};

static uint64_t hash_bytes(uint64_t hash, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (unsigned char)s.ptr[i]) * 0x100000001b3ull;
    }
    return hash;
}

static uint64_t hash_key(const struct object_key *key)
{
    uint64_t hash = 0xcbf29ce484222325ull ^ (uint64_t)key->warehouse_id;
    hash = hash_bytes(hash, key->namespace_key);
    hash = (hash ^ (key->is_function ? 0x1d : 0x1e)) * 0x100000001b3ull;
    hash = hash_bytes(hash, key->name);
    return hash ^ (hash >> 29);
}

static struct shard *shard_of(struct object_cache *cache, uint64_t hash)
{
    return &cache->shards[hash % SHARDS];
}

static struct entry **bucket_of(struct shard *shard, uint64_t hash)
{
    return &shard->buckets[(hash / SHARDS) & (shard->bucket_count - 1)];
}

static void *must_calloc(size_t count, size_t bytes)
{
    void *p = calloc(count, bytes);
    if (p == NULL) {
        log_fatal("out of memory");
    }
    return p;
}

struct object_cache *object_cache_new(size_t bytes_max)
{
    struct object_cache *cache = aligned_alloc(64, sizeof *cache);
    if (cache == NULL) {
        log_fatal("out of memory");
    }
    memset(cache, 0, sizeof *cache);
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_init(&shard->lock, NULL);
        shard->bucket_count = BUCKETS_MIN;
        shard->buckets = must_calloc(shard->bucket_count, sizeof(struct entry *));
        shard->bytes_max = bytes_max / SHARDS;
    }
    return cache;
}

static bool entry_is(const struct entry *entry, uint64_t hash, const struct object_key *key)
{
    return entry->hash == hash && entry->warehouse_id == key->warehouse_id &&
           entry->is_function == key->is_function &&
           str_equal(str_from(entry->text, entry->namespace_bytes), key->namespace_key) &&
           str_equal(str_from(entry->text + entry->namespace_bytes, entry->name_bytes), key->name);
}

static struct entry *find(struct shard *shard, uint64_t hash, const struct object_key *key)
{
    for (struct entry *e = *bucket_of(shard, hash); e != NULL; e = e->chain) {
        if (entry_is(e, hash, key)) {
            return e;
        }
    }
    return NULL;
}

static void lru_unlink(struct shard *shard, struct entry *e)
{
    *(e->newer != NULL ? &e->newer->older : &shard->newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &shard->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void lru_push(struct shard *shard, struct entry *e)
{
    e->older = shard->newest;
    *(shard->newest != NULL ? &shard->newest->newer : &shard->oldest) = e;
    shard->newest = e;
}

static void entry_remove(struct shard *shard, struct entry *e)
{
    struct entry **at = bucket_of(shard, e->hash);
    while (*at != e) {
        assert(*at != NULL);
        at = &(*at)->chain;
    }
    *at = e->chain;
    lru_unlink(shard, e);
    assert(shard->bytes >= e->bytes && shard->entry_count > 0);
    shard->bytes -= e->bytes;
    shard->entry_count--;
    metric_add(METRIC_CACHE_BYTES, -(int64_t)e->bytes);
    object_version_unref(e->version);
    free(e);
}

static void grow(struct shard *shard)
{
    struct entry **old = shard->buckets;
    size_t old_count = shard->bucket_count;

    shard->bucket_count *= 2;
    shard->buckets = must_calloc(shard->bucket_count, sizeof(struct entry *));
    for (size_t i = 0; i < old_count; i++) {
        for (struct entry *e = old[i], *next; e != NULL; e = next) {
            next = e->chain;
            struct entry **at = bucket_of(shard, e->hash);
            e->chain = *at;
            *at = e;
        }
    }
    free(old);
}

/* Down to the budget, but for that entry. */
static void evict(struct shard *shard, const struct entry *spared)
{
    while (shard->bytes > shard->bytes_max && shard->oldest != spared) {
        entry_remove(shard, shard->oldest);
    }
}

static void entry_add(struct shard *shard, uint64_t hash, const struct object_key *key,
                      struct object_version *version)
{
    size_t text_bytes = key->namespace_key.len + key->name.len;
    struct entry *e = must_calloc(1, sizeof *e + text_bytes);

    e->hash = hash;
    e->warehouse_id = key->warehouse_id;
    e->is_function = key->is_function;
    e->namespace_bytes = key->namespace_key.len;
    e->name_bytes = key->name.len;
    memcpy(e->text, key->namespace_key.ptr, key->namespace_key.len);
    memcpy(e->text + key->namespace_key.len, key->name.ptr, key->name.len);
    e->bytes = version->bytes + object_version_packed(version).len + sizeof *e + text_bytes;
    e->version = version;
    object_version_ref(version);
    if (shard->entry_count >= shard->bucket_count) {
        grow(shard);
    }
    struct entry **at = bucket_of(shard, hash);
    e->chain = *at;
    *at = e;
    lru_push(shard, e);
    shard->entry_count++;
    shard->bytes += e->bytes;
    metric_add(METRIC_CACHE_BYTES, (int64_t)e->bytes);
    evict(shard, e);
}

struct object_version *object_cache_get(struct object_cache *cache, const struct object_key *key)
{
    uint64_t hash = hash_key(key);
    struct shard *shard = shard_of(cache, hash);
    struct object_version *version = NULL;

    pthread_mutex_lock(&shard->lock);
    struct entry *e = find(shard, hash, key);
    if (e != NULL) {
        version = e->version;
        object_version_ref(version);
        if (shard->newest != e) {
            lru_unlink(shard, e);
            lru_push(shard, e);
        }
    }
    pthread_mutex_unlock(&shard->lock);
    return version;
}

uint64_t object_cache_epoch(struct object_cache *cache, const struct object_key *key)
{
    struct shard *shard = shard_of(cache, hash_key(key));

    pthread_mutex_lock(&shard->lock);
    uint64_t epoch = shard->epoch;
    pthread_mutex_unlock(&shard->lock);
    return epoch;
}

static void replace(struct shard *shard, uint64_t hash, const struct object_key *key,
                    struct object_version *version)
{
    struct entry *e = find(shard, hash, key);
    if (e != NULL) {
        entry_remove(shard, e);
    }
    if (version != NULL) {
        entry_add(shard, hash, key, version);
    }
}

/* Of two loads in one epoch the one that read before a commit which is durable and not yet
 * published may come last: the newer version stays. Between two objects nobody can tell here: none
 * stays. */
static void settle(struct shard *shard, uint64_t hash, const struct object_key *key,
                   struct object_version *version)
{
    struct entry *e = find(shard, hash, key);
    if (e != NULL && e->version->row.id != version->row.id) {
        entry_remove(shard, e);
    } else if (e == NULL || e->version->row.version < version->row.version) {
        replace(shard, hash, key, version);
    }
}

void object_cache_insert(struct object_cache *cache, const struct object_key *key,
                         struct object_version *version, uint64_t epoch)
{
    uint64_t hash = hash_key(key);
    struct shard *shard = shard_of(cache, hash);

    assert(version != NULL);
    pthread_mutex_lock(&shard->lock);
    if (shard->epoch == epoch) {
        settle(shard, hash, key, version);
    }
    pthread_mutex_unlock(&shard->lock);
}

void object_cache_publish(struct object_cache *cache, const struct object_key *key,
                          struct object_version *version)
{
    uint64_t hash = hash_key(key);
    struct shard *shard = shard_of(cache, hash);

    pthread_mutex_lock(&shard->lock);
    shard->epoch++;
    replace(shard, hash, key, version);
    pthread_mutex_unlock(&shard->lock);
}

void object_cache_charge(struct object_cache *cache, const struct object_key *key,
                         const struct object_version *version, size_t bytes)
{
    uint64_t hash = hash_key(key);
    struct shard *shard = shard_of(cache, hash);

    pthread_mutex_lock(&shard->lock);
    struct entry *e = find(shard, hash, key);
    if (e != NULL && e->version == version) {
        e->bytes += bytes;
        shard->bytes += bytes;
        metric_add(METRIC_CACHE_BYTES, (int64_t)bytes);
        evict(shard, e);
    }
    pthread_mutex_unlock(&shard->lock);
}

void object_cache_free(struct object_cache *cache)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        while (shard->newest != NULL) {
            entry_remove(shard, shard->newest);
        }
        assert(shard->bytes == 0 && shard->entry_count == 0);
        free(shard->buckets);
        pthread_mutex_destroy(&shard->lock);
    }
    free(cache);
}
