/* The catalog as a whole: opening, closing, and the one door through which changes go to the
 * metastore.
 *
 * Always holds: what a durable change does to the table cache happens on the metastore's writer
 * thread, in commit order, before whoever asked for the change hears of it. So a load that starts
 * after an answer sees the answered state (contract/reliability.md R5). */
#include "catalog/commit_core.h"
#include "catalog/object_cache.h"
#include "catalog/objects_private.h"
#include "catalog/tombstones.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

#define COMMITS_PENDING_MAX 20000

int catalog_open(const struct catalog_options *options, struct catalog **out, struct error *err)
{
    struct catalog *catalog = calloc(1, sizeof *catalog);
    if (catalog == NULL) {
        log_fatal("out of memory");
    }
    catalog->options = *options;
    catalog->arena = arena_new();
    pthread_mutex_init(&catalog->lock, NULL);
    pthread_mutex_init(&catalog->jobs_lock, NULL);
    catalog->cache = object_cache_new(options->table_cache_bytes);
    catalog->running = idempotency_running_new();
    catalog->tombstones = tombstones_new();
    struct commit_ports ports = commit_ports_of(catalog);
    catalog->commits = commit_core_new(catalog, &ports, COMMITS_PENDING_MAX);
    if (warehouses_load(catalog, err) != 0 || principals_load(catalog, err) != 0) {
        catalog_close(catalog);
        return -1;
    }
    *out = catalog;
    return 0;
}

void catalog_drain(struct catalog *catalog)
{
    commit_core_drain(catalog->commits);
}

void catalog_close(struct catalog *catalog)
{
    commit_core_drain(catalog->commits);
    commit_core_free(catalog->commits);
    warehouses_close(catalog);
    object_cache_free(catalog->cache);
    idempotency_running_free(catalog->running);
    tombstones_free(catalog->tombstones);
    pthread_mutex_destroy(&catalog->lock);
    pthread_mutex_destroy(&catalog->jobs_lock);
    arena_free(catalog->arena);
    free(catalog);
}

int catalog_health(struct catalog *catalog, bool *writable, struct error *err)
{
    return metastore_health(catalog->options.metastore, writable, err);
}

/* ---- changes --------------------------------------------------------------------------------- */

static struct object_key key_of(const struct change *change)
{
    return (struct object_key){
        .warehouse_id = change->warehouse_id,
        .namespace_key = change->namespace_key,
        .name = change->name,
        .is_function = change->object_kind == OBJECT_FUNCTION,
    };
}

static void forget(struct catalog *catalog, const struct object_key *key)
{
    object_cache_publish(catalog->cache, key, NULL);
}

static void publish(struct catalog *catalog, const struct change *change,
                    struct object_version *version)
{
    struct object_key key = key_of(change);

    if (version != NULL) {
        version->row.id = change->id; /* known only now for what was created */
        version->row.version = change->version;
    }
    object_cache_publish(catalog->cache, &key, version);
}

static void forget_names(struct catalog *catalog, const struct change *change)
{
    struct object_key key = key_of(change);

    if (change->kind == CHANGE_OBJECT_RENAME) {
        struct object_key to = key;
        to.namespace_key = change->to_namespace_key;
        to.name = change->to_name;
        forget(catalog, &to);
    }
    forget(catalog, &key);
}

static void update_cache(struct catalog_change *change)
{
    for (size_t i = 0; i < change->set.change_count; i++) {
        const struct change *c = &change->set.changes[i];
        switch (c->kind) {
        case CHANGE_OBJECT_CREATE:
        case CHANGE_OBJECT_UPDATE:
            publish(change->catalog, c, change->publish == NULL ? NULL : change->publish[i]);
            break;
        case CHANGE_OBJECT_RENAME:
        case CHANGE_OBJECT_DROP:
            forget_names(change->catalog, c);
            break;
        case CHANGE_WAREHOUSE_CREATE:
        case CHANGE_WAREHOUSE_DROP:
        case CHANGE_NAMESPACE_CREATE:
        case CHANGE_NAMESPACE_DROP:
        case CHANGE_NAMESPACE_PROPERTIES:
        case CHANGE_LOCATION_RESERVE:
        case CHANGE_PRINCIPAL_CREATE:
        case CHANGE_PRINCIPAL_DROP:
        case CHANGE_PRINCIPAL_ROTATE:
        case CHANGE_SIGNING_KEY_ADD:
        case CHANGE_NOTHING:
            break;
        }
    }
}

