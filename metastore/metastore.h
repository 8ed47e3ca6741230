/* The metastore: names, and which metadata file each name points at. Its rows are the only truth
 * about a table (DESIGN 2, rule 1). It knows nothing of JSON, HTTP or object stores: properties and
 * report bodies are opaque text, namespace keys are levels joined by U+001F.
 *
 * There is one way to write: a change set. All its changes apply, with the history, idempotency and
 * job rows beside them, or none does. A backend applies many waiting change sets in one durable
 * transaction (group commit), each isolated from the failure of another, in the order they were
 * submitted, and calls each set's `done` in that order after the transaction is durable.
 *
 * Outcomes are a closed set; only CHANGE_UNKNOWN leaves open whether the set was applied.
 *
 * Threads: metastore_submit and every read may be called from any thread. `done` runs on the
 * backend's writer thread and must be short: publish, hand over, return.
 * Ownership: a change set and all it points to belong to the caller and must stay alive until
 * `done`. Read results are copied into the caller's arena. */
#ifndef METASTORE_METASTORE_H
#define METASTORE_METASTORE_H

#include "base/arena.h"
#include "base/error.h"
#include "metastore/rows.h"

/* ---- writing --------------------------------------------------------------------------------- */

enum change_kind {
    CHANGE_WAREHOUSE_CREATE,     /* name, location, properties=options; EXISTS */
    CHANGE_WAREHOUSE_DROP,       /* name; MISSING, NOT_EMPTY */
    CHANGE_NAMESPACE_CREATE,     /* namespace_key, properties; missing ancestors appear with
                                  * NAMESPACE_EMPTY_PROPERTIES; EXISTS, MISSING (warehouse) */
    CHANGE_NAMESPACE_DROP,       /* MISSING, NOT_EMPTY (objects or child namespaces) */
    CHANGE_NAMESPACE_PROPERTIES, /* expect_version, properties; MISSING, CONFLICT */
    CHANGE_OBJECT_CREATE,        /* kind, uuid, metadata_location, location, places, holder;
                                  * NAMESPACE_MISSING, EXISTS, EXISTS_OTHER_KIND, UUID_KNOWN,
                                  * LOCATION_TAKEN */
    CHANGE_OBJECT_UPDATE,        /* expect_id, expect_version and expect_metadata_location must all
                                  * hold (CONFLICT); new metadata_location, uuid, location (an
                                  * absent uuid or location stays), places (always all of them:
                                  * those it had are replaced), reserve_until_ms; MISSING,
                                  * UUID_KNOWN, LOCATION_TAKEN */
    CHANGE_OBJECT_DROP,          /* expect_* as above, reserve_until_ms; its location and places are
                                  * free again, or reserved; MISSING, CONFLICT */
    CHANGE_OBJECT_RENAME,        /* expect_id; to_namespace_key, to_name; location and places stay;
                                  * MISSING, CONFLICT, NAMESPACE_MISSING, EXISTS,
                                  * EXISTS_OTHER_KIND */
    CHANGE_LOCATION_RESERVE,     /* location, places, uuid, holder, reserve_until_ms: kept as those
                                  * of an object would be; LOCATION_TAKEN */
    CHANGE_PRINCIPAL_CREATE,     /* principal (all but id and version); EXISTS (name, client_id) */
    CHANGE_PRINCIPAL_DROP,       /* name; MISSING */
    CHANGE_PRINCIPAL_ROTATE,     /* name, principal->secret_digest; MISSING */
    CHANGE_SIGNING_KEY_ADD,      /* signing_key */
    CHANGE_NOTHING,              /* carries rows only: idempotency of an error, jobs, reports */
};

enum change_outcome {
    CHANGE_APPLIED,           /* durable */
    CHANGE_CONFLICT,          /* an expectation did not hold */
    CHANGE_EXISTS,            /* the name is taken by the same kind */
    CHANGE_EXISTS_OTHER_KIND, /* the name is taken by a table where a view was meant, or so */
    CHANGE_MISSING,
    CHANGE_NAMESPACE_MISSING,
    CHANGE_NOT_EMPTY,
    CHANGE_UUID_KNOWN,     /* another table or view has that uuid, in any warehouse */
    CHANGE_LOCATION_TAKEN, /* the location, or one of the places, lies in, above or at another
                            * object's location or places, or what is reserved for others */
    CHANGE_KEY_USED,       /* the idempotency key has a record that lives beyond the new one's
                            * created_ms; comes before any other refusal */
    CHANGE_UNAVAILABLE,    /* definitely not applied: disk full, shutting down, store refused */
    CHANGE_UNKNOWN,        /* could not learn; the metastore stops taking writes */
};

struct change {
    enum change_kind kind;
    int64_t warehouse_id;
    struct str namespace_key;
    struct str name;
    enum object_kind object_kind;
    int64_t expect_id, expect_version;
    struct str expect_metadata_location;
    struct str metadata_location, uuid, location, properties;
    /* Where an object has files besides its location: canonical, repeats allowed, and free to
     * overlap each other and the object's own location. They keep others away as the location
     * does. */
    const struct str *places;
    size_t place_count;
    /* A reservation keeps a place for the object of its uuid, and for its holder (opaque), until
     * metastore_expire finds it past its time, or one of the two takes the place: then those at and
     * below it end. What an object leaves is reserved for its uuid alone. */
    struct str holder;        /* STR_NONE: nobody */
    int64_t reserve_until_ms; /* 0: what the object leaves is free at once */
    struct str to_namespace_key, to_name;
    const struct principal_row *principal;
    const struct signing_key_row *signing_key;
    /* results when applied */
    int64_t id, version;
};

