/* A commit: requirements to check, updates to apply (contract/rest.md 3.5, 4.3–4.7, 9).
 * Pure: text and values in, values out; the clock and the uuid are arguments. Requirements and
 * updates are tables of rows {name, function} in table_requirement.c and table_update*.c; unknown
 * names are refused when the commit is parsed, before anything is read or written. */
#ifndef ICEBERG_TABLE_COMMIT_H
#define ICEBERG_TABLE_COMMIT_H

#include "iceberg/table_metadata.h"

struct requirement_row;
struct update_row;

struct commit_requirement {
    const struct requirement_row *row;
    struct str text; /* the JSON object */
};

struct commit_update {
    const struct update_row *row;
    struct str text;
};

struct table_commit {
    bool is_create;     /* carries assert-create */
    bool adds_snapshot; /* carries add-snapshot: a byte-identical repeat can be recognised */
    struct commit_requirement *requirements;
    size_t requirement_count;
    struct commit_update *updates;
    size_t update_count;
};

/* `body` is a JSON object that passed raw_json_check: {"requirements":[…],"updates":[…]}, either
 * may be absent; other members are ignored. `body` must outlive the result. Errors:
 * ERR_ILLEGAL_ARGUMENT, ERR_BAD_REQUEST (unknown action or type, assert-create with company,
 * ceilings), ERR_VALIDATION (view requirement or update). */
MUST_USE int table_commit_parse(struct str body, struct arena *arena, struct table_commit *out,
                                struct error *err);

/* In list order against `base` (NULL: the table does not exist). First failure:
 * ERR_COMMIT_FAILED with the texts of rest.md 4.6. */
MUST_USE int table_commit_check(const struct table_commit *commit,
                                const struct table_metadata *base, struct error *err);

struct commit_inputs {
    int64_t now_ms;
    const char *new_uuid; /* for a create whose updates assign none */
};

/* Applies the updates in order to `base` (NULL: the empty builder of 4.3) and runs the build step
 * of 4.5 except the metadata log, which is table_metadata_log_append's. *changed is false when no
 * update had an effect; then *next equals *base. On failure *next is undefined and `base` unharmed.
 * Errors: ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION (400); ERR_COMMIT_FAILED for a stale sequence number
 * or first-row-id ("Validation failed, please retry: …", 409). */
MUST_USE int table_commit_apply(const struct table_commit *commit,
                                const struct table_metadata *base,
                                const struct commit_inputs *inputs, struct arena *arena,
                                struct table_metadata *next, bool *changed, struct error *err);

#endif
