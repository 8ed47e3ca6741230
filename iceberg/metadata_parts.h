/* What the metadata documents of tables, views and functions are made of: lists of elements that
 * keep their text, properties, members nobody knows; and where a document's next file goes.
 *
 * Lists are values: an element that some copy counts is never written. metadata_list_append uses
 * the room behind a list for the first copy that asks for it, on whatever thread, and gives every
 * other copy an array of its own.
 * Threads: no state. */
#ifndef ICEBERG_METADATA_PARTS_H
#define ICEBERG_METADATA_PARTS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

struct metadata_element {
    struct str text; /* the element's JSON */
    struct str key;  /* encryption key: key-id; metadata-log: metadata-file; else STR_NONE */
    int64_t id;      /* schema-id, spec-id, order-id, snapshot-id, version-id (also of logs and
                      * statistics) */
    int64_t sequence_number; /* snapshots; 0 for v1 */
    int64_t timestamp_ms;    /* snapshots, versions and all logs */
};

struct metadata_list { /* capacity > count only in arrays of metadata_list_new */
    struct metadata_element *elements;
    size_t count;
    size_t capacity;
};

struct metadata_property {
    struct str key, value;
};

struct metadata_member { /* a top-level member this program does not know: kept as it was */
    struct str name;     /* escaped, as between the quotes */
    struct str value;    /* JSON text */
};

/* What every kind of metadata has. */
struct metadata_head {
    struct str uuid;
    struct str location; /* STR_NONE when there is none */
    const struct metadata_property *properties;
    size_t property_count;
};

/* An empty list with room for that many. */
struct metadata_list metadata_list_new(size_t capacity, struct arena *arena);

/* In place when there is room that no other copy of the list has taken, else in a larger array in
 * `arena`. */
void metadata_list_append(struct metadata_list *list, struct metadata_element element,
                          struct arena *arena);

/* Cuts a list of metadata_list_new that has no other copy, and gives the room back to it. */
void metadata_list_cut(struct metadata_list *list, size_t count);

/* The newest element with that id, or NULL. Linear. */
const struct metadata_element *metadata_list_find(const struct metadata_list *list, int64_t id);
struct str metadata_property(const struct metadata_head *head, const char *key);
/* "true"/"false" ignoring case. */
bool metadata_property_true(const struct metadata_head *head, const char *key, bool otherwise);

bool metadata_is_uuid(struct str text); /* 36 characters, any version and case */

/* Without slashes at the end; the two of "s3://" stay. */
struct str location_without_slashes(struct str location);

/* Where the next file goes (rest.md 4.10): write.metadata.path or {location}/metadata, the number
 * of `previous` plus one (0 when `previous` is STR_NONE or has no number), uuid, ".gz" when the
 * codec property, or what is usual for the kind, says gzip. Errors: ERR_ILLEGAL_ARGUMENT for an
 * unknown codec. */
MUST_USE int metadata_file_location(const struct metadata_head *head, bool gzip_is_usual,
                                    struct str previous, const char *uuid, struct arena *arena,
                                    struct str *out, struct error *err);
/* By name: .gz.metadata.json, .metadata.json.gz. */
bool metadata_location_is_gzip(struct str location);

#endif
