/* View metadata, format version 1: a typed head, and for each schema, version and log entry its key
 * and its original JSON text, as in table_metadata.h (contract/rest.md 5.1).
 *
 * Invariants (asserted by view_metadata_publish):
 *   1. Every element's text is one valid JSON value, and its key fields say what the text says.
 *   2. The current version is in the list, and its schema too.
 *   3. List order is the document's order.
 *
 * Ownership: a plain value whose arrays live in an arena; copying the struct is a cheap draft. */
#ifndef ICEBERG_VIEW_METADATA_H
#define ICEBERG_VIEW_METADATA_H

#include "base/buf.h"
#include "iceberg/metadata_parts.h"

#define VIEW_FORMAT_VERSION 1

struct view_metadata {
    int format_version;
    struct str view_uuid;
    struct str location;
    int64_t current_version_id;
    struct metadata_list schemas;
    struct metadata_list versions;
    struct metadata_list version_log;     /* id: of the version */
    struct metadata_property *properties; /* in document order */
    size_t property_count;
    struct metadata_member *unknown_members;
    size_t unknown_count;
};

/* `text` must outlive the result. Errors: ERR_BAD_REQUEST (not JSON), ERR_ILLEGAL_ARGUMENT,
 * ERR_VALIDATION. */
MUST_USE int view_metadata_parse(struct str text, struct arena *arena, struct view_metadata *out,
                                 struct error *err);

/* Invariant 2, and that there is a location and a uuid. Errors: ERR_VALIDATION. */
MUST_USE int view_metadata_check(const struct view_metadata *metadata, struct error *err);

/* Appends the document to `out`; *published is a copy of `draft` that lives in `arena` alone. */
void view_metadata_publish(const struct view_metadata *draft, struct arena *arena, struct buf *out,
                           struct view_metadata *published);

/* What it has in common with the metadata of other kinds. */
struct metadata_head view_metadata_head(const struct view_metadata *metadata);

/* An entry of the version log. */
struct metadata_element view_log_entry(int64_t timestamp_ms, int64_t version_id,
                                       struct arena *arena);

#endif
