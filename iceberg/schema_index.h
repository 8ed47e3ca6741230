/* The columns of a schema, nested ones included, to be found by id and by name without a walk.
 *
 * A full name joins the names from the top with '.'; list elements and map keys and values are
 * called element, key and value. A short name leaves out the element or value that holds a struct
 * ("points.x" for "points.element.x"); it finds a column only where no full name does.
 * Names are not stored: an entry has its own name and its parent, and a hash of the whole, so that
 * deep schemas with long names cost no more than their own text.
 * Threads: immutable once built; arena-owned. */
#ifndef ICEBERG_SCHEMA_INDEX_H
#define ICEBERG_SCHEMA_INDEX_H

#include "iceberg/type.h"

#define SCHEMA_ENTRY_NONE UINT32_MAX

struct schema_entry {
    const struct field *field;
    uint64_t name_hash;  /* of the full name */
    uint64_t short_hash; /* of the short name */
    uint32_t parent;     /* an earlier entry; SCHEMA_ENTRY_NONE at the top */
    bool has_short_name; /* other than the full one */
    bool in_short_names; /* its name is part of the short names below it */
    bool ancestors_structs;
    bool ancestors_required;
};

struct schema_index {
    struct schema_entry *entries; /* parents before children, siblings in order */
    uint32_t count;
    uint32_t *by_id;
    uint32_t *by_name; /* in the order of (name_hash, name) */
    uint32_t *by_short_name;
    uint32_t short_count;
};

struct schema_index *schema_index_build(const struct type *root, struct arena *arena);

/* No two columns with one id or one full name. Errors: ERR_VALIDATION. */
MUST_USE int schema_index_check(const struct schema_index *index, struct arena *arena,
                                struct error *err);

/* An entry, or SCHEMA_ENTRY_NONE. O(log n). */
uint32_t schema_index_find_id(const struct schema_index *index, int64_t field_id);
uint32_t schema_index_find_name(const struct schema_index *index, struct str name);

struct str schema_index_full_name(const struct schema_index *index, uint32_t entry,
                                  struct arena *arena);

#endif
