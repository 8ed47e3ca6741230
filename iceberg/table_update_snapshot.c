/* Updates of snapshots and refs, and the snapshot log they leave behind
 * (contract/rest.md 4.4, 4.5 step 4, 16.4).
 *
 * Old snapshots are looked at by their keys only. Sequence numbers and row ids never go back. */
#include "iceberg/table_update.h"

#include <assert.h>

#include "base/limits.h"
#include "iceberg/snapshot.h"

#define LOOKUPS_WORTH_AN_INDEX 8

/* --- which snapshots there are ------------------------------------------------------------------
 */

static void index_snapshots(struct commit_state *state)
{
    const struct metadata_list *list = &state->next->snapshots;
    id_map_init(&state->index, state->scratch, list->count);
    for (size_t i = 0; i < list->count; i++)
        id_map_put(&state->index, list->elements[i].id, (int64_t)i);
    state->is_indexed = true;
}

static const struct metadata_element *snapshot_find(struct commit_state *state, int64_t id)
{
    const struct metadata_list *list = &state->next->snapshots;
    if (id_map_has(&state->removed, id))
        return NULL;
    if (!state->is_indexed && ++state->snapshot_lookups > LOOKUPS_WORTH_AN_INDEX)
        index_snapshots(state);
    if (!state->is_indexed)
        return metadata_list_find(list, id);
    int64_t at;
    if (!id_map_get(&state->index, id, &at))
        return NULL;
    assert((size_t)at < list->count && list->elements[at].id == id);
    return &list->elements[at];
}

void snapshots_settle(struct commit_state *state)
{
    if (state->removed.count == 0)
        return;
    list_remove_ids(state, &state->next->snapshots, BASE_LIST(state, snapshots), &state->removed);
    id_map_init(&state->removed, state->scratch, 0);
    state->is_indexed = false;
}

/* --- add-snapshot
 * ---------------------------------------------------------------------------------- */

/* A snapshot without a parent may come late, but never lowers the number. */
static int take_sequence_number(struct table_metadata *next, const struct snapshot *snapshot,
                                struct error *err)
{
    if (next->format_version == 1) {
        if (snapshot->sequence_number != 0)
            return error_set(err, ERR_VALIDATION,
                             "Cannot add snapshot with sequence number %lld to a v1 table",
                             (long long)snapshot->sequence_number);
        return 0;
    }
    if (snapshot->has_parent && snapshot->sequence_number <= next->last_sequence_number)
        return error_set(err, ERR_COMMIT_FAILED,
                         "Validation failed, please retry: Cannot add snapshot with sequence "
                         "number %lld older than last sequence number %lld",
                         (long long)snapshot->sequence_number,
                         (long long)next->last_sequence_number);
    if (snapshot->sequence_number > next->last_sequence_number)
        next->last_sequence_number = snapshot->sequence_number;
    return 0;
}

/* Row lineage: every snapshot of v3 takes a range of row ids behind all earlier ones. */
static int take_row_ids(struct table_metadata *next, const struct snapshot *snapshot,
                        struct error *err)
{
    if (next->format_version < 3)
        return 0;
    if (!snapshot->has_first_row_id)
        return error_set(err, ERR_VALIDATION,
                         "Cannot add a snapshot: first-row-id is null (snapshot %lld)",
                         (long long)snapshot->snapshot_id);
    if (snapshot->first_row_id < next->next_row_id)
        return error_set(err, ERR_COMMIT_FAILED,
                         "Validation failed, please retry: Cannot add a snapshot, first-row-id is "
                         "behind table next-row-id: %lld < %lld",
                         (long long)snapshot->first_row_id, (long long)next->next_row_id);
    if (__builtin_add_overflow(next->next_row_id, snapshot->added_rows, &next->next_row_id))
        return error_set(err, ERR_VALIDATION, "Cannot add a snapshot: row ids are used up");
    return 0;
}

static int check_addable(struct commit_state *state, const struct snapshot *snapshot,
                         struct error *err)
{
    struct table_metadata *next = state->next;
    if (next->schemas.count == 0)
        return error_set(err, ERR_VALIDATION,
                         "Attempting to add a snapshot before a schema is added");
    if (next->partition_specs.count == 0)
        return error_set(err, ERR_VALIDATION,
                         "Attempting to add a snapshot before a partition spec is added");
    if (next->sort_orders.count == 0)
        return error_set(err, ERR_VALIDATION,
                         "Attempting to add a snapshot before a sort order is added");
    if (next->snapshots.count >= SNAPSHOTS_MAX)
        return error_set(err, ERR_VALIDATION, "Cannot add a snapshot: the table has %d",
                         SNAPSHOTS_MAX);
    if (snapshot_find(state, snapshot->snapshot_id) != NULL)
        return error_set(err, ERR_VALIDATION, "Snapshot already exists for id: %lld",
                         (long long)snapshot->snapshot_id);
    if (next->format_version > 1 && !snapshot->has_manifest_list)
        return error_set(err, ERR_VALIDATION,
                         "Cannot add snapshot %lld: v%d requires a manifest-list",
                         (long long)snapshot->snapshot_id, next->format_version);
    return 0;
}

