/* Shared by the files of the SQLite metastore only.
 *
 * metastore_sqlite.c            open, close, the vtable
 * metastore_sqlite_lock.c       the lock file: one owner
 * metastore_sqlite_connection.c connections, cached statements, the sql_ helpers
 * metastore_sqlite_schema.c     tables and migrations
 * metastore_sqlite_outcome.c    what a SQLite error means: a pure function
 * metastore_sqlite_writer.c     the writer thread: group commit, checkpoints, fail-stop
 * metastore_sqlite_change.c     a function per kind of change
 * metastore_sqlite_rows.c       the rows beside the changes: history, idempotency, jobs, reports
 * metastore_sqlite_read.c       the readers
 * metastore_sqlite_history.c    the readers of history
 * metastore_sqlite_location.c   the overlap index: judging, places, reservations, a reader
 * metastore_sqlite_principal.c  principals and signing keys: changes and readers */
#ifndef METASTORE_METASTORE_SQLITE_PRIVATE_H
#define METASTORE_METASTORE_SQLITE_PRIVATE_H

#include "metastore/backend.h"
#include "metastore/metastore_sqlite.h"
#include "metastore/metastore_sqlite_connection.h"

#include <pthread.h>

/* ---- outcomes -------------------------------------------------------------------------------- */

enum sqlite_phase {
    PHASE_BEGIN,  /* the transaction was not begun */
    PHASE_CHANGE, /* COMMIT was not sent */
    PHASE_COMMIT,
    PHASE_CHECKPOINT, /* everything answered for is durable in the journal */
};

struct sqlite_verdict {
    enum change_outcome outcome; /* of the sets that had been applied in the transaction */
    bool fail_stop;              /* the store must not be written any more by this process */
    bool disk_full;
};

/* Pure. `code` is an extended result code other than that of a lack of memory. */
struct sqlite_verdict sqlite_judge(int code, int system_errno, enum sqlite_phase phase);

/* ---- schema and lock ------------------------------------------------------------------------- */

extern const struct sqlite_migration {
    const char *sql;
} sqlite_migrations[];
extern const size_t sqlite_migration_count;

/* Brings the store to the newest of these schemas: number i+1 is made by migrations[i]. */
MUST_USE int sqlite_migrate_with(struct sqlite_connection *connection, const char *path,
                                 const struct sqlite_migration *migrations, size_t count,
                                 struct error *err);
MUST_USE int sqlite_migrate(struct sqlite_connection *connection, const char *path,
                            struct error *err);

/* Holds <path>.lock for this process; *fd is the lock. */
MUST_USE int sqlite_lock(const char *path, const char *owner, int *fd, struct error *err);
void sqlite_lock_set_owner(int fd, const char *owner);
void sqlite_unlock(int fd);

/* ---- history --------------------------------------------------------------------------------- */

#define SLICE_BITS 10 /* a sequence's slice is sequence >> SLICE_BITS; the schema knows it too */

/* The row of history_slice that was written last: most rows need no other. Forgotten whenever
 * anything is rolled back; to write a row twice is harmless. */
struct noted_slice {
    int64_t warehouse_id, slice; /* slice -1: none */
};

/* ---- the store ------------------------------------------------------------------------------- */

struct sqlite_store {
    struct metastore base;
    char *path;
    int lock_fd;
    size_t group_max;
    void (*fatal)(void *arg, const char *reason);
    void *fatal_arg;

    /* The writer thread's own, after open. */
    struct sqlite_connection *writer;
    int64_t next_sequence; /* of history */
    struct noted_slice noted;
    int journal_pages;  /* in the journal */
    int copied_pages;   /* of those, when it was checkpointed last */
    bool stop_answered; /* `fatal` was called */
    int64_t *before;    /* per change of the set at hand: change_run.history_before */
    size_t before_capacity;

    pthread_t writer_thread;
    pthread_mutex_t queue_mutex; /* guards the queue and `closing`, `ended`, `corrupt` */
    pthread_cond_t queue_filled;
    struct change_set *queue_first, *queue_last;
    bool closing; /* sets that come from now on are refused */
    bool ended;   /* the writer thread takes no more sets */
    bool corrupt; /* a reader met a broken page */

    _Atomic bool stopped;   /* fail-stopped: for ever */
    _Atomic bool disk_full; /* the last transaction found no room */

    pthread_mutex_t pool_mutex; /* guards the pool */
    pthread_cond_t pool_filled;
    struct sqlite_connection *pool; /* idle readers */
    size_t readers_open, readers_busy;
};

/* A set of this room's own, run by the writer thread like any other: `run` in place of changes. */
struct sqlite_task {
    struct change_set set;
    void (*run)(struct sqlite_connection *writer, struct sqlite_task *task);
    int64_t now_ms;
    int64_t rows; /* changed by it */
    bool finished;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};
enum change_outcome sqlite_task_run(struct sqlite_store *store, struct sqlite_task *task);

static inline struct sqlite_store *sqlite_store_of(struct metastore *base)
{
    return (struct sqlite_store *)base;
}

/* ---- writing --------------------------------------------------------------------------------- */

