/* A commit to a view from its text to the next metadata: parse, check, apply, build.
 *
 * Always: names are known and members have their kinds before anything is applied. `base` is never
 * written. A commit without effect gives base. */
#include "iceberg/view_commit.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "iceberg/view_update.h"

#define HISTORY_ENTRIES "version.history.num-entries"
#define HISTORY_ENTRIES_DEFAULT 10
#define DROP_DIALECT_ALLOWED "replace.drop-dialect.allowed"

/* ---- parse ----------------------------------------------------------------------------------- */

static int parse_requirement(struct str object, struct arena *arena, struct str *uuid,
                             struct error *err)
{
    static const struct member_spec type = MEMBER("type", STRING, REQUIRED);
    static const struct member_spec uuid_member = MEMBER("uuid", STRING, REQUIRED);
    struct str value;
    if (members_read(object, "requirement", &type, 1, &value, err) != 0)
        return -1;
    struct str name = raw_json_string(value, arena);
    if (!str_equal_ignore_case(name, STR("assert-view-uuid"))) {
        const struct requirement_row *row = requirement_row_find(name);
        if (row != NULL)
            return error_set(err, ERR_VALIDATION,
                             "Invalid requirement: cannot validate %s against "
                             "a view",
                             row->name);
        return error_set(err, ERR_BAD_REQUEST, "Unknown requirement type: %.*s", STR_ARG(name));
    }
    if (members_read(object, "assert-view-uuid", &uuid_member, 1, &value, err) != 0)
        return -1;
    *uuid = raw_json_string(value, arena);
    return 0;
}

static int parse_requirements(struct str array, struct arena *arena, struct view_commit *out,
                              struct error *err)
{
    size_t count;
    struct str element;
    if (members_count(array, COMMIT_REQUIREMENTS_MAX, "requirements", &count, err) != 0)
        return -1;
    out->uuids = ARENA_ARRAY(arena, struct str, count);
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (raw_json_next_element(&cursor, &element))
        if (parse_requirement(element, arena, &out->uuids[out->uuid_count++], err) != 0)
            return -1;
    return 0;
}

static int parse_update(struct str object, struct arena *arena, struct view_update *out,
                        struct error *err)
{
    static const struct member_spec action = MEMBER("action", STRING, REQUIRED);
    struct str values[VIEW_UPDATE_MEMBERS_MAX];
    if (members_read(object, "update", &action, 1, values, err) != 0)
        return -1;
    struct str name = raw_json_string(values[0], arena);
    const struct view_update_row *row = view_update_row_find(name);
    const struct update_row *of_tables = update_row_find(name);
    if (row == NULL && of_tables != NULL)
        return error_set(err, ERR_VALIDATION, "Update %s does not apply to a view",
                         of_tables->name);
    if (row == NULL)
        return error_set(err, ERR_BAD_REQUEST, "Unknown update action: %.*s", STR_ARG(name));
    *out = (struct view_update){row, object};
    return members_read(object, row->name, row->members, row->member_count, values, err);
}

int view_commit_parse(struct str body, struct arena *arena, struct view_commit *out,
                      struct error *err)
{
    static const struct member_spec members[] = {
        MEMBER("requirements", ARRAY, OPTIONAL),
        MEMBER("updates", ARRAY, OPTIONAL),
    };
    struct str values[2], element;
    size_t count;
    *out = (struct view_commit){0};
    if (members_read(body, "commit", members, 2, values, err) != 0 ||
        parse_requirements(values[0], arena, out, err) != 0 ||
        members_count(values[1], COMMIT_UPDATES_MAX, "updates", &count, err) != 0)
        return -1;
    out->updates = ARENA_ARRAY(arena, struct view_update, count);
    struct raw_json_cursor cursor = raw_json_enter(values[1]);
    while (raw_json_next_element(&cursor, &element))
        if (parse_update(element, arena, &out->updates[out->update_count++], err) != 0)
            return -1;
    assert(out->update_count == count);
    return 0;
}

/* ---- check ----------------------------------------------------------------------------------- */

int view_commit_check(const struct view_commit *commit, const struct view_metadata *base,
                      struct error *err)
{
    for (size_t i = 0; i < commit->uuid_count; i++)
        if (!str_equal_ignore_case(commit->uuids[i], base->view_uuid))
            return error_set(err, ERR_COMMIT_FAILED,
                             "Requirement failed: view UUID does not match: expected %.*s != %.*s",
                             STR_ARG(base->view_uuid), STR_ARG(commit->uuids[i]));
    return 0;
}

/* ---- build ----------------------------------------------------------------------------------- */

static void append_log_entry(struct view_state *state)
{
    if (state->has_log_entry)
        metadata_list_append(&state->next->version_log, state->log_entry, state->arena);
}

static int read_current(const struct view_metadata *metadata, struct arena *arena,
                        struct view_version *out, struct error *err)
{
    const struct metadata_element *element =
        metadata_list_find(&metadata->versions, metadata->current_version_id);
    assert(element != NULL);
    return view_version_read(element->text, arena, out, err);
}

static struct str dialects_of(const struct view_version *version, struct arena *arena)
{
    struct str list = STR("");
    for (size_t i = 0; i < version->representation_count; i++)
        if (version->representations[i].is_sql)
            list = arena_printf(arena, "%.*s%s%.*s", STR_ARG(list), list.len > 0 ? ", " : "",
                                STR_ARG(version->representations[i].dialect));
    return list;
}

