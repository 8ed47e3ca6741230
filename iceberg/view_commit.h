/* A commit to a view: requirements to check, updates to apply (contract/rest.md 4.6, 5.3, 5.4).
 * Pure: text and values in, values out. Names that views do not know are refused when the commit is
 * parsed, before anything is read or written. */
#ifndef ICEBERG_VIEW_COMMIT_H
#define ICEBERG_VIEW_COMMIT_H

#include "iceberg/table_commit.h"
#include "iceberg/view_metadata.h"

struct view_update_row;

struct view_update {
    const struct view_update_row *row;
    struct str text;
};

struct view_commit {
    struct str *uuids; /* of the requirements, which are all assert-view-uuid */
    size_t uuid_count;
    struct view_update *updates;
    size_t update_count;
};

/* `body` as for table_commit_parse, and it must outlive the result. Errors: ERR_ILLEGAL_ARGUMENT,
 * ERR_BAD_REQUEST (unknown action or type, ceilings), ERR_VALIDATION (a requirement or update of
 * tables). */
MUST_USE int view_commit_parse(struct str body, struct arena *arena, struct view_commit *out,
                               struct error *err);

/* Errors: ERR_COMMIT_FAILED "Requirement failed: view UUID does not match…". */
MUST_USE int view_commit_check(const struct view_commit *commit, const struct view_metadata *base,
                               struct error *err);

/* Applies the updates in order and runs the build step of 5.4. *changed is false when no update had
 * an effect; then *next equals *base. On failure *next is undefined and `base` unharmed.
 * Errors: ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION. */
MUST_USE int view_commit_apply(const struct view_commit *commit, const struct view_metadata *base,
                               const struct commit_inputs *inputs, struct arena *arena,
                               struct view_metadata *next, bool *changed, struct error *err);

#endif
