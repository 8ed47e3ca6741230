/* From a CreateTableRequest to the first metadata of a table.
 *
 * Rules: every id the client sent is replaced by a fresh one, and found again by the column it
 * names; nothing of the request is kept but copies in the arena. Not here: where the table lies and
 * whether the name is free. */
#include "iceberg/table_create.h"

#include "base/limits.h"
#include "iceberg/identifier.h"
#include "iceberg/json_member.h"
#include "iceberg/layout.h"

#include <assert.h>

#define FORMAT_VERSION_KEY "format-version"

/* Properties that say something about the metadata itself: dropped without a word. */
static const char *const reserved_keys[] = {
    FORMAT_VERSION_KEY,         "uuid",
    "snapshot-count",           "current-snapshot-id",
    "current-snapshot-summary", "current-snapshot-timestamp-ms",
    "current-schema",           "default-partition-spec",
    "default-sort-order",
};

/* What a new table has unless the request says otherwise. */
static const struct metadata_property default_properties[] = {
    {{"write.parquet.compression-codec", 31}, {"zstd", 4}},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int check_properties(const json_t *properties, struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];
    const char *key;
    json_t *value;

    if (json_object_size(properties) > PROPERTIES_MAX) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Too many table properties: %zu, at most %d",
                         json_object_size(properties), PROPERTIES_MAX);
    }
    json_object_foreach((json_t *)properties, key, value)
    {
        if (!json_is_string(value)) {
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Cannot parse to a string value: property %s: %s", key,
                             value_brief(value, brief));
        }
        if (strlen(key) > PROPERTY_BYTES_MAX || json_string_length(value) > PROPERTY_BYTES_MAX) {
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Table property is too long, at most %d bytes: %s", PROPERTY_BYTES_MAX,
                             key);
        }
    }
    return 0;
}

int table_create_parse(const json_t *body, struct arena *arena, struct table_create *out,
                       struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];

    *out = (struct table_create){0};
    if (!json_is_object(body)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse create table request from %s",
                         value_brief(body, brief));
    }
    if (member_string_optional(body, "name", arena, &out->name, err) != 0 ||
        name_check(out->name, "table name", err) != 0 ||
        member_string_optional(body, "location", arena, &out->location, err) != 0 ||
        member_bool_or(body, "stage-create", false, &out->stage_create, err) != 0 ||
        member_object_optional(body, "schema", &out->schema, err) != 0 ||
        member_object_optional(body, "partition-spec", &out->partition_spec, err) != 0 ||
        member_object_optional(body, "write-order", &out->write_order, err) != 0 ||
        member_object_optional(body, "properties", &out->properties, err) != 0)
        return -1;
    if (out->schema == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid create table request: no schema");
    if (out->location.len == 0)
        out->location = STR_NONE;
    return check_properties(out->properties, err);
}

static int read_format_version(const json_t *properties, int *out, struct error *err)
{
    const json_t *value = json_object_get(properties, FORMAT_VERSION_KEY);
    long long version;

    *out = FORMAT_VERSION_DEFAULT;
    if (value == NULL)
        return 0;
    struct str text = str_from(json_string_value(value), json_string_length(value));
    if (!str_to_int64(text, &version) || version < 1 || version > FORMAT_VERSION_MAX) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Unsupported format version: %.*s",
                         STR_ARG(text));
    }
    *out = (int)version;
    return 0;
}

static bool is_reserved(const char *key)
{
    for (size_t i = 0; i < COUNT(reserved_keys); i++)
        if (strcmp(key, reserved_keys[i]) == 0)
            return true;
    return false;
}

static void fill_properties(const json_t *properties, struct arena *arena,
                            struct table_metadata *out)
{
    const char *key;
    json_t *value;

    out->properties = ARENA_ARRAY(arena, struct metadata_property,
                                  json_object_size(properties) + COUNT(default_properties));
    json_object_foreach((json_t *)properties, key, value)
    {
        if (!is_reserved(key)) {
            out->properties[out->property_count++] = (struct metadata_property){
                arena_str(arena, str_cstr(key)), value_string(value, arena)};
        }
    }
    for (size_t i = 0; i < COUNT(default_properties); i++)
        if (json_object_get(properties, default_properties[i].key.ptr) == NULL)
            out->properties[out->property_count++] = default_properties[i];
}

static struct metadata_list list_of(struct metadata_element element, struct arena *arena)
{
    struct metadata_list list = {ARENA_NEW(arena, struct metadata_element), 1, 1};

