/* One state of one table, view or function, immutable and shared: the metadata value, its document,
 * and the finished reply that carries the document, rendered once. Referenced by the cache, by
 * replies on their way out, and by commits that build on it. Threads: immutable; the count is
 * atomic. */
#ifndef CATALOG_OBJECT_VERSION_H
#define CATALOG_OBJECT_VERSION_H

#include "base/arena.h"
#include "base/buf.h"
#include "catalog/object_format.h"

struct object_version {
    int references;                 /* counted with atomics */
    struct object_row row;          /* texts in `arena` */
    union object_metadata metadata; /* of row.kind; texts in `reply` and `arena` */
    struct str reply; /* {"metadata-location":…,"metadata":…,"config":{}} : LoadTableResult, …; of
                       * functions without config */
    struct str document; /* the metadata file's text, a part of `reply` */
    char etag[2][24];    /* quoted; [0] snapshots=all, [1] snapshots=refs */
    size_t bytes;        /* what it holds, for the cache's budget */
    struct arena *arena;
    struct str *_Atomic packed; /* the reply as gzip, made once on demand; NULL: not yet */
};

/* Renders `draft` once, as the document inside the finished reply. `row` is copied; an empty
 * row->metadata_location (a staged table) leaves "metadata-location" out. One reference. */
struct object_version *object_version_build(const union object_metadata *draft,
                                            const struct object_row *row);

/* Wraps a metadata file's text, which is read but not changed. Errors: those of
 * table_metadata_parse. */
MUST_USE int object_version_parse(struct str document, const struct object_row *row,
                                  struct object_version **out, struct error *err);

/* Appends the reply without what stands behind the document, for a table whose clients are told
 * more than nothing (catalog/delegation.h). `refs_only`: with only the snapshots that refs point
 * to. */
void object_version_write_opening(const struct object_version *version, bool refs_only,
                                  struct buf *out);

/* Of a table: the same reply with only the snapshots that refs point to (snapshots=refs). */
void object_version_write_refs_only(const struct object_version *version, struct buf *out);

/* The reply as gzip; STR_NONE: it was not made yet, or does not shrink. */
struct str object_version_packed(const struct object_version *version);
/* Makes it; the bytes that the version holds more than before, 0 when another thread was first. */
size_t object_version_pack(struct object_version *version);

void object_version_ref(struct object_version *version);
void object_version_unref(void *version); /* NULL is allowed; the type fits a release callback */

#endif
