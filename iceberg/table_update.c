/* The table of updates, and those of the head: uuid, format version, location, properties
 * (contract/rest.md 4.4).
 *
 * An update that has no effect leaves state->changed alone. Property and ref arrays are copied
 * before the first change: base's are never written. */
#include "iceberg/table_update.h"

#include <assert.h>

#include "base/limits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- the table -------------------------------------------------------------------------------- */

static const struct member_spec uuid_members[] = {MEMBER("uuid", STRING, REQUIRED)};
static const struct member_spec version_members[] = {MEMBER("format-version", INT, REQUIRED)};
static const struct member_spec schema_members[] = {MEMBER("schema", OBJECT, REQUIRED)};
static const struct member_spec schema_id_members[] = {MEMBER("schema-id", INT, REQUIRED)};
static const struct member_spec spec_members[] = {MEMBER("spec", OBJECT, REQUIRED)};
static const struct member_spec spec_id_members[] = {MEMBER("spec-id", INT, REQUIRED)};
static const struct member_spec order_members[] = {MEMBER("sort-order", OBJECT, REQUIRED)};
static const struct member_spec order_id_members[] = {MEMBER("sort-order-id", INT, REQUIRED)};
static const struct member_spec snapshot_members[] = {MEMBER("snapshot", OBJECT, REQUIRED)};
static const struct member_spec set_ref_members[] = {MEMBER("ref-name", STRING, REQUIRED),
                                                     MEMBER("snapshot-id", INT, REQUIRED),
                                                     MEMBER("type", STRING, REQUIRED)};
static const struct member_spec ref_name_members[] = {MEMBER("ref-name", STRING, REQUIRED)};
static const struct member_spec snapshot_ids_members[] = {
    MEMBER("snapshot-ids", INT_ARRAY, REQUIRED)};
static const struct member_spec location_members[] = {MEMBER("location", STRING, REQUIRED)};
static const struct member_spec statistics_members[] = {MEMBER("statistics", OBJECT, REQUIRED)};
static const struct member_spec partition_statistics_members[] = {
    MEMBER("partition-statistics", OBJECT, REQUIRED)};
static const struct member_spec snapshot_id_members[] = {MEMBER("snapshot-id", INT, REQUIRED)};
static const struct member_spec spec_ids_members[] = {MEMBER("spec-ids", INT_ARRAY, REQUIRED)};
static const struct member_spec schema_ids_members[] = {MEMBER("schema-ids", INT_ARRAY, REQUIRED)};
static const struct member_spec key_members[] = {MEMBER("encryption-key", OBJECT, REQUIRED)};
static const struct member_spec key_id_members[] = {MEMBER("key-id", STRING, REQUIRED)};

/* clang-format off */
#define MEMBERS(array) array, COUNT(array)
static const struct update_row rows[] = {
    {"assign-uuid",                 MEMBERS(uuid_members),                 update_assign_uuid},
    {"upgrade-format-version",      MEMBERS(version_members),              update_upgrade_format_version},
    {"add-schema",                  MEMBERS(schema_members),               update_add_schema},
    {"set-current-schema",          MEMBERS(schema_id_members),            update_set_current_schema},
    {"add-spec",                    MEMBERS(spec_members),                 update_add_spec},
    {"set-default-spec",            MEMBERS(spec_id_members),              update_set_default_spec},
    {"add-sort-order",              MEMBERS(order_members),                update_add_order},
    {"set-default-sort-order",      MEMBERS(order_id_members),             update_set_default_order},
    {"add-snapshot",                MEMBERS(snapshot_members),             update_add_snapshot},
    {"set-snapshot-ref",            MEMBERS(set_ref_members),              update_set_ref},
    {"remove-snapshot-ref",         MEMBERS(ref_name_members),             update_remove_ref},
    {"remove-snapshots",            MEMBERS(snapshot_ids_members),         update_remove_snapshots},
    {"set-location",                MEMBERS(location_members),             update_set_location},
    {"set-properties",              MEMBERS(set_properties_members),       update_set_properties},
    {"remove-properties",           MEMBERS(remove_properties_members),    update_remove_properties},
    {"set-statistics",              MEMBERS(statistics_members),           update_set_statistics},
    {"remove-statistics",           MEMBERS(snapshot_id_members),          update_remove_statistics},
    {"set-partition-statistics",    MEMBERS(partition_statistics_members), update_set_partition_statistics},
    {"remove-partition-statistics", MEMBERS(snapshot_id_members),          update_remove_partition_statistics},
    {"remove-partition-specs",      MEMBERS(spec_ids_members),             update_remove_specs},
    {"remove-schemas",              MEMBERS(schema_ids_members),           update_remove_schemas},
    {"add-encryption-key",          MEMBERS(key_members),                  update_add_encryption_key},
    {"remove-encryption-key",       MEMBERS(key_id_members),               update_remove_encryption_key},
    {"add-view-version",            NULL, 0,                               NULL},
    {"set-current-view-version",    NULL, 0,                               NULL},
};
/* clang-format on */

