/* Column types of the table format, v1 to v3 (contract/rest.md 4.2; spec "Schemas and Data Types").
 * Types are compared by structure: defaults filled in, CRS ignoring case.
 * Threads: immutable once parsed; arena-owned. */
#ifndef ICEBERG_TYPE_H
#define ICEBERG_TYPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include <jansson.h>
#include <stdint.h>

enum type_id {
    TYPE_BOOLEAN,
    TYPE_INT,
    TYPE_LONG,
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_DATE,
    TYPE_TIME,
    TYPE_TIMESTAMP,
    TYPE_TIMESTAMPTZ,
    TYPE_TIMESTAMP_NS,
    TYPE_TIMESTAMPTZ_NS,
    TYPE_STRING,
    TYPE_UUID,
    TYPE_BINARY,
    TYPE_FIXED,
    TYPE_DECIMAL,
    TYPE_UNKNOWN,
    TYPE_VARIANT,
    TYPE_GEOMETRY,
    TYPE_GEOGRAPHY,
    TYPE_STRUCT,
    TYPE_LIST,
    TYPE_MAP,
};

struct type;

struct field {
    int64_t id;
    struct str name;
    bool required;
    struct type *type;
    struct str doc;             /* STR_NONE when absent; an empty doc is not absent */
    struct str initial_default; /* canonical JSON text (default_value.h), STR_NONE when none */
    struct str write_default;   /* the same */
};

struct type {
    enum type_id id;
    int64_t length;       /* fixed: bytes; decimal: precision */
    int64_t scale;        /* decimal */
    struct str crs;       /* geometry, geography; "OGC:CRS84" when not given */
    struct str algorithm; /* geography; "spherical" when not given */
    /* struct: its fields; list: one field "element"; map: two fields "key" (required) and "value"
     */
    struct field *fields;
    size_t field_count;
};

static inline bool type_is_primitive(const struct type *type)
{
    return type->id < TYPE_STRUCT && type->id != TYPE_VARIANT;
}

/* A type with all that is nested in it; nothing of `json` is kept. Field ids are not judged beyond
 * 0 <= id <= INT32_MAX: whether they are unique is the schema's question.
 * Errors: ERR_ILLEGAL_ARGUMENT naming the type text; depth and column count are bounded
 * (SCHEMA_DEPTH_MAX, SCHEMA_COLUMNS_MAX). */
MUST_USE int type_parse(const json_t *json, struct arena *arena, struct type **out,
                        struct error *err);

/* The text of a primitive type or variant ("decimal(9,2)", any case) into *out. */
MUST_USE int type_parse_text(struct str text, struct arena *arena, struct type *out,
                             struct error *err);

void type_write(const struct type *type, struct buf *out);        /* JSON, as Java prints it */
void type_write_fields(const struct type *type, struct buf *out); /* a struct's array of fields */

/* "decimal(9, 2)", for messages; of a nested type only "struct", "list" or "map". */
struct str type_display(const struct type *type, struct arena *arena);

bool type_equal(const struct type *a, const struct type *b); /* ids, names, docs, defaults too */

#endif
