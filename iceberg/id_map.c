/* A map from int64 to int64: open addressing, at most two thirds full, so a probe always ends. */
#include "iceberg/id_map.h"

#include <assert.h>

#define CAPACITY_MIN 16

struct id_map_slot {
    int64_t key;
    int64_t value;
    bool used;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static struct id_map_slot *slot_of(const struct id_map *map, int64_t key)
{
    assert(map->capacity > 0 && (map->capacity & (map->capacity - 1)) == 0);
    size_t at = mix((uint64_t)key ^ map->seed) & (map->capacity - 1);
    while (map->slots[at].used && map->slots[at].key != key)
        at = (at + 1) & (map->capacity - 1);
    return &map->slots[at];
}

void id_map_init(struct id_map *map, struct arena *arena, size_t expected_count)
{
    assert(arena != NULL);
    size_t capacity = CAPACITY_MIN;
    while (capacity / 3 * 2 <= expected_count)
        capacity *= 2;
    *map = (struct id_map){.arena = arena,
                           .slots = ARENA_ARRAY(arena, struct id_map_slot, capacity),
                           .capacity = capacity};
    map->seed = mix((uint64_t)(uintptr_t)map->slots);
}

static void grow(struct id_map *map)
{
    struct id_map larger;
    id_map_init(&larger, map->arena, map->capacity);
    larger.seed = map->seed; /* hashes of texts that callers hold stay right */
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].used)
            id_map_put(&larger, map->slots[i].key, map->slots[i].value);
    assert(larger.count == map->count);
    *map = larger;
}

bool id_map_put(struct id_map *map, int64_t key, int64_t value)
{
    if (map->count >= map->capacity / 3 * 2)
        grow(map);
    struct id_map_slot *slot = slot_of(map, key);
    if (slot->used)
        return false;
    *slot = (struct id_map_slot){key, value, true};
    map->count++;
    return true;
}

bool id_map_has(const struct id_map *map, int64_t key)
{
    return slot_of(map, key)->used;
}

bool id_map_get(const struct id_map *map, int64_t key, int64_t *value)
{
    const struct id_map_slot *slot = slot_of(map, key);
    if (slot->used)
        *value = slot->value;
    return slot->used;
}

uint64_t id_map_hash(const struct id_map *map, struct str text)
{
    uint64_t hash = map->seed;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return hash;
}
