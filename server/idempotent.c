/* Idempotency-Key: bind, look up, run, wait or replay.
 *
 * 1. A key is bound to principal, method, target and body; with another binding it is refused (422)
 *    and nobody ever sees somebody else's answer.
 * 2. Whoever got IDEMPOTENCY_NEW ends it exactly once (idempotent_end), whatever came out.
 * 3. Only deterministic answers are kept; after a 429 or 5xx a repeat runs again. A success that
 *    can no longer be told is an unknown outcome, never a refusal.
 * 4. A waiter is woken exactly once by the catalog; who comes second of waking and timing out frees
 *    it, and only the first one may touch the request. */
#include "server/idempotent.h"

#include "base/log.h"
#include "base/metric.h"
#include "catalog/idempotency.h"
#include "server/delegate.h"
#include "server/dispatch.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum wait_state {
    WAIT_ARMED,  /* given to the catalog, not yet known to wait */
    WAIT_LISTED, /* waits */
    WAIT_WOKEN,  /* woken before it was listed */
    WAIT_LATE,   /* the request was answered; the catalog still knows the waiter */
};

struct idempotent_wait {
    struct idempotency_waiter waiter;
    struct idempotent_waiting *list;
    struct request *req; /* only while WAIT_LISTED */
    enum wait_state state;
    struct idempotent_wait *prev, *next;
};

struct idempotent_waiting {
    pthread_mutex_t lock;
    struct idempotent_wait *first;
};

struct idempotent_waiting *idempotent_waiting_new(void)
{
    struct idempotent_waiting *waiting = calloc(1, sizeof(*waiting));
    if (waiting == NULL)
        log_fatal("out of memory");
    pthread_mutex_init(&waiting->lock, NULL);
    return waiting;
}

void idempotent_waiting_free(struct idempotent_waiting *waiting)
{
    if (waiting == NULL)
        return;
    assert(waiting->first == NULL);
    pthread_mutex_destroy(&waiting->lock);
    free(waiting);
}

static bool is_uuid(struct str text)
{
    if (text.len != 36)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool is_hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        if (is_dash ? c != '-' : !is_hex)
            return false;
    }
    return true;
}

static void take_digests(struct request *req)
{
    const struct http_exchange *x = req->exchange;
    const struct str request[] = {x->method, x->target, x->body};
    req->caller.request_digest = sha256_of_parts(request, 3);
    if (req->caller.idempotency.key.ptr == NULL)
        return;
    const struct str binding[] = {
        req->caller.principal,
        str_from((const char *)req->caller.request_digest.bytes, SHA256_BYTES),
    };
    req->caller.idempotency.binding = sha256_of_parts(binding, 2);
}

/* ---- replaying ------------------------------------------------------------------------------- */

static enum error_kind kind_of(struct str name)
{
    for (int kind = ERR_NONE + 1; kind < ERROR_KIND_COUNT; kind++)
        if (str_equal_cstr(name, error_name((enum error_kind)kind)))
            return (enum error_kind)kind;
    return ERR_INTERNAL; /* a kind of a newer program */
}

static int load_answer(struct request *req, const struct idempotency_row *record,
                       struct object_version **version)
{
    enum object_kind kind = (req->route->flags & ROUTE_OF_VIEW) != 0 ? OBJECT_VIEW : OBJECT_TABLE;
    return catalog_idempotency_load(req->service->catalog, req->warehouse, kind, &req->ident,
                                    &req->caller, record, version, &req->err);
}

