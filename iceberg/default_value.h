/* Default values of columns: the single-value JSON form (contract/rest.md 4.2 "Defaults JSON").
 * Threads: no state. */
#ifndef ICEBERG_DEFAULT_VALUE_H
#define ICEBERG_DEFAULT_VALUE_H

#include "iceberg/type.h"

/* Checks a value that is not null against the column's type. *out is its canonical JSON text, so
 * that equal values have equal text: whole numbers for float and double gain ".0", hex digits of
 * fixed and binary are upper case, those of a uuid lower case. Nested types, variant, unknown and
 * the geo types have no default but null.
 * Errors: ERR_ILLEGAL_ARGUMENT naming the column. */
MUST_USE int default_value_parse(const json_t *json, const struct type *type, struct str column,
                                 struct arena *arena, struct str *out, struct error *err);

#endif
