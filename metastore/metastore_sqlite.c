/* The SQLite metastore: opening, closing, health, and the table of its functions.
 *
 * Opening takes the lock first and closing gives it back last, so that at no time do two processes
 * have the database open. */
#include "metastore/metastore_sqlite_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"

#define EXPIRE_ROWS 1000 /* in one transaction, so that commits are not held up */

#define PROBE_BYTES 65536 /* room that must be there before a full disk is said to have some */

/* ---- opening --------------------------------------------------------------------------------- */

/* The directory of the path, as a descriptor. */
static int open_directory(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL)
        log_fatal("out of memory");
    char *slash = strrchr(copy, '/');
    if (slash != NULL)
        slash[slash == copy ? 1 : 0] = '\0';
    int fd = open(slash == NULL ? "." : copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    return fd;
}

/* Makes the name of a new database durable, and warns of file systems that promise less than we
 * do. */
static int settle_directory(const char *path, struct error *err)
{
    struct statfs fs;
    int fd = open_directory(path);
    if (fd < 0 || fsync(fd) != 0 || fstatfs(fd, &fs) != 0) {
        error_set(err, ERR_INTERNAL, "Cannot flush the directory of the catalog store %s", path);
        error_detail(err, "%s", strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    (void)close(fd);
    const char *kind = fs.f_type == TMPFS_MAGIC             ? "tmpfs"
                       : fs.f_type == OVERLAYFS_SUPER_MAGIC ? "overlayfs"
                       : fs.f_type == NFS_SUPER_MAGIC       ? "nfs"
                                                            : NULL;
    if (kind != NULL)
        log_warn("the catalog store %s lies on %s: commits may not survive a power loss", path,
                 kind);
    return 0;
}

/* The store holds the key that signs tokens: its owner's alone. SQLite gives the journal the same
 * mode. Before the first connection, as closing the file would take its locks away. */
static int protect_file(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0) {
        error_set(err, ERR_INTERNAL, "Cannot open the catalog store %s", path);
        return error_detail(err, "%s", strerror(errno));
    }
    if (fchmod(fd, 0600) != 0)
        log_warn("the catalog store %s keeps its mode: %s", path, strerror(errno));
    (void)close(fd);
    return 0;
}

static struct sqlite_store *store_new(const struct metastore_sqlite_options *options)
{
    struct sqlite_store *store = calloc(1, sizeof(*store));
    if (store == NULL || (store->path = strdup(options->path)) == NULL)
        log_fatal("out of memory");
    store->base.backend = &sqlite_backend;
    store->lock_fd = -1;
    store->group_max = options->group_max == 0 ? GROUP_COMMIT_MAX : options->group_max;
    store->fatal = options->fatal;
    store->fatal_arg = options->fatal_arg;
    (void)pthread_mutex_init(&store->pool_mutex, NULL);
    (void)pthread_cond_init(&store->pool_filled, NULL);
    return store;
}

static void store_free(struct sqlite_store *store)
{
    sqlite_readers_close(store);
    connection_close(store->writer, store->stopped);
    if (store->lock_fd >= 0)
        sqlite_unlock(store->lock_fd);
    (void)pthread_mutex_destroy(&store->pool_mutex);
    (void)pthread_cond_destroy(&store->pool_filled);
    free(store->path);
    free(store);
}

int metastore_sqlite_open(const struct metastore_sqlite_options *options, struct metastore **out,
                          struct error *err)
{
    assert(options->path != NULL && options->path[0] != '\0');
    if (sqlite3_threadsafe() == 0)
        return error_set(err, ERR_INTERNAL, "This SQLite was built without threads");
    struct sqlite_store *store = store_new(options);
    if (sqlite_lock(store->path, options->owner, &store->lock_fd, err) != 0 ||
        protect_file(store->path, err) != 0 ||
        connection_open(store->path, CONNECTION_WRITES, &store->writer, err) != 0 ||
        sqlite_migrate(store->writer, store->path, err) != 0 ||
        settle_directory(store->path, err) != 0 || sqlite_writer_start(store, err) != 0) {
        store_free(store);
        return -1;
    }
    log_info("catalog store %s: SQLite %s, WAL, synchronous=FULL", store->path,
             sqlite3_libversion());
    *out = &store->base;
    return 0;
}

void metastore_sqlite_set_owner(struct metastore *store, const char *owner)
{
    assert(store->backend == &sqlite_backend);
    sqlite_lock_set_owner(sqlite_store_of(store)->lock_fd, owner);
}

static void close_store(struct metastore *base)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite_writer_stop(store);
    store_free(store);
}