MUST_USE int sqlite_writer_start(struct sqlite_store *store, struct error *err);
void sqlite_writer_stop(struct sqlite_store *store); /* answers everything queued first */
void sqlite_submit(struct metastore *base, struct change_set *set);
/* From readers: the writer thread fail-stops. */
void sqlite_writer_report_corrupt(struct sqlite_store *store);

/* One change of a set, and how it is tied into history. */
struct change_run {
    struct sqlite_connection *writer;
    struct change *change;
    int64_t history_newest; /* the newest history row that will tell of this change; 0: none */
    int64_t history_before; /* set by the change: the object's newest row until now; 0: none */
};
/* Every check comes before the first write of a change. An error of the connection counts, whatever
 * the outcome says. */
enum change_outcome sqlite_change_apply(struct change_run *run);

/* Changes that live in files of their own. */
enum change_outcome sqlite_principal_create(struct change_run *run);
enum change_outcome sqlite_principal_drop(struct change_run *run);
enum change_outcome sqlite_principal_rotate(struct change_run *run);
enum change_outcome sqlite_signing_key_add(struct change_run *run);

/* The rows beside the changes. `before[i]` is change i's history_before. */
bool sqlite_rows_keys_free(struct sqlite_connection *writer, const struct change_set *set);
void sqlite_rows_idempotency(struct sqlite_connection *writer, const struct change_set *set);
void sqlite_rows_history(struct sqlite_connection *writer, struct change_set *set,
                         int64_t first_sequence, int64_t *before, struct noted_slice *noted);
void sqlite_rows_jobs(struct sqlite_connection *writer, struct change_set *set);
void sqlite_rows_reports(struct sqlite_connection *writer, const struct change_set *set);

/* Levels joined by U+001F: how many. The key is not empty. */
int64_t sqlite_namespace_levels(struct str key);

/* ---- reading --------------------------------------------------------------------------------- */

/* A reader of one's own until checkin; NULL with *err when none can be opened. */
struct sqlite_connection *sqlite_reader_checkout(struct sqlite_store *store, struct error *err);
/* Gives it back; -1 with *err when its queries failed. */
MUST_USE int sqlite_reader_checkin(struct sqlite_store *store, struct sqlite_connection *reader,
                                   struct error *err);
/* A read of one statement: begin, give the parameters, ask for rows, end. Without a reader no rows
 * come, and the end answers -1 with the *err of the begin. */
struct sql_query sqlite_read_begin(struct metastore *base, const char *sql, struct error *err);
MUST_USE int sqlite_read_end(struct metastore *base, struct sql_query *query, struct error *err);
void sqlite_readers_close(struct sqlite_store *store);

extern const struct metastore_backend sqlite_backend; /* metastore_sqlite.c */

int sqlite_warehouse_find(struct metastore *base, struct str name, struct arena *arena,
                          struct warehouse_row *out, bool *found, struct error *err);
int sqlite_warehouse_list(struct metastore *base, struct arena *arena, struct warehouse_row **out,
                          size_t *count, struct error *err);
int sqlite_namespace_find(struct metastore *base, int64_t warehouse_id, struct str key,
                          struct arena *arena, struct namespace_row *out, bool *found,
                          struct error *err);
int sqlite_namespace_list(struct metastore *base, int64_t warehouse_id, struct str parent_key,
                          const struct page_request *page, struct arena *arena,
                          struct name_list *out, struct error *err);
int sqlite_object_find(struct metastore *base, const struct object_name *name, struct arena *arena,
                       struct object_row *out, bool *found, struct error *err);
int sqlite_object_find_at(struct metastore *base, struct str location, struct arena *arena,
                          struct object_row *out, bool *found, struct error *err);
int sqlite_object_find_uuid(struct metastore *base, struct str uuid, struct arena *arena,
                            struct object_row *out, bool *found, struct error *err);
int sqlite_object_list(struct metastore *base, const struct object_name *in_namespace,
                       const struct page_request *page, struct arena *arena, struct name_list *out,
                       struct error *err);
int sqlite_object_location_taken(struct metastore *base, struct str location,
                                 const struct place_claim *claim, enum place_state *out,
                                 struct error *err);
int sqlite_history_list(struct metastore *base, const struct object_name *object,
                        int64_t before_sequence, size_t limit, struct arena *arena,
                        struct history_row **out, size_t *count, struct error *err);
int sqlite_history_find(struct metastore *base, int64_t object_id, const struct sha256 *digest,
                        struct str principal, int64_t since_ms, struct arena *arena,
                        struct history_row *out, bool *found, struct error *err);
int sqlite_idempotency_find(struct metastore *base, struct str key, int64_t now_ms,
                            struct arena *arena, struct idempotency_row *out, bool *found,
                            struct error *err);
int sqlite_job_list(struct metastore *base, int64_t now_ms, size_t limit, struct arena *arena,
                    struct job_row **out, size_t *count, struct error *err);
int sqlite_report_list(struct metastore *base, const struct object_name *object,
                       int64_t before_sequence, size_t limit, struct arena *arena,
                       struct report_row **out, size_t *count, struct error *err);
int sqlite_principal_list(struct metastore *base, struct arena *arena, struct principal_row **out,
                          size_t *count, struct error *err);
int sqlite_signing_key_list(struct metastore *base, struct arena *arena,
                            struct signing_key_row **out, size_t *count, struct error *err);

#endif
