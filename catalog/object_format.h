/* What the catalog must know of each kind of object: how its metadata is read, judged, changed and
 * written, and the words it is spoken of in. One row per kind in object_format.c; everything else
 * (loading, new names, renames, the commit core) asks the row and is written once.
 * Threads: constant. */
#ifndef CATALOG_OBJECT_FORMAT_H
#define CATALOG_OBJECT_FORMAT_H

#include "iceberg/function_metadata.h"
#include "iceberg/identifier.h"
#include "iceberg/table_commit.h"
#include "iceberg/view_commit.h"
#include "metastore/metastore.h"

/* Which member holds is told by the kind of the row or change beside it. */
union object_metadata {
    struct table_metadata table;
    struct view_metadata view;
    struct function_metadata function;
};

struct object_format;

/* One object of a commit or transaction. */
struct object_change {
    struct identifier ident;
    const struct object_format *format;
    bool is_create;     /* carries assert-create */
    bool is_repeatable; /* a byte-identical repeat of it can be recognised: it adds a snapshot */
    union {
        struct table_commit table;
        struct view_commit view;
    } commit;
};

struct object_format {
    enum object_kind kind;
    const char *name;             /* "Table": messages begin with it */
    enum error_kind missing;      /* of "Table does not exist: ns.t" */
    bool has_place;               /* its location is its own, and no other may lie there */
    const char *location_overlap; /* message when the metastore refuses the place */
    bool gzip_is_usual;           /* metadata files are compressed unless a property says no */

    struct metadata_head (*head)(const union object_metadata *metadata);
    /* `text` must outlive the result. Errors: those of table_metadata_parse. */
    int (*parse)(struct str text, struct arena *arena, union object_metadata *out,
                 struct error *err);
    /* As table_metadata_publish; NULL: it is never changed here, only registered. */
    void (*publish)(const union object_metadata *draft, struct arena *arena, struct buf *out,
                    union object_metadata *published);

    /* Commits, unless `publish` is NULL. `base` NULL: the object does not exist, which only an
     * is_create meets. */
    int (*commit_parse)(struct str body, struct arena *arena, struct object_change *out,
                        struct error *err);
    int (*check)(const struct object_change *change, const union object_metadata *base,
                 struct error *err);
    int (*apply)(const struct object_change *change, const union object_metadata *base,
                 const struct commit_inputs *inputs, struct arena *arena,
                 union object_metadata *next, bool *changed, struct error *err);
    /* Once per file, however many commits it folds: what the document says of the file it replaces.
     */
    void (*close)(union object_metadata *draft, const union object_metadata *base,
                  struct str base_location, struct arena *arena);
};

const struct object_format *object_format(enum object_kind kind);

/* The body of a commit to an object of that kind, from text that passed raw_json_check and outlives
 * the result; out->ident is the caller's. Errors: those of table_commit_parse. */
MUST_USE int object_change_parse(enum object_kind kind, struct str body, struct arena *arena,
                                 struct object_change *out, struct error *err);

/* "Table does not exist: ns.t" */
int object_missing(const struct object_format *format, const struct identifier *ident,
                   struct error *err);
/* "Table already exists: ns.t", or, when an object of another kind has the name, "View with same
 * name already exists: ns.t". */
int object_name_taken(const struct object_format *format, enum object_kind by,
                      const struct identifier *ident, struct error *err);
/* Which other kind can have the name: of tables and views the other one; functions have names of
 * their own. */
enum object_kind object_other_kind(enum object_kind kind);

#endif
