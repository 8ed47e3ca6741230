/* Schemas: parse, check, number, compare, print (contract/rest.md 4.1 step 3, 4.2, 4.4 add-schema).
 * Threads: immutable once parsed; arena-owned. */
#ifndef ICEBERG_SCHEMA_H
#define ICEBERG_SCHEMA_H

#include "iceberg/type.h"

struct schema_index;

struct schema {
    int64_t schema_id;
    struct type *root;             /* TYPE_STRUCT */
    int64_t *identifier_field_ids; /* a set: ascending, none twice */
    size_t identifier_field_count;
    const struct schema_index *index; /* of all columns (schema_index.h); never NULL */
};

/* A column found by id or name, with what the checks of specs and orders need to know. */
struct column {
    const struct field *field;
    struct str full_name;    /* dotted; STR_NONE when the caller gave no arena */
    bool ancestors_structs;  /* every ancestor is a struct */
    bool ancestors_required; /* … and required */
};

/* Structure, types, unique ids and full names, identifier fields, defaults. Schema id absent = 0.
 * Errors: ERR_ILLEGAL_ARGUMENT (malformed), ERR_VALIDATION (breaks a rule). */
MUST_USE int schema_parse(const json_t *json, struct arena *arena, struct schema *out,
                          struct error *err);

/* Types and initial defaults against the format version. The message has a heading "Invalid schema
 * for v2:" and a line "- Invalid type for <col>: <type> is not supported until v3" per column, in
 * the order of ids. Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int schema_check_version(const struct schema *schema, int format_version,
                                  struct error *err);

int64_t schema_highest_field_id(const struct schema *schema); /* 0 when empty */

/* Same struct and identifier set; the schema id does not matter. */
bool schema_same(const struct schema *a, const struct schema *b);

/* O(log n). Without an arena (NULL) the column's full name is not written out. Names are full
 * dotted names; where no column has that one, short names count too ("points.x" of a list of
 * structs). */
bool schema_find_id(const struct schema *schema, int64_t field_id, struct arena *arena,
                    struct column *out);
bool schema_find_name(const struct schema *schema, struct str full_name, struct arena *arena,
                      struct column *out);

/* Fresh ids from 1 in the order of rest.md 4.1 step 3, identifier ids translated, schema id 0.
 * *last_column_id is the highest id given. `out` shares names and defaults with `in`. */
void schema_assign_fresh_ids(const struct schema *in, struct arena *arena, struct schema *out,
                             int64_t *last_column_id);

/* The id that the column of that id in `from` has in `to`, which differs from it in ids only. */
bool schema_translate_id(const struct schema *from, const struct schema *to, int64_t field_id,
                         int64_t *out);

void schema_write(const struct schema *schema, struct buf *out); /* {"type":"struct",…} */

#endif
