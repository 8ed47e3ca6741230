/* Schemas: parse, check, number, compare, print (contract/rest.md 4.1 step 3, 4.2, 4.4 add-schema).
 * Threads: immutable once parsed; arena-owned. */
#ifndef ICEBERG_SCHEMA_H
#define ICEBERG_SCHEMA_H

#include "iceberg/type.h"

struct schema {
    int64_t schema_id;
    struct type *root; /* TYPE_STRUCT */
    int64_t *identifier_field_ids;
    size_t identifier_field_count;
};

/* A column found by id or name, with what the checks of specs and orders need to know. */
struct column {
    const struct field *field;
    struct str full_name;    /* dotted */
    bool ancestors_structs;  /* every ancestor is a struct */
    bool ancestors_required; /* … and required */
};

/* Structure, types, unique ids and full names, identifier fields, defaults. Schema id absent = 0.
 * Errors: ERR_ILLEGAL_ARGUMENT (malformed), ERR_VALIDATION (breaks a rule). */
MUST_USE int schema_parse(const json_t *json, struct arena *arena, struct schema *out,
                          struct error *err);

/* Types and defaults against the format version; message contains
 * "Invalid type for <col>: <type> is not supported until v3". Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int schema_check_version(const struct schema *schema, int format_version,
                                  struct error *err);

int64_t schema_highest_field_id(const struct schema *schema); /* 0 when empty */

/* Same struct and identifier set; the schema id does not matter. */
bool schema_same(const struct schema *a, const struct schema *b);

bool schema_find_id(const struct schema *schema, int64_t field_id, struct arena *arena,
                    struct column *out);
bool schema_find_name(const struct schema *schema, struct str full_name, struct arena *arena,
                      struct column *out);

/* Fresh ids from 1 in the order of rest.md 4.1 step 3, identifier ids translated, schema id 0.
 * *last_column_id is the highest id given. */
void schema_assign_fresh_ids(const struct schema *in, struct arena *arena, struct schema *out,
                             int64_t *last_column_id);

void schema_write(const struct schema *schema, struct buf *out); /* {"type":"struct",…} */

#endif
