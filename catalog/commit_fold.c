/* Folding: the waiting commits of one object, one after the other, onto one draft.
 *
 * Always holds:
 *   - an item's requirements are checked against exactly the draft its updates are applied to;
 *   - an item that fails leaves the draft as it was;
 *   - an item that creates the object, or changes its location or the places of its properties, is
 *     alone in its round, because the metastore may refuse a place, and that must hit nobody else.
 */
#include "catalog/commit_core.h"
#include "catalog/object_location.h"

#include <assert.h>

static bool draft_exists(const struct lane_work *work)
{
    return work->base.version != NULL || work->changed;
}

static int fail(struct commit_item *item)
{
    assert(item->err.kind != ERR_NONE);
    item->state = ITEM_FAILED;
    return -1;
}

/* What can be said of the name before any requirement: rest.md 3.5 steps 2 and 3. */
static int check_name(const struct lane_work *work, struct commit_item *item, struct arena *arena)
{
    bool creates = item->change->is_create;

    assert(item->change->format == work->format);
    if (creates && work->base.is_other_kind) {
        return object_name_taken(work->format, object_other_kind(work->format->kind), work->ident,
                                 &item->err);
    }
    if (creates && work->base.version == NULL && !work->base.namespace_exists) {
        struct str ns = namespace_display(&work->ident->ns, arena);
        return error_set(&item->err, ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: %.*s",
                         STR_ARG(ns));
    }
    if (!creates && !draft_exists(work)) {
        return object_missing(work->format, work->ident, &item->err);
    }
    return 0;
}

static bool same_request(const struct caller *a, const struct caller *b)
{
    return memcmp(a->request_digest.bytes, b->request_digest.bytes, SHA256_BYTES) == 0 &&
           str_equal(a->principal, b->principal);
}

/* Is the refused request one that was applied before, sent again because its answer was lost? The
 * digest covers the snapshot ids, so nobody else's commit can look like it. Under a name that is
 * gone it may have been applied to what had that name. */
static int find_repeat(const struct lane_work *work, const struct commit_item *item,
                       const struct fold_inputs *inputs, bool *found, struct error *err)
{
    const struct caller *caller = item->request->caller;
    const struct object_version *version = work->base.version;

    *found = false;
    if (!inputs->ports->implicit_idempotency || !item->change->is_repeatable) {
        return 0;
    }
    for (const struct commit_item *i = work->items; i != item && !*found; i = i->next) {
        *found = i->state == ITEM_CHANGED && same_request(i->request->caller, caller);
    }
    return *found ? 0
                  : inputs->ports->find_repeat(inputs->ports->arg,
                                               version == NULL ? 0 : version->row.id, caller, found,
                                               err);
}

/* Any refusal may be the echo of the same request: a guarded commit meets its own snapshot as a
 * conflict, an unguarded one as a duplicate id (400), a late one no table at all (404), and after
 * each of them the client would delete files that are live. */
static void refuse(const struct lane_work *work, struct commit_item *item,
                   const struct fold_inputs *inputs)
{
    struct error why;
    bool found;

    if (find_repeat(work, item, inputs, &found, &why) != 0) {
        error_set(&item->err, ERR_COMMIT_STATE_UNKNOWN,
                  "It is not known whether the same commit was applied before");
        error_detail(&item->err, "%.400s", why.message);
    } else if (found && draft_exists(work)) {
        item->state = ITEM_REPEATED;
        return;
    } else if (found) {
        why = item->err;
        error_set(&item->err, ERR_COMMIT_STATE_UNKNOWN,
                  "The same commit was applied before, to what had this name then");
        error_detail(&item->err, "%.400s", why.message);
    }
    fail(item);
}

/* Rules of the warehouse on the state this item makes. */
static int check_place(struct lane_work *work, const union object_metadata *next,
                       struct commit_item *item, const char *uuid, const struct fold_inputs *inputs)
{
    const struct object_version *version = work->base.version;
    struct place_claim claim = {.uuid = work->format->head(next).uuid};
    if (version != NULL) {
        claim.own_id = version->row.id;
    } else {
        claim.holder =
            place_holder(item->request->caller, work->warehouse, work->ident, inputs->arena);
    }
    const struct object_places places = {
        .warehouse = work->warehouse,
        .format = work->format,
        .metadata = next,
        .before = draft_exists(work) ? &work->draft : NULL,
        .claim = claim,
        .taken = inputs->ports->location_taken,
        .arg = inputs->ports->arg,
    };
    struct str previous = version == NULL ? STR_NONE : version->row.metadata_location;

    if (object_places_check(&places, inputs->arena, &work->places, &item->err) != 0) {
        return -1;
    }
    struct metadata_head head = work->format->head(next);
    return metadata_file_location(&head, work->format->gzip_is_usual, previous, uuid, inputs->arena,
                                  &work->file_location, &item->err);
}

static bool moves(const struct lane_work *work, const union object_metadata *next)
{
    return !draft_exists(work) || object_places_differ(work->format, &work->draft, next);
}

/* 0: judged; 1: must wait for a round of its own. */
static int fold_item(struct lane_work *work, struct commit_item *item, const char *uuid,
                     const struct fold_inputs *inputs)
{
    const union object_metadata *base = draft_exists(work) ? &work->draft : NULL;
    char new_uuid[UUID_TEXT_BYTES];
    union object_metadata next;
    bool changed = false;

    item->after_change = work->changed;
    if (check_name(work, item, inputs->arena) != 0) {
        return refuse(work, item, inputs), 0;
    }
    inputs->ports->uuid(inputs->ports->arg, new_uuid);
    struct commit_inputs commit_inputs = {inputs->now_ms, new_uuid};
    if (work->format->check(item->change, base, &item->err) != 0 ||
        work->format->apply(item->change, base, &commit_inputs, inputs->arena, &next, &changed,
                            &item->err) != 0) {
        return refuse(work, item, inputs), 0;
    }
    if (!changed) {
        item->state = ITEM_UNCHANGED;
        return 0;
    }
    bool moved = moves(work, &next);
    if (moved && work->changed) {
        return 1;
    }
    if (check_place(work, &next, item, uuid, inputs) != 0) {
        return fail(item), 0;
    }
    work->draft = next;
    work->changed = true;
    item->state = ITEM_CHANGED;
    if (moved && item->next != NULL) {
        work->left_over = item->next;
        item->next = NULL;
    }
    return 0;
}

void commit_fold(struct lane_work *work, const struct fold_inputs *inputs)
{
    char uuid[UUID_TEXT_BYTES];
    struct commit_item **link = &work->items;

    assert(!work->changed && work->left_over == NULL);
    inputs->ports->uuid(inputs->ports->arg, uuid);
    if (work->base.version != NULL) {
        work->draft = work->base.version->metadata;
    }
    while (*link != NULL) {
        struct commit_item *item = *link;
        assert(item->state == ITEM_WAITING);
        if (fold_item(work, item, uuid, inputs) != 0) {
            assert(!inputs->is_transaction && link != &work->items);
            work->left_over = item;
            *link = NULL;
            break;
        }
        link = &item->next;
    }
    if (work->changed && work->base.version != NULL) {
        work->format->close(&work->draft, &work->base.version->metadata,
                            work->base.version->row.metadata_location, inputs->arena);
    }
    assert(work->items != NULL);
}
