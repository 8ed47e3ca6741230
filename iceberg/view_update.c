/* The updates of views: the head, schemas, versions. Each has its members checked for their kinds.
 */
#include "iceberg/view_update.h"

#include <assert.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the head -------------------------------------------------------------------------------- */

static int assign_uuid(struct view_state *state, const struct str *values, struct error *err)
{
    struct str uuid = raw_json_string(values[0], state->scratch);
    if (str_equal(uuid, state->next->view_uuid))
        return 0;
    return error_set(err, ERR_ILLEGAL_ARGUMENT,
                     "Cannot reassign uuid of an existing view: %.*s != %.*s",
                     STR_ARG(state->next->view_uuid), STR_ARG(uuid));
}

static int upgrade_format_version(struct view_state *state, const struct str *values,
                                  struct error *err)
{
    int64_t version = member_int64(values[0]);
    if (version < state->next->format_version)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot downgrade v%d view to v%lld",
                         state->next->format_version, (long long)version);
    if (version > VIEW_FORMAT_VERSION)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot upgrade view to unsupported format version: v%lld (supported: "
                         "v%d)",
                         (long long)version, VIEW_FORMAT_VERSION);
    return 0;
}

static int set_location(struct view_state *state, const struct str *values, struct error *err)
{
    struct str location = location_without_slashes(raw_json_string(values[0], state->scratch));
    if (location.len == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot set location: it is empty");
    if (str_equal(location, state->next->location))
        return 0;
    state->next->location = arena_str(state->arena, location);
    state->changed = true;
    return 0;
}

static int set_properties(struct view_state *state, const struct str *values, struct error *err)
{
    return property_edit_set(&state->properties, values, &state->changed, err);
}

static int remove_properties(struct view_state *state, const struct str *values, struct error *err)
{
    return property_edit_remove(&state->properties, values, &state->changed, err);
}

/* ---- schemas --------------------------------------------------------------------------------- */

static void *grown(struct view_state *state, const void *array, size_t count, size_t capacity,
                   size_t bytes_each)
{
    void *copy = arena_alloc_array(state->scratch, capacity, bytes_each);
    if (count > 0)
        memcpy(copy, array, count * bytes_each);
    return copy;
}

static int read_schemas(struct view_state *state, struct error *err)
{
    const struct metadata_list *list = &state->next->schemas;
    if (state->schema_capacity == 0) {
        state->schema_capacity = list->count + 4;
        state->schemas = ARENA_ARRAY(state->scratch, struct schema, state->schema_capacity);
        for (size_t i = 0; i < list->count; i++)
            if (layout_read_schema(list->elements[i].text, state->scratch, &state->schemas[i],
                                   err) != 0)
                return -1;
    } else if (state->schema_capacity == list->count) {
        state->schema_capacity *= 2;
        state->schemas = grown(state, state->schemas, list->count, state->schema_capacity,
                               sizeof(*state->schemas));
    }
    return 0;
}

/* Readers know ids of 32 bits. */
static int check_id(int64_t id, const char *what, struct error *err)
{
    if (id > INT32_MAX)
        return error_set(err, ERR_VALIDATION, "Cannot add %s: ids are used up", what);
    return 0;
}

static int add_schema(struct view_state *state, const struct str *values, struct error *err)
{
    struct schema schema;
    struct metadata_list *list = &state->next->schemas;
    if (layout_read_schema(values[0], state->scratch, &schema, err) != 0 ||
        read_schemas(state, err) != 0)
        return -1;
    schema.schema_id = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (schema_same(&state->schemas[i], &schema))
            return 0; /* it is used as it is, and -1 keeps its meaning */
        if (list->elements[i].id >= schema.schema_id)
            schema.schema_id = list->elements[i].id + 1;
    }
    if (check_id(schema.schema_id, "schema", err) != 0)
        return -1;
    state->schemas[list->count] = schema;
    metadata_list_append(list, layout_schema_element(&schema, state->arena), state->arena);
    state->schema = (struct added_register){true, schema.schema_id};
    state->changed = true;
    return 0;
}

/* ---- versions -------------------------------------------------------------------------------- */

static int read_versions(struct view_state *state, struct error *err)
{
    const struct metadata_list *list = &state->next->versions;
    if (state->version_capacity == 0) {
        state->version_capacity = list->count + 4;
        state->versions = ARENA_ARRAY(state->scratch, struct view_version, state->version_capacity);
        for (size_t i = 0; i < list->count; i++)
            if (view_version_read(list->elements[i].text, state->scratch, &state->versions[i],
                                  err) != 0)
                return -1;
    } else if (state->version_capacity == list->count) {
        state->version_capacity *= 2;
        state->versions = grown(state, state->versions, list->count, state->version_capacity,
                                sizeof(*state->versions));
    }
    return 0;
}