/* ---- the room's own tasks -------------------------------------------------------------------- */

static int task_failed(const struct sqlite_task *task, struct error *err)
{
    *err = task->set.error;
    return -1;
}

static void run_expire(struct sqlite_connection *writer, struct sqlite_task *task)
{
    struct sql_query query =
        sql_start(writer, "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency"
                          " WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)");
    sql_int(&query, task->now_ms);
    sql_int(&query, EXPIRE_ROWS);
    sql_run(&query);
    int64_t records = sqlite3_changes64(writer->handle);
    query = sql_start(writer, "DELETE FROM reservation WHERE location IN (SELECT location FROM"
                              " reservation WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)");
    sql_int(&query, task->now_ms);
    sql_int(&query, EXPIRE_ROWS);
    sql_run(&query);
    int64_t reservations = sqlite3_changes64(writer->handle);
    task->rows = records > reservations ? records : reservations;
}

static int expire(struct metastore *base, int64_t now_ms, struct error *err)
{
    struct sqlite_task task = {.run = run_expire, .now_ms = now_ms};
    do {
        if (sqlite_task_run(sqlite_store_of(base), &task) != CHANGE_APPLIED)
            return task_failed(&task, err);
    } while (task.rows == EXPIRE_ROWS);
    return 0;
}

static void run_probe(struct sqlite_connection *writer, struct sqlite_task *task)
{
    struct sql_query query = sql_start(writer, "UPDATE probe SET filler = randomblob(?)");
    sql_int(&query, PROBE_BYTES);
    sql_run(&query);
    task->rows = sqlite3_changes64(writer->handle);
}

static int health(struct metastore *base, bool *writable, struct error *err)
{
    struct sqlite_store *store = sqlite_store_of(base);
    struct sqlite_connection *reader = sqlite_reader_checkout(store, err);
    if (reader == NULL)
        return -1;
    struct sql_query query = sql_start(reader, "SELECT id FROM probe");
    (void)sql_row(&query);
    sql_end(&query);
    if (sqlite_reader_checkin(store, reader, err) != 0)
        return -1;
    /* Nobody writes to a store that is said to be full: it must be tried from here. */
    struct sqlite_task task = {.run = run_probe};
    if (!store->stopped && store->disk_full)
        (void)sqlite_task_run(store, &task);
    *writable = !store->stopped && !store->disk_full;
    return 0;
}

const struct metastore_backend sqlite_backend = {
    .name = "sqlite",
    .close = close_store,
    .submit = sqlite_submit,
    .warehouse_find = sqlite_warehouse_find,
    .warehouse_list = sqlite_warehouse_list,
    .namespace_find = sqlite_namespace_find,
    .namespace_list = sqlite_namespace_list,
    .object_find = sqlite_object_find,
    .object_find_at = sqlite_object_find_at,
    .object_find_uuid = sqlite_object_find_uuid,
    .object_list = sqlite_object_list,
    .location_taken = sqlite_object_location_taken,
    .history_list = sqlite_history_list,
    .history_find = sqlite_history_find,
    .idempotency_find = sqlite_idempotency_find,
    .job_list = sqlite_job_list,
    .report_list = sqlite_report_list,
    .principal_list = sqlite_principal_list,
    .signing_key_list = sqlite_signing_key_list,
    .expire = expire,
    .health = health,
};
