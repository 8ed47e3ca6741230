/* What callers use of the metastore: checks of their arguments, then the backend's function.
 *
 * A backend fills every slot. Arguments that no caller may give are asserted here once, so that
 * backends need not. */
#include "metastore/backend.h"

#include <assert.h>
#include <pthread.h>

static const struct metastore_backend *backend_of(const struct metastore *store)
{
    const struct metastore_backend *backend = store->backend;
    assert(backend->name && backend->close && backend->submit && backend->health);
    assert(backend->warehouse_find && backend->warehouse_list && backend->namespace_find);
    assert(backend->namespace_list && backend->object_find && backend->object_list);
    assert(backend->location_taken && backend->object_find_uuid);
    assert(backend->history_list && backend->history_find && backend->idempotency_find);
    assert(backend->job_list && backend->report_list && backend->expire);
    assert(backend->object_find_at && backend->principal_list && backend->signing_key_list);
    return backend;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Changes of what lies in no warehouse. */
static void check_global_change(const struct change *change)
{
    if (change->kind == CHANGE_SIGNING_KEY_ADD) {
        assert(change->signing_key != NULL);
        return;
    }
    assert(change->name.len > 0);
    if (change->kind == CHANGE_PRINCIPAL_CREATE || change->kind == CHANGE_PRINCIPAL_ROTATE)
        assert(change->principal != NULL);
    if (change->kind == CHANGE_PRINCIPAL_CREATE)
        assert(change->principal->client_id.len > 0);
}

static bool is_global(enum change_kind kind)
{
    return kind == CHANGE_WAREHOUSE_CREATE || kind == CHANGE_WAREHOUSE_DROP ||
           kind == CHANGE_PRINCIPAL_CREATE || kind == CHANGE_PRINCIPAL_DROP ||
           kind == CHANGE_PRINCIPAL_ROTATE || kind == CHANGE_SIGNING_KEY_ADD;
}

static bool has_places(enum change_kind kind)
{
    return kind == CHANGE_OBJECT_CREATE || kind == CHANGE_OBJECT_UPDATE ||
           kind == CHANGE_LOCATION_RESERVE;
}

static void check_places(const struct change *change)
{
    assert(change->place_count == 0 || has_places(change->kind));
    for (size_t i = 0; i < change->place_count; i++)
        assert(change->places[i].len > 0);
    assert(change->reserve_until_ms == 0 || change->kind == CHANGE_OBJECT_DROP ||
           (has_places(change->kind) && change->kind != CHANGE_OBJECT_CREATE));
    if (change->kind == CHANGE_LOCATION_RESERVE)
        assert(change->location.len > 0 && change->uuid.len > 0 && change->reserve_until_ms > 0);
}

static void check_change(const struct change *change)
{
    assert(change->kind <= CHANGE_NOTHING);
    if (change->kind == CHANGE_NOTHING)
        return;
    if (is_global(change->kind)) {
        check_global_change(change);
        return;
    }
    assert(change->warehouse_id > 0 && change->namespace_key.len > 0);
    if (change->kind >= CHANGE_OBJECT_CREATE)
        assert(change->name.len > 0);
    if (change->kind == CHANGE_OBJECT_CREATE)
        assert(change->object_kind >= OBJECT_TABLE && change->object_kind <= OBJECT_FUNCTION);
    check_places(change);
    if (change->kind == CHANGE_OBJECT_RENAME)
        assert(change->to_namespace_key.len > 0 && change->to_name.len > 0);
}

void metastore_submit(struct metastore *store, struct change_set *set)
{
    assert(set->done != NULL);
    for (size_t i = 0; i < set->change_count; i++)
        check_change(&set->changes[i]);
    for (size_t i = 0; i < set->history_count; i++)
        assert(set->history[i].change_index < set->change_count && set->history[i].operation);
    for (size_t i = 0; i < set->idempotency_count; i++)
        assert(set->idempotency[i].key.len > 0);
    backend_of(store)->submit(store, set);
}

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done;
};

static void wake(struct change_set *set)
{
    struct waiter *waiter = set->arg;
    (void)pthread_mutex_lock(&waiter->mutex);
    waiter->done = true;
    (void)pthread_cond_signal(&waiter->changed);
    (void)pthread_mutex_unlock(&waiter->mutex);
}

enum change_outcome metastore_apply(struct metastore *store, struct change_set *set)
{
    struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    set->done = wake;
    set->arg = &waiter;
    metastore_submit(store, set);
    (void)pthread_mutex_lock(&waiter.mutex);
    while (!waiter.done)
        (void)pthread_cond_wait(&waiter.changed, &waiter.mutex);
    (void)pthread_mutex_unlock(&waiter.mutex);
    (void)pthread_cond_destroy(&waiter.changed);
    (void)pthread_mutex_destroy(&waiter.mutex);
    return set->outcome;
}

/* ---- reading --------------------------------------------------------------------------------- */

