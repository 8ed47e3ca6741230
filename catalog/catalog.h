/* The catalog: what its users can do, in Iceberg's words, without HTTP. It joins the table format
 * (iceberg/), the rows (metastore/) and the files (storage/), all of which come in as interfaces.
 *
 * Calls that write or read files block and belong on a worker thread, except where a header says
 * otherwise. Results are in the caller's arena or carry a reference.
 * Threads: every function from any thread. */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "base/clock.h"
#include "base/random.h"
#include "base/work_queue.h"
#include "iceberg/identifier.h"
#include "metastore/metastore.h"
#include "storage/storage_options.h"

struct catalog;

/* Opens the storage of one warehouse; main.c decides which backend. Both are canonical: `place` is
 * where the files lie, `root` what their locations begin with. They differ when clients reach the
 * files through the gateway alone. */
typedef int storage_open_fn(struct str place, struct str root,
                            const struct storage_options *options,
                            const struct storage_context *context, struct file_io **out,
                            struct error *err);

/* How clients come to the files of a warehouse (contract/rest.md 13). */
enum warehouse_access {
    WAREHOUSE_DIRECT,  /* with keys of their own; they are told where */
    WAREHOUSE_VEND,    /* with short-lived keys for a table's files */
    WAREHOUSE_SIGN,    /* with signatures for single requests */
    WAREHOUSE_GATEWAY, /* through this program, with keys of its own */
};

/* What reserve_ms is beyond the life of keys that clients get: for requests begun with them, for
 * clocks that differ, and for stores whose keys live that long at least. */
#define RESERVE_GRACE_MS (15 * 60 * 1000ll)

struct catalog_options {
    struct metastore *metastore; /* borrowed: closed after the catalog */
    storage_open_fn *storage_open;
    struct work_queue *workers; /* borrowed */
    const struct clock *clock;
    const struct random_source *random;
    struct str default_warehouse;          /* name */
    struct str default_warehouse_location; /* used when it does not exist yet */
    bool default_warehouse_storage_given;  /* the two below: used, though its row may have others */
    enum warehouse_access default_warehouse_access;
    struct storage_options default_warehouse_storage;
    bool default_warehouse_skip_scope_check;
    const char *secret_key_file; /* seals secrets of warehouses; made at first need; borrowed */
    size_t table_cache_bytes;
    int64_t idempotency_lifetime_ms; /* 0: keys are ignored */
    int64_t reserve_ms; /* how long a place is kept for a staged table, and for one that left it
                         * where clients get keys: longer than the keys live */
    bool unique_table_locations; /* default locations end in the table's uuid */
    bool verify_metadata_file;   /* a load looks whether the file is still there */
    bool implicit_idempotency;   /* a byte-identical repeat of a commit is recognised */
};

/* Makes the default warehouse when it is missing. */
MUST_USE int catalog_open(const struct catalog_options *options, struct catalog **out,
                          struct error *err);

/* fn(arg) is called when jobs that are due came with a change: the sweeper should run soon. On the
 * metastore's writer thread, short. NULL: nobody wants to know; nothing is called any more when it
 * returns. */
void catalog_on_jobs(struct catalog *catalog, void (*fn)(void *arg), void *arg);

/* Waits for running rounds; new commits are refused with ERR_UNAVAILABLE. */
void catalog_drain(struct catalog *catalog);
void catalog_close(struct catalog *catalog);

/* Ready to serve: reads work (and writes, when *writable). */
MUST_USE int catalog_health(struct catalog *catalog, bool *writable, struct error *err);

/* ---- who asks -------------------------------------------------------------------------------- */

/* The record that makes a mutation repeatable (contract/rest.md 7). When `key` is set, the use case
 * writes the record in the transaction of its change. */
struct idempotency_claim {
    struct str key; /* STR_NONE: none */
    struct sha256 binding;
    int status;      /* of the answer to be given on success */
    struct str body; /* of that answer, when it does not depend on what the use case finds */
};

struct caller {
    struct str principal, request_id, client;
    const char *operation; /* operation id, for history */
    struct sha256
        request_digest; /* over method, path and body: recognises byte-identical repeats */
    struct idempotency_claim idempotency;
};

#endif
