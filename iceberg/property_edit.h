/* The updates set-properties and remove-properties (contract/rest.md 4.4), for the metadata of any
 * kind. Threads: one edit belongs to one thread. */
#ifndef ICEBERG_PROPERTY_EDIT_H
#define ICEBERG_PROPERTY_EDIT_H

#include "iceberg/id_map.h"
#include "iceberg/members.h"

/* The properties of a draft while a commit is applied to it: the first four are set by the commit,
 * the rest begins as zeros. */
struct property_edit {
    struct arena *arena;   /* of what stays */
    struct arena *scratch; /* of what only this commit needs */
    struct metadata_property **list;
    size_t *count;
    size_t capacity;     /* 0 while the array still is the base's */
    struct id_map index; /* hash → place, built when many are looked up */
    bool is_indexed;
    size_t lookups;
};

/* Members of the updates, in the order of `values` below: newer and older spelling. */
extern const struct member_spec set_properties_members[2], remove_properties_members[2];

/* What is not empty is a change, also when nothing becomes different. Errors:
 * ERR_ILLEGAL_ARGUMENT (missing, ceilings). */
MUST_USE int property_edit_set(struct property_edit *edit, const struct str *values, bool *changed,
                               struct error *err);
MUST_USE int property_edit_remove(struct property_edit *edit, const struct str *values,
                                  bool *changed, struct error *err);

#endif
