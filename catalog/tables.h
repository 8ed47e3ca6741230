/* Tables as names with metadata (contract/rest.md 3.2–3.6, 3.8). Commits are in catalog/commit.h.
 * Every object_version handed out carries a reference for the caller: object_version_unref. */
#ifndef CATALOG_TABLES_H
#define CATALOG_TABLES_H

#include "catalog/object_version.h"
#include "catalog/warehouse.h"
#include "iceberg/table_create.h"

/* Names in byte order. Errors: ERR_NO_SUCH_NAMESPACE. Does not block on files. */
MUST_USE int catalog_table_list(struct catalog *catalog, struct warehouse *warehouse,
                                const struct namespace_ident *ns, const struct page_request *page,
                                struct arena *arena, struct name_list *out, struct error *err);

/* One indexed read. Errors: ERR_NO_SUCH_TABLE (also: a view, a missing namespace). */
MUST_USE int catalog_table_exists(struct catalog *catalog, struct warehouse *warehouse,
                                  const struct identifier *ident, struct error *err);

/* The current version when it is in memory, else NULL. No I/O: fit for an event loop.
 * With verify_metadata_file always NULL when the file is gone (one stat). */
struct object_version *catalog_table_cached(struct catalog *catalog, struct warehouse *warehouse,
                                            const struct identifier *ident);

/* Errors: ERR_NO_SUCH_TABLE, ERR_FILE_NOT_FOUND, ERR_UNAVAILABLE, ERR_INTERNAL (unreadable). */
MUST_USE int catalog_table_load(struct catalog *catalog, struct warehouse *warehouse,
                                const struct identifier *ident, struct object_version **out,
                                struct error *err);

/* The document at that location: the state as it was then. */
MUST_USE int catalog_table_load_at(struct catalog *catalog, struct warehouse *warehouse,
                                   struct str metadata_location, struct object_version **out,
                                   struct error *err);

/* The table at whose location the place lies, and its warehouse. *out NULL: there is none, which is
 * no error. Errors: those of the store, never taken for "none". */
MUST_USE int catalog_table_load_around(struct catalog *catalog, const struct location *place,
                                       struct warehouse **warehouse, struct object_version **out,
                                       struct error *err);

/* Creates, or with create->stage_create only builds (*out then has no metadata_location, and its
 * reply no "metadata-location"). Errors: ERR_NO_SUCH_NAMESPACE, ERR_ALREADY_EXISTS,
 * ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION, ERR_UNAVAILABLE. */
MUST_USE int catalog_table_create(struct catalog *catalog, struct warehouse *warehouse,
                                  const struct caller *caller, const struct identifier *ident,
                                  const struct table_create *create, struct object_version **out,
                                  struct error *err);

/* Points a name at an existing metadata file. Errors: as create; ERR_FILE_NOT_FOUND. */
MUST_USE int catalog_table_register(struct catalog *catalog, struct warehouse *warehouse,
                                    const struct caller *caller, const struct identifier *ident,
                                    struct str metadata_location, bool overwrite,
                                    struct object_version **out, struct error *err);

/* Removes the name. With purge the files become a durable job for the sweeper.
 * Errors: ERR_NO_SUCH_TABLE. */
MUST_USE int catalog_table_drop(struct catalog *catalog, struct warehouse *warehouse,
                                const struct caller *caller, const struct identifier *ident,
                                bool purge, struct error *err);

/* Removes the name and returns the final version. Errors: ERR_NO_SUCH_TABLE. */
MUST_USE int catalog_table_unregister(struct catalog *catalog, struct warehouse *warehouse,
                                      const struct caller *caller, const struct identifier *ident,
                                      struct object_version **out, struct error *err);

/* Order of checks and texts: rest.md 3.2. Errors: ERR_NO_SUCH_TABLE, ERR_NO_SUCH_NAMESPACE,
 * ERR_ALREADY_EXISTS. */
MUST_USE int catalog_table_rename(struct catalog *catalog, struct warehouse *warehouse,
                                  const struct caller *caller, const struct identifier *from,
                                  const struct identifier *to, struct error *err);

#endif
