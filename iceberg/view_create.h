/* CreateViewRequest → the first metadata (contract/rest.md 3.7, 5.2).
 * Pure: the uuid is an argument, the time is the version's own. */
#ifndef ICEBERG_VIEW_CREATE_H
#define ICEBERG_VIEW_CREATE_H

#include "iceberg/view_metadata.h"

struct view_create {
    struct str name;
    struct str location;                         /* as the client gave it, STR_NONE when absent */
    struct str schema, view_version, properties; /* JSON texts; properties: STR_NONE when absent */
};

/* Shape only. `body` is a JSON object that passed raw_json_check and must outlive the result.
 * Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int view_create_parse(struct str body, struct arena *arena, struct view_create *out,
                               struct error *err);

/* `location` is the decided one. Errors: ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION. */
MUST_USE int view_create_build(const struct view_create *create, struct str location,
                               const char *uuid, struct arena *arena, struct view_metadata *out,
                               struct error *err);

#endif