struct change_set {
    struct change *changes;
    size_t change_count;
    struct history_row *history;
    size_t history_count;
    struct idempotency_row *idempotency;
    size_t idempotency_count;
    struct job_row *jobs; /* added */
    size_t job_count;
    const int64_t *jobs_done; /* job ids removed */
    size_t jobs_done_count;
    struct report_row *reports;
    size_t report_count;

    void (*done)(struct change_set *set);
    void *arg; /* the caller's */

    /* results, valid in done */
    enum change_outcome outcome;
    size_t failed_change;    /* index, when the outcome tells of one change */
    struct error error;      /* message and detail when UNAVAILABLE or UNKNOWN */
    struct change_set *next; /* the backend's */
};

/* ---- reading --------------------------------------------------------------------------------- */

struct metastore;

struct metastore_backend; /* metastore/backend.h */

struct metastore { /* first member of every backend's own struct */
    const struct metastore_backend *backend;
};

/* Writes: never blocks for the disk; `done` is called exactly once, also when the store is closing
 * (CHANGE_UNAVAILABLE). */
void metastore_submit(struct metastore *store, struct change_set *set);

/* Submits and waits. Not from a writer thread or an event loop. Uses done and arg itself. */
enum change_outcome metastore_apply(struct metastore *store, struct change_set *set);

/* Reads answer from the newest durable state. A missing row is 0 with *found false; -1 is trouble
 * with the store itself: ERR_UNAVAILABLE, ERR_INTERNAL. */
MUST_USE int metastore_warehouse_find(struct metastore *store, struct str name, struct arena *arena,
                                      struct warehouse_row *out, bool *found, struct error *err);
MUST_USE int metastore_warehouse_list(struct metastore *store, struct arena *arena,
                                      struct warehouse_row **out, size_t *count, struct error *err);
MUST_USE int metastore_namespace_find(struct metastore *store, int64_t warehouse_id, struct str key,
                                      struct arena *arena, struct namespace_row *out, bool *found,
                                      struct error *err);
/* Direct children of parent_key ("" = top level), full keys, in byte order. */
MUST_USE int metastore_namespace_list(struct metastore *store, int64_t warehouse_id,
                                      struct str parent_key, const struct page_request *page,
                                      struct arena *arena, struct name_list *out,
                                      struct error *err);
/* Finds by name: a function when name->kind says so, else a table or view, which share their names;
 * the caller looks at out->kind. */
MUST_USE int metastore_object_find(struct metastore *store, const struct object_name *name,
                                   struct arena *arena, struct object_row *out, bool *found,
                                   struct error *err);
/* Finds by the object's own canonical location, not its places, in any warehouse: no two objects
 * share one. */
MUST_USE int metastore_object_find_at(struct metastore *store, struct str location,
                                      struct arena *arena, struct object_row *out, bool *found,
                                      struct error *err);
/* Names of that kind in the namespace, in byte order; in_namespace->name is ignored. */
MUST_USE int metastore_object_list(struct metastore *store, const struct object_name *in_namespace,
                                   const struct page_request *page, struct arena *arena,
                                   struct name_list *out, struct error *err);
/* Finds a table or view by its uuid, in any warehouse. */
MUST_USE int metastore_object_find_uuid(struct metastore *store, struct str uuid,
                                        struct arena *arena, struct object_row *out, bool *found,
                                        struct error *err);
/* Does another object lie at that canonical place, in it or around it, with its location or one of
 * its places, in any warehouse; or is such a place reserved for others? A look before anything is
 * written there; the change itself is judged again. */
MUST_USE int metastore_location_taken(struct metastore *store, struct str location,
                                      const struct place_claim *claim, enum place_state *out,
                                      struct error *err);
/* Newest first; before_sequence 0 = from the newest. The object is found by its current name; with
 * an empty name: all of the warehouse. */
MUST_USE int metastore_history_list(struct metastore *store, const struct object_name *object,
                                    int64_t before_sequence, size_t limit, struct arena *arena,
                                    struct history_row **out, size_t *count, struct error *err);
/* The newest row of that object (0: of any) with that request digest from that principal since
 * then. */
MUST_USE int metastore_history_find(struct metastore *store, int64_t object_id,
                                    const struct sha256 *digest, struct str principal,
                                    int64_t since_ms, struct arena *arena, struct history_row *out,
                                    bool *found, struct error *err);
MUST_USE int metastore_idempotency_find(struct metastore *store, struct str key, int64_t now_ms,
                                        struct arena *arena, struct idempotency_row *out,
                                        bool *found, struct error *err);
MUST_USE int metastore_job_list(struct metastore *store, int64_t now_ms, size_t limit,
                                struct arena *arena, struct job_row **out, size_t *count,
                                struct error *err);
MUST_USE int metastore_report_list(struct metastore *store, const struct object_name *object,
                                   int64_t before_sequence, size_t limit, struct arena *arena,
                                   struct report_row **out, size_t *count, struct error *err);
/* By name. */
MUST_USE int metastore_principal_list(struct metastore *store, struct arena *arena,
                                      struct principal_row **out, size_t *count, struct error *err);
/* Newest first. */
MUST_USE int metastore_signing_key_list(struct metastore *store, struct arena *arena,
                                        struct signing_key_row **out, size_t *count,
                                        struct error *err);
/* Removes idempotency records and reservations past their time; called by the janitor. */
MUST_USE int metastore_expire(struct metastore *store, int64_t now_ms, struct error *err);
/* writable false: reads go on, writes answer UNAVAILABLE (disk full, fail-stopped). */
MUST_USE int metastore_health(struct metastore *store, bool *writable, struct error *err);

/* All submitted sets are done when it returns; what is submitted meanwhile is UNAVAILABLE. */
void metastore_close(struct metastore *store);

#endif
