/* A commit from its text to the next metadata: parse, check, apply, build.
 *
 * Always: names are known and members have their kinds before anything is applied. `base` is never
 * written: arrays are extended beyond its counts or replaced. A commit without effect gives base.
 */
#include "iceberg/table_commit.h"

#include <assert.h>

#include "base/limits.h"
#include "iceberg/table_create.h"
#include "iceberg/table_update.h"

/* --- parse -------------------------------------------------------------------------------------
 */

static int read_name(struct str object, const char *what, const struct member_spec *member,
                     struct arena *arena, struct str *name, struct error *err)
{
    struct str value;
    if (members_read(object, what, member, 1, &value, err) != 0)
        return -1;
    *name = raw_json_string(value, arena);
    return 0;
}

static int parse_requirement(struct str object, struct arena *arena, struct commit_requirement *out,
                             struct error *err)
{
    static const struct member_spec type = MEMBER("type", STRING, REQUIRED);
    struct str values[REQUIREMENT_MEMBERS_MAX];
    struct str name;
    if (read_name(object, "requirement", &type, arena, &name, err) != 0)
        return -1;
    const struct requirement_row *row = requirement_row_find(name);
    if (row == NULL)
        return error_set(err, ERR_BAD_REQUEST, "Unknown requirement type: %.*s", STR_ARG(name));
    if (row->check == NULL)
        return error_set(err, ERR_VALIDATION, "Requirement %s does not apply to a table",
                         row->name);
    *out = (struct commit_requirement){row, object};
    return members_read(object, row->name, row->members, row->member_count, values, err);
}

static int parse_update(struct str object, struct arena *arena, struct commit_update *out,
                        struct error *err)
{
    static const struct member_spec action = MEMBER("action", STRING, REQUIRED);
    struct str values[UPDATE_MEMBERS_MAX];
    struct str name;
    if (read_name(object, "update", &action, arena, &name, err) != 0)
        return -1;
    const struct update_row *row = update_row_find(name);
    if (row == NULL)
        return error_set(err, ERR_BAD_REQUEST, "Unknown update action: %.*s", STR_ARG(name));
    if (row->apply == NULL)
        return error_set(err, ERR_VALIDATION, "Update %s does not apply to a table", row->name);
    *out = (struct commit_update){row, object};
    return members_read(object, row->name, row->members, row->member_count, values, err);
}

static int parse_requirements(struct str array, struct arena *arena, struct table_commit *out,
                              struct error *err)
{
    size_t count;
    struct str element;
    if (members_count(array, COMMIT_REQUIREMENTS_MAX, "requirements", &count, err) != 0)
        return -1;
    out->requirements = ARENA_ARRAY(arena, struct commit_requirement, count);
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (raw_json_next_element(&cursor, &element)) {
        struct commit_requirement *requirement = &out->requirements[out->requirement_count++];
        if (parse_requirement(element, arena, requirement, err) != 0)
            return -1;
        out->is_create = out->is_create || requirement_row_is_create(requirement->row);
    }
    assert(out->requirement_count == count);
    for (size_t i = 0; i < count && out->is_create; i++)
        if (!requirement_row_is_create(out->requirements[i].row))
            return error_set(err, ERR_BAD_REQUEST,
                             "Invalid create requirements: %s beside assert-create",
                             out->requirements[i].row->name);
    return 0;
}

static int parse_updates(struct str array, struct arena *arena, struct table_commit *out,
                         struct error *err)
{
    size_t count;
    struct str element;
    if (members_count(array, COMMIT_UPDATES_MAX, "updates", &count, err) != 0)
        return -1;
    out->updates = ARENA_ARRAY(arena, struct commit_update, count);
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (raw_json_next_element(&cursor, &element)) {
        struct commit_update *update = &out->updates[out->update_count++];
        if (parse_update(element, arena, update, err) != 0)
            return -1;
        out->adds_snapshot = out->adds_snapshot || update->row->apply == update_add_snapshot;
    }
    assert(out->update_count == count);
    return 0;
}

int table_commit_parse(struct str body, struct arena *arena, struct table_commit *out,
                       struct error *err)
{
    static const struct member_spec members[] = {
        MEMBER("requirements", ARRAY, OPTIONAL),
        MEMBER("updates", ARRAY, OPTIONAL),
    };
    struct str values[2];
    *out = (struct table_commit){0};
    if (members_read(body, "commit", members, 2, values, err) != 0)
        return -1;
    if (parse_requirements(values[0], arena, out, err) != 0)
        return -1;
    return parse_updates(values[1], arena, out, err);
}

/* --- check -------------------------------------------------------------------------------------
 */