const struct update_row *update_row_find(struct str name)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert(rows[i].member_count <= UPDATE_MEMBERS_MAX);
        if (str_equal_ignore_case(str_cstr(rows[i].name), name))
            return &rows[i];
    }
    return NULL;
}

/* --- shared by the files of updates -------------------------------------------------------------
 */

void ids_read(struct commit_state *state, struct str array, struct id_map *out)
{
    struct str value;
    id_map_init(out, state->scratch, 0);
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (raw_json_next_element(&cursor, &value))
        id_map_put(out, member_int64(value), 1);
}

bool list_remove_ids(struct commit_state *state, struct metadata_list *list,
                     const struct metadata_list *base_list, const struct id_map *ids)
{
    size_t first = 0;
    while (first < list->count && !id_map_has(ids, list->elements[first].id))
        first++;
    if (first == list->count)
        return false;
    struct metadata_list kept = *list;
    if (base_list != NULL && list->elements == base_list->elements) {
        kept = metadata_list_new(list->count, state->arena);
        memcpy(kept.elements, list->elements, first * sizeof(*kept.elements));
        kept.count = list->count;
    }
    size_t count = first;
    for (size_t i = first; i < list->count; i++)
        if (!id_map_has(ids, list->elements[i].id))
            kept.elements[count++] = list->elements[i];
    assert(count < list->count);
    metadata_list_cut(&kept, count);
    *list = kept;
    return true;
}

/* --- uuid, version, location
 * ---------------------------------------------------------------------- */

int update_assign_uuid(struct commit_state *state, struct str text, const struct str *values,
                       struct error *err)
{
    (void)text;
    struct str uuid = raw_json_string(values[0], state->scratch);
    if (str_equal(uuid, state->next->table_uuid))
        return 0;
    if (!metadata_is_uuid(uuid))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot assign uuid: not a uuid: %.*s",
                         STR_ARG(uuid));
    if (state->base != NULL && state->base->table_uuid.ptr != NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot reassign uuid of an existing table: %.*s != %.*s",
                         STR_ARG(state->base->table_uuid), STR_ARG(uuid));
    state->next->table_uuid = arena_str(state->arena, uuid);
    state->changed = true;
    return 0;
}

int update_upgrade_format_version(struct commit_state *state, struct str text,
                                  const struct str *values, struct error *err)
{
    (void)text;
    int64_t version = member_int64(values[0]);
    struct table_metadata *next = state->next;
    if (version < 1 || version > FORMAT_VERSION_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot upgrade table to unsupported format version: v%lld (supported: "
                         "v%d)",
                         (long long)version, FORMAT_VERSION_MAX);
    if (version < next->format_version)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot downgrade v%d table to v%lld",
                         next->format_version, (long long)version);
    if (version == next->format_version)
        return 0;
    if (version >= 3)
        next->next_row_id = 0;
    next->format_version = (int)version;
    state->changed = true;
    return 0;
}

int update_set_location(struct commit_state *state, struct str text, const struct str *values,
                        struct error *err)
{
    (void)text;
    struct str location = raw_json_string(values[0], state->scratch);
    if (str_equal(location, state->next->location))
        return 0;
    location = location_without_slashes(location);
    if (location.len == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot set location: it is empty");
    if (str_equal(location, state->next->location))
        return 0;
    state->next->location = arena_str(state->arena, location);
    state->changed = true;
    return 0;
}

/* --- properties
 * ------------------------------------------------------------------------------------ */

int update_set_properties(struct commit_state *state, struct str text, const struct str *values,
                          struct error *err)
{
    (void)text;
    bool changed = false;
    int result = property_edit_set(&state->properties, values, &changed, err);
    state->changed = state->changed || changed;
    state->properties_changed = state->properties_changed || changed;
    return result;
}

int update_remove_properties(struct commit_state *state, struct str text, const struct str *values,
                             struct error *err)
{
    (void)text;
    return property_edit_remove(&state->properties, values, &state->changed, err);
}
