/* The newest version of tables, in memory, by name: a byte-budgeted LRU in shards.
 *
 * What it answers is never older than the last change published: a loader remembers the epoch of
 * the name before it reads the row, and its insert is dropped when a change was published since
 * (contract/reliability.md R5). Publishing happens in commit order, before anybody hears of it.
 * Threads: all functions from any thread; a get takes one short lock. */
#ifndef CATALOG_TABLE_CACHE_H
#define CATALOG_TABLE_CACHE_H

#include "catalog/table_version.h"

struct table_cache;

struct table_key {
    int64_t warehouse_id;
    struct str namespace_key, name;
};

struct table_cache *table_cache_new(size_t bytes_max);
void table_cache_free(struct table_cache *cache);

/* A reference for the caller, or NULL. */
struct table_version *table_cache_get(struct table_cache *cache, const struct table_key *key);
uint64_t table_cache_epoch(struct table_cache *cache, const struct table_key *key);

/* Takes a reference of its own, unless something was published since `epoch`. */
void table_cache_insert(struct table_cache *cache, const struct table_key *key,
                        struct table_version *version, uint64_t epoch);

/* The name now has this version (a reference is taken), or is forgotten (NULL). */
void table_cache_publish(struct table_cache *cache, const struct table_key *key,
                         struct table_version *version);

#endif
