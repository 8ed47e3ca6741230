/* Warehouses: a name, which is also the prefix of its paths, and a root location under which every
 * file of its tables lies. There are few; all are in memory. A struct warehouse stays valid until
 * catalog_close, also after a drop (then `dropped` is set and use cases find nothing in it). */
#ifndef CATALOG_WAREHOUSE_H
#define CATALOG_WAREHOUSE_H

#include "base/location.h"
#include "catalog/catalog.h"

struct warehouse {
    int64_t id;
    struct str name;
    struct location root;
    struct file_io *io;
    _Atomic bool dropped;
    struct warehouse *next;
};

/* The warehouse of that name (STR_NONE or empty: the default one). No I/O, no lock.
 * Errors: ERR_NO_SUCH_WAREHOUSE. */
MUST_USE int catalog_warehouse_find(struct catalog *catalog, struct str name,
                                    struct warehouse **out, struct error *err);
struct warehouse *catalog_default_warehouse(struct catalog *catalog);

/* All that are not dropped, by name. */
MUST_USE int catalog_warehouse_list(struct catalog *catalog, struct arena *arena,
                                    struct warehouse ***out, size_t *count, struct error *err);

/* One segment of [A-Za-z0-9_.-], at most 128 bytes, not beginning with a dot and not a word that
 * begins a path of the API (namespaces, tables, views, transactions, config, oauth, aws,
 * management); `location` STR_NONE: a directory of that name beside the default warehouse's. Roots
 * may not contain one another. The new root is proven by writing, reading and removing a file
 * there. Errors: ERR_ILLEGAL_ARGUMENT, ERR_ALREADY_EXISTS, ERR_UNAVAILABLE. */
MUST_USE int catalog_warehouse_create(struct catalog *catalog, const struct caller *caller,
                                      struct str name, struct str location, struct warehouse **out,
                                      struct error *err);

/* Only when it holds no namespace; the default one stays. Files are not touched.
 * Errors: ERR_NO_SUCH_WAREHOUSE, ERR_NAMESPACE_NOT_EMPTY, ERR_ILLEGAL_ARGUMENT (default). */
MUST_USE int catalog_warehouse_drop(struct catalog *catalog, const struct caller *caller,
                                    struct str name, struct error *err);

#endif
