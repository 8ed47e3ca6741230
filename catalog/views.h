/* Views as names with metadata (contract/rest.md 3.7). Commits are in catalog/commit.h.
 * Every object_version handed out carries a reference for the caller: object_version_unref. */
#ifndef CATALOG_VIEWS_H
#define CATALOG_VIEWS_H

#include "catalog/object_version.h"
#include "catalog/warehouse.h"
#include "iceberg/view_create.h"

/* Names in byte order. Errors: ERR_NO_SUCH_NAMESPACE. Does not block on files. */
MUST_USE int catalog_view_list(struct catalog *catalog, struct warehouse *warehouse,
                               const struct namespace_ident *ns, const struct page_request *page,
                               struct arena *arena, struct name_list *out, struct error *err);

/* One indexed read. Errors: ERR_NO_SUCH_VIEW (also: a table, a missing namespace). */
MUST_USE int catalog_view_exists(struct catalog *catalog, struct warehouse *warehouse,
                                 const struct identifier *ident, struct error *err);

/* As catalog_table_cached. */
struct object_version *catalog_view_cached(struct catalog *catalog, struct warehouse *warehouse,
                                           const struct identifier *ident);

/* Errors: ERR_NO_SUCH_VIEW, ERR_FILE_NOT_FOUND, ERR_UNAVAILABLE, ERR_INTERNAL (unreadable). */
MUST_USE int catalog_view_load(struct catalog *catalog, struct warehouse *warehouse,
                               const struct identifier *ident, struct object_version **out,
                               struct error *err);

/* Errors: ERR_NO_SUCH_NAMESPACE, ERR_ALREADY_EXISTS, ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION,
 * ERR_UNAVAILABLE. */
MUST_USE int catalog_view_create(struct catalog *catalog, struct warehouse *warehouse,
                                 const struct caller *caller, const struct identifier *ident,
                                 const struct view_create *create, struct object_version **out,
                                 struct error *err);

/* Points a name at an existing metadata file. Errors: as create; ERR_FILE_NOT_FOUND. */
MUST_USE int catalog_view_register(struct catalog *catalog, struct warehouse *warehouse,
                                   const struct caller *caller, const struct identifier *ident,
                                   struct str metadata_location, struct object_version **out,
                                   struct error *err);

/* Removes the name; works when the file is gone. The current metadata file becomes a job of the
 * sweeper, unless the view's property gc.enabled is false. Errors: ERR_NO_SUCH_VIEW. */
MUST_USE int catalog_view_drop(struct catalog *catalog, struct warehouse *warehouse,
                               const struct caller *caller, const struct identifier *ident,
                               struct error *err);

/* Order of checks and texts: rest.md 3.7. Errors: ERR_NO_SUCH_VIEW, ERR_NO_SUCH_NAMESPACE,
 * ERR_ALREADY_EXISTS. */
MUST_USE int catalog_view_rename(struct catalog *catalog, struct warehouse *warehouse,
                                 const struct caller *caller, const struct identifier *from,
                                 const struct identifier *to, struct error *err);

#endif