int metastore_warehouse_find(struct metastore *store, struct str name, struct arena *arena,
                             struct warehouse_row *out, bool *found, struct error *err)
{
    return backend_of(store)->warehouse_find(store, name, arena, out, found, err);
}

int metastore_warehouse_list(struct metastore *store, struct arena *arena,
                             struct warehouse_row **out, size_t *count, struct error *err)
{
    return backend_of(store)->warehouse_list(store, arena, out, count, err);
}

int metastore_namespace_find(struct metastore *store, int64_t warehouse_id, struct str key,
                             struct arena *arena, struct namespace_row *out, bool *found,
                             struct error *err)
{
    assert(key.len > 0);
    return backend_of(store)->namespace_find(store, warehouse_id, key, arena, out, found, err);
}

int metastore_namespace_list(struct metastore *store, int64_t warehouse_id, struct str parent_key,
                             const struct page_request *page, struct arena *arena,
                             struct name_list *out, struct error *err)
{
    return backend_of(store)->namespace_list(store, warehouse_id, parent_key, page, arena, out,
                                             err);
}

int metastore_object_find(struct metastore *store, const struct object_name *name,
                          struct arena *arena, struct object_row *out, bool *found,
                          struct error *err)
{
    assert(name->namespace_key.len > 0 && name->name.len > 0);
    return backend_of(store)->object_find(store, name, arena, out, found, err);
}

int metastore_object_find_at(struct metastore *store, struct str location, struct arena *arena,
                             struct object_row *out, bool *found, struct error *err)
{
    assert(location.len > 0);
    return backend_of(store)->object_find_at(store, location, arena, out, found, err);
}

int metastore_object_list(struct metastore *store, const struct object_name *in_namespace,
                          const struct page_request *page, struct arena *arena,
                          struct name_list *out, struct error *err)
{
    assert(in_namespace->namespace_key.len > 0);
    return backend_of(store)->object_list(store, in_namespace, page, arena, out, err);
}

int metastore_object_find_uuid(struct metastore *store, struct str uuid, struct arena *arena,
                               struct object_row *out, bool *found, struct error *err)
{
    assert(uuid.len > 0);
    return backend_of(store)->object_find_uuid(store, uuid, arena, out, found, err);
}

int metastore_location_taken(struct metastore *store, struct str location,
                             const struct place_claim *claim, enum place_state *out,
                             struct error *err)
{
    assert(location.len > 0 && claim->own_id >= 0);
    return backend_of(store)->location_taken(store, location, claim, out, err);
}

int metastore_history_list(struct metastore *store, const struct object_name *object,
                           int64_t before_sequence, size_t limit, struct arena *arena,
                           struct history_row **out, size_t *count, struct error *err)
{
    assert(before_sequence >= 0 && (object->name.len == 0 || object->namespace_key.len > 0));
    return backend_of(store)->history_list(store, object, before_sequence, limit, arena, out, count,
                                           err);
}

int metastore_history_find(struct metastore *store, int64_t object_id, const struct sha256 *digest,
                           struct str principal, int64_t since_ms, struct arena *arena,
                           struct history_row *out, bool *found, struct error *err)
{
    assert(object_id >= 0);
    return backend_of(store)->history_find(store, object_id, digest, principal, since_ms, arena,
                                           out, found, err);
}

int metastore_idempotency_find(struct metastore *store, struct str key, int64_t now_ms,
                               struct arena *arena, struct idempotency_row *out, bool *found,
                               struct error *err)
{
    return backend_of(store)->idempotency_find(store, key, now_ms, arena, out, found, err);
}

int metastore_job_list(struct metastore *store, int64_t now_ms, size_t limit, struct arena *arena,
                       struct job_row **out, size_t *count, struct error *err)
{
    return backend_of(store)->job_list(store, now_ms, limit, arena, out, count, err);
}

int metastore_report_list(struct metastore *store, const struct object_name *object,
                          int64_t before_sequence, size_t limit, struct arena *arena,
                          struct report_row **out, size_t *count, struct error *err)
{
    assert(before_sequence >= 0);
    return backend_of(store)->report_list(store, object, before_sequence, limit, arena, out, count,
                                          err);
}

int metastore_principal_list(struct metastore *store, struct arena *arena,
                             struct principal_row **out, size_t *count, struct error *err)
{
    return backend_of(store)->principal_list(store, arena, out, count, err);
}

int metastore_signing_key_list(struct metastore *store, struct arena *arena,
                               struct signing_key_row **out, size_t *count, struct error *err)
{
    return backend_of(store)->signing_key_list(store, arena, out, count, err);
}

int metastore_expire(struct metastore *store, int64_t now_ms, struct error *err)
{
    return backend_of(store)->expire(store, now_ms, err);
}

int metastore_health(struct metastore *store, bool *writable, struct error *err)
{
    return backend_of(store)->health(store, writable, err);
}

void metastore_close(struct metastore *store)
{
    backend_of(store)->close(store);
}
