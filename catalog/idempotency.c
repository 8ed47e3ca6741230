/* Records that make mutations repeatable: which keys run now (in memory), and which are answered
 * (in the metastore).
 *
 * 1. A key is put among the running ones before its record is looked for, and leaves after its
 *    record is durable. So whoever finds it neither running nor recorded is the first.
 * 2. Of a key that ends without a record (trouble, or a crash) nothing remains: a repeat runs anew,
 *    guarded by the change's own expectations.
 * 3. `woken` is called without any lock held; the waiter may be gone when it returns.
 * 4. A key is only ever answered to the request it was made for: same binding. */
#include "catalog/idempotency.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "catalog/objects_private.h"

#define BUCKET_COUNT 256 /* requests in flight are hundreds at most */

struct running_key {
    struct running_key *next; /* in its bucket */
    struct sha256 binding;
    struct idempotency_waiter *first, **last; /* in order of arrival */
    size_t key_bytes;
    char key[];
};

struct idempotency_running {
    pthread_mutex_t lock;
    struct running_key *buckets[BUCKET_COUNT];
};

struct idempotency_running *idempotency_running_new(void)
{
    struct idempotency_running *running = calloc(1, sizeof(*running));
    if (running == NULL)
        log_fatal("out of memory");
    pthread_mutex_init(&running->lock, NULL);
    return running;
}

void idempotency_running_free(struct idempotency_running *running)
{
    if (running == NULL)
        return;
    for (size_t i = 0; i < BUCKET_COUNT; i++)
        assert(running->buckets[i] == NULL && "a request outlived the catalog");
    pthread_mutex_destroy(&running->lock);
    free(running);
}

/* The link that points at the key's entry, or at the end of its bucket (FNV-1a). */
static struct running_key **find_link(struct idempotency_running *running, struct str key)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * 16777619u;
    struct running_key **link = &running->buckets[hash % BUCKET_COUNT];
    while (*link != NULL && !str_equal(str_from((*link)->key, (*link)->key_bytes), key))
        link = &(*link)->next;
    return link;
}

static struct running_key *running_key_new(const struct idempotency_claim *claim)
{
    struct running_key *entry = malloc(sizeof(*entry) + claim->key.len);
    if (entry == NULL)
        log_fatal("out of memory");
    *entry = (struct running_key){.binding = claim->binding, .key_bytes = claim->key.len};
    entry->last = &entry->first;
    memcpy(entry->key, claim->key.ptr, claim->key.len);
    return entry;
}

static bool binding_equal(const struct sha256 *a, const struct sha256 *b)
{
    return memcmp(a->bytes, b->bytes, SHA256_BYTES) == 0;
}

/* Puts the key among the running ones, or the waiter behind the one that is there. */
static enum idempotency_state run_or_wait(struct idempotency_running *running,
                                          const struct idempotency_claim *claim,
                                          struct idempotency_waiter *waiter)
{
    enum idempotency_state state = IDEMPOTENCY_WAITING;
    pthread_mutex_lock(&running->lock);
    struct running_key **link = find_link(running, claim->key);
    if (*link == NULL) {
        *link = running_key_new(claim);
        state = IDEMPOTENCY_NEW;
    } else if (!binding_equal(&(*link)->binding, &claim->binding)) {
        state = IDEMPOTENCY_MISMATCH;
    } else {
        waiter->next = NULL;
        *(*link)->last = waiter;
        (*link)->last = &waiter->next;
    }
    pthread_mutex_unlock(&running->lock);
    return state;
}

static bool keys_are_used(const struct catalog *catalog, struct str key)
{
    return catalog->options.idempotency_lifetime_ms > 0 && key.len > 0;
}

int catalog_idempotency_begin(struct catalog *catalog, const struct idempotency_claim *claim,
                              struct idempotency_waiter *waiter, struct arena *arena,
                              enum idempotency_state *state, struct idempotency_row *record,
                              struct error *err)
{
    *state = IDEMPOTENCY_NEW;
    if (!keys_are_used(catalog, claim->key))
        return 0;
    *state = run_or_wait(catalog->running, claim, waiter);
    if (*state != IDEMPOTENCY_NEW)
        return 0;

    bool found = false;
    int result = metastore_idempotency_find(catalog->options.metastore, claim->key,
                                            clock_now_ms(catalog->options.clock), arena, record,
                                            &found, err);
    if (result != 0 || found)
        catalog_idempotency_end(catalog, claim->key);
    if (result == 0 && found)
        *state = binding_equal(&record->binding, &claim->binding) ? IDEMPOTENCY_REPLAY
                                                                  : IDEMPOTENCY_MISMATCH;
    return result;
}

void catalog_idempotency_end(struct catalog *catalog, struct str key)
{
    struct idempotency_waiter *waiter = NULL;
    if (!keys_are_used(catalog, key))
        return;
    pthread_mutex_lock(&catalog->running->lock);
    struct running_key **link = find_link(catalog->running, key);
    struct running_key *entry = *link;
    assert(entry != NULL && "end without begin");
    if (entry != NULL) {
        waiter = entry->first;
        *link = entry->next;
    }
    pthread_mutex_unlock(&catalog->running->lock);
    free(entry);
    while (waiter != NULL) {
        struct idempotency_waiter *next = waiter->next;
        waiter->woken(waiter);
        waiter = next;
    }
}

