/* Files that were written for a change which definitely failed: nobody will ever name them, but
 * only the sweeper deletes, later (DESIGN 2, rule 4). */
#ifndef CATALOG_ORPHANS_H
#define CATALOG_ORPHANS_H

#include "catalog/catalog_private.h"

/* Writes the jobs without waiting; what `jobs` points to is copied. A failure is logged: then the
 * file stays as garbage that harms nobody. */
void orphans_journal(void (*submit)(void *arg, struct catalog_change *change), void *arg,
                     const struct job_row *jobs, size_t count);

/* The job for one file. */
struct job_row orphan_job(int64_t warehouse_id, struct str location, int64_t now_ms);

#endif
