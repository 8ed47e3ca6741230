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
    struct location root;  /* what the locations of its tables begin with */
    struct location place; /* where its files lie: the same, unless access is by gateway */
    enum warehouse_access access;
    struct storage_options storage; /* a secret is the empty text where one is set */
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

const char *warehouse_access_name(enum warehouse_access access); /* "vend" */
bool warehouse_access_parse(struct str text, enum warehouse_access *out);

struct warehouse_create {
    struct str name;
    struct str location; /* STR_NONE: a directory of that name beside the default warehouse's */
    enum warehouse_access access;
    struct storage_options storage;
    bool skip_scope_check; /* the store may not confine keys */
};

/* The name: one segment of [A-Za-z0-9_.-], at most 128 bytes, not beginning with a dot and not a
 * word that begins a path of the API (namespaces, tables, views, transactions, config, oauth, aws,
 * management); of one that is served by the gateway also a name that a bucket can have, as its
 * tables lie at s3://NAME. Neither roots nor places may contain one another. The new place is
 * proven by writing, reading, listing and removing a file there; and with WAREHOUSE_VEND that keys
 * for a part of it do not reach beyond that part. Secrets are kept sealed.
 * Errors: ERR_ILLEGAL_ARGUMENT (also: the store has no such access), ERR_ALREADY_EXISTS,
 * ERR_UNAVAILABLE; those of the store. */
MUST_USE int catalog_warehouse_create(struct catalog *catalog, const struct caller *caller,
                                      const struct warehouse_create *create, struct warehouse **out,
                                      struct error *err);

/* Uploads through the gateway that were begun so long ago and never completed are aborted. Tries
 * all warehouses, and tells of the last that failed. Blocks. */
MUST_USE int catalog_expire_uploads(struct catalog *catalog, int64_t lifetime_ms,
                                    struct error *err);

/* Only when it holds no namespace; the default one stays. Files are not touched.
 * Errors: ERR_NO_SUCH_WAREHOUSE, ERR_NAMESPACE_NOT_EMPTY, ERR_ILLEGAL_ARGUMENT (default). */
MUST_USE int catalog_warehouse_drop(struct catalog *catalog, const struct caller *caller,
                                    struct str name, struct error *err);

#endif
