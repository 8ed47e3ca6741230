/* How the files of catalog/ come to a table's version. */
#ifndef CATALOG_OBJECTS_PRIVATE_H
#define CATALOG_OBJECTS_PRIVATE_H

#include "catalog/catalog_private.h"
#include "catalog/object_cache.h"

/* How long a byte-identical commit is taken for the same one sent again. */
#define REPEAT_WINDOW_MS (30 * 60 * 1000ll)

/* The cache's name for a table; the namespace key is made in `arena`. */
struct object_key object_key_of(const struct warehouse *warehouse, const struct identifier *ident,
                                struct arena *arena);

/* The version a row points at: from memory when it is that very version, else from the file, which
 * then enters the cache unless a change of the name was published since `epoch` (taken with
 * object_cache_epoch before the row was read). Errors: ERR_FILE_NOT_FOUND, ERR_UNAVAILABLE,
 * ERR_INTERNAL (unreadable). */
MUST_USE int table_from_row(struct catalog *catalog, struct warehouse *warehouse,
                            const struct object_key *key, const struct object_row *row,
                            uint64_t epoch, struct object_version **out, struct error *err);

#endif