int update_add_snapshot(struct commit_state *state, struct str text, const struct str *values,
                        struct error *err)
{
    (void)text;
    struct snapshot snapshot;
    struct table_metadata *next = state->next;
    if (snapshot_read(values[0], &snapshot, err) != 0 ||
        check_addable(state, &snapshot, err) != 0 ||
        take_sequence_number(next, &snapshot, err) != 0 || take_row_ids(next, &snapshot, err) != 0)
        return -1;
    if (id_map_has(&state->removed, snapshot.snapshot_id))
        snapshots_settle(state);
    if (state->is_indexed)
        id_map_put(&state->index, snapshot.snapshot_id, (int64_t)next->snapshots.count);
    id_map_put(&state->added, snapshot.snapshot_id, 1);
    metadata_list_append(&next->snapshots,
                         (struct metadata_element){
                             .text = snapshot_text(values[0], state->arena),
                             .id = snapshot.snapshot_id,
                             .sequence_number = snapshot.sequence_number,
                             .timestamp_ms = snapshot.timestamp_ms,
                         },
                         state->arena);
    state->changed = true;
    return 0;
}

/* --- refs
 * ------------------------------------------------------------------------------------------ */

/* An array of this commit's own with room for one more. */
static void own_refs(struct commit_state *state)
{
    struct table_metadata *next = state->next;
    if (next->ref_count < state->ref_capacity)
        return;
    state->ref_capacity = next->ref_count * 2 + 4;
    struct metadata_ref *own = ARENA_ARRAY(state->arena, struct metadata_ref, state->ref_capacity);
    if (next->ref_count > 0)
        memcpy(own, next->refs, next->ref_count * sizeof(*own));
    next->refs = own;
}

/* The ref's place in the array, ref_count when it is not there. */
static size_t ref_index(const struct table_metadata *next, struct str name)
{
    const struct metadata_ref *ref = table_metadata_ref(next, name);
    return ref == NULL ? next->ref_count : (size_t)(ref - next->refs);
}

static void note_main(struct commit_state *state, int64_t snapshot_id)
{
    if (state->main_count == state->main_capacity) {
        size_t capacity = state->main_capacity * 2 + 4;
        int64_t *mains = ARENA_ARRAY(state->scratch, int64_t, capacity);
        if (state->main_count > 0)
            memcpy(mains, state->mains, state->main_count * sizeof(*mains));
        state->mains = mains;
        state->main_capacity = capacity;
    }
    state->mains[state->main_count++] = snapshot_id;
}

/* Moves main: the log gets the snapshot's own time when it is new, else the time of this commit. */
static int set_main(struct commit_state *state, const struct metadata_ref *ref,
                    const struct metadata_element *snapshot, struct error *err)
{
    if (ref->is_tag)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot set main as a tag, it must be a branch");
    bool is_new = id_map_has(&state->added, ref->snapshot_id);
    int64_t time_ms = is_new ? snapshot->timestamp_ms : state->now_ms;
    if (is_new)
        note_main(state, ref->snapshot_id);
    state->next->current_snapshot_id = ref->snapshot_id;
    metadata_list_append(&state->next->snapshot_log,
                         snapshot_log_entry(ref->snapshot_id, time_ms, state->arena), state->arena);
    return 0;
}

int update_set_ref(struct commit_state *state, struct str text, const struct str *values,
                   struct error *err)
{
    struct metadata_ref ref;
    struct table_metadata *next = state->next;
    struct str name = raw_json_string(values[0], state->scratch);
    if (snapshot_ref_read(text, state->scratch, &ref, err) != 0)
        return -1;
    size_t at = ref_index(next, name);
    if (at < next->ref_count && snapshot_ref_equal(&next->refs[at], &ref))
        return 0;
    const struct metadata_element *snapshot = snapshot_find(state, ref.snapshot_id);
    if (snapshot == NULL)
        return error_set(err, ERR_VALIDATION, "Cannot set %.*s to unknown snapshot: %lld",
                         STR_ARG(name), (long long)ref.snapshot_id);
    if (str_equal(name, STR(REF_MAIN)) && set_main(state, &ref, snapshot, err) != 0)
        return -1;
    own_refs(state);
    ref.name = at < next->ref_count ? next->refs[at].name : arena_str(state->arena, name);
    next->refs[at] = ref;
    if (at == next->ref_count)
        next->ref_count++;
    state->changed = true;
    return 0;
}

