/* A ring of what was dropped lately.
 *
 * 1. An entry is good until its time is over, for the principal that made it, and only while no
 *    object lies at, in or around any of its places.
 * 2. Its places are those that the table had, judged again when it was buried. */
#include "catalog/tombstones.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "catalog/catalog_private.h"

struct tombstone {
    struct arena *arena; /* of all below; NULL: free */
    int64_t warehouse_id;
    struct str namespace_key, name, principal;
    struct location *places;
    size_t place_count;
    int64_t until_ms;
};

struct tombstones {
    pthread_mutex_t lock;
    size_t next;
    struct tombstone ring[TOMBSTONES_MAX];
};

struct tombstones *tombstones_new(void)
{
    struct tombstones *tombstones = calloc(1, sizeof(*tombstones));
    if (tombstones == NULL)
        log_fatal("out of memory");
    pthread_mutex_init(&tombstones->lock, NULL);
    return tombstones;
}

void tombstones_free(struct tombstones *tombstones)
{
    if (tombstones == NULL)
        return;
    for (size_t i = 0; i < TOMBSTONES_MAX; i++)
        arena_free(tombstones->ring[i].arena);
    pthread_mutex_destroy(&tombstones->lock);
    free(tombstones);
}

static void put(struct tombstones *tombstones, const struct tombstone *tombstone)
{
    pthread_mutex_lock(&tombstones->lock);
    struct tombstone *at = &tombstones->ring[tombstones->next];
    tombstones->next = (tombstones->next + 1) % TOMBSTONES_MAX;
    arena_free(at->arena);
    *at = *tombstone;
    pthread_mutex_unlock(&tombstones->lock);
}

void catalog_table_bury(struct catalog *catalog, const struct warehouse *warehouse,
                        const struct object_version *table, struct str principal)
{
    struct arena *arena = arena_new();
    struct file_scope scope;
    struct error err;
    if (delegation_scope(warehouse, table, true, principal, arena, &scope, &err) != 0) {
        arena_free(arena);
        return;
    }
    struct tombstone tombstone = {
        .arena = arena,
        .warehouse_id = warehouse->id,
        .namespace_key = arena_str(arena, table->row.namespace_key),
        .name = arena_str(arena, table->row.name),
        .principal = arena_str(arena, principal),
        .places = ARENA_ARRAY(arena, struct location, scope.location_count),
        .place_count = scope.location_count,
        .until_ms = clock_now_ms(catalog->options.clock) + TOMBSTONE_LIFETIME_MS,
    };
    for (size_t i = 0; i < scope.location_count; i++) {
        int rc = location_parse(scope.locations[i], arena, &tombstone.places[i], &err);
        assert(rc == 0); /* they are canonical */
        (void)rc;
    }
    put(catalog->tombstones, &tombstone);
}

static bool is_meant(const struct tombstone *tombstone, const struct warehouse *warehouse,
                     struct str namespace_key, struct str name, const struct location *place)
{
    if (tombstone->arena == NULL || tombstone->warehouse_id != warehouse->id)
        return false;
    if (place == NULL)
        return str_equal(tombstone->namespace_key, namespace_key) &&
               str_equal(tombstone->name, name);
    for (size_t i = 0; i < tombstone->place_count; i++)
        if (location_contains(&tombstone->places[i], place))
            return true;
    return false;
}

/* The newest that is meant and still good, its places copied. */
static bool find(struct catalog *catalog, const struct warehouse *warehouse,
                 const struct identifier *ident, const struct location *place, struct str principal,
                 struct arena *arena, struct file_scope *out)
{
    struct tombstones *tombstones = catalog->tombstones;
    struct str key = ident == NULL ? STR_NONE : namespace_key(&ident->ns, arena);
    int64_t now_ms = clock_now_ms(catalog->options.clock);
    bool found = false;
    pthread_mutex_lock(&tombstones->lock);
    for (size_t back = 1; back <= TOMBSTONES_MAX && !found; back++) {
        const struct tombstone *at =
            &tombstones->ring[(tombstones->next + TOMBSTONES_MAX - back) % TOMBSTONES_MAX];
        found = is_meant(at, warehouse, key, ident == NULL ? STR_NONE : ident->name, place) &&
                at->until_ms > now_ms && str_equal(at->principal, principal);
        if (!found)
            continue;
        struct str *locations = ARENA_ARRAY(arena, struct str, at->place_count);
        for (size_t i = 0; i < at->place_count; i++)
            locations[i] = arena_str(arena, at->places[i].text);
        *out = (struct file_scope){.locations = locations,
                                   .location_count = at->place_count,
                                   .write = true,
                                   .removes_only = true,
                                   .session_name = principal};
    }
    pthread_mutex_unlock(&tombstones->lock);
    return found;
}

int catalog_table_buried(struct catalog *catalog, const struct warehouse *warehouse,
                         const struct identifier *ident, const struct location *place,
                         struct str principal, struct arena *arena, struct file_scope *out,
                         bool *found, struct error *err)
{
    assert((ident == NULL) != (place == NULL));
    *found = find(catalog, warehouse, ident, place, principal, arena, out);
    /* Reserved they are for the table itself: it left them so, for longer than a tombstone stands.
     */
    const struct place_claim nobody = {0};
    for (size_t i = 0; *found && i < out->location_count; i++) {
        enum place_state state = PLACE_FREE;
        if (catalog_location_taken(catalog, out->locations[i], &nobody, &state, err) != 0)
            return -1;
        *found = state != PLACE_TAKEN;
    }
    return 0;
}
