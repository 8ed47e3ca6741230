/* Schemas, partition specs and sort orders out of the JSON texts that a metadata holds, and the
 * rule that ties the default ones to the current schema (contract/rest.md 4.2, 4.5 step 2, 4.9).
 * Threads: no state; results are arena-owned. */
#ifndef ICEBERG_LAYOUT_H
#define ICEBERG_LAYOUT_H

#include "iceberg/partition_spec.h"
#include "iceberg/schema.h"
#include "iceberg/sort_order.h"
#include "iceberg/table_metadata.h"

/* `text` passed raw_json_check. Errors: ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION. */
MUST_USE int layout_read_schema(struct str text, struct arena *arena, struct schema *out,
                                struct error *err);
/* An object, or v1's bare array of fields (spec 0). */
MUST_USE int layout_read_spec(struct str text, struct arena *arena, struct partition_spec *out,
                              struct error *err);
MUST_USE int layout_read_order(struct str text, struct arena *arena, struct sort_order *out,
                               struct error *err);

/* Elements printed from values. */
struct metadata_element layout_schema_element(const struct schema *schema, struct arena *arena);
struct metadata_element layout_spec_element(const struct partition_spec *spec, struct arena *arena);
struct metadata_element layout_order_element(const struct sort_order *order, struct arena *arena);

/* The current schema; its id must be in the list. Errors: ERR_VALIDATION. */
MUST_USE int layout_current_schema(const struct table_metadata *metadata, struct arena *arena,
                                   struct schema *out, struct error *err);

/* The default spec and the default order apply to the current schema. Errors: ERR_VALIDATION. */
MUST_USE int layout_check_defaults(const struct table_metadata *metadata, struct error *err);

#endif