static int check_requirement(const struct commit_requirement *requirement,
                             const struct table_metadata *base, struct arena *scratch,
                             struct error *err)
{
    struct str values[REQUIREMENT_MEMBERS_MAX];
    const struct requirement_row *row = requirement->row;
    if (members_read(requirement->text, row->name, row->members, row->member_count, values, err) !=
        0)
        return -1;
    if (base == NULL && requirement_row_is_create(row))
        return 0;
    if (base == NULL)
        return error_set(err, ERR_COMMIT_FAILED, "Requirement failed: table does not exist");
    return row->check(base, values, scratch, err);
}

int table_commit_check(const struct table_commit *commit, const struct table_metadata *base,
                       struct error *err)
{
    int result = 0;
    struct arena *scratch = commit->requirement_count == 0 ? NULL : arena_new();
    for (size_t i = 0; i < commit->requirement_count && result == 0; i++)
        result = check_requirement(&commit->requirements[i], base, scratch, err);
    arena_free(scratch);
    return result;
}

/* --- apply -------------------------------------------------------------------------------------
 */

/* A table to be is made in the format version that its first upgrade names. */
static int first_format_version(const struct table_commit *commit, int64_t *version,
                                struct error *err)
{
    *version = FORMAT_VERSION_DEFAULT;
    for (size_t i = 0; i < commit->update_count; i++)
        if (commit->updates[i].row->apply == update_upgrade_format_version) {
            *version = member_int64(raw_json_member(commit->updates[i].text, "format-version"));
            break;
        }
    if (*version < 1 || *version > FORMAT_VERSION_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Unsupported format version: v%lld",
                         (long long)*version);
    return 0;
}

static int begin(struct commit_state *state, const struct table_commit *commit,
                 const struct commit_inputs *inputs, struct error *err)
{
    struct table_metadata *next = state->next;
    state->now_ms = inputs->now_ms;
    id_map_init(&state->added, state->scratch, 0);
    id_map_init(&state->removed, state->scratch, 0);
    state->properties = (struct property_edit){
        .arena = state->arena,
        .scratch = state->scratch,
        .list = &next->properties,
        .count = &next->property_count,
    };
    if (state->base != NULL) {
        *next = *state->base;
        if (state->now_ms < next->last_updated_ms)
            state->now_ms = next->last_updated_ms;
        return 0;
    }
    int64_t version;
    if (first_format_version(commit, &version, err) != 0)
        return -1;
    *next =
        (struct table_metadata){.format_version = (int)version,
                                .table_uuid = arena_str(state->arena, str_cstr(inputs->new_uuid)),
                                .current_snapshot_id = SNAPSHOT_NONE};
    return 0;
}

static int apply_updates(struct commit_state *state, const struct table_commit *commit,
                         struct error *err)
{
    for (size_t i = 0; i < commit->update_count; i++) {
        const struct commit_update *update = &commit->updates[i];
        const struct update_row *row = update->row;
        struct str values[UPDATE_MEMBERS_MAX];
        if (members_read(update->text, row->name, row->members, row->member_count, values, err) !=
            0)
            return -1;
        if (row->apply(state, update->text, values, err) != 0)
            return -1;
    }
    return 0;
}

/* 4.5 without step 3. Only what this commit touched is examined beyond the invariants. */
static int build(struct commit_state *state, const struct commit_inputs *inputs, struct error *err)
{
    struct table_metadata *next = state->next;
    next->last_updated_ms = state->now_ms;
    if (next->table_uuid.ptr == NULL)
        next->table_uuid = arena_str(state->arena, str_cstr(inputs->new_uuid));
    if (state->layout_changed || state->base == NULL)
        if (layout_check_defaults(next, err) != 0)
            return -1;
    if (state->properties_changed && table_properties_check(next, state->scratch, err) != 0)
        return -1;
    snapshots_settle(state);
    if (snapshot_log_repair(state, err) != 0)
        return -1;
    return table_metadata_check(next, err);
}

int table_commit_apply(const struct table_commit *commit, const struct table_metadata *base,
                       const struct commit_inputs *inputs, struct arena *arena,
                       struct table_metadata *next, bool *changed, struct error *err)
{
    assert(next != base);
    assert(inputs->new_uuid != NULL);
    struct commit_state state = {
        .base = base, .next = next, .arena = arena, .scratch = arena_new()};
    int result = begin(&state, commit, inputs, err);
    if (result == 0)
        result = apply_updates(&state, commit, err);
    *changed = state.changed || base == NULL;
    if (result == 0 && *changed)
        result = build(&state, inputs, err);
    else if (result == 0)
        *next = *base;
    arena_free(state.scratch);
    return result;
}
