/* Partition specs and transforms (contract/rest.md 4.2 "Spec validity", 4.4 add-spec).
 * Threads: immutable once parsed; arena-owned. */
#ifndef ICEBERG_PARTITION_SPEC_H
#define ICEBERG_PARTITION_SPEC_H

#include "iceberg/schema.h"

/* Canonical text in lower case ("bucket[16]", "identity"); unknown transforms keep their text.
 * Errors: ERR_ILLEGAL_ARGUMENT for a width that is no positive 32-bit number. */
MUST_USE int transform_parse(struct str text, struct arena *arena, struct str *canonical,
                             struct error *err);
bool transform_is_void(struct str transform);
/* May this transform be applied to a column of that type? Unknown transforms: always. */
bool transform_applies_to(struct str transform, const struct type *type);

struct partition_field {
    int64_t source_id;
    int64_t field_id; /* 0 = not given (all or none) */
    struct str name;
    struct str transform;
};

struct partition_spec {
    int64_t spec_id;
    struct partition_field *fields;
    size_t field_count;
};

/* Errors: ERR_ILLEGAL_ARGUMENT. spec-id absent = 0. Either every field has a field-id or none. */
MUST_USE int partition_spec_parse(const json_t *json, struct arena *arena,
                                  struct partition_spec *out, struct error *err);

/* v1's bare array of fields, as spec 0. */
MUST_USE int partition_spec_parse_fields(const json_t *array, struct arena *arena,
                                         struct partition_spec *out, struct error *err);

/* Names, sources and transforms against the schema, and names and given field ids against each
 * other. The source of a void field is not looked at; its name is. Errors: ERR_VALIDATION. */
MUST_USE int partition_spec_check(const struct partition_spec *spec, const struct schema *schema,
                                  struct arena *arena, struct error *err);

/* Numbers fields 1000, 1001, … when they have no field ids; else does nothing. */
void partition_spec_number(struct partition_spec *spec);

int64_t partition_spec_highest_field_id(const struct partition_spec *spec); /* at least 999 */

/* Pairwise equal source id, transform and name; field ids are not compared. */
bool partition_spec_same(const struct partition_spec *a, const struct partition_spec *b);

void partition_spec_write(const struct partition_spec *spec, struct buf *out);
void partition_spec_write_fields(const struct partition_spec *spec, struct buf *out); /* v1 */

#endif