/* Engines that read the view in a dialect must find it there after the commit too. */
static int guard_dialects(struct view_state *state, struct error *err)
{
    struct view_version before, after;
    struct metadata_head head = view_metadata_head(state->next);
    if (state->next->current_version_id == state->base->current_version_id ||
        metadata_property_true(&head, DROP_DIALECT_ALLOWED, false))
        return 0;
    if (read_current(state->base, state->scratch, &before, err) != 0 ||
        read_current(state->next, state->scratch, &after, err) != 0)
        return -1;
    for (size_t i = 0; i < before.representation_count; i++)
        if (before.representations[i].is_sql &&
            !view_version_has_dialect(&after, before.representations[i].dialect))
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Cannot replace view due to loss of view dialects "
                             "(" DROP_DIALECT_ALLOWED "=false):\nPrevious dialects: [%.*s]\n"
                             "New dialects: [%.*s]",
                             STR_ARG(dialects_of(&before, state->scratch)),
                             STR_ARG(dialects_of(&after, state->scratch)));
    return 0;
}

/* How many versions stay: what the property says, and never less than this commit has touched. */
static int versions_to_keep(const struct view_state *state, size_t *out, struct error *err)
{
    long long entries = HISTORY_ENTRIES_DEFAULT;
    struct metadata_head head = view_metadata_head(state->next);
    struct str text = metadata_property(&head, HISTORY_ENTRIES);
    if (text.ptr != NULL && !str_to_int64(text, &entries))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, HISTORY_ENTRIES " must be an integer: %.*s",
                         STR_ARG(text));
    if (entries < 1)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         HISTORY_ENTRIES " must be positive but was %lld", entries);
    bool counts_current = !id_map_has(&state->added, state->next->current_version_id);
    size_t touched = state->added.count + (counts_current ? 1 : 0);
    *out = (size_t)entries > touched ? (size_t)entries : touched;
    return 0;
}

static int compare_newest_first(const void *left, const void *right)
{
    const struct metadata_element *a = left, *b = right;
    return a->id < b->id ? 1 : a->id > b->id ? -1 : 0;
}

/* An entry whose version is gone makes what came before it meaningless. */
static void trim_log(struct view_state *state, const struct metadata_list *kept)
{
    const struct metadata_list *log = &state->next->version_log;
    struct id_map ids;
    size_t from = 0;
    id_map_init(&ids, state->scratch, kept->count);
    for (size_t i = 0; i < kept->count; i++)
        id_map_put(&ids, kept->elements[i].id, 1);
    for (size_t i = 0; i < log->count; i++)
        if (!id_map_has(&ids, log->elements[i].id))
            from = i + 1;
    struct metadata_list trimmed = {0};
    for (size_t i = from; i < log->count; i++)
        metadata_list_append(&trimmed, log->elements[i], state->arena);
    state->next->version_log = trimmed;
}

/* The current version, then the highest ids. */
static int trim_versions(struct view_state *state, struct error *err)
{
    size_t keep = 0;
    struct view_metadata *next = state->next;
    const struct metadata_list *all = &next->versions;
    if (versions_to_keep(state, &keep, err) != 0)
        return -1;
    if (all->count <= keep)
        return 0;
    struct metadata_element *sorted =
        ARENA_ARRAY(state->scratch, struct metadata_element, all->count);
    memcpy(sorted, all->elements, all->count * sizeof(*sorted));
    qsort(sorted, all->count, sizeof(*sorted), compare_newest_first);
    struct metadata_list kept = {0};
    metadata_list_append(&kept, *metadata_list_find(all, next->current_version_id), state->arena);
    for (size_t i = 0; kept.count < keep; i++)
        if (sorted[i].id != next->current_version_id)
            metadata_list_append(&kept, sorted[i], state->arena);
    next->versions = kept;
    trim_log(state, &kept);
    return 0;
}

/* ---- apply ----------------------------------------------------------------------------------- */

static int apply_updates(struct view_state *state, const struct view_commit *commit,
                         struct error *err)
{
    for (size_t i = 0; i < commit->update_count; i++) {
        const struct view_update_row *row = commit->updates[i].row;
        struct str values[VIEW_UPDATE_MEMBERS_MAX];
        if (members_read(commit->updates[i].text, row->name, row->members, row->member_count,
                         values, err) != 0 ||
            row->apply(state, values, err) != 0)
            return -1;
    }
    return 0;
}

static int build(struct view_state *state, struct error *err)
{
    append_log_entry(state);
    if (guard_dialects(state, err) != 0 || trim_versions(state, err) != 0)
        return -1;
    return view_metadata_check(state->next, err);
}

int view_commit_apply(const struct view_commit *commit, const struct view_metadata *base,
                      const struct commit_inputs *inputs, struct arena *arena,
                      struct view_metadata *next, bool *changed, struct error *err)
{
    assert(base != NULL && next != base);
    struct view_state state = {
        .base = base,
        .next = next,
        .arena = arena,
        .scratch = arena_new(),
        .now_ms = inputs->now_ms,
        .properties = {.arena = arena, .list = &next->properties, .count = &next->property_count},
    };
    *next = *base;
    state.properties.scratch = state.scratch;
    id_map_init(&state.added, state.scratch, 0);
    int result = apply_updates(&state, commit, err);
    *changed = state.changed;
    if (result == 0 && state.changed)
        result = build(&state, err);
    else if (result == 0)
        *next = *base;
    arena_free(state.scratch);
    return result;
}
