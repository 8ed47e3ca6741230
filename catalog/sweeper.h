/* Deletes files, later and only by durable jobs (DESIGN 2, rule 4). A request never deletes.
 *
 * Jobs: "remove-file" — a metadata file whose commit definitely failed (payload: its location):
 * removed after its grace when no row and no history names it. "purge-table" — a table dropped with
 * purge: payload is a JSON object of final metadata location, table location, uuid and name;
 * removes what the final metadata itself names inside the table's own location: metadata-log files,
 * statistics, partition statistics, nothing else. What only manifests know stays until they are
 * read; then the job also ends with lists and the current metadata file. Until then the current
 * metadata file is kept, so that the rest can be found, and the job waits in kind
 * "purge-manifests". "remove-dropped-file" — the metadata file of a dropped view: removed after the
 * same grace, unless somebody has registered it again. "remove-old-metadata" — what fell out of a
 * table's metadata log in a commit (catalog/upkeep.h): removed at once. */
#ifndef CATALOG_SWEEPER_H
#define CATALOG_SWEEPER_H

#include "catalog/warehouse.h"

#define SWEEP_GRACE_MS \
    (24 * 3600 * 1000ll) /* before a failed commit's, a dropped view's file goes */

/* The job that purges a dropped table; its texts are in `arena`. It belongs into the change set of
 * the drop. */
struct job_row sweeper_purge_job(struct catalog *catalog, const struct object_row *dropped,
                                 struct arena *arena);

/* The job that removes the metadata file of a dropped view; as above. */
struct job_row sweeper_dropped_file_job(struct catalog *catalog, const struct object_row *dropped,
                                        struct arena *arena);

/* Runs the jobs that are due, at most `limit`; *done counts finished ones. Called by the janitor
 * and by tests. */
MUST_USE int catalog_sweep(struct catalog *catalog, size_t limit, size_t *done, struct error *err);

/* Also drops idempotency records past their time. */
MUST_USE int catalog_expire(struct catalog *catalog, struct error *err);

#endif