/* ---- replays --------------------------------------------------------------------------------- */

/* Did this very request change that object? */
static bool holds_request(struct catalog *catalog, const struct object_version *version,
                          const struct caller *caller, int64_t since_ms)
{
    struct history_row row;
    struct error ignored;
    bool found = false;
    struct arena *arena = arena_new();
    if (metastore_history_find(catalog->options.metastore, version->row.id, &caller->request_digest,
                               caller->principal, since_ms, arena, &row, &found, &ignored) != 0)
        found = false;
    arena_free(arena);
    return found;
}

/* Requests that bring the name in their body have none here. */
static struct object_version *present_state(struct catalog *catalog, struct warehouse *warehouse,
                                            enum object_kind kind, const struct identifier *ident,
                                            const struct caller *caller, int64_t since_ms)
{
    struct object_version *version;
    struct error ignored;
    if (ident->name.len == 0 ||
        object_load(catalog, warehouse, kind, ident, &version, &ignored) != 0)
        return NULL;
    if (holds_request(catalog, version, caller, since_ms))
        return version;
    object_version_unref(version);
    return NULL;
}

int catalog_idempotency_load(struct catalog *catalog, struct warehouse *warehouse,
                             enum object_kind kind, const struct identifier *ident,
                             const struct caller *caller, const struct idempotency_row *record,
                             struct object_version **out, struct error *err)
{
    struct error why;
    if (object_load_at(warehouse, kind, record->metadata_location, out, &why) == 0)
        return 0;
    *out = present_state(catalog, warehouse, kind, ident, caller,
                         record->created_ms - REPEAT_WINDOW_MS);
    if (*out != NULL)
        return 0;
    error_set(err, ERR_COMMIT_STATE_UNKNOWN,
              "The request was applied before, but its answer cannot be read any more");
    return error_detail(err, "%.400s", why.message);
}

/* ---- records --------------------------------------------------------------------------------- */

static struct idempotency_row record_of(struct catalog *catalog,
                                        const struct idempotency_claim *claim, int64_t warehouse_id)
{
    int64_t now_ms = clock_now_ms(catalog->options.clock);
    return (struct idempotency_row){
        .key = claim->key,
        .binding = claim->binding,
        .warehouse_id = warehouse_id,
        .created_ms = now_ms,
        .expires_ms = now_ms + catalog->options.idempotency_lifetime_ms,
    };
}

bool catalog_idempotency_success(struct catalog *catalog, const struct caller *caller,
                                 int64_t warehouse_id, struct str body,
                                 struct str metadata_location, struct idempotency_row *out)
{
    const struct idempotency_claim *claim = &caller->idempotency;
    if (!keys_are_used(catalog, claim->key))
        return false;
    *out = record_of(catalog, claim, warehouse_id);
    out->status = claim->status;
    out->body = body.ptr != NULL ? body : claim->body;
    out->metadata_location = metadata_location;
    return true;
}

/* Would the same request be refused again as long as the catalog does not change? Refusals for want
 * of identity, capacity or luck are not that. */
static bool is_deterministic(enum error_kind kind)
{
    switch (kind) {
    case ERR_BAD_REQUEST:
    case ERR_ILLEGAL_ARGUMENT:
    case ERR_VALIDATION:
    case ERR_FORBIDDEN:
    case ERR_NO_SUCH_ROUTE:
    case ERR_NO_SUCH_WAREHOUSE:
    case ERR_NO_SUCH_NAMESPACE:
    case ERR_NO_SUCH_TABLE:
    case ERR_NO_SUCH_VIEW:
    case ERR_FILE_NOT_FOUND:
    case ERR_UNSUPPORTED:
    case ERR_ALREADY_EXISTS:
    case ERR_NAMESPACE_NOT_EMPTY:
    case ERR_COMMIT_FAILED:
    case ERR_UNPROCESSABLE:
        return true;
    default:
        return false;
    }
}

void catalog_idempotency_record_error(struct catalog *catalog, struct warehouse *warehouse,
                                      const struct idempotency_claim *claim,
                                      const struct error *why)
{
    if (!keys_are_used(catalog, claim->key) || !is_deterministic(why->kind))
        return;
    int64_t warehouse_id = warehouse != NULL ? warehouse->id : 0;
    struct idempotency_row record = record_of(catalog, claim, warehouse_id);
    record.status = error_status(why->kind);
    record.kind = str_cstr(error_name(why->kind));
    record.body = str_cstr(why->message);
    struct catalog_change change = {.set = {.idempotency = &record, .idempotency_count = 1}};
    enum change_outcome outcome = catalog_apply(catalog, &change);
    if (outcome != CHANGE_APPLIED)
        log_warn("idempotency: refusal not recorded: outcome=%d key=%.*s", (int)outcome,
                 STR_ARG(claim->key));
}
