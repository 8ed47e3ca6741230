/* The newest version of tables, in memory, by name: a byte-budgeted LRU in shards.
 *
 * What it answers is never older than the last change published: a loader remembers the epoch of
 * the name before it reads the row, and its insert is dropped when a change was published since
 * (contract/reliability.md R5). Publishing happens in commit order, before anybody hears of it.
 * Threads: all functions from any thread; a get takes one short lock. */
#ifndef CATALOG_OBJECT_CACHE_H
#define CATALOG_OBJECT_CACHE_H

#include "catalog/object_version.h"

struct object_cache;

struct object_key {
    int64_t warehouse_id;
    struct str namespace_key, name;
    bool is_function; /* functions have names of their own */
};

struct object_cache *object_cache_new(size_t bytes_max);
void object_cache_free(struct object_cache *cache);

/* A reference for the caller, or NULL. */
struct object_version *object_cache_get(struct object_cache *cache, const struct object_key *key);
uint64_t object_cache_epoch(struct object_cache *cache, const struct object_key *key);

/* Takes a reference of its own, unless something was published since `epoch`, or what is there is
 * not older. */
void object_cache_insert(struct object_cache *cache, const struct object_key *key,
                         struct object_version *version, uint64_t epoch);

/* The version holds that many bytes more; nothing happens when it is not in the cache. */
void object_cache_charge(struct object_cache *cache, const struct object_key *key,
                         const struct object_version *version, size_t bytes);

/* The name now has this version (a reference is taken), or is forgotten (NULL). */
void object_cache_publish(struct object_cache *cache, const struct object_key *key,
                          struct object_version *version);

#endif
