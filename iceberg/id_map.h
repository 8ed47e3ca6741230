/* A map from int64 to int64, for "does some snapshot have this id" over long lists.
 * It only grows, lives in an arena, and is seeded with its own address, so that nobody outside can
 * choose ids that collide.
 * Threads: one map belongs to one thread at a time. */
#ifndef ICEBERG_ID_MAP_H
#define ICEBERG_ID_MAP_H

#include "base/arena.h"
#include <stdint.h>

struct id_map_slot;

struct id_map {
    struct arena *arena;
    struct id_map_slot *slots;
    size_t count;
    size_t capacity; /* a power of two */
    uint64_t seed;
};

void id_map_init(struct id_map *map, struct arena *arena, size_t expected_count);
bool id_map_put(struct id_map *map, int64_t key, int64_t value); /* false: there already, kept */
bool id_map_has(const struct id_map *map, int64_t key);
bool id_map_get(const struct id_map *map, int64_t key, int64_t *value);
uint64_t id_map_hash(const struct id_map *map, struct str text); /* a key for a text */

#endif
