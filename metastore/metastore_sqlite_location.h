/* The overlap index, for the files of the SQLite metastore only. An object keeps others away from
 * its location and its places, a reservation all but its uuid and its holder. */
#ifndef METASTORE_METASTORE_SQLITE_LOCATION_H
#define METASTORE_METASTORE_SQLITE_LOCATION_H

#include "base/location.h"
#include "metastore/metastore_sqlite_private.h"

/* The key of the overlap index: a canonical location with a slash at its end. */
struct sqlite_location_key {
    char bytes[LOCATION_BYTES_MAX + 1];
    struct str text; /* STR_NONE for an object without a place */
};
void sqlite_location_key_of(struct str location, struct sqlite_location_key *key);
static inline struct place_claim sqlite_claim_of(const struct change *change, int64_t own_id)
{
    return (struct place_claim){own_id, change->uuid, change->holder};
}
/* Is there another object or somebody else's reservation at this place, in it or around it? In any
 * warehouse. */
enum place_state sqlite_location_state(struct sqlite_connection *connection,
                                       const struct sqlite_location_key *key,
                                       const struct place_claim *claim);
/* The places of a change: is one of them not free for it? Are they those that the object has? */
bool sqlite_places_taken(struct sqlite_connection *connection, const struct change *change,
                         int64_t own_id);
bool sqlite_places_stay(struct sqlite_connection *connection, const struct change *change,
                        int64_t object_id);
/* Replaces those of the object by those of the change; NULL: by none. */
void sqlite_places_write(struct sqlite_connection *writer, const struct change *change,
                         int64_t object_id);

/* Reservations. The location and the places of the change are its object's now: what was reserved
 * at them and below them has ended. */
void sqlite_reservations_end(struct sqlite_connection *writer, const struct change *change);
/* Keeps the location and the places that the object has in its rows, for its uuid. */
void sqlite_reserve_location(struct sqlite_connection *writer, int64_t object_id, int64_t until_ms);
void sqlite_reserve_places(struct sqlite_connection *writer, int64_t object_id, int64_t until_ms);
enum change_outcome sqlite_location_reserve(struct change_run *run);

#endif
