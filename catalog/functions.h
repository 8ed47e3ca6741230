/* SQL functions as names with metadata (contract/rest.md 6). Iceberg's protocol lists and loads
 * them; registering and dropping is our own API. They have names of their own, and keep their
 * namespace from being dropped. Every object_version handed out carries a reference for the caller.
 */
#ifndef CATALOG_FUNCTIONS_H
#define CATALOG_FUNCTIONS_H

#include "catalog/object_version.h"
#include "catalog/warehouse.h"

/* Names in byte order. Errors: ERR_NO_SUCH_NAMESPACE. Does not block on files. */
MUST_USE int catalog_function_list(struct catalog *catalog, struct warehouse *warehouse,
                                   const struct namespace_ident *ns,
                                   const struct page_request *page, struct arena *arena,
                                   struct name_list *out, struct error *err);

/* As catalog_table_cached. */
struct object_version *catalog_function_cached(struct catalog *catalog, struct warehouse *warehouse,
                                               const struct identifier *ident);

/* Errors: ERR_NO_SUCH_NAMESPACE, ERR_NO_SUCH_FUNCTION, ERR_FILE_NOT_FOUND, ERR_UNAVAILABLE,
 * ERR_INTERNAL (unreadable). */
MUST_USE int catalog_function_load(struct catalog *catalog, struct warehouse *warehouse,
                                   const struct identifier *ident, struct object_version **out,
                                   struct error *err);

/* Where a function's metadata is: in a file, or here as JSON text that passed raw_json_check, for
 * which a file is written. Exactly one is set. */
struct function_source {
    struct str metadata_location;
    struct str metadata;
};

/* With `overwrite` a function of that name gets the new metadata. Errors: ERR_NO_SUCH_NAMESPACE,
 * ERR_ALREADY_EXISTS, ERR_FILE_NOT_FOUND, ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION, ERR_UNAVAILABLE,
 * ERR_COMMIT_FAILED. */
MUST_USE int catalog_function_register(struct catalog *catalog, struct warehouse *warehouse,
                                       const struct caller *caller, const struct identifier *ident,
                                       const struct function_source *source, bool overwrite,
                                       struct object_version **out, struct error *err);

/* Removes the name; files stay. Errors: ERR_NO_SUCH_NAMESPACE, ERR_NO_SUCH_FUNCTION. */
MUST_USE int catalog_function_drop(struct catalog *catalog, struct warehouse *warehouse,
                                   const struct caller *caller, const struct identifier *ident,
                                   struct error *err);

#endif
