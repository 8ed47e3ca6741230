/* Namespaces (contract/rest.md 3.1). Properties are kept as a compact JSON object of strings. */
#ifndef CATALOG_NAMESPACES_H
#define CATALOG_NAMESPACES_H

#include "catalog/warehouse.h"
#include <jansson.h>

/* Direct children of parent (level_count 0: top level), full idents, in byte order of their keys.
 * Errors: ERR_NO_SUCH_NAMESPACE (parent). */
MUST_USE int catalog_namespace_list(struct catalog *catalog, struct warehouse *warehouse,
                                    const struct namespace_ident *parent,
                                    const struct page_request *page, struct arena *arena,
                                    struct name_list *out, struct error *err);

/* *properties is the stored text: a JSON object. Errors: ERR_NO_SUCH_NAMESPACE. */
MUST_USE int catalog_namespace_load(struct catalog *catalog, struct warehouse *warehouse,
                                    const struct namespace_ident *ns, struct arena *arena,
                                    struct str *properties, struct error *err);

/* `properties` (NULL: none) is an object of strings; missing ancestors are made too.
 * Errors: ERR_ILLEGAL_ARGUMENT, ERR_ALREADY_EXISTS ("Namespace already exists: a.b"). */
MUST_USE int catalog_namespace_create(struct catalog *catalog, struct warehouse *warehouse,
                                      const struct caller *caller, const struct namespace_ident *ns,
                                      const json_t *properties, struct error *err);

/* Errors: ERR_NO_SUCH_NAMESPACE, ERR_NAMESPACE_NOT_EMPTY ("Namespace a is not empty"). */
MUST_USE int catalog_namespace_drop(struct catalog *catalog, struct warehouse *warehouse,
                                    const struct caller *caller, const struct namespace_ident *ns,
                                    struct error *err);

/* `removals` (array of strings or NULL), `updates` (object of strings or NULL). *result is the JSON
 * text {"updated":[…],"removed":[…],"missing":[…]}; it is also what the idempotency record keeps.
 * Repeats itself when another change of the properties came between.
 * Errors: ERR_UNPROCESSABLE (a key in both, before the look-up), ERR_ILLEGAL_ARGUMENT,
 * ERR_NO_SUCH_NAMESPACE, ERR_COMMIT_FAILED (attempts exhausted). */
MUST_USE int catalog_namespace_update(struct catalog *catalog, struct warehouse *warehouse,
                                      const struct caller *caller, const struct namespace_ident *ns,
                                      const json_t *removals, const json_t *updates,
                                      struct arena *arena, struct str *result, struct error *err);

#endif
