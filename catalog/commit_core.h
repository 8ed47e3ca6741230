/* The commit core: lanes, rounds, folding and outcomes, without any I/O of its own. What it needs
 * from the world comes in through struct commit_ports, so that the same code runs in the server, in
 * a fault sweep and in a deterministic simulation. catalog/commit_io.c holds the real ports. */
#ifndef CATALOG_COMMIT_CORE_H
#define CATALOG_COMMIT_CORE_H

#include "catalog/catalog_private.h"
#include "catalog/commit.h"
#include "catalog/object_location.h"

/* What a name is at the moment. */
struct commit_base {
    struct object_version *version; /* NULL: no such object; a reference for the round */
    bool is_other_kind;             /* a view has the name where a table was asked for, or so */
    bool namespace_exists;          /* told only when nothing has the name */
};

struct commit_ports {
    void *arg;
    /* `fresh`: the row must be read again, since a compare-and-swap on what memory held was lost.
     * Blocks. Errors: ERR_UNAVAILABLE, ERR_FILE_NOT_FOUND, ERR_INTERNAL. */
    int (*load_base)(void *arg, struct warehouse *warehouse, enum object_kind kind,
                     const struct identifier *ident, bool fresh, struct commit_base *out,
                     struct error *err);
    /* Durable and create-only when it returns 0. Blocks. */
    int (*write_file)(void *arg, struct warehouse *warehouse, const struct object_version *version,
                      struct error *err);
    /* Did this very request already change that object (0: any object), as history knows it?
     * Blocks. Errors: history could not be read, so nobody knows. */
    int (*find_repeat)(void *arg, int64_t object_id, const struct caller *caller, bool *found,
                       struct error *err);
    /* metastore_location_taken. Blocks. */
    int (*location_taken)(void *arg, struct str location, const struct place_claim *claim,
                          enum place_state *out, struct error *err);
    /* Hands the change to the metastore; change->done follows on another thread, in commit order,
     * after the cache knows. Must not block. */
    void (*submit)(void *arg, struct catalog_change *change);
    /* Runs fn(fn_arg) on a thread that may block. */
    void (*run)(void *arg, void (*fn)(void *fn_arg), void *fn_arg);
    int64_t (*now_ms)(void *arg);
    void (*uuid)(void *arg, char out[UUID_TEXT_BYTES]);
    int64_t reserve_ms; /* as in struct catalog_options */
    bool implicit_idempotency;
};

struct commit_core;

struct commit_core *commit_core_new(struct catalog *catalog, const struct commit_ports *ports,
                                    size_t pending_max);
void commit_core_submit(struct commit_core *core, struct commit_request *request);
/* Refuses what comes from now on and waits until nothing is pending. */
void commit_core_drain(struct commit_core *core);
void commit_core_free(struct commit_core *core); /* drained */

/* commit_io.c */
struct commit_ports commit_ports_of(struct catalog *catalog);

/* ---- shared by commit.c, commit_round.c and commit_fold.c ------------------------------------ */

enum item_state {
    ITEM_WAITING,
    ITEM_CHANGED,   /* part of the round's change */
    ITEM_UNCHANGED, /* its updates had no effect */
    ITEM_REPEATED,  /* history, or this round, already holds it */
    ITEM_FAILED,    /* with err */
};

/* One change of one request, waiting in one lane. */
struct commit_item {
    struct commit_request *request;
    struct object_change *change;
    struct commit_lane *lane;
    struct commit_item *next; /* in the lane's queue, then in the round's work */
    enum item_state state;
    bool after_change; /* judged on top of an earlier item of the same round */
    struct error err;
    int64_t queued_us;
};

/* One object of a round: its items, all of one kind, the base they are judged against, and what
 * they make of it. */
struct lane_work {
    struct commit_lane *lane;
    struct warehouse *warehouse;
    const struct identifier *ident;
    const struct object_format *format;
    struct commit_item *items;     /* in the order they came */
    struct commit_item *left_over; /* not taken by the fold: back to the front of the lane */
    struct commit_base base;
    union object_metadata draft; /* valid when base.version is set or `changed` */
    bool changed;
    struct str file_location;       /* of the new file */
    struct judged_places places;    /* of the draft */
    struct object_version *version; /* the new one, once rendered; a reference */
};

struct fold_inputs {
    const struct commit_ports *ports;
    struct arena *arena; /* the round's */
    int64_t now_ms;
    bool is_transaction;
};

/* Judges and applies the items of one work in order (pure but for
 * find_repeat and location_taken). Every item leaves
 * WAITING, except those put into left_over. An item that creates the object or changes its places
 * is folded with no other. */
void commit_fold(struct lane_work *work, const struct fold_inputs *inputs);

/* A round: runs on worker threads and on the metastore's `done`; commit.c learns of its end. */
struct commit_round {
    struct commit_core *core;
    const struct commit_ports *ports;
    struct catalog *catalog;
    struct arena *arena;
    struct lane_work *works;
    size_t work_count;
    bool is_transaction;
    int attempt; /* 1, 2, … COMMIT_ATTEMPTS_MAX */
    struct catalog_change change;
    struct job_row *orphans; /* files of lost attempts, for the sweeper */
    size_t orphan_count;
    void (*finished)(struct commit_round *round); /* commit.c's; every item has its result */
};

void commit_round_run(void *round);

#endif
