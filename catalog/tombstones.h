/* Tables that were dropped a moment ago, for clients that remove the files themselves: engines that
 * purge (Spark, Flink) drop the name first and then ask for signatures under their deletes
 * (contract/clients.md 27). For some minutes whoever dropped a table may still have requests signed
 * that read, list and delete its files, and no others; not when another object lies there by now.
 * In memory of this process: after a restart there are none. Keys that clients got need no such
 * thing: they are good for their time.
 * Threads: from any; finding asks the metastore. */
#ifndef CATALOG_TOMBSTONES_H
#define CATALOG_TOMBSTONES_H

#include "catalog/delegation.h"

#define TOMBSTONE_LIFETIME_MS (10 * 60 * 1000ll)
#define TOMBSTONES_MAX 256 /* the oldest make room */

struct tombstones;
struct tombstones *tombstones_new(void);
void tombstones_free(struct tombstones *tombstones); /* NULL is allowed */

/* The table as it was just before its name was removed by that principal. */
void catalog_table_bury(struct catalog *catalog, const struct warehouse *warehouse,
                        const struct object_version *table, struct str principal);

/* By its name, or, with ident NULL, by a place in it. Errors: those of the metastore. */
MUST_USE int catalog_table_buried(struct catalog *catalog, const struct warehouse *warehouse,
                                  const struct identifier *ident, const struct location *place,
                                  struct str principal, struct arena *arena, struct file_scope *out,
                                  bool *found, struct error *err);

#endif