    list.elements[0] = element;
    return list;
}

/* The request's schema with fresh ids; *given is the one with the client's. */
static int build_schema(const json_t *json, int format_version, struct arena *arena,
                        struct schema *given, struct schema *fresh, int64_t *last_column_id,
                        struct error *err)
{
    if (schema_parse(json, arena, given, err) != 0)
        return -1;
    schema_assign_fresh_ids(given, arena, fresh, last_column_id);
    return schema_check_version(fresh, format_version, err);
}

static int build_spec(const json_t *json, const struct schema *given, const struct schema *fresh,
                      struct arena *arena, struct partition_spec *out, struct error *err)
{
    *out = (struct partition_spec){0};
    if (json == NULL)
        return 0;
    if (partition_spec_parse(json, arena, out, err) != 0)
        return -1;
    out->spec_id = 0;
    for (size_t i = 0; i < out->field_count; i++) {
        struct partition_field *field = &out->fields[i];
        field->field_id = 0;
        if (!schema_translate_id(given, fresh, field->source_id, &field->source_id)) {
            return error_set(err, ERR_VALIDATION,
                             "Cannot find source column for partition field: %.*s: %.*s(%lld)",
                             STR_ARG(field->name), STR_ARG(field->transform),
                             (long long)field->source_id);
        }
    }
    partition_spec_number(out);
    return partition_spec_check(out, fresh, arena, err);
}

static int build_order(const json_t *json, const struct schema *given, const struct schema *fresh,
                       struct arena *arena, struct sort_order *out, struct error *err)
{
    *out = (struct sort_order){0};
    if (json == NULL)
        return 0;
    if (sort_order_parse_unnumbered(json, arena, out, err) != 0)
        return -1;
    out->order_id = out->field_count == 0 ? 0 : 1;
    for (size_t i = 0; i < out->field_count; i++) {
        struct sort_field *field = &out->fields[i];
        if (!schema_translate_id(given, fresh, field->source_id, &field->source_id)) {
            return error_set(err, ERR_VALIDATION,
                             "Cannot find source column for sort field: %.*s(%lld)",
                             STR_ARG(field->transform), (long long)field->source_id);
        }
    }
    return sort_order_check(out, fresh, arena, err);
}

/* Schema, spec and order into the metadata, with their ids. */
static int fill_layout(const struct table_create *create, struct arena *arena,
                       struct table_metadata *out, struct error *err)
{
    struct schema given, fresh;
    struct partition_spec spec;
    struct sort_order order;

    if (build_schema(create->schema, out->format_version, arena, &given, &fresh,
                     &out->last_column_id, err) != 0 ||
        build_spec(create->partition_spec, &given, &fresh, arena, &spec, err) != 0 ||
        build_order(create->write_order, &given, &fresh, arena, &order, err) != 0)
        return -1;
    out->schemas = list_of(layout_schema_element(&fresh, arena), arena);
    out->partition_specs = list_of(layout_spec_element(&spec, arena), arena);
    out->sort_orders = list_of(layout_order_element(&order, arena), arena);
    out->current_schema_id = fresh.schema_id;
    out->default_spec_id = spec.spec_id;
    out->last_partition_id = partition_spec_highest_field_id(&spec);
    out->default_sort_order_id = order.order_id;
    return 0;
}

/* Without slashes at the end; the two of "s3://" and the one of "/" stay. */
static struct str without_trailing_slashes(struct str location)
{
    while (location.len > 1 && location.ptr[location.len - 1] == '/' &&
           !str_ends_with(location, STR("://")))
        location.len--;
    return location;
}

int table_create_build(const struct table_create *create, struct str location, const char *uuid,
                       int64_t now_ms, struct arena *arena, struct table_metadata *out,
                       struct error *err)
{
    assert(create->schema != NULL && uuid != NULL && uuid[0] != '\0');
    *out = (struct table_metadata){
        .table_uuid = arena_str(arena, str_cstr(uuid)),
        .location = arena_str(arena, without_trailing_slashes(location)),
        .last_updated_ms = now_ms,
        .current_snapshot_id = SNAPSHOT_NONE,
    };
    if (read_format_version(create->properties, &out->format_version, err) != 0 ||
        fill_layout(create, arena, out, err) != 0)
        return -1;
    fill_properties(create->properties, arena, out);
    if (table_properties_check(out, arena, err) != 0)
        return -1;
    return table_metadata_check(out, err);
}
