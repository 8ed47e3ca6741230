/* Old metadata files of tables that ask for it (write.metadata.delete-after-commit.enabled,
 * contract/rest.md 4.10). What fell out of the metadata log in a commit becomes jobs of the
 * sweeper, "remove-old-metadata", in that commit's own change set: they are there exactly when the
 * commit is durable, for all tables of a transaction or for none, and never for a commit that was
 * only repeated. */
#ifndef CATALOG_UPKEEP_H
#define CATALOG_UPKEEP_H

#include "catalog/catalog_private.h"

#define UPKEEP_FILES_MAX 1000 /* of one table in one commit; what is beyond stays */

/* The jobs of the table's change from `base` to `draft`, which is closed. `location` is the
 * canonical one of the draft. Returns how many there are; texts are in `arena`. */
size_t upkeep_jobs(const struct object_version *base, const union object_metadata *draft,
                   struct str location, int64_t now_ms, struct arena *arena, struct job_row **out);

enum upkeep_end { UPKEEP_DONE, UPKEEP_REMOVE, UPKEEP_LATER };

/* May the file of such a job be removed? UPKEEP_REMOVE: *file is its canonical location. It may
 * not when it lies outside of the table, or when a table points at it: somebody may have registered
 * it anew. Blocks. */
enum upkeep_end upkeep_judge(struct catalog *catalog, struct warehouse *warehouse,
                             const struct job_row *job, struct arena *arena, struct str *file);

#endif
