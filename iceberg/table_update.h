/* Between table_commit.c and the files of updates and requirements; nobody else includes this.
 *
 * An update is a row {name, members, function}. The members are checked for presence and kind when
 * the commit is parsed; the function gets their values and changes state->next. What it appends
 * goes into state->arena, what only this commit needs into state->scratch. */
#ifndef ICEBERG_TABLE_UPDATE_H
#define ICEBERG_TABLE_UPDATE_H

#include "iceberg/id_map.h"
#include "iceberg/layout.h"
#include "iceberg/members.h"
#include "iceberg/property_edit.h"
#include "iceberg/table_commit.h"

#define LAST_ADDED                                                                \
    (-1) /* "the one this commit added last", as an id in set-current-schema & co \
          */

struct added_register {
    bool is_set;
    int64_t id;
};

/* Parsed once per commit, in list order, when the first add-… needs them. */
struct layout_cache {
    bool schemas_read, specs_read, orders_read;
    struct schema *schemas;
    struct partition_spec *specs;
    struct sort_order *orders;
    size_t schema_capacity, spec_capacity, order_capacity;
};

struct commit_state {
    const struct table_metadata *base; /* NULL: a create */
    struct table_metadata *next;
    struct arena *arena;
    struct arena *scratch; /* freed when the commit is applied */
    int64_t now_ms;        /* never before base's last-updated-ms */
    bool changed;
    bool layout_changed;     /* current schema, default spec or default order */
    bool properties_changed; /* by set-properties */
    bool snapshots_removed;

    struct added_register schema, spec, order;
    struct layout_cache layout;

    /* Snapshots. Removals are kept in `removed` until snapshots_settle takes them out of the list
     * at once: a client may send one remove-snapshots per snapshot. */
    struct id_map added, removed;
    struct id_map index; /* of next->snapshots, built when many are looked up */
    bool is_indexed;
    size_t snapshot_lookups;
    int64_t *mains; /* added here and set as main here, in order */
    size_t main_count, main_capacity;

    size_t ref_capacity; /* refs have none of their own; 0 while they still are base's */
    struct property_edit properties;
};

typedef int update_function(struct commit_state *state, struct str text, const struct str *values,
                            struct error *err);

struct update_row {
    const char *name;
    const struct member_spec *members;
    size_t member_count;
    update_function *apply; /* NULL: an update of views */
};

#define UPDATE_MEMBERS_MAX 4

/* By name ignoring case, or NULL. */
const struct update_row *update_row_find(struct str name);

struct requirement_row {
    const char *name;
    const struct member_spec *members;
    size_t member_count;
    /* NULL: a requirement on views. `base` exists. */
    int (*check)(const struct table_metadata *base, const struct str *values, struct arena *scratch,
                 struct error *err);
};

#define REQUIREMENT_MEMBERS_MAX 2

const struct requirement_row *requirement_row_find(struct str name);
bool requirement_row_is_create(const struct requirement_row *row);

update_function update_assign_uuid, update_upgrade_format_version, update_set_location;
update_function update_set_properties, update_remove_properties;
update_function update_add_schema, update_set_current_schema, update_remove_schemas;
update_function update_add_spec, update_set_default_spec, update_remove_specs;
update_function update_add_order, update_set_default_order;
update_function update_add_snapshot, update_remove_snapshots;
update_function update_set_ref, update_remove_ref;
update_function update_set_statistics, update_remove_statistics;
update_function update_set_partition_statistics, update_remove_partition_statistics;
update_function update_add_encryption_key, update_remove_encryption_key;

/* Takes the removed snapshots out of the list. */
void snapshots_settle(struct commit_state *state);

/* 4.5 step 4. Errors: ERR_VALIDATION. */
MUST_USE int snapshot_log_repair(struct commit_state *state, struct error *err);

/* Takes the elements with those ids out of `list`, which is base_list with appends or an array of
 * this commit's own. True when there were any. */
bool list_remove_ids(struct commit_state *state, struct metadata_list *list,
                     const struct metadata_list *base_list, const struct id_map *ids);
#define BASE_LIST(state, list) ((state)->base == NULL ? NULL : &(state)->base->list)

/* The numbers of a checked array, as the keys of a map in scratch. */
void ids_read(struct commit_state *state, struct str array, struct id_map *out);

#endif
