/* Versions of a view: what they mean, and their text (contract/rest.md 5.1–5.3).
 * Threads: no state; values live in the arena they were read into. */
#ifndef ICEBERG_VIEW_VERSION_H
#define ICEBERG_VIEW_VERSION_H

#include "iceberg/members.h"

struct view_representation {
    bool is_sql;        /* other types are kept as text and nothing is known of them */
    struct str sql;     /* decoded, like dialect; STR_NONE unless is_sql */
    struct str dialect; /* as written */
};

struct view_version {
    int64_t version_id;
    int64_t timestamp_ms;
    int64_t schema_id;          /* LAST_ADDED: the schema this commit added last */
    struct str default_catalog; /* STR_NONE: none */
    struct str *default_namespace;
    size_t level_count;
    struct metadata_property *summary; /* by key */
    size_t summary_count;
    struct view_representation *representations;
    size_t representation_count;
    struct str text; /* what it was read from */
};

/* Shapes: all members but default-catalog must be there. Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int view_version_read(struct str object, struct arena *arena, struct view_version *out,
                               struct error *err);

/* What a version that is about to be added must be: SQL only, one query per dialect.
 * Errors: ERR_ILLEGAL_ARGUMENT "Invalid view version: Cannot add multiple queries for dialect x".
 */
MUST_USE int view_version_check(const struct view_version *version, struct error *err);

/* Equal but for id and time. */
bool view_version_same(const struct view_version *a, const struct view_version *b);

bool view_version_has_dialect(const struct view_version *version, struct str dialect);

/* The version as an element of the document, with these ids in place of its own; members that
 * nobody knows stay. */
struct metadata_element view_version_element(const struct view_version *version, int64_t version_id,
                                             int64_t schema_id, struct arena *arena);

#endif
