/* Table metadata, v1 to v3: a typed head, and for each element of the long lists its key and its
 * original JSON text (DESIGN 3; contract/rest.md 4). A commit touches what changes; the rest is
 * copied as text, so that a table with 10,000 snapshots costs a memcpy and unknown fields survive.
 *
 * Invariants (asserted by table_metadata_publish):
 *   1. Every element's text is one valid JSON value, and its key fields say what the text says.
 *   2. current_snapshot_id is -1 or equals ref main's snapshot; no ref main when it is -1.
 *   3. Every default id (schema, spec, order) is found in its list.
 *   4. List order is the document's order.
 *
 * Ownership: a struct table_metadata is a plain value whose arrays live in an arena and whose text
 * points into a document or into that arena. Copying the struct is a cheap draft: an element that
 * some copy counts is never written. metadata_list_append uses the room behind a list for the first
 * copy that asks for it, on whatever thread, and gives every other copy an array of its own; refs
 * and properties are replaced as a whole. So any copy stays what it was, drafts and published ones
 * alike; a draft needs the memory of the values it was made from. */
#ifndef ICEBERG_TABLE_METADATA_H
#define ICEBERG_TABLE_METADATA_H

#include "base/buf.h"
#include "iceberg/metadata_parts.h"

#define FORMAT_VERSION_DEFAULT 2
#define FORMAT_VERSION_MAX 3
#define SNAPSHOT_NONE (-1)

struct metadata_ref {
    struct str name;
    int64_t snapshot_id;
    bool is_tag;
    int64_t min_snapshots_to_keep; /* 0 = not set, in all three */
    int64_t max_snapshot_age_ms;
    int64_t max_ref_age_ms;
};

struct table_metadata {
    int format_version;
    struct str table_uuid; /* STR_NONE only in v1 documents that lack it */
    struct str location;
    int64_t last_sequence_number;
    int64_t last_updated_ms;
    int64_t last_column_id;
    int64_t current_schema_id;
    int64_t default_spec_id;
    int64_t last_partition_id;
    int64_t default_sort_order_id;
    int64_t current_snapshot_id; /* SNAPSHOT_NONE when there is none */
    int64_t next_row_id;         /* v3 */
    struct metadata_list schemas, partition_specs, sort_orders;
    struct metadata_list snapshots, snapshot_log, metadata_log;
    struct metadata_list statistics, partition_statistics, encryption_keys;
    struct metadata_ref *refs;
    size_t ref_count;
    struct metadata_property *properties; /* in document order */
    size_t property_count;
    struct metadata_member *unknown_members;
    size_t unknown_count;
};

/* Reads a metadata document (rest.md 4.9), ours or foreign, with v1 fallbacks and the checks of 4.5
 * step 5. `text` must outlive the result. Cost: one pass. Errors: ERR_BAD_REQUEST (not JSON),
 * ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION. */
MUST_USE int table_metadata_parse(struct str text, struct arena *arena, struct table_metadata *out,
                                  struct error *err);

/* The invariants of rest.md 4.5 step 5 for a metadata that is about to be served or written.
 * Errors: ERR_VALIDATION. */
MUST_USE int table_metadata_check(const struct table_metadata *metadata, struct error *err);

/* Appends the document (rest.md 4.8) to `out`, and fills *published with a copy of `draft` that
 * owns nothing of the draft's memory: its arrays are in `arena`, its texts point into the bytes
 * appended to `out` (or into `arena`). The caller must keep the buf's memory in place and alive as
 * long as *published. Runs of unchanged elements are copied as one memcpy. When the document did
 * not fit under the ceiling of `out` (out->overflowed), *published is empty and must not be used.
 */
void table_metadata_publish(const struct table_metadata *draft, struct arena *arena,
                            struct buf *out, struct table_metadata *published);

/* The same document with only those snapshots that some ref points to (load with snapshots=refs).
 */
void table_metadata_write_refs_only(const struct table_metadata *metadata, struct buf *out);

/* Appends the entry for the file this metadata replaces and keeps the newest
 * max(1, write.metadata.previous-versions-max, default 100), read from `metadata`'s properties
 * (rest.md 4.5 step 3). Called once per file written, however many commits it folds. */
void table_metadata_log_append(struct table_metadata *metadata, struct str base_location,
                               int64_t base_last_updated_ms, struct arena *arena);

/* The files that the log of `base` names and that of `draft` does not, each once, the oldest first,
 * at most max: what fell out when draft took base's place. */
size_t table_metadata_log_dropped(const struct table_metadata *base,
                                  const struct table_metadata *draft, struct str *out, size_t max);

const struct metadata_ref *table_metadata_ref(const struct table_metadata *metadata,
                                              struct str name);
struct str table_metadata_property(const struct table_metadata *metadata, const char *key);
bool table_metadata_property_true(const struct table_metadata *metadata, const char *key,
                                  bool otherwise); /* "true"/"false" ignoring case */

/* What it has in common with the metadata of other kinds. */
struct metadata_head table_metadata_head(const struct table_metadata *metadata);

#endif