static enum idempotent_step replay(struct request *req, const struct idempotency_row *record)
{
    if (record->kind.len > 0) {
        error_set(&req->err, kind_of(record->kind), "%.*s", STR_ARG(record->body));
    } else if (record->status == 204) {
        response_no_content(&req->response);
    } else if (record->metadata_location.len == 0) {
        response_json(&req->response, record->body);
    } else {
        if (!req->on_worker)
            return IDEMPOTENT_BLOCKS;
        struct object_version *version;
        if (load_answer(req, record, &version) != 0)
            return IDEMPOTENT_REFUSED;
        if ((req->route->flags & ROUTE_DELEGATES) == 0)
            response_object(&req->response, version, req->arena);
        else if (delegate_again(req, &req->response, version, &req->err) != HANDLER_DONE)
            return IDEMPOTENT_REFUSED;
    }
    metric_add(METRIC_IDEMPOTENT_REPLAYS, 1);
    return record->kind.len > 0 ? IDEMPOTENT_REFUSED : IDEMPOTENT_REPLAYED;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void unlist(struct idempotent_waiting *waiting, struct idempotent_wait *wait)
{
    if (wait->prev != NULL)
        wait->prev->next = wait->next;
    else
        waiting->first = wait->next;
    if (wait->next != NULL)
        wait->next->prev = wait->prev;
}

/* Any thread, perhaps inside the catalog: takes no lock but the list's. */
static void woken(struct idempotency_waiter *waiter)
{
    struct idempotent_wait *wait = waiter->arg;
    struct idempotent_waiting *list = wait->list;
    pthread_mutex_lock(&list->lock);
    enum wait_state was = wait->state;
    struct request *req = wait->req;
    if (was == WAIT_ARMED)
        wait->state = WAIT_WOKEN;
    else if (was == WAIT_LISTED)
        unlist(list, wait);
    pthread_mutex_unlock(&list->lock);

    if (was == WAIT_ARMED)
        return; /* idempotent_begin goes on with it */
    free(wait);
    if (was == WAIT_LISTED)
        dispatch_continue(req);
}

static struct idempotent_wait *wait_new(struct request *req)
{
    struct idempotent_wait *wait = calloc(1, sizeof(*wait));
    if (wait == NULL)
        log_fatal("out of memory");
    wait->waiter = (struct idempotency_waiter){.woken = woken, .arg = wait};
    wait->list = req->service->waiting;
    wait->req = req;
    return wait;
}

/* True when the request now waits; false when it was woken in the meantime. */
static bool wait_begin(struct request *req, struct idempotent_wait *wait)
{
    struct idempotent_waiting *list = wait->list;
    if (req->wait_until_us == 0)
        req->wait_until_us = clock_monotonic_us(req->service->clock) + IDEMPOTENT_WAIT_MS * 1000ll;
    pthread_mutex_lock(&list->lock);
    bool waits = wait->state == WAIT_ARMED;
    if (waits) {
        wait->state = WAIT_LISTED;
        wait->next = list->first;
        if (list->first != NULL)
            list->first->prev = wait;
        list->first = wait;
    }
    pthread_mutex_unlock(&list->lock);
    if (!waits)
        free(wait);
    return waits;
}

static struct request *take_late(struct idempotent_waiting *list, int64_t now_us)
{
    struct request *late = NULL;
    pthread_mutex_lock(&list->lock);
    for (struct idempotent_wait *wait = list->first; wait != NULL; wait = wait->next) {
        if (wait->req->wait_until_us > now_us)
            continue;
        late = wait->req;
        unlist(list, wait);
        wait->state = WAIT_LATE;
        wait->req = NULL;
        break;
    }
    pthread_mutex_unlock(&list->lock);
    return late;
}

void idempotent_release_waiting(struct service *service)
{
    int64_t now_us = clock_monotonic_us(service->clock);
    struct request *req;
    while ((req = take_late(service->waiting, now_us)) != NULL) {
        error_set(&req->err, ERR_UNAVAILABLE,
                  "The first request with this Idempotency-Key is still running");
        req->response.retry_after_s = 1;
        request_complete(req, HANDLER_ERROR);
    }
}

/* ---- the step -------------------------------------------------------------------------------- */

static enum idempotent_step look_up(struct request *req)
{
    for (;;) {
        struct idempotent_wait *wait = wait_new(req);
        struct idempotency_row record = {0};
        enum idempotency_state state;
        if (catalog_idempotency_begin(req->service->catalog, &req->caller.idempotency,
                                      &wait->waiter, req->arena, &state, &record, &req->err) != 0) {
            free(wait);
            return IDEMPOTENT_REFUSED;
        }
        if (state == IDEMPOTENCY_WAITING) {
            if (wait_begin(req, wait))
                return IDEMPOTENT_WAITING;
            continue;
        }
        free(wait);
        if (state == IDEMPOTENCY_REPLAY)
            return replay(req, &record);
        if (state == IDEMPOTENCY_MISMATCH) {
            error_set(&req->err, ERR_UNPROCESSABLE,
                      "The Idempotency-Key was used for another request");
            return IDEMPOTENT_REFUSED;
        }
        req->idempotency_begun = true;
        return IDEMPOTENT_RUN;
    }
}

enum idempotent_step idempotent_begin(struct request *req)
{
    assert(!req->idempotency_begun);
    if ((req->route->flags & ROUTE_IDEMPOTENT) == 0)
        return IDEMPOTENT_RUN; /* reads pay nothing */
    struct str key = STR_NONE;
    if (req->service->idempotency_lifetime_ms > 0)
        key = http_exchange_header(req->exchange, "Idempotency-Key");
    if (key.ptr != NULL && !is_uuid(key)) {
        error_set(&req->err, ERR_BAD_REQUEST, "Invalid Idempotency-Key: must be a UUID");
        return IDEMPOTENT_REFUSED;
    }
    if (key.ptr != NULL)
        req->caller.idempotency.key = arena_str(req->arena, key);
    take_digests(req);
    return key.ptr == NULL ? IDEMPOTENT_RUN : look_up(req);
}

static bool records(const struct request *req, int result)
{
    if (!req->idempotency_begun || result != HANDLER_ERROR)
        return false;
    int status = error_status(req->err.kind);
    return status == 400 || status == 403 || status == 404 || status == 406 || status == 409 ||
           status == 422;
}

bool idempotent_end_blocks(const struct request *req, int result)
{
    return records(req, result);
}

void idempotent_end(struct request *req, int result)
{
    if (!req->idempotency_begun)
        return;
    struct catalog *catalog = req->service->catalog;
    if (records(req, result))
        catalog_idempotency_record_error(catalog, req->warehouse, &req->caller.idempotency,
                                         &req->err);
    req->idempotency_begun = false;
    catalog_idempotency_end(catalog, req->caller.idempotency.key);
}