static int resolve_schema(const struct view_state *state, int64_t *schema_id, struct error *err)
{
    if (*schema_id == LAST_ADDED && !state->schema.is_set)
        return error_set(err, ERR_VALIDATION,
                         "Cannot set last added schema: no schema has been added");
    if (*schema_id == LAST_ADDED)
        *schema_id = state->schema.id;
    if (metadata_list_find(&state->next->schemas, *schema_id) == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot add version with unknown schema: %lld",
                         (long long)*schema_id);
    return 0;
}

static int add_new_version(struct view_state *state, struct view_version *version, int64_t id,
                           struct error *err)
{
    struct metadata_list *list = &state->next->versions;
    if (check_id(id, "view version", err) != 0 ||
        resolve_schema(state, &version->schema_id, err) != 0 ||
        view_version_check(version, err) != 0)
        return -1;
    version->version_id = id;
    state->versions[list->count] = *version;
    metadata_list_append(list, view_version_element(version, id, version->schema_id, state->arena),
                         state->arena);
    id_map_put(&state->added, id, 1);
    state->version = (struct added_register){true, id};
    state->changed = true;
    return 0;
}

/* One that is there already is taken, compared as it was sent; else the id moves behind all others:
 * clients number on what may be stale. */
static int add_view_version(struct view_state *state, const struct str *values, struct error *err)
{
    struct view_version version;
    const struct metadata_list *list = &state->next->versions;
    if (view_version_read(values[0], state->scratch, &version, err) != 0 ||
        read_versions(state, err) != 0)
        return -1;
    int64_t id = version.version_id;
    for (size_t i = 0; i < list->count; i++) {
        int64_t existing = list->elements[i].id;
        if (view_version_same(&state->versions[i], &version)) {
            state->version = (struct added_register){id_map_has(&state->added, existing), existing};
            return 0;
        }
        if (existing >= id)
            id = existing + 1;
    }
    return add_new_version(state, &version, id, err);
}

static int set_current_view_version(struct view_state *state, const struct str *values,
                                    struct error *err)
{
    int64_t id = member_int64(values[0]);
    if (id == LAST_ADDED && !state->version.is_set)
        return error_set(err, ERR_VALIDATION,
                         "Cannot set last version id: no current version id has been set");
    if (id == LAST_ADDED)
        id = state->version.id;
    if (id == state->next->current_version_id)
        return 0;
    const struct metadata_element *version = metadata_list_find(&state->next->versions, id);
    if (version == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot set current version to unknown version: %lld", (long long)id);
    int64_t time_ms = id_map_has(&state->added, id) ? version->timestamp_ms : state->now_ms;
    state->next->current_version_id = id;
    state->log_entry = view_log_entry(time_ms, id, state->arena);
    state->has_log_entry = true;
    state->changed = true;
    return 0;
}

/* ---- the table of updates -------------------------------------------------------------------- */

static const struct member_spec uuid_members[] = {MEMBER("uuid", STRING, REQUIRED)};
static const struct member_spec format_members[] = {MEMBER("format-version", INT, REQUIRED)};
static const struct member_spec schema_members[] = {MEMBER("schema", OBJECT, REQUIRED)};
static const struct member_spec location_members[] = {MEMBER("location", STRING, REQUIRED)};
static const struct member_spec version_members[] = {MEMBER("view-version", OBJECT, REQUIRED)};
static const struct member_spec current_members[] = {MEMBER("view-version-id", INT, REQUIRED)};

/* clang-format off */
#define MEMBERS(array) array, COUNT(array)
static const struct view_update_row rows[] = {
    {"assign-uuid",              MEMBERS(uuid_members),              assign_uuid},
    {"upgrade-format-version",   MEMBERS(format_members),            upgrade_format_version},
    {"add-schema",               MEMBERS(schema_members),            add_schema},
    {"set-location",             MEMBERS(location_members),          set_location},
    {"set-properties",           MEMBERS(set_properties_members),    set_properties},
    {"remove-properties",        MEMBERS(remove_properties_members), remove_properties},
    {"add-view-version",         MEMBERS(version_members),           add_view_version},
    {"set-current-view-version", MEMBERS(current_members),           set_current_view_version},
};
/* clang-format on */

const struct view_update_row *view_update_row_find(struct str name)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert(rows[i].member_count <= VIEW_UPDATE_MEMBERS_MAX);
        if (str_equal_ignore_case(str_cstr(rows[i].name), name))
            return &rows[i];
    }
    return NULL;
}