static void forget_all(struct catalog_change *change)
{
    for (size_t i = 0; i < change->set.change_count; i++) {
        const struct change *c = &change->set.changes[i];
        if (c->name.ptr != NULL && c->namespace_key.ptr != NULL) {
            forget_names(change->catalog, c);
        }
    }
}

void catalog_on_jobs(struct catalog *catalog, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&catalog->jobs_lock);
    catalog->on_jobs = fn;
    catalog->on_jobs_arg = arg;
    pthread_mutex_unlock(&catalog->jobs_lock);
}

static void tell_of_jobs(struct catalog *catalog, const struct change_set *set)
{
    bool due = false;

    for (size_t i = 0; i < set->job_count && !due; i++) {
        due = set->jobs[i].not_before_ms <= set->jobs[i].created_ms;
    }
    if (!due) {
        return;
    }
    pthread_mutex_lock(&catalog->jobs_lock);
    if (catalog->on_jobs != NULL) {
        catalog->on_jobs(catalog->on_jobs_arg);
    }
    pthread_mutex_unlock(&catalog->jobs_lock);
}

static void set_done(struct change_set *set)
{
    struct catalog_change *change = set->arg;

    if (set->outcome == CHANGE_APPLIED) {
        update_cache(change);
        tell_of_jobs(change->catalog, set);
    } else if (set->outcome == CHANGE_UNKNOWN) {
        forget_all(change);
    }
    change->done(change);
}

void catalog_submit(struct catalog *catalog, struct catalog_change *change)
{
    assert(change->done != NULL);
    change->catalog = catalog;
    change->set.done = set_done;
    change->set.arg = change;
    metastore_submit(catalog->options.metastore, &change->set);
}

struct apply_wait {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void apply_done(struct catalog_change *change)
{
    struct apply_wait *wait = change->arg;

    pthread_mutex_lock(&wait->lock);
    wait->done = true;
    pthread_cond_signal(&wait->cond);
    pthread_mutex_unlock(&wait->lock);
}

enum change_outcome catalog_apply(struct catalog *catalog, struct catalog_change *change)
{
    struct apply_wait wait = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

    change->done = apply_done;
    change->arg = &wait;
    catalog_submit(catalog, change);
    pthread_mutex_lock(&wait.lock);
    while (!wait.done) {
        pthread_cond_wait(&wait.cond, &wait.lock);
    }
    pthread_mutex_unlock(&wait.lock);
    return change->set.outcome;
}

struct history_row catalog_history(struct catalog *catalog, const struct caller *caller,
                                   size_t change_index, struct arena *arena)
{
    char commit_id[UUID_TEXT_BYTES];

    random_uuid4(catalog->options.random, commit_id);
    return (struct history_row){
        .change_index = change_index,
        .operation = caller->operation,
        .commit_id = arena_str(arena, str_cstr(commit_id)),
        .request_id = caller->request_id,
        .principal = caller->principal,
        .client = caller->client,
        .request_digest = caller->request_digest,
        .time_ms = clock_now_ms(catalog->options.clock),
    };
}

int catalog_outcome_error(const struct change_set *set, struct error *err)
{
    switch (set->outcome) {
    case CHANGE_UNAVAILABLE:
        error_set(err, ERR_UNAVAILABLE, "The metastore is not available");
        break;
    case CHANGE_UNKNOWN:
        error_set(err, ERR_COMMIT_STATE_UNKNOWN,
                  "The outcome of the change is not known; it may have been applied");
        break;
    case CHANGE_APPLIED:
    case CHANGE_CONFLICT:
    case CHANGE_EXISTS:
    case CHANGE_EXISTS_OTHER_KIND:
    case CHANGE_MISSING:
    case CHANGE_NAMESPACE_MISSING:
    case CHANGE_NOT_EMPTY:
    case CHANGE_UUID_KNOWN:
    case CHANGE_LOCATION_TAKEN:
    case CHANGE_KEY_USED:
        error_set(err, ERR_INTERNAL, "The metastore refused the change (outcome %d)",
                  (int)set->outcome);
        break;
    }
    return error_detail(err, "%s", set->error.message);
}
