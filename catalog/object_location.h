/* Where a table or view and its files may lie: strictly below the warehouse's root and outside of
 * every other one (contract/reliability.md 3.1 L03-L07). Overlap of two locations is judged once
 * more by the metastore, in the transaction of the change. */
#ifndef CATALOG_OBJECT_LOCATION_H
#define CATALOG_OBJECT_LOCATION_H

#include "catalog/warehouse.h"
#include "catalog/object_format.h"

/* A state of an object that is about to become true, and what is known of the places it names. */
struct object_places {
    const struct warehouse *warehouse;
    const struct object_format *format;
    const union object_metadata *metadata;
    const union object_metadata *before; /* judged when it became true; NULL: nothing was */
    struct place_claim claim;
    /* Is a place free? metastore_location_taken, or a test's. Blocks. */
    int (*taken)(void *arg, struct str location, const struct place_claim *claim,
                 enum place_state *out, struct error *err);
    void *arg;
};

#define OBJECT_PLACES_MAX 4 /* properties that name a place */
extern const char *const object_path_properties[OBJECT_PLACES_MAX];

/* Places that were judged, as the metastore's overlap index takes them: canonical. */
struct judged_places {
    struct str location;                  /* of the object: for object_row.location */
    struct str beside[OBJECT_PLACES_MAX]; /* of its properties, as far as outside of location: for
                                           * change.places */
    size_t beside_count;
};

/* The object's location, the paths of its properties, and of a table the files that snapshots and
 * statistics name, as far as `before` does not hold them: below the root, and outside of every
 * other object's location. Comes before anything is written or vended there. Errors:
 * ERR_ILLEGAL_ARGUMENT naming the location; those of `taken`; *out is then
 * untouched. */
MUST_USE int object_places_check(const struct object_places *places, struct arena *arena,
                                 struct judged_places *out, struct error *err);

/* Does one of the two states name a place, for its location or by a property, that the other does
 * not name there? */
bool object_places_differ(const struct object_format *format, const union object_metadata *a,
                          const union object_metadata *b);

/* The one who may take a place that is reserved for him without the uuid: who asks, for that name.
 * So a create that was staged and came to nothing can be tried again, by its own user. */
struct str place_holder(const struct caller *caller, const struct warehouse *warehouse,
                        const struct identifier *ident, struct arena *arena);

/* Until when the place that an object leaves stays reserved for its uuid: as long as keys for it
 * may live. 0: clients have keys of their own, so nothing is gained (contract/reliability.md L10).
 */
int64_t place_left_until(const struct warehouse *warehouse, enum object_kind kind,
                         int64_t reserve_ms, int64_t now_ms);

/* {root}/{level}/…/{name}[-{uuid without dashes}] */
struct str object_location_default(const struct warehouse *warehouse,
                                   const struct identifier *ident, const char *uuid, bool unique,
                                   struct arena *arena);

/* A place that is named for an object which has none of its own: below the root and outside of
 * every object that has. Errors: ERR_ILLEGAL_ARGUMENT; those of metastore_location_taken. */
MUST_USE int free_location_check(const struct object_places *places, struct str location,
                                 struct arena *arena, struct error *err);

/* Whether a file's location, or its key in a store, is named as metadata files are: whatever else
 * stands in the last segment, ".metadata.json" does. What a table can stand on has such a name. */
bool metadata_location_is_named_so(struct str location);

/* A metadata file that a client names: inside the warehouse, named as metadata files are.
 * Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int metadata_location_check(const struct warehouse *warehouse, struct str location,
                                     struct arena *arena, struct error *err);

#endif