int update_remove_ref(struct commit_state *state, struct str text, const struct str *values,
                      struct error *err)
{
    (void)text;
    (void)err;
    struct table_metadata *next = state->next;
    struct str name = raw_json_string(values[0], state->scratch);
    if (str_equal(name, STR(REF_MAIN)))
        next->current_snapshot_id = SNAPSHOT_NONE;
    size_t at = ref_index(next, name);
    if (at == next->ref_count)
        return 0;
    own_refs(state);
    memmove(&next->refs[at], &next->refs[at + 1], (next->ref_count - at - 1) * sizeof(*next->refs));
    next->ref_count--;
    state->changed = true;
    return 0;
}

static void remove_refs_to(struct commit_state *state, const struct id_map *gone)
{
    struct table_metadata *next = state->next;
    size_t count = 0;
    own_refs(state);
    for (size_t i = 0; i < next->ref_count; i++) {
        if (!id_map_has(gone, next->refs[i].snapshot_id))
            next->refs[count++] = next->refs[i];
        else if (str_equal(next->refs[i].name, STR(REF_MAIN)))
            next->current_snapshot_id = SNAPSHOT_NONE;
    }
    next->ref_count = count;
}

/* --- remove-snapshots
 * ----------------------------------------------------------------------------- */

int update_remove_snapshots(struct commit_state *state, struct str text, const struct str *values,
                            struct error *err)
{
    (void)text;
    (void)err;
    struct str value;
    struct id_map gone;
    id_map_init(&gone, state->scratch, 0);
    struct raw_json_cursor cursor = raw_json_enter(values[0]);
    while (raw_json_next_element(&cursor, &value)) {
        int64_t id = member_int64(value);
        if (snapshot_find(state, id) == NULL)
            continue;
        id_map_put(&gone, id, 1);
        id_map_put(&state->removed, id, 1);
    }
    if (gone.count == 0)
        return 0;
    remove_refs_to(state, &gone);
    list_remove_ids(state, &state->next->statistics, BASE_LIST(state, statistics), &gone);
    list_remove_ids(state, &state->next->partition_statistics,
                    BASE_LIST(state, partition_statistics), &gone);
    state->changed = state->snapshots_removed = true;
    return 0;
}

/* --- the log
 * ---------------------------------------------------------------------------------------- */

/* Snapshots that were current only for a moment inside this commit. */
static void find_intermediate(struct commit_state *state, struct id_map *out)
{
    id_map_init(out, state->scratch, state->main_count);
    for (size_t i = 0; i < state->main_count; i++)
        if (state->mains[i] != state->next->current_snapshot_id)
            id_map_put(out, state->mains[i], 1);
}

static int check_log_ends_with_current(const struct table_metadata *next, struct error *err)
{
    const struct metadata_list *log = &next->snapshot_log;
    if (next->current_snapshot_id == SNAPSHOT_NONE)
        return 0;
    if (log->count == 0 || log->elements[log->count - 1].id != next->current_snapshot_id)
        return error_set(err, ERR_VALIDATION,
                         "Cannot set invalid snapshot log: latest entry is not the current "
                         "snapshot");
    return 0;
}

int snapshot_log_repair(struct commit_state *state, struct error *err)
{
    struct id_map intermediate;
    const struct metadata_list *log = &state->next->snapshot_log;
    assert(state->removed.count == 0);
    find_intermediate(state, &intermediate);
    if (intermediate.count == 0 && !state->snapshots_removed)
        return 0;
    struct metadata_list kept = metadata_list_new(log->count, state->arena);
    size_t count = 0;
    for (size_t i = 0; i < log->count; i++) {
        int64_t id = log->elements[i].id;
        if (snapshot_find(state, id) != NULL) {
            if (!id_map_has(&intermediate, id))
                kept.elements[count++] = log->elements[i];
        } else if (state->snapshots_removed) {
            count = 0; /* a gap would make time travel across it wrong */
        }
    }
    kept.count = log->count;
    metadata_list_cut(&kept, count);
    state->next->snapshot_log = kept;
    return check_log_ends_with_current(state->next, err);
}
