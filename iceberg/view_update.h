/* What updates of views do, one function each, and the table that names them. For the commits of
 * views (view_commit.c) only.
 *
 * "-1" means what this commit added last: a schema that was there already does not count, and a
 * version that was there already makes it mean nothing (rest.md 5.3). */
#ifndef ICEBERG_VIEW_UPDATE_H
#define ICEBERG_VIEW_UPDATE_H

#include "iceberg/table_update.h"
#include "iceberg/view_metadata.h"
#include "iceberg/view_version.h"

#define VIEW_UPDATE_MEMBERS_MAX 2

/* A commit on its way. `base` is never written: arrays of `next` are extended beyond its counts or
 * replaced. */
struct view_state {
    const struct view_metadata *base;
    struct view_metadata *next;
    struct arena *arena;
    struct arena *scratch; /* freed when the commit is applied */
    int64_t now_ms;
    bool changed;
    struct added_register schema, version;
    struct id_map added; /* ids of the versions this commit added */
    bool has_log_entry;  /* the current version was set: one entry at the end, the last one */
    struct metadata_element log_entry;
    struct property_edit properties;
    /* Read once, when the first add-… needs them; in the order of the lists. */
    struct schema *schemas;
    struct view_version *versions;
    size_t schema_capacity, version_capacity; /* 0: not read */
};

typedef int view_update_function(struct view_state *state, const struct str *values,
                                 struct error *err);

struct view_update_row {
    const char *name;
    const struct member_spec *members;
    size_t member_count;
    view_update_function *apply;
};

/* By the action's name in any case; NULL when views know none of that name. */
const struct view_update_row *view_update_row_find(struct str name);

#endif
