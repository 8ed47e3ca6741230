/* The metastore in one SQLite file: one process owns it (a lock file beside it), one connection on
 * one thread writes and checkpoints, WAL, synchronous=FULL; readers are a pool of read-only
 * connections. A failed fsync or a corrupt page is fail-stop: the set that saw it is
 * CHANGE_UNKNOWN, all later ones CHANGE_UNAVAILABLE, and `fatal` is called so that the process ends
 * (DESIGN 3). */
#ifndef METASTORE_METASTORE_SQLITE_H
#define METASTORE_METASTORE_SQLITE_H

#include "metastore/metastore.h"

struct metastore_sqlite_options {
    const char *path; /* the database file; its directory exists */
    size_t group_max; /* change sets per transaction; 0 = GROUP_COMMIT_MAX */
    /* Text put into the lock file, for those who find it taken (the listening address). */
    const char *owner;
    /* Called once from the writer thread after a fail-stop; NULL: log_fatal. */
    void (*fatal)(void *arg, const char *reason);
    void *fatal_arg;
};

/* Makes the file and its schema when missing; migrates older schemas; refuses newer ones.
 * Errors: ERR_UNAVAILABLE when another process owns the file (message carries its owner text),
 * ERR_INTERNAL otherwise. */
MUST_USE int metastore_sqlite_open(const struct metastore_sqlite_options *options,
                                   struct metastore **out, struct error *err);

/* Rewrites the owner text (once the port is known). */
void metastore_sqlite_set_owner(struct metastore *store, const char *owner);

/* The owner text of a running process, or STR_NONE when nobody holds the lock. */
struct str metastore_sqlite_owner(const char *path, struct arena *arena);

#endif
