/* What the files of catalog/ share with each other and nobody else. */
#ifndef CATALOG_CATALOG_PRIVATE_H
#define CATALOG_CATALOG_PRIVATE_H

#include "catalog/catalog.h"
#include "catalog/object_version.h"
#include "catalog/warehouse.h"
#include <pthread.h>

struct object_cache;
struct principal;
struct commit_core;
struct tombstones;
struct idempotency_running;

struct catalog {
    struct catalog_options options;
    struct arena *arena;  /* for what lives as long as the catalog; under `lock` */
    pthread_mutex_t lock; /* lists of warehouses and principals, and the arena */
    _Atomic(struct warehouse *) warehouses; /* newest first; entries are never freed before close */
    struct warehouse *default_warehouse;
    _Atomic(struct principal *) principals; /* as the warehouses */
    struct object_cache *cache;
    struct commit_core *commits;
    struct idempotency_running *running; /* keys in flight */
    struct tombstones *tombstones;
    pthread_mutex_t jobs_lock; /* of the two below; held while it is called */
    void (*on_jobs)(void *arg);
    void *on_jobs_arg;
};

/* warehouse.c */
MUST_USE int warehouses_load(struct catalog *catalog, struct error *err);
void warehouses_close(struct catalog *catalog);
/* warehouse_options.c: what the row of a warehouse keeps besides name and root. */
struct warehouse_options {
    enum warehouse_access access;
    struct str place; /* STR_NONE: the root */
    struct storage_options storage;
};
/* Errors: ERR_ILLEGAL_ARGUMENT (a value that no option can have), those of the key file. */
MUST_USE int warehouse_options_write(struct catalog *catalog, struct str warehouse,
                                     const struct warehouse_options *options, struct arena *arena,
                                     struct str *out, struct error *err);
/* Errors: ERR_UNAVAILABLE naming the warehouse: the key is another, or missing; those of the key
 * file. */
MUST_USE int warehouse_options_read(struct catalog *catalog, struct str warehouse, struct str text,
                                    struct arena *arena, struct warehouse_options *out,
                                    struct error *err);
/* warehouse_probe.c: proves that files can be written, read, listed and removed there, and that
 * keys are confined (`create`). Errors: what the store answers; ERR_ILLEGAL_ARGUMENT (no such
 * access). */
MUST_USE int warehouse_probe(struct catalog *catalog, const struct warehouse_create *create,
                             struct file_io *io, struct str root, struct error *err);
/* principals.c */
MUST_USE int principals_load(struct catalog *catalog, struct error *err);
/* idempotency.c */
struct idempotency_running *idempotency_running_new(void);
void idempotency_running_free(struct idempotency_running *running);

/* A change set of the catalog: what it does to the cache happens in its `done`, in commit order,
 * before anybody hears of it. */
struct catalog_change {
    struct change_set set;
    struct catalog *catalog;
    struct object_version **publish; /* per change: the new version, or NULL: forget the name */
    void (*done)(struct catalog_change *change); /* writer thread, after the cache */
    void *arg;
};

/* Never blocks. set.changes etc. are filled by the caller; set.done and set.arg are taken. */
void catalog_submit(struct catalog *catalog, struct catalog_change *change);
/* Submits and waits. */
enum change_outcome catalog_apply(struct catalog *catalog, struct catalog_change *change);

/* A history row for change `change_index` filled from the caller, time and a fresh commit id. */
struct history_row catalog_history(struct catalog *catalog, const struct caller *caller,
                                   size_t change_index, struct arena *arena);
/* An idempotency record of success; false when the caller brought no key (or keys are off). */
bool catalog_idempotency_success(struct catalog *catalog, const struct caller *caller,
                                 int64_t warehouse_id, struct str body,
                                 struct str metadata_location, struct idempotency_row *out);
/* CHANGE_UNAVAILABLE, CHANGE_UNKNOWN and what no use case expects, as an error. Returns -1. */
int catalog_outcome_error(const struct change_set *set, struct error *err);

/* What has the name where an object of that kind would have it, as a row: asked for a table it may
 * be a view. Errors: the store's own; *found tells the rest. */
MUST_USE int catalog_object_find(struct catalog *catalog, struct warehouse *warehouse,
                                 enum object_kind kind, const struct identifier *ident,
                                 struct arena *arena, struct object_row *out, bool *found,
                                 struct error *err);
/* As above, but only one of that kind will do: ERR_NO_SUCH_TABLE "Table does not exist: ns.t", … */
MUST_USE int catalog_object_row(struct catalog *catalog, struct warehouse *warehouse,
                                enum object_kind kind, const struct identifier *ident,
                                struct arena *arena, struct object_row *out, struct error *err);
/* Errors: ERR_NO_SUCH_NAMESPACE "Namespace does not exist: a.b". */
MUST_USE int catalog_namespace_row(struct catalog *catalog, struct warehouse *warehouse,
                                   const struct namespace_ident *ns, struct arena *arena,
                                   struct namespace_row *out, struct error *err);
MUST_USE int catalog_namespace_must_exist(struct catalog *catalog, struct warehouse *warehouse,
                                          const struct namespace_ident *ns, struct error *err);

/* As metastore_location_taken. Fits struct object_places. */
MUST_USE int catalog_location_taken(void *catalog, struct str location,
                                    const struct place_claim *claim, enum place_state *out,
                                    struct error *err);

#endif
