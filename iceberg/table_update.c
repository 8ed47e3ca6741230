/* The table of updates, and those of the head: uuid, format version, location, properties
 * (contract/rest.md 4.4).
 *
 * An update that has no effect leaves state->changed alone. Property and ref arrays are copied
 * before the first change: base's are never written. */
#include "iceberg/table_update.h"

#include <assert.h>

#include "base/limits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LOOKUPS_WORTH_AN_INDEX 64

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
static const struct member_spec set_properties_members[] = {
    MEMBER("updates", STRING_MAP, OPTIONAL), MEMBER("updated", STRING_MAP, OPTIONAL)};
static const struct member_spec remove_properties_members[] = {
    MEMBER("removals", STRING_ARRAY, OPTIONAL), MEMBER("removed", STRING_ARRAY, OPTIONAL)};
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

static bool is_uuid(struct str text)
{
    if (text.len != 36)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.ptr[i] != '-' : memchr("0123456789abcdefABCDEF", text.ptr[i], 22) == NULL)
            return false;
    }
    return true;
}

int update_assign_uuid(struct commit_state *state, struct str text, const struct str *values,
                       struct error *err)
{
    (void)text;
    struct str uuid = raw_json_string(values[0], state->scratch);
    if (str_equal(uuid, state->next->table_uuid))
        return 0;
    if (!is_uuid(uuid))
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
    while (location.len > 0 && location.ptr[location.len - 1] == '/' &&
           !str_ends_with(location, STR("://")))
        location.len--;
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

static void index_properties(struct commit_state *state)
{
    id_map_init(&state->property_index, state->scratch, state->next->property_count);
    for (size_t i = 0; i < state->next->property_count; i++)
        id_map_put(&state->property_index,
                   (int64_t)id_map_hash(&state->property_index, state->next->properties[i].key),
                   (int64_t)i);
    state->is_property_indexed = true;
}

/* A property that remove-properties has marked has no key, not even the empty one. */
static bool has_key(const struct metadata_property *property, struct str key)
{
    return property->key.ptr != NULL && str_equal(property->key, key);
}

/* Every key's hash is in the index; of keys with one hash only the first is. */
static struct metadata_property *property_find(struct commit_state *state, struct str key)
{
    struct table_metadata *next = state->next;
    if (!state->is_property_indexed && ++state->property_lookups > LOOKUPS_WORTH_AN_INDEX)
        index_properties(state);
    if (state->is_property_indexed) {
        int64_t at;
        if (!id_map_get(&state->property_index, (int64_t)id_map_hash(&state->property_index, key),
                        &at))
            return NULL;
        assert((size_t)at < next->property_count);
        if (has_key(&next->properties[at], key))
            return &next->properties[at];
    }
    for (size_t i = 0; i < next->property_count; i++)
        if (has_key(&next->properties[i], key))
            return &next->properties[i];
    return NULL;
}

/* Room for one more property in an array of this commit's own. */
static void own_properties(struct commit_state *state)
{
    struct table_metadata *next = state->next;
    if (next->property_count < state->property_capacity)
        return;
    state->property_capacity = next->property_count * 2 + 8;
    struct metadata_property *own =
        ARENA_ARRAY(state->arena, struct metadata_property, state->property_capacity);
    if (next->property_count > 0)
        memcpy(own, next->properties, next->property_count * sizeof(*own));
    next->properties = own;
}

static int set_property(struct commit_state *state, struct str key, struct str value,
                        struct error *err)
{
    struct table_metadata *next = state->next;
    if (key.len > PROPERTY_BYTES_MAX || value.len > PROPERTY_BYTES_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot set properties: a key or value has more than %d bytes",
                         PROPERTY_BYTES_MAX);
    own_properties(state);
    struct metadata_property *property = property_find(state, key);
    if (property != NULL) {
        property->value = arena_str(state->arena, value);
        return 0;
    }
    if (next->property_count >= PROPERTIES_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot set properties: a table has at most %d",
                         PROPERTIES_MAX);
    if (state->is_property_indexed)
        id_map_put(&state->property_index, (int64_t)id_map_hash(&state->property_index, key),
                   (int64_t)next->property_count);
    next->properties[next->property_count++] =
        (struct metadata_property){arena_str(state->arena, key), arena_str(state->arena, value)};
    return 0;
}

int update_set_properties(struct commit_state *state, struct str text, const struct str *values,
                          struct error *err)
{
    (void)text;
    struct str map = values[0].ptr != NULL ? values[0] : values[1], key, value;
    if (map.ptr == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse set-properties: missing updates");
    struct raw_json_cursor cursor = raw_json_enter(map);
    while (raw_json_next_member(&cursor, &key, &value)) {
        if (set_property(state, raw_json_key(key, state->scratch),
                         raw_json_string(value, state->scratch), err) != 0)
            return -1;
        state->changed = state->properties_changed = true;
    }
    return 0;
}

/* Marks by a NULL key, then closes the gaps. */
int update_remove_properties(struct commit_state *state, struct str text, const struct str *values,
                             struct error *err)
{
    (void)text;
    struct table_metadata *next = state->next;
    struct str keys = values[0].ptr != NULL ? values[0] : values[1], key;
    if (keys.ptr == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse remove-properties: missing removals");
    own_properties(state);
    bool removed = false;
    struct raw_json_cursor cursor = raw_json_enter(keys);
    while (raw_json_next_element(&cursor, &key)) {
        struct metadata_property *property =
            property_find(state, raw_json_string(key, state->scratch));
        state->changed = true;
        if (property != NULL) {
            property->key = STR_NONE;
            removed = true;
        }
    }
    if (!removed)
        return 0;
    size_t count = 0;
    for (size_t i = 0; i < next->property_count; i++)
        if (next->properties[i].key.ptr != NULL)
            next->properties[count++] = next->properties[i];
    next->property_count = count;
    state->is_property_indexed = false;
    return 0;
}
