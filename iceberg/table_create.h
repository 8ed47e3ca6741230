/* CreateTableRequest → the first metadata (contract/rest.md 4.1).
 * Pure: the uuid and the time are arguments. */
#ifndef ICEBERG_TABLE_CREATE_H
#define ICEBERG_TABLE_CREATE_H

#include "iceberg/table_metadata.h"
#include <jansson.h>

struct table_create {
    struct str name;
    struct str location; /* as the client gave it, STR_NONE when absent */
    bool stage_create;
    const json_t *schema, *partition_spec, *write_order, *properties; /* borrowed; NULL = absent */
};

/* Shape only. Errors: ERR_ILLEGAL_ARGUMENT. `body` must outlive the result. */
MUST_USE int table_create_parse(const json_t *body, struct arena *arena, struct table_create *out,
                                struct error *err);

/* `location` is the decided one. Errors: ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION. */
MUST_USE int table_create_build(const struct table_create *create, struct str location,
                                const char *uuid, int64_t now_ms, struct arena *arena,
                                struct table_metadata *out, struct error *err);

/* Checks of property values at create and commit (rest.md 4.1 step 6): metrics columns exist,
 * commit.retry.* are integers >= 0, encryption keys from v3. Errors: ERR_VALIDATION. */
MUST_USE int table_properties_check(const struct table_metadata *metadata, struct arena *arena,
                                    struct error *err);

#endif
