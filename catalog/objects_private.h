/* What use cases on objects share, whatever the kind: how they come to a version, and to a row. The
 * kind is a row of object_format.h; tables.c and views.c add what only one kind has. */
#ifndef CATALOG_OBJECTS_PRIVATE_H
#define CATALOG_OBJECTS_PRIVATE_H

#include "catalog/catalog_private.h"
#include "catalog/object_cache.h"
#include "catalog/object_location.h"

/* How long a byte-identical commit is taken for the same one sent again. */
#define REPEAT_WINDOW_MS (30 * 60 * 1000ll)

/* ---- loading: object_load.c ------------------------------------------------------------------ */

/* The cache's name for an object; the namespace key is made in `arena`. */
struct object_key object_key_of(const struct warehouse *warehouse, enum object_kind kind,
                                const struct identifier *ident, struct arena *arena);

/* The version a row points at: from memory when it is that very version, else from the file, which
 * then enters the cache unless a change of the name was published since `epoch` (taken with
 * object_cache_epoch before the row was read). Errors: ERR_FILE_NOT_FOUND, ERR_UNAVAILABLE,
 * ERR_INTERNAL (unreadable). */
MUST_USE int object_from_row(struct catalog *catalog, struct warehouse *warehouse,
                             const struct object_key *key, const struct object_row *row,
                             uint64_t epoch, struct object_version **out, struct error *err);

/* The file of a row as it is, past the cache. Errors: those of metadata_file_read and parse. */
MUST_USE int object_read(struct warehouse *warehouse, const struct object_row *row,
                         struct object_version **out, struct error *err);

/* As catalog_table_cached, catalog_table_load and catalog_table_load_at. */
struct object_version *object_cached(struct catalog *catalog, struct warehouse *warehouse,
                                     enum object_kind kind, const struct identifier *ident);
MUST_USE int object_load(struct catalog *catalog, struct warehouse *warehouse,
                         enum object_kind kind, const struct identifier *ident,
                         struct object_version **out, struct error *err);
MUST_USE int object_load_at(struct warehouse *warehouse, enum object_kind kind,
                            struct str metadata_location, struct object_version **out,
                            struct error *err);

/* ---- names: object_names.c ------------------------------------------------------------------- */

/* As catalog_table_list, … */
MUST_USE int object_list(struct catalog *catalog, struct warehouse *warehouse,
                         enum object_kind kind, const struct namespace_ident *ns,
                         const struct page_request *page, struct arena *arena,
                         struct name_list *out, struct error *err);
MUST_USE int object_exists(struct catalog *catalog, struct warehouse *warehouse,
                           enum object_kind kind, const struct identifier *ident,
                           struct error *err);
/* `purge`: of a table. */
MUST_USE int object_drop(struct catalog *catalog, struct warehouse *warehouse,
                         const struct caller *caller, enum object_kind kind,
                         const struct identifier *ident, bool purge, struct error *err);
/* Removes the name and returns the final version. */
MUST_USE int object_unregister(struct catalog *catalog, struct warehouse *warehouse,
                               const struct caller *caller, enum object_kind kind,
                               const struct identifier *ident, struct object_version **out,
                               struct error *err);
MUST_USE int object_rename(struct catalog *catalog, struct warehouse *warehouse,
                           const struct caller *caller, enum object_kind kind,
                           const struct identifier *from, const struct identifier *to,
                           struct error *err);

/* ---- new names: new_object.c ----------------------------------------------------------------- */

/* A create or register on its way: begin, check the name, build or register, store, finish. */
struct new_object {
    struct catalog *catalog;
    struct warehouse *warehouse;
    const struct caller *caller;
    const struct object_format *format;
    const struct identifier *ident;
    struct arena *arena;
    struct object_version *version;
    struct object_row existing;  /* id 0: the name is free */
    struct judged_places places; /* of the version */
};

struct new_object new_object_begin(struct catalog *catalog, struct warehouse *warehouse,
                                   const struct caller *caller, enum object_kind kind,
                                   const struct identifier *ident);

/* The order of rest.md 3.3: namespace, own kind, other kind. With `overwrite` one of the own kind
 * may be there. Errors: ERR_NO_SUCH_NAMESPACE, ERR_ALREADY_EXISTS. */
MUST_USE int new_object_check_name(struct new_object *new, bool overwrite, struct error *err);

/* Where it shall lie: as asked (STR_NONE: the default place). */
struct str new_object_location(const struct new_object *new, struct str asked, const char *uuid);

/* The first version from its metadata, judged for its places; `staged`: without a file's name. */
MUST_USE int new_object_build(struct new_object *new, const union object_metadata *metadata,
                              bool staged, struct error *err);

/* What is staged is told where it will lie, and keys for it: nobody else may come there before it
 * is committed (reliability.md L04). Not needed where nobody else could name the place, below a
 * uuid that was made for it a moment ago; `asked` as above. Errors: ERR_ILLEGAL_ARGUMENT,
 * ERR_UNAVAILABLE. */
bool new_object_needs_reservation(const struct new_object *new, struct str asked);
MUST_USE int new_object_reserve(struct new_object *new, struct error *err);

/* Writes the file and the row. `overwrite` as for check_name. */
MUST_USE int new_object_store(struct new_object *new, bool overwrite, struct error *err);

/* Points the name at an existing file. Errors: as check_name; ERR_FILE_NOT_FOUND, and those of the
 * file's text. */
MUST_USE int new_object_register(struct new_object *new, struct str metadata_location,
                                 bool overwrite, struct error *err);

/* Frees it; *out is the version when rc is 0. Returns rc. */
int new_object_finish(struct new_object *new, int rc, struct object_version **out);

#endif
