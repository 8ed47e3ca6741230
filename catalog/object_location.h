/* Where a table may lie: strictly below its warehouse's root, and every path its properties name
 * below the root too (contract/reliability.md 3.1 L05). Overlap with other tables is judged by the
 * metastore, in the transaction of the change. */
#ifndef CATALOG_OBJECT_LOCATION_H
#define CATALOG_OBJECT_LOCATION_H

#include "catalog/warehouse.h"
#include "iceberg/table_metadata.h"

/* Errors: ERR_ILLEGAL_ARGUMENT naming the location. *canonical is for object_row.location. */
MUST_USE int object_location_check(const struct warehouse *warehouse,
                                   const struct table_metadata *metadata, struct arena *arena,
                                   struct str *canonical, struct error *err);

/* {root}/{level}/…/{name}[-{uuid without dashes}] */
struct str object_location_default(const struct warehouse *warehouse,
                                   const struct identifier *ident, const char *uuid, bool unique,
                                   struct arena *arena);

/* A metadata file that a client names: inside the warehouse, named as metadata files are.
 * Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int metadata_location_check(const struct warehouse *warehouse, struct str location,
                                     struct arena *arena, struct error *err);

#endif
