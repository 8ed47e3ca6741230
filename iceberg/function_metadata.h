/* Metadata of SQL functions, format version 1 (contract/rest.md 6): read to be judged, never
 * changed. Threads: no state. */
#ifndef ICEBERG_FUNCTION_METADATA_H
#define ICEBERG_FUNCTION_METADATA_H

#include "iceberg/metadata_parts.h"

#define FUNCTION_FORMAT_VERSION 1

struct function_metadata {
    struct str function_uuid;
    struct str location; /* STR_NONE: it has none */
};

/* All rules of the format: shapes, definition ids that say what the parameters are, unique ids and
 * names, current versions that exist, one query per dialect, table functions that return a struct.
 * Members that nobody knows are not looked at. `text` must outlive the result. Errors:
 * ERR_BAD_REQUEST (not JSON), ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION. */
MUST_USE int function_metadata_parse(struct str text, struct arena *arena,
                                     struct function_metadata *out, struct error *err);

/* What it has in common with the metadata of other kinds; its properties mean nothing here. */
struct metadata_head function_metadata_head(const struct function_metadata *metadata);

#endif
