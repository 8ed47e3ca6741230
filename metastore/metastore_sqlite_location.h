/* The overlap index, for the files of the SQLite metastore only. An object keeps others away from
 * its location and its places. */
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
/* Does another object lie at this place, in it or around it? In any warehouse. */
bool sqlite_location_taken(struct sqlite_connection *connection,
                           const struct sqlite_location_key *key, int64_t own_id);
/* The places of a change: is one of them another object's? Are they those that the object has? */
bool sqlite_places_taken(struct sqlite_connection *connection, const struct change *change,
                         int64_t own_id);
bool sqlite_places_stay(struct sqlite_connection *connection, const struct change *change,
                        int64_t object_id);
/* Replaces those of the object by those of the change; NULL: by none. */
void sqlite_places_write(struct sqlite_connection *writer, const struct change *change,
                         int64_t object_id);

#endif
